// SPDX-License-Identifier: Apache-2.0
// fcim_score_lanes: LANES lanes that turn inner products of the IP-CIM into scaled, masked scores of one key.
// Latency: 2 cycles (two registers). Throughput: LANES elements per cycle, no back-pressure.
// Numbers: u unsigned offset-binary sum; score = u - 128 * (ksum + qsum), signed; z = sat(round(score*k_mult*q_mult / 2**shift)),
//   signed, Z_FRAC fraction bits; the most negative code stands for a masked element.
//   A row's entry is {position, multiplier, sum of its elements}, lane 0 in the low bits.
`default_nettype none

module fcim_score_lanes #(
    parameter LANES = 8,
    parameter HEAD_DIM = 128,
    parameter POS_BITS = 18,
    // derived or fixed, not to be set
    parameter LANE = 16 + $clog2(HEAD_DIM),
    parameter KSUM_BITS = 8 + $clog2(HEAD_DIM),
    parameter Z_BITS = 20,
    parameter MULT_BITS = 16,
    parameter SHIFT_BITS = 6,
    parameter ENTRY_BITS = POS_BITS + MULT_BITS + KSUM_BITS
) (
    input  wire                        clk,

    // the key and its inner products
    input  wire [LANES*LANE-1:0]       u,
    input  wire [KSUM_BITS-1:0]        ksum,
    input  wire [POS_BITS-1:0]         k_pos,
    input  wire [MULT_BITS-1:0]        k_mult,

    // the rows
    input  wire [LANES-1:0]            used,
    input  wire [LANES*ENTRY_BITS-1:0] entries,
    input  wire [SHIFT_BITS-1:0]       shift,

    output wire [LANES*Z_BITS-1:0]     z,
    output wire [LANES-1:0]            saturated
);

    `include "fcim_round_shift.vh"

    localparam PROD1_BITS = LANE + MULT_BITS;             // |score| <= HEAD_DIM * 2**14 < 2**(LANE-1)
    localparam PROD2_BITS = PROD1_BITS + MULT_BITS;
    localparam signed [63:0] Z_LIMIT = (64'sd1 <<< (Z_BITS-1)) - 64'sd1;
    localparam [Z_BITS-1:0]  MASKED  = {1'b1, {(Z_BITS-1){1'b0}}};

    reg [LANES*PROD1_BITS-1:0]  prod1, prod1_q;
    reg [LANES*MULT_BITS-1:0]   mult, mult_q;
    reg [LANES-1:0]             visible, visible_q, visible_q2;
    reg [SHIFT_BITS-1:0]        shift_q, shift_q2;
    reg [LANES*PROD2_BITS-1:0]  prod2, prod2_q;

    // ---- stage A: offset correction, times the key's multiplier, visibility
    reg        [POS_BITS-1:0]   q_pos;
    reg signed [KSUM_BITS-1:0]  q_sum;
    reg signed [KSUM_BITS+1:0]  offset;
    reg signed [PROD1_BITS-1:0] score;
    integer a;
    always @(posedge clk) begin
        for (a = 0; a < LANES; a = a + 1) begin
            {q_pos, mult[a*MULT_BITS +: MULT_BITS], q_sum} = entries[a*ENTRY_BITS +: ENTRY_BITS];
            offset = $signed({2'b00, ksum}) + $signed({{2{q_sum[KSUM_BITS-1]}}, q_sum});
            score  = $signed({{MULT_BITS{1'b0}}, u[a*LANE +: LANE]})
                   - $signed({{(PROD1_BITS-KSUM_BITS-9){offset[KSUM_BITS+1]}}, offset, 7'd0});
            prod1[a*PROD1_BITS +: PROD1_BITS] = score * $signed({{LANE{1'b0}}, k_mult});
            visible[a] = used[a] && (k_pos <= q_pos);
        end
        prod1_q   <= prod1;
        mult_q    <= mult;
        visible_q <= visible;
        shift_q   <= shift;
    end

    // ---- stage B: times the row's multiplier
    integer b;
    always @(posedge clk) begin
        for (b = 0; b < LANES; b = b + 1)
            prod2[b*PROD2_BITS +: PROD2_BITS] =
                $signed({{MULT_BITS{prod1_q[b*PROD1_BITS + PROD1_BITS - 1]}}, prod1_q[b*PROD1_BITS +: PROD1_BITS]})
                * $signed({{PROD1_BITS{1'b0}}, mult_q[b*MULT_BITS +: MULT_BITS]});
        prod2_q    <= prod2;
        visible_q2 <= visible_q;
        shift_q2   <= shift_q;
    end

    // ---- stage C (combinational): round, saturate, mask
    reg signed [63:0]         rounded;
    reg [LANES*Z_BITS-1:0]    z_out;
    reg [LANES-1:0]           saturated_out;
    integer c;
    always @* begin
        for (c = 0; c < LANES; c = c + 1) begin
            rounded = fcim_round_shift({{(64-PROD2_BITS){prod2_q[c*PROD2_BITS + PROD2_BITS - 1]}}, prod2_q[c*PROD2_BITS +: PROD2_BITS]},
                                       shift_q2);
            saturated_out[c] = visible_q2[c] && (rounded > Z_LIMIT || rounded < -Z_LIMIT);
            if (!visible_q2[c])
                z_out[c*Z_BITS +: Z_BITS] = MASKED;
            else if (rounded > Z_LIMIT)
                z_out[c*Z_BITS +: Z_BITS] = Z_LIMIT[Z_BITS-1:0];
            else if (rounded < -Z_LIMIT)
                z_out[c*Z_BITS +: Z_BITS] = -Z_LIMIT[Z_BITS-1:0];
            else
                z_out[c*Z_BITS +: Z_BITS] = rounded[Z_BITS-1:0];
        end
    end
    assign z         = z_out;
    assign saturated = saturated_out;

endmodule

`default_nettype wire
