// SPDX-License-Identifier: Apache-2.0
// tb_core_alone: tb_core with a clock of its own and nothing behind the simulator's interface: what
// the RTL alone costs. Plusarg +rows=N: rows of O that are due.
`timescale 1ns / 1ps
`default_nettype none

module tb_core_alone #(
    parameter ROWS = 64,
    parameter HEAD_DIM = 128,
    parameter BITS_PER_CYCLE = 1,
    parameter KEYS_PER_BLOCK = 16,
    parameter PROB_BITS = 18,
    parameter MAX_KEYS = 131072,
    parameter SUM_CUT = 0
);

    reg         clk, rst_n, start, finish;
    reg  [31:0] rows_due;
    wire        done, protocol_error;
    wire [31:0] cycle;

    tb_core #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT)
    ) u_tb (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .rows_out(), .chunks_out(),
        .keys_in(), .q_in(), .v_in(), .done(done),
        .rows_due(rows_due), .chunks_due(32'd0), .protocol_error(protocol_error),
        .error_v_count(), .counters(), .cycle(cycle)
    );

    always #5 clk = !clk;

    initial begin
        clk = 1'b0;
        rst_n = 1'b0;
        start = 1'b0;
        finish = 1'b0;
        rows_due = 1;
        if (!$value$plusargs("rows=%d", rows_due)) begin
            $display("ERROR: give +rows=N");
        end
        repeat (4) @(negedge clk);
        rst_n = 1'b1;
        @(negedge clk) start = 1'b1;
        @(negedge clk) start = 1'b0;
        wait (done || protocol_error);
        repeat (40) @(negedge clk);
        finish = 1'b1;
        @(negedge clk);
        $display("cycles %0d error %b", cycle, protocol_error);
        $finish;
    end

endmodule

`default_nettype wire
