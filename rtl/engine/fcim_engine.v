// SPDX-License-Identifier: Apache-2.0
// fcim_engine: a core that says which keys and values it needs. A query tile comes with the number
// of keys that it visits and their schedule; blocks of keys are asked for ahead of time, those of
// values once the core has decided that they run.
//
// Latency:    A tile's first m_kreq comes one cycle after s_tile; m_vreq comes with the core's
//             decision. The rest is as in fcim_core.
// Throughput: A request for keys per cycle, up to BLOCKS_AHEAD blocks ahead of the core's
//             decisions.
// Cuts:       s_tile_ready comes from registers and m_kreq_ready reaches registers alone;
//             m_vreq_ready reaches the start of a block.
// Numbers:    docs/numbers.md; every cycle is in docs/cycles.md and docs/requests.md.
`default_nettype none

module fcim_engine #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    parameter  BLOCKS_AHEAD = 16,                 // blocks asked for ahead: 8, 16, 32 or 64
    localparam INDEX_BITS = $clog2(MAX_KEYS),     // index of a key in its tile
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam POS_BITS = INDEX_BITS + 1,         // position, unsigned
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5,                  // octaves that a block may lie below, unsigned
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT,  // denominator of a row, unsigned
    localparam ACC_BITS = SUM_BITS + 8,           // accumulator, signed
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam READ_COLUMNS = HEAD_DIM * BITS_PER_CYCLE / 8,  // a chunk of a row
    localparam OUT_BITS = 16,                     // element of O, signed
    localparam COUNTERS = 26,                     // performance counters
    localparam COUNTER_BITS = 48                  // one counter, unsigned
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // query tiles, in the order of those of Q; 0 natural, 1 diagonal_first, 2 sink_diagonal,
    // 3 diagonal_ascending
    input  wire                             s_tile_valid,
    output wire                             s_tile_ready,
    input  wire [POS_BITS-1:0]              s_tile_keys,       // 1 to MAX_KEYS
    input  wire [1:0]                       s_tile_schedule,

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
    input  wire [OCTAVES_BITS-1:0]          s_q_octaves,
    input  wire                             s_q_partial,   // its rows leave through m_part
    input  wire                             s_q_last,

    // key blocks to be fetched
    output wire                             m_kreq_valid,
    input  wire                             m_kreq_ready,
    output wire [INDEX_BITS-1:0]            m_kreq_start,
    output wire [KEY_BITS:0]                m_kreq_count,
    output wire                             m_kreq_last,   // the tile's last block

    // keys, in the order of the requests
    input  wire                             s_k_valid,
    output wire                             s_k_ready,
    input  wire [HEAD_DIM*8-1:0]            s_k_data,
    input  wire [POS_BITS-1:0]              s_k_pos,
    input  wire [MULT_BITS-1:0]             s_k_mult,
    input  wire [V_MULT_BITS-1:0]           s_k_v_mult,
    input  wire                             s_k_last,

    // value blocks to be fetched: those of key blocks that run
    output wire                             m_vreq_valid,
    input  wire                             m_vreq_ready,
    output wire [INDEX_BITS-1:0]            m_vreq_start,
    output wire [KEY_BITS:0]                m_vreq_count,
    output wire                             m_vreq_last,
    output wire                             m_vreq_first,   // the first of its tile

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

    // rows of partial tiles, chunk by chunk
    output wire                             m_part_valid,
    input  wire                             m_part_ready,
    output wire [READ_COLUMNS*ACC_BITS-1:0] m_part_acc,    // the lowest columns first
    output wire [SUM_BITS-1:0]              m_part_sum,
    output wire [ROW_MAX_BITS-1:0]          m_part_max,
    output wire                             m_part_last,   // the tile's last chunk

    // status
    input  wire                             clear,
    output wire                             tile_done,
    output wire                             error_v_count,
    output wire                             error_order,
    output wire                             skipped,        // a block is, which m_vreq never sees
    output wire                             skipped_last,   // the tile's last block
    output wire [COUNTERS*COUNTER_BITS-1:0] counters
);

    // ---- which keys come next
    wire                  blk_valid, blk_ready, blk_last;
    wire [INDEX_BITS-1:0] blk_start;
    wire [KEY_BITS:0]     blk_count;

    fcim_key_scheduler #(.KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)) u_key_scheduler (
        .clk(clk), .rst_n(rst_n),
        .s_tile_valid(s_tile_valid), .s_tile_ready(s_tile_ready), .s_tile_keys(s_tile_keys),
        .s_tile_schedule(s_tile_schedule),
        .m_blk_valid(blk_valid), .m_blk_ready(blk_ready), .m_blk_start(blk_start),
        .m_blk_count(blk_count), .m_blk_last(blk_last)
    );

    // ---- blocks between the request for their keys and the decision on their values
    wire decision_valid, decision_ready, decision_skip, decision_last;

    fcim_block_queue #(
        .BLOCKS_AHEAD(BLOCKS_AHEAD), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS)
    ) u_block_queue (
        .clk(clk), .rst_n(rst_n),
        .s_blk_valid(blk_valid), .s_blk_ready(blk_ready), .s_blk_start(blk_start),
        .s_blk_count(blk_count), .s_blk_last(blk_last),
        .m_kreq_valid(m_kreq_valid), .m_kreq_ready(m_kreq_ready), .m_kreq_start(m_kreq_start),
        .m_kreq_count(m_kreq_count), .m_kreq_last(m_kreq_last),
        .s_decision_valid(decision_valid), .s_decision_ready(decision_ready),
        .s_decision_skip(decision_skip), .s_decision_last(decision_last),
        .m_vreq_valid(m_vreq_valid), .m_vreq_ready(m_vreq_ready), .m_vreq_start(m_vreq_start),
        .m_vreq_count(m_vreq_count), .m_vreq_last(m_vreq_last), .m_vreq_first(m_vreq_first),
        .error_order(error_order)
    );

    assign skipped      = decision_valid && decision_skip;
    assign skipped_last = decision_last;

    fcim_core #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT)
    ) u_core (
        .clk(clk), .rst_n(rst_n),
        .s_q_valid(s_q_valid), .s_q_ready(s_q_ready), .s_q_data(s_q_data), .s_q_pos(s_q_pos),
        .s_q_mult(s_q_mult), .s_q_shift(s_q_shift), .s_q_tau(s_q_tau), .s_q_fused(s_q_fused),
        .s_q_skip(s_q_skip), .s_q_octaves(s_q_octaves), .s_q_partial(s_q_partial),
        .s_q_last(s_q_last),
        .s_k_valid(s_k_valid), .s_k_ready(s_k_ready), .s_k_data(s_k_data), .s_k_pos(s_k_pos),
        .s_k_mult(s_k_mult), .s_k_v_mult(s_k_v_mult), .s_k_last(s_k_last),
        .m_decision_valid(decision_valid), .m_decision_ready(decision_ready),
        .m_decision_skip(decision_skip), .m_decision_last(decision_last),
        .s_v_valid(s_v_valid), .s_v_ready(s_v_ready), .s_v_data(s_v_data), .s_v_last(s_v_last),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_data(m_o_data), .m_o_empty(m_o_empty),
        .m_o_last(m_o_last),
        .m_part_valid(m_part_valid), .m_part_ready(m_part_ready), .m_part_acc(m_part_acc),
        .m_part_sum(m_part_sum), .m_part_max(m_part_max), .m_part_last(m_part_last),
        .clear(clear), .tile_done(tile_done), .error_v_count(error_v_count), .counters(counters)
    );

endmodule

`default_nettype wire
