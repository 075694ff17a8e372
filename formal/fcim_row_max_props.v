// SPDX-License-Identifier: Apache-2.0
// fcim_row_max_props: what fcim_row_max promises, in proofs.yaml in words. fcim_row_rule has the
// rule for a row, fcim_exp2 says what a score's probability is.
`default_nettype none

module fcim_row_max_props #(
    parameter  LANES = 2,
    parameter  BITS_PER_CYCLE = 4,
    parameter  PROB_BITS = 18,
    localparam PASSES = 8 / BITS_PER_CYCLE,
    localparam PASS_BITS = $clog2(PASSES),
    localparam ROWS = LANES * PASSES,
    localparam ROW_BITS = $clog2(ROWS),
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),
    localparam AMOUNT_BITS = 11 + LANE_COUNT_BITS
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 z_valid,
    input  wire [1:0]           z_buf,
    input  wire                 z_first_key,
    input  wire [PASS_BITS-1:0] z_pass,
    input  wire [LANES*20-1:0]  z_data,
    input  wire                 s_blk_valid,
    input  wire [1:0]           s_blk_buf,
    input  wire [1:0]           s_blk_after,
    input  wire                 s_blk_first,
    input  wire                 s_blk_joint,
    input  wire [3:0]           s_blk_tau,
    input  wire [4:0]           s_blk_octaves,
    input  wire                 s_blk_skip,
    input  wire [1:0]           rd_buf,
    input  wire [PASS_BITS-1:0] rd_pass,
    input  wire                 pick,       // follow the score that comes now for the row
    input  wire [ROW_BITS-1:0]  one,        // any row, always the same,
    input  wire [1:0]           where       // and any buffer, whose judged blocks are looked at
);

    wire                       s_blk_ready, judged, judged_zero;
    wire [1:0]                 judged_buf;
    wire [LANES*10-1:0]        rd_row_max;
    wire [LANES*6-1:0]         rd_shift;
    wire [LANE_COUNT_BITS-1:0] ev_rescaled;
    wire [AMOUNT_BITS-1:0]     ev_amount;
    fcim_row_max #(
        .LANES(LANES), .BITS_PER_CYCLE(BITS_PER_CYCLE), .PROB_BITS(PROB_BITS)
    ) dut (
        .clk(clk), .rst_n(rst_n),
        .z_valid(z_valid), .z_buf(z_buf), .z_first_key(z_first_key), .z_pass(z_pass),
        .z_data(z_data),
        .s_blk_valid(s_blk_valid), .s_blk_ready(s_blk_ready), .s_blk_buf(s_blk_buf),
        .s_blk_after(s_blk_after), .s_blk_first(s_blk_first), .s_blk_joint(s_blk_joint),
        .s_blk_tau(s_blk_tau), .s_blk_octaves(s_blk_octaves), .s_blk_skip(s_blk_skip),
        .judged(judged), .judged_buf(judged_buf), .judged_zero(judged_zero),
        .rd_buf(rd_buf), .rd_pass(rd_pass), .rd_row_max(rd_row_max), .rd_shift(rd_shift),
        .ev_rescaled(ev_rescaled), .ev_amount(ev_amount)
    );

    // ---- the pass that a block is in, and the one that was read in the cycle before
    reg                  begun_q = 1'b0;
    reg [ROW_BITS-1:0]   one_q;
    reg [1:0]            where_q, buf_q, after_q;
    reg [PASS_BITS-1:0]  turn_q, pass_q;
    reg                  read_q, first_q, joint_q;
    reg [3:0]            tau_q;
    reg [4:0]            octaves_q;
    wire                 last_turn = (turn_q == PASSES - 1);
    wire                 ends      = read_q && pass_q == PASSES - 1;
    wire                 exact     = (octaves_q == 0);
    wire                 stays;
    always @(posedge clk) begin
        begun_q   <= 1'b1;
        one_q     <= one;
        where_q   <= where;
        turn_q    <= !rst_n ? {PASS_BITS{1'b0}} : turn_q + {{(PASS_BITS-1){1'b0}}, s_blk_valid};
        read_q    <= rst_n && s_blk_valid;
        pass_q    <= turn_q;
        buf_q     <= s_blk_buf;
        after_q   <= s_blk_after;
        first_q   <= s_blk_first;
        joint_q   <= s_blk_joint;
        tau_q     <= s_blk_tau;
        octaves_q <= s_blk_octaves;
    end
    fcim_held #(.WIDTH(15)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(s_blk_valid), .ready(last_turn),
        .data({s_blk_buf, s_blk_after, s_blk_first, s_blk_joint, s_blk_tau, s_blk_octaves}),
        .ok(stays)
    );

    // ---- every row by its rule, and what came of it in the buffer that is looked at
    localparam signed [19:0] MASKED = {1'b1, 19'd0};
    localparam signed [9:0]  LOWEST = {1'b1, 9'd0};
    wire [ROWS*3-1:0]  there;
    wire [ROWS*60-1:0] highest;
    wire [ROWS*10-1:0] row_max, moved_max;
    wire [ROWS*11-1:0] amount;
    wire [ROWS-1:0]    had, judges, counts, own_there, after_there;
    wire [ROWS-1:0]    ok_max, ok_amount, ok_falls, ok_stays;         // of properties
    wire [ROWS-1:0]    ok_top, ok_turn, ok_read, ok_state, ok_kept;   // of lemmas
    genvar r, b;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            localparam LANE = r % LANES;
            localparam PASS = r / LANES;
            wire               seen;
            wire signed [19:0] own, all;
            fcim_row_rule #(.PROB_BITS(PROB_BITS)) u_rule (
                .clk(clk), .rst_n(rst_n),
                .scored(z_valid && z_pass == PASS), .z_buf(z_buf), .z_first_key(z_first_key),
                .z(z_data[LANE*20 +: 20]),
                .read(s_blk_valid && turn_q == PASS), .blk_buf(s_blk_buf),
                .blk_after(s_blk_after), .blk_joint(s_blk_joint),
                .there(there[r*3 +: 3]), .highest(highest[r*60 +: 60]), .had(had[r]),
                .seen(seen), .row_max(row_max[r*10 +: 10]),
                .first(first_q), .tau(tau_q), .octaves(octaves_q), .left_out(1'b0),
                .judges(judges[r]), .own(own), .all(all), .moved_max(moved_max[r*10 +: 10]),
                .amount(amount[r*11 +: 11]), .counts(counts[r]),
                .raises(), .with_it(), .without_it()
            );
            assign own_there[r]   = there[r*3 + s_blk_buf];
            assign after_there[r] = there[r*3 + s_blk_after];

            // of the block in the buffer: what it got by the rule, and what the block before it
            // in its tile, if there is one, got by the RTL
            reg               kept_q, before_q;
            reg signed [9:0]  got_q, before_max_q, kept_max_q;
            reg [10:0]        kept_amount_q;
            wire              keeps = judges[r] && buf_q == where;
            always @(posedge clk) begin
                kept_q <= rst_n && (kept_q || keeps);
                if (judges[r]) begin
                    got_q <= dut.row_max_all[LANE*10 +: 10];
                end
                if (keeps) begin
                    kept_max_q    <= moved_max[r*10 +: 10];
                    kept_amount_q <= amount[r*11 +: 11];
                    before_q      <= !first_q;
                    before_max_q  <= got_q;
                end
            end
            wire              shown = kept_q && rd_buf == where && rd_pass == PASS;
            wire signed [9:0] out   = rd_row_max[LANE*10 +: 10];
            wire [5:0]        shift = rd_shift[LANE*6 +: 6];
            wire [5:0]        want  = (kept_amount_q > 63) ? 6'd63 : kept_amount_q[5:0];
            assign ok_max[r]    = !shown || out == kept_max_q;
            assign ok_amount[r] = !shown || shift == want;
            assign ok_falls[r]  = !(shown && before_q) || out >= before_max_q;
            assign ok_stays[r]  = !shown || shift == 0 || (before_q && out > before_max_q);

            wire [2:0]                same;
            wire [10:0]               a_own = dut.a_own_q[LANE*11 +: 11];
            wire [10:0]               a_all = dut.a_highest_q[LANE*11 +: 11];
            wire [LANES*11-1:0]       state = dut.u_state.word_q[PASS];
            wire [LANES*16-1:0]       block = dut.u_blocks.word_q[where*PASSES + PASS];
            for (b = 0; b < 3; b = b + 1) begin : g_buffer
                wire signed [19:0]   z    = highest[r*60 + b*20 +: 20];
                wire [LANES*11-1:0]  tops = dut.g_buffer[b].u_maxima.word_q[PASS];
                assign same[b] = !there[r*3 + b]
                                 || tops[LANE*11 +: 11] == {z[19:10], z != MASKED};
            end
            assign ok_top[r]   = (same == 3'b111);
            assign ok_turn[r]  = judges[r] == (read_q && pass_q == PASS)
                                 && (!judges[r] || had[r] || first_q);
            assign ok_read[r]  = !judges[r] || (a_own == {own[19:10], own != MASKED}
                                 && a_all == {all[19:10], all != MASKED}
                                 && own == highest[r*60 + buf_q*20 +: 20] && all >= own);
            assign ok_state[r] = !had[r] || (state[LANES*10 + LANE] == seen
                                 && state[LANE*10 +: 10] == row_max[r*10 +: 10]
                                 && got_q == row_max[r*10 +: 10]
                                 && (seen || row_max[r*10 +: 10] == LOWEST));
            assign ok_kept[r]  = !kept_q || (block[LANE*10 +: 10] == kept_max_q
                                 && block[LANES*10 + LANE*6 +: 6] == want
                                 && (!before_q || kept_max_q >= before_max_q)
                                 && (kept_amount_q == 0
                                     || (before_q && kept_max_q > before_max_q)));
        end
    endgenerate

    always @* begin
        real_buffers: assume (z_buf < 3 && s_blk_buf < 3 && s_blk_after < 3 && rd_buf < 3
                              && where < 3);
        scaled:       assume (!s_blk_valid || (own_there == {ROWS{1'b1}}
                              && (!s_blk_joint || after_there == {ROWS{1'b1}})));
        not_scaled:   assume (!(s_blk_valid && z_valid) || (z_buf != s_blk_buf
                              && !(s_blk_joint && z_buf == s_blk_after)));
        follows_one:  assume (!s_blk_valid || s_blk_first || (had | judges) == {ROWS{1'b1}});
        if (begun_q) begin
            blocks_stay: assume (stays);
            same_ones:   assume (one == one_q && where == where_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- whether a row counts, of this pass and those before it
    reg  any_q;
    wire any = (counts & judges) != 0 || (any_q && pass_q != 0);
    always @(posedge clk) begin
        any_q <= any;
    end

    // ---- a score of the row, until its buffer gets another block, and its probability
    reg                  follows_q, zero_q;
    reg [1:0]            home_q;
    reg signed [19:0]    score_q;
    wire                 comes   = z_valid && z_pass == one / LANES;
    wire signed [9:0]    its_max = judges[one] ? moved_max[one*10 +: 10] : row_max[one*10 +: 10];
    wire signed [19:0]   its_top = highest[one*60 + home_q*20 +: 20];
    wire                 in_it   = follows_q && judged_buf == home_q;
    wire [PROB_BITS-1:0] p;
    fcim_exp2 #(.LANES(1), .PROB_BITS(PROB_BITS)) u_exp2 (
        .clk(clk), .z(score_q), .row_max(its_max), .tau(tau_q), .p(p)
    );
    always @(posedge clk) begin
        zero_q <= rst_n && judged && judged_zero && exact && in_it;
        if (!rst_n) begin
            follows_q <= 1'b0;
        end else if (comes && pick && (z_first_key || there[one*3 + z_buf])) begin
            follows_q <= 1'b1;
            home_q    <= z_buf;
            score_q   <= z_data[(one % LANES)*20 +: 20];
        end else if (comes && z_first_key && z_buf == home_q) begin
            follows_q <= 1'b0;
        end
    end

    // ---- events: rows and amounts of a pass, two cycles after it was judged
    reg [LANE_COUNT_BITS-1:0] rows, rows_q, rows_q2;
    reg [AMOUNT_BITS-1:0]     sum, sum_q, sum_q2;
    always @* begin : add
        integer e;
        rows = {LANE_COUNT_BITS{1'b0}};
        sum  = {AMOUNT_BITS{1'b0}};
        for (e = 0; e < ROWS; e = e + 1) begin
            if (judges[e] && amount[e*11 +: 11] != 0) begin
                rows = rows + 1'b1;
                sum  = sum + amount[e*11 +: 11];
            end
        end
    end
    always @(posedge clk) begin
        rows_q  <= rst_n ? rows : {LANE_COUNT_BITS{1'b0}};
        sum_q   <= rst_n ? sum : {AMOUNT_BITS{1'b0}};
        rows_q2 <= rst_n ? rows_q : {LANE_COUNT_BITS{1'b0}};
        sum_q2  <= rst_n ? sum_q : {AMOUNT_BITS{1'b0}};
    end

    // ---- of the RTL's stages
    reg  [LANE_COUNT_BITS-1:0] moving;
    reg  [AMOUNT_BITS-1:0]     moving_sum;
    always @* begin : move
        integer m;
        moving     = {LANE_COUNT_BITS{1'b0}};
        moving_sum = {AMOUNT_BITS{1'b0}};
        for (m = 0; m < LANES; m = m + 1) begin
            if (dut.b_move_q[m]) begin
                moving     = moving + 1'b1;
                moving_sum = moving_sum + dut.b_rise_q[m*11 +: 11];
            end
        end
    end
    wire signed [5:0] limit = PROB_BITS - tau_q;
    wire signed [5:0] given = {1'b0, octaves_q};
    wire signed [11:0] far  = {{2{its_top[19]}}, its_top[19:10]}
                            - {{2{row_max[one*10 + 9]}}, row_max[one*10 +: 10]};

    always @* begin
        if (begun_q) begin
            by_the_rule: assert (ok_max == {ROWS{1'b1}});
            never_falls: assert (ok_falls == {ROWS{1'b1}});
            amounts:     assert (ok_amount == {ROWS{1'b1}});
            no_rise:     assert (ok_stays == {ROWS{1'b1}});
            zero:        assert (!zero_q || p == 0);
            zero_if:     assert (!judged || judged_zero == !any);
            each:        assert (judged == ends && (!judged || judged_buf == buf_q));
            ready:       assert (s_blk_ready == last_turn);
            events:      assert (ev_rescaled == rows_q2 && ev_amount == sum_q2);

            lemma_walk:  assert (dut.pass_q == turn_q && u_held.waits_q == (turn_q != 0)
                                 && u_held.data_q == {buf_q, after_q, first_q, joint_q, tau_q,
                                                      octaves_q}
                                 && (turn_q == 0 || (read_q && pass_q == turn_q - 1'b1))
                                 && (!read_q || turn_q == pass_q + 1'b1));
            lemma_stage: assert (dut.a_valid_q == read_q && (!read_q || (dut.a_pass_q == pass_q
                                 && dut.a_end_q == (pass_q == PASSES - 1)
                                 && dut.a_first_pass_q == (pass_q == 0)
                                 && dut.a_buf_q == buf_q && dut.a_first_q == first_q
                                 && dut.a_tau_q == tau_q
                                 && dut.a_span_q == (!exact && given < limit ? given : limit))));
            lemma_any:   assert (!read_q || pass_q == 0 || dut.any_q == any_q);
            lemma_turn:  assert (ok_turn == {ROWS{1'b1}});
            lemma_top:   assert (ok_top == {ROWS{1'b1}});
            lemma_read:  assert (ok_read == {ROWS{1'b1}});
            lemma_state: assert (ok_state == {ROWS{1'b1}});
            lemma_kept:  assert (ok_kept == {ROWS{1'b1}});
            lemma_score: assert (!follows_q || (there[one*3 + home_q] && home_q < 3
                                 && score_q <= its_top));
            lemma_past:  assert (!(read_q && follows_q && buf_q == home_q && exact
                                   && pass_q > one / LANES && !any_q)
                                 || its_top == MASKED || far < -limit);
            lemma_event: assert (rows_q == moving && sum_q == moving_sum);
        end
    end

    always @* begin
        zero_above: cover (begun_q && rst_n && zero_q && score_q[19:10] != LOWEST && follows_q);
        clamped:    cover (begun_q && rst_n && rd_buf == where && g_row[1].shown
                           && g_row[1].kept_amount_q > 63 && g_row[1].before_q && where == 2);
        of_joint:   cover (begun_q && rst_n && ends && joint_q && judged_zero && exact && in_it
                           && score_q != MASKED);
    end

endmodule

`default_nettype wire
