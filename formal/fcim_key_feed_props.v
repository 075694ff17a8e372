// SPDX-License-Identifier: Apache-2.0
// fcim_key_feed_props: what fcim_key_feed promises, in proofs.yaml in words.
`default_nettype none

module fcim_key_feed_props #(
    parameter  WIDTH = 4,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  ROOM = 2,
    parameter  AHEAD = 4,
    localparam ROWS = ROOM * KEYS_PER_BLOCK,
    localparam COUNT_BITS = $clog2(ROWS + 2),
    localparam AHEAD_BITS = $clog2(AHEAD + 2)
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             promise,
    input  wire             passed,
    input  wire             row_valid,
    input  wire [WIDTH-1:0] row_data,
    input  wire             m_k_ready,
    input  wire             pick
);

    wire             room, m_k_valid;
    wire [WIDTH-1:0] m_k_data;
    fcim_key_feed #(
        .WIDTH(WIDTH), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .ROOM(ROOM), .AHEAD(AHEAD)
    ) dut (
        .clk(clk), .rst_n(rst_n), .room(room), .promise(promise), .passed(passed),
        .row_valid(row_valid), .row_data(row_data),
        .m_k_valid(m_k_valid), .m_k_ready(m_k_ready), .m_k_data(m_k_data)
    );

    // ---- rows that were promised and have not come, blocks that values have not passed
    reg                   begun_q = 1'b0;
    reg [COUNT_BITS-1:0]  due_q;
    reg [AHEAD_BITS-1:0]  ahead_q;
    reg                   late_q;      // in the cycle before a row was inside, and none offered
    wire [COUNT_BITS-1:0] more = promise ? KEYS_PER_BLOCK : 0;
    wire [COUNT_BITS-1:0] count, ahead;
    wire                  watches, due, kept;
    wire [WIDTH-1:0]      word;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        due_q   <= !rst_n ? {COUNT_BITS{1'b0}}
                 : due_q + more - {{(COUNT_BITS-1){1'b0}}, row_valid};
        ahead_q <= !rst_n ? {AHEAD_BITS{1'b0}}
                 : ahead_q + {{(AHEAD_BITS-1){1'b0}}, promise}
                           - {{(AHEAD_BITS-1){1'b0}}, passed};
        late_q  <= rst_n && count != 0 && !m_k_valid;
    end
    always @* begin
        if (begun_q) begin
            with_room:     assume (!promise || room);
            promised_rows: assume (!row_valid || due_q != 0);
            passed_blocks: assume (!passed || ahead_q != 0);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    fcim_watch #(.WIDTH(WIDTH), .MOST(ROWS)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick), .enters(row_valid), .data(row_data),
        .leaves(m_k_valid && m_k_ready), .count(count), .watches(watches), .ahead(ahead),
        .word(word), .due(due)
    );
    fcim_held #(.WIDTH(WIDTH)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_k_valid), .ready(m_k_ready), .data(m_k_data),
        .ok(kept)
    );

    wire [COUNT_BITS-1:0] stands = ahead - {{(COUNT_BITS-1){1'b0}}, m_k_valid};
    wire [COUNT_BITS-1:0] stored = count - {{(COUNT_BITS-1){1'b0}}, m_k_valid};
    wire [COUNT_BITS:0]   place  = dut.u_rows.rd_q + stands;
    wire [COUNT_BITS:0]   end_of = dut.u_rows.rd_q + stored;

    always @* begin
        if (begun_q) begin
            lost:    assert (!row_valid || dut.u_rows.s_ready);
            order:   assert (!(m_k_valid && due) || m_k_data == word);
            nothing: assert (!m_k_valid || count != 0);
            rooms:   assert (room == (due_q + count <= ROWS - KEYS_PER_BLOCK && ahead_q != AHEAD));
            held:    assert (kept);
            soon:    assert (!late_q || m_k_valid);

            lemma_count:   assert (dut.promised_q == due_q + count && due_q + count <= ROWS
                                   && dut.u_rows.inside_q == count && dut.ahead_q == ahead_q
                                   && ahead_q <= AHEAD && (!m_k_valid || count != 0));
            lemma_end:     assert (dut.u_rows.wr_q == end_of % ROWS);
            lemma_watched: assert (!watches || ahead < count);
            lemma_word:    assert (!watches || (m_k_valid && due ? m_k_data
                                   : dut.u_rows.u_words.word_q[place % ROWS]) == word);
        end
    end

    always @* begin
        all_promised: cover (begun_q && rst_n && due_q == ROWS - 1 && count == 1 && due);
        far_ahead:    cover (begun_q && rst_n && ahead_q == 1 && passed && promise && row_valid
                             && m_k_valid && due && m_k_ready);
    end

endmodule

`default_nettype wire
