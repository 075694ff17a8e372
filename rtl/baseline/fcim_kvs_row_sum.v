// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_row_sum: adds a row's probabilities over all pairs and passes to its sum, rescaled,
// which the buffer keeps between operations.
//
// Latency:    2 cycles from a row, which comes with the sum of its last pass, to its new sum.
// Throughput: A row per PASSES cycles, at least 3 between two visits of one row.
// Cuts:       l_rd depends on the row; all other outputs come from registers, l_rd_data
//             reaches one.
// Numbers:    l := round(l / 2**shift) + sum of p; exact but for the rounding.
`default_nettype none

module fcim_kvs_row_sum #(
    parameter  MACROS = 8,     // pairs of macros: 1, 2, 4, 8 or 16
    parameter  INDEX_BITS = 15,                   // index of a row
    parameter  PSUM_BITS = 12,                    // sum of a pair's pass, unsigned
    parameter  SUM_BITS = 21,                     // sum of a row, unsigned
    localparam SHIFT_BITS = 6                     // shift amount, unsigned
) (
    input  wire                        clk,
    input  wire                        rst_n,

    // the sum of each pair, pass by pass
    input  wire                        p_valid,
    input  wire                        p_first,
    input  wire [MACROS*PSUM_BITS-1:0] p_sums,

    // the row, with its last pass
    input  wire                        row_valid,
    input  wire [INDEX_BITS-1:0]       row_index,
    input  wire                        row_first,
    input  wire                        row_last,
    input  wire [SHIFT_BITS-1:0]       row_shift,

    // to the buffer
    output wire                        l_rd,
    output wire [INDEX_BITS-1:0]       l_rd_address,
    input  wire [SUM_BITS-1:0]         l_rd_data,
    output wire                        l_wr,
    output wire [INDEX_BITS-1:0]       l_wr_address,
    output wire [SUM_BITS-1:0]         l_wr_data,

    // two cycles after the row
    output wire                        sum_valid,
    output wire [SUM_BITS-1:0]         row_sum
);

    localparam ROUND_BITS = SUM_BITS + 1;         // a sum, never negative
    `include "fcim_round_shift.vh"

    // ---- over pairs and passes
    reg [SUM_BITS-1:0] total_q;
    always @(posedge clk) begin : sum_up
        reg [SUM_BITS-1:0] total, more;
        integer            m;
        total = {SUM_BITS{1'b0}};
        more  = {SUM_BITS{1'b0}};       // a pass may be as wide, so nothing to replicate
        for (m = 0; m < MACROS; m = m + 1) begin
            more[PSUM_BITS-1:0] = p_sums[m*PSUM_BITS +: PSUM_BITS];
            total = total + more;
        end
        if (p_valid) begin
            total_q <= total + (p_first ? {SUM_BITS{1'b0}} : total_q);
        end
    end

    // ---- the old sum comes a cycle after the row, with the row's own
    assign l_rd         = row_valid && !row_first;
    assign l_rd_address = row_index;

    reg                  old_valid_q, old_first_q, old_last_q;
    reg [INDEX_BITS-1:0] old_index_q;
    reg [SHIFT_BITS-1:0] old_shift_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            old_valid_q <= 1'b0;
        end else begin
            old_valid_q <= row_valid;
        end
    end
    always @(posedge clk) begin
        if (row_valid) begin
            old_index_q <= row_index;
            old_first_q <= row_first;
            old_last_q  <= row_last;
            old_shift_q <= row_shift;
        end
    end

    reg                  sum_valid_q, l_wr_q;
    reg [INDEX_BITS-1:0] sum_index_q;
    reg [SUM_BITS-1:0]   sum_q;
    reg [SUM_BITS-1:0]   next_sum;
    always @* begin : update
        reg [ROUND_BITS-1:0] old;
        old      = old_first_q ? {ROUND_BITS{1'b0}} : {1'b0, l_rd_data};
        old      = fcim_round_shift(old, old_shift_q);
        next_sum = old[SUM_BITS-1:0] + total_q;
    end
    always @(posedge clk) begin
        if (!rst_n) begin
            sum_valid_q <= 1'b0;
            l_wr_q      <= 1'b0;
        end else begin
            sum_valid_q <= old_valid_q;
            l_wr_q      <= old_valid_q && !old_last_q;
        end
    end
    always @(posedge clk) begin
        if (old_valid_q) begin
            sum_index_q <= old_index_q;
            sum_q       <= next_sum;
        end
    end
    assign l_wr         = l_wr_q;
    assign l_wr_address = sum_index_q;
    assign l_wr_data    = sum_q;
    assign sum_valid    = sum_valid_q;
    assign row_sum      = sum_q;

endmodule

`default_nettype wire
