// SPDX-License-Identifier: Apache-2.0
// fcim_row_max: keeps every row's running maximum, an integer. Once a key block is scaled it
// decides the block's maxima and rescale amounts, pass by pass, and whether every score of the
// block lies too far below its row's running maximum to count. Holds the scores' maxima, as whole
// octaves, the running maxima and the amounts of three blocks: one is scaled, one judged, one
// exponentiated. Where row sums are cut it also keeps what each of them cannot exceed, and raises a
// running maximum by an octave where the block might make the sum too large.
//
// Latency:    A block is judged in the cycle after its last pass.
// Throughput: A block per CYCLES_PER_KEY cycles.
// Cuts:       s_blk_ready, judged and the read port depend on registers only. A pass is read in one
//             stage, judged in the next, and its events are summed in a third.
// Numbers:    z signed with Z_FRAC fraction bits; running maximum a signed integer; the amount of a
//             rescale is clamped to SHIFT_BITS. A sum's bound is rounded up wherever it is shifted.
`default_nettype none

module fcim_row_max #(
    parameter  LANES = 8,                         // rows handled per cycle: 1 or more
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64; counts only with CUT_BITS
    parameter  CUT_BITS = 0,                      // denominator of a row if it may overflow, or 0
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),  // number of lanes
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam Z_FRAC = 10,                       // fraction bits of a scaled score
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam RISE_BITS = ROW_MAX_BITS + 1,      // rise of a maximum, signed
    localparam AMOUNT_BITS = RISE_BITS + LANE_COUNT_BITS,  // rises of LANES maxima
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5                   // octaves that a block may lie below, unsigned
) (
    input  wire                          clk,
    input  wire                          rst_n,

    // scaled scores of the block in buffer z_buf
    input  wire                          z_valid,
    input  wire [1:0]                    z_buf,
    input  wire                          z_first_key,
    input  wire [PASS_BITS-1:0]          z_pass,
    input  wire [LANES*Z_BITS-1:0]       z_data,

    // a block to be judged; it stands here for a pass after the other and is taken with the last
    input  wire                          s_blk_valid,
    output wire                          s_blk_ready,
    input  wire [1:0]                    s_blk_buf,
    input  wire [1:0]                    s_blk_after,    // buffer of the block after it
    input  wire                          s_blk_first,    // the tile's first: no row has seen a key
    input  wire                          s_blk_joint,    // its maxima are those of two blocks
    input  wire [TAU_BITS-1:0]           s_blk_tau,
    input  wire [OCTAVES_BITS-1:0]       s_blk_octaves,  // 0: down to where p rounds to 0
    input  wire                          s_blk_skip,     // it is left out if no score counts

    // one pulse per block
    output wire                          judged,
    output wire [1:0]                    judged_buf,
    output wire                          judged_zero,    // no score counts

    // running maxima and amounts of a judged block, in the same cycle
    input  wire [1:0]                    rd_buf,
    input  wire [PASS_BITS-1:0]          rd_pass,
    output wire [LANES*ROW_MAX_BITS-1:0] rd_row_max,
    output wire [LANES*SHIFT_BITS-1:0]   rd_shift,

    // events
    output wire [LANE_COUNT_BITS-1:0]    ev_rescaled,
    output wire [AMOUNT_BITS-1:0]        ev_amount
);

    localparam BUFFERS = 3;
    localparam [PASS_BITS-1:0]     LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam signed [Z_BITS-1:0] MASKED    = {1'b1, {(Z_BITS-1){1'b0}}};

    // what is kept of a score, a signed number: {octave, it is visible}. A masked one has the
    // lowest octave, so the largest of these is {octave of the highest score, a score is visible}
    localparam TOP_BITS = ROW_MAX_BITS + 1;

    reg [PASS_BITS-1:0] pass_q;

    // ---- maxima of the scores of each buffer, word pass: one that is scaled is not judged yet
    wire [BUFFERS*LANES*TOP_BITS-1:0] tops;
    reg  [LANES*TOP_BITS-1:0]         tops_new;
    genvar u;
    generate
        for (u = 0; u < BUFFERS; u = u + 1) begin : g_buffer
            wire scales = z_valid && (z_buf == u[1:0]);
            fcim_register_file #(.WORDS(CYCLES_PER_KEY), .WIDTH(LANES*TOP_BITS)) u_maxima (
                .clk(clk),
                .we(scales), .wr_address(z_pass), .wr_data(tops_new),
                .rd_address(scales ? z_pass : pass_q),
                .rd_data(tops[u*LANES*TOP_BITS +: LANES*TOP_BITS])
            );
        end
    endgenerate

    always @* begin : maxima
        reg signed [Z_BITS-1:0]   z;
        reg signed [TOP_BITS-1:0] top, old;
        integer                   i;
        tops_new = tops[z_buf*LANES*TOP_BITS +: LANES*TOP_BITS];
        for (i = 0; i < LANES; i = i + 1) begin
            z   = z_data[i*Z_BITS +: Z_BITS];
            top = {z[Z_BITS-1:Z_FRAC], z != MASKED};
            old = tops_new[i*TOP_BITS +: TOP_BITS];
            if (z_first_key || top > old) begin
                tops_new[i*TOP_BITS +: TOP_BITS] = top;
            end
        end
    end

    // ---- walk over the passes
    wire                 last_pass = (pass_q == LAST_PASS);
    assign s_blk_ready = last_pass;
    always @(posedge clk) begin
        if (!rst_n) begin
            pass_q <= {PASS_BITS{1'b0}};
        end else if (s_blk_valid) begin
            pass_q <= last_pass ? {PASS_BITS{1'b0}} : pass_q + 1'b1;
        end
    end

    // ---- stage A: a pass of the block's maxima, and of both blocks' if they are judged as one
    reg                         a_valid_q, a_first_q, a_first_pass_q, a_end_q;
    reg [1:0]                   a_buf_q;
    reg [PASS_BITS-1:0]         a_pass_q;
    reg [TAU_BITS-1:0]          a_tau_q;
    reg signed [OCTAVES_BITS:0] a_span_q;                // octaves below the maximum that count
    reg [LANES*TOP_BITS-1:0]    a_own_q, a_highest_q;    // of the block alone, of all
    always @(posedge clk) begin
        if (!rst_n) begin
            a_valid_q <= 1'b0;
        end else begin
            a_valid_q <= s_blk_valid;
        end
    end

    always @(posedge clk) begin : read_pass
        reg        [LANES*TOP_BITS-1:0] own_all, after_all;
        reg signed [TOP_BITS-1:0]       own, after;
        reg signed [OCTAVES_BITS:0]     exact, given;
        integer                         r;
        if (s_blk_valid) begin
            own_all   = tops[s_blk_buf*LANES*TOP_BITS +: LANES*TOP_BITS];
            after_all = tops[s_blk_after*LANES*TOP_BITS +: LANES*TOP_BITS];
            a_own_q   <= own_all;
            if (s_blk_joint) begin
                for (r = 0; r < LANES; r = r + 1) begin
                    own   = own_all[r*TOP_BITS +: TOP_BITS];
                    after = after_all[r*TOP_BITS +: TOP_BITS];
                    if (own > after) begin
                        after_all[r*TOP_BITS +: TOP_BITS] = own;
                    end
                end
                a_highest_q <= after_all;
            end else begin
                a_highest_q <= own_all;
            end
            // 2**(z - row_max) rounds to 0 if z lies in an octave below -(PROB_BITS - tau)
            exact = $signed(PROB_BITS[OCTAVES_BITS:0])
                  - $signed({{(OCTAVES_BITS+1-TAU_BITS){1'b0}}, s_blk_tau});
            given = $signed({1'b0, s_blk_octaves});
            a_span_q       <= (s_blk_octaves != 0 && given < exact) ? given : exact;
            a_first_q      <= s_blk_first;
            a_first_pass_q <= (pass_q == 0);
            a_end_q        <= last_pass;
            a_buf_q        <= s_blk_buf;
            a_pass_q       <= pass_q;
            a_tau_q        <= s_blk_tau;
        end
    end

    // ---- stage B: running maxima, amounts, and whether a row counts: its maximum in the block
    // lies in an octave from -span on
    wire [LANES*ROW_MAX_BITS-1:0] row_max_old;     // the rows' state as the last judged block has
    wire [LANES-1:0]              seen_old;        // left it, word pass
    reg  [LANES*ROW_MAX_BITS-1:0] top_max_all;     // top: before any is raised
    reg  [LANES*SHIFT_BITS-1:0]   top_shift_all;
    reg  [LANES*RISE_BITS-1:0]    top_rise_all;    // amounts before they are clamped
    reg  [LANES-1:0]              seen_all, top_move_all, top_count_all;
    wire [LANES*ROW_MAX_BITS-1:0] row_max_all;
    wire [LANES*SHIFT_BITS-1:0]   shift_all;
    wire [LANES*RISE_BITS-1:0]    rise_all;
    wire [LANES-1:0]              move_all, count_all;
    fcim_register_file #(
        .WORDS(CYCLES_PER_KEY), .WIDTH(LANES*(ROW_MAX_BITS+1))
    ) u_state (
        .clk(clk),
        .we(a_valid_q), .wr_address(a_pass_q), .wr_data({seen_all, row_max_all}),
        .rd_address(a_pass_q), .rd_data({seen_old, row_max_old})
    );

    // what each block is exponentiated with: word {buffer, pass}
    localparam WORDS = BUFFERS * CYCLES_PER_KEY;
    localparam WORD_BITS = $clog2(WORDS);
    wire [WORD_BITS-1:0] wr_word, rd_word;
    generate
        if (CYCLES_PER_KEY > 1) begin : g_passes
            assign wr_word = {a_buf_q, a_pass_q};
            assign rd_word = {rd_buf, rd_pass};
        end else begin : g_pass
            assign wr_word = a_buf_q;
            assign rd_word = rd_buf;
        end
    endgenerate
    fcim_register_file #(
        .WORDS(WORDS), .WIDTH(LANES*(ROW_MAX_BITS+SHIFT_BITS))
    ) u_blocks (
        .clk(clk),
        .we(a_valid_q), .wr_address(wr_word), .wr_data({shift_all, row_max_all}),
        .rd_address(rd_word), .rd_data({rd_shift, rd_row_max})
    );

    // the new maximum is the candidate or the old one: own is compared with both meanwhile
    always @* begin : judge
        reg signed [ROW_MAX_BITS-1:0] own, old_max, candidate;
        reg signed [RISE_BITS-1:0]    rise, limit;
        reg signed [RISE_BITS:0]      span, above_old, above_new;    // from the span's end on
        reg                           own_visible, visible, seen, move, take;
        integer                       a;
        limit = $signed({{(RISE_BITS-TAU_BITS){1'b0}}, a_tau_q});
        span  = $signed({{(RISE_BITS-OCTAVES_BITS){a_span_q[OCTAVES_BITS]}}, a_span_q});
        for (a = 0; a < LANES; a = a + 1) begin
            {own, own_visible}   = a_own_q[a*TOP_BITS +: TOP_BITS];
            {candidate, visible} = a_highest_q[a*TOP_BITS +: TOP_BITS];
            old_max   = row_max_old[a*ROW_MAX_BITS +: ROW_MAX_BITS];
            seen      = seen_old[a] && !a_first_q;
            rise      = $signed({candidate[ROW_MAX_BITS-1], candidate})
                      - $signed({old_max[ROW_MAX_BITS-1], old_max});
            move      = visible && seen && (rise > limit);
            take      = move || !seen;
            above_old = $signed({{2{own[ROW_MAX_BITS-1]}}, own})
                      - $signed({{2{old_max[ROW_MAX_BITS-1]}}, old_max}) + span;
            above_new = $signed({{2{own[ROW_MAX_BITS-1]}}, own})
                      - $signed({{2{candidate[ROW_MAX_BITS-1]}}, candidate}) + span;
            top_max_all[a*ROW_MAX_BITS +: ROW_MAX_BITS] = take ? candidate : old_max;
            top_shift_all[a*SHIFT_BITS +: SHIFT_BITS] =
                !move                            ? {SHIFT_BITS{1'b0}} :
                (|rise[ROW_MAX_BITS:SHIFT_BITS]) ? {SHIFT_BITS{1'b1}} : rise[SHIFT_BITS-1:0];
            top_rise_all[a*RISE_BITS +: RISE_BITS] = rise;
            seen_all[a]      = seen || visible;
            top_move_all[a]  = move;
            top_count_all[a] = own_visible && !(take ? above_new[RISE_BITS] : above_old[RISE_BITS]);
        end
    end

    reg  any_q;         // a row of a pass before this one counts
    wire any_now = (|count_all) || (any_q && !a_first_pass_q);
    always @(posedge clk) begin
        if (a_valid_q) begin
            any_q <= any_now;
        end
    end

    // ---- what a row's sum cannot exceed: once the last judged block has run, and without that
    // block, word pass. A block adds at most KEYS_PER_BLOCK times the end of its highest octave
    generate
        if (CUT_BITS == 0) begin : g_whole
            assign row_max_all = top_max_all;
            assign shift_all   = top_shift_all;
            assign rise_all    = top_rise_all;
            assign move_all    = top_move_all;
            assign count_all   = top_count_all;
        end else begin : g_cut
            localparam EXPONENT_BITS = ROW_MAX_BITS + 2;
            localparam KEPT_BITS = CUT_BITS + 1;    // a bound less 1, signed: so shifts round it up
            localparam [KEPT_BITS-1:0] BLOCK = {{CUT_BITS{1'b0}}, 1'b1} << $clog2(KEYS_PER_BLOCK);
            reg a_skip_q, left_out_q;       // the block; the one before it was
            always @(posedge clk) begin
                if (s_blk_valid) begin
                    a_skip_q <= s_blk_skip;
                end
                if (judged) begin
                    left_out_q <= judged_zero && a_skip_q;
                end
            end

            wire [LANES*KEPT_BITS-1:0] with_old, without_old;
            reg  [LANES*KEPT_BITS-1:0] with_all, without_all;
            reg  [LANES-1:0]           over_all;
            fcim_register_file #(
                .WORDS(CYCLES_PER_KEY), .WIDTH(2*LANES*KEPT_BITS)
            ) u_bounds (
                .clk(clk),
                .we(a_valid_q), .wr_address(a_pass_q), .wr_data({with_all, without_all}),
                .rd_address(a_pass_q), .rd_data({with_old, without_old})
            );

            // a raise halves both terms, so that one is enough
            always @* begin : bounds
                reg signed [ROW_MAX_BITS-1:0]  own, top_max;
                reg                            own_visible, adds, over;
                reg signed [EXPONENT_BITS-1:0] exponent;
                reg signed [KEPT_BITS-1:0]     old, kept;
                reg        [KEPT_BITS-1:0]     added;
                reg        [KEPT_BITS:0]       sum;
                reg        [RISE_BITS-1:0]     rise;
                integer                        b;
                for (b = 0; b < LANES; b = b + 1) begin
                    {own, own_visible} = a_own_q[b*TOP_BITS +: TOP_BITS];
                    top_max  = top_max_all[b*ROW_MAX_BITS +: ROW_MAX_BITS];
                    rise     = top_rise_all[b*RISE_BITS +: RISE_BITS]
                             & {RISE_BITS{top_move_all[b]}};
                    exponent = $signed({{2{own[ROW_MAX_BITS-1]}}, own})
                             - $signed({{2{top_max[ROW_MAX_BITS-1]}}, top_max})
                             - $signed({{(EXPONENT_BITS-TAU_BITS){1'b0}}, a_tau_q})
                             + $signed(PROB_BITS[EXPONENT_BITS-1:0]);
                    adds     = own_visible && !exponent[EXPONENT_BITS-1];
                    added    = adds ? BLOCK << exponent : {KEPT_BITS{1'b0}};
                    old      = a_first_q  ? {KEPT_BITS{1'b1}} :
                               left_out_q ? without_old[b*KEPT_BITS +: KEPT_BITS]
                                          : with_old[b*KEPT_BITS +: KEPT_BITS];
                    kept     = old >>> rise;
                    sum      = {kept[KEPT_BITS-1], kept} + {1'b0, added};
                    // 2**CUT_BITS or more, less 1
                    over     = !sum[KEPT_BITS] && (sum[CUT_BITS] || &sum[CUT_BITS-1:0]);
                    if (over) begin
                        kept  = kept >>> 1;
                        added = (exponent == 0) ? {KEPT_BITS{1'b0}} : added >> 1;
                        sum   = {kept[KEPT_BITS-1], kept} + {1'b0, added};
                    end
                    over_all[b] = over;
                    without_all[b*KEPT_BITS +: KEPT_BITS] = kept;
                    with_all[b*KEPT_BITS +: KEPT_BITS]    = sum[KEPT_BITS-1:0];
                end
            end

            // one octave more for rows that are raised
            reg [LANES*ROW_MAX_BITS-1:0] raised_max;
            reg [LANES*SHIFT_BITS-1:0]   raised_shift;
            reg [LANES*RISE_BITS-1:0]    raised_rise;
            always @* begin : raises
                reg [SHIFT_BITS-1:0] shift;
                integer              t;
                for (t = 0; t < LANES; t = t + 1) begin
                    shift = top_shift_all[t*SHIFT_BITS +: SHIFT_BITS];
                    raised_max[t*ROW_MAX_BITS +: ROW_MAX_BITS] =
                        top_max_all[t*ROW_MAX_BITS +: ROW_MAX_BITS]
                        + {{(ROW_MAX_BITS-1){1'b0}}, over_all[t]};
                    raised_shift[t*SHIFT_BITS +: SHIFT_BITS] =
                        shift + {{(SHIFT_BITS-1){1'b0}}, over_all[t] && !(&shift)};
                    raised_rise[t*RISE_BITS +: RISE_BITS] =
                        (top_rise_all[t*RISE_BITS +: RISE_BITS] & {RISE_BITS{top_move_all[t]}})
                        + {{(RISE_BITS-1){1'b0}}, over_all[t]};
                end
            end
            assign row_max_all = raised_max;
            assign shift_all   = raised_shift;
            assign rise_all    = raised_rise;
            assign move_all    = top_move_all | over_all;
            assign count_all   = top_count_all | over_all;
        end
    endgenerate

    assign judged      = a_valid_q && a_end_q;
    assign judged_buf  = a_buf_q;
    assign judged_zero = !any_now;

    // ---- stage C: events, two cycles after the judgement
    reg [LANES*RISE_BITS-1:0]  b_rise_q;
    reg [LANES-1:0]            b_move_q;
    reg [LANE_COUNT_BITS-1:0]  c_rescaled_q;
    reg [AMOUNT_BITS-1:0]      c_amount_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            b_move_q <= {LANES{1'b0}};
        end else begin
            b_move_q <= a_valid_q ? move_all : {LANES{1'b0}};
        end
        if (a_valid_q) begin
            b_rise_q <= rise_all;
        end
    end

    always @(posedge clk) begin : events
        reg [LANE_COUNT_BITS-1:0] moved;
        reg [AMOUNT_BITS-1:0]     moved_sum;
        integer                   e;
        moved     = {LANE_COUNT_BITS{1'b0}};
        moved_sum = {AMOUNT_BITS{1'b0}};
        if (|b_move_q) begin
            for (e = 0; e < LANES; e = e + 1) begin
                moved     = moved + {{(LANE_COUNT_BITS-1){1'b0}}, b_move_q[e]};
                moved_sum = moved_sum
                    + {{(AMOUNT_BITS-RISE_BITS){1'b0}},
                       b_rise_q[e*RISE_BITS +: RISE_BITS] & {RISE_BITS{b_move_q[e]}}};
            end
        end
        if (!rst_n) begin
            c_rescaled_q <= {LANE_COUNT_BITS{1'b0}};
            c_amount_q   <= {AMOUNT_BITS{1'b0}};
        end else begin
            c_rescaled_q <= moved;
            c_amount_q   <= moved_sum;
        end
    end
    assign ev_rescaled = c_rescaled_q;
    assign ev_amount   = c_amount_q;

endmodule

`default_nettype wire
