// SPDX-License-Identifier: Apache-2.0
// fcim_block_exponential_props: what fcim_block_exponential promises of sums, in proofs.yaml in
// words. Probabilities are taken as they come from fcim_exp2.
`default_nettype none

module fcim_block_exponential_props #(
    parameter  ROWS = 8,
    parameter  BITS_PER_CYCLE = 4,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  PROB_BITS = 8,
    parameter  MAX_KEYS = 64,
    localparam PASSES = 8 / BITS_PER_CYCLE,
    localparam LANES = ROWS / PASSES,
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS),
    localparam PASS_BITS = $clog2(PASSES),
    localparam LANE_BITS = $clog2(LANES),
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam COUNT_BITS = $clog2(MAX_KEYS) + 2,        // number of keys
    localparam WIDE = SUM_BITS + 4                       // of a sum that has room
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 start,
    input  wire [1:0]           start_buf,
    input  wire                 start_slot,
    input  wire [KEY_BITS-1:0]  start_last_key,
    input  wire                 start_first,
    input  wire                 start_last,
    input  wire                 start_bank,
    input  wire [3:0]           start_tau,
    input  wire [LANES*20-1:0]  rd_z,
    input  wire [LANES*10-1:0]  rd_row_max,
    input  wire [LANES*6-1:0]   rd_shift,
    input  wire [3:0]           rd_v_mult,
    input  wire                 m_blk_ready,
    input  wire                 sum_rd_en,
    input  wire                 sum_rd_bank,
    input  wire [PASS_BITS-1:0] sum_rd_pass,
    input  wire [LANE_BITS-1:0] sum_rd_lane,
    input  wire                 bank,      // any row in any bank, always the same
    input  wire [PASS_BITS-1:0] pass,
    input  wire [LANE_BITS-1:0] lane
);

    wire                         ready, rd_en, p_we, p_slot;
    wire [KEY_BITS-1:0]          rd_key, p_key;
    wire [PASS_BITS-1:0]         rd_pass, p_pass;
    wire [LANES*PROB_BITS-1:0]   p_data;
    wire [SUM_BITS-1:0]          sum_rd_data;
    fcim_block_exponential #(
        .ROWS(ROWS), .BITS_PER_CYCLE(BITS_PER_CYCLE), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS)
    ) dut (
        .clk(clk), .rst_n(rst_n), .start(start), .ready(ready), .start_buf(start_buf),
        .start_slot(start_slot), .start_last_key(start_last_key), .start_first(start_first),
        .start_last(start_last), .start_bank(start_bank), .start_tau(start_tau),
        .rd_en(rd_en), .rd_buf(), .rd_key(rd_key), .rd_pass(rd_pass), .rd_z(rd_z),
        .rd_row_max(rd_row_max), .rd_shift(rd_shift), .rd_v_mult(rd_v_mult),
        .p_we(p_we), .p_slot(p_slot), .p_key(p_key), .p_pass(p_pass), .p_data(p_data),
        .m_blk_valid(), .m_blk_ready(m_blk_ready), .m_blk_slot(), .m_blk_last_key(),
        .m_blk_first(), .m_blk_last(), .m_blk_bank(), .blk_shift(), .blk_sum(),
        .sum_rd_en(sum_rd_en), .sum_rd_bank(sum_rd_bank), .sum_rd_pass(sum_rd_pass),
        .sum_rd_lane(sum_rd_lane), .sum_rd_data(sum_rd_data), .sum_rd_max()
    );

    // ---- the block that runs and those before it: its bank, the keys of its tile before it, and
    // after it; a word on its way with the number of its key
    reg                   begun_q = 1'b0;
    reg                   bank_q;
    reg  [PASS_BITS-1:0]  pass_q;
    reg  [LANE_BITS-1:0]  lane_q;
    reg                   tile_q;                        // the bank has a tile,
    reg  [COUNT_BITS-1:0] keys_q;                        // of so many keys up to now,
    reg  [COUNT_BITS-1:0] before_q;                      // and before the block that runs
    reg  [COUNT_BITS-1:0] a_number_q, c_number_q, d_number_q;
    reg  [5:0]            a_shift_q, c_shift_q, d_shift_q;
    wire                  mine  = start && start_bank == bank;
    wire [COUNT_BITS-1:0] known = start_first ? {COUNT_BITS{1'b0}} : keys_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        bank_q  <= bank;
        pass_q  <= pass;
        lane_q  <= lane;
        tile_q  <= rst_n && (tile_q || mine);
        if (mine) begin
            before_q <= known;
            keys_q   <= known + start_last_key + 1'b1;
        end
        a_number_q <= before_q + rd_key;
        c_number_q <= a_number_q;
        d_number_q <= c_number_q;
        a_shift_q  <= rd_shift[lane*6 +: 6];
        c_shift_q  <= a_shift_q;
        d_shift_q  <= c_shift_q;
    end
    always @* begin
        with_ready: assume (!start || ready);
        few_keys:   assume (!mine || ((start_first || tile_q)
                            && known + start_last_key + 1'b1 <= MAX_KEYS));
        if (begun_q) begin
            same_ones: assume (bank == bank_q && pass == pass_q && lane == lane_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- the row's denominator by the rule, with room: a key's turn comes when its probability
    // is there
    reg                   summed_q;
    reg  [COUNT_BITS-1:0] number_q;                      // keys in it
    reg  [WIDE-1:0]       sum_q, sum_q2;
    reg                   reads_q;
    wire                  at_row  = dut.d_valid_q && dut.d_pass_q == pass;
    wire                  adds    = at_row && dut.d_bank_q == bank;
    wire                  first   = dut.d_first_q && dut.d_first_key_q;
    wire [PROB_BITS-1:0]  p       = dut.d_p_q[lane*PROB_BITS +: PROB_BITS];
    wire [PROB_BITS-1:0]  weighed = p_data[lane*PROB_BITS +: PROB_BITS];
    wire [WIDE-1:0]       halved  = sum_q >> (d_shift_q - 1'b1);
    wire [WIDE-1:0]       shifted = !dut.d_first_key_q || d_shift_q == 0 ? sum_q
                                  : (halved + 1'b1) >> 1;
    wire [WIDE-1:0]       sum     = (first ? {WIDE{1'b0}} : shifted) + p;
    wire [SUM_BITS-1:0]   gets    = dut.new_sums[lane*SUM_BITS +: SUM_BITS];
    wire                  quiet   = !(dut.c_valid_q && dut.c_bank_q == bank);
    always @(posedge clk) begin
        summed_q <= rst_n && (summed_q || adds);
        if (adds) begin
            sum_q    <= sum;
            number_q <= first ? 1'b1 : number_q + 1'b1;
        end
        reads_q <= rst_n && sum_rd_en && sum_rd_bank == bank && sum_rd_pass == pass
                   && sum_rd_lane == lane && quiet && summed_q;
        sum_q2  <= sum_q;
    end

    // ---- in the RTL: which number comes next after each stage, by the stages before it
    wire                  in_d = adds;
    wire                  in_c = dut.c_valid_q && dut.c_pass_q == pass && dut.c_bank_q == bank;
    wire                  in_a = dut.a_valid_q && dut.a_pass_q == pass && dut.a_bank_q == bank;
    wire                  runs = rd_en && dut.bank_q == bank;
    wire                  anew = dut.first_q && rd_key == 0 && rd_pass <= pass;
    wire [COUNT_BITS-1:0] next_d = in_d ? d_number_q + 1'b1 : number_q;
    wire [COUNT_BITS-1:0] next_c = in_c ? c_number_q + 1'b1 : next_d;
    wire [COUNT_BITS-1:0] next_a = in_a ? a_number_q + 1'b1 : next_c;
    wire [COUNT_BITS-1:0] next   = before_q + rd_key + (rd_pass > pass);
    wire                  some_d = summed_q || in_d;
    wire                  some_c = some_d || in_c;
    wire                  some_a = some_c || in_a;
    wire [LANES*SUM_BITS-1:0] word  = bank ? dut.u_bank1.word_q[pass] : dut.u_bank0.word_q[pass];
    wire [SUM_BITS-1:0]       held  = dut.d_sums_q[lane*SUM_BITS +: SUM_BITS];

    always @* begin
        if (begun_q) begin
            fits:       assert (!adds || (sum < (1 << SUM_BITS) && gets >= p));
            row_sum:    assert (!reads_q || sum_rd_data == sum_q2);
            added:      assert (!adds || gets == sum);
            weighs:     assert (!at_row || weighed <= p);
            turns:      assert (!adds || (d_number_q < MAX_KEYS
                                && (first ? d_number_q == 0 : d_number_q == number_q)));

            lemma_sum:   assert (!summed_q || (word[lane*SUM_BITS +: SUM_BITS] == sum_q
                                 && number_q <= MAX_KEYS
                                 && sum_q <= (number_q << PROB_BITS) - number_q));
            lemma_read:  assert (!adds || first || (summed_q && held == sum_q));
            lemma_shift: assert (!dut.d_first_key_q || !adds
                                 || dut.d_shift_q[lane*6 +: 6] == d_shift_q);
            lemma_c:     assert (!dut.c_first_key_q || !in_c
                                 || dut.c_shift_q[lane*6 +: 6] == c_shift_q);
            lemma_a:     assert (!dut.a_first_key_q || !in_a
                                 || dut.a_shift_q[lane*6 +: 6] == a_shift_q);
            lemma_d_no:  assert (!in_d || (first ? d_number_q == 0
                                 : summed_q && d_number_q == number_q));
            lemma_c_no:  assert (!in_c || (dut.c_first_q && dut.c_first_key_q ? c_number_q == 0
                                 : some_d && c_number_q == next_d));
            lemma_a_no:  assert (!in_a || (dut.a_first_q && dut.a_first_key_q ? a_number_q == 0
                                 : some_c && a_number_q == next_c));
            lemma_run:   assert (!runs || (anew ? before_q == 0 : some_a && next == next_a));
            lemma_keys:  assert (!tile_q || (keys_q <= MAX_KEYS
                                 && (runs ? keys_q == before_q + dut.last_key_q + 1'b1
                                          : some_a && next_a == keys_q)));
            lemma_most:  assert ((!in_d || d_number_q < MAX_KEYS)
                                 && (!in_c || c_number_q < MAX_KEYS)
                                 && (!in_a || a_number_q < MAX_KEYS) && (!runs || tile_q)
                                 && (!some_a || tile_q)
                                 && (!rd_en || rd_key <= dut.last_key_q));
            lemma_apart: assert (!(rd_en && dut.a_valid_q) || rd_pass != dut.a_pass_q);
            lemma_apart2: assert (!(dut.a_valid_q && dut.c_valid_q)
                                  || dut.a_pass_q != dut.c_pass_q);
            lemma_apart3: assert (!(dut.c_valid_q && dut.d_valid_q)
                                  || dut.c_pass_q != dut.d_pass_q);
        end
    end

    always @* begin
        second_block: cover (begun_q && rst_n && reads_q && sum_rd_data == 200 && number_q == 3
                             && keys_q == 3);
        in_turn:      cover (begun_q && rst_n && adds && d_shift_q == 2 && dut.d_first_key_q
                             && !first && sum_q == 255);
    end

endmodule

`default_nettype wire
