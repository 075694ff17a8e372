// SPDX-License-Identifier: Apache-2.0
// fcim_kv_loader: runs of key blocks become commands to read them into the pages of a buffer. A
// block is asked for when its page is free: its multipliers, its rows of K, its rows of V.
//
// A run is a head (resident), a wave's blocks (streamed) or an engine's share of a head (decode); a
// slot has one run at a time. Resident: the pages are a ring in which heads lie one behind the
// other, block by block, each until it is freed as a whole. Streamed: each of two slots has half of
// the pages, decode: each engine has its share of them, and their pages are freed one by one.
//
// Latency:    The first command comes 7 cycles after a run is accepted.
// Throughput: A block per 6 cycles.
// Cuts:       m_load comes from registers and, in what is the same for all commands of a kind,
//             from call_*; s_run_slot reaches s_run_ready, m_load_ready the choice of a command.
//             All else comes from registers.
// Numbers:    Unsigned; addresses are modulo 2**64. A resident run is a whole head: first is 0. A
//             slot's pages are freed after they are loaded, in the order in which they were asked
//             for. m_load_stride is that
//             of rows of K or V, also beside a single row, where it does not count. call_* is held
//             from a call's first run until its last page is freed.
`default_nettype none

module fcim_kv_loader #(
    parameter  ENGINES = 16,              // a power of two, 1 to 16
    parameter  HEAD_DIM = 128,            // elements of a head vector: 16, 32, 64 or 128
    parameter  KEYS_PER_BLOCK = 16,       // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  MAX_KEYS = 131072,         // keys of a head: a power of two, 64 to 131072
    parameter  BUFFER_KEYS = 4096,        // keys in the buffer: a power of two of blocks
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024, at most 8 * HEAD_DIM
    localparam SLOTS = (ENGINES > 2) ? ENGINES : 2,       // what runs are for
    localparam SLOT_BITS = $clog2(SLOTS), // index of a slot
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),         // index of a key in its block
    localparam BLOCK_BITS = $clog2(MAX_KEYS) - KEY_BITS,  // index of a block in its head
    localparam BLOCKS_BITS = BLOCK_BITS + 1,              // number of blocks
    localparam BASE_BITS = $clog2(BUFFER_KEYS) - KEY_BITS,  // index of a page
    localparam HEAD_BITS = 8,             // index of a KV head
    localparam KIND_BITS = 2,             // 0 multipliers, 1 K, 2 V
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam STRIDE_BITS = 32,          // bytes from one index to the next
    localparam BEATS_BITS = 16,           // beats of a row, 1 or more
    localparam ROWS_BITS = 18             // rows of a command, 1 or more
) (
    input  wire                     clk,
    input  wire                     rst_n,
    output wire                     idle,          // no block is to be asked for

    // the call; resident if neither streamed nor decode
    input  wire                     call_decode,
    input  wire                     call_streamed,
    input  wire [ADDRESS_BITS-1:0]  call_k,
    input  wire [ADDRESS_BITS-1:0]  call_v,
    input  wire [ADDRESS_BITS-1:0]  call_k_table,
    input  wire [STRIDE_BITS-1:0]   call_k_token_stride,
    input  wire [STRIDE_BITS-1:0]   call_k_head_stride,
    input  wire [STRIDE_BITS-1:0]   call_v_token_stride,
    input  wire [STRIDE_BITS-1:0]   call_v_head_stride,
    input  wire [STRIDE_BITS-1:0]   call_k_table_stride,

    // runs of blocks
    input  wire                     s_run_valid,
    output wire                     s_run_ready,
    input  wire [SLOT_BITS-1:0]     s_run_slot,
    input  wire [HEAD_BITS-1:0]     s_run_head,
    input  wire [BLOCK_BITS-1:0]    s_run_first,
    input  wire [BLOCKS_BITS-1:0]   s_run_blocks,  // 1 or more
    input  wire                     s_run_descending,

    // pages
    input  wire [SLOTS-1:0]         freed,         // streamed, decode: a page of the slot is free
    input  wire                     head_freed,    // resident: all pages of the slot are free
    input  wire                     head_freed_slot,
    input  wire                     loaded,        // a block of the slot is in the buffer
    input  wire [SLOT_BITS-1:0]     loaded_slot,
    output wire [2*BASE_BITS-1:0]   head_base,     // resident, of each slot: page of block 0
    output wire [2*BLOCKS_BITS-1:0] head_asked,    // how many blocks were asked for
    output wire [2*BLOCKS_BITS-1:0] head_loaded,   // and how many are in the buffer

    // commands
    output wire                     m_load_valid,
    input  wire                     m_load_ready,
    output wire [KIND_BITS-1:0]     m_load_kind,
    output wire [SLOT_BITS-1:0]     m_load_slot,
    output wire [BASE_BITS-1:0]     m_load_page,
    output wire [ADDRESS_BITS-1:0]  m_load_address,
    output wire [BEATS_BITS-1:0]    m_load_beats,
    output wire [ROWS_BITS-1:0]     m_load_rows,
    output wire [ADDRESS_BITS-1:0]  m_load_stride
);

    localparam PAGES = BUFFER_KEYS / KEYS_PER_BLOCK;
    localparam COUNT_BITS = BASE_BITS + 1;          // number of pages
    localparam SHARE_BITS = BASE_BITS - $clog2(ENGINES);  // index of a page in an engine's share
    localparam STREAM_PAGES = PAGES / 2;
    localparam ENGINE_PAGES = PAGES / ENGINES;
    localparam BUS_BYTES = DATA_BITS / 8;
    localparam ROW_BEATS = HEAD_DIM / BUS_BYTES;    // beats of a row of K or V
    localparam TABLE_BEATS = (4 * KEYS_PER_BLOCK + BUS_BYTES - 1) / BUS_BYTES;  // of a block's
    localparam TABLE_BYTES = TABLE_BEATS * BUS_BYTES;                           // multipliers
    localparam INDEX_BITS = 24;                     // an index of fcim_address
    localparam RUN_BITS = HEAD_BITS + BLOCK_BITS + 1;   // what a run keeps
    localparam PLACE_BITS = BLOCK_BITS + BLOCKS_BITS;   // how far it is
    localparam TAG_BITS = KIND_BITS + SLOT_BITS + BASE_BITS;  // what goes with an address
    localparam INSIDE_BITS = 2;                     // addresses under way, up to 3
    localparam [BLOCKS_BITS-1:0] ONE_BLOCK = 1;
    localparam [KIND_BITS-1:0] MULTIPLIERS = 0;
    localparam [KIND_BITS-1:0] K_ROWS = 1;
    localparam [KIND_BITS-1:0] V_ROWS = 2;

    // ---- illegal parameters stop elaboration: the missing module's name says which
    generate
        if (ENGINES < 1 || ENGINES > 16 || (1 << $clog2(ENGINES)) != ENGINES)
        begin : g_check_engines
            fcim_illegal_ENGINES_use_1_2_4_8_or_16 illegal_engines();
        end
        if ((1 << $clog2(BUFFER_KEYS)) != BUFFER_KEYS || BUFFER_KEYS > MAX_KEYS ||
            BUFFER_KEYS < 2 * SLOTS * KEYS_PER_BLOCK) begin : g_check_buffer_keys
            fcim_illegal_BUFFER_KEYS_use_a_power_of_two_of_blocks_up_to_MAX_KEYS illegal_buffer();
        end
        if (DATA_BITS > 8 * HEAD_DIM) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_at_most_8_HEAD_DIM illegal_data_bits();
        end
    endgenerate

    wire resident = !call_decode && !call_streamed;

    // ---- a block after the other: choose a slot, read where its run is, wait for room in the
    // ring, then ask, three commands
    localparam STATES = 4;
    localparam CHOOSE = 0;
    localparam READ = 1;
    localparam ROOM = 2;
    localparam ASK = 3;
    reg  [STATES-1:0]     state_q;      // one of them
    wire                  chosen, room, accept, ask_ready;
    wire                  take = state_q[ROOM] && room;     // the block gets its page
    wire                  asked;                            // the last of its commands is made

    always @(posedge clk) begin
        if (!rst_n) begin
            state_q <= {{(STATES-1){1'b0}}, 1'b1};
        end else begin
            state_q[CHOOSE] <= (state_q[CHOOSE] && !chosen) || asked;
            state_q[READ]   <= state_q[CHOOSE] && chosen;
            state_q[ROOM]   <= state_q[READ] || (state_q[ROOM] && !room);
            state_q[ASK]    <= take || (state_q[ASK] && !asked);
        end
    end

    // ---- runs: what they are and how far they are
    reg  [SLOT_BITS-1:0]   slot_q;
    reg  [HEAD_BITS-1:0]   head_q;
    reg  [BLOCK_BITS-1:0]  block_q, offset_q;       // in its head, and from the run's first on
    reg  [BLOCKS_BITS-1:0] left_q;                  // blocks, with this one
    reg                    descending_q;
    wire [HEAD_BITS-1:0]   run_head;
    wire [BLOCK_BITS-1:0]  run_first, run_offset;
    wire [BLOCKS_BITS-1:0] run_left;
    wire                   run_descending;
    wire                   ends = (left_q == ONE_BLOCK);
    wire [BLOCK_BITS-1:0]  start_offset = s_run_descending ? s_run_blocks[BLOCK_BITS-1:0] - 1'b1
                                                           : {BLOCK_BITS{1'b0}};
    wire [BLOCK_BITS-1:0]  next_offset = descending_q ? offset_q - 1'b1 : offset_q + 1'b1;

    fcim_register_file #(.WORDS(SLOTS), .WIDTH(RUN_BITS)) u_runs (
        .clk(clk), .we(accept), .wr_address(s_run_slot),
        .wr_data({s_run_head, s_run_first, s_run_descending}),
        .rd_address(slot_q), .rd_data({run_head, run_first, run_descending})
    );
    fcim_register_file #(.WORDS(SLOTS), .WIDTH(PLACE_BITS)) u_places (
        .clk(clk), .we(accept || take), .wr_address(take ? slot_q : s_run_slot),
        .wr_data(take ? {next_offset, left_q - 1'b1} : {start_offset, s_run_blocks}),
        .rd_address(slot_q), .rd_data({run_offset, run_left})
    );
    always @(posedge clk) begin
        if (state_q[READ]) begin
            head_q       <= run_head;
            block_q      <= run_first + run_offset;
            offset_q     <= run_offset;
            left_q       <= run_left;
            descending_q <= run_descending;
        end
    end

    // ---- slots: whether there are blocks to be asked for, and how many pages are not free
    reg  [SLOTS-1:0]      work_q;
    reg  [COUNT_BITS-1:0] used_q [0:SLOTS-1];
    wire [COUNT_BITS-1:0] limit = call_decode ? ENGINE_PAGES[COUNT_BITS-1:0]
                                              : STREAM_PAGES[COUNT_BITS-1:0];
    wire [SLOTS-1:0]      open;         // ready for a run
    wire [SLOTS-1:0]      full;         // none of its pages is free
    genvar s;
    generate
        for (s = 0; s < SLOTS; s = s + 1) begin : g_slot
            localparam [SLOT_BITS-1:0] SLOT = s;
            wire mine = take && (slot_q == SLOT);
            wire goes = freed[s] && !resident;
            wire all_go = head_freed && resident && (s < 2) && (head_freed_slot == SLOT[0]);
            always @(posedge clk) begin
                if (!rst_n) begin
                    work_q[s] <= 1'b0;
                    used_q[s] <= {COUNT_BITS{1'b0}};
                end else begin
                    work_q[s] <= (accept && s_run_slot == SLOT) || (work_q[s] && !(mine && ends));
                    if (all_go) begin
                        used_q[s] <= {COUNT_BITS{1'b0}};
                    end else if (mine && !goes) begin
                        used_q[s] <= used_q[s] + 1'b1;
                    end else if (goes && !mine) begin
                        used_q[s] <= used_q[s] - 1'b1;
                    end
                end
            end
            assign open[s] = !work_q[s] && (used_q[s] == 0);
            assign full[s] = !resident && (used_q[s] == limit);
        end
    endgenerate

    assign s_run_ready = open[s_run_slot] && !state_q[ROOM];     // u_places has one write port
    assign accept      = s_run_valid && s_run_ready;

    // ---- which slot: decode in turn, else the run that was accepted first
    reg                 turn_q;         // slot of that run
    reg [SLOTS-1:0]     behind_q;       // slots behind the one that was chosen last
    wire [SLOTS-1:0]    ready = work_q & ~full;
    wire [SLOTS-1:0]    ready_behind = ready & behind_q;
    wire [SLOTS-1:0]    from = (ready_behind != 0) ? ready_behind : ready;
    wire [SLOTS-1:0]    next = from & (~from + 1'b1);
    reg [SLOT_BITS-1:0] next_slot;
    always @* begin : number
        integer n;
        next_slot = {SLOT_BITS{1'b0}};
        for (n = 0; n < SLOTS; n = n + 1) begin
            if (next[n]) begin
                next_slot = next_slot | n[SLOT_BITS-1:0];
            end
        end
    end
    wire [1:0] first_work  = work_q[1:0];
    wire [1:0] first_ready = ready[1:0];
    assign chosen = call_decode ? (ready != 0) : first_ready[turn_q];

    always @(posedge clk) begin
        if (state_q[CHOOSE] && chosen) begin
            slot_q <= call_decode ? next_slot : {{(SLOT_BITS-1){1'b0}}, turn_q};
        end
        if (!rst_n) begin
            behind_q <= {SLOTS{1'b0}};
            turn_q   <= 1'b0;
        end else begin
            if (state_q[CHOOSE] && chosen) begin
                behind_q <= ~(next | (next - 1'b1));
            end
            if (accept && first_work == 2'b00) begin
                turn_q <= s_run_slot[0];
            end else if (take && ends && first_work[!turn_q]) begin
                turn_q <= !turn_q;
            end
        end
    end

    wire leaves = m_load_valid && m_load_ready;

    // ---- the ring: where the next head begins, and each slot's; two of them show a full ring
    reg [COUNT_BITS-1:0]  ring_q;
    reg [COUNT_BITS-1:0]  base_q   [0:1];
    reg [BLOCKS_BITS-1:0] asked_q  [0:1];
    reg [BLOCKS_BITS-1:0] loaded_q [0:1];
    reg [COUNT_BITS-1:0]  held_q;       // pages in front of the running head's that are not freed
    wire [1:0]            holds = {used_q[1] != 0, used_q[0] != 0};
    wire [COUNT_BITS:0]   span = {1'b0, held_q} + {2'b00, block_q[BASE_BITS-1:0]};

    always @(posedge clk) begin
        if (!rst_n) begin
            ring_q <= {COUNT_BITS{1'b0}};
        end else if (accept && resident) begin
            ring_q <= ring_q + s_run_blocks[COUNT_BITS-1:0];
        end
        // the other slot's head, if pages of it are asked for, is the one before: runs go in order
        held_q <= holds[!turn_q] ? base_q[turn_q] - base_q[!turn_q] : {COUNT_BITS{1'b0}};
    end
    genvar h;
    generate
        for (h = 0; h < 2; h = h + 1) begin : g_head
            localparam [SLOT_BITS-1:0] SLOT = h;
            wire begins = accept && (s_run_slot == SLOT);
            wire block_leaves = leaves && (m_load_slot == SLOT) && (m_load_kind == V_ROWS);
            always @(posedge clk) begin
                if (!rst_n || begins) begin
                    asked_q[h] <= {BLOCKS_BITS{1'b0}};
                end else if (block_leaves) begin
                    asked_q[h] <= asked_q[h] + 1'b1;
                end
                if (!rst_n || begins) begin
                    loaded_q[h] <= {BLOCKS_BITS{1'b0}};
                end else if (loaded && loaded_slot == SLOT) begin
                    loaded_q[h] <= loaded_q[h] + 1'b1;
                end
                if (begins) begin
                    base_q[h] <= ring_q;
                end
            end
            assign head_base[h*BASE_BITS +: BASE_BITS]       = base_q[h][BASE_BITS-1:0];
            assign head_asked[h*BLOCKS_BITS +: BLOCKS_BITS]  = asked_q[h];
            assign head_loaded[h*BLOCKS_BITS +: BLOCKS_BITS] = loaded_q[h];
        end
    endgenerate
    assign room = !resident || (span < PAGES[COUNT_BITS:0]);

    // ---- the block's page and its commands
    reg  [BASE_BITS-1:0]  page_q;
    reg  [KIND_BITS-1:0]  kind_q;
    wire [BASE_BITS-1:0]  share_page;
    wire [BASE_BITS-1:0]  ring_page = base_q[turn_q][BASE_BITS-1:0] + block_q[BASE_BITS-1:0];
    generate
        if (ENGINES > 1) begin : g_shares
            assign share_page = {slot_q, offset_q[SHARE_BITS-1:0]};
        end else begin : g_all
            assign share_page = offset_q[BASE_BITS-1:0];
        end
    endgenerate
    always @(posedge clk) begin
        if (take) begin
            page_q <= call_decode   ? share_page :
                      call_streamed ? {slot_q[0], block_q[BASE_BITS-2:0]} : ring_page;
            kind_q <= MULTIPLIERS;
        end else if (state_q[ASK] && ask_ready) begin
            kind_q <= kind_q + 1'b1;
        end
    end
    assign asked = state_q[ASK] && ask_ready && (kind_q == V_ROWS);

    reg [ADDRESS_BITS-1:0] base;
    reg [STRIDE_BITS-1:0]  i_stride, j_stride;
    reg [INDEX_BITS-1:0]   j;
    always @* begin : choose
        case (kind_q)
            K_ROWS: begin
                base     = call_k;
                i_stride = call_k_head_stride;
                j        = {{(INDEX_BITS-BLOCK_BITS-KEY_BITS){1'b0}}, block_q, {KEY_BITS{1'b0}}};
                j_stride = call_k_token_stride;
            end
            V_ROWS: begin
                base     = call_v;
                i_stride = call_v_head_stride;
                j        = {{(INDEX_BITS-BLOCK_BITS-KEY_BITS){1'b0}}, block_q, {KEY_BITS{1'b0}}};
                j_stride = call_v_token_stride;
            end
            default: begin
                base     = call_k_table;
                i_stride = call_k_table_stride;
                j        = {{(INDEX_BITS-BLOCK_BITS){1'b0}}, block_q};
                j_stride = TABLE_BYTES[STRIDE_BITS-1:0];
            end
        endcase
    end
    fcim_address #(.TAG_BITS(TAG_BITS)) u_address (
        .clk(clk), .rst_n(rst_n),
        .s_address_valid(state_q[ASK]), .s_address_ready(ask_ready), .s_address_base(base),
        .s_address_i({{(INDEX_BITS-HEAD_BITS){1'b0}}, head_q}), .s_address_i_stride(i_stride),
        .s_address_j(j), .s_address_j_stride(j_stride),
        .s_address_tag({kind_q, slot_q, page_q}),
        .m_address_valid(m_load_valid), .m_address_ready(m_load_ready),
        .m_address_address(m_load_address),
        .m_address_tag({m_load_kind, m_load_slot, m_load_page})
    );

    wire table_leaves = (m_load_kind == MULTIPLIERS);
    assign m_load_beats  = table_leaves ? TABLE_BEATS[BEATS_BITS-1:0] : ROW_BEATS[BEATS_BITS-1:0];
    assign m_load_rows   = table_leaves ? {{(ROWS_BITS-1){1'b0}}, 1'b1}
                                        : KEYS_PER_BLOCK[ROWS_BITS-1:0];
    assign m_load_stride = {{(ADDRESS_BITS-STRIDE_BITS){1'b0}},
                            (m_load_kind == V_ROWS) ? call_v_token_stride : call_k_token_stride};

    // ---- what is under way
    reg  [INSIDE_BITS-1:0] inside_q;
    wire                   enters = state_q[ASK] && ask_ready;
    always @(posedge clk) begin
        if (!rst_n) begin
            inside_q <= {INSIDE_BITS{1'b0}};
        end else if (enters && !leaves) begin
            inside_q <= inside_q + 1'b1;
        end else if (leaves && !enters) begin
            inside_q <= inside_q - 1'b1;
        end
    end
    assign idle = (work_q == 0) && state_q[CHOOSE] && (inside_q == 0);

endmodule

`default_nettype wire
