// SPDX-License-Identifier: Apache-2.0
// fcim_kv_loader_props: what fcim_kv_loader promises, in proofs.yaml in words. What an address is
// made of is looked at where it goes into fcim_address, whose products are not part of this proof.
`default_nettype none

module fcim_kv_loader_props #(
    parameter  ENGINES = 4,
    parameter  HEAD_DIM = 16,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  MAX_KEYS = 128,
    parameter  BUFFER_KEYS = 64,
    parameter  DATA_BITS = 128,
    localparam SLOTS = ENGINES,
    localparam SLOT_BITS = $clog2(SLOTS),
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam BLOCK_BITS = $clog2(MAX_KEYS) - KEY_BITS,
    localparam BLOCKS_BITS = BLOCK_BITS + 1,
    localparam BASE_BITS = $clog2(BUFFER_KEYS) - KEY_BITS,
    localparam COUNT_BITS = BASE_BITS + 1,
    localparam PAGES = 1 << BASE_BITS,
    localparam HALF = PAGES / 2,           // of a stream
    localparam SHARE = PAGES / ENGINES     // of an engine
) (
    input  wire                   clk,
    input  wire                   rst_n,
    input  wire                   call_decode,
    input  wire                   call_streamed,
    input  wire [63:0]            call_k,
    input  wire [63:0]            call_v,
    input  wire [63:0]            call_k_table,
    input  wire [31:0]            call_k_token_stride,
    input  wire [31:0]            call_k_head_stride,
    input  wire [31:0]            call_v_token_stride,
    input  wire [31:0]            call_v_head_stride,
    input  wire [31:0]            call_k_table_stride,
    input  wire                   s_run_valid,
    input  wire [SLOT_BITS-1:0]   s_run_slot,
    input  wire [7:0]             s_run_head,
    input  wire [BLOCK_BITS-1:0]  s_run_first,
    input  wire [BLOCKS_BITS-1:0] s_run_blocks,
    input  wire                   s_run_descending,
    input  wire [SLOTS-1:0]       freed,
    input  wire                   head_freed,
    input  wire                   head_freed_slot,
    input  wire                   loaded,
    input  wire [SLOT_BITS-1:0]   loaded_slot,
    input  wire                   m_load_ready,
    input  wire                   pick,          // follow the page that a block gets now
    input  wire                   pick_command   // follow the command that is made now
);

    wire                     idle, s_run_ready, m_load_valid;
    wire [2*BASE_BITS-1:0]   head_base;
    wire [2*BLOCKS_BITS-1:0] head_asked, head_loaded;
    wire [1:0]               m_load_kind;
    wire [SLOT_BITS-1:0]     m_load_slot;
    wire [BASE_BITS-1:0]     m_load_page;
    wire [15:0]              m_load_beats;
    wire [17:0]              m_load_rows;
    wire [63:0]              m_load_stride;
    fcim_kv_loader #(
        .ENGINES(ENGINES), .HEAD_DIM(HEAD_DIM), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .MAX_KEYS(MAX_KEYS), .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS)
    ) dut (
        .clk(clk), .rst_n(rst_n), .idle(idle), .call_decode(call_decode),
        .call_streamed(call_streamed), .call_k(call_k), .call_v(call_v),
        .call_k_table(call_k_table), .call_k_token_stride(call_k_token_stride),
        .call_k_head_stride(call_k_head_stride), .call_v_token_stride(call_v_token_stride),
        .call_v_head_stride(call_v_head_stride), .call_k_table_stride(call_k_table_stride),
        .s_run_valid(s_run_valid), .s_run_ready(s_run_ready), .s_run_slot(s_run_slot),
        .s_run_head(s_run_head), .s_run_first(s_run_first), .s_run_blocks(s_run_blocks),
        .s_run_descending(s_run_descending), .freed(freed), .head_freed(head_freed),
        .head_freed_slot(head_freed_slot), .loaded(loaded), .loaded_slot(loaded_slot),
        .head_base(head_base), .head_asked(head_asked), .head_loaded(head_loaded),
        .m_load_valid(m_load_valid), .m_load_ready(m_load_ready), .m_load_kind(m_load_kind),
        .m_load_slot(m_load_slot), .m_load_page(m_load_page), .m_load_address(),
        .m_load_beats(m_load_beats), .m_load_rows(m_load_rows), .m_load_stride(m_load_stride)
    );

    // ---- each slot's run: what it is, how many of its blocks have a page, how many of those are
    // not free, and where it begins in the ring
    wire                         resident = !call_decode && !call_streamed;
    wire                         accept = s_run_valid && s_run_ready;
    wire                         take   = dut.take;
    wire [SLOT_BITS-1:0]         slot   = dut.slot_q;
    reg  [COUNT_BITS-1:0]        ring_q;
    wire [SLOTS*8-1:0]           head;
    wire [SLOTS*BLOCK_BITS-1:0]  first;
    wire [SLOTS*BLOCKS_BITS-1:0] blocks, given, left;
    wire [SLOTS*COUNT_BITS-1:0]  used, base;
    wire [SLOTS-1:0]             descending, alive, works, holds;
    wire [SLOTS-1:0]             ok_run, ok_place, ok_count;
    genvar s;
    generate
        for (s = 0; s < SLOTS; s = s + 1) begin : g_slot
            reg  [7:0]             head_q;
            reg  [BLOCK_BITS-1:0]  first_q;
            reg  [BLOCKS_BITS-1:0] blocks_q, given_q;
            reg                    descending_q;
            reg  [COUNT_BITS-1:0]  used_q, base_q;
            wire                   begins = accept && s_run_slot == s;
            wire                   gives  = take && slot == s;
            wire                   frees  = freed[s] && !resident;
            wire                   clears = head_freed && resident && head_freed_slot == s;
            always @(posedge clk) begin
                if (!rst_n) begin
                    blocks_q <= {BLOCKS_BITS{1'b0}};
                    given_q  <= {BLOCKS_BITS{1'b0}};
                    used_q   <= {COUNT_BITS{1'b0}};
                end else begin
                    if (begins) begin
                        blocks_q <= s_run_blocks;
                        given_q  <= {BLOCKS_BITS{1'b0}};
                    end else if (gives) begin
                        given_q  <= given_q + 1'b1;
                    end
                    used_q <= clears ? {COUNT_BITS{1'b0}}
                            : used_q + {{(COUNT_BITS-1){1'b0}}, gives}
                                     - {{(COUNT_BITS-1){1'b0}}, frees};
                end
                if (begins) begin
                    head_q       <= s_run_head;
                    first_q      <= s_run_first;
                    descending_q <= s_run_descending;
                    base_q       <= ring_q;
                end
            end
            assign head[s*8 +: 8]                        = head_q;
            assign first[s*BLOCK_BITS +: BLOCK_BITS]     = first_q;
            assign blocks[s*BLOCKS_BITS +: BLOCKS_BITS]  = blocks_q;
            assign given[s*BLOCKS_BITS +: BLOCKS_BITS]   = given_q;
            assign left[s*BLOCKS_BITS +: BLOCKS_BITS]    = blocks_q - given_q;
            assign used[s*COUNT_BITS +: COUNT_BITS]      = used_q;
            assign base[s*COUNT_BITS +: COUNT_BITS]      = base_q;
            assign descending[s] = descending_q;
            assign works[s]      = (given_q != blocks_q);
            assign holds[s]      = (used_q != 0);
            assign alive[s]      = works[s] || holds[s];

            wire [BLOCK_BITS-1:0]  offset = descending_q ? blocks_q - 1'b1 - given_q : given_q;
            wire [8+BLOCK_BITS:0]  run    = dut.u_runs.word_q[s];
            wire [2*BLOCK_BITS:0]  place  = dut.u_places.word_q[s];
            assign ok_run[s]   = !works[s] || run == {head_q, first_q, descending_q};
            assign ok_place[s] = !works[s] || place == {offset, blocks_q - given_q};
            assign ok_count[s] = dut.work_q[s] == works[s] && dut.used_q[s] == used_q
                                 && given_q <= blocks_q && blocks_q <= (1 << BLOCK_BITS)
                                 && used_q <= given_q
                                 && (!works[s] || {1'b0, first_q} + blocks_q <= (1 << BLOCK_BITS))
                                 && (!alive[s] || used_q <= (resident ? PAGES
                                     : call_decode ? SHARE : HALF))
                                 && (!alive[s] || s < 2 || call_decode)
                                 && (!(alive[s] && resident) || (blocks_q <= PAGES
                                     && used_q == given_q && first_q == 0));
        end
    endgenerate

    // ---- of two runs, which is the older one; the calls' modes; a block and its page
    reg                    begun_q = 1'b0;
    reg                    older_q;
    reg  [1:0]             mode_q;
    wire [BLOCKS_BITS-1:0] count  = blocks[slot*BLOCKS_BITS +: BLOCKS_BITS];
    wire [BLOCKS_BITS-1:0] number = given[slot*BLOCKS_BITS +: BLOCKS_BITS];
    wire [BLOCK_BITS-1:0]  offset = descending[slot] ? count - 1'b1 - number : number;
    wire [BLOCK_BITS-1:0]  block  = first[slot*BLOCK_BITS +: BLOCK_BITS] + offset;
    wire [BASE_BITS-1:0]   begins = base[slot*COUNT_BITS +: BASE_BITS];
    wire [BASE_BITS-1:0]   page   = resident ? begins + block
                                  : call_streamed ? slot[0]*HALF + block % HALF
                                  : slot*SHARE + offset % SHARE;
    wire                   clear_older = head_freed && resident && head_freed_slot == older_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        mode_q  <= {call_decode, call_streamed};
        if (!rst_n) begin
            ring_q  <= {COUNT_BITS{1'b0}};
        end else if (accept && resident) begin
            ring_q  <= ring_q + s_run_blocks[COUNT_BITS-1:0];
        end
        if (accept) begin
            older_q <= alive[!s_run_slot[0]] ? !s_run_slot[0] : s_run_slot[0];
        end else if (!alive[older_q]) begin
            older_q <= !older_q;
        end
    end
    always @* begin
        one_mode:    assume (!(call_decode && call_streamed));
        whole_runs:  assume (s_run_blocks != 0
                             && {1'b0, s_run_first} + s_run_blocks <= (1 << BLOCK_BITS)
                             && (call_decode || s_run_slot < 2)
                             && (!resident || (s_run_first == 0 && s_run_blocks <= PAGES)));
        frees_used:  assume (resident || (freed & ~holds) == 0);
        frees_heads: assume (!(head_freed && resident) || (holds[head_freed_slot]
                             && !works[head_freed_slot]
                             && (head_freed_slot == older_q || !alive[older_q])));
        if (begun_q) begin
            mode_stays: assume (!(alive != 0 || !idle) || mode_q == {call_decode, call_streamed});
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- the block that got a page last, and which of its commands comes next; the page that is
    // followed, until it is free
    reg  [1:0]             kind_q;
    reg                    asks_q, took_q;
    reg  [SLOT_BITS-1:0]   slot_q, home_q;
    reg  [BASE_BITS-1:0]   page_q, place_q;
    reg  [BLOCK_BITS-1:0]  block_q;
    reg  [7:0]             head_q;
    reg                    follows_q;
    reg  [BLOCKS_BITS-1:0] which_q;            // of its run
    wire                   makes = dut.u_address.s_address_valid && dut.u_address.s_address_ready;
    wire                   goes  = m_load_valid && m_load_ready;
    wire [BLOCKS_BITS-1:0] since = given[home_q*BLOCKS_BITS +: BLOCKS_BITS] - which_q;
    wire                   free  = resident ? head_freed && head_freed_slot == home_q
                                 : freed[home_q] && since == used[home_q*COUNT_BITS +: COUNT_BITS];
    always @(posedge clk) begin
        if (!rst_n) begin
            asks_q    <= 1'b0;
            follows_q <= 1'b0;
        end else begin
            asks_q    <= take || (asks_q && !(makes && kind_q == 2));
            follows_q <= follows_q ? !free : (take && pick);
        end
        if (take) begin
            slot_q  <= slot;
            page_q  <= page;
            block_q <= block;
            head_q  <= head[slot*8 +: 8];
            kind_q  <= 2'd0;
        end else if (makes) begin
            kind_q  <= kind_q + 1'b1;
        end
        if (take && !follows_q) begin
            home_q  <= slot;
            place_q <= page;
            which_q <= number;
        end
    end
    wire [23:0] key     = {{(24-BLOCK_BITS-KEY_BITS){1'b0}}, block_q, {KEY_BITS{1'b0}}};
    wire        rows_ok = dut.u_address.s_address_i == head_q && (kind_q == 0
        ? dut.u_address.s_address_base == call_k_table && dut.u_address.s_address_j == block_q
          && dut.u_address.s_address_i_stride == call_k_table_stride
          && dut.u_address.s_address_j_stride == 4 * KEYS_PER_BLOCK
        : kind_q == 1
        ? dut.u_address.s_address_base == call_k && dut.u_address.s_address_j == key
          && dut.u_address.s_address_i_stride == call_k_head_stride
          && dut.u_address.s_address_j_stride == call_k_token_stride
        : dut.u_address.s_address_base == call_v && dut.u_address.s_address_j == key
          && dut.u_address.s_address_i_stride == call_v_head_stride
          && dut.u_address.s_address_j_stride == call_v_token_stride);

    // ---- commands from there on
    localparam TAG_BITS = 2 + SLOT_BITS + BASE_BITS;
    wire [2:0]          under_way, ahead;
    wire                watches, due, kept;
    wire [TAG_BITS-1:0] tag;
    fcim_watch #(.WIDTH(TAG_BITS), .MOST(3)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick_command), .enters(makes),
        .data({kind_q, slot_q, page_q}), .leaves(goes), .count(under_way), .watches(watches),
        .ahead(ahead), .word(tag), .due(due)
    );
    fcim_held #(.WIDTH(TAG_BITS)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_load_valid), .ready(m_load_ready),
        .data({m_load_kind, m_load_slot, m_load_page}), .ok(kept)
    );

    // ---- heads of the ring: blocks that were asked for by all three commands, and that are there
    wire [1:0] ok_head, ok_base;
    genvar h;
    generate
        for (h = 0; h < 2; h = h + 1) begin : g_head
            reg  [BLOCKS_BITS-1:0] asked_q, loaded_q;
            reg                    begun_q;
            wire                   begins = accept && s_run_slot == h;
            always @(posedge clk) begin
                begun_q <= rst_n && (begun_q || begins);
                if (!rst_n || begins) begin
                    asked_q  <= {BLOCKS_BITS{1'b0}};
                    loaded_q <= {BLOCKS_BITS{1'b0}};
                end else begin
                    asked_q  <= asked_q + (goes && m_load_slot == h && m_load_kind == 2);
                    loaded_q <= loaded_q + (loaded && loaded_slot == h);
                end
            end
            assign ok_head[h] = head_asked[h*BLOCKS_BITS +: BLOCKS_BITS] == asked_q
                && head_loaded[h*BLOCKS_BITS +: BLOCKS_BITS] == loaded_q
                && (!begun_q || head_base[h*BASE_BITS +: BASE_BITS]
                                == base[h*COUNT_BITS +: BASE_BITS]);
            assign ok_base[h] = (!alive[h] || begun_q)
                && (!begun_q || dut.base_q[h] == base[h*COUNT_BITS +: COUNT_BITS]);
        end
    endgenerate

    // ---- of the RTL: a slot that is being looked at, the ring
    wire                   looks  = dut.state_q[1] || dut.state_q[2];
    wire                   turn   = dut.turn_q;
    wire [COUNT_BITS-1:0]  older_base  = base[older_q*COUNT_BITS +: COUNT_BITS];
    wire [COUNT_BITS-1:0]  newer_base  = base[!older_q*COUNT_BITS +: COUNT_BITS];
    wire [COUNT_BITS-1:0]  older_count = blocks[older_q*BLOCKS_BITS +: COUNT_BITS];
    wire [COUNT_BITS-1:0]  newer_count = blocks[!older_q*BLOCKS_BITS +: COUNT_BITS];
    wire                   both   = alive[1:0] == 2'b11;
    wire [BLOCKS_BITS-1:0] its_count  = blocks[home_q*BLOCKS_BITS +: BLOCKS_BITS];
    wire [BLOCK_BITS-1:0]  its_offset = descending[home_q] ? its_count - 1'b1 - which_q : which_q;
    wire [BLOCK_BITS-1:0]  its_block  = first[home_q*BLOCK_BITS +: BLOCK_BITS] + its_offset;
    wire [BASE_BITS-1:0]   its_base   = base[home_q*COUNT_BITS +: BASE_BITS];
    wire [BASE_BITS-1:0]   its_page   = resident ? its_base + its_block
                                      : call_streamed ? home_q[0]*HALF + its_block % HALF
                                      : home_q*SHARE + its_offset % SHARE;
    wire                   at3    = dut.u_address.valid_q3;
    wire                   at2    = dut.u_address.valid_q2;
    wire [TAG_BITS-1:0]    stands = (at3 && ahead == 0) ? dut.u_address.tag_q3
                                  : (at2 && ahead == at3) ? dut.u_address.tag_q2
                                  : dut.u_address.tag_q;

    always @* begin
        if (begun_q) begin
            one_run:   assert (!accept || !alive[s_run_slot]);
            real_one:  assert (!take || works[slot]);
            oldest:    assert (!take || call_decode || slot == older_q || !works[older_q]);
            safe:      assert (!(take && follows_q) || page != place_q);
            three:     assert (!makes || (asks_q && dut.u_address.s_address_tag
                                          == {kind_q, slot_q, page_q}));
            complete:  assert (!take || !asks_q);
            rows:      assert (!makes || rows_ok);
            order:     assert (!(m_load_valid && due) || {m_load_kind, m_load_slot, m_load_page}
                               == tag);
            nothing:   assert (!m_load_valid || under_way != 0);
            held:      assert (kept);
            lengths:   assert (!m_load_valid || (m_load_kind == 0
                               ? m_load_rows == 1 && m_load_beats == 4 * KEYS_PER_BLOCK * 8
                                                                     / DATA_BITS
                               : m_load_rows == KEYS_PER_BLOCK
                                 && m_load_beats == HEAD_DIM * 8 / DATA_BITS
                                 && m_load_stride == (m_load_kind == 1 ? call_k_token_stride
                                                                       : call_v_token_stride)));
            told:      assert (ok_head == 2'b11);
            idle_is:   assert (idle == !(works != 0 || asks_q || under_way != 0 || looks));

            lemma_states: assert ($countones(dut.state_q) == 1 && dut.state_q[3] == asks_q
                                  && (!asks_q || kind_q != 3));
            lemma_runs:   assert (ok_run == {SLOTS{1'b1}});
            lemma_places: assert (ok_place == {SLOTS{1'b1}});
            lemma_counts: assert (ok_count == {SLOTS{1'b1}});
            lemma_looks:  assert (!looks || (works[slot] && (call_decode || slot == turn)
                                  && (resident || dut.used_q[slot]
                                      < (call_decode ? SHARE : HALF))));
            lemma_read:   assert (!dut.state_q[2] || (dut.head_q == head[slot*8 +: 8]
                                  && dut.block_q == block && dut.offset_q == offset
                                  && dut.left_q == count - number
                                  && dut.descending_q == descending[slot]));
            lemma_ask:    assert (!asks_q || (dut.kind_q == kind_q && dut.page_q == page_q
                                  && dut.block_q == block_q && dut.head_q == head_q
                                  && dut.slot_q == slot_q));
            lemma_turn:   assert (call_decode || works[1:0] == 0
                                  || turn == (works[older_q] ? older_q : !older_q));
            lemma_older:  assert (call_decode || !both || !works[older_q] || !holds[!older_q]);
            lemma_ring:   assert (dut.ring_q == ring_q && (!resident
                                  || ((!both || newer_base == older_base + older_count)
                                      && (alive[1:0] == 0 || ring_q == (alive[!older_q]
                                          ? newer_base + newer_count
                                          : older_base + older_count)))));
            lemma_bases:  assert (ok_base == 2'b11);
            lemma_held:   assert (!looks || !resident || !holds[!turn]
                                  || dut.held_q == base[turn*COUNT_BITS +: COUNT_BITS]
                                                   - base[!turn*COUNT_BITS +: COUNT_BITS]);
            lemma_page:   assert (!follows_q || (since != 0
                                  && since <= used[home_q*COUNT_BITS +: COUNT_BITS]
                                  && which_q < its_count && place_q == its_page));
            lemma_tags:   assert (under_way == at3 + at2 + dut.u_address.valid_q
                                  && dut.inside_q == under_way);
            lemma_kinds:  assert ((!at3 || dut.u_address.tag_q3[TAG_BITS-1 -: 2] != 3)
                                  && (!at2 || dut.u_address.tag_q2[TAG_BITS-1 -: 2] != 3)
                                  && (!dut.u_address.valid_q
                                      || dut.u_address.tag_q[TAG_BITS-1 -: 2] != 3));
            lemma_watch:  assert (!watches || (ahead < under_way && stands == tag));
        end
    end

    always @* begin
        second_head: cover (begun_q && rst_n && resident && take && follows_q && both
                            && slot == !older_q && home_q == older_q);
        streams:     cover (begun_q && rst_n && call_streamed && take && number == 1
                            && descending[slot] && works[1:0] == 2'b11 && follows_q);
        decodes:     cover (begun_q && rst_n && call_decode && take && slot == 3 && alive[0]
                            && follows_q && home_q == 0);
    end

endmodule

`default_nettype wire
