// SPDX-License-Identifier: Apache-2.0
// fcim_exp2: LANES lanes that turn scaled scores and their rows' running maxima into probabilities,
// p = 2**(z - row_max).
//
// Latency:    1 cycle.
// Throughput: LANES elements per cycle, no back-pressure.
// Cuts:       One register, before the shift.
// Numbers:    z signed with Z_FRAC fraction bits, row_max a signed integer; p unsigned, 1.0 =
//             2**(PROB_BITS-1-tau). 2**f by 32 chords with 16 fraction bits (fcim_exp2_knots.vh);
//             two more are 0, so that 18 bits of probability too are a rounded right shift by at
//             least 1.
`default_nettype none

module fcim_exp2 #(
    parameter  LANES = 8,          // elements per cycle: 1 or more
    parameter  PROB_BITS = 18,     // probability, unsigned: 8 to 18
    localparam Z_BITS = 20,        // scaled score, signed
    localparam Z_FRAC = 10,        // fraction bits of a scaled score
    localparam ROW_MAX_BITS = 10,  // running maximum, signed
    localparam TAU_BITS = 4        // tau in octaves, unsigned
) (
    input  wire                          clk,
    input  wire [LANES*Z_BITS-1:0]       z,
    input  wire [LANES*ROW_MAX_BITS-1:0] row_max,
    input  wire [TAU_BITS-1:0]           tau,
    output wire [LANES*PROB_BITS-1:0]    p
);

    `include "fcim_exp2_knots.vh"

    localparam KNOT_BITS = 18;                  // a knot: up to 2.0 with 16 fraction bits
    localparam INDEX_BITS = 5;                  // 32 chords
    localparam LOW_BITS = Z_FRAC - INDEX_BITS;  // place on a chord
    localparam RISE_BITS = 12;                  // every chord rises by less than 2**12
    localparam PRODUCT_BITS = RISE_BITS + LOW_BITS + 1;
    localparam MANT_BITS = 17;                  // 2**fraction: 1.0 to below 2.0, 16 fraction bits
    localparam EXTRA_BITS = 2;                  // zeros behind them
    localparam AMOUNT_BITS = 5;                 // up to SHIFT_ZERO
    localparam DIST_BITS = ROW_MAX_BITS + 2;    // the shift before it is clamped
    localparam [4:0] SHIFT_ZERO = 5'd20;        // from here on the rounded result is 0
    // shift = 16 + EXTRA_BITS - (PROB_BITS - 1) + tau - n
    localparam [AMOUNT_BITS-1:0] SHIFT_BASE = 5'd19 - PROB_BITS[AMOUNT_BITS-1:0];
    localparam [Z_BITS-1:0]      MASKED     = {1'b1, {(Z_BITS-1){1'b0}}};

    // ---- 2**fraction on the chord between two knots; the running maximum is an integer, so z and
    // z - row_max share the fraction
    reg [LANES*MANT_BITS-1:0]   mant_q;
    reg [LANES*AMOUNT_BITS-1:0] amount_q;
    reg [LANES-1:0]             zero_q;
    always @(posedge clk) begin : chord
        reg        [LANES*MANT_BITS-1:0]   mant;
        reg        [LANES*AMOUNT_BITS-1:0] amount;
        reg        [LANES-1:0]             zero;
        reg        [Z_BITS-1:0]            lane_z;
        reg        [ROW_MAX_BITS-1:0]      lane_max;
        reg        [2*KNOT_BITS-1:0]       knots;       // {next knot, knot}
        reg        [RISE_BITS-1:0]         rise;
        reg        [PRODUCT_BITS-1:0]      product;
        reg signed [DIST_BITS-1:0]         shift;
        integer                            a;
        for (a = 0; a < LANES; a = a + 1) begin
            lane_z   = z[a*Z_BITS +: Z_BITS];
            lane_max = row_max[a*ROW_MAX_BITS +: ROW_MAX_BITS];
            knots    = fcim_exp2_knots(lane_z[Z_FRAC-1 -: INDEX_BITS]);
            rise     = knots[KNOT_BITS +: RISE_BITS] - knots[RISE_BITS-1:0];
            product  = {{(LOW_BITS+1){1'b0}}, rise} * {{(RISE_BITS+1){1'b0}}, lane_z[LOW_BITS-1:0]}
                     + (1 << (LOW_BITS-1));
            mant[a*MANT_BITS +: MANT_BITS] = knots[MANT_BITS-1:0]
                + {{(MANT_BITS-RISE_BITS-1){1'b0}}, product[PRODUCT_BITS-1:LOW_BITS]};
            shift    = $signed({{(DIST_BITS-AMOUNT_BITS){1'b0}}, SHIFT_BASE})
                     + $signed({{(DIST_BITS-TAU_BITS){1'b0}}, tau})
                     - $signed({{2{lane_z[Z_BITS-1]}}, lane_z[Z_BITS-1:Z_FRAC]})
                     + $signed({{2{lane_max[ROW_MAX_BITS-1]}}, lane_max});
            amount[a*AMOUNT_BITS +: AMOUNT_BITS] =
                (shift > $signed({{(DIST_BITS-AMOUNT_BITS){1'b0}}, SHIFT_ZERO}))
                ? SHIFT_ZERO : shift[AMOUNT_BITS-1:0];
            zero[a]  = (lane_z == MASKED);
            if (!zero[a]) begin     // else nothing needs to move
                mant_q[a*MANT_BITS +: MANT_BITS]       <= mant[a*MANT_BITS +: MANT_BITS];
                amount_q[a*AMOUNT_BITS +: AMOUNT_BITS] <= amount[a*AMOUNT_BITS +: AMOUNT_BITS];
            end
        end
        zero_q <= zero;
    end

    // ---- p = round({mant, zeros} / 2**amount), amount at least 1
    reg [LANES*PROB_BITS-1:0] p_out;
    always @* begin : round
        reg [AMOUNT_BITS-1:0]        amount;
        reg [MANT_BITS+EXTRA_BITS:0] p_wide;    // twice p, plus the rounding bit
        integer                      b;
        for (b = 0; b < LANES; b = b + 1) begin
            amount = amount_q[b*AMOUNT_BITS +: AMOUNT_BITS];
            p_wide = ({1'b0, mant_q[b*MANT_BITS +: MANT_BITS], {EXTRA_BITS{1'b0}}}
                      >> (amount - 5'd1)) + 1'b1;
            // with 8 or 9 bits the largest fractions round up to 2**PROB_BITS
            p_out[b*PROB_BITS +: PROB_BITS] =
                zero_q[b]             ? {PROB_BITS{1'b0}} :
                p_wide[PROB_BITS + 1] ? {PROB_BITS{1'b1}} : p_wide[PROB_BITS:1];
        end
    end
    assign p = p_out;

endmodule

`default_nettype wire
