// SPDX-License-Identifier: Apache-2.0
// fcim_exp2: LANES lanes that turn scaled scores and their rows' references into probabilities, p = 2**(z - reference).
// Latency: 1 cycle (one register). Throughput: LANES elements per cycle, no back-pressure.
// Numbers: z signed, Z_FRAC fraction bits; reference a signed integer; p unsigned PROB_BITS with 1.0 = 2**(PROB_BITS-1-tau).
//   2**f by 32 chords with 16 fraction bits (fcim_exp2_knots.vh), then a rounded right shift.
`default_nettype none

module fcim_exp2 #(
    parameter LANES = 8,
    parameter PROB_BITS = 16,
    // fixed by the number formats
    parameter Z_BITS = 20,
    parameter Z_FRAC = 10,
    parameter REF_BITS = 10,
    parameter TAU_BITS = 4
) (
    input  wire                       clk,
    input  wire [LANES*Z_BITS-1:0]    z,
    input  wire [LANES*REF_BITS-1:0]  reference,
    input  wire [TAU_BITS-1:0]        tau,
    output wire [LANES*PROB_BITS-1:0] p
);

    `include "fcim_exp2_knots.vh"

    localparam LOW_BITS  = Z_FRAC - 5;
    localparam MANT_BITS = 17;                             // 1.16
    localparam [4:0] SHIFT_ZERO = 5'd18;                   // from here on the rounded result is 0
    localparam [4:0] SHIFT_BASE = 5'd17 - PROB_BITS[4:0];  // shift = 16 - (PROB_BITS - 1) + tau - n
    localparam [Z_BITS-1:0] MASKED = {1'b1, {(Z_BITS-1){1'b0}}};

    reg [LANES*MANT_BITS-1:0] mant, mant_q;
    reg [LANES*5-1:0]         amount, amount_q;
    reg [LANES-1:0]           zero, zero_q;

    // ---- 2**fraction on the chord between two knots; the reference is an integer, so z and z - reference share the fraction
    reg [Z_BITS-1:0]          lane_z;
    reg [REF_BITS-1:0]        lane_ref;
    reg [35:0]                knots;                       // {next knot, knot}
    reg [11:0]                rise;                        // every rise is below 2**12
    reg [12+LOW_BITS:0]       product;
    reg signed [REF_BITS+1:0] shift;
    integer a;
    always @(posedge clk) begin
        for (a = 0; a < LANES; a = a + 1) begin
            lane_z   = z[a*Z_BITS +: Z_BITS];
            lane_ref = reference[a*REF_BITS +: REF_BITS];
            knots    = fcim_exp2_knots(lane_z[Z_FRAC-1 -: 5]);
            rise     = knots[29:18] - knots[11:0];
            product  = {{(LOW_BITS+1){1'b0}}, rise} * {13'd0, lane_z[LOW_BITS-1:0]} + (1 << (LOW_BITS-1));
            mant[a*MANT_BITS +: MANT_BITS] = knots[MANT_BITS-1:0] + {{(MANT_BITS-13){1'b0}}, product[12+LOW_BITS:LOW_BITS]};
            shift    = $signed({{(REF_BITS-3){1'b0}}, SHIFT_BASE}) + $signed({{(REF_BITS+2-TAU_BITS){1'b0}}, tau})
                     - $signed({{2{lane_z[Z_BITS-1]}}, lane_z[Z_BITS-1:Z_FRAC]}) + $signed({{2{lane_ref[REF_BITS-1]}}, lane_ref});
            amount[a*5 +: 5] = (shift > $signed({{(REF_BITS-3){1'b0}}, SHIFT_ZERO})) ? SHIFT_ZERO : shift[4:0];
            zero[a]  = (lane_z == MASKED);
        end
        mant_q   <= mant;
        amount_q <= amount;
        zero_q   <= zero;
    end

    // ---- p = round(mant / 2**amount), amount at least 1
    reg [MANT_BITS:0]         p_wide;                      // twice p, plus the rounding bit
    reg [LANES*PROB_BITS-1:0] p_out;
    integer b;
    always @*
        for (b = 0; b < LANES; b = b + 1) begin
            p_wide = ({1'b0, mant_q[b*MANT_BITS +: MANT_BITS]} >> (amount_q[b*5 +: 5] - 5'd1)) + 1'b1;
            // with 8 or 9 bits the largest fractions round up to 2**PROB_BITS
            p_out[b*PROB_BITS +: PROB_BITS] = zero_q[b]             ? {PROB_BITS{1'b0}} :
                                              p_wide[PROB_BITS + 1] ? {PROB_BITS{1'b1}} : p_wide[PROB_BITS:1];
        end
    assign p = p_out;

endmodule

`default_nettype wire
