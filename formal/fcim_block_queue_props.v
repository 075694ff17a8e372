// SPDX-License-Identifier: Apache-2.0
// fcim_block_queue_props: what fcim_block_queue promises, in proofs.yaml in words.
`default_nettype none

module fcim_block_queue_props #(
    parameter  BLOCKS_AHEAD = 16,
    parameter  KEYS_PER_BLOCK = 16,
    parameter  MAX_KEYS = 131072,
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam INDEX_BITS = $clog2(MAX_KEYS),
    localparam WORD_BITS = INDEX_BITS + KEY_BITS + 2,
    localparam SLOT_BITS = $clog2(BLOCKS_AHEAD),
    localparam COUNT_BITS = $clog2(BLOCKS_AHEAD + 2)
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 s_blk_valid,
    input  wire [WORD_BITS-1:0] s_blk,          // last, count, start
    input  wire                 m_kreq_ready,
    input  wire                 s_decision_valid,
    input  wire                 s_decision_skip,
    input  wire                 s_decision_last,
    input  wire                 m_vreq_ready,
    input  wire                 pick
);

    wire                  s_blk_ready, m_kreq_valid, s_decision_ready, m_vreq_valid, m_vreq_first;
    wire                  m_kreq_last, m_vreq_last, error_order;
    wire [INDEX_BITS-1:0] m_kreq_start, m_vreq_start;
    wire [KEY_BITS:0]     m_kreq_count, m_vreq_count;
    wire [WORD_BITS-1:0]  m_kreq = {m_kreq_last, m_kreq_count, m_kreq_start};
    wire [WORD_BITS-1:0]  m_vreq = {m_vreq_last, m_vreq_count, m_vreq_start};
    fcim_block_queue #(
        .BLOCKS_AHEAD(BLOCKS_AHEAD), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)
    ) dut (
        .clk(clk), .rst_n(rst_n),
        .s_blk_valid(s_blk_valid), .s_blk_ready(s_blk_ready),
        .s_blk_start(s_blk[INDEX_BITS-1:0]), .s_blk_count(s_blk[INDEX_BITS +: KEY_BITS+1]),
        .s_blk_last(s_blk[WORD_BITS-1]),
        .m_kreq_valid(m_kreq_valid), .m_kreq_ready(m_kreq_ready), .m_kreq_start(m_kreq_start),
        .m_kreq_count(m_kreq_count), .m_kreq_last(m_kreq_last),
        .s_decision_valid(s_decision_valid), .s_decision_ready(s_decision_ready),
        .s_decision_skip(s_decision_skip), .s_decision_last(s_decision_last),
        .m_vreq_valid(m_vreq_valid), .m_vreq_ready(m_vreq_ready), .m_vreq_start(m_vreq_start),
        .m_vreq_count(m_vreq_count), .m_vreq_last(m_vreq_last), .m_vreq_first(m_vreq_first),
        .error_order(error_order)
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    wire blk_kept, decision_kept;
    fcim_held #(.WIDTH(WORD_BITS)) u_blk_held (
        .clk(clk), .rst_n(rst_n), .valid(s_blk_valid), .ready(s_blk_ready), .data(s_blk),
        .ok(blk_kept)
    );
    fcim_held #(.WIDTH(2)) u_decision_held (
        .clk(clk), .rst_n(rst_n), .valid(s_decision_valid), .ready(s_decision_ready),
        .data({s_decision_skip, s_decision_last}), .ok(decision_kept)
    );
    always @* begin
        if (begun_q) begin
            blocks_stay:    assume (blk_kept);
            decisions_stay: assume (decision_kept);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    wire [COUNT_BITS-1:0] count, ahead;
    wire                  watches, due, kreq_kept, vreq_kept;
    wire [WORD_BITS-1:0]  word;
    wire                  enters = s_blk_valid && s_blk_ready;
    wire                  decided = s_decision_valid && s_decision_ready;
    fcim_watch #(.WIDTH(WORD_BITS), .MOST(BLOCKS_AHEAD)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick),
        .enters(enters), .data(s_blk), .leaves(decided && count != 0),
        .count(count), .watches(watches), .ahead(ahead), .word(word), .due(due)
    );
    fcim_held #(.WIDTH(WORD_BITS)) u_kreq_held (
        .clk(clk), .rst_n(rst_n), .valid(m_kreq_valid), .ready(m_kreq_ready), .data(m_kreq),
        .ok(kreq_kept)
    );
    fcim_held #(.WIDTH(WORD_BITS + 1)) u_vreq_held (
        .clk(clk), .rst_n(rst_n), .valid(m_vreq_valid && count != 0), .ready(m_vreq_ready),
        .data({m_vreq_first, m_vreq}), .ok(vreq_kept)
    );

    reg ran_q;       // a block of this tile has run
    reg wrong_q;     // a decision was another block's, or none's
    reg right_q;     // the last cycle's was not, nor was there an error before
    always @(posedge clk) begin
        right_q <= !rst_n || (!error_order
                   && (!s_decision_valid || (due && word[WORD_BITS-1] == s_decision_last)));
        if (!rst_n) begin
            ran_q   <= 1'b0;
            wrong_q <= 1'b0;
        end else begin
            if (decided) begin
                ran_q <= !s_decision_last && (ran_q || !s_decision_skip);
            end
            if (s_decision_valid && (count == 0 || (due && word[WORD_BITS-1] != s_decision_last)))
            begin
                wrong_q <= 1'b1;
            end
        end
    end

    wire [SLOT_BITS-1:0] place = dut.rd_q[SLOT_BITS-1:0] + ahead[SLOT_BITS-1:0];
    wire [SLOT_BITS:0]   between = dut.wr_q - dut.rd_q;

    always @* begin
        if (begun_q) begin
            both:      assert ((m_kreq_valid && m_kreq_ready) == enters
                               && (!m_kreq_valid || m_kreq == s_blk));
            room:      assert (m_kreq_valid == (s_blk_valid && count != BLOCKS_AHEAD));
            order:     assert (!(m_vreq_valid && due) || m_vreq == word);
            each:      assert (m_vreq_valid == (s_decision_valid && !s_decision_skip));
            waits_for: assert (s_decision_ready == (!m_vreq_valid || m_vreq_ready));
            nothing:   assert (!(m_vreq_valid && count == 0) || m_vreq == 0);
            first:     assert (m_vreq_first == !ran_q);
            kreq_held: assert (kreq_kept);
            vreq_held: assert (vreq_kept);
            told:      assert (!wrong_q || error_order);
            no_alarm:  assert (!right_q || !error_order);

            lemma_count:   assert (between == count && count <= BLOCKS_AHEAD);
            lemma_watched: assert (!watches || ahead < count);
            lemma_word:    assert (!watches || dut.u_blocks.word_q[place] == word);
        end
    end

    always @* begin
        full_and_followed: cover (begun_q && rst_n && count == BLOCKS_AHEAD && watches
                                  && ahead == BLOCKS_AHEAD - 1);
        followed_leaves:   cover (begun_q && rst_n && m_vreq_valid && m_vreq_ready && due && ran_q
                                  && word[WORD_BITS-1] && s_decision_last && !error_order);
        wrong_decision:    cover (begun_q && rst_n && error_order);
    end

endmodule

`default_nettype wire
