// SPDX-License-Identifier: Apache-2.0
// fcim_q_fetch: tiles become commands to read their rows of Q and their multipliers. A call begins
// with one command for the shifts of its KV heads; each tile is one command for its multipliers and
// then one for each of its tokens: the rows of the token's query heads.
//
// Latency:    The first command comes 4 cycles after start or after a tile is accepted.
// Throughput: A command per cycle; a tile of t tokens takes t + 2 cycles.
// Cuts:       s_tile_ready comes from registers and start; m_fetch comes from registers and, in
//             what is the same for all commands of a kind, from call_*.
// Numbers:    Unsigned; addresses are modulo 2**64. pos is the position of a token in the sequence.
//             Beside kind 0 engine, head and pos are 0; beside kind 1 pos is that of the tile's
//             first token. m_fetch_stride is that of heads of Q, also beside a single row, where it
// Numbers:    Unsigned; addresses are modulo 2**64. pos is a position in the whole sequence.
//             fetched.
`default_nettype none

module fcim_q_fetch #(
    parameter  ENGINES = 16,              // a power of two, 1 to 16
    parameter  ROWS = 64,                 // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,            // elements of a head vector: 16, 32, 64 or 128
    parameter  MAX_KEYS = 131072,         // keys of a head: a power of two, 64 to 131072
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024, at most 8 * HEAD_DIM
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // index of an engine
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // position, or number of tokens
    localparam HEAD_BITS = 8,             // index of a KV head
    localparam HEADS_BITS = 9,            // number of KV heads
    localparam Q_HEAD_BITS = 16,          // index of a query head
    localparam ROWS_COUNT_BITS = 8,       // number of rows or tokens of a tile
    localparam KIND_BITS = 2,             // 0 shifts of the heads, 1 multipliers, 2 rows of Q
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam STRIDE_BITS = 32,          // bytes from one index to the next
    localparam BEATS_BITS = 16,           // beats of a row, 1 or more
    localparam ROWS_BITS = 18             // rows of a command, 1 or more
) (
    input  wire                       clk,
    input  wire                       rst_n,
    output wire                       idle,          // no command is to come

    // the call
    input  wire                       start,         // pulse: it begins
    input  wire [POS_BITS-1:0]        call_first,    // position of its first token
    input  wire [HEADS_BITS-1:0]      call_heads,    // KV heads
    input  wire [ROWS_COUNT_BITS-1:0] call_group,    // query heads of each
    input  wire [ADDRESS_BITS-1:0]    call_q,
    input  wire [ADDRESS_BITS-1:0]    call_q_table,
    input  wire [ADDRESS_BITS-1:0]    call_h_table,
    input  wire [STRIDE_BITS-1:0]     call_q_token_stride,
    input  wire [STRIDE_BITS-1:0]     call_q_head_stride,
    input  wire [STRIDE_BITS-1:0]     call_q_table_stride,

    // tiles
    input  wire                       s_tile_valid,
    output wire                       s_tile_ready,
    input  wire [ENGINE_BITS-1:0]     s_tile_engine,
    input  wire [HEAD_BITS-1:0]       s_tile_head,
    input  wire [Q_HEAD_BITS-1:0]     s_tile_q_head, // the first of its group
    input  wire [POS_BITS-1:0]        s_tile_tile,   // its index in the head
    input  wire [POS_BITS-1:0]        s_tile_token,  // its first, the call's first is 0
    input  wire [ROWS_COUNT_BITS-1:0] s_tile_tokens, // 1 or more

    // commands
    output wire                       m_fetch_valid,
    input  wire                       m_fetch_ready,
    output wire [KIND_BITS-1:0]       m_fetch_kind,
    output wire [ENGINE_BITS-1:0]     m_fetch_engine,
    output wire [HEAD_BITS-1:0]       m_fetch_head,
    output wire [POS_BITS-1:0]        m_fetch_pos,
    output wire                       m_fetch_last,  // the tile's last token
    output wire [ADDRESS_BITS-1:0]    m_fetch_address,
    output wire [BEATS_BITS-1:0]      m_fetch_beats,
    output wire [ROWS_BITS-1:0]       m_fetch_rows,
    output wire [ADDRESS_BITS-1:0]    m_fetch_stride
);

    localparam BUS_BYTES = DATA_BITS / 8;
    localparam BYTE_BITS = $clog2(BUS_BYTES);       // index of a byte in its beat
    localparam ROW_BEATS = HEAD_DIM / BUS_BYTES;    // beats of a row of Q
    localparam TABLE_BEATS = (2 * ROWS + BUS_BYTES - 1) / BUS_BYTES;  // of a tile's multipliers
    localparam TABLE_BYTES = TABLE_BEATS * BUS_BYTES;
    localparam INDEX_BITS = 24;                     // an index of fcim_address
    localparam TAG_BITS = KIND_BITS + ENGINE_BITS + HEAD_BITS + POS_BITS + 1;  // beside an address
    localparam INSIDE_BITS = 2;                     // addresses under way, up to 3
    localparam [ROWS_COUNT_BITS-1:0] ONE_TOKEN = 1;
    localparam [KIND_BITS-1:0] SHIFTS = 0;
    localparam [KIND_BITS-1:0] MULTIPLIERS = 1;
    localparam [KIND_BITS-1:0] Q_ROWS = 2;

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (DATA_BITS > 8 * HEAD_DIM) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_at_most_8_HEAD_DIM illegal_data_bits();
        end
    endgenerate

    // ---- what is asked for next: shifts, a tile's multipliers, or rows of one of its tokens
    reg                       shifts_q;     // still to be asked for
    reg                       tile_q;       // there is a tile
    reg                       table_q;      // its multipliers are still to be asked for
    reg [ENGINE_BITS-1:0]     engine_q;
    reg [HEAD_BITS-1:0]       head_q;
    reg [Q_HEAD_BITS-1:0]     q_head_q;
    reg [POS_BITS-1:0]        number_q, token_q, pos_q;     // pos: of token
    reg [ROWS_COUNT_BITS-1:0] left_q;       // tokens
    wire                      ask_ready;
    wire [KIND_BITS-1:0]      kind = shifts_q ? SHIFTS : table_q ? MULTIPLIERS : Q_ROWS;
    wire                      last = (kind == Q_ROWS) && (left_q == ONE_TOKEN);
    wire                      ask_valid = shifts_q || tile_q;
    wire                      ask = ask_valid && ask_ready;
    wire                      accept = s_tile_valid && s_tile_ready;

    assign s_tile_ready = !tile_q && !shifts_q && !start;

    always @(posedge clk) begin
        if (!rst_n) begin
            shifts_q <= 1'b0;
            tile_q   <= 1'b0;
        end else begin
            shifts_q <= start || (shifts_q && !ask);
            tile_q   <= accept || (tile_q && !(ask && last));
        end
        if (accept) begin
            table_q  <= 1'b1;
            engine_q <= s_tile_engine;
            head_q   <= s_tile_head;
            q_head_q <= s_tile_q_head;
            number_q <= s_tile_tile;
            token_q  <= s_tile_token;
            pos_q    <= call_first + s_tile_token;
            left_q   <= s_tile_tokens;
        end else if (ask && kind == MULTIPLIERS) begin
            table_q  <= 1'b0;
        end else if (ask && kind == Q_ROWS) begin
            token_q  <= token_q + 1'b1;
            pos_q    <= pos_q + 1'b1;
            left_q   <= left_q - 1'b1;
        end
    end

    // ---- its address
    reg [ADDRESS_BITS-1:0] base;
    reg [INDEX_BITS-1:0]   i, j;
    reg [STRIDE_BITS-1:0]  i_stride, j_stride;
    always @* begin : choose
        case (kind)
            MULTIPLIERS: begin
                base     = call_q_table;
                i        = {{(INDEX_BITS-HEAD_BITS){1'b0}}, head_q};
                i_stride = call_q_table_stride;
                j        = {{(INDEX_BITS-POS_BITS){1'b0}}, number_q};
                j_stride = TABLE_BYTES[STRIDE_BITS-1:0];
            end
            Q_ROWS: begin
                base     = call_q;
                i        = {{(INDEX_BITS-Q_HEAD_BITS){1'b0}}, q_head_q};
                i_stride = call_q_head_stride;
                j        = {{(INDEX_BITS-POS_BITS){1'b0}}, token_q};
                j_stride = call_q_token_stride;
            end
            default: begin
                base     = call_h_table;
                i        = {INDEX_BITS{1'b0}};
                i_stride = {STRIDE_BITS{1'b0}};
                j        = {INDEX_BITS{1'b0}};
                j_stride = {STRIDE_BITS{1'b0}};
            end
        endcase
    end

    wire [TAG_BITS-1:0] tag = {kind, last, shifts_q ? {(TAG_BITS-KIND_BITS-1){1'b0}}
                                                    : {engine_q, head_q, pos_q}};
    fcim_address #(.TAG_BITS(TAG_BITS)) u_address (
        .clk(clk), .rst_n(rst_n),
        .s_address_valid(ask_valid), .s_address_ready(ask_ready), .s_address_base(base),
        .s_address_i(i), .s_address_i_stride(i_stride),
        .s_address_j(j), .s_address_j_stride(j_stride), .s_address_tag(tag),
        .m_address_valid(m_fetch_valid), .m_address_ready(m_fetch_ready),
        .m_address_address(m_fetch_address),
        .m_address_tag({m_fetch_kind, m_fetch_last, m_fetch_engine, m_fetch_head, m_fetch_pos})
    );

    // ---- the command around it
    wire [HEADS_BITS:0] shifts_end = {1'b0, call_heads} + BUS_BYTES[HEADS_BITS:0] - 1'b1;
    wire [HEADS_BITS:0] shifts_beats = shifts_end >> BYTE_BITS;
    assign m_fetch_beats = (m_fetch_kind == Q_ROWS)      ? ROW_BEATS[BEATS_BITS-1:0] :
                           (m_fetch_kind == MULTIPLIERS) ? TABLE_BEATS[BEATS_BITS-1:0] :
                           {{(BEATS_BITS-HEADS_BITS-1){1'b0}}, shifts_beats};
    assign m_fetch_rows  = (m_fetch_kind == Q_ROWS)
                           ? {{(ROWS_BITS-ROWS_COUNT_BITS){1'b0}}, call_group}
                           : {{(ROWS_BITS-1){1'b0}}, 1'b1};
    assign m_fetch_stride = {{(ADDRESS_BITS-STRIDE_BITS){1'b0}}, call_q_head_stride};

    // ---- what is under way
    reg  [INSIDE_BITS-1:0] inside_q;
    wire                   leaves = m_fetch_valid && m_fetch_ready;
    always @(posedge clk) begin
        if (!rst_n) begin
            inside_q <= {INSIDE_BITS{1'b0}};
        end else if (ask && !leaves) begin
            inside_q <= inside_q + 1'b1;
        end else if (leaves && !ask) begin
            inside_q <= inside_q - 1'b1;
        end
    end
    assign idle = !shifts_q && !tile_q && (inside_q == 0);

endmodule

`default_nettype wire
