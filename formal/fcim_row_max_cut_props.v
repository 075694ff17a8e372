// SPDX-License-Identifier: Apache-2.0
// fcim_row_max_cut_props: what fcim_row_max promises of rows whose sums have CUT_BITS, in
// proofs.yaml in words. fcim_row_rule has the rule for a row. Of one row, any, a ghost keeps the
// sum, rescaled as the RTL says: each block adds to it what it may, by a score that is no larger
// than its largest, whose probability fcim_exp2 says.
`default_nettype none

module fcim_row_max_cut_props #(
    parameter  LANES = 1,
    parameter  BITS_PER_CYCLE = 4,
    parameter  PROB_BITS = 8,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  CUT_BITS = 12,
    localparam PASSES = 8 / BITS_PER_CYCLE,
    localparam PASS_BITS = $clog2(PASSES),
    localparam ROWS = LANES * PASSES,
    localparam ROW_BITS = $clog2(ROWS),
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),
    localparam AMOUNT_BITS = 11 + LANE_COUNT_BITS,
    localparam KEPT_BITS = CUT_BITS + 1,     // of a bound less 1, signed
    localparam BOUND_BITS = CUT_BITS + 2
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
    input  wire [ROW_BITS-1:0]  one,        // any row, always the same,
    input  wire [1:0]           where,      // and any buffer, whose judged blocks are looked at
    input  wire signed [19:0]   score,      // a score of the row in the block that is judged
    input  wire [CUT_BITS-1:0]  gain        // what the block adds to the row's sum, a cycle later
);

    wire                       s_blk_ready, judged, judged_zero;
    wire [1:0]                 judged_buf;
    wire [LANES*10-1:0]        rd_row_max;
    wire [LANES*6-1:0]         rd_shift;
    wire [LANE_COUNT_BITS-1:0] ev_rescaled;
    wire [AMOUNT_BITS-1:0]     ev_amount;
    fcim_row_max #(
        .LANES(LANES), .BITS_PER_CYCLE(BITS_PER_CYCLE), .PROB_BITS(PROB_BITS),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .CUT_BITS(CUT_BITS)
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
    reg                  read_q, first_q, joint_q, skip_q, left_out_q;
    reg [3:0]            tau_q;
    reg [4:0]            octaves_q;
    wire                 last_turn = (turn_q == PASSES - 1);
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
        skip_q    <= s_blk_skip;
        tau_q     <= s_blk_tau;
        octaves_q <= s_blk_octaves;
        if (judged) begin
            left_out_q <= judged_zero && skip_q;
        end
    end
    fcim_held #(.WIDTH(16)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(s_blk_valid), .ready(last_turn),
        .data({s_blk_buf, s_blk_after, s_blk_first, s_blk_joint, s_blk_skip, s_blk_tau,
               s_blk_octaves}),
        .ok(stays)
    );

    // ---- every row by its rule, and what came of it in the buffer that is looked at
    localparam signed [19:0] MASKED = {1'b1, 19'd0};
    localparam signed [9:0]  LOWEST = {1'b1, 9'd0};
    localparam signed [9:0]  HIGHEST = {1'b0, 9'h1ff};
    localparam signed [19:0] TOP = {10'd495, 10'h3ff};    // 16 octaves stay free
    wire [ROWS*3-1:0]          there;
    wire [ROWS*60-1:0]         highest;
    wire [ROWS*20-1:0]         own;
    wire [ROWS*10-1:0]         row_max, moved_max;
    wire [ROWS*11-1:0]         amount;
    wire [ROWS*10-1:0]         got_max;      // of the RTL
    wire [ROWS*6-1:0]          got_shift;
    wire [ROWS*BOUND_BITS-1:0] with_it, without_it;
    wire [ROWS-1:0]            had, judges, counts, raises, moves, own_there, after_there, at_top;
    wire [ROWS-1:0]            ok_max, ok_amount, ok_first, free;            // of properties
    wire [ROWS-1:0]            ok_top, ok_turn, ok_read, ok_state, ok_kept, ok_bounds, same_now;
    genvar r, b;
    generate
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            localparam LANE = r % LANES;
            localparam PASS = r / LANES;
            wire               seen;
            wire signed [19:0] mine, all;
            fcim_row_rule #(
                .PROB_BITS(PROB_BITS), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .CUT_BITS(CUT_BITS)
            ) u_rule (
                .clk(clk), .rst_n(rst_n),
                .scored(z_valid && z_pass == PASS), .z_buf(z_buf), .z_first_key(z_first_key),
                .z(z_data[LANE*20 +: 20]),
                .read(s_blk_valid && turn_q == PASS), .blk_buf(s_blk_buf),
                .blk_after(s_blk_after), .blk_joint(s_blk_joint),
                .there(there[r*3 +: 3]), .highest(highest[r*60 +: 60]), .had(had[r]),
                .seen(seen), .row_max(row_max[r*10 +: 10]),
                .first(first_q), .tau(tau_q), .octaves(octaves_q), .left_out(left_out_q),
                .judges(judges[r]), .own(mine), .all(all), .moved_max(moved_max[r*10 +: 10]),
                .amount(amount[r*11 +: 11]), .counts(counts[r]), .raises(raises[r]),
                .with_it(with_it[r*BOUND_BITS +: BOUND_BITS]),
                .without_it(without_it[r*BOUND_BITS +: BOUND_BITS])
            );
            assign own[r*20 +: 20]      = mine;
            assign got_max[r*10 +: 10]  = dut.row_max_all[LANE*10 +: 10];
            assign got_shift[r*6 +: 6]  = dut.shift_all[LANE*6 +: 6];
            assign same_now[r]          = !judges[r]
                || (got_max[r*10 +: 10] == moved_max[r*10 +: 10]
                    && got_shift[r*6 +: 6] == ((amount[r*11 +: 11] > 63)
                                               ? 6'd63 : amount[r*11 +: 6]));
            assign own_there[r]    = there[r*3 + s_blk_buf];
            assign after_there[r]  = there[r*3 + s_blk_after];
            assign moves[r]        = (amount[r*11 +: 11] != 0);
            assign at_top[r]       = had[r] && row_max[r*10 +: 10] == HIGHEST;

            reg               kept_q, kept_first_q;
            reg signed [9:0]  kept_max_q;
            reg [10:0]        kept_amount_q;
            wire              keeps = judges[r] && buf_q == where;
            always @(posedge clk) begin
                kept_q <= rst_n && (kept_q || keeps);
                if (keeps) begin
                    kept_max_q    <= moved_max[r*10 +: 10];
                    kept_amount_q <= amount[r*11 +: 11];
                    kept_first_q  <= first_q;
                end
            end
            wire              shown = kept_q && rd_buf == where && rd_pass == PASS;
            wire signed [9:0] out   = rd_row_max[LANE*10 +: 10];
            wire [5:0]        shift = rd_shift[LANE*6 +: 6];
            wire [5:0]        want  = (kept_amount_q > 63) ? 6'd63 : kept_amount_q[5:0];
            assign free[r]     = !(z_valid && z_pass == PASS)
                                  || $signed(z_data[LANE*20 +: 20]) <= TOP;
            assign ok_max[r]    = !shown || out == kept_max_q;
            assign ok_amount[r] = !shown || shift == want;
            assign ok_first[r]  = !(shown && kept_first_q) || shift == 0;

            wire [2:0]                   same;
            wire [10:0]                  a_own  = dut.a_own_q[LANE*11 +: 11];
            wire [10:0]                  a_all  = dut.a_highest_q[LANE*11 +: 11];
            wire [LANES*11-1:0]          state  = dut.u_state.word_q[PASS];
            wire [LANES*16-1:0]          block  = dut.u_blocks.word_q[where*PASSES + PASS];
            wire [2*LANES*KEPT_BITS-1:0] bounds = dut.g_cut.u_bounds.word_q[PASS];
            wire [KEPT_BITS-1:0]         more   = with_it[r*BOUND_BITS +: KEPT_BITS] - 1'b1;
            wire [KEPT_BITS-1:0]         less   = without_it[r*BOUND_BITS +: KEPT_BITS] - 1'b1;
            for (b = 0; b < 3; b = b + 1) begin : g_buffer
                wire signed [19:0]   z    = highest[r*60 + b*20 +: 20];
                wire [LANES*11-1:0]  tops = dut.g_buffer[b].u_maxima.word_q[PASS];
                assign same[b] = !there[r*3 + b]
                                 || (tops[LANE*11 +: 11] == {z[19:10], z != MASKED} && z <= TOP);
            end
            assign ok_top[r]    = (same == 3'b111);
            assign ok_turn[r]   = judges[r] == (read_q && pass_q == PASS)
                                  && (!judges[r] || had[r] || first_q);
            assign ok_read[r]   = !judges[r] || (a_own == {mine[19:10], mine != MASKED}
                                  && a_all == {all[19:10], all != MASKED} && all >= mine
                                  && all <= TOP
                                  && (joint_q || all == mine));
            assign ok_state[r]  = !had[r] || (state[LANES*10 + LANE] == seen
                                  && state[LANE*10 +: 10] == row_max[r*10 +: 10]
                                  && (seen || row_max[r*10 +: 10] == LOWEST));
            assign ok_kept[r]   = !kept_q || (block[LANE*10 +: 10] == kept_max_q
                                  && block[LANES*10 + LANE*6 +: 6] == want
                                  && (!kept_first_q || kept_amount_q == 0));
            assign ok_bounds[r] = !had[r]
                || (bounds[LANE*KEPT_BITS +: KEPT_BITS] == less
                    && bounds[(LANES + LANE)*KEPT_BITS +: KEPT_BITS] == more
                    && with_it[r*BOUND_BITS +: BOUND_BITS] >> CUT_BITS == 0
                    && (seen || with_it[r*BOUND_BITS +: BOUND_BITS] == 0)
                    && without_it[r*BOUND_BITS +: BOUND_BITS]
                       <= with_it[r*BOUND_BITS +: BOUND_BITS]);
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
        joint_first:  assume (!s_blk_joint || s_blk_first);
        legal_tau:    assume (s_blk_tau <= 8 && s_blk_tau <= PROB_BITS - 2);
        free_octaves: assume (free == {ROWS{1'b1}});
        some_room:    assume (at_top == 0);
        if (begun_q) begin
            blocks_stay: assume (stays);
            same_ones:   assume (one == one_q && where == where_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- whether a row counts, or is rescaled, of this pass and those before it
    reg  any_q, moved_q;
    wire any   = (counts & judges) != 0 || (any_q && pass_q != 0);
    wire moved = (moves & judges) != 0 || (moved_q && pass_q != 0);
    always @(posedge clk) begin
        any_q   <= any;
        moved_q <= moved;
    end

    // ---- the row's sum with the last block, and without
    function [CUT_BITS:0] fcim_halves_up;
        input [CUT_BITS:0] sum;
        input [5:0]        shift;
        reg   [CUT_BITS+1:0] twice;
        begin
            twice          = {sum, 1'b0} >> shift;
            fcim_halves_up = (shift == 0) ? sum : (twice + 1'b1) >> 1;
        end
    endfunction
    wire signed [19:0]   top = own[one*20 +: 20];
    wire [PROB_BITS-1:0] p;
    reg                  fresh_q;
    reg  [CUT_BITS:0]    base_q, sum_q;
    wire [CUT_BITS:0]    sum = fresh_q ? base_q + {1'b0, gain} : sum_q;
    fcim_exp2 #(.LANES(1), .PROB_BITS(PROB_BITS)) u_exp2 (
        .clk(clk), .z(score), .row_max(got_max[one*10 +: 10]), .tau(tau_q), .p(p)
    );
    always @(posedge clk) begin
        fresh_q <= rst_n && judges[one];
        sum_q   <= sum;
        if (judges[one]) begin
            base_q <= first_q ? {(CUT_BITS+1){1'b0}}
                              : fcim_halves_up(left_out_q ? base_q : sum,
                                               got_shift[one*6 +: 6]);
        end
    end

    always @* begin
        a_score: assume (!judges[one] || score <= top);
        adds:    assume (!fresh_q || gain <= KEYS_PER_BLOCK * p);
    end

    wire signed [5:0] limit = PROB_BITS - tau_q;
    wire signed [5:0] given = {1'b0, octaves_q};
    wire              exact = (octaves_q == 0);
    always @* begin
        if (begun_q) begin
            fits:        assert (!(had[one] || fresh_q) || sum[CUT_BITS] == 1'b0);
            by_the_rule: assert (ok_max == {ROWS{1'b1}});
            amounts:     assert (ok_amount == {ROWS{1'b1}});
            first_stays: assert (ok_first == {ROWS{1'b1}});
            zero_if:     assert (!judged || judged_zero == !any);
            left_alone:  assert (!(judged && judged_zero) || !moved);

            lemma_walk:  assert (dut.pass_q == turn_q && u_held.waits_q == (turn_q != 0)
                                 && u_held.data_q == {buf_q, after_q, first_q, joint_q, skip_q,
                                                      tau_q, octaves_q}
                                 && (turn_q == 0 || (read_q && pass_q == turn_q - 1'b1))
                                 && (!read_q || turn_q == pass_q + 1'b1));
            lemma_stage: assert (dut.a_valid_q == read_q && (!read_q || (dut.a_pass_q == pass_q
                                 && dut.a_end_q == (pass_q == PASSES - 1)
                                 && dut.a_first_pass_q == (pass_q == 0)
                                 && dut.a_buf_q == buf_q && dut.a_first_q == first_q
                                 && dut.a_tau_q == tau_q && dut.g_cut.a_skip_q == skip_q
                                 && tau_q <= 8 && tau_q <= PROB_BITS - 2
                                 && (first_q || !joint_q)
                                 && dut.a_span_q == (!exact && given < limit ? given : limit))));
            lemma_any:   assert (!read_q || pass_q == 0 || (dut.any_q == any_q
                                                            && (any_q || !moved_q)));
            lemma_same:  assert (same_now == {ROWS{1'b1}});
            lemma_left:  assert (!had[ROWS-1] || dut.g_cut.left_out_q == left_out_q);
            lemma_turn:  assert (ok_turn == {ROWS{1'b1}});
            lemma_top:   assert (ok_top == {ROWS{1'b1}});
            lemma_read:  assert (ok_read == {ROWS{1'b1}});
            lemma_state: assert (ok_state == {ROWS{1'b1}});
            lemma_kept:  assert (ok_kept == {ROWS{1'b1}});
            lemma_bound: assert (ok_bounds == {ROWS{1'b1}});
            lemma_had:   assert (!(read_q && !first_q) || had == {ROWS{1'b1}});
            lemma_sum:   assert (!had[one]
                                 || (base_q <= without_it[one*BOUND_BITS +: BOUND_BITS]
                                     && sum <= with_it[one*BOUND_BITS +: BOUND_BITS]));
        end
    end

    wire raised_one = raises[one] && judges[one];
    always @* begin
        raised_block: cover (begun_q && rst_n && raised_one && judged);
        after_left:   cover (begun_q && rst_n && raised_one && left_out_q);
        over_half:    cover (begun_q && rst_n && fresh_q && sum[CUT_BITS-1]);
    end

endmodule

`default_nettype wire
