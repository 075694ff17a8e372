// SPDX-License-Identifier: Apache-2.0
// fcim_axi_bursts_props: what fcim_axi_bursts promises, in proofs.yaml in words.
`default_nettype none

module fcim_axi_bursts_props #(
    parameter  DATA_BITS = 512,
    parameter  MAX_BURST = 16,
    parameter  OUTSTANDING = 4,
    localparam BYTE_BITS = $clog2(DATA_BITS / 8),
    localparam COUNT_BITS = $clog2(OUTSTANDING + 2)
) (
    input  wire        clk,
    input  wire        rst_n,
    input  wire        stop,
    input  wire        clear,
    input  wire        s_cmd_valid,
    input  wire [63:0] s_cmd_address,
    input  wire [15:0] s_cmd_beats,
    input  wire [17:0] s_cmd_rows,
    input  wire [63:0] s_cmd_stride,
    input  wire        room,
    input  wire        m_ax_ready,
    input  wire        answer,
    input  wire        answer_last,
    input  wire [1:0]  answer_resp,
    input  wire        held,
    input  wire        pick
);

    wire        stopping, idle, s_cmd_ready, go, m_ax_valid, answer_ends, error_slave;
    wire        error_decode;
    wire [7:0]  next_len, m_ax_len;
    wire [63:0] m_ax_addr, error_address;
    fcim_axi_bursts #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING)
    ) dut (
        .clk(clk), .rst_n(rst_n), .stop(stop), .clear(clear), .stopping(stopping), .idle(idle),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .next_len(next_len), .room(room), .go(go),
        .m_ax_valid(m_ax_valid), .m_ax_ready(m_ax_ready), .m_ax_addr(m_ax_addr),
        .m_ax_len(m_ax_len),
        .answer(answer), .answer_last(answer_last), .answer_resp(answer_resp),
        .answer_ends(answer_ends), .held(held), .error_slave(error_slave),
        .error_decode(error_decode), .error_address(error_address)
    );

    // ---- bursts that went out and are not answered, those whose address was taken, the one that
    // went out last, and one that is followed from there to its answer
    reg                   begun_q = 1'b0;
    reg [COUNT_BITS-1:0]  sent_q;
    reg [63:0]            address_q;
    reg [7:0]             len_q;
    wire                  taken = m_ax_valid && m_ax_ready;
    wire                  done  = answer && answer_last;
    wire [COUNT_BITS-1:0] count, ahead;
    wire                  watches, due, kept, last;
    wire [63:0]           address;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        sent_q  <= !rst_n ? {COUNT_BITS{1'b0}}
                 : sent_q + {{(COUNT_BITS-1){1'b0}}, taken} - {{(COUNT_BITS-1){1'b0}}, done};
        if (go) begin
            address_q <= dut.burst_address;
            len_q     <= next_len;
        end
    end
    always @* begin
        some_beats: assume (s_cmd_beats != 0 && s_cmd_rows != 0);
        if (begun_q) begin
            sent_before: assume (!answer || sent_q != 0);
        end else begin
            reset_first: assume (!rst_n);
        end
    end
    fcim_watch #(.WIDTH(65), .MOST(OUTSTANDING)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick), .enters(go),
        .data({dut.burst_last, dut.burst_address}), .leaves(done), .count(count),
        .watches(watches), .ahead(ahead), .word({last, address}), .due(due)
    );
    fcim_held #(.WIDTH(72)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_ax_valid), .ready(m_ax_ready),
        .data({m_ax_addr, m_ax_len}), .ok(kept)
    );

    // ---- errors of answers, and, if the followed burst had the first, its address
    reg        slave_q, decode_q, mine_q;
    reg [63:0] wrong_q;
    wire       fails = answer && answer_resp[1];
    wire       first = fails && (clear || !(slave_q || decode_q));
    always @(posedge clk) begin
        if (!rst_n) begin
            slave_q  <= 1'b0;
            decode_q <= 1'b0;
            mine_q   <= 1'b0;
        end else begin
            slave_q  <= (fails && answer_resp == 2'b10) || (slave_q && !clear);
            decode_q <= (fails && answer_resp == 2'b11) || (decode_q && !clear);
            mine_q   <= first ? due : mine_q;
        end
        if (first) begin
            wrong_q <= address;
        end
    end

    wire         out    = dut.u_open.valid_q;
    wire [12:0]  bytes  = ({5'd0, m_ax_len} + 13'd1) << BYTE_BITS;
    wire [COUNT_BITS:0] place  = dut.u_open.rd_q + ahead - out;
    wire [COUNT_BITS:0] end_of = dut.u_open.rd_q + count - out;
    wire [64-BYTE_BITS:0] word = {last, address[63:BYTE_BITS]};
    wire [64-BYTE_BITS:0] stored = dut.u_open.u_words.word_q[place % OUTSTANDING];
    wire [7:0]   cut    = dut.u_splitter.len_q;

    always @* begin
        if (begun_q) begin
            order:     assert (!m_ax_valid || (m_ax_addr == address_q && m_ax_len == len_q));
            once:      assert (count == sent_q + m_ax_valid);
            kept_up:   assert (kept);
            page_kept: assert (!m_ax_valid || {1'b0, m_ax_addr[11:0]} + bytes <= 13'd4096);
            longest:   assert (!m_ax_valid || m_ax_len < MAX_BURST);
            whole:     assert (!m_ax_valid || m_ax_addr[BYTE_BITS-1:0] == 0);
            few:       assert (count <= OUTSTANDING);
            with_room: assert (!go || (room && !stopping));
            ends:      assert (!(answer && due) || answer_ends == last);
            idle_is:   assert (!idle || (count == 0 && !held && !m_ax_valid));
            flags:     assert (error_slave == slave_q && error_decode == decode_q);
            blames:    assert (!(mine_q && (slave_q || decode_q)) || error_address == wrong_q);

            lemma_open:  assert (dut.u_open.inside_q == count && (!out || count != 0)
                                 && (sent_q == 0 || out));
            lemma_end:   assert (dut.u_open.wr_q == end_of % OUTSTANDING);
            lemma_watch: assert (!watches || (ahead < count
                                 && address[BYTE_BITS-1:0] == 0
                                 && (out && due ? {answer_ends, dut.open_address} : stored)
                                 == word));
            lemma_cut:   assert (!dut.u_splitter.valid_q || (cut < MAX_BURST && {1'b0,
                                 dut.u_splitter.burst_q[11-BYTE_BITS:0]} + cut
                                 < (4096 >> BYTE_BITS)));
        end
    end

    always @* begin
        error_of_mine: cover (begun_q && rst_n && mine_q && decode_q && !slave_q);
        stop_midway:   cover (begun_q && rst_n && stopping && m_ax_valid && sent_q == 1 && held);
    end

endmodule

`default_nettype wire
