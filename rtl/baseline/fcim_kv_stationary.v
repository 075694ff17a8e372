// SPDX-License-Identifier: Apache-2.0
// fcim_kv_stationary: a prior design, to compare with. Pairs of a K macro and a V macro hold keys
// and values of a span; row after row of Q meets them all: scores, the row's running maximum,
// probabilities of 8 bits, sums over V, and the row's partial O, which a buffer keeps from span to
// span. Software says what happens when, by two queues of operations.
//
// Latency:    C = 8 / BITS_PER_CYCLE, P = ROWS / LANES, D = HEAD_DIM / O_COLUMNS: from the cycle in
//             which a row of Q is asked for, its partial O is written in cycle 13 + 2C + 2P + D at
//             last, or its O is given out in cycle 32 + 2C + 2P + D.
// Throughput: A row per max(C, P, D) cycles. Loads as in fcim_kvs_load, beside that.
// Cuts:       s_load_ready and s_rows_ready depend on their waits and registers. Buffers answer in
//             the cycle after they are asked; no port ever waits.
// Numbers:    As in models/baseline/kv_stationary.py, to the bit.
`default_nettype none

module fcim_kv_stationary #(
    parameter  MACROS = 8,         // pairs of macros: 1, 2, 4, 8 or 16
    parameter  ROWS = 64,          // keys of a tile: 16, 32, 64 or 128
    parameter  HEAD_DIM = 128,     // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1, // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  LANES = 8,          // keys of a pair handled per cycle: a power of two up to ROWS
    parameter  O_COLUMNS = 16,     // elements of a partial O per cycle: a power of two to HEAD_DIM
    parameter  V_TILES = 2,        // tiles that a word of V is for: a power of two up to MACROS
    parameter  MAX_KEYS = 8192,    // keys of the buffer: a power of two, a span up to 65536
    parameter  MAX_ROWS = 32768,   // rows of the buffer: a power of two, 16 to 65536
    parameter  BANKS = 2,          // tiles that a macro holds: 2, 4 or 8
    localparam BANK_BITS = $clog2(BANKS),         // index of a bank
    localparam KEY_BITS = $clog2(MAX_KEYS),       // index of a key
    localparam SPAN_BITS = $clog2(MACROS * ROWS + 1),  // number of keys of a bank
    localparam V_BITS = $clog2(MAX_KEYS / (V_TILES * ROWS) * HEAD_DIM),  // index of a word of V
    localparam INDEX_BITS = $clog2(MAX_ROWS),     // index of a row
    localparam COUNT_BITS = $clog2(MAX_ROWS + 1), // number of rows
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // position, unsigned
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam WAIT_BITS = 16,                    // completed operations, modulo
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam SUM_BITS = 8 + $clog2(MAX_KEYS),   // sum of a row, unsigned
    localparam ACC_BITS = 32,                     // element of a partial O, signed
    localparam O_PASSES = HEAD_DIM / O_COLUMNS,  // cycles in which a row's O passes
    localparam O_ADDRESS_BITS = INDEX_BITS + $clog2(O_PASSES),  // index of a word of partial O
    localparam OUT_BITS = 16,                     // element of O, signed
    localparam COUNTERS = 22,  // counters, in order of number
    localparam COUNTER_BITS = 48  // bits of a counter
) (
    input  wire                             clk,
    input  wire                             rst_n,
    input  wire                             clear,      // counters go to 0
    output wire                             idle,       // no operation, no row on its way
    output wire [COUNTERS*COUNTER_BITS-1:0] counters,

    // keys start to start + keys - 1 into a bank, after so many operations on rows
    input  wire                             s_load_valid,
    output wire                             s_load_ready,
    input  wire [BANK_BITS-1:0]             s_load_bank,
    input  wire [KEY_BITS-1:0]              s_load_start,
    input  wire [SPAN_BITS-1:0]             s_load_keys,
    input  wire [WAIT_BITS-1:0]             s_load_wait,

    // rows start to start + rows - 1 against a bank, after so many loads; first: nothing is kept of
    // them; last: their O is given out
    input  wire                             s_rows_valid,
    output wire                             s_rows_ready,
    input  wire [BANK_BITS-1:0]             s_rows_bank,
    input  wire [INDEX_BITS-1:0]            s_rows_start,
    input  wire [COUNT_BITS-1:0]            s_rows_rows,
    input  wire                             s_rows_first,
    input  wire                             s_rows_last,
    input  wire [SHIFT_BITS-1:0]            s_rows_shift,
    input  wire [WAIT_BITS-1:0]             s_rows_wait,

    // buffer: rows of Q, keys, words of V (one dimension of V_TILES tiles of keys)
    output wire                             q_rd,
    output wire [INDEX_BITS-1:0]            q_rd_address,
    input  wire [HEAD_DIM*8-1:0]            q_rd_data,
    input  wire [POS_BITS-1:0]              q_rd_pos,
    input  wire [MULT_BITS-1:0]             q_rd_mult,
    output wire                             k_rd,
    output wire [KEY_BITS-1:0]              k_rd_address,
    input  wire [HEAD_DIM*8-1:0]            k_rd_data,
    input  wire [POS_BITS-1:0]              k_rd_pos,
    input  wire [MULT_BITS-1:0]             k_rd_mult,
    input  wire [V_MULT_BITS-1:0]           k_rd_v_mult,
    output wire                             v_rd,
    output wire [V_BITS-1:0]                v_rd_address,
    input  wire [V_TILES*ROWS*8-1:0]        v_rd_data,

    // buffer: what is kept of a row: maximum, sum, partial O (O_COLUMNS elements a word)
    output wire                             m_rd,
    output wire [INDEX_BITS-1:0]            m_rd_address,
    input  wire [ROW_MAX_BITS-1:0]          m_rd_data,
    output wire                             m_wr,
    output wire [INDEX_BITS-1:0]            m_wr_address,
    output wire [ROW_MAX_BITS-1:0]          m_wr_data,
    output wire                             l_rd,
    output wire [INDEX_BITS-1:0]            l_rd_address,
    input  wire [SUM_BITS-1:0]              l_rd_data,
    output wire                             l_wr,
    output wire [INDEX_BITS-1:0]            l_wr_address,
    output wire [SUM_BITS-1:0]              l_wr_data,
    output wire                             o_rd,
    output wire [O_ADDRESS_BITS-1:0]        o_rd_address,
    input  wire [O_COLUMNS*ACC_BITS-1:0]    o_rd_data,
    output wire                             o_wr,
    output wire [O_ADDRESS_BITS-1:0]        o_wr_address,
    output wire [O_COLUMNS*ACC_BITS-1:0]    o_wr_data,

    // rows of O; empty: the row saw no key
    output wire                             out_valid,
    output wire [INDEX_BITS-1:0]            out_row,
    output wire [HEAD_DIM*OUT_BITS-1:0]     out_data,
    output wire                             out_empty
);

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (MACROS != 1 && MACROS != 2 && MACROS != 4 && MACROS != 8 &&
            MACROS != 16) begin : g_check_macros
            fcim_illegal_MACROS_use_1_2_4_8_or_16 illegal_macros();
        end
        if (ROWS != 16 && ROWS != 32 && ROWS != 64 && ROWS != 128) begin : g_check_rows
            fcim_illegal_ROWS_use_16_32_64_or_128 illegal_rows();
        end
        if (HEAD_DIM != 16 && HEAD_DIM != 32 && HEAD_DIM != 64 &&
            HEAD_DIM != 128) begin : g_check_head_dim
            fcim_illegal_HEAD_DIM_use_16_32_64_or_128 illegal_head_dim();
        end
        if (BITS_PER_CYCLE != 1 && BITS_PER_CYCLE != 2 && BITS_PER_CYCLE != 4 &&
            BITS_PER_CYCLE != 8) begin : g_check_bits_per_cycle
            fcim_illegal_BITS_PER_CYCLE_use_1_2_4_or_8 illegal_bits_per_cycle();
        end
        if (LANES < 1 || LANES > ROWS || (1 << $clog2(LANES)) != LANES) begin : g_check_lanes
            fcim_illegal_LANES_use_a_power_of_two_up_to_ROWS illegal_lanes();
        end
        if (O_COLUMNS < 1 || O_COLUMNS > HEAD_DIM ||
            (1 << $clog2(O_COLUMNS)) != O_COLUMNS) begin : g_check_o_columns
            fcim_illegal_O_COLUMNS_use_a_power_of_two_up_to_HEAD_DIM illegal_o_columns();
        end
        if (V_TILES < 1 || V_TILES > MACROS ||
            (1 << $clog2(V_TILES)) != V_TILES) begin : g_check_v_tiles
            fcim_illegal_V_TILES_use_a_power_of_two_up_to_MACROS illegal_v_tiles();
        end
        if (MAX_KEYS < 64 || MAX_KEYS < MACROS * ROWS || MAX_KEYS > 65536 ||
            (1 << $clog2(MAX_KEYS)) != MAX_KEYS) begin : g_check_max_keys
            fcim_illegal_MAX_KEYS_use_a_power_of_two_from_64_and_a_span_to_65536
                illegal_max_keys();
        end
        if (MAX_ROWS < 16 || MAX_ROWS > 65536 ||
            (1 << $clog2(MAX_ROWS)) != MAX_ROWS) begin : g_check_max_rows
            fcim_illegal_MAX_ROWS_use_a_power_of_two_from_16_to_65536 illegal_max_rows();
        end
        if (BANKS != 2 && BANKS != 4 && BANKS != 8) begin : g_check_banks
            fcim_illegal_BANKS_use_2_4_or_8 illegal_banks();
        end
    endgenerate

    localparam PAIR_BITS = (MACROS > 1) ? $clog2(MACROS) : 1;
    localparam ROW_BITS = $clog2(ROWS);
    localparam DIM_BITS = $clog2(HEAD_DIM);
    localparam Z_BITS = 20;
    localparam ELEM_SUM_BITS = 8 + DIM_BITS;
    localparam CYCLES_PER_INPUT = 8 / BITS_PER_CYCLE;
    localparam PASSES = ROWS / LANES;
    localparam PASS_BITS = (PASSES > 1) ? $clog2(PASSES) : 1;
    localparam O_PASS_BITS = (O_PASSES > 1) ? $clog2(O_PASSES) : 1;
    localparam MOST_PASSES = (PASSES > O_PASSES) ? PASSES : O_PASSES;
    localparam STEP = (CYCLES_PER_INPUT > MOST_PASSES) ? CYCLES_PER_INPUT : MOST_PASSES;
    localparam VP_LANE = 16 + ROW_BITS;
    localparam WSUM_BITS = 8 + ROW_BITS;
    localparam PSUM_BITS = 8 + $clog2(LANES);

    // ---- operations
    wire [WAIT_BITS-1:0] loads_done;
    reg  [WAIT_BITS-1:0] rows_done_q;
    wire                 load_busy, rows_busy;
    wire                 open, k_we;
    wire [BANK_BITS-1:0] we_bank;
    wire [PAIR_BITS-1:0] k_pair;
    wire [ROW_BITS-1:0]  k_row;
    wire [MACROS-1:0]    v_we;
    wire [DIM_BITS-1:0]  v_row;
    fcim_kvs_load #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .V_TILES(V_TILES), .MAX_KEYS(MAX_KEYS),
        .BANK_BITS(BANK_BITS)
    ) u_load (
        .clk(clk), .rst_n(rst_n),
        .s_load_valid(s_load_valid), .s_load_ready(s_load_ready), .s_load_bank(s_load_bank),
        .s_load_start(s_load_start), .s_load_keys(s_load_keys), .s_load_wait(s_load_wait),
        .rows_done(rows_done_q), .loads_done(loads_done), .busy(load_busy),
        .k_rd(k_rd), .k_rd_address(k_rd_address), .v_rd(v_rd), .v_rd_address(v_rd_address),
        .we_bank(we_bank), .open(open), .k_we(k_we), .k_pair(k_pair), .k_row(k_row),
        .v_we(v_we), .v_row(v_row)
    );

    wire                  q_valid, q_first, q_last, q_end;
    wire [INDEX_BITS-1:0] q_index;
    wire [BANK_BITS-1:0]  q_bank;
    wire [SHIFT_BITS-1:0] q_shift;
    fcim_kvs_rows #(.STEP(STEP), .MAX_ROWS(MAX_ROWS), .BANK_BITS(BANK_BITS)) u_rows (
        .clk(clk), .rst_n(rst_n),
        .s_rows_valid(s_rows_valid), .s_rows_ready(s_rows_ready), .s_rows_bank(s_rows_bank),
        .s_rows_start(s_rows_start), .s_rows_rows(s_rows_rows), .s_rows_first(s_rows_first),
        .s_rows_last(s_rows_last), .s_rows_shift(s_rows_shift), .s_rows_wait(s_rows_wait),
        .loads_done(loads_done), .busy(rows_busy),
        .q_rd(q_rd), .q_rd_address(q_rd_address),
        .row_valid(q_valid), .row_index(q_index), .row_bank(q_bank), .row_first(q_first),
        .row_last(q_last), .row_end(q_end), .row_shift(q_shift)
    );

    // ---- a key's entry is written in the cycle after the key, with the sum of its elements
    reg                            entry_we_q;
    reg [PAIR_BITS-1:0]            entry_pair_q;
    reg [BANK_BITS-1:0]            entry_bank_q;
    reg [ROW_BITS-1:0]             entry_row_q;
    reg [POS_BITS-1:0]             entry_pos_q;
    reg [MULT_BITS-1:0]            entry_mult_q;
    reg [V_MULT_BITS-1:0]          entry_v_mult_q;
    reg [ELEM_SUM_BITS-1:0]        entry_sum_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            entry_we_q <= 1'b0;
        end else begin
            entry_we_q <= k_we;
        end
    end
    always @(posedge clk) begin : entry
        reg [ELEM_SUM_BITS-1:0] sum;
        integer                 d;
        sum = {ELEM_SUM_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            sum = sum + {{(ELEM_SUM_BITS-8){k_rd_data[d*8 + 7]}}, k_rd_data[d*8 +: 8]};
        end
        if (k_we) begin
            entry_pair_q   <= k_pair;
            entry_bank_q   <= we_bank;
            entry_row_q    <= k_row;
            entry_pos_q    <= k_rd_pos;
            entry_mult_q   <= k_rd_mult;
            entry_v_mult_q <= k_rd_v_mult;
            entry_sum_q    <= sum;
        end
    end

    // ---- a row's way: its scores' passes, its maximum, its probabilities' passes, its w into the
    // V macros, its partial O's passes
    localparam ROW_WAY = INDEX_BITS + BANK_BITS + 3;

    wire                  s_start, s_valid, s_end, s_first, s_last, s_final;
    wire [PASS_BITS-1:0]  s_pass;
    wire [INDEX_BITS-1:0] s_index;
    wire [BANK_BITS-1:0]  s_bank;
    wire [SHIFT_BITS-1:0] s_shift;
    wire [POS_BITS-1:0]   s_pos;
    wire [MULT_BITS-1:0]  s_mult;
    fcim_delay #(
        .WIDTH(ROW_WAY + SHIFT_BITS + POS_BITS + MULT_BITS), .CYCLES(CYCLES_PER_INPUT + 1),
        .PITCH(STEP)
    ) u_to_scores (
        .clk(clk), .rst_n(rst_n), .in_valid(q_valid),
        .in_data({q_index, q_bank, q_first, q_last, q_end, q_shift, q_rd_pos, q_rd_mult}),
        .out_valid(s_start),
        .out_data({s_index, s_bank, s_first, s_last, s_final, s_shift, s_pos, s_mult})
    );
    fcim_passes #(.PASSES(PASSES)) u_score_passes (
        .clk(clk), .rst_n(rst_n), .start(s_start), .valid(s_valid), .pass(s_pass), .last(s_end)
    );

    // the pairs' maxima of a pass come 5 cycles after it
    reg [4:0] top_valid_q, top_first_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            top_valid_q <= 5'd0;
        end else begin
            top_valid_q <= {top_valid_q[3:0], s_valid};
        end
        top_first_q <= {top_first_q[3:0], s_start};
    end

    wire                  m_valid, m_first, m_last, m_final;
    wire [INDEX_BITS-1:0] m_index;
    wire [BANK_BITS-1:0]  m_bank;
    fcim_delay #(.WIDTH(ROW_WAY), .CYCLES(PASSES + 4), .PITCH(STEP)) u_to_maximum (
        .clk(clk), .rst_n(rst_n), .in_valid(s_start),
        .in_data({s_index, s_bank, s_first, s_last, s_final}),
        .out_valid(m_valid), .out_data({m_index, m_bank, m_first, m_last, m_final})
    );

    wire [MACROS*ROW_MAX_BITS-1:0] tops;
    wire                           x_start, x_valid, ev_rescaled;
    wire [ROW_MAX_BITS-1:0]        x_max;
    wire [SHIFT_BITS-1:0]          x_shift;
    wire [PASS_BITS-1:0]           x_pass;
    fcim_kvs_maximum #(.MACROS(MACROS), .INDEX_BITS(INDEX_BITS)) u_maximum (
        .clk(clk), .rst_n(rst_n),
        .top_valid(top_valid_q[4]), .top_first(top_first_q[4]), .tops(tops),
        .row_valid(m_valid), .row_index(m_index), .row_first(m_first), .row_last(m_last),
        .m_rd(m_rd), .m_rd_address(m_rd_address), .m_rd_data(m_rd_data),
        .m_wr(m_wr), .m_wr_address(m_wr_address), .m_wr_data(m_wr_data),
        .max_valid(x_start), .row_max(x_max), .shift(x_shift), .ev_rescaled(ev_rescaled)
    );
    fcim_passes #(.PASSES(PASSES)) u_exp_passes (
        .clk(clk), .rst_n(rst_n), .start(x_start), .valid(x_valid), .pass(x_pass), .last()
    );

    // what belongs to the row that the maximum is of
    reg                  m_first_q, m_last_q, m_final_q, x_first_q, x_last_q, x_final_q;
    reg [INDEX_BITS-1:0] m_index_q, x_index_q;
    reg [BANK_BITS-1:0]  m_bank_q, x_bank_q;
    always @(posedge clk) begin
        {m_index_q, m_bank_q, m_first_q, m_last_q, m_final_q} <=
            {m_index, m_bank, m_first, m_last, m_final};
        {x_index_q, x_bank_q, x_first_q, x_last_q, x_final_q} <=
            {m_index_q, m_bank_q, m_first_q, m_last_q, m_final_q};
    end

    // probabilities of a pass are there 2 cycles after it, their sums 3
    reg [2:0]           p_valid_q, p_first_q;
    reg [PASS_BITS-1:0] p_pass_q, p_pass_q2;
    reg [BANK_BITS-1:0] p_bank_q, p_bank_q2;
    always @(posedge clk) begin
        if (!rst_n) begin
            p_valid_q <= 3'd0;
        end else begin
            p_valid_q <= {p_valid_q[1:0], x_valid};
        end
        p_first_q <= {p_first_q[1:0], x_start};
        p_pass_q  <= x_pass;
        p_pass_q2 <= p_pass_q;
        p_bank_q  <= x_bank_q;
        p_bank_q2 <= p_bank_q;
    end

    wire                  w_valid, w_first, w_last, w_final;
    wire [INDEX_BITS-1:0] w_index;
    wire [BANK_BITS-1:0]  w_bank;
    wire [SHIFT_BITS-1:0] w_shift;
    fcim_delay #(.WIDTH(ROW_WAY + SHIFT_BITS), .CYCLES(PASSES + 2), .PITCH(STEP)) u_to_values (
        .clk(clk), .rst_n(rst_n), .in_valid(x_start),
        .in_data({x_index_q, x_bank_q, x_first_q, x_last_q, x_final_q, x_shift}),
        .out_valid(w_valid),
        .out_data({w_index, w_bank, w_first, w_last, w_final, w_shift})
    );

    wire [MACROS*PSUM_BITS-1:0] p_sums;
    wire                        l_valid;
    wire [SUM_BITS-1:0]         l_sum, o_sum;
    fcim_kvs_row_sum #(
        .MACROS(MACROS), .INDEX_BITS(INDEX_BITS), .PSUM_BITS(PSUM_BITS), .SUM_BITS(SUM_BITS)
    ) u_row_sum (
        .clk(clk), .rst_n(rst_n),
        .p_valid(p_valid_q[2]), .p_first(p_first_q[2]), .p_sums(p_sums),
        .row_valid(w_valid), .row_index(w_index), .row_first(w_first), .row_last(w_last),
        .row_shift(w_shift),
        .l_rd(l_rd), .l_rd_address(l_rd_address), .l_rd_data(l_rd_data),
        .l_wr(l_wr), .l_wr_address(l_wr_address), .l_wr_data(l_wr_data),
        .sum_valid(l_valid), .row_sum(l_sum)
    );
    fcim_delay #(.WIDTH(SUM_BITS), .CYCLES(CYCLES_PER_INPUT + 2), .PITCH(STEP)) u_sum (
        .clk(clk), .rst_n(rst_n), .in_valid(l_valid), .in_data(l_sum),
        .out_valid(), .out_data(o_sum)
    );

    wire                   o_start, o_valid, o_end, o_first, o_last, o_final;
    wire [O_PASS_BITS-1:0] o_pass;
    wire [INDEX_BITS-1:0]  o_index;
    wire [SHIFT_BITS-1:0]  o_shift;
    fcim_delay #(
        .WIDTH(INDEX_BITS + 3 + SHIFT_BITS), .CYCLES(CYCLES_PER_INPUT + 1), .PITCH(STEP)
    ) u_to_output (
        .clk(clk), .rst_n(rst_n), .in_valid(w_valid),
        .in_data({w_index, w_first, w_last, w_final, w_shift}),
        .out_valid(o_start), .out_data({o_index, o_first, o_last, o_final, o_shift})
    );
    fcim_passes #(.PASSES(O_PASSES)) u_o_passes (
        .clk(clk), .rst_n(rst_n), .start(o_start), .valid(o_valid), .pass(o_pass), .last(o_end)
    );

    // the cells of an operation's bank are free once its last row has left the V macros
    always @(posedge clk) begin
        if (!rst_n) begin
            rows_done_q <= {WAIT_BITS{1'b0}};
        end else begin
            rows_done_q <= rows_done_q + {{(WAIT_BITS-1){1'b0}}, o_start && o_final};
        end
    end

    // ---- pairs of macros
    localparam LANE_COUNT_BITS = $clog2(LANES + 1);
    localparam TILE_BITS = $clog2(ROWS + 1);
    localparam K_OPS_BITS = $clog2(8 * HEAD_DIM + 1);
    localparam V_OPS_BITS = $clog2(8 * ROWS + 1);
    localparam K_PRODUCT_BITS = K_OPS_BITS + TILE_BITS;

    wire [MACROS-1:0]                  cols_valid, k_inputs, v_inputs;
    wire [MACROS*HEAD_DIM*VP_LANE-1:0] cols;
    wire [MACROS*WSUM_BITS-1:0]        ksums;
    wire [MACROS*TILE_BITS-1:0]        scores;
    wire [MACROS*LANE_COUNT_BITS-1:0]  visible, saturations;
    wire [MACROS*K_OPS_BITS-1:0]       k_bits;
    wire [MACROS*K_PRODUCT_BITS-1:0]   k_products;
    wire [MACROS*V_OPS_BITS-1:0]       v_bits;
    genvar g;
    generate
        for (g = 0; g < MACROS; g = g + 1) begin : g_pair
            localparam TILE = g % V_TILES;        // of a word of V
            wire [LANES*Z_BITS-1:0]      z;
            wire [LANES*V_MULT_BITS-1:0] v_mults;
            wire                         seen, w_seen;
            fcim_kvs_scores #(
                .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .LANES(LANES),
                .POS_BITS(POS_BITS), .BANK_BITS(BANK_BITS)
            ) u_scores (
                .clk(clk), .rst_n(rst_n),
                .k_bank(we_bank), .open(open), .k_we(k_we && k_pair == g[PAIR_BITS-1:0]),
                .k_row(k_row), .k_pos(k_rd_pos), .k_data(k_rd_data),
                .entry_we(entry_we_q && entry_pair_q == g[PAIR_BITS-1:0]),
                .entry_bank(entry_bank_q), .entry_row(entry_row_q),
                .entry({~entry_pos_q, entry_mult_q, entry_sum_q}), .entry_v_mult(entry_v_mult_q),
                .q_valid(q_valid), .q_bank(q_bank), .q_pos(q_rd_pos), .q_data(q_rd_data),
                .pass_valid(s_valid), .pass(s_pass), .pass_last(s_end), .pass_bank(s_bank),
                .pass_pos(s_pos), .pass_mult(s_mult), .pass_shift(s_shift), .seen(seen),
                .z(z), .top(tops[g*ROW_MAX_BITS +: ROW_MAX_BITS]),
                .rd_v_bank(p_bank_q2), .rd_v_pass(p_pass_q2), .rd_v_mults(v_mults),
                .ev_input(k_inputs[g]), .ev_scores(scores[g*TILE_BITS +: TILE_BITS]),
                .ev_bits(k_bits[g*K_OPS_BITS +: K_OPS_BITS]),
                .ev_bit_products(k_products[g*K_PRODUCT_BITS +: K_PRODUCT_BITS]),
                .ev_visible(visible[g*LANE_COUNT_BITS +: LANE_COUNT_BITS]),
                .ev_saturations(saturations[g*LANE_COUNT_BITS +: LANE_COUNT_BITS])
            );
            // a row that saw nothing here does not go into the V macro either
            fcim_delay #(.WIDTH(1), .CYCLES(2*PASSES + 8), .PITCH(STEP)) u_seen (
                .clk(clk), .rst_n(rst_n), .in_valid(s_start), .in_data(seen),
                .out_valid(), .out_data(w_seen)
            );
            fcim_kvs_values #(
                .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .LANES(LANES),
                .BANK_BITS(BANK_BITS)
            ) u_values (
                .clk(clk), .rst_n(rst_n),
                .v_we(v_we[g]), .v_bank(we_bank), .v_row(v_row),
                .v_data(v_rd_data[TILE*ROWS*8 +: ROWS*8]),
                .z_valid(top_valid_q[3]), .z(z), .row_max(x_max),
                .w_pass_valid(p_valid_q[1]), .w_pass(p_pass_q2), .v_mults(v_mults),
                .p_sum(p_sums[g*PSUM_BITS +: PSUM_BITS]),
                .w_valid(w_valid && w_seen), .w_bank(w_bank),
                .col_valid(cols_valid[g]), .col_end(o_end),
                .col(cols[g*HEAD_DIM*VP_LANE +: HEAD_DIM*VP_LANE]),
                .ksum(ksums[g*WSUM_BITS +: WSUM_BITS]),
                .ev_input(v_inputs[g]), .ev_bits(v_bits[g*V_OPS_BITS +: V_OPS_BITS])
            );
        end
    endgenerate

    // ---- partial O
    wire ev_kept;
    fcim_kvs_output #(
        .MACROS(MACROS), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .O_COLUMNS(O_COLUMNS), .STEP(STEP),
        .INDEX_BITS(INDEX_BITS), .SUM_BITS(SUM_BITS)
    ) u_output (
        .clk(clk), .rst_n(rst_n),
        .pass_valid(o_valid), .pass(o_pass), .pass_last(o_end), .row_index(o_index),
        .row_first(o_first), .row_last(o_last), .row_shift(o_shift),
        .col_valid(cols_valid), .cols(cols), .ksums(ksums), .row_sum(o_sum),
        .o_rd(o_rd), .o_rd_address(o_rd_address), .o_rd_data(o_rd_data),
        .o_wr(o_wr), .o_wr_address(o_wr_address), .o_wr_data(o_wr_data),
        .out_valid(out_valid), .out_row(out_row), .out_data(out_data), .out_empty(out_empty),
        .ev_kept(ev_kept)
    );

    // ---- rows on their way
    reg [7:0] under_way_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            under_way_q <= 8'd0;
        end else begin
            under_way_q <= under_way_q + {7'd0, q_rd} - {7'd0, ev_kept} - {7'd0, out_valid};
        end
    end
    assign idle = !s_load_valid && !s_rows_valid && !load_busy && !rows_busy && under_way_q == 0;

    // ---- counters, in the order of models/baseline/kv_program.py; what is summed over pairs is
    // counted a cycle later than the rest
    localparam INC_BITS = 24;
    reg [INC_BITS-1:0] v_tiles_sum, k_inputs_sum, v_inputs_sum, k_bits_sum, k_products_sum;
    reg [INC_BITS-1:0] v_bits_sum, scores_sum, visible_sum, saturations_sum, adds_sum;
    always @* begin : event_sums
        integer m;
        v_tiles_sum     = {INC_BITS{1'b0}};
        k_inputs_sum    = {INC_BITS{1'b0}};
        v_inputs_sum    = {INC_BITS{1'b0}};
        k_bits_sum      = {INC_BITS{1'b0}};
        k_products_sum  = {INC_BITS{1'b0}};
        v_bits_sum      = {INC_BITS{1'b0}};
        scores_sum      = {INC_BITS{1'b0}};
        visible_sum     = {INC_BITS{1'b0}};
        saturations_sum = {INC_BITS{1'b0}};
        adds_sum        = {{(INC_BITS-1){1'b0}}, o_start && !o_first};
        for (m = 0; m < MACROS; m = m + 1) begin
            v_tiles_sum     = v_tiles_sum + {{(INC_BITS-1){1'b0}}, v_we[m]};
            k_inputs_sum    = k_inputs_sum + {{(INC_BITS-1){1'b0}}, k_inputs[m]};
            v_inputs_sum    = v_inputs_sum + {{(INC_BITS-1){1'b0}}, v_inputs[m]};
            k_bits_sum      = k_bits_sum
                + {{(INC_BITS-K_OPS_BITS){1'b0}}, k_bits[m*K_OPS_BITS +: K_OPS_BITS]};
            k_products_sum  = k_products_sum + {{(INC_BITS-K_PRODUCT_BITS){1'b0}},
                                                k_products[m*K_PRODUCT_BITS +: K_PRODUCT_BITS]};
            v_bits_sum      = v_bits_sum
                + {{(INC_BITS-V_OPS_BITS){1'b0}}, v_bits[m*V_OPS_BITS +: V_OPS_BITS]};
            scores_sum      = scores_sum
                + {{(INC_BITS-TILE_BITS){1'b0}}, scores[m*TILE_BITS +: TILE_BITS]};
            visible_sum     = visible_sum + {{(INC_BITS-LANE_COUNT_BITS){1'b0}},
                                             visible[m*LANE_COUNT_BITS +: LANE_COUNT_BITS]};
            saturations_sum = saturations_sum + {{(INC_BITS-LANE_COUNT_BITS){1'b0}},
                                                 saturations[m*LANE_COUNT_BITS +: LANE_COUNT_BITS]};
            adds_sum        = adds_sum + {{(INC_BITS-1){1'b0}}, o_start && cols_valid[m]};
        end
        // one term needs no addition
        adds_sum = adds_sum - {{(INC_BITS-1){1'b0}}, adds_sum != 0};
    end
    reg [10*INC_BITS-1:0] sums_q;
    always @(posedge clk) begin
        if (!rst_n || clear) begin
            sums_q <= {10*INC_BITS{1'b0}};
        end else begin
            sums_q <= {v_tiles_sum, k_inputs_sum, v_inputs_sum, k_bits_sum, k_products_sum,
                       v_bits_sum, scores_sum, visible_sum, saturations_sum, adds_sum};
        end
    end

    wire [9:0] ones = {out_valid, o_wr, o_rd, l_wr, l_rd, m_wr, m_rd, v_rd, k_rd, q_rd};
    wire [10*INC_BITS-1:0] once;
    genvar n;
    generate
        for (n = 0; n < 10; n = n + 1) begin : g_once
            assign once[n*INC_BITS +: INC_BITS] = {{(INC_BITS-1){1'b0}}, ones[n]};
        end
    endgenerate
    wire [COUNTERS*INC_BITS-1:0] increments = {
        once[3*INC_BITS +: 7*INC_BITS],
        sums_q[0 +: INC_BITS],
        {{(INC_BITS-1){1'b0}}, ev_rescaled},
        sums_q[1*INC_BITS +: INC_BITS],
        sums_q[2*INC_BITS +: INC_BITS],
        sums_q[3*INC_BITS +: INC_BITS],
        sums_q[4*INC_BITS +: INC_BITS],
        sums_q[5*INC_BITS +: INC_BITS],
        sums_q[6*INC_BITS +: INC_BITS],
        sums_q[7*INC_BITS +: INC_BITS],
        sums_q[8*INC_BITS +: INC_BITS],
        sums_q[9*INC_BITS +: INC_BITS],
        once[0 +: 3*INC_BITS],
        {{(INC_BITS-1){1'b0}}, !idle}
    };
    fcim_counters #(.COUNT(COUNTERS), .INC_BITS(INC_BITS)) u_counters (
        .clk(clk), .rst_n(rst_n), .clear(clear), .increments(increments), .counters(counters)
    );

endmodule

`default_nettype wire
