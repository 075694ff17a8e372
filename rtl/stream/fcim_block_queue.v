// SPDX-License-Identifier: Apache-2.0
// fcim_block_queue: remembers the key blocks whose keys are asked for until the core has decided
// them, so that the values that are asked for then are those of the same keys. A block goes to
// m_kreq and into the queue in one cycle or to neither.
//
// Latency:    None for a block on its way out (s_blk to m_kreq, s_decision to m_vreq); a block can
//             be decided from the next cycle on.
// Throughput: A block in and a decision out per cycle. A full queue takes nothing, even in the
//             cycle in which it gives a block back: otherwise m_vreq_ready would reach
//             m_kreq_valid, which must not drop while it waits.
// Cuts:       That the queue is full or empty comes from registers; m_kreq_ready reaches
//             s_blk_ready alone, m_vreq_ready s_decision_ready.
// Numbers:    Unsigned. A block is the keys start to start + count - 1.
`default_nettype none

module fcim_block_queue #(
    parameter  BLOCKS_AHEAD = 16,                 // blocks asked for ahead: 8, 16, 32 or 64
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam INDEX_BITS = $clog2(MAX_KEYS)      // index of a key in its tile
) (
    input  wire                  clk,
    input  wire                  rst_n,

    // blocks in the order of the keys
    input  wire                  s_blk_valid,
    output wire                  s_blk_ready,
    input  wire [INDEX_BITS-1:0] s_blk_start,
    input  wire [KEY_BITS:0]     s_blk_count,
    input  wire                  s_blk_last,   // the tile's last block

    // key blocks to be fetched
    output wire                  m_kreq_valid,
    input  wire                  m_kreq_ready,
    output wire [INDEX_BITS-1:0] m_kreq_start,
    output wire [KEY_BITS:0]     m_kreq_count,
    output wire                  m_kreq_last,

    // what becomes of each block, in the same order
    input  wire                  s_decision_valid,
    output wire                  s_decision_ready,
    input  wire                  s_decision_skip,
    input  wire                  s_decision_last,

    // value blocks to be fetched
    output wire                  m_vreq_valid,
    input  wire                  m_vreq_ready,
    output wire [INDEX_BITS-1:0] m_vreq_start,
    output wire [KEY_BITS:0]     m_vreq_count,
    output wire                  m_vreq_last,
    output wire                  m_vreq_first,   // of its tile's blocks that run; each tile has one

    output wire                  error_order     // sticky: a decision of another block, or of none
);

    localparam SLOT_BITS = $clog2(BLOCKS_AHEAD);
    localparam WORD_BITS = INDEX_BITS + KEY_BITS + 2;

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (BLOCKS_AHEAD != 8 && BLOCKS_AHEAD != 16 && BLOCKS_AHEAD != 32 &&
            BLOCKS_AHEAD != 64) begin : g_check_blocks_ahead
            fcim_illegal_BLOCKS_AHEAD_use_8_16_32_or_64 illegal_blocks_ahead();
        end
    endgenerate

    reg [SLOT_BITS:0] wr_q, rd_q;       // one bit more than a slot's number tells full from empty
    reg               first_q, error_q;

    wire empty = (wr_q == rd_q);
    wire full  = (wr_q == {!rd_q[SLOT_BITS], rd_q[SLOT_BITS-1:0]});
    wire push  = s_blk_valid && s_blk_ready;
    wire take  = s_decision_valid && s_decision_ready;

    // ---- in
    assign s_blk_ready  = m_kreq_ready && !full;
    assign m_kreq_valid = s_blk_valid && !full;
    assign m_kreq_start = s_blk_start;
    assign m_kreq_count = s_blk_count;
    assign m_kreq_last  = s_blk_last;

    // ---- out; a decision that belongs to no block asks for no value
    wire [WORD_BITS-1:0] oldest;
    wire [WORD_BITS-1:0] head = empty ? {WORD_BITS{1'b0}} : oldest;

    fcim_register_file #(.WORDS(BLOCKS_AHEAD), .WIDTH(WORD_BITS)) u_blocks (
        .clk(clk),
        .we(push), .wr_address(wr_q[SLOT_BITS-1:0]),
        .wr_data({s_blk_last, s_blk_count, s_blk_start}),
        .rd_address(rd_q[SLOT_BITS-1:0]), .rd_data(oldest)
    );

    assign s_decision_ready  = !m_vreq_valid || m_vreq_ready;
    assign m_vreq_valid = s_decision_valid && !s_decision_skip;
    assign m_vreq_first = first_q;
    assign {m_vreq_last, m_vreq_count, m_vreq_start} = head;

    always @(posedge clk) begin
        if (!rst_n) begin
            wr_q    <= {(SLOT_BITS+1){1'b0}};
            rd_q    <= {(SLOT_BITS+1){1'b0}};
            first_q <= 1'b1;
            error_q <= 1'b0;
        end else begin
            wr_q <= wr_q + {{SLOT_BITS{1'b0}}, push};
            rd_q <= rd_q + {{SLOT_BITS{1'b0}}, take && !empty};
            if (take) begin
                first_q <= s_decision_last || (first_q && s_decision_skip);
            end
            error_q <= error_q || (s_decision_valid && (empty || s_decision_last != m_vreq_last));
        end
    end

    assign error_order = error_q;

endmodule

`default_nettype wire
