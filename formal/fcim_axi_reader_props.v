// SPDX-License-Identifier: Apache-2.0
// fcim_axi_reader_props: what fcim_axi_reader promises, in proofs.yaml in words.
`default_nettype none

module fcim_axi_reader_props #(
    parameter  DATA_BITS = 512,
    parameter  MAX_BURST = 16,
    parameter  OUTSTANDING = 4,
    parameter  BUFFER_BEATS = 32,
    localparam BYTE_BITS = $clog2(DATA_BITS / 8),
    localparam WORD_BITS = 64 - BYTE_BITS,
    localparam COUNT_BITS = $clog2(OUTSTANDING + 2),
    localparam FREE_BITS = $clog2(BUFFER_BEATS + 2) + 1
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
    input  wire                 m_data_ready,
    input  wire                 m_axi_arready,
    input  wire                 m_axi_rvalid,
    input  wire                 m_axi_rid,
    input  wire [DATA_BITS-1:0] m_axi_rdata,
    input  wire [1:0]           m_axi_rresp,
    input  wire                 m_axi_rlast,
    input  wire                 pick,          // follow the burst whose address is offered now
    input  wire                 pick_beat      // follow the beat that is read now
);

    wire                 idle, s_cmd_ready, m_data_valid, m_data_error, m_data_last, m_axi_arvalid;
    wire                 m_axi_arid, m_axi_rready, error_slave, error_decode;
    wire [DATA_BITS-1:0] m_data_data;
    wire [63:0]          m_axi_araddr, error_address;
    wire [7:0]           m_axi_arlen;
    wire [2:0]           m_axi_arsize, m_axi_arprot;
    wire [1:0]           m_axi_arburst;
    wire [3:0]           m_axi_arcache;
    fcim_axi_reader #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING),
        .BUFFER_BEATS(BUFFER_BEATS)
    ) dut (
        .clk(clk), .rst_n(rst_n), .stop(stop), .clear(clear), .idle(idle),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .m_data_valid(m_data_valid), .m_data_ready(m_data_ready), .m_data_data(m_data_data),
        .m_data_error(m_data_error), .m_data_last(m_data_last),
        .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready), .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst), .m_axi_arcache(m_axi_arcache),
        .m_axi_arprot(m_axi_arprot), .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready),
        .m_axi_rid(m_axi_rid), .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp),
        .m_axi_rlast(m_axi_rlast), .error_slave(error_slave), .error_decode(error_decode),
        .error_address(error_address)
    );

    // ---- stop; the first cycle in which an address is offered; addresses that were taken, whose
    // last beat has not come; beats of those and of one that waits to be taken, which have not come
    wire [COUNT_BITS-1:0] open, sooner;
    wire [FREE_BITS-2:0]  number, ahead;
    reg                  begun_q = 1'b0;
    reg                  reset_q, halts_q, halted_q, waits_q, went_last_q, late_q, stuck_q;
    reg [COUNT_BITS-1:0] sent_q;
    reg [FREE_BITS-1:0]  owed_q;
    wire                 answer   = m_axi_rvalid && m_axi_rready;
    wire                 ends     = answer && m_axi_rlast;
    wire                 offers   = m_axi_arvalid && !waits_q;
    wire                 ar_taken = m_axi_arvalid && m_axi_arready;
    wire [FREE_BITS-1:0] asks     = m_axi_arlen + 8'd1;
    wire [FREE_BITS-1:0] fresh    = offers ? asks : {FREE_BITS{1'b0}};
    wire                 ar_kept, kept;
    always @(posedge clk) begin
        begun_q  <= 1'b1;
        reset_q  <= !rst_n;
        halts_q  <= rst_n && (stop || (halts_q && !idle));
        halted_q <= rst_n && halts_q;
        waits_q  <= rst_n && m_axi_arvalid && !m_axi_arready;
        late_q   <= rst_n && number != 0 && !m_data_valid;
        stuck_q  <= rst_n && halts_q && number != 0 && !dut.beat_leaves;
        if (!rst_n) begin
            sent_q <= {COUNT_BITS{1'b0}};
            owed_q <= {FREE_BITS{1'b0}};
        end else begin
            sent_q <= sent_q + {{(COUNT_BITS-1){1'b0}}, ar_taken}
                             - {{(COUNT_BITS-1){1'b0}}, ends};
            owed_q <= owed_q + fresh
                             - {{(FREE_BITS-1){1'b0}}, answer};
        end
        if (dut.go) begin
            went_last_q <= dut.u_bursts.burst_last;
        end
    end
    always @* begin
        some_beats: assume (s_cmd_beats != 0 && s_cmd_rows != 0);
        if (begun_q) begin
            asked_for: assume (!m_axi_rvalid || (sent_q != 0 && owed_q != 0));
        end else begin
            reset_first: assume (!rst_n);
        end
    end
    fcim_held #(.WIDTH(72)) u_ar_held (
        .clk(clk), .rst_n(rst_n), .valid(m_axi_arvalid), .ready(m_axi_arready),
        .data({m_axi_araddr, m_axi_arlen}), .ok(ar_kept)
    );
    fcim_held #(.WIDTH(DATA_BITS + 2)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_data_valid), .ready(m_data_ready),
        .data({m_data_last, m_data_error, m_data_data}), .ok(kept)
    );

    // ---- a burst from its address to its last beat; a beat in the buffer, of which it is known
    // whether it ends its command if its burst is the one that is followed
    wire                  watches, next, last, follows, due, known, ends_cmd, error;
    wire [DATA_BITS-1:0]  data;
    fcim_watch #(.WIDTH(1), .MOST(OUTSTANDING)) u_bursts (
        .clk(clk), .rst_n(rst_n), .pick(pick), .enters(offers), .data(went_last_q),
        .leaves(ends), .count(open), .watches(watches), .ahead(sooner), .word(last), .due(next)
    );
    fcim_watch #(.WIDTH(DATA_BITS + 3), .MOST(BUFFER_BEATS)) u_beats (
        .clk(clk), .rst_n(rst_n), .pick(pick_beat), .enters(answer),
        .data({next, m_axi_rlast && last, m_axi_rresp[1], m_axi_rdata}),
        .leaves(dut.beat_leaves), .count(number), .watches(follows), .ahead(ahead),
        .word({known, ends_cmd, error, data}), .due(due)
    );

    // ---- where bursts and beats stand in the RTL
    wire                  out     = dut.u_bursts.u_open.valid_q;
    wire [COUNT_BITS:0]   o_place = dut.u_bursts.u_open.rd_q + sooner - out;
    wire [COUNT_BITS:0]   o_end   = dut.u_bursts.u_open.rd_q + dut.u_bursts.u_open.inside_q - out;
    wire [COUNT_BITS:0]   o_newest = o_end - 1'b1;
    wire [WORD_BITS:0]    o_stored = dut.u_bursts.u_open.u_words.word_q[o_place % OUTSTANDING];
    wire [WORD_BITS:0]    o_entered = dut.u_bursts.u_open.u_words.word_q[o_newest % OUTSTANDING];
    wire                  offered = dut.u_buffer.valid_q;
    wire [FREE_BITS-1:0]  place   = dut.u_buffer.rd_q + ahead - offered;
    wire [FREE_BITS-1:0]  end_of  = dut.u_buffer.rd_q + number - offered;
    wire [DATA_BITS+1:0]  stored  = dut.u_buffer.u_words.word_q[place % BUFFER_BEATS];
    wire [DATA_BITS+1:0]  beat    = (due && offered) ? {m_data_last, m_data_error, m_data_data}
                                  : stored;
    wire [FREE_BITS-1:0]  promised = owed_q + fresh + number;
    wire [7:0]            cut     = dut.u_bursts.u_splitter.len_q;
    wire [11-BYTE_BITS:0] cut_at  = dut.u_bursts.u_splitter.burst_q[11-BYTE_BITS:0];
    wire [12:0]           bytes   = ({5'd0, m_axi_arlen} + 13'd1) << BYTE_BITS;

    always @* begin
        if (begun_q) begin
            ar_held:    assert (ar_kept);
            page_kept:  assert (!m_axi_arvalid
                                || {1'b0, m_axi_araddr[11:0]} + bytes <= 13'd4096);
            longest:    assert (!m_axi_arvalid || m_axi_arlen < MAX_BURST);
            few:        assert (open + offers <= OUTSTANDING);
            with_room:  assert (promised <= BUFFER_BEATS);
            lost:       assert (!answer || dut.u_buffer.s_ready);
            order:      assert (!(m_data_valid && due)
                                || {m_data_error, m_data_data} == {error, data});
            marks:      assert (!(m_data_valid && due && known) || m_data_last == ends_cmd);
            nothing:    assert (!m_data_valid || number != 0);
            data_held:  assert (kept || halts_q);
            soon:       assert (!late_q || m_data_valid || halts_q);
            no_more:    assert (!(offers && halted_q));
            stops:      assert (!halts_q || !(s_cmd_ready || m_data_valid));
            drops:      assert (!(stuck_q && halts_q) || dut.beat_leaves);
            idle_is:    assert (!idle || !(open != 0 || number != 0 || m_axi_arvalid));
            answers:    assert (m_axi_rready == !reset_q);
            attributes: assert (m_axi_arid == 0 && m_axi_arsize == BYTE_BITS
                                && m_axi_arburst == 2'b01 && m_axi_arcache == 4'b0011
                                && m_axi_arprot == 3'b010);

            lemma_halts:  assert (dut.stopping == halts_q);
            lemma_counts: assert (sent_q == open + offers - m_axi_arvalid
                                  && (!waits_q || (m_axi_arvalid && open != 0)));
            lemma_free:   assert (dut.free_q + promised == BUFFER_BEATS
                                  && owed_q <= BUFFER_BEATS && number <= BUFFER_BEATS
                                  && dut.free_q <= BUFFER_BEATS);
            lemma_open:   assert (dut.u_bursts.u_open.inside_q == open + offers
                                  && out == (open != 0)
                                  && dut.u_bursts.u_open.wr_q == o_end % OUTSTANDING
                                  && (!offers || o_entered[WORD_BITS] == went_last_q));
            lemma_ends:   assert (!watches || (sooner < open
                                  && (next ? dut.answer_ends : o_stored[WORD_BITS]) == last));
            lemma_inside: assert (dut.u_buffer.inside_q == number && (!offered || number != 0)
                                  && dut.u_buffer.wr_q == end_of % BUFFER_BEATS);
            lemma_beat:   assert (!follows || (ahead < number
                                  && beat[DATA_BITS:0] == {error, data}
                                  && (!known || beat[DATA_BITS+1] == ends_cmd)));
            lemma_cut:    assert (!dut.u_bursts.u_splitter.valid_q || (cut < MAX_BURST
                                  && {1'b0, cut_at} + cut < (4096 >> BYTE_BITS)));
        end
    end

    always @* begin
        all_out:   cover (begun_q && rst_n && open == OUTSTANDING && m_axi_arvalid && answer);
        no_room:   cover (begun_q && rst_n && owed_q == BUFFER_BEATS - 1 && number == 1
                          && dut.u_bursts.burst_valid);
        last_one:  cover (begun_q && rst_n && m_data_valid && due && known && ends_cmd && error
                          && number == 2);
        dropped:   cover (begun_q && rst_n && halts_q && due && dut.beat_leaves && sent_q != 0);
    end

endmodule

`default_nettype wire
