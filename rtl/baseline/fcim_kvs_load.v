// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_load: LOAD operations of fcim_kv_stationary. Asks the buffer for the keys of a span, a
// row per cycle, and beside that for their values, a word of V_TILES rows of cells per cycle, and
// says where what comes belongs.
//
// Latency:    An operation's first addresses show in the cycle after it is accepted; rows are
//             written in the cycle after their address; it counts as complete in the cycle after
//             the last one.
// Throughput: An operation per max(keys, HEAD_DIM * groups) cycles; a group is V_TILES tiles.
// Cuts:       s_load_ready depends on s_load_wait and registers; all else comes from registers.
// Numbers:    s_load_wait and rows_done modulo 2**16. s_load_start is a multiple of
//             V_TILES * ROWS.
`default_nettype none

module fcim_kvs_load #(
    parameter  MACROS = 8,     // pairs of macros: 1, 2, 4, 8 or 16
    parameter  ROWS = 64,      // keys of a tile: 16, 32, 64 or 128
    parameter  HEAD_DIM = 128, // elements of a head vector: 16, 32, 64 or 128
    parameter  V_TILES = 2,    // tiles that a word of V is for: a power of two up to MACROS
    parameter  MAX_KEYS = 8192,                   // keys of the buffer: a power of two
    parameter  BANK_BITS = 1,                     // index of a bank
    localparam PAIR_BITS = (MACROS > 1) ? $clog2(MACROS) : 1,  // index of a pair
    localparam ROW_BITS = $clog2(ROWS),           // index of a key in its tile
    localparam DIM_BITS = $clog2(HEAD_DIM),       // index of an element
    localparam SPAN_BITS = $clog2(MACROS * ROWS + 1),  // number of keys of a bank
    localparam KEY_BITS = $clog2(MAX_KEYS),       // index of a key
    localparam V_BITS = $clog2(MAX_KEYS / (V_TILES * ROWS) * HEAD_DIM),  // index of a word of V
    localparam WAIT_BITS = 16                     // completed operations, modulo
) (
    input  wire                 clk,
    input  wire                 rst_n,

    input  wire                 s_load_valid,
    output wire                 s_load_ready,
    input  wire [BANK_BITS-1:0] s_load_bank,
    input  wire [KEY_BITS-1:0]  s_load_start,
    input  wire [SPAN_BITS-1:0] s_load_keys,
    input  wire [WAIT_BITS-1:0] s_load_wait,
    input  wire [WAIT_BITS-1:0] rows_done,        // operations of the other queue
    output wire [WAIT_BITS-1:0] loads_done,
    output wire                 busy,             // until the last row is written

    // to the buffer
    output wire                 k_rd,
    output wire [KEY_BITS-1:0]  k_rd_address,
    output wire                 v_rd,
    output wire [V_BITS-1:0]    v_rd_address,

    // with what the buffer gives; open: an operation begins, what its bank held is no more
    output wire [BANK_BITS-1:0] we_bank,
    output wire                 open,
    output wire                 k_we,
    output wire [PAIR_BITS-1:0] k_pair,
    output wire [ROW_BITS-1:0]  k_row,
    output wire [MACROS-1:0]    v_we,
    output wire [DIM_BITS-1:0]  v_row
);

    localparam GROUP_ROWS = V_TILES * ROWS;       // keys of a word of V
    localparam GROUP_BITS = $clog2(GROUP_ROWS);
    localparam HIGH_BITS = SPAN_BITS + 1;

    reg                  k_busy_q, v_busy_q, open_q;
    reg [BANK_BITS-1:0]  bank_q;
    reg [KEY_BITS-1:0]   k_address_q;
    reg [V_BITS-1:0]     v_address_q;
    reg [SPAN_BITS-1:0]  keys_q, k_index_q;       // k_index_q: of the key that is asked for
    reg [DIM_BITS-1:0]   v_dim_q;
    reg [HIGH_BITS-1:0]  v_end_q;                 // keys up to the end of this word's group

    wire [WAIT_BITS-1:0] ahead  = rows_done - s_load_wait;
    wire                 k_last = (k_index_q == keys_q - 1'b1);
    wire                 v_turn = &v_dim_q;
    wire                 v_last = v_turn && (v_end_q >= {1'b0, keys_q});
    wire                 asks   = k_busy_q || v_busy_q;
    wire                 ends   = asks && (!k_busy_q || k_last) && (!v_busy_q || v_last);
    wire                 accept = s_load_valid && s_load_ready;
    assign s_load_ready = (!asks || ends) && !ahead[WAIT_BITS-1];

    wire [V_BITS-1:0] v_begin;
    generate
        if (KEY_BITS > GROUP_BITS) begin : g_groups
            assign v_begin = {s_load_start[KEY_BITS-1:GROUP_BITS], {DIM_BITS{1'b0}}};
        end else begin : g_group
            assign v_begin = {V_BITS{1'b0}};
        end
    endgenerate

    always @(posedge clk) begin
        if (!rst_n) begin
            k_busy_q <= 1'b0;
            v_busy_q <= 1'b0;
            open_q   <= 1'b0;
        end else begin
            k_busy_q <= accept || (k_busy_q && !k_last);
            v_busy_q <= accept || (v_busy_q && !v_last);
            open_q   <= accept;
        end
    end
    always @(posedge clk) begin
        if (accept) begin
            bank_q      <= s_load_bank;
            keys_q      <= s_load_keys;
            k_address_q <= s_load_start;
            k_index_q   <= {SPAN_BITS{1'b0}};
            v_address_q <= v_begin;
            v_dim_q     <= {DIM_BITS{1'b0}};
            v_end_q     <= GROUP_ROWS[HIGH_BITS-1:0];
        end else begin
            if (k_busy_q) begin
                k_address_q <= k_address_q + 1'b1;
                k_index_q   <= k_index_q + 1'b1;
            end
            if (v_busy_q) begin
                v_address_q <= v_address_q + 1'b1;
                v_dim_q     <= v_dim_q + 1'b1;
                if (v_turn) begin
                    v_end_q <= v_end_q + GROUP_ROWS[HIGH_BITS-1:0];
                end
            end
        end
    end
    assign k_rd         = k_busy_q;
    assign k_rd_address = k_address_q;
    assign v_rd         = v_busy_q;
    assign v_rd_address = v_address_q;

    // ---- V macros that a word is for: those of its group that have keys
    reg [MACROS-1:0] v_tiles;
    always @* begin : tiles
        reg [HIGH_BITS-1:0] first;      // key of the tile
        integer             m;
        for (m = 0; m < MACROS; m = m + 1) begin
            first      = m[HIGH_BITS-1:0] * ROWS[HIGH_BITS-1:0];
            v_tiles[m] = v_busy_q && (first < {1'b0, keys_q}) && (first < v_end_q)
                       && (first + GROUP_ROWS[HIGH_BITS-1:0] >= v_end_q);
        end
    end

    // ---- a cycle later the buffer gives what was asked for
    reg                 k_we_q, open_q2, done_q;
    reg [MACROS-1:0]    v_we_q;
    reg [BANK_BITS-1:0] we_bank_q;
    reg [PAIR_BITS-1:0] k_pair_q;
    reg [ROW_BITS-1:0]  k_row_q;
    reg [DIM_BITS-1:0]  v_row_q;
    reg [WAIT_BITS-1:0] loads_done_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            k_we_q       <= 1'b0;
            v_we_q       <= {MACROS{1'b0}};
            open_q2      <= 1'b0;
            done_q       <= 1'b0;
            loads_done_q <= {WAIT_BITS{1'b0}};
        end else begin
            k_we_q       <= k_busy_q;
            v_we_q       <= v_tiles;
            open_q2      <= open_q;
            done_q       <= ends;
            loads_done_q <= loads_done_q + {{(WAIT_BITS-1){1'b0}}, done_q};
        end
    end
    generate
        if (MACROS > 1) begin : g_pairs
            always @(posedge clk) begin
                k_pair_q <= k_index_q[ROW_BITS +: PAIR_BITS];
            end
        end else begin : g_pair
            always @(posedge clk) begin
                k_pair_q <= {PAIR_BITS{1'b0}};
            end
        end
    endgenerate
    always @(posedge clk) begin
        we_bank_q <= bank_q;
        k_row_q   <= k_index_q[ROW_BITS-1:0];
        v_row_q   <= v_dim_q;
    end
    assign we_bank    = we_bank_q;
    assign open       = open_q2;
    assign k_we       = k_we_q;
    assign k_pair     = k_pair_q;
    assign k_row      = k_row_q;
    assign v_we       = v_we_q;
    assign v_row      = v_row_q;
    assign loads_done = loads_done_q;
    assign busy       = asks || done_q;

endmodule

`default_nettype wire
