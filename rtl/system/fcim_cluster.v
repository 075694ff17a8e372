// SPDX-License-Identifier: Apache-2.0
// fcim_cluster: engines around a buffer of K and V. Tiles come in waves, one tile an engine; the
// keys of a wave are read once and sent to all its engines. Or, in decode, each engine takes a part
// of a tile's keys, which it is sent alone, and the partial results are joined.
//
// Latency:    As in fcim_engine, from the wave's rows of Q on.
// Throughput: A key per CYCLES_PER_KEY cycles in every engine, as long as rows of Q come and rows
//             of O go in time.
// Cuts:       s_wave_ready, s_merge_ready, freed, tile_done and m_o come from registers; s_q_ready
//             is that of the chosen engine.
// Numbers:    A key's position is its place in its head. Tiles have whole blocks: what lies in the
//             buffer beyond the last token is hidden by causality. docs/system.md has the order of
//             each wave's blocks. Block b is in the buffer at page s_wave_base + b (resident), or
//             passes through: at page b mod PAGES / 2 of its stream's half (streamed), at page
//             b - first mod the pages of its engine's share, the largest power of two (decode).
//             After freed or tile_done a page is read for up to KEYS_PER_BLOCK cycles more. Waves
//             of two modes are never in flight together.
`default_nettype none

module fcim_cluster #(
    parameter  ENGINES = 16,                      // 1 to 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
    localparam O_SLOT_BITS = $clog2(ENGINES + 1), // index of an engine or of the merge unit
    localparam SLOTS = (ENGINES > 2) ? ENGINES : 2,  // streams or engines that blocks come for
    localparam SLOT_BITS = $clog2(SLOTS),         // index of a slot
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK), // index of a key in its block
    localparam INDEX_BITS = $clog2(MAX_KEYS),     // index of a key in its head
    localparam BLOCK_BITS = INDEX_BITS - KEY_BITS,  // index of a block in its head
    localparam BLOCKS_BITS = BLOCK_BITS + 1,      // number of blocks
    localparam ADDRESS_BITS = $clog2(BUFFER_KEYS),  // index of a key in the buffer
    localparam BASE_BITS = ADDRESS_BITS - KEY_BITS,  // index of a block in the buffer
    localparam POS_BITS = INDEX_BITS + 1,         // position, unsigned
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5,                  // octaves that a block may lie below, unsigned
    localparam OUT_BITS = 16,                     // element of O, signed
    localparam COUNTERS = 26,                     // performance counters of an engine
    localparam COUNTER_BITS = 48                  // one counter, unsigned
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // rows of K and of V into the buffer; a block's must be there before a wave that needs it
    input  wire                             k_we,
    input  wire [ADDRESS_BITS-1:0]          k_address,
    input  wire [HEAD_DIM*8-1:0]            k_data,
    input  wire [MULT_BITS-1:0]             k_mult,
    input  wire [V_MULT_BITS-1:0]           k_v_mult,
    input  wire                             v_we,
    input  wire [ADDRESS_BITS-1:0]          v_address,
    input  wire [HEAD_DIM*8-1:0]            v_data,

    // waves: how many blocks each engine's tile has, 0 without one
    input  wire                             s_wave_valid,
    output wire                             s_wave_ready,
    input  wire                             s_wave_ascending,
    input  wire                             s_wave_own_start,  // diagonal (and sink) first, alone
    input  wire                             s_wave_stream,     // not that of the wave before
    input  wire                             s_wave_tag,        // what tile_done_tag repeats
    input  wire [1:0]                       s_wave_mode,       // 0 resident, 1 streamed, 2 decode
    input  wire [BASE_BITS-1:0]             s_wave_base,       // the head's first block
    input  wire [ENGINES*BLOCKS_BITS-1:0]   s_wave_blocks,
    input  wire [ENGINES*BLOCK_BITS-1:0]    s_wave_first,      // decode: of each tile, in its head

    // what the buffer holds in streamed mode (slot = stream) and in decode (slot = engine)
    input  wire                             loaded,            // the slot's next block is there
    input  wire [SLOT_BITS-1:0]             loaded_slot,
    input  wire                             loaded_counts,     // else the pulse means nothing
    output wire [SLOTS-1:0]                 freed,             // the slot's oldest block is passed

    // an engine's tile has passed its last block
    output wire [ENGINES-1:0]               tile_done,
    output wire [ENGINES-1:0]               tile_done_tag,

    // rows of Q, each engine's in the order of its tiles
    input  wire                             s_q_valid,
    output wire                             s_q_ready,
    output wire [ENGINES-1:0]               q_room,            // the engine takes a row
    input  wire [ENGINE_BITS-1:0]           s_q_engine,
    input  wire [HEAD_DIM*8-1:0]            s_q_data,
    input  wire [POS_BITS-1:0]              s_q_pos,
    input  wire [MULT_BITS-1:0]             s_q_mult,
    input  wire [SHIFT_BITS-1:0]            s_q_shift,
    input  wire [TAU_BITS-1:0]              s_q_tau,
    input  wire                             s_q_fused,
    input  wire                             s_q_skip,
    input  wire [OCTAVES_BITS-1:0]          s_q_octaves,
    input  wire                             s_q_partial,
    input  wire                             s_q_last,

    // tiles whose partial results are to be joined: the engines that have one of it
    input  wire                             s_merge_valid,
    output wire                             s_merge_ready,
    input  wire [ENGINES-1:0]               s_merge_parts,

    // rows of O, each engine's in the order of its tiles; ENGINES stands for the merge unit
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [O_SLOT_BITS-1:0]           m_o_engine,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last,

    // status
    input  wire                             clear,
    output wire                             error,          // sticky: error_* of an engine or of
                                                            // the merge unit
    output wire                             ev_k_block,     // a block of K is read
    output wire                             ev_v_block,     // a block of V is read
    input  wire [ENGINE_BITS-1:0]           counters_engine,
    output wire [COUNTERS*COUNTER_BITS-1:0] counters        // of that engine
);

    localparam K_BITS = HEAD_DIM * 8 + MULT_BITS + V_MULT_BITS;     // a word of the buffer
    localparam FEED_BITS = K_BITS + INDEX_BITS + 1;     // with its place and last
    localparam O_BITS = HEAD_DIM * OUT_BITS + 2;
    localparam ROOM = 3;                // blocks of keys in front of an engine
    localparam KEY_REQUESTS = 2;
    localparam DECISIONS = 16;          // blocks of an engine between keys and values
    localparam PARTS = SLOTS;           // the merge unit has two at least
    localparam PAGES = BUFFER_KEYS / KEYS_PER_BLOCK;
    localparam SUM_BITS = PROB_BITS + INDEX_BITS - SUM_CUT;
    localparam ROW_MAX_BITS = 10;
    localparam CHUNK_BITS = HEAD_DIM * BITS_PER_CYCLE / 8 * (SUM_BITS + 8);

    // ---- illegal parameters stop elaboration: the missing module's name says which
    generate
        if (ENGINES < 1 || ENGINES > 16) begin : g_check_engines
            fcim_illegal_ENGINES_use_1_to_16 illegal_engines();
        end
        if ((1 << $clog2(BUFFER_KEYS)) != BUFFER_KEYS || BUFFER_KEYS > MAX_KEYS ||
            BUFFER_KEYS < 2 * SLOTS * KEYS_PER_BLOCK) begin : g_check_buffer_keys
            fcim_illegal_BUFFER_KEYS_use_a_power_of_two_of_two_blocks_a_slot_up_to_MAX_KEYS
                illegal_buffer();
        end
    endgenerate

    // ---- a wave goes to the engines, to their feeds, and to the two sequencers of its stream
    wire [ENGINES-1:0]            to_engine, engine_takes, to_key, key_takes, to_value, value_takes;
    wire [1:0]                    to_keys, keys_take, to_values, values_take;
    wire                          wave_ascending, wave_own_start, wave_stream, wave_tag;
    wire [ENGINES*BLOCKS_BITS-1:0] wave_blocks;
    wire [ENGINES*BLOCK_BITS-1:0] wave_origin;
    wire [1:0]                    schedule, own;
    wire                          streamed, decode;

    fcim_wave_fanout #(
        .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS)
    ) u_wave_fanout (
        .clk(clk), .rst_n(rst_n),
        .s_wave_valid(s_wave_valid), .s_wave_ready(s_wave_ready),
        .s_wave_ascending(s_wave_ascending), .s_wave_own_start(s_wave_own_start),
        .s_wave_stream(s_wave_stream), .s_wave_tag(s_wave_tag), .s_wave_mode(s_wave_mode),
        .s_wave_base(s_wave_base), .s_wave_blocks(s_wave_blocks), .s_wave_first(s_wave_first),
        .engine_valid(to_engine), .engine_ready(engine_takes),
        .key_valid(to_key), .key_ready(key_takes), .value_valid(to_value),
        .value_ready(value_takes), .keys_valid(to_keys), .keys_ready(keys_take),
        .values_valid(to_values), .values_ready(values_take),
        .wave_ascending(wave_ascending), .wave_own_start(wave_own_start),
        .wave_stream(wave_stream), .wave_tag(wave_tag), .wave_blocks(wave_blocks),
        .wave_origin(wave_origin), .wave_schedule(schedule), .wave_own(own),
        .streamed(streamed), .decode(decode)
    );

    // ---- engines with what stands in front of them
    wire [ENGINES-1:0]            k_head_valid, k_head_own, k_head_stream, k_head_last;
    wire [ENGINES-1:0]            v_head_valid, v_head_own, v_head_stream, v_head_skip, v_head_last;
    wire [ENGINES-1:0]            v_head_tag;
    wire [ENGINES*BLOCK_BITS-1:0] k_head_origin, v_head_origin;
    wire [ENGINES*BLOCK_BITS-1:0] k_head_block, v_head_block;
    wire [ENGINES-1:0]            k_take, v_take, k_room, v_room, k_promise;
    wire [ENGINES-1:0]            k_row_valid, k_row_last, v_row_valid, v_row_last;
    wire [INDEX_BITS-1:0]         k_row_index;
    wire [K_BITS-1:0]             k_row;
    wire [HEAD_DIM*8-1:0]         v_row;
    wire [ENGINES-1:0]            q_readys, errors;
    wire [ENGINES:0]              o_valids, o_readys;   // the merge unit's on top
    wire [(ENGINES+1)*O_BITS-1:0] o_rows;
    wire [PARTS-1:0]              part_valids, part_readys, part_lasts;
    wire [PARTS*CHUNK_BITS-1:0]   part_accs;
    wire [PARTS*SUM_BITS-1:0]     part_sums;
    wire [PARTS*ROW_MAX_BITS-1:0] part_maxima;
    wire [ENGINES*COUNTERS*COUNTER_BITS-1:0] all_counters;

    genvar n;
    generate
        for (n = 0; n < ENGINES; n = n + 1) begin : g_engine
            wire                    tile_ready, kreq_valid, kreq_ready, kreq_last;
            wire                    vreq_valid, vreq_ready, vreq_last, skipped, skipped_last;
            wire [BLOCK_BITS-1:0]   kreq_block, vreq_block;
            wire [KEY_BITS-1:0]     kreq_key, vreq_key;     // 0: blocks are whole
            wire                    k_valid, k_ready, k_last, q_ready;
            wire [FEED_BITS-2:0]    k_beat;
            wire                    error_v_count, error_order;

            assign engine_takes[n] = tile_ready;

            fcim_request_head #(
                .BLOCK_BITS(BLOCK_BITS), .REQUESTS(KEY_REQUESTS)
            ) u_key_head (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_key[n]), .s_tile_ready(key_takes[n]),
                .s_tile_stream(wave_stream), .s_tile_tag(wave_tag), .s_tile_own(own),
                .s_tile_origin(wave_origin[n*BLOCK_BITS +: BLOCK_BITS]),
                .s_req_valid(kreq_valid), .s_req_ready(kreq_ready),
                .s_req_block(kreq_block), .s_req_skip(1'b0),
                .s_req_last(kreq_last),
                .head_valid(k_head_valid[n]), .head_own(k_head_own[n]),
                .head_stream(k_head_stream[n]), .head_tag(),
                .head_origin(k_head_origin[n*BLOCK_BITS +: BLOCK_BITS]),
                .head_block(k_head_block[n*BLOCK_BITS +: BLOCK_BITS]), .head_skip(),
                .head_last(k_head_last[n]), .take(k_take[n])
            );

            fcim_key_feed #(
                .WIDTH(FEED_BITS), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .ROOM(ROOM),
                .AHEAD(DECISIONS)
            ) u_key_feed (
                .clk(clk), .rst_n(rst_n),
                .room(k_room[n]), .promise(k_promise[n]), .passed(v_take[n]),
                .row_valid(k_row_valid[n]), .row_data({k_row_last[n], k_row_index, k_row}),
                .m_k_valid(k_valid), .m_k_ready(k_ready), .m_k_data({k_last, k_beat})
            );

            // decisions: one to skip may not wait, and need not, since keys come only for blocks
            // that have room here
            fcim_request_head #(
                .BLOCK_BITS(BLOCK_BITS), .REQUESTS(DECISIONS)
            ) u_value_head (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_value[n]), .s_tile_ready(value_takes[n]),
                .s_tile_stream(wave_stream), .s_tile_tag(wave_tag), .s_tile_own(own),
                .s_tile_origin(wave_origin[n*BLOCK_BITS +: BLOCK_BITS]),
                .s_req_valid(vreq_valid || skipped), .s_req_ready(vreq_ready),
                .s_req_block(vreq_block), .s_req_skip(skipped),
                .s_req_last(skipped ? skipped_last : vreq_last),
                .head_valid(v_head_valid[n]), .head_own(v_head_own[n]),
                .head_stream(v_head_stream[n]), .head_tag(v_head_tag[n]),
                .head_origin(v_head_origin[n*BLOCK_BITS +: BLOCK_BITS]),
                .head_block(v_head_block[n*BLOCK_BITS +: BLOCK_BITS]),
                .head_skip(v_head_skip[n]), .head_last(v_head_last[n]), .take(v_take[n])
            );

            fcim_engine #(
                .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
                .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
                .SUM_CUT(SUM_CUT)
            ) u_engine (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_engine[n]), .s_tile_ready(tile_ready),
                .s_tile_keys({wave_blocks[n*BLOCKS_BITS +: BLOCKS_BITS], {KEY_BITS{1'b0}}}),
                .s_tile_schedule(schedule),
                .s_q_valid(s_q_valid && s_q_engine == n[ENGINE_BITS-1:0]), .s_q_ready(q_ready),
                .s_q_data(s_q_data), .s_q_pos(s_q_pos), .s_q_mult(s_q_mult),
                .s_q_shift(s_q_shift), .s_q_tau(s_q_tau), .s_q_fused(s_q_fused),
                .s_q_skip(s_q_skip), .s_q_octaves(s_q_octaves), .s_q_partial(s_q_partial),
                .s_q_last(s_q_last),
                .m_kreq_valid(kreq_valid), .m_kreq_ready(kreq_ready),
                .m_kreq_start({kreq_block, kreq_key}),
                .m_kreq_count(), .m_kreq_last(kreq_last),
                .s_k_valid(k_valid), .s_k_ready(k_ready), .s_k_data(k_beat[0 +: HEAD_DIM*8]),
                .s_k_pos({1'b0, k_beat[FEED_BITS-2 -: INDEX_BITS]}),
                .s_k_mult(k_beat[HEAD_DIM*8 +: MULT_BITS]),
                .s_k_v_mult(k_beat[HEAD_DIM*8 + MULT_BITS +: V_MULT_BITS]), .s_k_last(k_last),
                .m_vreq_valid(vreq_valid), .m_vreq_ready(vreq_ready),
                .m_vreq_start({vreq_block, vreq_key}),
                .m_vreq_count(), .m_vreq_last(vreq_last), .m_vreq_first(),
                .s_v_valid(v_row_valid[n]), .s_v_ready(v_room[n]), .s_v_data(v_row),
                .s_v_last(v_row_last[n]),
                .m_o_valid(o_valids[n]), .m_o_ready(o_readys[n]),
                .m_o_data(o_rows[n*O_BITS +: HEAD_DIM*OUT_BITS]),
                .m_o_empty(o_rows[n*O_BITS + O_BITS-2]), .m_o_last(o_rows[n*O_BITS + O_BITS-1]),
                .m_part_valid(part_valids[n]), .m_part_ready(part_readys[n]),
                .m_part_acc(part_accs[n*CHUNK_BITS +: CHUNK_BITS]),
                .m_part_sum(part_sums[n*SUM_BITS +: SUM_BITS]),
                .m_part_max(part_maxima[n*ROW_MAX_BITS +: ROW_MAX_BITS]),
                .m_part_last(part_lasts[n]),
                .clear(clear), .tile_done(), .error_v_count(error_v_count),
                .error_order(error_order), .skipped(skipped), .skipped_last(skipped_last),
                .counters(all_counters[n*COUNTERS*COUNTER_BITS +: COUNTERS*COUNTER_BITS])
            );
            assign q_readys[n] = q_ready;
            assign errors[n]   = error_v_count || error_order;
        end
        for (n = ENGINES; n < PARTS; n = n + 1) begin : g_silent
            assign part_valids[n] = 1'b0;
            assign part_lasts[n]  = 1'b0;
            assign part_accs[n*CHUNK_BITS +: CHUNK_BITS]         = {CHUNK_BITS{1'b0}};
            assign part_sums[n*SUM_BITS +: SUM_BITS]             = {SUM_BITS{1'b0}};
            assign part_maxima[n*ROW_MAX_BITS +: ROW_MAX_BITS] = {ROW_MAX_BITS{1'b0}};
        end
    endgenerate

    // there may be fewer engines than numbers for them
    reg                             q_ready_of;
    reg [COUNTERS*COUNTER_BITS-1:0] counters_of;
    always @* begin : of_one_engine
        integer e;
        q_ready_of  = 1'b0;
        counters_of = {COUNTERS*COUNTER_BITS{1'b0}};
        for (e = 0; e < ENGINES; e = e + 1) begin
            if (s_q_engine == e[ENGINE_BITS-1:0]) begin
                q_ready_of = q_readys[e];
            end
            if (counters_engine == e[ENGINE_BITS-1:0]) begin
                counters_of = all_counters[e*COUNTERS*COUNTER_BITS +: COUNTERS*COUNTER_BITS];
            end
        end
    end
    assign s_q_ready = q_ready_of;
    assign q_room    = q_readys;
    assign counters  = counters_of;

    // ---- partial results
    reg  [PARTS-1:0] merge_parts;
    wire             error_parts;
    always @* begin : parts
        merge_parts = {PARTS{1'b0}};
        merge_parts[ENGINES-1:0] = s_merge_parts;
    end
    fcim_merge #(
        .PARTS(PARTS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .PROB_BITS(PROB_BITS),
        .MAX_KEYS(MAX_KEYS), .SUM_CUT(SUM_CUT)
    ) u_merge (
        .clk(clk), .rst_n(rst_n),
        .s_merge_valid(s_merge_valid), .s_merge_ready(s_merge_ready), .s_merge_parts(merge_parts),
        .s_part_valid(part_valids), .s_part_ready(part_readys), .s_part_acc(part_accs),
        .s_part_sum(part_sums), .s_part_max(part_maxima), .s_part_last(part_lasts),
        .m_o_valid(o_valids[ENGINES]), .m_o_ready(o_readys[ENGINES]),
        .m_o_data(o_rows[ENGINES*O_BITS +: HEAD_DIM*OUT_BITS]),
        .m_o_empty(o_rows[ENGINES*O_BITS + O_BITS-2]),
        .m_o_last(o_rows[ENGINES*O_BITS + O_BITS-1]), .error_parts(error_parts)
    );
    assign error = (|errors) || error_parts;

    // ---- two streams of keys and, behind them, of values
    wire [1:0]            k_valid, k_ready, v_valid, v_ready;
    wire [2*BLOCK_BITS-1:0] k_origin, v_origin;
    wire [2*BLOCK_BITS-1:0] k_block, v_block;
    wire [2*ENGINES-1:0]    k_members, v_members;
    genvar s;
    generate
        for (s = 0; s < 2; s = s + 1) begin : g_stream
            wire [ENGINES-1:0] k_mine = s[0] ? k_head_stream : ~k_head_stream;
            wire [ENGINES-1:0] v_mine = s[0] ? v_head_stream : ~v_head_stream;
            // the engine's own order says the same: a difference stops the stream. A skipped block
            // has no number
            reg  [ENGINES-1:0] k_here, v_here;
            always @* begin : here
                integer e;
                for (e = 0; e < ENGINES; e = e + 1) begin
                    k_here[e] = (k_head_block[e*BLOCK_BITS +: BLOCK_BITS]
                                 == k_block[s*BLOCK_BITS +: BLOCK_BITS]);
                    v_here[e] = (v_head_block[e*BLOCK_BITS +: BLOCK_BITS]
                                 == v_block[s*BLOCK_BITS +: BLOCK_BITS]);
                end
            end
            fcim_sequencer #(
                .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS)
            ) u_keys (
                .clk(clk), .rst_n(rst_n),
                .s_wave_valid(to_keys[s]), .s_wave_ready(keys_take[s]),
                .s_wave_ascending(wave_ascending), .s_wave_own_start(wave_own_start),
                .s_wave_origin(wave_origin[BLOCK_BITS-1:0]), .s_wave_blocks(wave_blocks),
                .block(k_block[s*BLOCK_BITS +: BLOCK_BITS]),
                .arrived(k_head_valid & ~k_head_own & k_mine & k_here & k_room),
                .m_valid(k_valid[s]), .m_ready(k_ready[s]),
                .m_origin(k_origin[s*BLOCK_BITS +: BLOCK_BITS]),
                .m_members(k_members[s*ENGINES +: ENGINES])
            );
            fcim_sequencer #(
                .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS)
            ) u_values (
                .clk(clk), .rst_n(rst_n),
                .s_wave_valid(to_values[s]), .s_wave_ready(values_take[s]),
                .s_wave_ascending(wave_ascending), .s_wave_own_start(wave_own_start),
                .s_wave_origin(wave_origin[BLOCK_BITS-1:0]), .s_wave_blocks(wave_blocks),
                .block(v_block[s*BLOCK_BITS +: BLOCK_BITS]),
                .arrived(v_head_valid & ~v_head_own & v_mine
                         & ((v_here & v_room) | v_head_skip)),
                .m_valid(v_valid[s]), .m_ready(v_ready[s]),
                .m_origin(v_origin[s*BLOCK_BITS +: BLOCK_BITS]),
                .m_members(v_members[s*ENGINES +: ENGINES])
            );
        end
    endgenerate

    // ---- the buffer and its buses
    wire                    k_rd, v_rd;
    wire [ADDRESS_BITS-1:0] k_rd_address, v_rd_address;
    wire [K_BITS-1:0]       k_rd_data;
    wire [HEAD_DIM*8-1:0]   v_rd_data;
    wire [ENGINES-1:0]      v_promise;
    wire [SLOTS-1:0]        there;          // a block that passes through is in the buffer

    fcim_row_bus #(
        .ENGINES(ENGINES), .WIDTH(K_BITS), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .SETTLE(0)
    ) u_key_bus (
        .clk(clk), .rst_n(rst_n),
        .streamed(streamed), .decode(decode),
        .head_valid(k_head_valid), .head_own(k_head_own), .head_origin(k_head_origin),
        .head_block(k_head_block), .head_skip({ENGINES{1'b0}}), .head_last(k_head_last),
        .room(k_room & (there[ENGINES-1:0] | {ENGINES{!decode}})),
        .take(k_take), .promise(k_promise),
        .stream_valid(k_valid & (there[1:0] | {2{!streamed}})), .stream_ready(k_ready),
        .stream_origin(k_origin),
        .stream_block(k_block), .stream_members(k_members),
        .rd(k_rd), .rd_address(k_rd_address), .rd_data(k_rd_data),
        .row_valid(k_row_valid), .row_last(k_row_last), .row_index(k_row_index), .row_data(k_row)
    );

    // a block of values must have arrived before an engine can say whether there is room for more
    fcim_row_bus #(
        .ENGINES(ENGINES), .WIDTH(HEAD_DIM*8), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .SETTLE(1)
    ) u_value_bus (
        .clk(clk), .rst_n(rst_n),
        .streamed(streamed), .decode(decode),
        .head_valid(v_head_valid), .head_own(v_head_own), .head_origin(v_head_origin),
        .head_block(v_head_block), .head_skip(v_head_skip), .head_last(v_head_last),
        .room(v_room), .take(v_take), .promise(v_promise),
        .stream_valid(v_valid), .stream_ready(v_ready), .stream_origin(v_origin),
        .stream_block(v_block), .stream_members(v_members),
        .rd(v_rd), .rd_address(v_rd_address), .rd_data(v_rd_data),
        .row_valid(v_row_valid), .row_last(v_row_last), .row_index(), .row_data(v_row)
    );

    assign ev_k_block = |k_promise;
    assign ev_v_block = |v_promise;

    fcim_ram #(.WORDS(BUFFER_KEYS), .WIDTH(K_BITS)) u_k_buffer (
        .clk(clk),
        .we(k_we), .wr_address(k_address), .wr_data({k_v_mult, k_mult, k_data}),
        .rd(k_rd), .rd_address(k_rd_address), .rd_data(k_rd_data)
    );
    fcim_ram #(.WORDS(BUFFER_KEYS), .WIDTH(HEAD_DIM*8)) u_v_buffer (
        .clk(clk),
        .we(v_we), .wr_address(v_address), .wr_data(v_data),
        .rd(v_rd), .rd_address(v_rd_address), .rd_data(v_rd_data)
    );

    // ---- blocks that pass through the buffer: keys are sent when a block is there. Values follow
    // them, since a block is decided later than its last key has come, and make room for another
    reg  [SLOTS-1:0]   k_sent, v_passed, freed_q;
    reg  [ENGINES-1:0] done_q, done_tag_q;
    always @* begin : pass
        k_sent   = {SLOTS{1'b0}};
        v_passed = {SLOTS{1'b0}};
        if (decode) begin
            k_sent[ENGINES-1:0]   = k_take;
            v_passed[ENGINES-1:0] = v_take;
        end else if (streamed) begin
            k_sent[1:0]   = k_ready;
            v_passed[1:0] = v_ready;
        end
    end

    fcim_block_credits #(.SLOTS(SLOTS), .BLOCKS(PAGES)) u_credits (
        .clk(clk), .rst_n(rst_n),
        .loaded(loaded && loaded_counts), .loaded_slot(loaded_slot),
        .take(k_sent), .there(there)
    );

    always @(posedge clk) begin
        if (!rst_n) begin
            freed_q <= {SLOTS{1'b0}};
            done_q  <= {ENGINES{1'b0}};
        end else begin
            freed_q <= v_passed;
            done_q  <= v_take & v_head_last;
        end
    end
    always @(posedge clk) begin
        done_tag_q <= v_head_tag;
    end
    assign freed         = freed_q;
    assign tile_done     = done_q;
    assign tile_done_tag = done_tag_q;

    // ---- rows of O
    fcim_row_collector #(.ENGINES(ENGINES + 1), .WIDTH(O_BITS)) u_collector (
        .clk(clk), .rst_n(rst_n),
        .s_o_valid(o_valids), .s_o_ready(o_readys), .s_o_data(o_rows),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_engine(m_o_engine),
        .m_o_data({m_o_last, m_o_empty, m_o_data})
    );

endmodule

`default_nettype wire
