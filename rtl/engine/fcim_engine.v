// SPDX-License-Identifier: Apache-2.0
// fcim_engine: an engine that says which keys and values it needs. A query tile comes with the number of keys that it visits
// and their schedule; the blocks of keys are asked for ahead of time, those of values once the engine has decided that they run.
// Latency: a tile's first m_kreq comes one cycle after s_tile; m_vreq comes with the engine's decision. The rest is the engine's.
// Throughput: a request for keys per cycle, up to BLOCKS_AHEAD blocks ahead of the engine's decisions.
// Cuts: s_tile_ready comes from registers and m_kreq_ready reaches registers alone; m_vreq_ready reaches the start of a block.
// Numbers and cycle rules: docs/engine.md.
`default_nettype none

module fcim_engine #(
    parameter ROWS = 64,
    parameter HEAD_DIM = 128,
    parameter BITS_PER_CYCLE = 1,
    parameter KEYS_PER_BLOCK = 16,
    parameter PROB_BITS = 16,
    parameter MAX_KEYS = 131072,
    parameter BLOCKS_AHEAD = 16,
    // derived or fixed, not to be set
    parameter INDEX_BITS = $clog2(MAX_KEYS),
    parameter KEY_BITS = $clog2(KEYS_PER_BLOCK),
    parameter POS_BITS = INDEX_BITS + 1,
    parameter MULT_BITS = 16,
    parameter SHIFT_BITS = 6,
    parameter TAU_BITS = 4,
    parameter OUT_BITS = 16,
    parameter COUNTERS = 25,
    parameter COUNTER_BITS = 48
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // query tiles, in the order of those of Q
    input  wire                             s_tile_valid,
    output wire                             s_tile_ready,
    input  wire [POS_BITS-1:0]              s_tile_keys,        // 1 to MAX_KEYS
    input  wire [1:0]                       s_tile_schedule,    // 0 natural, 1 diagonal_first, 2 sink_diagonal

    // rows of Q
    input  wire                             s_q_valid,
    output wire                             s_q_ready,
    input  wire [HEAD_DIM*8-1:0]            s_q_data,
    input  wire [POS_BITS-1:0]              s_q_pos,
    input  wire [MULT_BITS-1:0]             s_q_mult,
    input  wire [SHIFT_BITS-1:0]            s_q_shift,
    input  wire [TAU_BITS-1:0]              s_q_tau,
    input  wire                             s_q_fused,
    input  wire                             s_q_skip,
    input  wire                             s_q_last,

    // key blocks to be fetched
    output wire                             m_kreq_valid,
    input  wire                             m_kreq_ready,
    output wire [INDEX_BITS-1:0]            m_kreq_start,
    output wire [KEY_BITS:0]                m_kreq_count,
    output wire                             m_kreq_last,        // the tile's last block

    // keys, in the order of the requests
    input  wire                             s_k_valid,
    output wire                             s_k_ready,
    input  wire [HEAD_DIM*8-1:0]            s_k_data,
    input  wire [POS_BITS-1:0]              s_k_pos,
    input  wire [MULT_BITS-1:0]             s_k_mult,
    input  wire                             s_k_last,

    // value blocks to be fetched: those of key blocks that run
    output wire                             m_vreq_valid,
    input  wire                             m_vreq_ready,
    output wire [INDEX_BITS-1:0]            m_vreq_start,
    output wire [KEY_BITS:0]                m_vreq_count,
    output wire                             m_vreq_last,
    output wire                             m_vreq_first,       // the first of its tile

    // values, in the order of the requests
    input  wire                             s_v_valid,
    output wire                             s_v_ready,
    input  wire [HEAD_DIM*8-1:0]            s_v_data,
    input  wire                             s_v_last,

    // rows of O
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last,

    // status
    input  wire                             clear,
    output wire                             tile_done,
    output wire                             error_v_count,
    output wire                             error_order,
    output wire [COUNTERS*COUNTER_BITS-1:0] counters
);

    // ---- which keys come next
    wire                  blk_valid, blk_ready, blk_last;
    wire [INDEX_BITS-1:0] blk_start;
    wire [KEY_BITS:0]     blk_count;

    fcim_key_scheduler #(.KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)) u_key_scheduler (
        .clk(clk), .rst_n(rst_n),
        .s_tile_valid(s_tile_valid), .s_tile_ready(s_tile_ready), .s_tile_keys(s_tile_keys), .s_tile_schedule(s_tile_schedule),
        .m_blk_valid(blk_valid), .m_blk_ready(blk_ready), .m_blk_start(blk_start), .m_blk_count(blk_count), .m_blk_last(blk_last)
    );

    // ---- blocks between the request for their keys and the decision on their values
    wire req_valid, req_ready, req_skip, req_last;

    fcim_block_queue #(.BLOCKS_AHEAD(BLOCKS_AHEAD), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)) u_block_queue (
        .clk(clk), .rst_n(rst_n),
        .s_blk_valid(blk_valid), .s_blk_ready(blk_ready), .s_blk_start(blk_start), .s_blk_count(blk_count), .s_blk_last(blk_last),
        .m_kreq_valid(m_kreq_valid), .m_kreq_ready(m_kreq_ready), .m_kreq_start(m_kreq_start), .m_kreq_count(m_kreq_count),
        .m_kreq_last(m_kreq_last),
        .s_req_valid(req_valid), .s_req_ready(req_ready), .s_req_skip(req_skip), .s_req_last(req_last),
        .m_vreq_valid(m_vreq_valid), .m_vreq_ready(m_vreq_ready), .m_vreq_start(m_vreq_start), .m_vreq_count(m_vreq_count),
        .m_vreq_last(m_vreq_last), .m_vreq_first(m_vreq_first),
        .error_order(error_order)
    );

    fcim_core #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS)
    ) u_engine (
        .clk(clk), .rst_n(rst_n),
        .s_q_valid(s_q_valid), .s_q_ready(s_q_ready), .s_q_data(s_q_data), .s_q_pos(s_q_pos), .s_q_mult(s_q_mult),
        .s_q_shift(s_q_shift), .s_q_tau(s_q_tau), .s_q_fused(s_q_fused), .s_q_skip(s_q_skip), .s_q_last(s_q_last),
        .s_k_valid(s_k_valid), .s_k_ready(s_k_ready), .s_k_data(s_k_data), .s_k_pos(s_k_pos), .s_k_mult(s_k_mult),
        .s_k_last(s_k_last),
        .m_req_valid(req_valid), .m_req_ready(req_ready), .m_req_skip(req_skip), .m_req_last(req_last),
        .s_v_valid(s_v_valid), .s_v_ready(s_v_ready), .s_v_data(s_v_data), .s_v_last(s_v_last),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_data(m_o_data), .m_o_empty(m_o_empty), .m_o_last(m_o_last),
        .clear(clear), .tile_done(tile_done), .error_v_count(error_v_count), .counters(counters)
    );

endmodule

`default_nettype wire
