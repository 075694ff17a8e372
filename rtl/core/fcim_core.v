// SPDX-License-Identifier: Apache-2.0
// fcim_core: fused attention for one query tile after another: IP-CIM, online softmax, OP-CIM,
// normaliser. Q and O stay in the macros while K and V stream past; no score and no probability
// leaves the pipeline.
//
// Latency:    The first row of O leaves about BLOCK_CYCLES + 5 * CYCLES_PER_KEY + 30 cycles after
//             the tile's last key.
// Throughput: A key per CYCLES_PER_KEY cycles. Tiles overlap: Q of the next is written and O of the
//             last is sent meanwhile.
// Cuts:       s_q_ready and s_v_ready come from registers; s_k_ready depends on registers and on
//             the softmax unit's readiness.
// Numbers:    docs/numbers.md; every cycle is in docs/cycles.md.
`default_nettype none

module fcim_core #(
    parameter  ROWS = 64,                        // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                   // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,               // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,              // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                   // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                      // bits that a row's sum lacks for MAX_KEYS keys
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,  // position, unsigned
    localparam MULT_BITS = 16,                   // multiplier, unsigned
    localparam V_MULT_BITS = 4,                  // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                   // shift amount, unsigned
    localparam TAU_BITS = 4,                     // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5,                 // octaves that a block may lie below, unsigned
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT,  // denominator of a row, unsigned
    localparam ACC_BITS = SUM_BITS + 8,          // accumulator, signed
    localparam ROW_MAX_BITS = 10,                // running maximum, signed
    localparam READ_COLUMNS = HEAD_DIM * BITS_PER_CYCLE / 8,  // a chunk of a row
    localparam OUT_BITS = 16,                    // element of O, signed
    localparam COUNTERS = 26,                    // performance counters
    localparam COUNTER_BITS = 48                 // one counter, unsigned
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // rows of Q
    input  wire                             s_q_valid,
    output wire                             s_q_ready,
    input  wire [HEAD_DIM*8-1:0]            s_q_data,
    input  wire [POS_BITS-1:0]              s_q_pos,
    input  wire [MULT_BITS-1:0]             s_q_mult,
    input  wire [SHIFT_BITS-1:0]            s_q_shift,
    input  wire [TAU_BITS-1:0]              s_q_tau,
    input  wire                             s_q_fused,
    input  wire                             s_q_skip,
    input  wire [OCTAVES_BITS-1:0]          s_q_octaves,
    input  wire                             s_q_partial,   // its rows leave through m_part
    input  wire                             s_q_last,

    // keys
    input  wire                             s_k_valid,
    output wire                             s_k_ready,
    input  wire [HEAD_DIM*8-1:0]            s_k_data,
    input  wire [POS_BITS-1:0]              s_k_pos,
    input  wire [MULT_BITS-1:0]             s_k_mult,
    input  wire [V_MULT_BITS-1:0]           s_k_v_mult,
    input  wire                             s_k_last,

    // what becomes of each key block, in order; values of skipped blocks are not sent
    output wire                             m_decision_valid,
    input  wire                             m_decision_ready,
    output wire                             m_decision_skip,
    output wire                             m_decision_last,

    // values
    input  wire                             s_v_valid,
    output wire                             s_v_ready,
    input  wire [HEAD_DIM*8-1:0]            s_v_data,
    input  wire                             s_v_last,

    // rows of O
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last,

    // rows of partial tiles, chunk by chunk
    output wire                             m_part_valid,
    input  wire                             m_part_ready,
    output wire [READ_COLUMNS*ACC_BITS-1:0] m_part_acc,    // the lowest columns first
    output wire [SUM_BITS-1:0]              m_part_sum,
    output wire [ROW_MAX_BITS-1:0]          m_part_max,
    output wire                             m_part_last,   // the tile's last chunk

    // status
    input  wire                             clear,
    output wire                             tile_done,
    output wire                             error_v_count,
    output wire [COUNTERS*COUNTER_BITS-1:0] counters
);

    localparam LANES = ROWS * BITS_PER_CYCLE / 8;
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam COLUMNS = HEAD_DIM / KEYS_PER_BLOCK;
    localparam ROW_BITS = $clog2(ROWS);
    localparam COUNT_BITS = $clog2(ROWS + 1);
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1;
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1;
    localparam LANE_COUNT_BITS = $clog2(LANES + 1);
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK);
    localparam BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK);
    localparam IP_LANE = 16 + $clog2(HEAD_DIM);
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM);
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1);
    localparam AMOUNT_BITS = ROW_MAX_BITS + 1 + LANE_COUNT_BITS;
    localparam USER_BITS = POS_BITS + MULT_BITS + V_MULT_BITS + 2;  // with the key's bank and last
    localparam TILES_BITS = 8;      // more tiles than all banks and buffers hold
    // the widest increment is rescale_amount, whose AMOUNT_BITS grow with the lanes: 128 for
    // ROWS = 128 and BITS_PER_CYCLE = 8
    localparam MOST_LANES = 128;
    localparam INC_BITS = ROW_MAX_BITS + 1 + $clog2(MOST_LANES + 1);
    // with one bit per cycle the ring refills while a block is in use; with all bits at once it
    // needs a third slot
    localparam V_SLOTS = (BITS_PER_CYCLE == 8) ? 3 : 2;

    // ---- an illegal parameter set stops elaboration: the missing module's name says which
    generate
        if (ROWS < 8 || ROWS > 128 || ROWS % 8 != 0) begin : g_check_rows
            fcim_illegal_ROWS_use_a_multiple_of_8_from_8_to_128 illegal_rows();
        end
        if (HEAD_DIM != 16 && HEAD_DIM != 32 && HEAD_DIM != 64 &&
            HEAD_DIM != 128) begin : g_check_head_dim
            fcim_illegal_HEAD_DIM_use_16_32_64_or_128 illegal_head_dim();
        end
        if (BITS_PER_CYCLE != 1 && BITS_PER_CYCLE != 2 && BITS_PER_CYCLE != 4 &&
            BITS_PER_CYCLE != 8) begin : g_check_bits_per_cycle
            fcim_illegal_BITS_PER_CYCLE_use_1_2_4_or_8 illegal_bits_per_cycle();
        end
        if ((KEYS_PER_BLOCK != 8 && KEYS_PER_BLOCK != 16 && KEYS_PER_BLOCK != 32 &&
             KEYS_PER_BLOCK != 64) || KEYS_PER_BLOCK > HEAD_DIM) begin : g_check_keys_per_block
            fcim_illegal_KEYS_PER_BLOCK_use_8_16_32_or_64_up_to_HEAD_DIM illegal_keys_per_block();
        end
        if (PROB_BITS < 8 || PROB_BITS > 18) begin : g_check_prob_bits
            fcim_illegal_PROB_BITS_use_8_to_18 illegal_prob_bits();
        end
        if (MAX_KEYS < 64 || MAX_KEYS > 131072 ||
            (1 << $clog2(MAX_KEYS)) != MAX_KEYS) begin : g_check_max_keys
            fcim_illegal_MAX_KEYS_use_a_power_of_two_from_64_to_131072 illegal_max_keys();
        end
        // a sum holds at least two blocks
        if (SUM_CUT < 0 || (SUM_CUT > 0 && SUM_CUT >= $clog2(MAX_KEYS) - $clog2(KEYS_PER_BLOCK)))
        begin : g_check_sum_cut
            fcim_illegal_SUM_CUT_use_0_to_log2_of_MAX_KEYS_by_two_blocks illegal_sum_cut();
        end
    endgenerate

    // ---- Q
    wire                            row_we, row_bank;
    wire [ROW_BITS-1:0]             row_index;
    wire [HEAD_DIM*8-1:0]           row_data;
    wire [POS_BITS-1:0]             row_pos;
    wire [MULT_BITS-1:0]            row_mult;
    wire signed [ELEM_SUM_BITS-1:0] q_sum;
    wire [SHIFT_BITS-1:0]           row_shift;
    wire [TAU_BITS-1:0]             row_tau;
    wire                            row_fused, row_skip, row_partial;
    wire [OCTAVES_BITS-1:0]         row_octaves;
    wire                            tile_open;
    wire [1:0]                      loaded, streamed, scaled;

    fcim_q_loader #(.ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS)) u_q_loader (
        .clk(clk), .rst_n(rst_n),
        .s_q_valid(s_q_valid), .s_q_ready(s_q_ready), .s_q_data(s_q_data), .s_q_pos(s_q_pos),
        .s_q_mult(s_q_mult), .s_q_shift(s_q_shift), .s_q_tau(s_q_tau), .s_q_fused(s_q_fused),
        .s_q_skip(s_q_skip), .s_q_octaves(s_q_octaves), .s_q_partial(s_q_partial),
        .s_q_last(s_q_last),
        .tile_open(tile_open),
        .row_we(row_we), .row_bank(row_bank), .row_index(row_index), .row_data(row_data),
        .row_pos(row_pos), .row_mult(row_mult), .q_sum(q_sum), .row_shift(row_shift),
        .row_tau(row_tau), .row_fused(row_fused), .row_skip(row_skip),
        .row_octaves(row_octaves), .row_partial(row_partial),
        .loaded(loaded), .streamed(streamed), .scaled(scaled)
    );

    // ---- keys into the IP-CIM, tile after tile
    reg  key_bank_q;
    wire ip_ready, col_valid, col_ready;
    wire key_open   = loaded[key_bank_q];
    wire key_accept = s_k_valid && s_k_ready;
    assign s_k_ready = ip_ready && key_open;
    assign streamed  = (key_accept && s_k_last) ? {key_bank_q, !key_bank_q} : 2'b00;
    always @(posedge clk) begin
        if (!rst_n) begin
            key_bank_q <= 1'b0;
        end else begin
            key_bank_q <= key_bank_q ^ (key_accept && s_k_last);
        end
    end

    wire [ROWS*IP_LANE-1:0]  col_data;
    wire [ELEM_SUM_BITS-1:0] col_ksum;
    wire [POS_BITS-1:0]      col_pos;
    wire [MULT_BITS-1:0]     col_mult;
    wire [V_MULT_BITS-1:0]   col_v_mult;
    wire                     col_bank, col_last;
    wire                     ip_active, op_active;
    wire [OPS_BITS-1:0]      ip_ops, op_ops;

    fcim_ip_cim #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .USER_BITS(USER_BITS)
    ) u_ip_cim (
        .clk(clk), .rst_n(rst_n),
        .q_we(row_we), .q_bank(row_bank), .q_row(row_index), .q_data(row_data),
        .s_key_valid(s_k_valid && key_open), .s_key_ready(ip_ready), .s_key_bank(key_bank_q),
        .s_key_data(s_k_data),
        .s_key_user({key_bank_q, s_k_last, s_k_pos, s_k_mult, s_k_v_mult}),
        .m_col_valid(col_valid), .m_col_ready(col_ready), .m_col_data(col_data),
        .m_col_ksum(col_ksum), .m_col_user({col_bank, col_last, col_pos, col_mult, col_v_mult}),
        .active(ip_active), .bit_ops(ip_ops)
    );

    // ---- online softmax
    wire                             tile_scaled, tile_scaled_bank;
    wire                             p_we, p_slot;
    wire [KEY_BITS-1:0]              p_key;
    wire [PASS_BITS-1:0]             p_pass;
    wire [LANES*PROB_BITS-1:0]       p_data;
    wire                             blk_valid, blk_slot, blk_first, blk_last, blk_bank, op_ready;
    wire [KEY_BITS-1:0]              blk_last_key;
    wire [2*ROWS*SHIFT_BITS-1:0]     blk_shift;
    wire [2*ROWS*BSUM_BITS-1:0]      blk_sum;
    wire [1:0]                       slot_in_use, bank_release;
    wire                             rd_en, rd_bank;
    wire [PASS_BITS-1:0]             rd_pass, rd_chunk;
    wire [LANE_BITS-1:0]             rd_lane;
    wire [READ_COLUMNS*ACC_BITS-1:0] rd_acc;
    wire [SUM_BITS-1:0]              rd_sum;
    wire [ROW_MAX_BITS-1:0]          rd_max;
    wire [2*COUNT_BITS-1:0]          bank_rows;
    wire [1:0]                       bank_partial;
    wire [LANE_COUNT_BITS-1:0]       ev_saturations, ev_rescaled;
    wire [AMOUNT_BITS-1:0]           ev_amount;
    wire                             ev_wait_slot, ev_wait_bank;
    wire                             decision_bank, decision_zero;
    wire                             v_blk_valid;

    assign scaled = tile_scaled ? {tile_scaled_bank, !tile_scaled_bank} : 2'b00;

    fcim_online_softmax #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT)
    ) u_softmax (
        .clk(clk), .rst_n(rst_n),
        .row_we(row_we), .row_bank(row_bank), .row_index(row_index), .row_pos(row_pos),
        .row_mult(row_mult),
        .q_sum(q_sum), .row_shift(row_shift), .row_tau(row_tau), .row_fused(row_fused),
        .row_skip(row_skip), .row_octaves(row_octaves), .row_partial(row_partial),
        .tile_scaled(tile_scaled), .tile_scaled_bank(tile_scaled_bank),
        .s_col_valid(col_valid), .s_col_ready(col_ready), .s_col_data(col_data),
        .s_col_ksum(col_ksum), .s_col_pos(col_pos), .s_col_mult(col_mult),
        .s_col_v_mult(col_v_mult), .s_col_bank(col_bank), .s_col_last(col_last),
        .m_decision_valid(m_decision_valid), .m_decision_ready(m_decision_ready),
        .m_decision_skip(m_decision_skip), .m_decision_last(m_decision_last),
        .m_decision_bank(decision_bank), .m_decision_zero(decision_zero),
        .p_we(p_we), .p_slot(p_slot), .p_key(p_key), .p_pass(p_pass), .p_data(p_data),
        .m_blk_valid(blk_valid), .m_blk_ready(op_ready && v_blk_valid), .m_blk_slot(blk_slot),
        .m_blk_last_key(blk_last_key), .m_blk_first(blk_first), .m_blk_last(blk_last),
        .m_blk_bank(blk_bank),
        .blk_shift(blk_shift), .blk_sum(blk_sum), .slot_in_use(slot_in_use),
        .bank_release(bank_release), .sum_rd_en(rd_en), .sum_rd_bank(rd_bank),
        .sum_rd_pass(rd_pass), .sum_rd_lane(rd_lane), .sum_rd_data(rd_sum), .sum_rd_max(rd_max),
        .bank_rows(bank_rows), .bank_partial(bank_partial),
        .ev_saturations(ev_saturations), .ev_rescaled(ev_rescaled), .ev_amount(ev_amount),
        .ev_wait_slot(ev_wait_slot), .ev_wait_bank(ev_wait_bank)
    );

    // ---- V waits for its probabilities
    wire                                v_rd, v_pop, v_blk_last;
    wire [KEY_BITS-1:0]                 v_slice, v_last_key;
    wire [KEYS_PER_BLOCK*COLUMNS*8-1:0] v_data;

    fcim_v_buffer #(
        .HEAD_DIM(HEAD_DIM), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .SLOTS(V_SLOTS)
    ) u_v_buffer (
        .clk(clk), .rst_n(rst_n),
        .s_v_valid(s_v_valid), .s_v_ready(s_v_ready), .s_v_data(s_v_data), .s_v_last(s_v_last),
        .blk_valid(v_blk_valid), .blk_last_key(v_last_key), .blk_last(v_blk_last),
        .rd(v_rd), .rd_slice(v_slice), .pop(v_pop), .rd_data(v_data)
    );

    wire blk_start = blk_valid && op_ready && v_blk_valid;
    reg  error_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            error_q <= 1'b0;
        end else if (blk_start && (v_last_key != blk_last_key || v_blk_last != blk_last)) begin
            error_q <= 1'b1;
        end
    end
    assign error_v_count = error_q;

    // ---- OP-CIM and normaliser
    wire finish, finish_bank, done_valid, done_bank, ev_partial_row;
    wire decision_accept = m_decision_valid && m_decision_ready;

    fcim_op_cim #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT)
    ) u_op_cim (
        .clk(clk), .rst_n(rst_n),
        .p_we(p_we), .p_slot(p_slot), .p_key(p_key), .p_pass(p_pass), .p_data(p_data),
        .s_blk_valid(blk_valid && v_blk_valid), .s_blk_ready(op_ready), .s_blk_slot(blk_slot),
        .s_blk_first(blk_first), .s_blk_bank(blk_bank),
        .s_blk_rows(bank_rows[blk_bank*COUNT_BITS +: COUNT_BITS]),
        .blk_shift(blk_shift), .blk_sum(blk_sum), .slot_in_use(slot_in_use),
        .v_rd(v_rd), .v_slice(v_slice), .v_pop(v_pop), .v_data(v_data),
        .finish(finish), .finish_bank(finish_bank),
        .rd_en(rd_en), .rd_bank(rd_bank), .rd_pass(rd_pass), .rd_lane(rd_lane), .rd_chunk(rd_chunk),
        .rd_data(rd_acc),
        .active(op_active), .bit_ops(op_ops)
    );

    fcim_tile_tracker u_tile_tracker (
        .clk(clk), .rst_n(rst_n),
        .decided(decision_accept), .decided_skip(m_decision_skip), .decided_last(m_decision_last),
        .decided_bank(decision_bank),
        .finish(finish), .finish_bank(finish_bank), .done_valid(done_valid), .done_bank(done_bank)
    );

    fcim_normalizer #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .ACC_BITS(ACC_BITS),
        .SUM_BITS(SUM_BITS)
    ) u_normalizer (
        .clk(clk), .rst_n(rst_n),
        .done_valid(done_valid), .done_bank(done_bank), .bank_rows(bank_rows),
        .bank_partial(bank_partial), .bank_release(bank_release),
        .rd_en(rd_en), .rd_bank(rd_bank), .rd_pass(rd_pass), .rd_lane(rd_lane), .rd_chunk(rd_chunk),
        .rd_acc(rd_acc), .rd_sum(rd_sum), .rd_max(rd_max),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_data(m_o_data), .m_o_empty(m_o_empty),
        .m_o_last(m_o_last),
        .m_part_valid(m_part_valid), .m_part_ready(m_part_ready), .m_part_acc(m_part_acc),
        .m_part_sum(m_part_sum), .m_part_max(m_part_max), .m_part_last(m_part_last),
        .ev_partial_row(ev_partial_row)
    );

    // never both at once: the tiles leave one after the other
    assign tile_done = (m_o_valid && m_o_ready && m_o_last)
                    || (m_part_valid && m_part_ready && m_part_last);

    // ---- counters; their order is COUNTERS in models/hardware/interface.py
    localparam [INC_BITS-1:0] ONE          = 1;
    localparam [INC_BITS-1:0] VECTOR_BYTES = HEAD_DIM[INC_BITS-1:0];            // of Q, K or V
    localparam [INC_BITS-1:0] OUTPUT_BYTES = VECTOR_BYTES * (OUT_BITS / 8);     // of O

    reg [TILES_BITS-1:0] tiles_q;   // tiles whose first row is in and whose last is not out yet
    always @(posedge clk) begin
        if (!rst_n) begin
            tiles_q <= {TILES_BITS{1'b0}};
        end else begin
            tiles_q <= tiles_q + {{(TILES_BITS-1){1'b0}}, tile_open}
                               - {{(TILES_BITS-1){1'b0}}, tile_done};
        end
    end

    wire q_accept = s_q_valid && s_q_ready;
    wire v_accept = s_v_valid && s_v_ready;
    wire o_accept = m_o_valid && m_o_ready;
    wire running  = (tiles_q != 0) || q_accept;

    wire skipped_block  = decision_accept && m_decision_skip;
    wire zero_block     = decision_accept && decision_zero;
    wire stall_decision = m_decision_valid && !m_decision_ready;
    wire stall_o        = (m_o_valid && !m_o_ready) || (m_part_valid && !m_part_ready);
    wire stall_v        = blk_valid && op_ready && !v_blk_valid;
    wire stall_k        = running && key_open && ip_ready && !s_k_valid;
    wire stall_q        = running && s_k_valid && ip_ready && !key_open;
    wire stall_softmax  = col_valid && !col_ready;

    // a counter's increment: so much if it counts in this cycle
    function [INC_BITS-1:0] add(input counts, input [INC_BITS-1:0] amount);
        add = counts ? amount : {INC_BITS{1'b0}};
    endfunction

    wire [COUNTERS*INC_BITS-1:0] increments = {
        add(ev_partial_row, ONE),                                           // 25 partial_rows
        add(stall_decision, ONE),                                           // 24 stall_decision
        add(skipped_block, ONE),                                            // 23 skipped_blocks
        add(op_active, {{(INC_BITS-OPS_BITS){1'b0}}, op_ops}),              // 22 op_bit_ops
        add(ip_active, {{(INC_BITS-OPS_BITS){1'b0}}, ip_ops}),              // 21 ip_bit_ops
        add(stall_o, ONE),                                                  // 20 stall_o
        add(ev_wait_bank, ONE),                                             // 19 stall_bank
        add(ev_wait_slot, ONE),                                             // 18 stall_op
        add(stall_v, ONE),                                                  // 17 stall_v
        add(stall_k, ONE),                                                  // 16 stall_k
        add(stall_q, ONE),                                                  // 15 stall_q
        add(stall_softmax, ONE),                                            // 14 stall_softmax
        add(1'b1, {{(INC_BITS-LANE_COUNT_BITS){1'b0}}, ev_saturations}),    // 13 saturations
        add(1'b1, {{(INC_BITS-AMOUNT_BITS){1'b0}}, ev_amount}),             // 12 rescale_amount
        add(1'b1, {{(INC_BITS-LANE_COUNT_BITS){1'b0}}, ev_rescaled}),       // 11 rescaled_rows
        add(zero_block, ONE),                                               // 10 zero_blocks
        add(op_active, ONE),                                                // 9 op_busy
        add(ip_active, ONE),                                                // 8 ip_busy
        add(o_accept, OUTPUT_BYTES),                                        // 7 o_bytes
        add(v_accept, VECTOR_BYTES),                                        // 6 v_bytes
        add(key_accept, VECTOR_BYTES),                                      // 5 k_bytes
        add(q_accept, VECTOR_BYTES),                                        // 4 q_bytes
        add(decision_accept, ONE),                                          // 3 blocks
        add(key_accept, ONE),                                               // 2 keys
        add(tile_done, ONE),                                                // 1 tiles
        add(running, ONE)                                                   // 0 cycles
    };

    fcim_counters #(.COUNT(COUNTERS), .INC_BITS(INC_BITS)) u_counters (
        .clk(clk), .rst_n(rst_n), .clear(clear), .increments(increments), .counters(counters)
    );

endmodule

`default_nettype wire
