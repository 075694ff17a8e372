// SPDX-License-Identifier: Apache-2.0
// fcim_key_scheduler: names the keys of a query tile, block by block, in the order of the tile's
// schedule.
//
// Latency:    A tile's first block is offered one cycle after the tile is accepted, or after the
//             last block of the one before.
// Throughput: A block per cycle, also from tile to tile, while tiles are offered in time: one tile
//             waits beside the running one.
// Cuts:       s_tile_ready and m_blk are functions of registers only; m_blk_ready and s_tile reach
//             nothing but registers.
// Numbers:    Unsigned. A block is the keys start to start + count - 1; only a tile's last block
//             may have less than KEYS_PER_BLOCK.
`default_nettype none

module fcim_key_scheduler #(
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam INDEX_BITS = $clog2(MAX_KEYS)      // index of a key in its tile
) (
    input  wire                  clk,
    input  wire                  rst_n,

    // tiles; 0 natural, 1 diagonal_first, 2 sink_diagonal, 3 diagonal_ascending
    input  wire                  s_tile_valid,
    output wire                  s_tile_ready,
    input  wire [INDEX_BITS:0]   s_tile_keys,       // 1 to MAX_KEYS
    input  wire [1:0]            s_tile_schedule,

    // blocks
    output wire                  m_blk_valid,
    input  wire                  m_blk_ready,
    output wire [INDEX_BITS-1:0] m_blk_start,
    output wire [KEY_BITS:0]     m_blk_count,
    output wire                  m_blk_last   // the tile's last block
);

    // how the next block lies in the keys that are left
    localparam [2:0] UP       = 3'd0;    // the oldest
    localparam [2:0] DOWN     = 3'd1;    // the newest
    localparam [2:0] DIAGONAL = 3'd2;    // the newest, and the oldest after it
    localparam [2:0] SINK     = 3'd3;    // the oldest of all
    localparam [2:0] BETWEEN  = 3'd4;    // the newest, above the sink's block
    localparam [2:0] ASCENDS  = 3'd5;    // the newest, and upwards after it

    localparam UP_BITS = (INDEX_BITS > KEY_BITS) ? INDEX_BITS - KEY_BITS : 1;
    localparam [INDEX_BITS:0] BLOCK_KEYS = KEYS_PER_BLOCK[INDEX_BITS:0];

    reg                waits_q;                    // a tile waits for the walk to end
    reg [INDEX_BITS:0] waits_keys_q;
    reg [1:0]          waits_schedule_q;

    reg                walks_q;
    reg [2:0]          order_q;
    reg [INDEX_BITS:0] left_q;                     // keys of the tile from this block on
    reg [UP_BITS-1:0]  up_q;                       // blocks before this one, the diagonal apart

    // Whole blocks are counted down and the lower bits stay, so that they are the ragged block's
    // length when it comes.
    wire [INDEX_BITS-KEY_BITS:0] whole = left_q[INDEX_BITS:KEY_BITS];
    wire [KEY_BITS-1:0]          rest  = left_q[KEY_BITS-1:0];
    wire [INDEX_BITS:0]          after = {whole - 1'b1, rest};

    wire full = (whole != 0);
    wire last = !full || (left_q == BLOCK_KEYS);
    wire step = walks_q && m_blk_ready;
    wire free = !walks_q || (step && last);          // the walk begins a tile, if there is one

    wire       accept   = s_tile_valid && s_tile_ready;
    wire [1:0] schedule = waits_q ? waits_schedule_q : s_tile_schedule;

    assign s_tile_ready = !waits_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            waits_q <= 1'b0;
            walks_q <= 1'b0;
        end else begin
            waits_q <= (waits_q || accept) && !free;
            walks_q <= waits_q || accept || !free;
        end
    end

    always @(posedge clk) begin
        if (accept) begin
            waits_keys_q     <= s_tile_keys;
            waits_schedule_q <= s_tile_schedule;
        end
    end

    always @(posedge clk) begin
        if (free) begin
            left_q  <= waits_q ? waits_keys_q : s_tile_keys;
            up_q    <= {UP_BITS{1'b0}};
            case (schedule)
                2'd1:    order_q <= DOWN;
                2'd2:    order_q <= DIAGONAL;
                2'd3:    order_q <= ASCENDS;
                default: order_q <= UP;
            endcase
        end else if (step) begin
            left_q  <= after;
            up_q    <= (order_q == ASCENDS) ? up_q : up_q + 1'b1;
            case (order_q)
                DIAGONAL: order_q <= SINK;
                SINK:     order_q <= BETWEEN;
                ASCENDS:  order_q <= UP;
                default:  order_q <= order_q;
            endcase
        end
    end

    // going down, a block begins at the number of keys that are left after it; the sink's block,
    // once given, lies below that
    reg [INDEX_BITS-1:0] start;
    always @* begin
        case (order_q)
            DOWN, DIAGONAL, ASCENDS:
                            start = last ? {INDEX_BITS{1'b0}} : after[INDEX_BITS-1:0];
            SINK:           start = {INDEX_BITS{1'b0}};
            BETWEEN:        start = last ? BLOCK_KEYS[INDEX_BITS-1:0] : left_q[INDEX_BITS-1:0];
            default:        start = {{(INDEX_BITS-UP_BITS){1'b0}}, up_q} << KEY_BITS;
        endcase
    end

    assign m_blk_valid = walks_q;
    assign m_blk_start = start;
    assign m_blk_count = full ? BLOCK_KEYS[KEY_BITS:0] : {1'b0, rest};
    assign m_blk_last  = last;

endmodule

`default_nettype wire
