// SPDX-License-Identifier: Apache-2.0
// fcim_cluster: engines around a buffer of K and V. Tiles come in waves, one tile an engine; the
// keys of a wave are read once and sent to all its engines.
//
// Latency:    As in fcim_engine, from the wave's rows of Q on.
// Throughput: A key per CYCLES_PER_KEY cycles in every engine, as long as rows of Q come and rows
//             of O go in time.
// Cuts:       s_wave_ready and m_o come from registers; s_q_ready is that of the chosen engine.
// Numbers:    A key's position is its place in its head. Tiles have whole blocks: what lies in the
//             buffer beyond the last token is hidden by causality. docs/system.md has the order of
//             each wave's blocks.
`default_nettype none

module fcim_cluster #(
    parameter  ENGINES = 16,                      // 1 to 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
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
    input  wire [BASE_BITS-1:0]             s_wave_base,       // the head's first block
    input  wire [ENGINES*BLOCKS_BITS-1:0]   s_wave_blocks,

    // rows of Q, each engine's in the order of its tiles
    input  wire                             s_q_valid,
    output wire                             s_q_ready,
    input  wire [ENGINE_BITS-1:0]           s_q_engine,
    input  wire [HEAD_DIM*8-1:0]            s_q_data,
    input  wire [POS_BITS-1:0]              s_q_pos,
    input  wire [MULT_BITS-1:0]             s_q_mult,
    input  wire [SHIFT_BITS-1:0]            s_q_shift,
    input  wire [TAU_BITS-1:0]              s_q_tau,
    input  wire                             s_q_fused,
    input  wire                             s_q_skip,
    input  wire [OCTAVES_BITS-1:0]          s_q_octaves,
    input  wire                             s_q_last,

    // rows of O, each engine's in the order of its tiles
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [ENGINE_BITS-1:0]           m_o_engine,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last,

    // status
    input  wire                             clear,
    output wire                             error,          // sticky: an engine's error_*, or a
                                                            // decision that had no room
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
    localparam DECISIONS = 16;          // more than an engine can be ahead of its values

    // ---- illegal parameters stop elaboration: the missing module's name says which
    generate
        if (ENGINES < 1 || ENGINES > 16) begin : g_check_engines
            fcim_illegal_ENGINES_use_1_to_16 illegal_engines();
        end
        if ((1 << $clog2(BUFFER_KEYS)) != BUFFER_KEYS || BUFFER_KEYS < 2 * KEYS_PER_BLOCK ||
            BUFFER_KEYS > MAX_KEYS) begin : g_check_buffer_keys
            fcim_illegal_BUFFER_KEYS_use_a_power_of_two_of_blocks_up_to_MAX_KEYS illegal_buffer();
        end
    endgenerate

    // ---- a wave goes to the engines, to their feeds, and to the two sequencers of its stream
    reg                           stream_q;      // of the next wave
    reg                           wave_stream_q, wave_ascending_q, wave_own_q;
    reg [BASE_BITS-1:0]           wave_base_q;
    reg [ENGINES*BLOCKS_BITS-1:0] wave_blocks_q;
    reg [ENGINES-1:0]             to_engine_q, to_key_q, to_value_q;
    reg                           to_keys_q, to_values_q;

    wire [ENGINES-1:0] engine_takes, key_takes, value_takes;
    wire [1:0]         keys_take, values_take;
    wire               wave_accept = s_wave_valid && s_wave_ready;
    reg  [ENGINES-1:0] has_tile;
    always @* begin : tiles
        integer e;
        for (e = 0; e < ENGINES; e = e + 1) begin
            has_tile[e] = |s_wave_blocks[e*BLOCKS_BITS +: BLOCKS_BITS];
        end
    end

    assign s_wave_ready = (to_engine_q | to_key_q | to_value_q) == {ENGINES{1'b0}}
                          && !to_keys_q && !to_values_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            stream_q    <= 1'b0;
            to_engine_q <= {ENGINES{1'b0}};
            to_key_q    <= {ENGINES{1'b0}};
            to_value_q  <= {ENGINES{1'b0}};
            to_keys_q   <= 1'b0;
            to_values_q <= 1'b0;
        end else if (wave_accept) begin
            stream_q    <= !stream_q;
            to_engine_q <= has_tile;
            to_key_q    <= has_tile;
            to_value_q  <= has_tile;
            to_keys_q   <= 1'b1;
            to_values_q <= 1'b1;
        end else begin
            to_engine_q <= to_engine_q & ~engine_takes;
            to_key_q    <= to_key_q & ~key_takes;
            to_value_q  <= to_value_q & ~value_takes;
            to_keys_q   <= to_keys_q && !keys_take[wave_stream_q];
            to_values_q <= to_values_q && !values_take[wave_stream_q];
        end
    end
    always @(posedge clk) begin
        if (wave_accept) begin
            wave_stream_q    <= stream_q;
            wave_ascending_q <= s_wave_ascending;
            wave_own_q       <= s_wave_own_start;
            wave_base_q      <= s_wave_base;
            wave_blocks_q    <= s_wave_blocks;
        end
    end

    // natural, diagonal_first, sink_diagonal, diagonal_ascending
    wire [1:0] schedule = {wave_own_q, wave_own_q == wave_ascending_q};
    wire [1:0] own      = {wave_own_q && !wave_ascending_q, wave_own_q && wave_ascending_q};

    // ---- engines with what stands in front of them
    wire [ENGINES-1:0]            k_head_valid, k_head_own, k_head_stream, k_head_last;
    wire [ENGINES-1:0]            v_head_valid, v_head_own, v_head_stream, v_head_skip, v_head_last;
    wire [ENGINES*BASE_BITS-1:0]  k_head_base, v_head_base;
    wire [ENGINES*BLOCK_BITS-1:0] k_head_block, v_head_block;
    wire [ENGINES-1:0]            k_take, v_take, k_room, v_room, k_promise;
    wire [ENGINES-1:0]            k_row_valid, k_row_last, v_row_valid, v_row_last;
    wire [INDEX_BITS-1:0]         k_row_index;
    wire [K_BITS-1:0]             k_row;
    wire [HEAD_DIM*8-1:0]         v_row;
    wire [ENGINES-1:0]            q_readys, o_valids, o_readys, errors;
    wire [ENGINES*O_BITS-1:0]     o_rows;
    wire [ENGINES*COUNTERS*COUNTER_BITS-1:0] all_counters;

    genvar n;
    generate
        for (n = 0; n < ENGINES; n = n + 1) begin : g_engine
            wire                    tile_ready, kreq_valid, kreq_ready, kreq_last;
            wire                    vreq_valid, vreq_ready, vreq_last, skipped, skipped_last;
            wire [BLOCK_BITS-1:0]   kreq_block, vreq_block;
            wire [KEY_BITS-1:0]     kreq_key, vreq_key;     // 0: blocks are whole
            wire                    decision_ready, k_valid, k_ready, k_last, q_ready;
            wire [FEED_BITS-2:0]    k_beat;
            wire                    error_v_count, error_order;
            reg                     error_room_q;

            assign engine_takes[n] = tile_ready;

            fcim_request_head #(
                .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .REQUESTS(KEY_REQUESTS)
            ) u_key_head (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_key_q[n]), .s_tile_ready(key_takes[n]),
                .s_tile_stream(wave_stream_q), .s_tile_own(own), .s_tile_base(wave_base_q),
                .s_req_valid(kreq_valid), .s_req_ready(kreq_ready),
                .s_req_block(kreq_block), .s_req_skip(1'b0),
                .s_req_last(kreq_last),
                .head_valid(k_head_valid[n]), .head_own(k_head_own[n]),
                .head_stream(k_head_stream[n]), .head_base(k_head_base[n*BASE_BITS +: BASE_BITS]),
                .head_block(k_head_block[n*BLOCK_BITS +: BLOCK_BITS]), .head_skip(),
                .head_last(k_head_last[n]), .take(k_take[n])
            );

            fcim_key_feed #(
                .WIDTH(FEED_BITS), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .ROOM(ROOM)
            ) u_key_feed (
                .clk(clk), .rst_n(rst_n), .room(k_room[n]), .promise(k_promise[n]),
                .row_valid(k_row_valid[n]), .row_data({k_row_last[n], k_row_index, k_row}),
                .m_k_valid(k_valid), .m_k_ready(k_ready), .m_k_data({k_last, k_beat})
            );

            // decisions: a block that runs may wait, one that is skipped may not
            fcim_request_head #(
                .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .REQUESTS(DECISIONS)
            ) u_value_head (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_value_q[n]), .s_tile_ready(value_takes[n]),
                .s_tile_stream(wave_stream_q), .s_tile_own(own), .s_tile_base(wave_base_q),
                .s_req_valid(vreq_valid || skipped), .s_req_ready(decision_ready),
                .s_req_block(vreq_block), .s_req_skip(skipped),
                .s_req_last(skipped ? skipped_last : vreq_last),
                .head_valid(v_head_valid[n]), .head_own(v_head_own[n]),
                .head_stream(v_head_stream[n]), .head_base(v_head_base[n*BASE_BITS +: BASE_BITS]),
                .head_block(v_head_block[n*BLOCK_BITS +: BLOCK_BITS]),
                .head_skip(v_head_skip[n]), .head_last(v_head_last[n]), .take(v_take[n])
            );
            assign vreq_ready = decision_ready;
            always @(posedge clk) begin
                if (!rst_n) begin
                    error_room_q <= 1'b0;
                end else if (skipped && !decision_ready) begin
                    error_room_q <= 1'b1;
                end
            end

            fcim_engine #(
                .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
                .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS)
            ) u_engine (
                .clk(clk), .rst_n(rst_n),
                .s_tile_valid(to_engine_q[n]), .s_tile_ready(tile_ready),
                .s_tile_keys({wave_blocks_q[n*BLOCKS_BITS +: BLOCKS_BITS], {KEY_BITS{1'b0}}}),
                .s_tile_schedule(schedule),
                .s_q_valid(s_q_valid && s_q_engine == n[ENGINE_BITS-1:0]), .s_q_ready(q_ready),
                .s_q_data(s_q_data), .s_q_pos(s_q_pos), .s_q_mult(s_q_mult),
                .s_q_shift(s_q_shift), .s_q_tau(s_q_tau), .s_q_fused(s_q_fused),
                .s_q_skip(s_q_skip), .s_q_octaves(s_q_octaves), .s_q_partial(1'b0),
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
                .m_part_valid(), .m_part_ready(1'b1), .m_part_acc(), .m_part_sum(), .m_part_max(),
                .m_part_last(),
                .clear(clear), .tile_done(), .error_v_count(error_v_count),
                .error_order(error_order), .skipped(skipped), .skipped_last(skipped_last),
                .counters(all_counters[n*COUNTERS*COUNTER_BITS +: COUNTERS*COUNTER_BITS])
            );
            assign q_readys[n] = q_ready;
            assign errors[n]   = error_v_count || error_order || error_room_q;
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
    assign error     = |errors;
    assign counters  = counters_of;

    // ---- two streams of keys and, behind them, of values
    wire [1:0]            k_valid, k_ready, v_valid, v_ready;
    wire [2*BASE_BITS-1:0]  k_base, v_base;
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
                .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS)
            ) u_keys (
                .clk(clk), .rst_n(rst_n),
                .s_wave_valid(to_keys_q && wave_stream_q == s[0]), .s_wave_ready(keys_take[s]),
                .s_wave_ascending(wave_ascending_q), .s_wave_own_start(wave_own_q),
                .s_wave_base(wave_base_q), .s_wave_blocks(wave_blocks_q),
                .block(k_block[s*BLOCK_BITS +: BLOCK_BITS]),
                .arrived(k_head_valid & ~k_head_own & k_mine & k_here & k_room),
                .m_valid(k_valid[s]), .m_ready(k_ready[s]),
                .m_base(k_base[s*BASE_BITS +: BASE_BITS]),
                .m_members(k_members[s*ENGINES +: ENGINES])
            );
            fcim_sequencer #(
                .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS)
            ) u_values (
                .clk(clk), .rst_n(rst_n),
                .s_wave_valid(to_values_q && wave_stream_q == s[0]), .s_wave_ready(values_take[s]),
                .s_wave_ascending(wave_ascending_q), .s_wave_own_start(wave_own_q),
                .s_wave_base(wave_base_q), .s_wave_blocks(wave_blocks_q),
                .block(v_block[s*BLOCK_BITS +: BLOCK_BITS]),
                .arrived(v_head_valid & ~v_head_own & v_mine
                         & ((v_here & v_room) | v_head_skip)),
                .m_valid(v_valid[s]), .m_ready(v_ready[s]),
                .m_base(v_base[s*BASE_BITS +: BASE_BITS]),
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

    fcim_row_bus #(
        .ENGINES(ENGINES), .WIDTH(K_BITS), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .SETTLE(0)
    ) u_key_bus (
        .clk(clk), .rst_n(rst_n),
        .head_valid(k_head_valid), .head_own(k_head_own), .head_base(k_head_base),
        .head_block(k_head_block), .head_skip({ENGINES{1'b0}}), .head_last(k_head_last),
        .room(k_room), .take(k_take), .promise(k_promise),
        .stream_valid(k_valid), .stream_ready(k_ready), .stream_base(k_base),
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
        .head_valid(v_head_valid), .head_own(v_head_own), .head_base(v_head_base),
        .head_block(v_head_block), .head_skip(v_head_skip), .head_last(v_head_last),
        .room(v_room), .take(v_take), .promise(v_promise),
        .stream_valid(v_valid), .stream_ready(v_ready), .stream_base(v_base),
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

    // ---- rows of O
    fcim_row_collector #(.ENGINES(ENGINES), .WIDTH(O_BITS)) u_collector (
        .clk(clk), .rst_n(rst_n),
        .s_o_valid(o_valids), .s_o_ready(o_readys), .s_o_data(o_rows),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_engine(m_o_engine),
        .m_o_data({m_o_last, m_o_empty, m_o_data})
    );

endmodule

`default_nettype wire
