// SPDX-License-Identifier: Apache-2.0
// fcim_key_scheduler_props: what fcim_key_scheduler promises, in proofs.yaml in words.
`default_nettype none

module fcim_key_scheduler_props #(
    parameter  KEYS_PER_BLOCK = 16,
    parameter  MAX_KEYS = 131072,
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam INDEX_BITS = $clog2(MAX_KEYS),
    localparam W = INDEX_BITS + 3      // no sum of keys wraps
) (
    input  wire                  clk,
    input  wire                  rst_n,
    input  wire                  s_tile_valid,
    input  wire [INDEX_BITS:0]   s_tile_keys,
    input  wire [1:0]            s_tile_schedule,
    input  wire                  m_blk_ready,
    input  wire [INDEX_BITS-1:0] key            // any one of the tile's keys, always the same
);

    wire                  s_tile_ready, m_blk_valid, m_blk_last;
    wire [INDEX_BITS-1:0] m_blk_start;
    wire [KEY_BITS:0]     m_blk_count;
    fcim_key_scheduler #(.KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_tile_valid(s_tile_valid), .s_tile_ready(s_tile_ready), .s_tile_keys(s_tile_keys),
        .s_tile_schedule(s_tile_schedule),
        .m_blk_valid(m_blk_valid), .m_blk_ready(m_blk_ready), .m_blk_start(m_blk_start),
        .m_blk_count(m_blk_count), .m_blk_last(m_blk_last)
    );

    reg begun_q = 1'b0;
    reg [INDEX_BITS-1:0] key_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        key_q   <= key;
    end
    always @* begin
        legal_length: assume (s_tile_keys != 0 && s_tile_keys <= MAX_KEYS);
        if (begun_q) begin
            one_key: assume (key == key_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- the tile whose blocks are named, and the one that waits
    reg         walks_q, waits_q, seen_q;
    reg [W-1:0] keys_q, named_q, next_keys_q;       // named: keys of the tile in blocks so far
    reg [1:0]   schedule_q, next_schedule_q;
    wire        accepts = s_tile_valid && s_tile_ready;
    wire        taken   = m_blk_valid && m_blk_ready;
    wire        ends    = taken && (named_q + m_blk_count >= keys_q);
    wire        free    = !walks_q || ends;
    wire [W-1:0] k       = {3'b000, key};
    wire        has_key = (k >= m_blk_start) && (k < m_blk_start + m_blk_count);
    always @(posedge clk) begin
        if (!rst_n) begin
            walks_q <= 1'b0;
            waits_q <= 1'b0;
        end else if (free) begin
            walks_q <= waits_q || accepts;
            waits_q <= 1'b0;
        end else if (accepts) begin
            waits_q <= 1'b1;
        end
        if (free) begin
            keys_q     <= waits_q ? next_keys_q : {2'b00, s_tile_keys};
            schedule_q <= waits_q ? next_schedule_q : s_tile_schedule;
            named_q    <= {W{1'b0}};
            seen_q     <= 1'b0;
        end else if (taken) begin
            named_q    <= named_q + m_blk_count;
            seen_q     <= seen_q || has_key;
        end
        if (accepts) begin
            next_keys_q     <= {2'b00, s_tile_keys};
            next_schedule_q <= s_tile_schedule;
        end
    end

    // ---- the block that is due, of the four orders; `left` counts what is not named yet
    localparam [W-1:0] B = KEYS_PER_BLOCK;
    wire [W-1:0] left  = keys_q - named_q;
    wire [W-1:0] count = (left < B) ? left : B;
    wire [W-1:0] down  = left - count;              // the newest that are left of a run from 0
    wire         many  = (keys_q > B);
    reg  [W-1:0] start;
    reg          named;                             // `key` is in one of the blocks so far
    always @* begin
        start = named_q;
        named = (k < named_q);
        if (schedule_q == 2'd1 || (schedule_q != 2'd0 && !many)) begin
            start = down;
            named = (k >= left);
        end else if (schedule_q == 2'd2) begin
            start = (named_q == 0) ? keys_q - B : (named_q == B) ? {W{1'b0}} : down + B;
            named = (named_q != 0) && (k >= keys_q - B
                    || (named_q != B && (k < B || k >= left + B)));
        end else if (schedule_q == 2'd3) begin
            start = (named_q == 0) ? keys_q - B : named_q - B;
            named = (named_q != 0) && (k >= keys_q - B || k < named_q - B);
        end
    end

    // ---- the walk's registers by what was named
    wire [2:0] order = (schedule_q == 2'd0) ? dut.UP
                     : (schedule_q == 2'd1) ? dut.DOWN
                     : (schedule_q == 2'd3) ? ((named_q == 0) ? dut.ASCENDS : dut.UP)
                     : (named_q == 0) ? dut.DIAGONAL : (named_q == B) ? dut.SINK : dut.BETWEEN;
    wire [W-1:0] upwards = (schedule_q == 2'd3 && named_q != 0) ? named_q - B : named_q;

    always @* begin
        if (begun_q) begin
            ready:     assert (s_tile_ready == !waits_q);
            soon:      assert (m_blk_valid == walks_q);
            no_twice:  assert (!(m_blk_valid && has_key) || !seen_q);
            none_lost: assert (!(m_blk_valid && m_blk_last) || seen_q || has_key || k >= keys_q);
            no_other:  assert (!m_blk_valid || (m_blk_count != 0
                               && m_blk_start + m_blk_count <= keys_q));
            whole:     assert (!m_blk_valid || m_blk_last || m_blk_count == B);
            last:      assert (!m_blk_valid || m_blk_last == (named_q + m_blk_count == keys_q));
            order_of:  assert (!m_blk_valid || (m_blk_start == start && m_blk_count == count));

            lemma_state: assert (dut.walks_q == walks_q && dut.waits_q == waits_q);
            lemma_next:  assert (!waits_q || (walks_q && next_keys_q == {2'b00, dut.waits_keys_q}
                                 && next_schedule_q == dut.waits_schedule_q
                                 && next_keys_q != 0 && next_keys_q <= MAX_KEYS));
            lemma_left:  assert (!walks_q || ({2'b00, dut.left_q} == left && named_q < keys_q
                                 && keys_q <= MAX_KEYS && named_q[KEY_BITS-1:0] == 0));
            lemma_order: assert (!walks_q || dut.order_q == order);
            lemma_up:    assert (!walks_q || order != dut.UP && order != dut.ASCENDS
                                 || {dut.up_q, {KEY_BITS{1'b0}}} == upwards);
            lemma_seen:  assert (!walks_q || seen_q == (named && k < keys_q));
        end
    end

    always @* begin
        between_and_ragged: cover (begun_q && rst_n && m_blk_valid && m_blk_last && waits_q
                                   && schedule_q == 2'd2 && m_blk_count == 1 && named_q == 3*B);
        tile_after_tile:    cover (begun_q && rst_n && m_blk_valid && m_blk_ready && ends && waits_q
                                   && schedule_q == 2'd3 && many && next_schedule_q == 2'd1);
    end

endmodule

`default_nettype wire
