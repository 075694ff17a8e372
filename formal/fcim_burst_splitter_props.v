// SPDX-License-Identifier: Apache-2.0
// fcim_burst_splitter_props: what fcim_burst_splitter promises, in proofs.yaml in words.
`default_nettype none

module fcim_burst_splitter_props #(
    parameter  DATA_BITS = 512,
    parameter  MAX_BURST = 16,
    localparam ADDRESS_BITS = 64,
    localparam BEATS_BITS = 16,
    localparam ROWS_BITS = 18,
    localparam LEN_BITS = 8,
    localparam BYTE_BITS = $clog2(DATA_BITS / 8),
    localparam WORD_BITS = ADDRESS_BITS - BYTE_BITS,
    localparam PAGE_BITS = 12 - BYTE_BITS,
    localparam RUN_BITS = BEATS_BITS + ROWS_BITS,
    localparam CMD_BITS = 2*ADDRESS_BITS + BEATS_BITS + ROWS_BITS
) (
    input  wire                    clk,
    input  wire                    rst_n,
    input  wire                    clear,
    input  wire                    s_cmd_valid,
    input  wire [ADDRESS_BITS-1:0] s_cmd_address,
    input  wire [BEATS_BITS-1:0]   s_cmd_beats,
    input  wire [ROWS_BITS-1:0]    s_cmd_rows,
    input  wire [ADDRESS_BITS-1:0] s_cmd_stride,
    input  wire                    m_burst_ready,
    input  wire                    pick
);

    wire                    s_cmd_ready, m_burst_valid, m_burst_last, empty;
    wire [ADDRESS_BITS-1:0] m_burst_address;
    wire [LEN_BITS-1:0]     m_burst_len;
    fcim_burst_splitter #(.DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST)) dut (
        .clk(clk), .rst_n(rst_n), .clear(clear),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .m_burst_valid(m_burst_valid), .m_burst_ready(m_burst_ready),
        .m_burst_address(m_burst_address), .m_burst_len(m_burst_len), .m_burst_last(m_burst_last),
        .empty(empty)
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    always @* begin
        some_beats: assume (s_cmd_beats != 0 && s_cmd_rows != 0);
        if (!begun_q) begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- a command that is followed, whichever
    wire                    taken = m_burst_valid && m_burst_ready;
    wire [2:0]              count, ahead;
    wire                    watches, due, kept;
    wire [ADDRESS_BITS-1:0] w_address, w_stride;
    wire [BEATS_BITS-1:0]   w_beats;
    wire [ROWS_BITS-1:0]    w_rows;
    fcim_watch #(.WIDTH(CMD_BITS), .MOST(3)) u_watch (
        .clk(clk), .rst_n(rst_n && !clear), .pick(pick), .enters(s_cmd_valid && s_cmd_ready),
        .data({s_cmd_address, s_cmd_stride, s_cmd_beats, s_cmd_rows}),
        .leaves(taken && m_burst_last && count != 0), .count(count), .watches(watches),
        .ahead(ahead), .word({w_address, w_stride, w_beats, w_rows}), .due(due)
    );
    fcim_held #(.WIDTH(ADDRESS_BITS + LEN_BITS + 1)) u_held (
        .clk(clk), .rst_n(rst_n && !clear), .valid(m_burst_valid), .ready(m_burst_ready),
        .data({m_burst_address, m_burst_len, m_burst_last}), .ok(kept)
    );

    // ---- where it is: behind the cut, in the walk, or waiting before it
    wire         cut     = dut.valid_q && dut.last_q;
    wire [2:0]   inside_ = dut.waits_q + dut.walks_q + cut;
    wire         walks   = watches && dut.walks_q && ahead == cut;
    wire         waits   = watches && dut.waits_q && ahead == cut + dut.walks_q;

    // ---- where in that command the next burst has to begin; left: beats of the run, one less
    reg                  fresh_q;           // no burst of it has left
    reg [WORD_BITS-1:0]  address_q, next_q;
    reg [RUN_BITS-1:0]   left_q;
    reg [ROWS_BITS-1:0]  rows_q;            // runs after this one
    wire [WORD_BITS-1:0] start   = w_address[ADDRESS_BITS-1:BYTE_BITS];
    wire [WORD_BITS-1:0] stride  = w_stride[ADDRESS_BITS-1:BYTE_BITS];
    wire                 one_run = (w_rows == 1) || (stride == w_beats);
    wire [RUN_BITS-1:0]  beats   = {{ROWS_BITS{1'b0}}, w_beats};
    reg  [RUN_BITS-1:0]  all_q;             // beats of a command that is one run, as multiplied
    wire [WORD_BITS-1:0] address = fresh_q ? start : address_q;
    wire [WORD_BITS-1:0] next    = fresh_q ? start + stride : next_q;
    wire [RUN_BITS-1:0]  left    = !fresh_q ? left_q : one_run ? all_q - 1'b1 : beats - 1'b1;
    wire [ROWS_BITS-1:0] others  = !fresh_q ? rows_q : one_run ? 18'd0 : w_rows - 1'b1;
    // beats up to the end of the 4 KB, one less; what a burst may have; what this one has
    wire [RUN_BITS-1:0]  page    = {{(RUN_BITS-PAGE_BITS){1'b0}}, ~address[PAGE_BITS-1:0]};
    wire [RUN_BITS-1:0]  most    = (page < MAX_BURST - 1) ? page : MAX_BURST - 1;
    wire [RUN_BITS-1:0]  len     = (left < most) ? left : most;
    wire                 ends    = (len == left);
    wire                 last    = ends && others == 0;
    always @(posedge clk) begin
        if (dut.load && waits) begin
            all_q <= dut.all_beats;
        end
        if (s_cmd_valid && s_cmd_ready && !watches) begin
            fresh_q <= 1'b1;
        end else if (taken && due) begin
            fresh_q   <= 1'b0;
            address_q <= ends ? next : address + len + 1'b1;
            next_q    <= ends ? next + stride : next;
            left_q    <= ends ? beats - 1'b1 : left - len - 1'b1;
            rows_q    <= ends ? others - 1'b1 : others;
        end
    end

    reg [1:0] late_q;          // so many cycles in a row a command was inside and no burst offered
    always @(posedge clk) begin
        late_q <= (!rst_n || clear || count == 0 || m_burst_valid) ? 2'd0
                  : (late_q == 2'd3) ? 2'd3 : late_q + 1'b1;
    end

    // ---- the walk by it
    wire         pending = dut.valid_q && !dut.last_q;    // a burst of the command that walks
    wire [WORD_BITS-1:0] walk_address = !pending ? address : ends ? next : address + len + 1'b1;
    wire [WORD_BITS-1:0] walk_next    = (pending && ends) ? next + stride : next;
    wire [RUN_BITS-1:0]  walk_left    = !pending ? left : ends ? beats - 1'b1 : left - len - 1'b1;
    wire [ROWS_BITS-1:0] walk_rows    = (pending && ends) ? others - 1'b1 : others;
    wire [12:0] bytes = {5'd0, m_burst_len} + 13'd1;      // beats, of a beat's bytes each

    reg  [RUN_BITS-1:0] expected;
    wire [RUN_BITS-1:0] once = {{ROWS_BITS{1'b0}}, dut.w_beats_q};
    always @* begin
        case (dut.w_rows_q)
            18'd1:   expected = once;
            18'd2:   expected = once << 1;
            18'd3:   expected = (once << 1) + once;
            18'd4:   expected = once << 2;
            default: expected = {RUN_BITS{1'b0}};
        endcase
    end

    always @* begin
        if (begun_q) begin
            covers:    assert (!(m_burst_valid && due) || (m_burst_address == {address,
                               {BYTE_BITS{1'b0}}} && {{(RUN_BITS-LEN_BITS){1'b0}}, m_burst_len}
                               == len));
            last_one:  assert (!(m_burst_valid && due) || m_burst_last == last);
            page_kept: assert (!m_burst_valid
                               || {1'b0, m_burst_address[11:0]} + (bytes << BYTE_BITS) <= 13'd4096);
            longest:   assert (!m_burst_valid || m_burst_len < MAX_BURST);
            nothing:   assert (!m_burst_valid || count != 0);
            held:      assert (kept);
            soon:      assert (late_q < 2'd2 || m_burst_valid);
            is_empty:  assert (empty == (count == 0));
            product:   assert (dut.w_rows_q > 4 || dut.all_beats == expected);
            clears:    assert (!clear || !s_cmd_ready);

            lemma_count: assert (inside_ == count && (!pending || dut.walks_q));
            lemma_ahead: assert (!watches || ahead < count);
            lemma_late:  assert (late_q == 0 || late_q == 1 && (dut.walks_q || dut.valid_q)
                                 || late_q == 2 && dut.valid_q);
            lemma_raw:   assert (!waits || (fresh_q && dut.w_address_q == start
                                 && dut.w_stride_q == stride && dut.w_beats_q == w_beats
                                 && dut.w_rows_q == w_rows));
            lemma_some:  assert (!watches || (w_beats != 0 && w_rows != 0));
            lemma_cut:   assert (!(watches && cut && ahead == 0)
                                 || (dut.burst_q == address && dut.len_q == len && last));
            lemma_walk:  assert (!walks || (dut.address_q == walk_address
                                 && dut.left_q == walk_left && dut.rows_q == walk_rows
                                 && (walk_rows == 0 || dut.next_q == walk_next)
                                 && dut.stride_q == stride && dut.beats_q == beats - 1'b1));
            lemma_burst: assert (!(walks && pending) || (dut.burst_q == address
                                 && dut.len_q == len && !last));
            lemma_legal: assert (!dut.valid_q || (dut.len_q < MAX_BURST && {1'b0,
                                 dut.burst_q[PAGE_BITS-1:0]} + dut.len_q < (1 << PAGE_BITS)));
        end
    end

    always @* begin
        page_ends:  cover (begun_q && rst_n && m_burst_valid && due && !fresh_q && m_burst_last
                           && others == 0 && m_burst_len != 0 && w_rows == 2 && !one_run);
        next_page:  cover (begun_q && rst_n && m_burst_valid && due && page < MAX_BURST - 1
                           && len == page && !ends);
        three_in:   cover (begun_q && rst_n && count == 3 && watches && ahead == 2);
    end

endmodule

`default_nettype wire
