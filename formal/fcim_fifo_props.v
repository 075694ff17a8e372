// SPDX-License-Identifier: Apache-2.0
// fcim_fifo_props: what fcim_fifo promises, in proofs.yaml in words.
`default_nettype none

module fcim_fifo_props #(
    parameter  WORDS = 5,
    parameter  WIDTH = 8,
    localparam COUNT_BITS = $clog2(WORDS + 2)
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             s_valid,
    input  wire [WIDTH-1:0] s_data,
    input  wire             m_ready,
    input  wire             pick
);

    wire             s_ready, m_valid, empty;
    wire [WIDTH-1:0] m_data;
    fcim_fifo #(.WORDS(WORDS), .WIDTH(WIDTH)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data),
        .empty(empty)
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
    fcim_watch #(.WIDTH(WIDTH), .MOST(WORDS)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick),
        .enters(s_valid && s_ready), .data(s_data), .leaves(m_valid && m_ready),
        .count(count), .watches(watches), .ahead(ahead), .word(word), .due(due)
    );
    fcim_held #(.WIDTH(WIDTH)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_valid), .ready(m_ready), .data(m_data), .ok(kept)
    );

    reg late_q;                        // in the cycle before a beat was inside, and none offered
    always @(posedge clk) begin
        late_q <= rst_n && count != 0 && !m_valid;
    end

    // of the memory, where each word stands that is not at the output
    wire [COUNT_BITS-1:0] stands = ahead - {{(COUNT_BITS-1){1'b0}}, m_valid};
    wire [COUNT_BITS:0]   far    = dut.rd_q + stands;
    wire [COUNT_BITS:0]   place  = (far >= WORDS) ? far - WORDS : far;
    wire [COUNT_BITS-1:0] stored = count - {{(COUNT_BITS-1){1'b0}}, m_valid};
    wire [COUNT_BITS:0]   end_of = dut.rd_q + stored;

    always @* begin
        if (begun_q) begin
            order:    assert (!(m_valid && due) || m_data == word);
            nothing:  assert (!m_valid || count != 0);
            room:     assert (s_ready == (count != WORDS));
            held:     assert (kept);
            soon:     assert (!late_q || m_valid);
            is_empty: assert (empty == (count == 0));

            lemma_count:   assert (dut.inside_q == count && count <= WORDS);
            lemma_places:  assert (dut.rd_q < WORDS && dut.wr_q < WORDS);
            lemma_end:     assert (dut.wr_q == ((end_of >= WORDS) ? end_of - WORDS : end_of));
            lemma_watched: assert (!watches || (ahead < count));
            lemma_word:    assert (!watches || (m_valid && due)
                                   || dut.u_words.word_q[place] == word);
        end
    end

    always @* begin
        full_and_followed: cover (begun_q && rst_n && !s_ready && watches && ahead == WORDS - 1);
        followed_leaves:   cover (begun_q && rst_n && m_valid && m_ready && due
                                  && count == WORDS - 1);
    end

endmodule

`default_nettype wire
