// SPDX-License-Identifier: Apache-2.0
// fcim_sequencer_props: what fcim_sequencer promises, in proofs.yaml in words.
`default_nettype none

module fcim_sequencer_props #(
    parameter  ENGINES = 4,
    parameter  BLOCK_BITS = 6,
    localparam COUNT_BITS = BLOCK_BITS + 1,
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,
    localparam WAIT_BITS = $clog2(ENGINES + 2)
) (
    input  wire                          clk,
    input  wire                          rst_n,
    input  wire                          s_wave_valid,
    input  wire                          s_wave_ascending,
    input  wire                          s_wave_own_start,
    input  wire [BLOCK_BITS-1:0]         s_wave_origin,
    input  wire [ENGINES*COUNT_BITS-1:0] s_wave_blocks,
    input  wire [ENGINES-1:0]            arrived,
    input  wire                          m_ready,
    input  wire [ENGINE_BITS-1:0]        engine,    // followed, always the same ones
    input  wire [BLOCK_BITS-1:0]         key_block
);

    wire                  s_wave_ready, m_valid;
    wire [BLOCK_BITS-1:0] block, m_origin;
    wire [ENGINES-1:0]    m_members;
    fcim_sequencer #(.ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_wave_valid(s_wave_valid), .s_wave_ready(s_wave_ready),
        .s_wave_ascending(s_wave_ascending), .s_wave_own_start(s_wave_own_start),
        .s_wave_origin(s_wave_origin), .s_wave_blocks(s_wave_blocks),
        .block(block), .arrived(arrived),
        .m_valid(m_valid), .m_ready(m_ready), .m_origin(m_origin), .m_members(m_members)
    );

    reg                   begun_q = 1'b0;
    reg [ENGINE_BITS-1:0] engine_q;
    reg [BLOCK_BITS-1:0]  key_block_q;
    reg                   legal;
    integer e;
    always @(posedge clk) begin
        begun_q     <= 1'b1;
        engine_q    <= engine;
        key_block_q <= key_block;
    end
    always @* begin
        legal = 1'b1;
        for (e = 0; e < ENGINES; e = e + 1) begin
            legal = legal && s_wave_blocks[e*COUNT_BITS +: COUNT_BITS] <= (1 << BLOCK_BITS);
        end
        legal_tiles: assume (legal);
        real_engine: assume (engine < ENGINES);
        if (begun_q) begin
            same_ones: assume (engine == engine_q && key_block == key_block_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- the wave, and whether the engine got the block in it
    reg                          some_q, ascending_q, own_q, seen_q, before_q;
    reg [BLOCK_BITS-1:0]         origin_q, last_q;      // last: block that was sent before
    reg [ENGINES*COUNT_BITS-1:0] blocks_q;
    reg [WAIT_BITS-1:0]          wait_q;                // cycles without a block, all arrived
    wire                  accepts = s_wave_valid && s_wave_ready;
    wire                  sent    = m_valid && m_ready;
    wire                  gets    = m_valid && m_members[engine] && block == key_block;
    wire [COUNT_BITS-1:0] tile    = blocks_q[engine*COUNT_BITS +: COUNT_BITS];
    always @(posedge clk) begin
        if (!rst_n) begin
            some_q <= 1'b0;
        end else if (accepts) begin
            some_q <= 1'b1;
        end
        if (accepts) begin
            ascending_q <= s_wave_ascending;
            own_q       <= s_wave_own_start;
            origin_q    <= s_wave_origin;
            blocks_q    <= s_wave_blocks;
            seen_q      <= 1'b0;
            before_q    <= 1'b0;
        end else if (sent) begin
            seen_q      <= seen_q || gets;
            before_q    <= 1'b1;
            last_q      <= block;
        end
        wait_q <= (!rst_n || s_wave_ready || m_valid || arrived != {ENGINES{1'b1}})
                  ? {WAIT_BITS{1'b0}} : wait_q + {{(WAIT_BITS-1){1'b0}}, wait_q != ENGINES + 1};
    end

    // which blocks of the stream a tile of so many blocks meets
    function automatic meets(input [COUNT_BITS-1:0] blocks, input [BLOCK_BITS-1:0] number);
        meets = own_q ? ({1'b0, number} + 1'b1 < blocks && (ascending_q || number != 0))
                      : ({1'b0, number} < blocks);
    endfunction

    reg [ENGINES-1:0]    members, at_most, is_most, legals;
    reg [COUNT_BITS-1:0] scanned;
    always @* begin
        for (e = 0; e < ENGINES; e = e + 1) begin
            members[e] = meets(blocks_q[e*COUNT_BITS +: COUNT_BITS], block);
            scanned    = blocks_q[e*COUNT_BITS +: COUNT_BITS];
            legals[e]  = scanned <= (1 << BLOCK_BITS);
            at_most[e] = (dut.scan_q && e >= dut.engine_q) || scanned <= dut.most_q;
            is_most[e] = !(dut.scan_q && e >= dut.engine_q) && scanned == dut.most_q;
        end
    end
    wire [COUNT_BITS-1:0] low  = {{(COUNT_BITS-1){1'b0}}, own_q && !ascending_q};
    wire [COUNT_BITS-1:0] stop = dut.most_q - {{(COUNT_BITS-1){1'b0}}, own_q};
    wire                  over = ascending_q ? key_block < block : key_block > block;

    always @* begin
        if (begun_q) begin
            no_twice:  assert (!gets || !seen_q);
            none_lost: assert (!(s_wave_ready && some_q) || seen_q == meets(tile, key_block));
            who:       assert (!m_valid || m_members == members);
            someone:   assert (!m_valid || m_members != 0);
            waits_for: assert (!m_valid || (m_members & ~arrived) == 0);
            order:     assert (!(m_valid && before_q)
                               || block == (ascending_q ? last_q + 1'b1 : last_q - 1'b1));
            origin:    assert (!m_valid || m_origin == origin_q);
            soon:      assert (wait_q <= ENGINES);

            lemma_wave:  assert (s_wave_ready || (some_q && dut.ascending_q == ascending_q
                                 && dut.own_q == own_q && dut.origin_q == origin_q
                                 && dut.blocks_q == blocks_q
                                 && legals == {ENGINES{1'b1}}));
            lemma_one:   assert (!(dut.scan_q && dut.run_q));
            lemma_scan:  assert (!dut.scan_q || (dut.engine_q < ENGINES && !seen_q && !before_q));
            lemma_most:  assert (s_wave_ready || (at_most == {ENGINES{1'b1}}
                                 && (is_most != 0 || (dut.scan_q && dut.most_q == 0))
                                 && dut.most_q <= (1 << BLOCK_BITS)));
            lemma_range: assert (!dut.run_q || ({1'b0, block} >= low && {1'b0, block} < stop
                                 && dut.most_q != 0));
            lemma_seen:  assert (!dut.run_q || seen_q == (meets(tile, key_block) && over));
            lemma_last:  assert (!(dut.run_q && before_q)
                                 || block == (ascending_q ? last_q + 1'b1 : last_q - 1'b1));
            lemma_wait:  assert (dut.scan_q ? wait_q <= dut.engine_q
                                 : dut.run_q ? wait_q <= ENGINES : wait_q <= ENGINES);
        end
    end

    always @* begin
        down_and_own: cover (begun_q && rst_n && s_wave_ready && some_q && seen_q && own_q
                             && !ascending_q && before_q && engine == ENGINES - 1);
        no_stream:    cover (begun_q && rst_n && s_wave_ready && some_q && own_q && !before_q
                             && tile == 1);
        apart_tiles:  cover (begun_q && rst_n && m_valid && ascending_q && key_block == 1
                             && block == 2 && !m_members[engine] && seen_q);
    end

endmodule

`default_nettype wire
