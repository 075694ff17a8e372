// SPDX-License-Identifier: Apache-2.0
// fcim_passes: numbers the passes of a row, the first in the cycle of its start.
//
// Latency:    None.
// Throughput: A row per PASSES cycles; the next may start in the cycle after the last pass.
// Cuts:       start reaches all outputs.
// Numbers:    None.
`default_nettype none

module fcim_passes #(
    parameter  PASSES = 8,     // 1 or more
    localparam PASS_BITS = (PASSES > 1) ? $clog2(PASSES) : 1  // index of a pass
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 start,
    output wire                 valid,
    output wire [PASS_BITS-1:0] pass,
    output wire                 last
);

    localparam LAST_NUMBER = PASSES - 1;

    reg                 busy_q;
    reg [PASS_BITS-1:0] next_q;
    assign valid = start || busy_q;
    assign pass  = start ? {PASS_BITS{1'b0}} : next_q;
    assign last  = valid && (pass == LAST_NUMBER[PASS_BITS-1:0]);

    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q <= 1'b0;
        end else begin
            busy_q <= valid && !last;
        end
    end
    always @(posedge clk) begin
        if (valid) begin
            next_q <= pass + 1'b1;
        end
    end

endmodule

`default_nettype wire
