// SPDX-License-Identifier: Apache-2.0
// fcim_o_stage_props: what fcim_o_stage promises, in proofs.yaml in words.
`default_nettype none

module fcim_o_stage_props #(
    parameter  ENGINES = 2,
    parameter  HEAD_DIM = 16,
    parameter  O_ROWS = 4,
    localparam O_SLOT_BITS = $clog2(ENGINES + 1),
    localparam OUT_BITS = 16,
    localparam WIDTH = O_SLOT_BITS + HEAD_DIM*OUT_BITS + 1,
    localparam COUNT_BITS = $clog2(O_ROWS + 2)
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             hold,
    input  wire             s_o_valid,
    input  wire [WIDTH-1:0] s_o,            // engine, data, last
    input  wire             m_o_ready,
    input  wire             pick
);

    wire             empty, waits, s_o_ready, m_o_valid;
    wire [WIDTH-1:0] m_o;
    fcim_o_stage #(.ENGINES(ENGINES), .HEAD_DIM(HEAD_DIM), .O_ROWS(O_ROWS)) dut (
        .clk(clk), .rst_n(rst_n), .empty(empty), .waits(waits), .hold(hold),
        .s_o_valid(s_o_valid), .s_o_ready(s_o_ready),
        .s_o_engine(s_o[WIDTH-1 -: O_SLOT_BITS]), .s_o_data(s_o[HEAD_DIM*OUT_BITS:1]),
        .s_o_last(s_o[0]),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready),
        .m_o_engine(m_o[WIDTH-1 -: O_SLOT_BITS]), .m_o_data(m_o[HEAD_DIM*OUT_BITS:1]),
        .m_o_last(m_o[0])
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    always @* begin
        if (!begun_q) begin
            reset_first: assume (!rst_n);
        end
    end

    wire [COUNT_BITS-1:0] count, ahead;
    wire                  watches, due, kept;
    wire [WIDTH-1:0]      word;
    fcim_watch #(.WIDTH(WIDTH), .MOST(O_ROWS)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick),
        .enters(s_o_valid && s_o_ready), .data(s_o), .leaves(m_o_valid && m_o_ready),
        .count(count), .watches(watches), .ahead(ahead), .word(word), .due(due)
    );
    fcim_held #(.WIDTH(WIDTH)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_o_valid), .ready(m_o_ready), .data(m_o), .ok(kept)
    );

    reg       offered_q;        // a row was offered in the cycle before, and not taken
    reg       late_q;           // in the cycle before a row was inside, and none could be offered
    always @(posedge clk) begin
        offered_q <= rst_n && m_o_valid && !m_o_ready;
        late_q    <= rst_n && count != 0 && !waits;
    end

    wire [COUNT_BITS-1:0] stands = ahead - {{(COUNT_BITS-1){1'b0}}, waits};
    wire [COUNT_BITS-1:0] stored = count - {{(COUNT_BITS-1){1'b0}}, waits};
    wire [COUNT_BITS:0]   place  = dut.u_rows.rd_q + stands;
    wire [COUNT_BITS:0]   end_of = dut.u_rows.rd_q + stored;

    always @* begin
        if (begun_q) begin
            order:    assert (!(m_o_valid && due) || m_o == word);
            nothing:  assert (!m_o_valid || count != 0);
            room:     assert (s_o_ready == (count != O_ROWS));
            kept_up:  assert (kept);
            yields:   assert (!(hold && m_o_valid && !offered_q) || count > O_ROWS / 2);
            offers:   assert (m_o_valid || !waits || (hold && count <= O_ROWS / 2));
            soon:     assert (!late_q || waits);
            is_empty: assert (empty == (count == 0));

            lemma_count:   assert (dut.rows_q == count && dut.u_rows.inside_q == count
                                   && count <= O_ROWS && (!waits || count != 0));
            lemma_end:     assert (dut.u_rows.wr_q == end_of % O_ROWS);
            lemma_offered: assert (dut.offered_q == offered_q && (!offered_q || waits));
            lemma_watched: assert (!watches || ahead < count);
            lemma_word:    assert (!watches || (waits && due ? m_o
                                   : dut.u_rows.u_words.word_q[place % O_ROWS]) == word);
        end
    end

    always @* begin
        held_back: cover (begun_q && rst_n && hold && waits && !m_o_valid && due
                          && count == O_ROWS / 2);
        too_full:  cover (begun_q && rst_n && hold && m_o_valid && m_o_ready && due && !offered_q);
        full:      cover (begun_q && rst_n && !s_o_ready && watches && ahead == O_ROWS - 1);
    end

endmodule

`default_nettype wire
