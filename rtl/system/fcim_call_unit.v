// SPDX-License-Identifier: Apache-2.0
// fcim_call_unit: does attention calls, memory in and memory out: engines with their buffer, the
// planner that walks a call, and all that carries Q, K, V and O. It also carries the descriptors
// and the completion words of whoever gives the calls.
//
// Latency:    The first address goes out about 10 cycles after start; done comes when all rows of
//             O are written and answered.
// Throughput: docs/system.md: the engines', if the memory gives what they need.
// Cuts:       As in the blocks inside.
// Numbers:    Unsigned, bytes for addresses and strides. call_* are stable from start to done.
`default_nettype none

module fcim_call_unit #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a head: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    parameter  DATA_BITS = 512,                   // a beat: 128 to 1024, at most HEAD_DIM * 8
    parameter  MAX_BURST = 16,                    // beats of a burst at most: a power of two
    parameter  OUTSTANDING = 16,                  // bursts under way: 1 to 256
    parameter  READ_BEATS = 256,                  // room for beats that are read: a power of two
    parameter  O_ROWS = 256,                      // room for rows of O: a power of two
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
    localparam HEAD_BITS = 8,                     // KV head
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // position, number of tokens or of tiles
    localparam COUNT_BITS = 8,                    // rows or tokens of a tile
    localparam TAU_BITS = 4,                      // tau in octaves
    localparam OCTAVES_BITS = 5,                  // octaves that a block may lie below
    localparam ADDRESS_BITS = 64,                 // address of a byte
    localparam STRIDE_BITS = 32,                  // bytes from one to the next
    localparam BEATS_BITS = 16,                   // beats of a row
    localparam ROWS_BITS = 18,                    // rows of a command
    localparam WORD_BITS = 64,                    // completion word
    localparam COUNTERS = 26,                     // performance counters of an engine
    localparam COUNTER_BITS = 48                  // one counter
) (
    input  wire                             clk,
    input  wire                             rst_n,           // of all but the bus' engines
    input  wire                             bus_rst_n,       // of all
    input  wire                             stop,
    output wire                             bus_idle,        // nothing is under way on the bus

    // the call
    input  wire                             start,           // one cycle
    output wire                             done,            // one cycle
    input  wire                             call_decode,
    input  wire                             call_streamed,   // K and V exceed the buffer
    input  wire                             call_own_start,
    input  wire                             call_fused,
    input  wire                             call_skip,
    input  wire [TAU_BITS-1:0]              call_tau,
    input  wire [OCTAVES_BITS-1:0]          call_octaves,
    input  wire [COUNT_BITS-1:0]            call_group,
    input  wire [2:0]                       call_split,      // log2 of engines of a KV head
    input  wire [COUNT_BITS-1:0]            call_tile_tokens, // ROWS / group
    input  wire [POS_BITS-1:0]              call_tiles,      // of a KV head
    input  wire [POS_BITS-1:0]              call_tokens,
    input  wire [POS_BITS-1:0]              call_first,
    input  wire [HEAD_BITS:0]               call_heads,
    input  wire [ADDRESS_BITS-1:0]          call_q,
    input  wire [ADDRESS_BITS-1:0]          call_k,
    input  wire [ADDRESS_BITS-1:0]          call_v,
    input  wire [ADDRESS_BITS-1:0]          call_o,
    input  wire [ADDRESS_BITS-1:0]          call_q_table,
    input  wire [ADDRESS_BITS-1:0]          call_k_table,
    input  wire [ADDRESS_BITS-1:0]          call_h_table,
    input  wire [STRIDE_BITS-1:0]           call_q_token_stride,
    input  wire [STRIDE_BITS-1:0]           call_q_head_stride,
    input  wire [STRIDE_BITS-1:0]           call_k_token_stride,
    input  wire [STRIDE_BITS-1:0]           call_k_head_stride,
    input  wire [STRIDE_BITS-1:0]           call_v_token_stride,
    input  wire [STRIDE_BITS-1:0]           call_v_head_stride,
    input  wire [STRIDE_BITS-1:0]           call_o_token_stride,
    input  wire [STRIDE_BITS-1:0]           call_o_head_stride,
    input  wire [STRIDE_BITS-1:0]           call_q_table_stride,
    input  wire [STRIDE_BITS-1:0]           call_k_table_stride,
    output wire                             call_read_error, // until the next start
    output wire                             call_write_error,
    output wire                             call_engine_error,

    // descriptors
    input  wire                             s_desc_valid,
    output wire                             s_desc_ready,
    input  wire [ADDRESS_BITS-1:0]          s_desc_address,
    input  wire [BEATS_BITS-1:0]            s_desc_beats,
    input  wire [ROWS_BITS-1:0]             s_desc_rows,
    input  wire [ADDRESS_BITS-1:0]          s_desc_stride,
    output wire                             m_desc_valid,
    output wire [DATA_BITS-1:0]             m_desc_data,
    output wire                             m_desc_error,
    output wire                             m_desc_last,

    // completion words
    input  wire                             s_word_valid,
    output wire                             s_word_ready,
    input  wire [ADDRESS_BITS-1:0]          s_word_address,
    input  wire [WORD_BITS-1:0]             s_word_data,
    output wire                             word_done,
    output wire                             word_error,

    // AXI4
    output wire                             m_axi_arvalid,
    input  wire                             m_axi_arready,
    output wire                             m_axi_arid,
    output wire [ADDRESS_BITS-1:0]          m_axi_araddr,
    output wire [7:0]                       m_axi_arlen,
    output wire [2:0]                       m_axi_arsize,
    output wire [1:0]                       m_axi_arburst,
    output wire [3:0]                       m_axi_arcache,
    output wire [2:0]                       m_axi_arprot,
    input  wire                             m_axi_rvalid,
    output wire                             m_axi_rready,
    input  wire                             m_axi_rid,
    input  wire [DATA_BITS-1:0]             m_axi_rdata,
    input  wire [1:0]                       m_axi_rresp,
    input  wire                             m_axi_rlast,
    output wire                             m_axi_awvalid,
    input  wire                             m_axi_awready,
    output wire                             m_axi_awid,
    output wire [ADDRESS_BITS-1:0]          m_axi_awaddr,
    output wire [7:0]                       m_axi_awlen,
    output wire [2:0]                       m_axi_awsize,
    output wire [1:0]                       m_axi_awburst,
    output wire [3:0]                       m_axi_awcache,
    output wire [2:0]                       m_axi_awprot,
    output wire                             m_axi_wvalid,
    input  wire                             m_axi_wready,
    output wire [DATA_BITS-1:0]             m_axi_wdata,
    output wire [DATA_BITS/8-1:0]           m_axi_wstrb,
    output wire                             m_axi_wlast,
    input  wire                             m_axi_bvalid,
    output wire                             m_axi_bready,
    input  wire                             m_axi_bid,
    input  wire [1:0]                       m_axi_bresp,

    // status
    input  wire                             clear_errors,    // of the bus
    output wire                             read_slave,      // sticky: SLVERR
    output wire                             read_decode,     // sticky: DECERR
    output wire [ADDRESS_BITS-1:0]          read_address,    // of the first burst with an error
    output wire                             write_slave,
    output wire                             write_decode,
    output wire [ADDRESS_BITS-1:0]          write_address,
    input  wire                             clear_counters,  // of the engines
    output wire                             ev_k_block,      // a block of K is read from the buffer
    output wire                             ev_v_block,
    output wire                             ev_row,          // a row of O leaves the engines
    input  wire [ENGINE_BITS-1:0]           counters_engine,
    output wire [COUNTERS*COUNTER_BITS-1:0] counters
);

    localparam SLOTS = (ENGINES > 2) ? ENGINES : 2;
    localparam SLOT_BITS = $clog2(SLOTS);
    localparam O_SLOT_BITS = $clog2(ENGINES + 1);
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK);
    localparam BLOCK_BITS = POS_BITS - 1 - KEY_BITS;
    localparam BLOCKS_BITS = BLOCK_BITS + 1;
    localparam BUFFER_BITS = $clog2(BUFFER_KEYS);
    localparam BASE_BITS = BUFFER_BITS - KEY_BITS;
    localparam Q_HEAD_BITS = 16;
    localparam MULT_BITS = 16;
    localparam V_MULT_BITS = 4;
    localparam SHIFT_BITS = 6;
    localparam OUT_BITS = 16;
    localparam JOB_BITS = O_SLOT_BITS + Q_HEAD_BITS + POS_BITS + COUNT_BITS;
    localparam TILE_BITS = ENGINE_BITS + HEAD_BITS + Q_HEAD_BITS + 2 * POS_BITS + COUNT_BITS;
    localparam WAITING = 16;          // jobs and merges that wait: the heads of a wave of decode

    // ---- illegal parameters stop elaboration: the missing module's name says which
    generate
        if (DATA_BITS > HEAD_DIM * 8) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_at_most_8_HEAD_DIM illegal_data_bits();
        end
    endgenerate

    wire run_valid, run_ready;
    wire [SLOT_BITS-1:0] run_slot;
    wire [HEAD_BITS-1:0] run_head;
    wire [BLOCK_BITS-1:0] run_first;
    wire [BLOCKS_BITS-1:0] run_blocks;
    wire run_descending;
    wire plan_tile_valid, plan_tile_ready;
    wire [ENGINE_BITS-1:0] plan_tile_engine;
    wire [HEAD_BITS-1:0] plan_tile_head;
    wire [Q_HEAD_BITS-1:0] plan_tile_q_head;
    wire [POS_BITS-1:0] plan_tile_tile;
    wire [POS_BITS-1:0] plan_tile_token;
    wire [COUNT_BITS-1:0] plan_tile_tokens;
    wire tile_valid, tile_ready;
    wire [ENGINE_BITS-1:0] tile_engine;
    wire [HEAD_BITS-1:0] tile_head;
    wire [Q_HEAD_BITS-1:0] tile_q_head;
    wire [POS_BITS-1:0] tile_tile;
    wire [POS_BITS-1:0] tile_token;
    wire [COUNT_BITS-1:0] tile_tokens;
    wire plan_job_valid, plan_job_ready;
    wire [O_SLOT_BITS-1:0] plan_job_slot;
    wire [Q_HEAD_BITS-1:0] plan_job_q_head;
    wire [POS_BITS-1:0] plan_job_token;
    wire [COUNT_BITS-1:0] plan_job_tokens;
    wire job_valid, job_ready;
    wire [O_SLOT_BITS-1:0] job_slot;
    wire [Q_HEAD_BITS-1:0] job_q_head;
    wire [POS_BITS-1:0] job_token;
    wire [COUNT_BITS-1:0] job_tokens;
    wire wave_valid, wave_ready;
    wire wave_ascending;
    wire wave_own_start;
    wire wave_stream;
    wire wave_tag;
    wire [1:0] wave_mode;
    wire [BASE_BITS-1:0] wave_base;
    wire [ENGINES*BLOCKS_BITS-1:0] wave_blocks;
    wire [ENGINES*BLOCK_BITS-1:0] wave_first;
    wire plan_merge_valid, plan_merge_ready;
    wire [ENGINES-1:0] plan_merge_parts;
    wire merge_valid, merge_ready;
    wire [ENGINES-1:0] merge_parts;
    wire fetch_valid, fetch_ready;
    wire [1:0] fetch_kind;
    wire [ENGINE_BITS-1:0] fetch_engine;
    wire [HEAD_BITS-1:0] fetch_head;
    wire [POS_BITS-1:0] fetch_pos;
    wire fetch_last;
    wire [ADDRESS_BITS-1:0] fetch_address;
    wire [BEATS_BITS-1:0] fetch_beats;
    wire [ROWS_BITS-1:0] fetch_rows;
    wire [ADDRESS_BITS-1:0] fetch_stride;
    wire load_valid, load_ready;
    wire [1:0] load_kind;
    wire [SLOT_BITS-1:0] load_slot;
    wire [BASE_BITS-1:0] load_page;
    wire [ADDRESS_BITS-1:0] load_address;
    wire [BEATS_BITS-1:0] load_beats;
    wire [ROWS_BITS-1:0] load_rows;
    wire [ADDRESS_BITS-1:0] load_stride;
    wire rd_valid, rd_ready;
    wire [ADDRESS_BITS-1:0] rd_address;
    wire [BEATS_BITS-1:0] rd_beats;
    wire [ROWS_BITS-1:0] rd_rows;
    wire [ADDRESS_BITS-1:0] rd_stride;
    wire beat_valid, beat_ready;
    wire [DATA_BITS-1:0] beat_data;
    wire beat_error;
    wire beat_last;
    wire wr_valid, wr_ready;
    wire [ADDRESS_BITS-1:0] wr_address;
    wire [BEATS_BITS-1:0] wr_beats;
    wire [ROWS_BITS-1:0] wr_rows;
    wire [ADDRESS_BITS-1:0] wr_stride;
    wire wbeat_valid, wbeat_ready;
    wire [DATA_BITS-1:0] wbeat_data;
    wire [DATA_BITS/8-1:0] wbeat_strobe;
    wire q_valid, q_ready;
    wire [ENGINE_BITS-1:0] q_engine;
    wire [HEAD_DIM*8-1:0] q_data;
    wire [POS_BITS-1:0] q_pos;
    wire [MULT_BITS-1:0] q_mult;
    wire [SHIFT_BITS-1:0] q_shift;
    wire q_partial;
    wire q_last;
    wire row_valid, row_ready;
    wire [O_SLOT_BITS-1:0] row_engine;
    wire [HEAD_DIM*OUT_BITS-1:0] row_data;
    wire row_last;
    wire o_valid, o_ready;
    wire [O_SLOT_BITS-1:0] o_engine;
    wire [HEAD_DIM*OUT_BITS-1:0] o_data;
    wire o_last;
    wire [2*BASE_BITS-1:0]   head_base;
    wire [2*BLOCKS_BITS-1:0] head_asked, head_loaded;
    wire                     head_freed, head_freed_slot, waits, loaded;
    wire [SLOT_BITS-1:0]     loaded_slot;
    wire [SLOTS-1:0]         freed;
    wire [ENGINES-1:0]       tile_done, tile_done_tag, q_room;
    reg  [ENGINES-1:0]       q_taken;
    wire                     k_we, v_we;
    wire [BUFFER_BITS-1:0]   k_address, v_address;
    wire [HEAD_DIM*8-1:0]    k_data, v_data;
    wire [MULT_BITS-1:0]     k_mult;
    wire [V_MULT_BITS-1:0]   k_v_mult;
    wire planner_idle, fetch_idle, load_idle, router_idle, store_idle;
    wire tiles_empty, jobs_empty, merges_empty, rows_empty;
    wire queries, row_waits;
    wire reader_idle, writer_idle, written, written_error;
    wire read_error, write_error, error_rows, cluster_error;

    // ---- a call from start to its end
    reg under_way_q, read_error_q, write_error_q;
    assign done = under_way_q && planner_idle && fetch_idle && load_idle && router_idle &&
                  store_idle && tiles_empty && jobs_empty && merges_empty && rows_empty;
    always @(posedge clk) begin
        if (!rst_n) begin
            under_way_q   <= 1'b0;
            read_error_q  <= 1'b0;
            write_error_q <= 1'b0;
        end else begin
            under_way_q   <= start || (under_way_q && !done);
            read_error_q  <= !start && (read_error_q || read_error);
            write_error_q <= !start && (write_error_q || write_error);
        end
    end
    // the last answer's error comes as the call ends
    assign call_read_error   = read_error_q || read_error;
    assign call_write_error  = write_error_q || write_error;
    assign call_engine_error = cluster_error || error_rows;

    // a head that nobody waits for yet is loaded when no row of O wants to be written
    wire hold_loads = row_waits && !waits && !call_decode && !call_streamed;

    fcim_planner #(
        .ENGINES(ENGINES), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .MAX_KEYS(MAX_KEYS),
        .BUFFER_KEYS(BUFFER_KEYS)
    ) u_planner (
        .clk(clk), .rst_n(rst_n), .start(start), .idle(planner_idle),
        .call_decode(call_decode), .call_streamed(call_streamed), .call_own_start(call_own_start),
        .call_group(call_group), .call_split(call_split), .call_tile_tokens(call_tile_tokens),
        .call_tiles(call_tiles), .call_tokens(call_tokens), .call_first(call_first),
        .call_heads(call_heads),
        .m_run_valid(run_valid), .m_run_ready(run_ready), .m_run_slot(run_slot),
        .m_run_head(run_head), .m_run_first(run_first), .m_run_blocks(run_blocks),
        .m_run_descending(run_descending),
        .head_base(head_base), .head_asked(head_asked), .head_loaded(head_loaded),
        .head_freed(head_freed),
        .head_freed_slot(head_freed_slot), .waits(waits),
        .m_tile_valid(plan_tile_valid), .m_tile_ready(plan_tile_ready),
        .m_tile_engine(plan_tile_engine),
        .m_tile_head(plan_tile_head), .m_tile_q_head(plan_tile_q_head),
        .m_tile_tile(plan_tile_tile),
        .m_tile_token(plan_tile_token), .m_tile_tokens(plan_tile_tokens), .q_room(q_room),
        .q_taken(q_taken),
        .m_job_valid(plan_job_valid), .m_job_ready(plan_job_ready), .m_job_slot(plan_job_slot),
        .m_job_q_head(plan_job_q_head), .m_job_token(plan_job_token),
        .m_job_tokens(plan_job_tokens), .jobs_taken(jobs_empty),
        .m_wave_valid(wave_valid), .m_wave_ready(wave_ready), .m_wave_ascending(wave_ascending),
        .m_wave_own_start(wave_own_start), .m_wave_stream(wave_stream), .m_wave_tag(wave_tag),
        .m_wave_mode(wave_mode), .m_wave_base(wave_base), .m_wave_blocks(wave_blocks),
        .m_wave_first(wave_first),
        .tile_done(tile_done), .tile_done_tag(tile_done_tag),
        .m_merge_valid(plan_merge_valid), .m_merge_ready(plan_merge_ready),
        .m_merge_parts(plan_merge_parts)
    );

    always @* begin : taken
        integer e;
        for (e = 0; e < ENGINES; e = e + 1) begin
            q_taken[e] = q_valid && q_ready && q_last && (q_engine == e[ENGINE_BITS-1:0]);
        end
    end

    // a wave can begin while its last engines wait for their Q
    fcim_fifo #(.WORDS(2 * SLOTS), .WIDTH(TILE_BITS)) u_tiles (
        .clk(clk), .rst_n(rst_n), .s_valid(plan_tile_valid), .s_ready(plan_tile_ready),
        .s_data({plan_tile_engine, plan_tile_head, plan_tile_q_head, plan_tile_tile,
                 plan_tile_token, plan_tile_tokens}),
        .m_valid(tile_valid), .m_ready(tile_ready),
        .m_data({tile_engine, tile_head, tile_q_head, tile_tile, tile_token, tile_tokens}),
        .empty(tiles_empty)
    );

    // the planner goes on while heads of a decode wait to be merged
    fcim_fifo #(.WORDS(WAITING), .WIDTH(JOB_BITS)) u_jobs (
        .clk(clk), .rst_n(rst_n), .s_valid(plan_job_valid), .s_ready(plan_job_ready),
        .s_data({plan_job_slot, plan_job_q_head, plan_job_token, plan_job_tokens}),
        .m_valid(job_valid), .m_ready(job_ready),
        .m_data({job_slot, job_q_head, job_token, job_tokens}), .empty(jobs_empty)
    );
    fcim_fifo #(.WORDS(WAITING), .WIDTH(ENGINES)) u_merges (
        .clk(clk), .rst_n(rst_n), .s_valid(plan_merge_valid), .s_ready(plan_merge_ready),
        .s_data(plan_merge_parts), .m_valid(merge_valid), .m_ready(merge_ready),
        .m_data(merge_parts), .empty(merges_empty)
    );

    fcim_kv_loader #(
        .ENGINES(ENGINES), .HEAD_DIM(HEAD_DIM), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .MAX_KEYS(MAX_KEYS), .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS)
    ) u_kv_loader (
        .clk(clk), .rst_n(rst_n), .idle(load_idle),
        .call_decode(call_decode), .call_streamed(call_streamed), .call_k(call_k), .call_v(call_v),
        .call_k_table(call_k_table), .call_k_token_stride(call_k_token_stride),
        .call_k_head_stride(call_k_head_stride), .call_v_token_stride(call_v_token_stride),
        .call_v_head_stride(call_v_head_stride), .call_k_table_stride(call_k_table_stride),
        .s_run_valid(run_valid), .s_run_ready(run_ready), .s_run_slot(run_slot),
        .s_run_head(run_head), .s_run_first(run_first), .s_run_blocks(run_blocks),
        .s_run_descending(run_descending),
        .freed(freed), .head_freed(head_freed), .head_freed_slot(head_freed_slot),
        .loaded(loaded), .loaded_slot(loaded_slot), .head_base(head_base),
        .head_asked(head_asked), .head_loaded(head_loaded),
        .m_load_valid(load_valid), .m_load_ready(load_ready), .m_load_kind(load_kind),
        .m_load_slot(load_slot), .m_load_page(load_page), .m_load_address(load_address),
        .m_load_beats(load_beats), .m_load_rows(load_rows), .m_load_stride(load_stride)
    );

    fcim_q_fetch #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .MAX_KEYS(MAX_KEYS),
        .DATA_BITS(DATA_BITS)
    ) u_q_fetch (
        .clk(clk), .rst_n(rst_n), .idle(fetch_idle), .start(start),
        .call_first(call_first), .call_heads(call_heads), .call_group(call_group), .call_q(call_q),
        .call_q_table(call_q_table), .call_h_table(call_h_table),
        .call_q_token_stride(call_q_token_stride), .call_q_head_stride(call_q_head_stride),
        .call_q_table_stride(call_q_table_stride),
        .s_tile_valid(tile_valid), .s_tile_ready(tile_ready), .s_tile_engine(tile_engine),
        .s_tile_head(tile_head), .s_tile_q_head(tile_q_head), .s_tile_tile(tile_tile),
        .s_tile_token(tile_token), .s_tile_tokens(tile_tokens),
        .m_fetch_valid(fetch_valid), .m_fetch_ready(fetch_ready), .m_fetch_kind(fetch_kind),
        .m_fetch_engine(fetch_engine), .m_fetch_head(fetch_head), .m_fetch_pos(fetch_pos),
        .m_fetch_last(fetch_last), .m_fetch_address(fetch_address), .m_fetch_beats(fetch_beats),
        .m_fetch_rows(fetch_rows), .m_fetch_stride(fetch_stride)
    );

    fcim_read_router #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .MAX_KEYS(MAX_KEYS), .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS),
        .COMMANDS(2 * OUTSTANDING)
    ) u_read_router (
        .clk(clk), .rst_n(rst_n), .idle(router_idle), .call_decode(call_decode),
        .hold_loads(hold_loads), .loads_first(waits), .queries(queries),
        .s_desc_valid(s_desc_valid), .s_desc_ready(s_desc_ready), .s_desc_address(s_desc_address),
        .s_desc_beats(s_desc_beats), .s_desc_rows(s_desc_rows), .s_desc_stride(s_desc_stride),
        .s_fetch_valid(fetch_valid), .s_fetch_ready(fetch_ready), .s_fetch_kind(fetch_kind),
        .s_fetch_engine(fetch_engine), .s_fetch_head(fetch_head), .s_fetch_pos(fetch_pos),
        .s_fetch_last(fetch_last), .s_fetch_address(fetch_address), .s_fetch_beats(fetch_beats),
        .s_fetch_rows(fetch_rows), .s_fetch_stride(fetch_stride),
        .s_load_valid(load_valid), .s_load_ready(load_ready), .s_load_kind(load_kind),
        .s_load_slot(load_slot), .s_load_page(load_page), .s_load_address(load_address),
        .s_load_beats(load_beats), .s_load_rows(load_rows), .s_load_stride(load_stride),
        .m_cmd_valid(rd_valid), .m_cmd_ready(rd_ready), .m_cmd_address(rd_address),
        .m_cmd_beats(rd_beats), .m_cmd_rows(rd_rows), .m_cmd_stride(rd_stride),
        .s_data_valid(beat_valid), .s_data_ready(beat_ready), .s_data_data(beat_data),
        .s_data_error(beat_error), .s_data_last(beat_last),
        .m_desc_valid(m_desc_valid), .m_desc_data(m_desc_data), .m_desc_error(m_desc_error),
        .m_desc_last(m_desc_last),
        .k_we(k_we), .k_address(k_address), .k_data(k_data), .k_mult(k_mult), .k_v_mult(k_v_mult),
        .v_we(v_we), .v_address(v_address), .v_data(v_data), .loaded(loaded),
        .loaded_slot(loaded_slot),
        .m_q_valid(q_valid), .m_q_ready(q_ready), .m_q_engine(q_engine), .m_q_data(q_data),
        .m_q_pos(q_pos), .m_q_mult(q_mult), .m_q_shift(q_shift), .m_q_partial(q_partial),
        .m_q_last(q_last),
        .read_error(read_error)
    );

    fcim_axi_reader #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING),
        .BUFFER_BEATS(READ_BEATS)
    ) u_reader (
        .clk(clk), .rst_n(bus_rst_n), .stop(stop), .clear(clear_errors), .idle(reader_idle),
        .s_cmd_valid(rd_valid), .s_cmd_ready(rd_ready), .s_cmd_address(rd_address),
        .s_cmd_beats(rd_beats), .s_cmd_rows(rd_rows), .s_cmd_stride(rd_stride),
        .m_data_valid(beat_valid), .m_data_ready(beat_ready), .m_data_data(beat_data),
        .m_data_error(beat_error), .m_data_last(beat_last),
        .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready), .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst), .m_axi_arcache(m_axi_arcache), .m_axi_arprot(m_axi_arprot),
        .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready), .m_axi_rid(m_axi_rid),
        .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp), .m_axi_rlast(m_axi_rlast),
        .error_slave(read_slave), .error_decode(read_decode), .error_address(read_address)
    );

    fcim_cluster #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT), .BUFFER_KEYS(BUFFER_KEYS)
    ) u_cluster (
        .clk(clk), .rst_n(rst_n),
        .k_we(k_we), .k_address(k_address), .k_data(k_data), .k_mult(k_mult), .k_v_mult(k_v_mult),
        .v_we(v_we), .v_address(v_address), .v_data(v_data),
        .s_wave_valid(wave_valid), .s_wave_ready(wave_ready), .s_wave_ascending(wave_ascending),
        .s_wave_own_start(wave_own_start), .s_wave_stream(wave_stream), .s_wave_tag(wave_tag),
        .s_wave_mode(wave_mode), .s_wave_base(wave_base), .s_wave_blocks(wave_blocks),
        .s_wave_first(wave_first),
        .loaded(loaded), .loaded_slot(loaded_slot),
        .loaded_counts(call_decode || call_streamed), .freed(freed),
        .tile_done(tile_done), .tile_done_tag(tile_done_tag),
        .s_q_valid(q_valid), .s_q_ready(q_ready), .s_q_engine(q_engine), .s_q_data(q_data),
        .s_q_pos(q_pos), .s_q_mult(q_mult), .s_q_shift(q_shift), .s_q_partial(q_partial),
        .s_q_last(q_last), .q_room(q_room),
        .s_q_tau(call_tau), .s_q_fused(call_fused), .s_q_skip(call_skip),
        .s_q_octaves(call_octaves),
        .s_merge_valid(merge_valid), .s_merge_ready(merge_ready), .s_merge_parts(merge_parts),
        .m_o_valid(row_valid), .m_o_ready(row_ready), .m_o_engine(row_engine),
        .m_o_data(row_data), .m_o_last(row_last), .m_o_empty(),
        .clear(clear_counters), .error(cluster_error),
        .ev_k_block(ev_k_block), .ev_v_block(ev_v_block),
        .counters_engine(counters_engine), .counters(counters)
    );
    assign ev_row = row_valid && row_ready;

    // the memory's time: rows of Q come first, and key blocks that a wave lacks, until rows of O
    // crowd
    fcim_o_stage #(.ENGINES(ENGINES), .HEAD_DIM(HEAD_DIM), .O_ROWS(O_ROWS)) u_o_stage (
        .clk(clk), .rst_n(rst_n), .empty(rows_empty), .waits(row_waits),
        .hold(queries || waits),
        .s_o_valid(row_valid), .s_o_ready(row_ready), .s_o_engine(row_engine),
        .s_o_data(row_data), .s_o_last(row_last),
        .m_o_valid(o_valid), .m_o_ready(o_ready), .m_o_engine(o_engine), .m_o_data(o_data),
        .m_o_last(o_last)
    );

    fcim_store #(
        .ENGINES(ENGINES), .HEAD_DIM(HEAD_DIM), .MAX_KEYS(MAX_KEYS), .DATA_BITS(DATA_BITS)
    ) u_store (
        .clk(clk), .rst_n(rst_n), .idle(store_idle),
        .call_group(call_group), .call_o(call_o), .call_o_token_stride(call_o_token_stride),
        .call_o_head_stride(call_o_head_stride),
        .s_job_valid(job_valid), .s_job_ready(job_ready), .s_job_slot(job_slot),
        .s_job_q_head(job_q_head), .s_job_token(job_token), .s_job_tokens(job_tokens),
        .s_o_valid(o_valid), .s_o_ready(o_ready), .s_o_engine(o_engine), .s_o_data(o_data),
        .s_o_last(o_last),
        .s_word_valid(s_word_valid), .s_word_ready(s_word_ready), .s_word_address(s_word_address),
        .s_word_data(s_word_data),
        .word_done(word_done), .word_error(word_error),
        .m_cmd_valid(wr_valid), .m_cmd_ready(wr_ready), .m_cmd_address(wr_address),
        .m_cmd_beats(wr_beats), .m_cmd_rows(wr_rows), .m_cmd_stride(wr_stride),
        .m_data_valid(wbeat_valid), .m_data_ready(wbeat_ready), .m_data_data(wbeat_data),
        .m_data_strobe(wbeat_strobe),
        .done(written), .done_error(written_error), .write_error(write_error),
        .error_rows(error_rows)
    );

    fcim_axi_writer #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING)
    ) u_writer (
        .clk(clk), .rst_n(bus_rst_n), .stop(stop), .clear(clear_errors), .idle(writer_idle),
        .s_cmd_valid(wr_valid), .s_cmd_ready(wr_ready), .s_cmd_address(wr_address),
        .s_cmd_beats(wr_beats), .s_cmd_rows(wr_rows), .s_cmd_stride(wr_stride),
        .s_data_valid(wbeat_valid), .s_data_ready(wbeat_ready), .s_data_data(wbeat_data),
        .s_data_strobe(wbeat_strobe),
        .done(written), .done_error(written_error),
        .m_axi_awvalid(m_axi_awvalid), .m_axi_awready(m_axi_awready), .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst), .m_axi_awcache(m_axi_awcache), .m_axi_awprot(m_axi_awprot),
        .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(m_axi_wready), .m_axi_wdata(m_axi_wdata),
        .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast), .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready), .m_axi_bid(m_axi_bid), .m_axi_bresp(m_axi_bresp),
        .error_slave(write_slave), .error_decode(write_decode), .error_address(write_address)
    );

    assign bus_idle = reader_idle && writer_idle;

endmodule

`default_nettype wire
