// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_values: scores of a pair wait until their row's maximum is known, become probabilities,
// are scaled by the multipliers of the keys' values, and go into the V macro.
//
// Latency:    Scores wait PASSES + 2 cycles; a pass's probabilities are summed 3 cycles after its
//             scores came out, and in the macro's input as well; the macro's sums are there
//             8 / BITS_PER_CYCLE + 1 cycles after its accept.
// Throughput: A row per max(8 / BITS_PER_CYCLE, PASSES) cycles.
// Cuts:       p_sum comes from registers; col and ksum as in fcim_ip_array.
// Numbers:    p unsigned, 8 bits, 1.0 = 128; w = round(p * (v_mult + 1) / 16). The macro takes
//             w - 128 as signed bytes, so what meets its cells is w: lane d of col is
//             sum_j (v[j][d] + 128) * w[j], ksum is sum_j w[j].
`default_nettype none

module fcim_kvs_values #(
    parameter  ROWS = 64,      // keys of a tile: 16, 32, 64 or 128
    parameter  HEAD_DIM = 128, // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  LANES = 8,      // keys of a pass: a power of two up to ROWS
    parameter  BANK_BITS = 1,                     // index of a bank
    localparam PASSES = ROWS / LANES,  // cycles in which a row's scores pass the lanes
    localparam PASS_BITS = (PASSES > 1) ? $clog2(PASSES) : 1,  // index of a pass
    localparam DIM_BITS = $clog2(HEAD_DIM),       // index of an element
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam PROB_BITS = 8,                     // probability, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam PSUM_BITS = PROB_BITS + $clog2(LANES),  // sum of a pass
    localparam VP_LANE = 16 + $clog2(ROWS),       // sum over a tile, unsigned
    localparam WSUM_BITS = 8 + $clog2(ROWS),      // of a row's w
    localparam OPS_BITS = $clog2(8 * ROWS + 1)    // active bit-lines
) (
    input  wire                         clk,
    input  wire                         rst_n,

    // write port of the cells: one dimension of the tile's values
    input  wire                         v_we,
    input  wire [BANK_BITS-1:0]         v_bank,
    input  wire [DIM_BITS-1:0]          v_row,
    input  wire [ROWS*8-1:0]            v_data,

    // scores, and the maximum that is there when they come out
    input  wire                         z_valid,
    input  wire [LANES*Z_BITS-1:0]      z,
    input  wire [ROW_MAX_BITS-1:0]      row_max,

    // multipliers of values, 2 cycles after a pass came out
    input  wire                         w_pass_valid,
    input  wire [PASS_BITS-1:0]         w_pass,
    input  wire [LANES*V_MULT_BITS-1:0] v_mults,
    output wire [PSUM_BITS-1:0]         p_sum,

    // the row goes into the macro
    input  wire                         w_valid,
    input  wire [BANK_BITS-1:0]         w_bank,

    // its sums; they stay until they are let go
    output wire                         col_valid,
    input  wire                         col_end,
    output wire [HEAD_DIM*VP_LANE-1:0]  col,
    output wire [WSUM_BITS-1:0]         ksum,

    // events
    output wire                         ev_input,
    output wire [OPS_BITS-1:0]          ev_bits
);

    localparam PRODUCT_BITS = PROB_BITS + V_MULT_BITS;
    localparam [ROWS*8-1:0] SIGN_BITS = {ROWS{8'h80}};

    // ---- scores wait
    wire [LANES*Z_BITS-1:0] z_late;
    fcim_delay #(.WIDTH(LANES*Z_BITS), .CYCLES(PASSES + 2), .PITCH(1)) u_wait (
        .clk(clk), .rst_n(rst_n), .in_valid(z_valid), .in_data(z),
        .out_valid(), .out_data(z_late)
    );

    // ---- probabilities, and their sum
    wire [LANES*PROB_BITS-1:0] p;
    fcim_exp2 #(.LANES(LANES), .PROB_BITS(PROB_BITS)) u_exp2 (
        .clk(clk), .z(z_late), .row_max({LANES{row_max}}), .tau(4'd0), .p(p)
    );
    reg [LANES*PROB_BITS-1:0] p_q;
    reg [PSUM_BITS-1:0]       p_sum_q;
    always @(posedge clk) begin
        p_q <= p;
    end
    always @(posedge clk) begin : sum_up
        reg [PSUM_BITS-1:0] total, more;
        integer             l;
        total = {PSUM_BITS{1'b0}};
        more  = {PSUM_BITS{1'b0}};      // of one lane it is as wide, so nothing to replicate
        for (l = 0; l < LANES; l = l + 1) begin
            more[PROB_BITS-1:0] = p_q[l*PROB_BITS +: PROB_BITS];
            total = total + more;
        end
        p_sum_q <= total;
    end
    assign p_sum = p_sum_q;

    // ---- scaled, and collected to a row
    reg [ROWS*PROB_BITS-1:0] w_q;
    always @(posedge clk) begin : scale
        reg [LANES*PROB_BITS-1:0] w;
        reg [PRODUCT_BITS-1:0]    product;
        integer                   l;
        // a key that is not there has no multiplier either, whatever its word holds
        for (l = 0; l < LANES; l = l + 1) begin
            product = {{(PRODUCT_BITS-PROB_BITS){1'b0}}, p_q[l*PROB_BITS +: PROB_BITS]}
                    * ({{(PRODUCT_BITS-V_MULT_BITS){1'b0}}, v_mults[l*V_MULT_BITS +: V_MULT_BITS]}
                       + 1'b1)
                    + (1 << (V_MULT_BITS-1));
            w[l*PROB_BITS +: PROB_BITS] = (p_q[l*PROB_BITS +: PROB_BITS] == 0)
                ? {PROB_BITS{1'b0}} : product[V_MULT_BITS +: PROB_BITS];
        end
        if (w_pass_valid) begin
            w_q[w_pass*LANES*PROB_BITS +: LANES*PROB_BITS] <= w;
        end
    end

    // ---- macro
    wire                active;
    wire [OPS_BITS-1:0] bit_ops;
    fcim_ip_cim #(
        .ROWS(HEAD_DIM), .HEAD_DIM(ROWS), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .BANKS(1 << BANK_BITS), .USER_BITS(1)
    ) u_macro (
        .clk(clk), .rst_n(rst_n),
        .q_we(v_we), .q_bank(v_bank), .q_row(v_row), .q_data(v_data),
        .s_key_valid(w_valid), .s_key_ready(), .s_key_bank(w_bank),
        .s_key_data(w_q ^ SIGN_BITS), .s_key_user(1'b0),
        .m_col_valid(col_valid), .m_col_ready(col_end), .m_col_data(col), .m_col_ksum(ksum),
        .m_col_user(),
        .active(active), .bit_ops(bit_ops)
    );
    assign ev_input = w_valid;
    assign ev_bits  = active ? bit_ops : {OPS_BITS{1'b0}};

endmodule

`default_nettype wire
