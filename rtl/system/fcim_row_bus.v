// SPDX-License-Identifier: Apache-2.0
// fcim_row_bus: reads key blocks out of a memory, a row per cycle, and sends each row to every
// engine that wants it: blocks of two streams, and blocks that an engine gets alone.
//
// Latency:    A block's first row comes 3 cycles after its engines are ready, one more for every
//             cycle in which the bus serves others.
// Throughput: KEYS_PER_BLOCK rows in KEYS_PER_BLOCK + 1 cycles; in KEYS_PER_BLOCK + 3 where a block
//             has to have arrived before the next one may be chosen (SETTLE).
// Cuts:       rows come from registers; heads, rooms and streams reach the choice, which reaches
//             take and stream_ready.
// Numbers:    row_index is the row's index in its head. An origin is where block 0 of a tile is:
//             in the memory (neither streamed nor decode), in its head (decode). In the other two
//             modes blocks pass through pages in turn: of two halves for the streams, of as many
//             shares for the engines, each a power of two. Blocks that all of their engines skip
//             are taken and not read, those that one skips alone at once.
`default_nettype none

module fcim_row_bus #(
    parameter  ENGINES = 16,          // 1 to 16
    parameter  WIDTH = 1024,          // bits of a row: 1 or more
    parameter  KEYS_PER_BLOCK = 16,   // 8, 16, 32 or 64
    parameter  BLOCK_BITS = 13,       // index of a block in its head: 1 or more
    parameter  BASE_BITS = 9,         // index of a block in the memory: up to BLOCK_BITS
    parameter  SETTLE = 0,            // 1: the next block is chosen when this one has arrived
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam INDEX_BITS = BLOCK_BITS + KEY_BITS, // index of a row in its head
    localparam ADDRESS_BITS = BASE_BITS + KEY_BITS // index of a row in the memory
) (
    input  wire                          clk,
    input  wire                          rst_n,

    input  wire                          streamed,
    input  wire                          decode,

    // each engine's oldest request
    input  wire [ENGINES-1:0]            head_valid,
    input  wire [ENGINES-1:0]            head_own,
    input  wire [ENGINES*BLOCK_BITS-1:0] head_origin,
    input  wire [ENGINES*BLOCK_BITS-1:0] head_block,
    input  wire [ENGINES-1:0]            head_skip,
    input  wire [ENGINES-1:0]            head_last,
    input  wire [ENGINES-1:0]            room,
    output wire [ENGINES-1:0]            take,       // it is taken
    output wire [ENGINES-1:0]            promise,    // and its rows will come

    // blocks of the streams, for engines that are ready
    input  wire [1:0]                    stream_valid,
    output wire [1:0]                    stream_ready,
    input  wire [2*BLOCK_BITS-1:0]       stream_origin,
    input  wire [2*BLOCK_BITS-1:0]       stream_block,
    input  wire [2*ENGINES-1:0]          stream_members,

    // the memory's read port, data one cycle later
    output wire                          rd,
    output wire [ADDRESS_BITS-1:0]       rd_address,
    input  wire [WIDTH-1:0]              rd_data,

    // rows
    output wire [ENGINES-1:0]            row_valid,
    output wire [ENGINES-1:0]            row_last,   // of the engine's tile
    output wire [INDEX_BITS-1:0]         row_index,
    output wire [WIDTH-1:0]              row_data
);

    localparam [KEY_BITS-1:0] LAST_KEY = {KEY_BITS{1'b1}};
    localparam SHARE_BITS = BASE_BITS - $clog2(ENGINES);    // index of a block in an engine's share
    localparam [BASE_BITS-1:0] IN_SHARE = (1 << SHARE_BITS) - 1;
    localparam [BASE_BITS-1:0] IN_HALF = {BASE_BITS{1'b1}} >> 1;

    // ---- choice: engines alone go first, and take turns: beside streams each has at most two such
    // blocks a tile. The streams take turns too
    reg [ENGINES-1:0]    after_q;       // engines above the one that was served alone last
    reg                  turn_q;
    reg                  run_q;
    reg [KEY_BITS-1:0]   key_q;
    reg [ENGINES-1:0]    mask_q, last_q;
    reg [BASE_BITS-1:0]  page_q;
    reg [BLOCK_BITS-1:0] block_q;
    reg [ENGINES-1:0]    mask_q2, last_q2, mask_q3, last_q3;
    reg [INDEX_BITS-1:0] index_q2, index_q3;
    reg [WIDTH-1:0]      data_q3;

    wire block_end = run_q && (key_q == LAST_KEY);
    wire under_way = run_q || (|mask_q2) || (|mask_q3);
    wire open      = (SETTLE != 0) ? !under_way : !run_q;

    wire [ENGINES-1:0] skips  = head_valid & head_own & head_skip;
    wire [ENGINES-1:0] alone  = head_valid & head_own & room & ~head_skip;
    wire [ENGINES-1:0] above  = alone & after_q;
    wire [ENGINES-1:0] from   = (|above) ? above : alone;
    wire [ENGINES-1:0] lowest = from & (~from + 1'b1);
    wire               any    = |alone;
    wire               which  = stream_valid[turn_q] ? turn_q : !turn_q;
    wire               stream = !any && (|stream_valid);

    wire [ENGINES-1:0] chosen = any ? lowest : stream_members[which*ENGINES +: ENGINES];
    wire               choose = open && (any || stream);

    reg [BASE_BITS-1:0]  share;
    reg [BLOCK_BITS-1:0] own_origin, own_block;
    always @* begin : own
        integer e;
        share      = {BASE_BITS{1'b0}};
        own_origin = {BLOCK_BITS{1'b0}};
        own_block  = {BLOCK_BITS{1'b0}};
        for (e = 0; e < ENGINES; e = e + 1) begin
            if (lowest[e]) begin
                share      = share      | (e[BASE_BITS-1:0] << SHARE_BITS);
                own_origin = own_origin | head_origin[e*BLOCK_BITS +: BLOCK_BITS];
                own_block  = own_block  | head_block[e*BLOCK_BITS +: BLOCK_BITS];
            end
        end
    end
    wire [BLOCK_BITS-1:0] block = any ? own_block : stream_block[which*BLOCK_BITS +: BLOCK_BITS];
    wire [BLOCK_BITS-1:0] place = block
        + (any ? own_origin : stream_origin[which*BLOCK_BITS +: BLOCK_BITS]);
    wire [BASE_BITS-1:0]  half  = which ? ~IN_HALF : {BASE_BITS{1'b0}};
    wire [BASE_BITS-1:0]  page  =
        streamed ? half | (block[BASE_BITS-1:0] & IN_HALF) :
        decode   ? share | (block[BASE_BITS-1:0] & IN_SHARE) : place[BASE_BITS-1:0];

    assign take         = (choose ? chosen : {ENGINES{1'b0}}) | skips;
    assign promise      = take & ~head_skip;
    assign stream_ready = (open && stream) ? {which, !which} : 2'b00;

    always @(posedge clk) begin
        if (!rst_n) begin
            turn_q  <= 1'b0;
            run_q   <= 1'b0;
            after_q <= {ENGINES{1'b0}};
        end else begin
            turn_q <= (open && stream) ? !which : turn_q;
            run_q  <= (|promise) || (run_q && !block_end);
            if (open && any) begin
                after_q <= ~(chosen | (chosen - 1'b1));
            end
        end
    end

    always @(posedge clk) begin
        if (choose) begin
            key_q   <= {KEY_BITS{1'b0}};
            mask_q  <= promise;
            last_q  <= head_last;
            page_q  <= page;
            block_q <= decode ? place : block;
        end else if (run_q) begin
            key_q   <= key_q + 1'b1;
        end
    end

    // ---- rows: address, the memory's register, the bus' register
    assign rd         = run_q;
    assign rd_address = {page_q, key_q};

    always @(posedge clk) begin
        if (!rst_n) begin
            mask_q2 <= {ENGINES{1'b0}};
            mask_q3 <= {ENGINES{1'b0}};
        end else begin
            mask_q2 <= run_q ? mask_q : {ENGINES{1'b0}};
            mask_q3 <= mask_q2;
        end
    end
    always @(posedge clk) begin
        last_q2  <= block_end ? last_q : {ENGINES{1'b0}};
        index_q2 <= {block_q, key_q};
        last_q3  <= last_q2;
        index_q3 <= index_q2;
        data_q3  <= rd_data;
    end

    assign row_valid = mask_q3;
    assign row_last  = last_q3;
    assign row_index = index_q3;
    assign row_data  = data_q3;

endmodule

`default_nettype wire
