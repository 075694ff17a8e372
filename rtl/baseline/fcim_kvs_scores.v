// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_scores: a K macro, what is known of its keys, and the lanes that scale its scores. A row
// of Q meets the keys of a bank if it sees one of them; else the macro does not switch.
//
// Latency:    The passes of a row may begin 8 / BITS_PER_CYCLE + 1 cycles after it is given; a
//             pass's scores leave 4 cycles after it, their maximum 5.
// Throughput: A row per max(8 / BITS_PER_CYCLE, ROWS / LANES) cycles.
// Cuts:       q_pos reaches the macro's accept; all outputs but rd_v_mults come from registers.
// Numbers:    z as in fcim_score_lanes; top is the largest of a pass, as whole octaves.
`default_nettype none

module fcim_kvs_scores #(
    parameter  ROWS = 64,      // keys of a tile: 16, 32, 64 or 128
    parameter  HEAD_DIM = 128, // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  LANES = 8,      // keys of a pass: a power of two up to ROWS
    parameter  POS_BITS = 14,                     // position, unsigned: 7 to 18
    parameter  BANK_BITS = 1,                     // index of a bank
    localparam PASSES = ROWS / LANES,  // cycles in which a row's scores pass the lanes
    localparam PASS_BITS = (PASSES > 1) ? $clog2(PASSES) : 1,  // index of a pass
    localparam ROW_BITS = $clog2(ROWS),           // index of a key
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of keys
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),  // number of lanes
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam Z_FRAC = 10,                       // fraction bits of a scaled score
    localparam ROW_MAX_BITS = Z_BITS - Z_FRAC,    // whole octaves, signed
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam ENTRY_BITS = POS_BITS + MULT_BITS + ELEM_SUM_BITS,  // of a key beside its cells
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1),  // active bit-lines
    localparam PRODUCT_BITS = OPS_BITS + COUNT_BITS  // times keys
) (
    input  wire                         clk,
    input  wire                         rst_n,

    // write ports, see fcim_kvs_keys
    input  wire [BANK_BITS-1:0]         k_bank,
    input  wire                         open,
    input  wire                         k_we,
    input  wire [ROW_BITS-1:0]          k_row,
    input  wire [POS_BITS-1:0]          k_pos,
    input  wire [HEAD_DIM*8-1:0]        k_data,
    input  wire                         entry_we,
    input  wire [BANK_BITS-1:0]         entry_bank,
    input  wire [ROW_BITS-1:0]          entry_row,
    input  wire [ENTRY_BITS-1:0]        entry,
    input  wire [V_MULT_BITS-1:0]       entry_v_mult,

    // a row of Q
    input  wire                         q_valid,
    input  wire [BANK_BITS-1:0]         q_bank,
    input  wire [POS_BITS-1:0]          q_pos,
    input  wire [HEAD_DIM*8-1:0]        q_data,

    // its passes; they stay beside what belongs to the row
    input  wire                         pass_valid,
    input  wire [PASS_BITS-1:0]         pass,
    input  wire                         pass_last,
    input  wire [BANK_BITS-1:0]         pass_bank,
    input  wire [POS_BITS-1:0]          pass_pos,
    input  wire [MULT_BITS-1:0]         pass_mult,
    input  wire [SHIFT_BITS-1:0]        pass_shift,
    output wire                         seen,      // with the passes: the row sees a key

    output wire [LANES*Z_BITS-1:0]      z,
    output wire [ROW_MAX_BITS-1:0]      top,

    // multipliers of the keys' values
    input  wire [BANK_BITS-1:0]         rd_v_bank,
    input  wire [PASS_BITS-1:0]         rd_v_pass,
    output wire [LANES*V_MULT_BITS-1:0] rd_v_mults,

    // events
    output wire                         ev_input,  // the macro takes a row
    output wire [COUNT_BITS-1:0]        ev_scores,
    output wire [OPS_BITS-1:0]          ev_bits,
    output wire [PRODUCT_BITS-1:0]      ev_bit_products,
    output wire [LANE_COUNT_BITS-1:0]   ev_visible,
    output wire [LANE_COUNT_BITS-1:0]   ev_saturations
);

    localparam [Z_BITS-1:0] MASKED = {1'b1, {(Z_BITS-1){1'b0}}};

    // ---- keys
    wire                        sees;
    wire [COUNT_BITS-1:0]       keys;
    wire [LANES*ENTRY_BITS-1:0] entries;
    wire [LANES-1:0]            used;
    fcim_kvs_keys #(
        .ROWS(ROWS), .LANES(LANES), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS), .BANK_BITS(BANK_BITS)
    ) u_keys (
        .clk(clk),
        .k_bank(k_bank), .open(open), .k_we(k_we), .k_row(k_row), .k_pos(k_pos),
        .entry_we(entry_we), .entry_bank(entry_bank), .entry_row(entry_row), .entry(entry),
        .entry_v_mult(entry_v_mult),
        .q_bank(q_bank), .q_pos(q_pos), .q_sees(sees), .q_keys(keys),
        .rd_bank(pass_bank), .rd_pass(pass), .rd_entries(entries), .rd_used(used),
        .rd_v_bank(rd_v_bank), .rd_v_pass(rd_v_pass), .rd_v_mults(rd_v_mults)
    );

    // ---- macro: a column stays until the row's last pass
    wire                     takes = q_valid && sees;
    wire                     active;
    wire [OPS_BITS-1:0]      bit_ops;
    wire [ROWS*IP_LANE-1:0]  col;
    wire [ELEM_SUM_BITS-1:0] ksum;
    fcim_ip_cim #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .BANKS(1 << BANK_BITS), .USER_BITS(1)
    ) u_macro (
        .clk(clk), .rst_n(rst_n),
        .q_we(k_we), .q_bank(k_bank), .q_row(k_row), .q_data(k_data),
        .s_key_valid(takes), .s_key_ready(), .s_key_bank(q_bank), .s_key_data(q_data),
        .s_key_user(1'b0),
        .m_col_valid(seen), .m_col_ready(pass_last), .m_col_data(col), .m_col_ksum(ksum),
        .m_col_user(),
        .active(active), .bit_ops(bit_ops)
    );

    // ---- the lanes' operands; a row that sees nothing finds no key in use
    reg [LANES*IP_LANE-1:0]    u_q;
    reg [ELEM_SUM_BITS-1:0]    ksum_q;
    reg [POS_BITS-1:0]         pos_q;
    reg [MULT_BITS-1:0]        mult_q;
    reg [SHIFT_BITS-1:0]       shift_q;
    reg [LANES*ENTRY_BITS-1:0] entries_q;
    reg [LANES-1:0]            used_q;
    always @(posedge clk) begin
        if (pass_valid) begin
            u_q       <= col[pass*LANES*IP_LANE +: LANES*IP_LANE];
            ksum_q    <= ksum;
            pos_q     <= ~pass_pos;
            mult_q    <= pass_mult;
            shift_q   <= pass_shift;
            entries_q <= entries;
            used_q    <= used & {LANES{seen}};
        end
    end

    wire [LANES-1:0] saturated;
    fcim_score_lanes #(.LANES(LANES), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS)) u_lanes (
        .clk(clk),
        .u(u_q), .ksum(ksum_q), .k_pos(pos_q), .k_mult(mult_q),
        .used(used_q), .entries(entries_q), .shift(shift_q), .z(z), .saturated(saturated)
    );

    reg [4:0] valid_q;          // of the lanes' results: bit 3; of what is found of them: bit 4
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 5'd0;
        end else begin
            valid_q <= {valid_q[3:0], pass_valid};
        end
    end

    // ---- the largest of a pass: halves are compared until one is left
    reg [ROW_MAX_BITS-1:0]    top_q;
    reg [LANE_COUNT_BITS-1:0] visible_q, saturations_q;
    always @(posedge clk) begin : maximum
        reg [(2*LANES-1)*ROW_MAX_BITS-1:0] tops;   // the lanes', then the larger of each two
        reg signed [ROW_MAX_BITS-1:0]      one, other;
        reg [LANE_COUNT_BITS-1:0]          visible, clamped;
        integer                            l;
        visible = {LANE_COUNT_BITS{1'b0}};
        clamped = {LANE_COUNT_BITS{1'b0}};
        tops    = {(2*LANES-1)*ROW_MAX_BITS{1'b0}};
        for (l = 0; l < LANES; l = l + 1) begin
            tops[l*ROW_MAX_BITS +: ROW_MAX_BITS] = z[l*Z_BITS + Z_FRAC +: ROW_MAX_BITS];
            visible = visible + {{(LANE_COUNT_BITS-1){1'b0}}, z[l*Z_BITS +: Z_BITS] != MASKED};
            clamped = clamped + {{(LANE_COUNT_BITS-1){1'b0}}, saturated[l]};
        end
        for (l = 0; l < LANES - 1; l = l + 1) begin
            one   = tops[2*l*ROW_MAX_BITS +: ROW_MAX_BITS];
            other = tops[(2*l + 1)*ROW_MAX_BITS +: ROW_MAX_BITS];
            tops[(LANES + l)*ROW_MAX_BITS +: ROW_MAX_BITS] = (one > other) ? one : other;
        end
        if (valid_q[3]) begin
            top_q <= tops[(2*LANES-2)*ROW_MAX_BITS +: ROW_MAX_BITS];
        end
        visible_q     <= visible;
        saturations_q <= clamped;
    end
    assign top            = top_q;
    assign ev_visible     = visible_q & {LANE_COUNT_BITS{valid_q[4]}};
    assign ev_saturations = saturations_q & {LANE_COUNT_BITS{valid_q[4]}};

    // ---- events of the macro: it tells of a step in the cycle after it, so keys wait as long
    reg                    input_q;
    reg [COUNT_BITS-1:0]   keys_q, step_keys_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            input_q <= 1'b0;
        end else begin
            input_q <= takes;
        end
        if (takes) begin
            keys_q <= keys;
        end
        step_keys_q <= keys_q;
    end
    assign ev_input        = input_q;
    assign ev_scores       = input_q ? keys_q : {COUNT_BITS{1'b0}};
    assign ev_bits         = active ? bit_ops : {OPS_BITS{1'b0}};
    assign ev_bit_products = {{COUNT_BITS{1'b0}}, ev_bits}
                           * {{OPS_BITS{1'b0}}, step_keys_q & {COUNT_BITS{active}}};

endmodule

`default_nettype wire
