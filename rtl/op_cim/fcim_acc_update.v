// SPDX-License-Identifier: Apache-2.0
// fcim_acc_update: the arithmetic of the accumulators' read-modify-write: O := round(O / 2**shift) + (u - 128 * psum).
// Combinational, LANES rows by COLUMNS columns. Numbers: acc signed ACC_BITS; u = sum of p * (v + 128), unsigned;
//   psum = sum of p, unsigned; shift and psum belong to a row; clear takes every O as 0 (a tile's first block).
//   Accumulator column * LANES + lane lies in the low bits first.
`default_nettype none

module fcim_acc_update #(
    parameter LANES = 8,
    parameter COLUMNS = 8,
    parameter ACC_BITS = 41,
    parameter OP_LANE = 28,
    parameter BSUM_BITS = 20,
    parameter SHIFT_BITS = 6
) (
    input  wire [LANES*COLUMNS*ACC_BITS-1:0] acc,
    input  wire                              clear,
    input  wire [LANES*SHIFT_BITS-1:0]       shift,
    input  wire [LANES*COLUMNS*OP_LANE-1:0]  u,
    input  wire [LANES*BSUM_BITS-1:0]        psum,
    output wire [LANES*COLUMNS*ACC_BITS-1:0] result
);

    `include "fcim_round_shift.vh"

    reg signed [63:0]                old, correction;
    reg [SHIFT_BITS-1:0]             row_shift;
    reg [LANES*COLUMNS*ACC_BITS-1:0] sum;
    integer r, c, n;
    always @*
        for (r = 0; r < LANES; r = r + 1) begin
            row_shift  = shift[r*SHIFT_BITS +: SHIFT_BITS];
            correction = $signed({{(57-BSUM_BITS){1'b0}}, psum[r*BSUM_BITS +: BSUM_BITS], 7'd0});
            for (c = 0; c < COLUMNS; c = c + 1) begin
                n   = c*LANES + r;
                old = clear ? 64'sd0 : {{(64-ACC_BITS){acc[n*ACC_BITS + ACC_BITS - 1]}}, acc[n*ACC_BITS +: ACC_BITS]};
                if (row_shift != 0)
                    old = fcim_round_shift(old, row_shift);
                old = old + $signed({{(64-OP_LANE){1'b0}}, u[n*OP_LANE +: OP_LANE]}) - correction;
                sum[n*ACC_BITS +: ACC_BITS] = old[ACC_BITS-1:0];
            end
        end
    assign result = sum;

endmodule

`default_nettype wire
