// SPDX-License-Identifier: Apache-2.0
// fcim_planner: walks a call: heads, waves of tiles or parts, and says to each what it has to do:
// which key blocks to load, which rows of Q to fetch, which wave to run, what to merge, where rows
// of O go.
//
// In a prefill the first wave of a head has the tiles that the engines do not divide, the
// others one for each engine; waves go down and up in turn through the whole call, so that its
// last one goes up, whose rows of O leave while others still run. Where a head
// behind the first begins with a wave up, its first one, the shortest, comes second or fourth
// instead. In resident mode the head behind is loaded as soon as the one before is freed, and a
// wave waits until its blocks are there. In decode a wave has the parts of as many KV heads as
// fit the engines.
//
// Latency:    The first request comes 3 cycles after start.
// Throughput: A tile in 3 cycles, a wave in 2 more; downwards one per tile more.
// Cuts:       All outputs come from registers and from the state; the loader's count of blocks
//             reaches m_wave_valid.
// Numbers:    Unsigned. tile_done of an engine that has no tile under way does not come.
`default_nettype none

module fcim_planner #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  MAX_KEYS = 131072,                 // keys of a head: a power of two
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    localparam SLOTS = (ENGINES > 2) ? ENGINES : 2,     // what loads are for
    localparam SLOT_BITS = $clog2(SLOTS),         // index of a slot
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
    localparam O_SLOT_BITS = $clog2(ENGINES + 1), // index of an engine or of the merge unit
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK), // index of a key in its block
    localparam INDEX_BITS = $clog2(MAX_KEYS),     // index of a key in its head
    localparam BLOCK_BITS = INDEX_BITS - KEY_BITS,  // index of a block in its head
    localparam BLOCKS_BITS = BLOCK_BITS + 1,      // number of blocks
    localparam BASE_BITS = $clog2(BUFFER_KEYS) - KEY_BITS,  // page of the buffer
    localparam POS_BITS = INDEX_BITS + 1,         // position, number of tokens or of tiles
    localparam HEAD_BITS = 8,                     // KV head
    localparam Q_HEAD_BITS = 16,                  // query head
    localparam COUNT_BITS = 8                     // rows or tokens of a tile
) (
    input  wire                           clk,
    input  wire                           rst_n,

    // the call: stable from start until idle
    input  wire                           start,          // a call begins
    output wire                           idle,           // none is under way
    input  wire                           call_decode,
    input  wire                           call_streamed,
    input  wire                           call_own_start,
    input  wire [COUNT_BITS-1:0]          call_group,
    input  wire [2:0]                     call_split,
    input  wire [COUNT_BITS-1:0]          call_tile_tokens,
    input  wire [POS_BITS-1:0]            call_tiles,
    input  wire [POS_BITS-1:0]            call_tokens,
    input  wire [POS_BITS-1:0]            call_first,
    input  wire [HEAD_BITS:0]             call_heads,

    // key blocks to load
    output wire                           m_run_valid,
    input  wire                           m_run_ready,
    output wire [SLOT_BITS-1:0]           m_run_slot,
    output wire [HEAD_BITS-1:0]           m_run_head,
    output wire [BLOCK_BITS-1:0]          m_run_first,
    output wire [BLOCKS_BITS-1:0]         m_run_blocks,
    output wire                           m_run_descending,
    input  wire [2*BASE_BITS-1:0]         head_base,
    input  wire [2*BLOCKS_BITS-1:0]       head_asked,
    input  wire [2*BLOCKS_BITS-1:0]       head_loaded,
    output wire                           head_freed,     // a resident head is done with
    output wire                           head_freed_slot,
    output wire                           waits,          // for blocks that are not asked for

    // rows of Q to fetch
    output wire                           m_tile_valid,
    input  wire                           m_tile_ready,
    output wire [ENGINE_BITS-1:0]         m_tile_engine,
    output wire [HEAD_BITS-1:0]           m_tile_head,
    output wire [Q_HEAD_BITS-1:0]         m_tile_q_head,
    output wire [POS_BITS-1:0]            m_tile_tile,
    output wire [POS_BITS-1:0]            m_tile_token,
    output wire [COUNT_BITS-1:0]          m_tile_tokens,
    input  wire [ENGINES-1:0]             q_room,         // the engine takes rows of Q
    input  wire [ENGINES-1:0]             q_taken,        // it took a tile's last one

    // rows of O to store
    output wire                           m_job_valid,
    input  wire                           m_job_ready,
    output wire [O_SLOT_BITS-1:0]         m_job_slot,
    output wire [Q_HEAD_BITS-1:0]         m_job_q_head,
    output wire [POS_BITS-1:0]            m_job_token,
    output wire [COUNT_BITS-1:0]          m_job_tokens,
    input  wire                           jobs_taken,     // all of them

    // waves
    output wire                           m_wave_valid,
    input  wire                           m_wave_ready,
    output wire                           m_wave_ascending,
    output wire                           m_wave_own_start,
    output wire                           m_wave_stream,
    output wire                           m_wave_tag,
    output wire [1:0]                     m_wave_mode,    // 0 resident, 1 streamed, 2 decode
    output wire [BASE_BITS-1:0]           m_wave_base,
    output wire [ENGINES*BLOCKS_BITS-1:0] m_wave_blocks,
    output wire [ENGINES*BLOCK_BITS-1:0]  m_wave_first,
    input  wire [ENGINES-1:0]             tile_done,
    input  wire [ENGINES-1:0]             tile_done_tag,

    // tiles to be merged
    output wire                           m_merge_valid,
    input  wire                           m_merge_ready,
    output wire [ENGINES-1:0]             m_merge_parts
);

    localparam TILES_BITS = $clog2(2 * ENGINES + 1) + 1;    // of a head: six an engine at most
    localparam PRODUCT_BITS = BLOCKS_BITS + 4;              // blocks times parts
    localparam [POS_BITS-1:0] LAST_ENGINE = ENGINES[POS_BITS-1:0] - 1'b1;
    localparam [POS_BITS-1:0] LAST_KEY = KEYS_PER_BLOCK[POS_BITS-1:0] - 1'b1;
    localparam [O_SLOT_BITS-1:0] MERGE_UNIT = ENGINES[O_SLOT_BITS-1:0];
    localparam TOKEN_BITS = POS_BITS + COUNT_BITS;          // wide enough for both
    localparam [TOKEN_BITS-1:0] ALL_ENGINES = ENGINES[TOKEN_BITS-1:0];

    generate
        if (ENGINES != 1 && ENGINES != 2 && ENGINES != 4 && ENGINES != 8 && ENGINES != 16)
        begin : g_check_engines
            fcim_illegal_ENGINES_use_1_2_4_8_or_16 illegal_engines();
        end
    endgenerate

    localparam [3:0] IDLE = 4'd0, SUM = 4'd1, THIS_RUN = 4'd2, HEAD = 4'd3, NEXT_RUN = 4'd4,
                     WAVE = 4'd5, UP = 4'd6, END = 4'd7, BLOCKS = 4'd8, EMIT = 4'd9, RUN = 4'd10,
                     ISSUE = 4'd11, PART = 4'd12, PART_RUN = 4'd13, MERGE = 4'd14, DRAIN = 4'd15;

    reg  [3:0]                     state_q;
    reg  [BLOCKS_BITS-1:0]         total_q;      // blocks of a head
    reg  [HEAD_BITS:0]             head_q;
    reg  [Q_HEAD_BITS-1:0]         q_head_q;
    reg  [POS_BITS-1:0]            cursor_q, cursor_token_q;    // first tile of the wave
    reg  [ENGINE_BITS-1:0]         last_q;       // engine of the wave's last tile
    reg  [ENGINE_BITS-1:0]         engine_q;
    reg  [POS_BITS-1:0]            tile_q, token_q, end_q;
    reg  [COUNT_BITS-1:0]          tokens_q;
    reg  [BLOCKS_BITS-1:0]         blocks_q, most_q;
    reg  [ENGINES*BLOCKS_BITS-1:0] wave_blocks_q;
    reg  [ENGINES*BLOCK_BITS-1:0]  wave_first_q;
    reg                            later_q, now_q;   // the head's first wave comes later, comes now
    reg  [1:0]                     before_q;     // waves before it
    reg  [ENGINE_BITS:0]           walk_q;       // tiles passed over
    reg                            ascending_q, stream_q;
    reg                            tile_sent_q, job_sent_q;
    reg  [1:0]                     closed_q;     // all waves of the head are given
    reg                            run_q, ahead_q;   // the run of this head, of the next is given

    wire resident  = !call_decode && !call_streamed;
    wire tag       = head_q[0] && resident;
    wire [HEAD_BITS:0] next_head = head_q + 1'b1;
    wire heads_end = (next_head == call_heads);
    // the head behind comes into the slot of the one before, once that is freed
    wire run_next  = resident && !heads_end && !ahead_q && !closed_q[!tag];

    // ---- tiles under way of a head, and whether an engine has room for another one's rows of Q:
    // those that were asked for are there, and one of two banks is free
    wire [ENGINES-1:0]      free;
    reg  [TILES_BITS-1:0]   under_way_q [0:1];
    wire                    emitted;
    genvar n;
    generate
        for (n = 0; n < ENGINES; n = n + 1) begin : g_engine
            reg  asked_q;
            wire asks = m_tile_valid && m_tile_ready && engine_q == n[ENGINE_BITS-1:0];
            always @(posedge clk) begin
                if (!rst_n) begin
                    asked_q <= 1'b0;
                end else begin
                    asked_q <= asks || (asked_q && !q_taken[n]);
                end
            end
            assign free[n] = !asked_q && q_room[n];
        end
        for (n = 0; n < 2; n = n + 1) begin : g_head
            wire [ENGINES-1:0]    mine = tile_done & (n[0] ? tile_done_tag : ~tile_done_tag);
            wire [TILES_BITS-1:0] more = {{(TILES_BITS-1){1'b0}}, emitted && tag == n[0]};
            reg  [TILES_BITS-1:0] less;
            always @* begin : ends
                integer e;
                less = {TILES_BITS{1'b0}};
                for (e = 0; e < ENGINES; e = e + 1) begin
                    less = less + {{(TILES_BITS-1){1'b0}}, mine[e]};
                end
            end
            always @(posedge clk) begin
                if (!rst_n) begin
                    under_way_q[n] <= {TILES_BITS{1'b0}};
                end else begin
                    under_way_q[n] <= under_way_q[n] + more - less;
                end
            end
        end
    endgenerate
    wire [1:0] landed   = {under_way_q[1] == 0, under_way_q[0] == 0};
    wire [1:0] finished = closed_q & landed;
    assign head_freed      = |finished && resident;
    assign head_freed_slot = !finished[0];
    wire [1:0] opens    = finished[0] ? 2'b01 : finished;

    // ---- a tile of a prefill
    wire [TOKEN_BITS-1:0] step    = {{POS_BITS{1'b0}}, call_tile_tokens};
    wire [TOKEN_BITS-1:0] tokens  = {{COUNT_BITS{1'b0}}, call_tokens};
    wire [TOKEN_BITS-1:0] token   = {{COUNT_BITS{1'b0}}, token_q};
    wire [TOKEN_BITS-1:0] reach   = token + step;
    wire                  beyond  = (reach > tokens);
    wire [TOKEN_BITS-1:0] left    = tokens - token;
    wire [POS_BITS-1:0] rounded   = end_q + LAST_KEY;
    wire [POS_BITS-1:0] remainder = (call_tiles - 1'b1) & LAST_ENGINE;
    wire [POS_BITS-1:0] last_tile = {{(POS_BITS-ENGINE_BITS){1'b0}}, last_q};
    wire                at_last   = (engine_q == last_q);
    wire                head_ends = now_q ? (cursor_q == call_tiles)
                                  : !later_q && (cursor_q + last_tile + 1'b1 == call_tiles);
    // down: to the wave's last tile; up: past the first wave's
    wire [ENGINE_BITS:0] steps    = ascending_q ? {1'b0, remainder[ENGINE_BITS-1:0]} + 1'b1
                                                : {1'b0, last_q};
    wire                walked    = (walk_q == steps);
    wire [TOKEN_BITS-1:0] tiles   = {{COUNT_BITS{1'b0}}, call_tiles};
    wire                several   = (tiles > ALL_ENGINES);
    wire                many      = (tiles > ALL_ENGINES + ALL_ENGINES + ALL_ENGINES);
    wire [POS_BITS-1:0] whole     = call_tiles - 1'b1;
    wire                odd       = call_heads[0] && !whole[$clog2(ENGINES)];  // waves of the call
    wire                skip      = later_q && (cursor_q == 0);

    // ---- a part of a decode: blocks * (part + 1) / parts, or a block for each of the first parts
    reg  [ENGINE_BITS-1:0]  part_q;
    reg  [PRODUCT_BITS-1:0] product_q;
    reg  [BLOCKS_BITS-1:0]  low_q, high_q;
    wire [PRODUCT_BITS-1:0] product   = product_q + {{(PRODUCT_BITS-BLOCKS_BITS){1'b0}}, total_q};
    wire [PRODUCT_BITS-1:0] share     = product >> call_split;
    wire [ENGINE_BITS:0]    parts     = {{ENGINE_BITS{1'b0}}, 1'b1} << call_split;
    wire [BLOCKS_BITS+ENGINE_BITS:0] sharers = {{BLOCKS_BITS{1'b0}}, parts};
    wire                    few       = ({{(ENGINE_BITS+1){1'b0}}, total_q} < sharers);
    wire [BLOCKS_BITS+ENGINE_BITS:0] after = {{(BLOCKS_BITS+1){1'b0}}, part_q} + 1'b1;
    wire                    has_block = (after <= {{(ENGINE_BITS+1){1'b0}}, total_q});
    wire [BLOCKS_BITS-1:0]  high      = !few ? share[BLOCKS_BITS-1:0] : has_block ?
                                        after[BLOCKS_BITS-1:0] : total_q;
    wire                    empty     = (high_q == low_q);
    wire                    last_part = ({1'b0, part_q} + 1'b1 == parts);
    wire                    part_ends = (state_q == PART_RUN && empty) ||
                                        (call_decode && emitted);
    wire                    wave_ends = last_part && (heads_end ||
                                        engine_q == LAST_ENGINE[ENGINE_BITS-1:0]);

    // ---- heads of a decode's wave, one after the other to be merged
    reg  [ENGINE_BITS-1:0]  group_q, last_group_q;
    reg  [Q_HEAD_BITS-1:0]  merge_head_q;
    reg  [ENGINES-1:0]      members;
    always @* begin : of_group
        integer e;
        for (e = 0; e < ENGINES; e = e + 1) begin
            members[e] = (wave_blocks_q[e*BLOCKS_BITS +: BLOCKS_BITS] != {BLOCKS_BITS{1'b0}}) &&
                         (e[ENGINE_BITS-1:0] >> call_split) == group_q;
        end
    end

    // ---- what is offered
    wire can_emit   = (state_q == EMIT) && (free[engine_q] || tile_sent_q);
    wire tile_takes = tile_sent_q || m_tile_ready;
    wire job_takes  = job_sent_q || m_job_ready || call_decode;
    wire merging    = (state_q == MERGE);
    wire merge_takes = tile_sent_q || m_merge_ready;
    wire store_takes = job_sent_q || m_job_ready;
    wire merged      = merging && merge_takes && store_takes;
    assign emitted  = can_emit && tile_takes && job_takes;

    wire [BLOCKS_BITS-1:0] loaded = head_loaded[tag*BLOCKS_BITS +: BLOCKS_BITS];
    wire [BLOCKS_BITS-1:0] called = head_asked[tag*BLOCKS_BITS +: BLOCKS_BITS];
    wire enough  = !resident || (loaded >= most_q);
    wire issued  = m_wave_valid && m_wave_ready;
    wire ran     = m_run_valid && m_run_ready;

    reg [SLOT_BITS-1:0]   run_slot;
    reg [O_SLOT_BITS-1:0] job_slot;
    always @* begin : slots
        run_slot    = call_decode ? engine_q : {SLOT_BITS{1'b0}};
        run_slot[0] = call_decode ? engine_q[0] : call_streamed ? stream_q
                                  : (state_q == NEXT_RUN) ^ head_q[0];
        job_slot    = {O_SLOT_BITS{1'b0}};
        job_slot[ENGINE_BITS-1:0] = engine_q;
        if (merging) begin
            job_slot = MERGE_UNIT;
        end
    end

    assign m_run_valid      = (state_q == THIS_RUN) || (state_q == NEXT_RUN) ||
                              (state_q == RUN) || (state_q == PART_RUN && !empty);
    assign m_run_slot       = run_slot;
    assign m_run_head       = (state_q == NEXT_RUN) ? next_head[HEAD_BITS-1:0]
                                                    : head_q[HEAD_BITS-1:0];
    assign m_run_first      = call_decode ? low_q[BLOCK_BITS-1:0] : {BLOCK_BITS{1'b0}};
    assign m_run_blocks     = call_decode ? high_q - low_q : call_streamed ? most_q : total_q;
    assign m_run_descending = call_streamed && !ascending_q;

    assign m_tile_valid  = can_emit && !tile_sent_q;
    assign m_tile_engine = engine_q;
    assign m_tile_head   = head_q[HEAD_BITS-1:0];
    assign m_tile_q_head = q_head_q;
    assign m_tile_tile   = tile_q;
    assign m_tile_token  = token_q;
    assign m_tile_tokens = tokens_q;

    assign m_job_valid   = ((can_emit && !call_decode) || merging) && !job_sent_q;
    assign m_job_slot    = job_slot;
    assign m_job_q_head  = merging ? merge_head_q : q_head_q;
    assign m_job_token   = token_q;
    assign m_job_tokens  = tokens_q;

    // rows of a tile that runs find their job at the store, whatever other tiles do
    assign m_wave_valid     = (state_q == ISSUE) && enough && (jobs_taken || call_decode);
    assign waits            = (state_q == ISSUE) && resident && (called < most_q);
    assign m_wave_ascending = ascending_q;
    assign m_wave_own_start = call_own_start;
    assign m_wave_stream    = stream_q;
    assign m_wave_tag       = tag;
    assign m_wave_mode      = {call_decode, call_streamed};
    assign m_wave_base      = head_base[tag*BASE_BITS +: BASE_BITS];
    assign m_wave_blocks    = wave_blocks_q;
    assign m_wave_first     = wave_first_q;

    assign m_merge_valid = merging && !tile_sent_q;
    assign m_merge_parts = members;
    assign idle          = (state_q == IDLE);

    // ---- the walk
    always @(posedge clk) begin
        if (!rst_n) begin
            state_q <= IDLE;
        end else begin
            case (state_q)
                IDLE:      if (start) state_q <= SUM;
                SUM:       state_q <= call_decode ? PART : HEAD;
                HEAD:      if (!closed_q[tag]) state_q <= (resident && !run_q) ? THIS_RUN : WAVE;
                THIS_RUN:  if (ran) state_q <= WAVE;
                NEXT_RUN:  if (ran) state_q <= WAVE;
                WAVE:      state_q <= run_next ? NEXT_RUN : (ascending_q && !skip) ? END : UP;
                UP:        if (walked) state_q <= END;
                END:       state_q <= BLOCKS;
                BLOCKS:    state_q <= EMIT;
                EMIT:      if (emitted) begin
                               state_q <= call_decode ? (wave_ends ? ISSUE : PART)
                                        : !at_last ? END : call_streamed ? RUN : ISSUE;
                           end
                RUN:       if (ran) state_q <= ISSUE;
                ISSUE:     if (issued) begin
                               state_q <= call_decode ? MERGE : !head_ends ? WAVE
                                        : heads_end ? DRAIN : HEAD;
                           end
                PART:      state_q <= PART_RUN;
                PART_RUN:  if (empty) state_q <= wave_ends ? ISSUE : PART;
                           else if (ran) state_q <= EMIT;
                MERGE:     if (merged && group_q == last_group_q) begin
                               state_q <= (head_q == call_heads) ? DRAIN : PART;
                           end
                default:   if (landed == 2'b11 && closed_q == 2'b00) state_q <= IDLE;
            endcase
        end
    end

    always @(posedge clk) begin
        if (!rst_n) begin
            closed_q <= 2'b00;
        end else if (issued && head_ends && resident) begin
            closed_q <= (closed_q & ~opens) | (tag ? 2'b10 : 2'b01);
        end else begin
            closed_q <= closed_q & ~opens;
        end
    end

    always @(posedge clk) begin
        if (state_q == SUM) begin
            total_q <= rounded[POS_BITS-1:KEY_BITS];
        end
        if (state_q == IDLE) begin
            end_q <= call_first + call_tokens;
        end else if (state_q == END) begin
            end_q <= call_first + (beyond ? call_tokens : reach[POS_BITS-1:0]);
        end
        blocks_q <= rounded[POS_BITS-1:KEY_BITS];
        if (state_q == IDLE || (issued && head_ends)) begin
            run_q   <= (state_q != IDLE) && ahead_q;
            ahead_q <= 1'b0;
        end else if (ran) begin
            run_q   <= run_q   || (state_q == THIS_RUN);
            ahead_q <= ahead_q || (state_q == NEXT_RUN);
        end

        // once given, what one of two takes is not given again
        tile_sent_q <= (can_emit && !emitted && tile_takes) ||
                       (merging && !merged && merge_takes);
        job_sent_q  <= (can_emit && !emitted && job_takes) || (merging && !merged && store_takes);

        // heads
        if (state_q == IDLE) begin
            head_q   <= {(HEAD_BITS+1){1'b0}};
            q_head_q <= {Q_HEAD_BITS{1'b0}};
        end else if (call_decode ? (part_ends && last_part) : (issued && head_ends)) begin
            head_q   <= (!call_decode && heads_end) ? head_q : next_head;
            q_head_q <= q_head_q + {{(Q_HEAD_BITS-COUNT_BITS){1'b0}}, call_group};
        end

        // waves
        if (state_q == IDLE) begin
            ascending_q <= call_decode || odd;
            stream_q    <= 1'b0;
        end else if (issued) begin
            ascending_q <= call_decode || !ascending_q;
            stream_q    <= !stream_q;
        end
        if (state_q == IDLE || state_q == HEAD) begin
            cursor_q       <= {POS_BITS{1'b0}};
            cursor_token_q <= {POS_BITS{1'b0}};
        end else if (issued && !now_q) begin
            cursor_q       <= cursor_q + last_tile + 1'b1;
        end else if (state_q == UP && ascending_q && !walked) begin
            cursor_q       <= cursor_q + 1'b1;
            cursor_token_q <= cursor_token_q + step[POS_BITS-1:0];
        end else if (emitted && !now_q) begin
            cursor_token_q <= cursor_token_q + step[POS_BITS-1:0];
        end
        if (state_q == IDLE || state_q == HEAD) begin
            later_q  <= head_q != 0 && ascending_q && several && state_q == HEAD;
            before_q <= many ? 2'd3 : 2'd1;
            now_q    <= 1'b0;
        end else if (issued) begin
            later_q  <= later_q && before_q != 2'd1;
            before_q <= before_q - 1'b1;
            now_q    <= later_q && before_q == 2'd1;
        end
        walk_q <= (state_q == UP) ? walk_q + 1'b1 : {(ENGINE_BITS+1){1'b0}};

        // tiles of a wave
        if (state_q == IDLE || state_q == WAVE || (merged && group_q == last_group_q)) begin
            engine_q      <= {ENGINE_BITS{1'b0}};
            wave_blocks_q <= {ENGINES*BLOCKS_BITS{1'b0}};
            wave_first_q  <= {ENGINES*BLOCK_BITS{1'b0}};
            most_q        <= {BLOCKS_BITS{1'b0}};
        end else if (emitted || part_ends) begin
            engine_q <= engine_q + 1'b1;
        end
        if (emitted) begin
            wave_blocks_q[engine_q*BLOCKS_BITS +: BLOCKS_BITS] <= call_decode ? high_q - low_q
                                                                              : blocks_q;
            wave_first_q[engine_q*BLOCK_BITS +: BLOCK_BITS] <= call_decode ? low_q[BLOCK_BITS-1:0]
                                                                        : {BLOCK_BITS{1'b0}};
            most_q <= (blocks_q > most_q) ? blocks_q : most_q;
        end
        if (state_q == WAVE) begin
            last_q <= (now_q || (!later_q && cursor_q == 0)) ? remainder[ENGINE_BITS-1:0]
                                                                   : LAST_ENGINE[ENGINE_BITS-1:0];
        end
        if (state_q == IDLE || state_q == WAVE) begin
            tile_q  <= now_q ? {POS_BITS{1'b0}} : cursor_q;
            token_q <= now_q ? {POS_BITS{1'b0}} : cursor_token_q;
        end else if (state_q == UP && !walked) begin
            tile_q  <= tile_q + 1'b1;
            token_q <= reach[POS_BITS-1:0];
        end else if (emitted && !call_decode) begin
            tile_q  <= ascending_q ? tile_q + 1'b1 : tile_q - 1'b1;
            token_q <= ascending_q ? reach[POS_BITS-1:0] : token_q - step[POS_BITS-1:0];
        end
        if (state_q == IDLE) begin
            tokens_q <= tokens[COUNT_BITS-1:0];
        end else if (state_q == END) begin
            tokens_q <= beyond ? left[COUNT_BITS-1:0] : call_tile_tokens;
        end

        // parts
        if (state_q == IDLE || (part_ends && last_part)) begin
            part_q    <= {ENGINE_BITS{1'b0}};
            product_q <= {PRODUCT_BITS{1'b0}};
            high_q    <= {BLOCKS_BITS{1'b0}};
        end else if (state_q == PART) begin
            product_q <= product;
            low_q     <= high_q;
            high_q    <= high;
        end else if (part_ends) begin
            part_q    <= part_q + 1'b1;
        end
        if (state_q == PART_RUN) begin
            last_group_q <= engine_q >> call_split;
        end
        if (state_q == IDLE) begin
            merge_head_q <= {Q_HEAD_BITS{1'b0}};
        end else if (merged) begin
            merge_head_q <= merge_head_q + {{(Q_HEAD_BITS-COUNT_BITS){1'b0}}, call_group};
        end
        group_q <= !merging ? {ENGINE_BITS{1'b0}} : merged ? group_q + 1'b1 : group_q;
    end

endmodule

`default_nettype wire
