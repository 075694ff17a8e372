// SPDX-License-Identifier: Apache-2.0
// fcim_acc_update: the arithmetic of the accumulators' read-modify-write: O := round(O / 2**shift)
// + (u - 128 * psum).
//
// Latency:    None: combinational.
// Throughput: LANES rows by COLUMNS columns at once.
// Cuts:       None.
// Numbers:    u = sum of p * (v + 128) and psum = sum of p, unsigned; shift and psum belong to a
//             row; clear takes every O as 0 (a tile's first block). Accumulator column * LANES +
//             lane, in the low bits first.
`default_nettype none

module fcim_acc_update #(
    parameter  LANES = 8,       // rows handled per cycle: 1 to 128
    parameter  COLUMNS = 8,     // columns of a slice: 1 to 16
    parameter  ACC_BITS = 43,   // accumulator, signed: 20 to 43
    parameter  OP_LANE = 30,    // sum over a slice, unsigned: 19 to 32
    parameter  BSUM_BITS = 22,  // a row's p of a block, summed, unsigned: 11 to 24
    localparam SHIFT_BITS = 6   // shift amount, unsigned
) (
    input  wire [LANES*COLUMNS*ACC_BITS-1:0] acc,
    input  wire                              clear,
    input  wire [LANES*SHIFT_BITS-1:0]       shift,
    input  wire [LANES*COLUMNS*OP_LANE-1:0]  u,
    input  wire [LANES*BSUM_BITS-1:0]        psum,
    output wire [LANES*COLUMNS*ACC_BITS-1:0] result
);

    localparam ROUND_BITS = ACC_BITS;
    `include "fcim_round_shift.vh"

    reg [LANES*COLUMNS*ACC_BITS-1:0] sum;
    always @* begin : update
        reg signed [ACC_BITS-1:0]   old;
        reg        [ACC_BITS-1:0]   correction, products;
        reg        [SHIFT_BITS-1:0] row_shift;
        integer                     r, c, n;
        sum = {LANES*COLUMNS*ACC_BITS{1'b0}};   // or some readers see latches
        products = {ACC_BITS{1'b0}};    // OP_LANE may be as wide, so nothing to replicate
        for (r = 0; r < LANES; r = r + 1) begin
            row_shift  = shift[r*SHIFT_BITS +: SHIFT_BITS];
            // 128 * psum
            correction = {{(ACC_BITS-BSUM_BITS-7){1'b0}}, psum[r*BSUM_BITS +: BSUM_BITS], 7'd0};
            for (c = 0; c < COLUMNS; c = c + 1) begin
                n   = c*LANES + r;
                old = clear ? {ACC_BITS{1'b0}} : acc[n*ACC_BITS +: ACC_BITS];
                old = fcim_round_shift(old, row_shift);
                products[OP_LANE-1:0] = u[n*OP_LANE +: OP_LANE];
                sum[n*ACC_BITS +: ACC_BITS] = old + products - correction;
            end
        end
    end
    assign result = sum;

endmodule

`default_nettype wire
