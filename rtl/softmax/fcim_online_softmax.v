// SPDX-License-Identifier: Apache-2.0
// fcim_online_softmax: keeps every row's running maximum and denominator; turns columns of inner
// products into probabilities and rescale amounts, key block by key block, LANES rows per cycle.
// The OP-CIM gets probabilities weighed with the multipliers of their values, which come with the
// keys. A block whose probabilities are all 0 can be skipped: it takes neither exponentials nor a
// slot of the OP-CIM.
//
// Latency:    A block's probabilities start 4 cycles after its exponential phase, which starts
//             CYCLES_PER_KEY + 1 cycles after the block's judgement, which starts when the block is
//             scaled, or the one after it if the tile's first two are judged as one.
// Throughput: A key per CYCLES_PER_KEY cycles in each of two overlapping phases (scale block b+2,
//             exponentiate block b), and a block per CYCLES_PER_KEY cycles between them (judge
//             block b+1).
// Cuts:       Every path from the columns to the probabilities is registered; s_col_ready as in
//             fcim_score_scaler; m_decision_valid depends on registers and slot_in_use only.
// Numbers:    z signed with 10 fraction bits; running maximum a signed integer; p and its sums
//             unsigned.
`default_nettype none

module fcim_online_softmax #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of rows
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // position, unsigned
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT,  // denominator of a row, unsigned
    localparam BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK),  // a row's p of a block, summed
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),  // number of lanes
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam AMOUNT_BITS = ROW_MAX_BITS + 1 + LANE_COUNT_BITS,  // rises of LANES maxima
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5                   // octaves that a block may lie below, unsigned
) (
    input  wire                            clk,
    input  wire                            rst_n,

    // row table of the next tile; a bank's last write sets its shift, tau, fused, skip, octaves and
    // partial
    input  wire                            row_we,
    input  wire                            row_bank,
    input  wire [ROW_BITS-1:0]             row_index,
    input  wire [POS_BITS-1:0]             row_pos,
    input  wire [MULT_BITS-1:0]            row_mult,
    input  wire signed [ELEM_SUM_BITS-1:0] q_sum,
    input  wire [SHIFT_BITS-1:0]           row_shift,
    input  wire [TAU_BITS-1:0]             row_tau,
    input  wire                            row_fused,
    input  wire                            row_skip,
    input  wire [OCTAVES_BITS-1:0]         row_octaves,
    input  wire                            row_partial,
    output wire                            tile_scaled,
    output wire                            tile_scaled_bank,

    // columns of inner products
    input  wire                            s_col_valid,
    output wire                            s_col_ready,
    input  wire [ROWS*IP_LANE-1:0]         s_col_data,
    input  wire [ELEM_SUM_BITS-1:0]        s_col_ksum,
    input  wire [POS_BITS-1:0]             s_col_pos,
    input  wire [MULT_BITS-1:0]            s_col_mult,
    input  wire [V_MULT_BITS-1:0]          s_col_v_mult,
    input  wire                            s_col_bank,
    input  wire                            s_col_last,

    // what becomes of each block, in order; one that is not skipped is exponentiated from then on
    output wire                            m_decision_valid,
    input  wire                            m_decision_ready,
    output wire                            m_decision_skip,
    output wire                            m_decision_last,   // the tile's last block
    output wire                            m_decision_bank,
    output wire                            m_decision_zero,   // no score in it counts

    // probabilities: one pass of one key per write
    output wire                            p_we,
    output wire                            p_slot,
    output wire [KEY_BITS-1:0]             p_key,
    output wire [PASS_BITS-1:0]            p_pass,
    output wire [LANES*PROB_BITS-1:0]      p_data,

    // finished blocks; shift and sum of both slots stay until the slot is released
    output wire                            m_blk_valid,
    input  wire                            m_blk_ready,
    output wire                            m_blk_slot,
    output wire [KEY_BITS-1:0]             m_blk_last_key,   // keys - 1
    output wire                            m_blk_first,
    output wire                            m_blk_last,
    output wire                            m_blk_bank,
    output wire [2*ROWS*SHIFT_BITS-1:0]    blk_shift,
    output wire [2*ROWS*BSUM_BITS-1:0]     blk_sum,
    input  wire [1:0]                      slot_in_use,   // by the OP-CIM, once it took the block

    // accumulator banks; a row's sum and maximum come one cycle after their request, rows and
    // partial hold from a tile's first block that runs to its release
    input  wire [1:0]                      bank_release,
    input  wire                            sum_rd_en,
    input  wire                            sum_rd_bank,
    input  wire [PASS_BITS-1:0]            sum_rd_pass,
    input  wire [LANE_BITS-1:0]            sum_rd_lane,
    output wire [SUM_BITS-1:0]             sum_rd_data,
    output wire [ROW_MAX_BITS-1:0]         sum_rd_max,
    output wire [2*COUNT_BITS-1:0]         bank_rows,
    output wire [1:0]                      bank_partial,

    // events
    output wire [LANE_COUNT_BITS-1:0]      ev_saturations,
    output wire [LANE_COUNT_BITS-1:0]      ev_rescaled,
    output wire [AMOUNT_BITS-1:0]          ev_amount,
    output wire                            ev_wait_slot,
    output wire                            ev_wait_bank
);

    localparam BUFFERS = 3;
    localparam CUT_HEADROOM = 16;    // octaves that the largest running maxima may be raised by

    // buffers are used in turn
    function [1:0] following(input [1:0] buffer);
        following = (buffer == 2'd2) ? 2'd0 : buffer + 2'd1;
    endfunction

    // ---- scaling phase: z of a block, and each row's maximum
    wire                    block_free, block_open;
    wire                    z_valid, z_block_end, z_tile_end;
    wire [KEY_BITS-1:0]     z_key;
    wire [PASS_BITS-1:0]    z_pass;
    wire [V_MULT_BITS-1:0]  z_v_mult;
    wire [LANES*Z_BITS-1:0] z_data;

    fcim_score_scaler #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .POS_BITS(POS_BITS),
        .HEADROOM(SUM_CUT == 0 ? 0 : CUT_HEADROOM)
    ) u_scaler (
        .clk(clk), .rst_n(rst_n),
        .row_we(row_we), .row_bank(row_bank), .row_index(row_index), .row_pos(row_pos),
        .row_mult(row_mult), .q_sum(q_sum), .row_shift(row_shift),
        .s_col_valid(s_col_valid), .s_col_ready(s_col_ready), .s_col_data(s_col_data),
        .s_col_ksum(s_col_ksum), .s_col_pos(s_col_pos), .s_col_mult(s_col_mult),
        .s_col_v_mult(s_col_v_mult), .s_col_bank(s_col_bank), .s_col_last(s_col_last),
        .block_free(block_free), .block_open(block_open),
        .tile_scaled(tile_scaled), .tile_scaled_bank(tile_scaled_bank),
        .z_valid(z_valid), .z_key(z_key), .z_pass(z_pass), .z_block_end(z_block_end),
        .z_tile_end(z_tile_end), .z_v_mult(z_v_mult), .z_data(z_data),
        .z_saturations(ev_saturations)
    );

    reg [TAU_BITS-1:0]     tau_q     [0:1];
    reg [OCTAVES_BITS-1:0] octaves_q [0:1];
    reg [COUNT_BITS-1:0]   rows_q    [0:1];
    reg [1:0]              fused_q, skip_q, partial_q;
    always @(posedge clk) begin
        if (row_we) begin
            tau_q[row_bank]     <= row_tau;
            octaves_q[row_bank] <= row_octaves;
            rows_q[row_bank]    <= {{(COUNT_BITS-ROW_BITS){1'b0}}, row_index} + 1'b1;
            fused_q[row_bank]   <= row_fused;
            skip_q[row_bank]    <= row_skip;
            partial_q[row_bank] <= row_partial;
        end
    end

    // three score buffers, and what is known of each
    reg [2:0]              zbusy_q;                  // from a block's first column to its decision
    reg [2:0]              zscaled_q, zjudged_q;     // waits for its judgement, for its decision
    reg [2:0]              zzero_q;                  // judged: no score counts
    reg [1:0]              open_buf_q;               // buffer of the next block to open,
    reg [1:0]              fill_buf_q;               // of the one that z belongs to,
    reg [1:0]              judge_buf_q;              // of the next one to judge,
    reg [1:0]              exp_buf_q;                // of the next one to decide and exponentiate
    reg                    tile_start_q;             // the next block to open is a tile's first
    reg [KEY_BITS-1:0]     zlast_key_q [0:2];
    reg [2:0]              zfirst_q, zlast_q, zbank_q, zfused_q, zskip_q, zpartial_q;
    reg [TAU_BITS-1:0]     ztau_q     [0:2];
    reg [OCTAVES_BITS-1:0] zoctaves_q [0:2];
    reg [COUNT_BITS-1:0]   zrows_q    [0:2];

    wire       judge_valid, judge_ready, judged, judged_zero;
    wire [1:0] judged_buf;
    wire       decided;
    assign block_free = !zbusy_q[open_buf_q];

    wire       z_commit    = z_valid && z_block_end;
    wire       judge_take  = judge_valid && judge_ready;
    wire [2:0] open_mask   = block_open ? 3'b001 << open_buf_q  : 3'b000;
    wire [2:0] fill_mask   = z_commit   ? 3'b001 << fill_buf_q  : 3'b000;
    wire [2:0] judge_mask  = judge_take ? 3'b001 << judge_buf_q : 3'b000;
    wire [2:0] judged_mask = judged     ? 3'b001 << judged_buf  : 3'b000;
    wire [2:0] exp_mask    = decided    ? 3'b001 << exp_buf_q   : 3'b000;

    always @(posedge clk) begin
        if (!rst_n) begin
            zbusy_q     <= 3'b000;
            zscaled_q   <= 3'b000;
            zjudged_q   <= 3'b000;
            open_buf_q  <= 2'd0;
            fill_buf_q  <= 2'd0;
            judge_buf_q <= 2'd0;
            exp_buf_q   <= 2'd0;
        end else begin
            zbusy_q   <= (zbusy_q   & ~exp_mask)   | open_mask;
            zscaled_q <= (zscaled_q & ~judge_mask) | fill_mask;
            zjudged_q <= (zjudged_q & ~exp_mask)   | judged_mask;
            if (block_open) begin
                open_buf_q  <= following(open_buf_q);
            end
            if (z_commit) begin
                fill_buf_q  <= following(fill_buf_q);
            end
            if (judge_take) begin
                judge_buf_q <= following(judge_buf_q);
            end
            if (decided) begin
                exp_buf_q   <= following(exp_buf_q);
            end
        end
    end

    // a block is a tile's first if the key accepted before it was a tile's last
    always @(posedge clk) begin
        if (!rst_n) begin
            tile_start_q <= 1'b1;
        end else if (s_col_valid && s_col_ready) begin
            tile_start_q <= s_col_last;
        end
    end

    always @(posedge clk) begin
        if (block_open) begin
            zfirst_q[open_buf_q]   <= tile_start_q;
            zbank_q[open_buf_q]    <= s_col_bank;
            zfused_q[open_buf_q]   <= fused_q[s_col_bank];
            zskip_q[open_buf_q]    <= skip_q[s_col_bank];
            zpartial_q[open_buf_q] <= partial_q[s_col_bank];
            ztau_q[open_buf_q]     <= tau_q[s_col_bank];
            zoctaves_q[open_buf_q] <= octaves_q[s_col_bank];
            zrows_q[open_buf_q]    <= rows_q[s_col_bank];
        end
        if (z_commit) begin
            zlast_key_q[fill_buf_q] <= z_key;
            zlast_q[fill_buf_q]     <= z_tile_end;
        end
        if (judged) begin
            zzero_q[judged_buf] <= judged_zero;
        end
    end

    // scores: word {buffer, key, pass}; and a multiplier per key: word {buffer, key}
    localparam Z_WORDS = BUFFERS * KEYS_PER_BLOCK * CYCLES_PER_KEY;
    localparam Z_WORD_BITS = $clog2(Z_WORDS);
    wire                    rd_en;
    wire [1:0]              rd_buf;      // also after the last cycle of an exponential phase
    wire [KEY_BITS-1:0]     rd_key;
    wire [PASS_BITS-1:0]    rd_pass;
    wire [LANES*Z_BITS-1:0] rd_z;
    wire [V_MULT_BITS-1:0]  rd_v_mult;
    wire [Z_WORD_BITS-1:0]  z_wr_word, z_rd_word;
    generate
        if (CYCLES_PER_KEY > 1) begin : g_passes
            assign z_wr_word = {fill_buf_q, z_key, z_pass};
            assign z_rd_word = {rd_buf, rd_key, rd_pass};
        end else begin : g_pass
            assign z_wr_word = {fill_buf_q, z_key};
            assign z_rd_word = {rd_buf, rd_key};
        end
    endgenerate

    fcim_ram #(.WORDS(Z_WORDS), .WIDTH(LANES*Z_BITS)) u_scores (
        .clk(clk),
        .we(z_valid), .wr_address(z_wr_word), .wr_data(z_data),
        .rd(rd_en), .rd_address(z_rd_word), .rd_data(rd_z)
    );

    fcim_register_file #(.WORDS(BUFFERS*KEYS_PER_BLOCK), .WIDTH(V_MULT_BITS)) u_v_mults (
        .clk(clk),
        .we(z_valid), .wr_address({fill_buf_q, z_key}), .wr_data(z_v_mult),
        .rd_address({rd_buf, rd_key}), .rd_data(rd_v_mult)
    );

    // ---- judgement: each row's running maximum for a block, and whether the block can matter
    wire                          exp_ready;   // the exponential phase is idle or in its last cycle
    wire [LANES*ROW_MAX_BITS-1:0] rd_row_max;
    wire [LANES*SHIFT_BITS-1:0]   rd_shift;
    wire [1:0]                    judge_after = following(judge_buf_q);
    wire                          judge_joint = zfused_q[judge_buf_q] && zfirst_q[judge_buf_q]
                                              && !zlast_q[judge_buf_q];
    // the maxima of the block before in this buffer must have been used
    wire                        judge_free  = exp_ready || (rd_buf != judge_buf_q);
    assign judge_valid = zscaled_q[judge_buf_q] && judge_free
                         && (!judge_joint || zscaled_q[judge_after]);

    fcim_row_max #(
        .LANES(LANES), .BITS_PER_CYCLE(BITS_PER_CYCLE), .PROB_BITS(PROB_BITS),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .CUT_BITS(SUM_CUT == 0 ? 0 : SUM_BITS)
    ) u_row_max (
        .clk(clk), .rst_n(rst_n),
        .z_valid(z_valid), .z_buf(fill_buf_q), .z_first_key(z_key == 0), .z_pass(z_pass),
        .z_data(z_data),
        .s_blk_valid(judge_valid), .s_blk_ready(judge_ready), .s_blk_buf(judge_buf_q),
        .s_blk_after(judge_after),
        .s_blk_first(zfirst_q[judge_buf_q]), .s_blk_joint(judge_joint),
        .s_blk_tau(ztau_q[judge_buf_q]), .s_blk_octaves(zoctaves_q[judge_buf_q]),
        .s_blk_skip(zskip_q[judge_buf_q]),
        .judged(judged), .judged_buf(judged_buf), .judged_zero(judged_zero),
        .rd_buf(rd_buf), .rd_pass(rd_pass), .rd_row_max(rd_row_max), .rd_shift(rd_shift),
        .ev_rescaled(ev_rescaled), .ev_amount(ev_amount)
    );

    // ---- decision: what becomes of the next judged block, and when
    reg                  next_slot_q;
    reg                  ran_q;                     // a block of the tile of the next block has run
    reg [1:0]            slot_claimed_q;   // from a block's start until the OP-CIM takes it
    reg [1:0]            bank_busy_q;
    reg [COUNT_BITS-1:0] bank_rows_q [0:1];
    reg [1:0]            bank_partial_q;

    wire exp_bank = zbank_q[exp_buf_q];
    wire can_run  = exp_ready && zjudged_q[exp_buf_q];
    // the OP-CIM sees at least one block of every tile: it is what clears the accumulators
    wire skip      = zskip_q[exp_buf_q] && zzero_q[exp_buf_q] && (ran_q || !zlast_q[exp_buf_q]);
    wire slot_idle = !slot_claimed_q[next_slot_q] && !slot_in_use[next_slot_q];
    wire bank_free = ran_q || !bank_busy_q[exp_bank];
    assign ev_wait_slot = can_run && !skip && !slot_idle;
    assign ev_wait_bank = can_run && !skip && slot_idle && !bank_free;

    assign m_decision_valid = can_run && (skip || (slot_idle && bank_free));
    assign m_decision_skip  = skip;
    assign m_decision_last  = zlast_q[exp_buf_q];
    assign m_decision_bank  = exp_bank;
    assign m_decision_zero  = zzero_q[exp_buf_q];
    assign decided          = m_decision_valid && m_decision_ready;
    wire exp_start = decided && !skip;

    wire blk_take = m_blk_valid && m_blk_ready;
    always @(posedge clk) begin
        if (!rst_n) begin
            ran_q          <= 1'b0;
            next_slot_q    <= 1'b0;
            bank_busy_q    <= 2'b00;
            slot_claimed_q <= 2'b00;
        end else begin
            if (decided) begin
                ran_q      <= !m_decision_last && (ran_q || !skip);
            end
            next_slot_q    <= next_slot_q ^ exp_start;
            bank_busy_q    <= (bank_busy_q & ~bank_release) |
                              (exp_start && !ran_q ? {exp_bank, !exp_bank} : 2'b00);
            slot_claimed_q <= (slot_claimed_q & ~(blk_take ? {m_blk_slot, !m_blk_slot} : 2'b00)) |
                              (exp_start ? {next_slot_q, !next_slot_q} : 2'b00);
        end
    end

    always @(posedge clk) begin
        if (exp_start && !ran_q) begin
            bank_rows_q[exp_bank]    <= zrows_q[exp_buf_q];
            bank_partial_q[exp_bank] <= zpartial_q[exp_buf_q];
        end
    end
    assign bank_rows    = {bank_rows_q[1], bank_rows_q[0]};
    assign bank_partial = bank_partial_q;

    // ---- exponential phase: probabilities, running sums, finished blocks
    fcim_block_exponential #(
        .ROWS(ROWS), .BITS_PER_CYCLE(BITS_PER_CYCLE), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS), .SUM_CUT(SUM_CUT)
    ) u_exponential (
        .clk(clk), .rst_n(rst_n),
        .start(exp_start), .ready(exp_ready), .start_buf(exp_buf_q), .start_slot(next_slot_q),
        .start_last_key(zlast_key_q[exp_buf_q]), .start_first(!ran_q), .start_last(m_decision_last),
        .start_bank(exp_bank), .start_tau(ztau_q[exp_buf_q]),
        .rd_en(rd_en), .rd_buf(rd_buf), .rd_key(rd_key), .rd_pass(rd_pass),
        .rd_z(rd_z), .rd_row_max(rd_row_max), .rd_shift(rd_shift), .rd_v_mult(rd_v_mult),
        .p_we(p_we), .p_slot(p_slot), .p_key(p_key), .p_pass(p_pass), .p_data(p_data),
        .m_blk_valid(m_blk_valid), .m_blk_ready(m_blk_ready), .m_blk_slot(m_blk_slot),
        .m_blk_last_key(m_blk_last_key), .m_blk_first(m_blk_first), .m_blk_last(m_blk_last),
        .m_blk_bank(m_blk_bank),
        .blk_shift(blk_shift), .blk_sum(blk_sum),
        .sum_rd_en(sum_rd_en), .sum_rd_bank(sum_rd_bank), .sum_rd_pass(sum_rd_pass),
        .sum_rd_lane(sum_rd_lane), .sum_rd_data(sum_rd_data), .sum_rd_max(sum_rd_max)
    );

endmodule

`default_nettype wire
