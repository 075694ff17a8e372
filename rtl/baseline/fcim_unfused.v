// SPDX-License-Identifier: Apache-2.0
// fcim_unfused: attention on ordinary digital compute-in-memory macros, one pass after the other:
// S = Q K^T on macros that hold keys, probabilities by themselves, O = P V on the same macros
// holding values. S, P and partial sums of O lie in the buffer between the passes. What is done
// when is a program: operations of three queues, each of which waits for others to be complete.
//
// Latency:    Per operation and row as docs/baselines.md says, to the cycle.
// Throughput: LOAD a row of cells per cycle; QK and PV a row per CYCLES_PER_INPUT cycles, or as
//             long as its words of S or P take; SOFTMAX LANES keys per cycle.
// Cuts:       Ports of the buffer give an address and take data one cycle later; nothing stalls.
// Numbers:    docs/baselines.md. Up to 65,536 keys of a row.
`default_nettype none

module fcim_unfused #(
    parameter  MACROS = 8,          // 1, 2, 4, 8, 16 or 32
    parameter  ROWS = 64,           // rows of cells of a macro: 8, 16, 32, 64 or 128
    parameter  HEAD_DIM = 128,      // cells of a row: 16, 32, 64 or 128, ROWS at least
    parameter  BITS_PER_CYCLE = 1,  // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  LANES = 64,          // exponentials per cycle: 2, 4, ... PORT_BYTES / 2
    parameter  PORT_BYTES = 256,    // of S and of P per cycle: 4, 8, ... 256
    parameter  SLOTS = 1024,        // rows that are kept between passes: a power of two, 2 or more
    parameter  BANKS = 2,           // tiles that a macro holds: 2, 4 or 8
    localparam MACRO_BITS = (MACROS > 1) ? $clog2(MACROS) : 1,  // index of a macro
    localparam CELL_ROW_BITS = $clog2(ROWS) + MACRO_BITS + 1,  // rows of cells of all macros
    localparam BANK_BITS = $clog2(BANKS),              // index of a bank
    localparam WAIT_BITS = 16,      // operations of a queue, modulo
    localparam ROW_BITS = 16,       // number of a row
    localparam KEY_BITS = 17,       // position or number of keys
    localparam MULT_BITS = 16,      // multiplier, unsigned
    localparam V_MULT_BITS = 4,     // scale of a value, unsigned
    localparam SHIFT_BITS = 6,      // shift amount, unsigned
    localparam PART_BITS = 4,       // part of a row of O
    localparam CHUNK_BITS = PART_BITS + 3,                    // chunk of a row of O
    localparam CYCLES_PER_INPUT = 8 / BITS_PER_CYCLE,  // cycles of an input of a macro
    localparam COVER = (MACROS * ROWS > HEAD_DIM) ? HEAD_DIM / ROWS : MACROS,  // for a row of O
    localparam P_ROW = MACROS / COVER * HEAD_DIM,             // keys of a span of PV
    localparam P_WORD = (PORT_BYTES < P_ROW) ? PORT_BYTES : P_ROW,  // bytes of a word of P
    localparam S_PACE = MACROS * ROWS * BITS_PER_CYCLE / 8,   // scores that macros make in a cycle
    localparam S_LANES = (PORT_BYTES / 2 < S_PACE) ? PORT_BYTES / 2 : S_PACE,  // of a word
    localparam COLUMNS = COVER * ROWS * BITS_PER_CYCLE / 8,   // elements of O of a chunk
    localparam S_BITS = 16,         // score in S, signed
    localparam P_BITS = 8,          // probability, unsigned
    localparam O_BITS = 32,         // partial sum of O, signed
    localparam OUT_BITS = 16,       // element of O, signed
    localparam COUNTERS = 19,       // docs/baselines.md has their names, in this order
    localparam COUNTER_BITS = 48    // counter, unsigned
) (
    input  wire                         clk,
    input  wire                         rst_n,
    input  wire                         clear,           // counters to 0
    output wire [COUNTERS*COUNTER_BITS-1:0] counters,

    // operations of the three queues; waits are {softmax, macro, load}
    input  wire                         s_load_valid,
    output wire                         s_load_ready,
    input  wire                         s_load_values,   // rows of V^T, not of K
    input  wire [BANK_BITS-1:0]         s_load_bank,
    input  wire [MACRO_BITS-1:0]        s_load_macro,    // the first
    input  wire [KEY_BITS-1:0]          s_load_base,     // the first row's address
    input  wire [CELL_ROW_BITS-1:0]     s_load_rows,     // 1 or more
    input  wire [3*WAIT_BITS-1:0]       s_load_waits,
    input  wire                         s_macro_valid,
    output wire                         s_macro_ready,
    input  wire                         s_macro_values,  // PV, not QK
    input  wire [BANK_BITS-1:0]         s_macro_bank,
    input  wire [ROW_BITS-1:0]          s_macro_row,     // the first
    input  wire [ROW_BITS-1:0]          s_macro_rows,    // 1 or more
    input  wire [KEY_BITS-1:0]          s_macro_base,    // position of the span's first key
    input  wire [KEY_BITS-1:0]          s_macro_keys,
    input  wire [SHIFT_BITS-1:0]        s_macro_shift,
    input  wire [PART_BITS-1:0]         s_macro_part,
    input  wire                         s_macro_first,   // maxima, or partial sums, begin with it
    input  wire                         s_macro_last,    // PV: O leaves
    input  wire [3*WAIT_BITS-1:0]       s_macro_waits,
    input  wire                         s_softmax_valid,
    output wire                         s_softmax_ready,
    input  wire [ROW_BITS-1:0]          s_softmax_row,   // the first
    input  wire [ROW_BITS-1:0]          s_softmax_rows,  // 1 or more
    input  wire [KEY_BITS-1:0]          s_softmax_base,  // position of the first key
    input  wire [KEY_BITS-1:0]          s_softmax_keys,
    input  wire                         s_softmax_first, // denominators begin with it
    input  wire [3*WAIT_BITS-1:0]       s_softmax_waits,
    output wire [2:0]                   done,            // one cycle: {softmax, macro, load}

    // rows of K and of V^T, a key's multiplier with its row; data one cycle later, as everywhere
    output wire                         cell_rd,
    output wire                         cell_values,
    output wire [KEY_BITS-1:0]          cell_address,
    input  wire [HEAD_DIM*8-1:0]        cell_data,
    input  wire [MULT_BITS-1:0]         cell_mult,

    // rows of Q
    output wire                         q_rd,
    output wire [ROW_BITS-1:0]          q_row,
    input  wire [HEAD_DIM*8-1:0]        q_data,
    input  wire [KEY_BITS-1:0]          q_pos,
    input  wire [MULT_BITS-1:0]         q_mult,

    // S, from the key named on; with it the scales of those keys' values
    output wire                         s_we,
    output wire [ROW_BITS-1:0]          s_wr_row,
    output wire [KEY_BITS-1:0]          s_wr_key,
    output wire [S_LANES*S_BITS-1:0]    s_wr_data,
    output wire                         s_rd,
    output wire [ROW_BITS-1:0]          s_rd_row,
    output wire [KEY_BITS-1:0]          s_rd_key,
    input  wire [LANES*S_BITS-1:0]      s_rd_data,
    input  wire [LANES*V_MULT_BITS-1:0] s_rd_v_mult,

    // P, from the key named on
    output wire                         p_we,
    output wire [ROW_BITS-1:0]          p_wr_row,
    output wire [KEY_BITS-1:0]          p_wr_key,
    output wire [LANES*P_BITS-1:0]      p_wr_data,
    output wire                         p_rd,
    output wire [ROW_BITS-1:0]          p_rd_row,
    output wire [KEY_BITS-1:0]          p_rd_key,
    input  wire [P_WORD*P_BITS-1:0]     p_rd_data,

    // partial sums of O, chunk by chunk
    output wire                         o_rd,
    output wire [ROW_BITS-1:0]          o_rd_row,
    output wire [CHUNK_BITS-1:0]        o_rd_chunk,
    input  wire [COLUMNS*O_BITS-1:0]    o_rd_data,
    output wire                         o_we,
    output wire [ROW_BITS-1:0]          o_wr_row,
    output wire [CHUNK_BITS-1:0]        o_wr_chunk,
    output wire [COLUMNS*O_BITS-1:0]    o_wr_data,

    // rows of O, or parts of rows, in the order in which operations name them
    output wire                         m_o_valid,
    output wire [COVER*ROWS*OUT_BITS-1:0] m_o_data,
    output wire                         m_o_empty
);

    localparam IP_LANE = 16 + $clog2(HEAD_DIM);
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM);
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1);
    localparam ENTRY_BITS = MULT_BITS + ELEM_SUM_BITS;
    localparam CELL_INDEX_BITS = $clog2(ROWS);
    localparam MAX_BITS = 8;
    localparam SUM_BITS = 24;
    localparam SLOT_BITS = $clog2(SLOTS);
    localparam S_WORDS = MACROS * ROWS / S_LANES;
    localparam P_WORDS = P_ROW / P_WORD;
    localparam PV_SLOT = (P_WORDS > CYCLES_PER_INPUT) ? P_WORDS : CYCLES_PER_INPUT;
    localparam QK_SLOT = (S_WORDS > PV_SLOT) ? S_WORDS : PV_SLOT;
    localparam WORDS = (S_WORDS > CYCLES_PER_INPUT) ? S_WORDS : CYCLES_PER_INPUT;
    localparam WORD_BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam INFO_BITS = ROW_BITS + 2*KEY_BITS + SHIFT_BITS + PART_BITS + BANK_BITS + 4;
    localparam WALK_BITS = MACROS + KEY_BITS + MULT_BITS + SUM_BITS + INFO_BITS;
    localparam INC_BITS = 16;

    // ---- an illegal parameter set stops elaboration: the missing module's name says which
    generate
        if (MACROS != 1 && MACROS != 2 && MACROS != 4 && MACROS != 8 && MACROS != 16
            && MACROS != 32) begin : g_check_macros
            fcim_illegal_MACROS_use_1_2_4_8_16_or_32 illegal_macros();
        end
        if (HEAD_DIM != 16 && HEAD_DIM != 32 && HEAD_DIM != 64 && HEAD_DIM != 128)
        begin : g_check_head_dim
            fcim_illegal_HEAD_DIM_use_16_32_64_or_128 illegal_head_dim();
        end
        if ((ROWS != 8 && ROWS != 16 && ROWS != 32 && ROWS != 64 && ROWS != 128)
            || ROWS > HEAD_DIM) begin : g_check_rows
            fcim_illegal_ROWS_use_8_16_32_64_or_128_and_at_most_HEAD_DIM illegal_rows();
        end
        if (BITS_PER_CYCLE != 1 && BITS_PER_CYCLE != 2 && BITS_PER_CYCLE != 4
            && BITS_PER_CYCLE != 8) begin : g_check_bits_per_cycle
            fcim_illegal_BITS_PER_CYCLE_use_1_2_4_or_8 illegal_bits_per_cycle();
        end
        if (PORT_BYTES < 4 || PORT_BYTES > 256 || (1 << $clog2(PORT_BYTES)) != PORT_BYTES)
        begin : g_check_port_bytes
            fcim_illegal_PORT_BYTES_use_a_power_of_two_from_4_to_256 illegal_port_bytes();
        end
        if (LANES < 2 || LANES > PORT_BYTES / 2 || (1 << $clog2(LANES)) != LANES)
        begin : g_check_lanes
            fcim_illegal_LANES_use_a_power_of_two_from_2_to_half_of_PORT_BYTES illegal_lanes();
        end
        if (SLOTS < 2 || SLOTS > 65536 || (1 << $clog2(SLOTS)) != SLOTS) begin : g_check_slots
            fcim_illegal_SLOTS_use_a_power_of_two_from_2_to_65536 illegal_slots();
        end
        if (BANKS != 2 && BANKS != 4 && BANKS != 8) begin : g_check_banks
            fcim_illegal_BANKS_use_2_4_or_8 illegal_banks();
        end
    endgenerate

    // ---- queues
    wire [3*WAIT_BITS-1:0] counts;
    wire [2:0]             ready, in_flight;
    fcim_unfused_gate u_load_gate (
        .clk(clk), .rst_n(rst_n), .s_valid(s_load_valid), .s_ready(s_load_ready),
        .s_waits(s_load_waits), .counts(counts), .unit_ready(ready[0]), .done(done[0]),
        .count(counts[0 +: WAIT_BITS]), .in_flight(in_flight[0])
    );
    fcim_unfused_gate u_macro_gate (
        .clk(clk), .rst_n(rst_n), .s_valid(s_macro_valid), .s_ready(s_macro_ready),
        .s_waits(s_macro_waits), .counts(counts), .unit_ready(ready[1]), .done(done[1]),
        .count(counts[WAIT_BITS +: WAIT_BITS]), .in_flight(in_flight[1])
    );
    fcim_unfused_gate u_softmax_gate (
        .clk(clk), .rst_n(rst_n), .s_valid(s_softmax_valid), .s_ready(s_softmax_ready),
        .s_waits(s_softmax_waits), .counts(counts), .unit_ready(ready[2]), .done(done[2]),
        .count(counts[2*WAIT_BITS +: WAIT_BITS]), .in_flight(in_flight[2])
    );

    // ---- LOAD
    wire [MACROS-1:0]          cell_we;
    wire                       entry_we;
    wire [BANK_BITS-1:0]       cell_bank, entry_bank;
    wire [CELL_INDEX_BITS-1:0] cell_row, entry_row;
    wire [HEAD_DIM*8-1:0]      cell_word;
    wire [MACRO_BITS-1:0]      entry_macro;
    wire [ENTRY_BITS-1:0]      entry;
    fcim_unfused_loader #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BANK_BITS(BANK_BITS)
    ) u_loader (
        .clk(clk), .rst_n(rst_n), .start(s_load_ready), .ready(ready[0]),
        .op_values(s_load_values), .op_bank(s_load_bank), .op_macro(s_load_macro),
        .op_base(s_load_base), .op_rows(s_load_rows), .done(done[0]),
        .cell_rd(cell_rd), .cell_values(cell_values), .cell_address(cell_address),
        .cell_data(cell_data), .cell_mult(cell_mult),
        .we(cell_we), .we_bank(cell_bank), .we_row(cell_row), .we_data(cell_word),
        .entry_we(entry_we), .entry_bank(entry_bank), .entry_macro(entry_macro),
        .entry_row(entry_row), .entry(entry)
    );

    // ---- what is kept of rows
    wire                max_rd, max_we, row_rd, sum_rd, sum_we, pv_rd;
    wire [ROW_BITS-1:0] max_rd_row, max_row, row_rd_row, sum_rd_row, sum_row, pv_row;
    wire [MAX_BITS-1:0] max_rd_data, max_data, row_max;
    wire [KEY_BITS-1:0] max_pos, row_pos, pv_pos;
    wire [SUM_BITS-1:0] sum_rd_data, sum_data, pv_sum;
    fcim_unfused_rows #(.SLOTS(SLOTS)) u_rows (
        .clk(clk),
        .max_rd(max_rd), .max_rd_slot(max_rd_row[SLOT_BITS-1:0]), .max_rd_data(max_rd_data),
        .max_we(max_we), .max_slot(max_row[SLOT_BITS-1:0]), .max_data(max_data),
        .max_pos(max_pos),
        .row_rd(row_rd), .row_slot(row_rd_row[SLOT_BITS-1:0]), .row_pos(row_pos),
        .row_max(row_max),
        .sum_rd(sum_rd), .sum_rd_slot(sum_rd_row[SLOT_BITS-1:0]), .sum_rd_data(sum_rd_data),
        .sum_we(sum_we), .sum_slot(sum_row[SLOT_BITS-1:0]), .sum_data(sum_data),
        .pv_rd(pv_rd), .pv_slot(pv_row[SLOT_BITS-1:0]), .pv_pos(pv_pos), .pv_sum(pv_sum)
    );

    // ---- QK and PV: inputs
    wire                         in_valid, slot_used;
    wire [BANK_BITS-1:0]         in_bank;
    wire [MACROS-1:0]            drive;
    wire [MACROS*HEAD_DIM*8-1:0] in_data;
    wire [INFO_BITS-1:0]         in_info;
    wire [KEY_BITS-1:0]          in_pos;
    wire [MULT_BITS-1:0]         in_mult;
    wire [SUM_BITS-1:0]          in_sum;
    fcim_unfused_feed #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .COVER(COVER), .P_WORD(P_WORD),
        .P_WORDS(P_WORDS), .QK_SLOT(QK_SLOT), .PV_SLOT(PV_SLOT), .BANK_BITS(BANK_BITS)
    ) u_feed (
        .clk(clk), .rst_n(rst_n), .start(s_macro_ready), .ready(ready[1]),
        .op_values(s_macro_values), .op_bank(s_macro_bank), .op_row(s_macro_row),
        .op_rows(s_macro_rows), .op_base(s_macro_base), .op_keys(s_macro_keys),
        .op_shift(s_macro_shift), .op_part(s_macro_part), .op_first(s_macro_first),
        .op_last(s_macro_last), .slot_used(slot_used),
        .row_rd(pv_rd), .row_rd_row(pv_row), .row_pos(pv_pos), .row_sum(pv_sum),
        .q_rd(q_rd), .q_row(q_row), .q_data(q_data), .q_pos(q_pos), .q_mult(q_mult),
        .p_rd(p_rd), .p_rd_row(p_rd_row), .p_rd_key(p_rd_key), .p_rd_data(p_rd_data),
        .m_valid(in_valid), .m_drive(drive), .m_bank(in_bank), .m_data(in_data),
        .m_info(in_info), .m_pos(in_pos), .m_mult(in_mult), .m_sum(in_sum)
    );

    // ---- macros
    wire [MACROS*ROWS*IP_LANE-1:0]  col;
    wire [MACROS*ELEM_SUM_BITS-1:0] ksum;
    wire [MACROS-1:0]               switched;
    wire [MACROS*OPS_BITS-1:0]      bit_ops;
    genvar m;
    generate
        for (m = 0; m < MACROS; m = m + 1) begin : g_macro
            fcim_ip_cim #(
                .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .BANKS(BANKS)
            ) u_macro (
                .clk(clk), .rst_n(rst_n),
                .q_we(cell_we[m]), .q_bank(cell_bank), .q_row(cell_row), .q_data(cell_word),
                .s_key_valid(drive[m]), .s_key_ready(), .s_key_bank(in_bank),
                .s_key_data(in_data[m*HEAD_DIM*8 +: HEAD_DIM*8]), .s_key_user(1'b0),
                .m_col_valid(), .m_col_ready(1'b1),
                .m_col_data(col[m*ROWS*IP_LANE +: ROWS*IP_LANE]),
                .m_col_ksum(ksum[m*ELEM_SUM_BITS +: ELEM_SUM_BITS]), .m_col_user(),
                .active(switched[m]), .bit_ops(bit_ops[m*OPS_BITS +: OPS_BITS])
            );
        end
    endgenerate

    // ---- their columns, word by word
    wire                  walk, walk_last;
    wire [WORD_BITS-1:0]  walk_word;
    wire [MACROS-1:0]     walk_drive;
    wire [KEY_BITS-1:0]   walk_pos, walk_base, walk_limit;
    wire [MULT_BITS-1:0]  walk_mult;
    wire [SUM_BITS-1:0]   walk_sum;
    wire [ROW_BITS-1:0]   walk_row;
    wire [SHIFT_BITS-1:0] walk_shift;
    wire [PART_BITS-1:0]  walk_part;
    wire                  walk_first, walk_last_span, walk_end, walk_values;
    wire [BANK_BITS-1:0]  walk_bank;
    fcim_unfused_walk #(
        .CYCLES_PER_INPUT(CYCLES_PER_INPUT), .QK_WORDS(S_WORDS), .PV_WORDS(CYCLES_PER_INPUT),
        .INFO_BITS(WALK_BITS)
    ) u_walk (
        .clk(clk), .rst_n(rst_n), .s_valid(in_valid),
        .s_info({drive, in_pos, in_mult, in_sum, in_info}),
        .m_valid(walk), .m_word(walk_word), .m_last(walk_last),
        .m_info({walk_drive, walk_pos, walk_mult, walk_sum, walk_row, walk_base, walk_limit,
                 walk_shift, walk_part, walk_first, walk_last_span, walk_end, walk_bank,
                 walk_values})
    );

    // ---- S, and maxima
    localparam SCORE_BITS = $clog2(S_LANES + 1);
    wire [SCORE_BITS-1:0] scores, saturated;
    wire                  qk_done, pv_done;
    fcim_unfused_scores #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .LANES(S_LANES), .WORD_BITS(WORD_BITS),
        .BANK_BITS(BANK_BITS)
    ) u_scores (
        .clk(clk), .rst_n(rst_n),
        .entry_we(entry_we), .entry_bank(entry_bank), .entry_macro(entry_macro),
        .entry_row(entry_row), .entry(entry),
        .s_valid(walk && !walk_values), .s_word(walk_word), .s_last(walk_last),
        .s_end(walk_end), .s_first(walk_first), .s_bank(walk_bank), .s_row(walk_row),
        .s_base(walk_base), .s_limit(walk_limit), .s_pos(walk_pos), .s_mult(walk_mult),
        .s_shift(walk_shift), .s_col(col), .s_ksum(ksum[ELEM_SUM_BITS-1:0]),
        .s_we(s_we), .s_wr_row(s_wr_row), .s_wr_key(s_wr_key), .s_wr_data(s_wr_data),
        .max_rd(max_rd), .max_rd_row(max_rd_row), .max_rd_data(max_rd_data),
        .max_we(max_we), .max_row(max_row), .max_data(max_data), .max_pos(max_pos),
        .done(qk_done), .scores(scores), .saturated(saturated)
    );

    // ---- P, and denominators
    localparam EXP_BITS = $clog2(LANES + 1);
    wire                word_used;
    wire [EXP_BITS-1:0] exponentials;
    fcim_unfused_softmax #(.LANES(LANES)) u_softmax (
        .clk(clk), .rst_n(rst_n), .start(s_softmax_ready), .ready(ready[2]),
        .op_row(s_softmax_row), .op_rows(s_softmax_rows), .op_base(s_softmax_base),
        .op_keys(s_softmax_keys), .op_first(s_softmax_first), .done(done[2]),
        .row_rd(row_rd), .row_rd_row(row_rd_row), .row_pos(row_pos), .row_max(row_max),
        .sum_rd(sum_rd), .sum_rd_row(sum_rd_row), .sum_rd_data(sum_rd_data),
        .sum_we(sum_we), .sum_row(sum_row), .sum_data(sum_data),
        .s_rd(s_rd), .s_rd_row(s_rd_row), .s_rd_key(s_rd_key), .s_rd_data(s_rd_data),
        .s_rd_v_mult(s_rd_v_mult),
        .p_we(p_we), .p_wr_row(p_wr_row), .p_wr_key(p_wr_key), .p_wr_data(p_wr_data),
        .word_used(word_used), .exponentials(exponentials)
    );

    // ---- partial sums, and O
    wire o_busy;
    fcim_unfused_sums #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .COVER(COVER), .COLUMNS(COLUMNS),
        .WORD_BITS(WORD_BITS)
    ) u_sums (
        .clk(clk), .rst_n(rst_n),
        .s_valid(walk && walk_values), .s_word(walk_word), .s_last(walk_last), .s_end(walk_end),
        .s_first_span(walk_first), .s_last_span(walk_last_span), .s_row(walk_row),
        .s_part(walk_part), .s_sum(walk_sum), .s_drive(walk_drive), .s_col(col), .s_ksum(ksum),
        .o_rd(o_rd), .o_rd_row(o_rd_row), .o_rd_chunk(o_rd_chunk), .o_rd_data(o_rd_data),
        .o_we(o_we), .o_wr_row(o_wr_row), .o_wr_chunk(o_wr_chunk), .o_wr_data(o_wr_data),
        .done(pv_done), .m_o_valid(m_o_valid), .m_o_data(m_o_data), .m_o_empty(m_o_empty),
        .busy(o_busy)
    );
    assign done[1] = qk_done || pv_done;

    // ---- counters, the first in the low bits
    reg [INC_BITS-1:0] bits;
    always @* begin : active_bits
        integer n;
        bits = {INC_BITS{1'b0}};
        for (n = 0; n < MACROS; n = n + 1) begin
            bits = bits + ({{(INC_BITS-OPS_BITS){1'b0}}, bit_ops[n*OPS_BITS +: OPS_BITS]}
                           & {INC_BITS{switched[n]}});
        end
    end
    wire starts = s_load_ready || s_macro_ready || s_softmax_ready;
    wire busy   = starts || |in_flight || o_busy;
    localparam DRIVEN_BITS = $clog2(MACROS + 1);
    wire [DRIVEN_BITS-1:0] drives;
    fcim_unfused_ones #(.WIDTH(MACROS)) u_drives (.bits(drive), .count(drives));
    wire [INC_BITS-1:0] driven = {{(INC_BITS-DRIVEN_BITS){1'b0}}, drives};
    localparam ZEROS = INC_BITS - 1;
    fcim_counters #(.COUNT(COUNTERS), .INC_BITS(INC_BITS)) u_counters (
        .clk(clk), .rst_n(rst_n), .clear(clear), .counters(counters),
        .increments({
            {ZEROS{1'b0}}, m_o_valid,
            {{(INC_BITS-EXP_BITS){1'b0}}, exponentials},
            {{(INC_BITS-SCORE_BITS){1'b0}}, saturated},
            {{(INC_BITS-SCORE_BITS){1'b0}}, scores},
            bits,
            driven & {INC_BITS{in_info[0]}},
            driven & {INC_BITS{!in_info[0]}},
            {ZEROS{1'b0}}, o_we,
            {ZEROS{1'b0}}, o_rd,
            {ZEROS{1'b0}}, p_rd,
            {ZEROS{1'b0}}, p_we,
            {ZEROS{1'b0}}, s_rd,
            {ZEROS{1'b0}}, s_we,
            {ZEROS{1'b0}}, q_rd,
            {ZEROS{1'b0}}, cell_rd && cell_values,
            {ZEROS{1'b0}}, cell_rd && !cell_values,
            {ZEROS{1'b0}}, word_used,
            {ZEROS{1'b0}}, slot_used,
            {ZEROS{1'b0}}, busy
        })
    );

endmodule

`default_nettype wire
