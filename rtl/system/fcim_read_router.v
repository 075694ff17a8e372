// SPDX-License-Identifier: Apache-2.0
// fcim_read_router: one reader of memory for all who ask. Takes their commands by rank, remembers
// what each was for, and brings its beats there: descriptors, rows of Q with their multipliers and
// their head's shift, rows of K and V with theirs into the buffer.
//
// Tables come before the rows that they are for and are kept here: the shifts of all heads of a
// call, the multipliers of the tile whose rows of Q come next, and of the key block that comes
// next. Beats with errors are used as they are; read_error tells of them, but not of those of a
// descriptor, which have m_desc_error.
//
// Latency:    A command leaves a cycle after it is taken; a row or a beat of a descriptor is given
//             in the cycle after its last beat is taken; loaded comes in the cycle after the last
//             row of V is written.
// Throughput: A beat per cycle, as long as rows of Q are taken; a command per cycle.
// Cuts:       m_cmd and all that beats lead to come from registers; m_q_ready reaches s_data_ready.
// Numbers:    Little endian. A key's entry is 4 bytes, k_mult in bits 15:0, v_mult in 19:16; a row
//             of Q's is 2 bytes; a head's is a byte, its shift in bits 5:0.
`default_nettype none

module fcim_read_router #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    parameter  DATA_BITS = 512,                   // a beat: 128 to 1024, at most HEAD_DIM * 8
    parameter  COMMANDS = 32,                     // commands whose beats are awaited: 1 or more
    localparam SLOTS = (ENGINES > 1) ? ENGINES : 2,  // what key blocks are for
    localparam SLOT_BITS = $clog2(SLOTS),         // index of a slot of the loader
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
    localparam HEAD_BITS = 8,                     // index of a KV head
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK), // index of a key in its block
    localparam BUFFER_BITS = $clog2(BUFFER_KEYS), // index of a key in the buffer
    localparam BASE_BITS = BUFFER_BITS - KEY_BITS,  // index of a page in the buffer
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // position, unsigned
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam KIND_BITS = 2,                     // kind of a command
    localparam ADDRESS_BITS = 64,                 // address of a byte
    localparam BEATS_BITS = 16,                   // beats of a row
    localparam ROWS_BITS = 18                     // rows of a command
) (
    input  wire                    clk,
    input  wire                    rst_n,
    output wire                    idle,          // nothing that was asked for is outstanding
    output wire                    queries,       // rows of Q come: one did a few cycles ago
    input  wire                    call_decode,
    input  wire                    hold_loads,    // no key block is asked for
    input  wire                    loads_first,   // key blocks before queries

    // descriptors, before all others
    input  wire                    s_desc_valid,
    output wire                    s_desc_ready,
    input  wire [ADDRESS_BITS-1:0] s_desc_address,
    input  wire [BEATS_BITS-1:0]   s_desc_beats,
    input  wire [ROWS_BITS-1:0]    s_desc_rows,
    input  wire [ADDRESS_BITS-1:0] s_desc_stride,

    // queries: 0 shifts of heads, 1 multipliers of a tile, 2 rows of Q of a token
    input  wire                    s_fetch_valid,
    output wire                    s_fetch_ready,
    input  wire [KIND_BITS-1:0]    s_fetch_kind,
    input  wire [ENGINE_BITS-1:0]  s_fetch_engine,
    input  wire [HEAD_BITS-1:0]    s_fetch_head,
    input  wire [POS_BITS-1:0]     s_fetch_pos,
    input  wire                    s_fetch_last,  // token of its tile
    input  wire [ADDRESS_BITS-1:0] s_fetch_address,
    input  wire [BEATS_BITS-1:0]   s_fetch_beats,
    input  wire [ROWS_BITS-1:0]    s_fetch_rows,
    input  wire [ADDRESS_BITS-1:0] s_fetch_stride,

    // key blocks: 0 multipliers, 1 rows of K, 2 rows of V
    input  wire                    s_load_valid,
    output wire                    s_load_ready,
    input  wire [KIND_BITS-1:0]    s_load_kind,
    input  wire [SLOT_BITS-1:0]    s_load_slot,
    input  wire [BASE_BITS-1:0]    s_load_page,
    input  wire [ADDRESS_BITS-1:0] s_load_address,
    input  wire [BEATS_BITS-1:0]   s_load_beats,
    input  wire [ROWS_BITS-1:0]    s_load_rows,
    input  wire [ADDRESS_BITS-1:0] s_load_stride,

    // to the reader, and the beats that it gives
    output wire                    m_cmd_valid,
    input  wire                    m_cmd_ready,
    output wire [ADDRESS_BITS-1:0] m_cmd_address,
    output wire [BEATS_BITS-1:0]   m_cmd_beats,
    output wire [ROWS_BITS-1:0]    m_cmd_rows,
    output wire [ADDRESS_BITS-1:0] m_cmd_stride,
    input  wire                    s_data_valid,
    output wire                    s_data_ready,
    input  wire [DATA_BITS-1:0]    s_data_data,
    input  wire                    s_data_error,
    input  wire                    s_data_last,   // of its command

    // beats of descriptors
    output wire                    m_desc_valid,
    output wire [DATA_BITS-1:0]    m_desc_data,
    output wire                    m_desc_error,
    output wire                    m_desc_last,

    // rows of K and V into the buffer
    output wire                    k_we,
    output wire [BUFFER_BITS-1:0]  k_address,
    output wire [HEAD_DIM*8-1:0]   k_data,
    output wire [MULT_BITS-1:0]    k_mult,
    output wire [V_MULT_BITS-1:0]  k_v_mult,
    output wire                    v_we,
    output wire [BUFFER_BITS-1:0]  v_address,
    output wire [HEAD_DIM*8-1:0]   v_data,
    output wire                    loaded,        // a block is wholly in the buffer
    output wire [SLOT_BITS-1:0]    loaded_slot,

    // rows of Q
    output wire                    m_q_valid,
    input  wire                    m_q_ready,
    output wire [ENGINE_BITS-1:0]  m_q_engine,
    output wire [HEAD_DIM*8-1:0]   m_q_data,
    output wire [POS_BITS-1:0]     m_q_pos,
    output wire [MULT_BITS-1:0]    m_q_mult,
    output wire [SHIFT_BITS-1:0]   m_q_shift,
    output wire                    m_q_partial,
    output wire                    m_q_last,

    output wire                    read_error     // one cycle: a beat came with an error
);

    localparam BUS_BYTES = DATA_BITS / 8;
    localparam ROW_BEATS = HEAD_DIM / BUS_BYTES;
    localparam PART_BITS = $clog2(ROW_BEATS);     // 0 if a beat is a row

    // tables: entries of a beat that count, beats
    localparam K_ENTRY = MULT_BITS + V_MULT_BITS;
    localparam K_LANES = (KEYS_PER_BLOCK < BUS_BYTES / 4) ? KEYS_PER_BLOCK : BUS_BYTES / 4;
    localparam K_WORDS = KEYS_PER_BLOCK / K_LANES;
    localparam Q_MOST = 1 << $clog2(ROWS);
    localparam Q_LANES = (Q_MOST < BUS_BYTES / 2) ? Q_MOST : BUS_BYTES / 2;
    localparam Q_WORDS = (ROWS + Q_LANES - 1) / Q_LANES;
    localparam H_WORDS = (1 << HEAD_BITS) / BUS_BYTES;
    localparam K_LANE_BITS = $clog2(K_LANES);
    localparam Q_LANE_BITS = $clog2(Q_LANES);
    localparam H_LANE_BITS = $clog2(BUS_BYTES);
    localparam K_WORD_BITS = (K_WORDS > 1) ? $clog2(K_WORDS) : 1;
    localparam Q_WORD_BITS = (Q_WORDS > 1) ? $clog2(Q_WORDS) : 1;
    localparam H_WORD_BITS = $clog2(H_WORDS);
    localparam Q_ROW_BITS = Q_WORD_BITS + Q_LANE_BITS;

    // a beat's number in its command, as far as it matters: rows of K in beats, words of a table
    localparam ROW_COUNT = KEY_BITS + PART_BITS;
    localparam WORD_COUNT = (Q_WORD_BITS > H_WORD_BITS) ? Q_WORD_BITS : H_WORD_BITS;
    localparam COUNT_BITS = (ROW_COUNT > WORD_COUNT) ? ROW_COUNT : WORD_COUNT;

    localparam WHAT_BITS = 3;
    localparam [WHAT_BITS-1:0] DESCRIPTOR = 0, H_TABLE = 1, Q_TABLE = 2, Q_ROWS = 3, K_TABLE = 4,
                               K_ROWS = 5, V_ROWS = 6;

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (DATA_BITS > HEAD_DIM * 8) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_at_most_a_row_of_K illegal_data_bits();
        end
    endgenerate

    // ---- commands by rank
    localparam CMD_BITS = 2 * ADDRESS_BITS + BEATS_BITS + ROWS_BITS;
    localparam TAG_BITS = WHAT_BITS + ENGINE_BITS + HEAD_BITS + POS_BITS + 1 + SLOT_BITS
                        + BASE_BITS;
    reg                cmd_valid_q;
    reg [CMD_BITS-1:0] cmd_q;
    wire               tags_ready, tags_empty, tag_valid;
    wire               open = (!cmd_valid_q || m_cmd_ready) && tags_ready;

    assign s_desc_ready  = open;
    wire   load  = s_load_valid && !hold_loads;
    wire   fetch = s_fetch_valid && !(loads_first && load);
    assign s_fetch_ready = open && !s_desc_valid && !(loads_first && load);
    assign s_load_ready  = open && !s_desc_valid && !hold_loads && (loads_first || !s_fetch_valid);
    wire accept = open && (s_desc_valid || s_fetch_valid || load);

    wire [WHAT_BITS-1:0] asked = s_desc_valid ? DESCRIPTOR
                               : fetch ? H_TABLE + {1'b0, s_fetch_kind}
                               : K_TABLE + {1'b0, s_load_kind};

    always @(posedge clk) begin
        if (!rst_n) begin
            cmd_valid_q <= 1'b0;
        end else begin
            cmd_valid_q <= accept || (cmd_valid_q && !m_cmd_ready);
        end
        if (accept) begin
            cmd_q <= s_desc_valid ? {s_desc_address, s_desc_beats, s_desc_rows, s_desc_stride}
                   : fetch ? {s_fetch_address, s_fetch_beats, s_fetch_rows, s_fetch_stride}
                   : {s_load_address, s_load_beats, s_load_rows, s_load_stride};
        end
    end
    assign m_cmd_valid = cmd_valid_q;
    assign {m_cmd_address, m_cmd_beats, m_cmd_rows, m_cmd_stride} = cmd_q;

    // ---- what the beats are for that come next
    wire [WHAT_BITS-1:0]   what;
    wire [ENGINE_BITS-1:0] engine;
    wire [HEAD_BITS-1:0]   head;
    wire [POS_BITS-1:0]    pos;
    wire                   last_token;
    wire [SLOT_BITS-1:0]   slot;
    wire [BASE_BITS-1:0]   page;
    wire                   take;

    fcim_fifo #(.WORDS(COMMANDS), .WIDTH(TAG_BITS)) u_tags (
        .clk(clk), .rst_n(rst_n),
        .s_valid(accept), .s_ready(tags_ready),
        .s_data({asked, s_fetch_engine, s_fetch_head, s_fetch_pos, s_fetch_last, s_load_slot,
                 s_load_page}),
        .m_valid(tag_valid), .m_ready(take && s_data_last),
        .m_data({what, engine, head, pos, last_token, slot, page}),
        .empty(tags_empty)
    );

    reg                  q_valid_q, k_we_q, v_we_q, desc_valid_q;
    reg [COUNT_BITS-1:0] count_q;                 // beats of the command that were taken
    wire stall = q_valid_q && !m_q_ready;
    assign s_data_ready = tag_valid && !stall;
    assign take = s_data_valid && s_data_ready;

    always @(posedge clk) begin
        if (!rst_n) begin
            count_q <= {COUNT_BITS{1'b0}};
        end else if (take) begin
            count_q <= s_data_last ? {COUNT_BITS{1'b0}} : count_q + 1'b1;
        end
    end

    // ---- tables
    wire [K_LANES*K_ENTRY-1:0]     k_entries, k_word;
    wire [Q_LANES*MULT_BITS-1:0]   q_word;
    wire [BUS_BYTES*SHIFT_BITS-1:0] h_entries, h_word;
    reg  [Q_ROW_BITS-1:0]          q_row_q;       // of its tile
    reg  [SHIFT_BITS-1:0]          shift_q;       // of the tile's head
    wire [KEY_BITS-1:0]            key = count_q[PART_BITS +: KEY_BITS];
    wire [K_LANE_BITS-1:0]         k_lane = key[0 +: K_LANE_BITS];
    wire [Q_LANE_BITS-1:0]         q_lane = q_row_q[0 +: Q_LANE_BITS];
    wire [H_LANE_BITS-1:0]         h_lane = head[0 +: H_LANE_BITS];
    wire [K_WORD_BITS-1:0]         k_rd;

    genvar l;
    generate
        for (l = 0; l < K_LANES; l = l + 1) begin : g_k_entry
            assign k_entries[l*K_ENTRY +: K_ENTRY] = s_data_data[l*32 +: K_ENTRY];
        end
        for (l = 0; l < BUS_BYTES; l = l + 1) begin : g_h_entry
            assign h_entries[l*SHIFT_BITS +: SHIFT_BITS] = s_data_data[l*8 +: SHIFT_BITS];
        end
        if (K_WORDS > 1) begin : g_k_words
            assign k_rd = key[K_LANE_BITS +: K_WORD_BITS];
        end else begin : g_k_word
            assign k_rd = 1'b0;
        end
    endgenerate

    fcim_register_file #(.WORDS(K_WORDS), .WIDTH(K_LANES * K_ENTRY)) u_k_table (
        .clk(clk), .we(take && what == K_TABLE), .wr_address(count_q[0 +: K_WORD_BITS]),
        .wr_data(k_entries), .rd_address(k_rd), .rd_data(k_word)
    );
    fcim_register_file #(.WORDS(Q_WORDS), .WIDTH(Q_LANES * MULT_BITS)) u_q_table (
        .clk(clk), .we(take && what == Q_TABLE), .wr_address(count_q[0 +: Q_WORD_BITS]),
        .wr_data(s_data_data[0 +: Q_LANES*MULT_BITS]),
        .rd_address(q_row_q[Q_LANE_BITS +: Q_WORD_BITS]), .rd_data(q_word)
    );
    fcim_register_file #(.WORDS(H_WORDS), .WIDTH(BUS_BYTES * SHIFT_BITS)) u_h_table (
        .clk(clk), .we(take && what == H_TABLE), .wr_address(count_q[0 +: H_WORD_BITS]),
        .wr_data(h_entries), .rd_address(head[H_LANE_BITS +: H_WORD_BITS]), .rd_data(h_word)
    );

    // ---- rows; a beat of a descriptor lies where a row's first does
    reg [HEAD_DIM*8-1:0] row_q;
    wire                 is_row = (what == Q_ROWS || what == K_ROWS || what == V_ROWS);
    wire                 row_end;
    generate
        if (ROW_BEATS > 1) begin : g_parts
            assign row_end = take && is_row && (&count_q[0 +: PART_BITS]);
            for (l = 0; l < ROW_BEATS; l = l + 1) begin : g_part
                wire [PART_BITS-1:0] part = l;
                always @(posedge clk) begin
                    if (take && (is_row ? count_q[0 +: PART_BITS] : {PART_BITS{1'b0}}) == part)
                    begin
                        row_q[l*DATA_BITS +: DATA_BITS] <= s_data_data;
                    end
                end
            end
        end else begin : g_whole
            assign row_end = take && is_row;
            always @(posedge clk) begin
                if (take) begin
                    row_q <= s_data_data;
                end
            end
        end
    endgenerate

    reg [BUFFER_BITS-1:0] address_q;
    reg [MULT_BITS-1:0]   k_mult_q, q_mult_q;
    reg [V_MULT_BITS-1:0] v_mult_q;
    reg [ENGINE_BITS-1:0] engine_q;
    reg [POS_BITS-1:0]    pos_q;
    reg [SLOT_BITS-1:0]   slot_q, loaded_slot_q;
    reg                   last_q, error_q, read_error_q, block_end_q, loaded_q;
    reg [3:0]             queries_q;              // cycles
    always @(posedge clk) begin
        if (!rst_n) begin
            q_valid_q    <= 1'b0;
            k_we_q       <= 1'b0;
            v_we_q       <= 1'b0;
            desc_valid_q <= 1'b0;
            read_error_q <= 1'b0;
            loaded_q     <= 1'b0;
            queries_q    <= 4'd0;
        end else begin
            q_valid_q    <= (row_end && what == Q_ROWS) || stall;
            k_we_q       <= row_end && what == K_ROWS;
            v_we_q       <= row_end && what == V_ROWS;
            desc_valid_q <= take && what == DESCRIPTOR;
            read_error_q <= take && s_data_error && what != DESCRIPTOR;
            loaded_q     <= v_we_q && block_end_q;
            queries_q    <= (take && what == Q_ROWS) ? 4'd15
                          : queries_q - {3'd0, queries_q != 4'd0};
        end
    end
    always @(posedge clk) begin
        if (take) begin
            address_q            <= {page, key};
            {v_mult_q, k_mult_q} <= k_word[k_lane*K_ENTRY +: K_ENTRY];
            q_mult_q             <= q_word[q_lane*MULT_BITS +: MULT_BITS];
            engine_q             <= engine;
            pos_q                <= pos;
            slot_q               <= slot;
            last_q               <= s_data_last && (last_token || what == DESCRIPTOR);
            error_q              <= s_data_error;
            block_end_q          <= s_data_last;
        end
        if (take && what == Q_TABLE) begin
            q_row_q <= {Q_ROW_BITS{1'b0}};
            shift_q <= h_word[h_lane*SHIFT_BITS +: SHIFT_BITS];
        end else if (row_end && what == Q_ROWS) begin
            q_row_q <= q_row_q + 1'b1;
        end
        loaded_slot_q <= slot_q;
    end

    assign m_desc_valid = desc_valid_q;
    assign m_desc_data  = row_q[0 +: DATA_BITS];
    assign m_desc_error = error_q;
    assign m_desc_last  = last_q;

    assign k_we        = k_we_q;
    assign k_address   = address_q;
    assign k_data      = row_q;
    assign k_mult      = k_mult_q;
    assign k_v_mult    = v_mult_q;
    assign v_we        = v_we_q;
    assign v_address   = address_q;
    assign v_data      = row_q;
    assign loaded      = loaded_q;
    assign loaded_slot = loaded_slot_q;

    assign m_q_valid   = q_valid_q;
    assign m_q_engine  = engine_q;
    assign m_q_data    = row_q;
    assign m_q_pos     = pos_q;
    assign m_q_mult    = q_mult_q;
    assign m_q_shift   = shift_q;
    assign m_q_partial = call_decode;
    assign m_q_last    = last_q;

    assign queries    = (queries_q != 4'd0);
    assign read_error = read_error_q;
    assign idle = tags_empty && !q_valid_q && !k_we_q && !v_we_q && !desc_valid_q && !loaded_q;

endmodule

`default_nettype wire
