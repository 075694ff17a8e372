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
// Numbers:    row_index is the row's index in its head. Blocks that all of their engines skip, or
//             that one skips alone, are taken and not read.
`default_nettype none

module fcim_row_bus #(
    parameter  ENGINES = 16,          // 1 to 16
    parameter  WIDTH = 1024,          // bits of a row: 1 or more
    parameter  KEYS_PER_BLOCK = 16,   // 8, 16, 32 or 64
    parameter  BLOCK_BITS = 13,       // index of a block in its head: 1 or more
    parameter  BASE_BITS = 9,         // index of a block in the memory: 1 or more
    parameter  SETTLE = 0,            // 1: the next block is chosen when this one has arrived
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam INDEX_BITS = BLOCK_BITS + KEY_BITS, // index of a row in its head
    localparam ADDRESS_BITS = BASE_BITS + KEY_BITS // index of a row in the memory
) (
    input  wire                          clk,
    input  wire                          rst_n,

    // each engine's oldest request
    input  wire [ENGINES-1:0]            head_valid,
    input  wire [ENGINES-1:0]            head_own,
    input  wire [ENGINES*BASE_BITS-1:0]  head_base,
    input  wire [ENGINES*BLOCK_BITS-1:0] head_block,
    input  wire [ENGINES-1:0]            head_skip,
    input  wire [ENGINES-1:0]            head_last,
    input  wire [ENGINES-1:0]            room,
    output wire [ENGINES-1:0]            take,       // it is taken
    output wire [ENGINES-1:0]            promise,    // and its rows will come

    // blocks of the streams, for engines that are ready
    input  wire [1:0]                    stream_valid,
    output wire [1:0]                    stream_ready,
    input  wire [2*BASE_BITS-1:0]        stream_base,
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

    // ---- choice: engines alone go first, the lowest number before others, since each has at most
    // two such blocks a tile; the streams take turns
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

    wire [ENGINES-1:0] alone  = head_valid & head_own & (room | head_skip);
    wire [ENGINES-1:0] lowest = alone & (~alone + 1'b1);
    wire               any    = |alone;
    wire               which  = stream_valid[turn_q] ? turn_q : !turn_q;
    wire               stream = !any && (|stream_valid);

    wire [ENGINES-1:0] chosen = any ? lowest : stream_members[which*ENGINES +: ENGINES];
    wire               choose = open && (any || stream);

    reg [BASE_BITS-1:0]  own_base;
    reg [BLOCK_BITS-1:0] own_block;
    always @* begin : own
        integer e;
        own_base  = {BASE_BITS{1'b0}};
        own_block = {BLOCK_BITS{1'b0}};
        for (e = 0; e < ENGINES; e = e + 1) begin
            if (lowest[e]) begin
                own_base  = own_base  | head_base[e*BASE_BITS +: BASE_BITS];
                own_block = own_block | head_block[e*BLOCK_BITS +: BLOCK_BITS];
            end
        end
    end
    wire [BASE_BITS-1:0]  base  = any ? own_base  : stream_base[which*BASE_BITS +: BASE_BITS];
    wire [BLOCK_BITS-1:0] block = any ? own_block : stream_block[which*BLOCK_BITS +: BLOCK_BITS];
    wire [BASE_BITS-1:0]  page;

    generate
        if (BLOCK_BITS >= BASE_BITS) begin : g_long
            assign page = base + block[BASE_BITS-1:0];
        end else begin : g_short
            assign page = base + {{(BASE_BITS-BLOCK_BITS){1'b0}}, block};
        end
    endgenerate

    assign take         = choose ? chosen : {ENGINES{1'b0}};
    assign promise      = take & ~head_skip;
    assign stream_ready = (open && stream) ? {which, !which} : 2'b00;

    always @(posedge clk) begin
        if (!rst_n) begin
            turn_q <= 1'b0;
            run_q  <= 1'b0;
        end else begin
            turn_q <= (open && stream) ? !which : turn_q;
            run_q  <= (|promise) || (run_q && !block_end);
        end
    end

    always @(posedge clk) begin
        if (choose) begin
            key_q   <= {KEY_BITS{1'b0}};
            mask_q  <= promise;
            last_q  <= head_last;
            page_q  <= page;
            block_q <= block;
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
