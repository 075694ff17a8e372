// SPDX-License-Identifier: Apache-2.0
// fcim_score_lanes: LANES lanes that turn inner products of the IP-CIM into scaled, masked scores
// of one key.
//
// Latency:    2 cycles.
// Throughput: LANES elements per cycle, no back-pressure.
// Cuts:       Two registers, after each product; rounding follows them.
// Numbers:    u unsigned, in offset binary; score = u - 128 * (ksum + q_sum), signed; z =
//             sat(round(score * k_mult * q_mult / 2**shift)), signed, with 10 fraction bits; the
//             most negative code stands for a masked element. A row's entry is {position,
//             multiplier, sum of its elements}, lane 0 in the low bits.
`default_nettype none

module fcim_score_lanes #(
    parameter  LANES = 8,                         // rows handled per cycle: 1 or more
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  POS_BITS = 18,                     // position, unsigned: 7 to 18
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam Z_BITS = 20,                       // scaled score, signed
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
    localparam PROD1_BITS = IP_LANE + MULT_BITS - 1;
    localparam PROD2_BITS = PROD1_BITS + MULT_BITS;
    localparam OFFSET_BITS = IP_LANE - 7;           // in units of 128, modulo 2**IP_LANE
    localparam signed [PROD2_BITS-1:0] Z_LIMIT =
        {{(PROD2_BITS-Z_BITS+1){1'b0}}, {(Z_BITS-1){1'b1}}};
    localparam [Z_BITS-1:0] MASKED = {1'b1, {(Z_BITS-1){1'b0}}};

    localparam ROUND_BITS = PROD2_BITS;
    `include "fcim_round_shift.vh"

    reg [LANES*PROD1_BITS-1:0] prod1_q;
    reg [LANES*MULT_BITS-1:0]  mult_q;
    reg [LANES-1:0]            visible_q, visible_q2;
    reg [SHIFT_BITS-1:0]       shift_q, shift_q2;
    reg [LANES*PROD2_BITS-1:0] prod2_q;

    // ---- stage A: offset correction, times the key's multiplier, visibility
    always @(posedge clk) begin : key_product
        reg        [LANES*PROD1_BITS-1:0] prod1;
        reg        [LANES*MULT_BITS-1:0]  mult;
        reg        [LANES-1:0]            visible;
        reg        [POS_BITS-1:0]         q_pos;
        reg        [ELEM_SUM_BITS-1:0]    q_sum;
        reg        [OFFSET_BITS-1:0]      offset;
        reg signed [IP_LANE-1:0]          score;
        integer                           a;
        for (a = 0; a < LANES; a = a + 1) begin
            {q_pos, mult[a*MULT_BITS +: MULT_BITS], q_sum} = entries[a*ENTRY_BITS +: ENTRY_BITS];
            offset = {1'b0, ksum} + {q_sum[ELEM_SUM_BITS-1], q_sum};
            score  = u[a*IP_LANE +: IP_LANE] - {offset, 7'd0};
            prod1[a*PROD1_BITS +: PROD1_BITS] =
                $signed({{(MULT_BITS-1){score[IP_LANE-1]}}, score})
                * $signed({{(IP_LANE-1){1'b0}}, k_mult});
            visible[a] = used[a] && (k_pos <= q_pos);
        end
        prod1_q   <= prod1;
        mult_q    <= mult;
        visible_q <= visible;
        shift_q   <= shift;
    end

    // ---- stage B: times the row's multiplier
    always @(posedge clk) begin : row_product
        reg        [LANES*PROD2_BITS-1:0] prod2;
        reg signed [PROD1_BITS-1:0]       prod1;
        integer                           b;
        for (b = 0; b < LANES; b = b + 1) begin
            prod1 = prod1_q[b*PROD1_BITS +: PROD1_BITS];
            prod2[b*PROD2_BITS +: PROD2_BITS] =
                $signed({{MULT_BITS{prod1[PROD1_BITS-1]}}, prod1})
                * $signed({{PROD1_BITS{1'b0}}, mult_q[b*MULT_BITS +: MULT_BITS]});
        end
        prod2_q    <= prod2;
        visible_q2 <= visible_q;
        shift_q2   <= shift_q;
    end

    // ---- stage C (combinational): round, saturate, mask
    reg [LANES*Z_BITS-1:0] z_out;
    reg [LANES-1:0]        saturated_out;
    always @* begin : round
        reg signed [PROD2_BITS-1:0] prod2;
        reg signed [PROD2_BITS-1:0] rounded;
        integer                     c;
        for (c = 0; c < LANES; c = c + 1) begin
            prod2   = prod2_q[c*PROD2_BITS +: PROD2_BITS];
            rounded = fcim_round_shift(prod2, shift_q2);
            saturated_out[c] = visible_q2[c] && (rounded > Z_LIMIT || rounded < -Z_LIMIT);
            if (!visible_q2[c]) begin
                z_out[c*Z_BITS +: Z_BITS] = MASKED;
            end else if (rounded > Z_LIMIT) begin
                z_out[c*Z_BITS +: Z_BITS] = Z_LIMIT[Z_BITS-1:0];
            end else if (rounded < -Z_LIMIT) begin
                z_out[c*Z_BITS +: Z_BITS] = -Z_LIMIT[Z_BITS-1:0];
            end else begin
                z_out[c*Z_BITS +: Z_BITS] = rounded[Z_BITS-1:0];
            end
        end
    end
    assign z         = z_out;
    assign saturated = saturated_out;

endmodule

`default_nettype wire
