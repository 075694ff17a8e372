// SPDX-License-Identifier: Apache-2.0
// fcim_axi_writer_props: what fcim_axi_writer promises, in proofs.yaml in words.
`default_nettype none

module fcim_axi_writer_props #(
    parameter  DATA_BITS = 512,
    parameter  MAX_BURST = 16,
    parameter  OUTSTANDING = 4,
    localparam BYTES = DATA_BITS / 8,
    localparam BYTE_BITS = $clog2(BYTES),
    localparam WORD_BITS = 64 - BYTE_BITS,
    localparam COUNT_BITS = $clog2(OUTSTANDING + 2)
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 stop,
    input  wire                 clear,
    input  wire                 s_cmd_valid,
    input  wire [63:0]          s_cmd_address,
    input  wire [15:0]          s_cmd_beats,
    input  wire [17:0]          s_cmd_rows,
    input  wire [63:0]          s_cmd_stride,
    input  wire                 s_data_valid,
    input  wire [DATA_BITS-1:0] s_data_data,
    input  wire [BYTES-1:0]     s_data_strobe,
    input  wire                 m_axi_awready,
    input  wire                 m_axi_wready,
    input  wire                 m_axi_bvalid,
    input  wire                 m_axi_bid,
    input  wire [1:0]           m_axi_bresp,
    input  wire                 pick,          // follow the burst whose address is offered now
    input  wire                 pick_answer    // the same, to its answer
);

    wire                 idle, s_cmd_ready, s_data_ready, done, done_error, error_slave;
    wire                 error_decode, m_axi_awvalid, m_axi_awid, m_axi_wvalid, m_axi_wlast;
    wire                 m_axi_bready;
    wire [63:0]          m_axi_awaddr, error_address;
    wire [7:0]           m_axi_awlen;
    wire [2:0]           m_axi_awsize, m_axi_awprot;
    wire [1:0]           m_axi_awburst;
    wire [3:0]           m_axi_awcache;
    wire [DATA_BITS-1:0] m_axi_wdata;
    wire [BYTES-1:0]     m_axi_wstrb;
    fcim_axi_writer #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING)
    ) dut (
        .clk(clk), .rst_n(rst_n), .stop(stop), .clear(clear), .idle(idle),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .s_data_valid(s_data_valid), .s_data_ready(s_data_ready), .s_data_data(s_data_data),
        .s_data_strobe(s_data_strobe), .done(done), .done_error(done_error),
        .m_axi_awvalid(m_axi_awvalid), .m_axi_awready(m_axi_awready), .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst), .m_axi_awcache(m_axi_awcache),
        .m_axi_awprot(m_axi_awprot), .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(m_axi_wready),
        .m_axi_wdata(m_axi_wdata), .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast),
        .m_axi_bvalid(m_axi_bvalid), .m_axi_bready(m_axi_bready), .m_axi_bid(m_axi_bid),
        .m_axi_bresp(m_axi_bresp), .error_slave(error_slave), .error_decode(error_decode),
        .error_address(error_address)
    );

    // ---- stop; the first cycle in which an address is offered; addresses and last beats that
    // were taken, without an answer; beats of the present burst that were taken
    reg                  begun_q = 1'b0;
    reg                  reset_q, halts_q, halted_q, waits_q, went_last_q;
    reg [COUNT_BITS-1:0] sent_q, filled_q;
    reg [7:0]            beats_q;
    wire                 answer   = m_axi_bvalid && m_axi_bready;
    wire                 offers   = m_axi_awvalid && !waits_q;
    wire                 aw_taken = m_axi_awvalid && m_axi_awready;
    wire                 w_taken  = m_axi_wvalid && m_axi_wready;
    wire                 w_ends   = w_taken && m_axi_wlast;
    wire                 aw_kept, w_kept;
    always @(posedge clk) begin
        begun_q  <= 1'b1;
        reset_q  <= !rst_n;
        halts_q  <= rst_n && (stop || (halts_q && !idle));
        halted_q <= rst_n && halts_q;
        waits_q  <= rst_n && m_axi_awvalid && !m_axi_awready;
        if (!rst_n) begin
            sent_q   <= {COUNT_BITS{1'b0}};
            filled_q <= {COUNT_BITS{1'b0}};
            beats_q  <= 8'd0;
        end else begin
            sent_q   <= sent_q + {{(COUNT_BITS-1){1'b0}}, aw_taken}
                               - {{(COUNT_BITS-1){1'b0}}, answer};
            filled_q <= filled_q + {{(COUNT_BITS-1){1'b0}}, w_ends}
                                 - {{(COUNT_BITS-1){1'b0}}, answer};
            beats_q  <= w_ends ? 8'd0 : beats_q + {7'd0, w_taken};
        end
        if (dut.go) begin
            went_last_q <= dut.u_bursts.burst_last;
        end
    end
    always @* begin
        some_beats: assume (s_cmd_beats != 0 && s_cmd_rows != 0);
        if (begun_q) begin
            after_both: assume (!m_axi_bvalid || (sent_q != 0 && filled_q != 0));
        end else begin
            reset_first: assume (!rst_n);
        end
    end
    fcim_held #(.WIDTH(72)) u_aw_held (
        .clk(clk), .rst_n(rst_n), .valid(m_axi_awvalid), .ready(m_axi_awready),
        .data({m_axi_awaddr, m_axi_awlen}), .ok(aw_kept)
    );
    fcim_held #(.WIDTH(DATA_BITS + BYTES + 1)) u_w_held (
        .clk(clk), .rst_n(rst_n), .valid(m_axi_wvalid), .ready(m_axi_wready),
        .data({m_axi_wdata, m_axi_wstrb, m_axi_wlast}), .ok(w_kept)
    );

    // ---- a burst from its address to its last beat, and one to its answer
    wire [COUNT_BITS-1:0] open, ahead, unanswered, sooner;
    wire                  follows, due, watches, next, last;
    wire [7:0]            len;
    fcim_watch #(.WIDTH(8), .MOST(OUTSTANDING)) u_beats (
        .clk(clk), .rst_n(rst_n), .pick(pick), .enters(offers), .data(m_axi_awlen),
        .leaves(w_ends), .count(open), .watches(follows), .ahead(ahead), .word(len), .due(due)
    );
    fcim_watch #(.WIDTH(1), .MOST(OUTSTANDING)) u_answers (
        .clk(clk), .rst_n(rst_n), .pick(pick_answer), .enters(offers), .data(went_last_q),
        .leaves(answer), .count(unanswered), .watches(watches), .ahead(sooner), .word(last),
        .due(next)
    );

    // ---- the beat that was taken last, while it waits on the bus; whether the bus ought to have
    // one; answers: the one of the cycle before, and whether one since the last done was an error
    reg                       given_q, late_q, answered_q, mine_q, last_q, calm_q, fails_q;
    reg [DATA_BITS+BYTES-1:0] beat_q;
    reg                       w_waits_q;
    wire                      accepts = s_data_valid && s_data_ready;
    wire                      wrong   = answer && m_axi_bresp[1];
    wire                      calm    = rst_n && !stop && !halts_q;
    always @(posedge clk) begin
        given_q   <= rst_n && (accepts || (given_q && !m_axi_wready));
        w_waits_q <= rst_n && m_axi_wvalid && !m_axi_wready;
        late_q    <= rst_n && open != 0 && !m_axi_wvalid && (halts_q || s_data_valid);
        if (accepts) begin
            beat_q <= {s_data_data, s_data_strobe};
        end
        answered_q <= rst_n && answer;
        mine_q     <= rst_n && answer && next;
        last_q     <= last;
        calm_q     <= calm;
        fails_q    <= calm && ((fails_q && !done) || wrong);
    end

    // ---- where bursts stand in the RTL; the last beat of one that waits has left u_lens
    wire                  gone   = m_axi_wvalid && m_axi_wlast;
    wire                  held   = dut.u_lens.valid_q;
    wire                  out    = dut.u_bursts.u_open.valid_q;
    wire [COUNT_BITS-1:0] stands = ahead - {{(COUNT_BITS-1){1'b0}}, gone};
    wire [COUNT_BITS:0]   place  = dut.u_lens.rd_q + stands - held;
    wire [COUNT_BITS:0]   end_of = dut.u_lens.rd_q + dut.u_lens.inside_q - held;
    wire [COUNT_BITS:0]   newest = end_of - 1'b1;
    wire [7:0]            stored = dut.u_lens.u_words.word_q[place % OUTSTANDING];
    wire [7:0]            entered = dut.u_lens.u_words.word_q[newest % OUTSTANDING];
    wire [COUNT_BITS:0]   o_place = dut.u_bursts.u_open.rd_q + sooner - out;
    wire [COUNT_BITS:0]   o_end   = dut.u_bursts.u_open.rd_q + dut.u_bursts.u_open.inside_q - out;
    wire [COUNT_BITS:0]   o_newest = o_end - 1'b1;
    wire [WORD_BITS:0]    o_stored = dut.u_bursts.u_open.u_words.word_q[o_place % OUTSTANDING];
    wire [WORD_BITS:0]    o_entered = dut.u_bursts.u_open.u_words.word_q[o_newest % OUTSTANDING];
    wire [7:0]            cut    = dut.u_bursts.u_splitter.len_q;
    wire [11-BYTE_BITS:0] cut_at = dut.u_bursts.u_splitter.burst_q[11-BYTE_BITS:0];
    wire [12:0]           bytes  = ({5'd0, m_axi_awlen} + 13'd1) << BYTE_BITS;

    always @* begin
        if (begun_q) begin
            aw_held:    assert (aw_kept);
            w_held:     assert (w_kept);
            page_kept:  assert (!m_axi_awvalid
                                || {1'b0, m_axi_awaddr[11:0]} + bytes <= 13'd4096);
            longest:    assert (!m_axi_awvalid || m_axi_awlen < MAX_BURST);
            few:        assert (unanswered + offers <= OUTSTANDING);
            in_burst:   assert (!m_axi_wvalid || open != 0);
            wlast:      assert (!(m_axi_wvalid && due) || m_axi_wlast == (beats_q == len));
            beats:      assert (!given_q
                                || (m_axi_wvalid && {m_axi_wdata, m_axi_wstrb} == beat_q));
            fillers:    assert (!(m_axi_wvalid && !given_q)
                                || (m_axi_wstrb == 0 && (halted_q || w_waits_q)));
            fills:      assert (!late_q || m_axi_wvalid);
            no_more:    assert (!(offers && halted_q));
            stops:      assert (!halts_q || !(s_cmd_ready || s_data_ready || done));
            done_only:  assert (!done || answered_q);
            done_ends:  assert (!mine_q || done == (last_q && calm_q));
            done_fails: assert (!done || done_error == fails_q);
            idle_is:    assert (!idle || !(unanswered != 0 || m_axi_awvalid || m_axi_wvalid));
            answers:    assert (m_axi_bready == !reset_q);
            attributes: assert (m_axi_awid == 0 && m_axi_awsize == BYTE_BITS
                                && m_axi_awburst == 2'b01 && m_axi_awcache == 4'b0011
                                && m_axi_awprot == 3'b010);

            lemma_halts:  assert (dut.stopping == halts_q);
            lemma_counts: assert (sent_q == unanswered + offers - m_axi_awvalid
                                  && filled_q == unanswered - open && open <= unanswered
                                  && (!waits_q || (m_axi_awvalid && unanswered != 0))
                                  && (!w_waits_q || m_axi_wvalid));
            lemma_open:   assert (dut.u_bursts.u_open.inside_q == unanswered + offers
                                  && out == (unanswered != 0)
                                  && dut.u_bursts.u_open.wr_q == o_end % OUTSTANDING
                                  && (!offers || o_entered[WORD_BITS] == went_last_q));
            lemma_lens:   assert (dut.u_lens.inside_q == open + offers - gone
                                  && held == (open != gone)
                                  && dut.u_lens.wr_q == end_of % OUTSTANDING
                                  && (!offers || entered == m_axi_awlen));
            lemma_len:    assert (!follows || (ahead < open
                                  && (due && gone ? beats_q : stands == 0 ? dut.len : stored)
                                  == len));
            lemma_beat:   assert (dut.beat_q == (gone ? 8'd0 : beats_q + m_axi_wvalid)
                                  && (held || dut.beat_q == 0)
                                  && (!(follows && stands == 0) || (due && gone)
                                      || dut.beat_q <= len));
            lemma_ends:   assert (!watches || (sooner < unanswered
                                  && (next ? dut.answer_ends : o_stored[WORD_BITS]) == last));
            lemma_failed: assert (dut.failed_q == (fails_q && !done));
            lemma_cut:    assert (!dut.u_bursts.u_splitter.valid_q || (cut < MAX_BURST
                                  && {1'b0, cut_at} + cut < (4096 >> BYTE_BITS)));
        end
    end

    always @* begin
        before_address: cover (begun_q && rst_n && filled_q != 0 && sent_q == 0);
        all_out:        cover (begun_q && rst_n && unanswered == OUTSTANDING && open == 1
                               && m_axi_awvalid && watches && sooner == 2);
        fills_up:       cover (begun_q && rst_n && halts_q && w_ends && !given_q && due
                               && len == 2);
        one_failed:     cover (begun_q && rst_n && done && done_error && last_q && mine_q
                               && !error_decode && unanswered != 0);
    end

endmodule

`default_nettype wire
