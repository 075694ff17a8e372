// SPDX-License-Identifier: Apache-2.0
// fcim_score_lanes: LANES lanes that turn inner products of the IP-CIM into scaled, masked scores
// of one key.
//
// Latency:    3 cycles.
// Throughput: LANES elements per cycle, no back-pressure.
// Cuts:       Three registers: beside the multipliers' product, after the score's, after rounding.
// Numbers:    u unsigned, in offset binary; score = u - 128 * (ksum + q_sum), signed; z =
//             sat(round(score * k_mult * q_mult / 2**shift)), signed, with 10 fraction bits; the
//             most negative code stands for a masked element, and HEADROOM takes octaves off
//             the positive end. A row's entry is {position,
//             multiplier, sum of its elements}, lane 0 in the low bits.
`default_nettype none

module fcim_score_lanes #(
    parameter  LANES = 8,                         // rows handled per cycle: 1 or more
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  POS_BITS = 18,                     // position, unsigned: 7 to 18
    parameter  HEADROOM = 0,                      // octaves of z that no score reaches
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam Z_FRAC = 10,                       // fraction bits of a scaled score
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam ENTRY_BITS = POS_BITS + MULT_BITS + ELEM_SUM_BITS  // row table entry
) (
    input  wire                        clk,

    // the key and its inner products
    input  wire [LANES*IP_LANE-1:0]    u,
    input  wire [ELEM_SUM_BITS-1:0]    ksum,
    input  wire [POS_BITS-1:0]         k_pos,
    input  wire [MULT_BITS-1:0]        k_mult,

    // the rows
    input  wire [LANES-1:0]            used,
    input  wire [LANES*ENTRY_BITS-1:0] entries,
    input  wire [SHIFT_BITS-1:0]       shift,

    output wire [LANES*Z_BITS-1:0]     z,
    output wire [LANES-1:0]            saturated
);

    // |score| <= HEAD_DIM * 2**14 = 2**(IP_LANE-2), and a multiplier is below 2**MULT_BITS
    localparam SCALE_BITS = 2 * MULT_BITS;
    localparam PROD_BITS = IP_LANE + SCALE_BITS - 1;
    localparam OFFSET_BITS = IP_LANE - 7;           // in units of 128, modulo 2**IP_LANE
    localparam [Z_BITS-1:0] Z_LIMIT = {1'b0, {(Z_BITS-1){1'b1}}};
    localparam [Z_BITS-1:0] Z_TOP   = Z_LIMIT
        - {HEADROOM[Z_BITS-Z_FRAC-1:0], {Z_FRAC{1'b0}}};
    localparam [Z_BITS-1:0] MASKED  = {1'b1, {(Z_BITS-1){1'b0}}};

    reg [LANES*IP_LANE-1:0]    score_q;
    reg [LANES*SCALE_BITS-1:0] scale_q;
    reg [LANES-1:0]            visible_q, visible_q2;
    reg [SHIFT_BITS-1:0]       shift_q, shift_q2;
    reg [LANES*PROD_BITS-1:0]  prod_q;

    // ---- stage A: offset correction, product of both multipliers, visibility. Registers of a lane
    // take a value only if its row is in use, those of the next stage only if the score is visible
    always @(posedge clk) begin : operands
        reg [LANES*IP_LANE-1:0]    score;
        reg [LANES*SCALE_BITS-1:0] scale;
        reg [LANES-1:0]            visible;
        reg [POS_BITS-1:0]         q_pos;
        reg [MULT_BITS-1:0]        q_mult;
        reg [ELEM_SUM_BITS-1:0]    q_sum;
        reg [OFFSET_BITS-1:0]      offset;
        integer                    a;
        for (a = 0; a < LANES; a = a + 1) begin
            {q_pos, q_mult, q_sum} = entries[a*ENTRY_BITS +: ENTRY_BITS];
            offset = {1'b0, ksum} + {q_sum[ELEM_SUM_BITS-1], q_sum};
            score[a*IP_LANE +: IP_LANE] = u[a*IP_LANE +: IP_LANE] - {offset, 7'd0};
            scale[a*SCALE_BITS +: SCALE_BITS] = {{MULT_BITS{1'b0}}, k_mult & {MULT_BITS{used[a]}}}
                                              * {{MULT_BITS{1'b0}}, q_mult};
            visible[a] = used[a] && (k_pos <= q_pos);
            if (used[a]) begin
                score_q[a*IP_LANE +: IP_LANE]       <= score[a*IP_LANE +: IP_LANE];
                scale_q[a*SCALE_BITS +: SCALE_BITS] <= scale[a*SCALE_BITS +: SCALE_BITS];
            end
        end
        visible_q <= visible;
        shift_q   <= shift;
    end

    // ---- stage B: score times both
    always @(posedge clk) begin : product
        reg        [LANES*PROD_BITS-1:0] prod;
        reg signed [IP_LANE-1:0]         score;
        integer                          b;
        for (b = 0; b < LANES; b = b + 1) begin
            score = score_q[b*IP_LANE +: IP_LANE];
            prod[b*PROD_BITS +: PROD_BITS] =
                $signed({{(SCALE_BITS-1){score[IP_LANE-1]}}, score})
                * $signed({{(IP_LANE-1){1'b0}}, scale_q[b*SCALE_BITS +: SCALE_BITS]});
            if (visible_q[b]) begin
                prod_q[b*PROD_BITS +: PROD_BITS] <= prod[b*PROD_BITS +: PROD_BITS];
            end
        end
        visible_q2 <= visible_q;
        shift_q2   <= shift_q;
    end

    // ---- stage C: round, saturate, mask. floor(2 * prod / 2**shift) is {floor, half}; a sum that
    // is the code of a masked score has left the range by one, at either end
    reg [LANES*Z_BITS-1:0] z_q;
    reg [LANES-1:0]        saturated_q;
    always @(posedge clk) begin : round
        reg        [LANES*Z_BITS-1:0] z_out;
        reg        [LANES-1:0]        clamped;
        reg signed [PROD_BITS:0]      twice;
        reg        [PROD_BITS-Z_BITS:0] above;  // all alike if floor is in the range
        reg        [Z_BITS-1:0]       rounded;
        reg                           negative;
        integer                       c;
        for (c = 0; c < LANES; c = c + 1) begin
            twice      = $signed({prod_q[c*PROD_BITS +: PROD_BITS], 1'b0}) >>> shift_q2;
            above      = twice[PROD_BITS:Z_BITS];
            rounded    = twice[Z_BITS:1] + {{(Z_BITS-1){1'b0}}, twice[0]};
            negative   = twice[PROD_BITS];
            clamped[c] = (|above && !(&above)) || rounded == MASKED;
            if (HEADROOM != 0) begin
                clamped[c] = clamped[c] || (!negative && rounded > Z_TOP);
            end
            z_out[c*Z_BITS +: Z_BITS] = !visible_q2[c] ? MASKED :
                                        !clamped[c]    ? rounded :
                                        negative       ? -Z_LIMIT : Z_TOP;
        end
        z_q         <= z_out;
        saturated_q <= clamped & visible_q2;
    end
    assign z         = z_q;
    assign saturated = saturated_q;

endmodule

`default_nettype wire
