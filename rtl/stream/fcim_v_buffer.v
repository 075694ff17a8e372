// SPDX-License-Identifier: Apache-2.0
// fcim_v_buffer: holds the values of the key blocks in flight until their probabilities are known:
// a ring of SLOTS blocks, written a key per cycle, read a slice of columns (of all keys of a block)
// per request.
//
// Latency:    A block is complete one cycle after its last value; a slice comes one cycle after its
//             request.
// Throughput: A value in and a slice out per cycle.
// Cuts:       s_v_ready is a function of registers only.
// Numbers:    Signed bytes in; out offset binary (v + 128), zero for keys that the block lacks.
`default_nettype none

module fcim_v_buffer #(
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  SLOTS = 2,                         // blocks that the ring holds: 2 or more
    localparam COLUMNS = HEAD_DIM / KEYS_PER_BLOCK,  // columns of a slice of V or O
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK)  // index of a key in its block
) (
    input  wire                                clk,
    input  wire                                rst_n,

    input  wire                                s_v_valid,
    output wire                                s_v_ready,
    input  wire [HEAD_DIM*8-1:0]               s_v_data,
    input  wire                                s_v_last,

    output wire                                blk_valid,
    output wire [KEY_BITS-1:0]                 blk_last_key,   // keys - 1
    output wire                                blk_last,       // the tile's last block
    input  wire                                rd,
    input  wire [KEY_BITS-1:0]                 rd_slice,
    input  wire                                pop,            // the oldest block's last read
    output wire [KEYS_PER_BLOCK*COLUMNS*8-1:0] rd_data         // byte key * COLUMNS + column
);

    localparam SLOT_BITS = $clog2(SLOTS);
    localparam SLICE_BITS = COLUMNS * 8;        // of one key
    localparam [SLOT_BITS-1:0] LAST_SLOT = SLOTS[SLOT_BITS-1:0] - 1'b1;
    localparam [KEY_BITS-1:0]  LAST_KEY  = {KEY_BITS{1'b1}};

    reg [KEY_BITS-1:0]       last_key_q [0:SLOTS-1];
    reg [SLOTS-1:0]          tile_last_q;
    reg [SLOT_BITS-1:0]      wr_slot_q, rd_slot_q;
    reg [KEY_BITS-1:0]       wr_key_q;
    reg [SLOT_BITS:0]        full_q;                                    // complete blocks

    wire accept  = s_v_valid && s_v_ready;
    wire blk_end = accept && (s_v_last || wr_key_q == LAST_KEY);

    assign s_v_ready    = (full_q != SLOTS[SLOT_BITS:0]);
    assign blk_valid    = (full_q != 0);
    assign blk_last_key = last_key_q[rd_slot_q];
    assign blk_last     = tile_last_q[rd_slot_q];

    always @(posedge clk) begin
        if (!rst_n) begin
            wr_slot_q <= {SLOT_BITS{1'b0}};
            rd_slot_q <= {SLOT_BITS{1'b0}};
            wr_key_q  <= {KEY_BITS{1'b0}};
            full_q    <= {(SLOT_BITS+1){1'b0}};
        end else begin
            if (accept) begin
                wr_key_q <= blk_end ? {KEY_BITS{1'b0}} : wr_key_q + 1'b1;
            end
            if (blk_end) begin
                wr_slot_q <= (wr_slot_q == LAST_SLOT) ? {SLOT_BITS{1'b0}} : wr_slot_q + 1'b1;
            end
            if (pop) begin
                rd_slot_q <= (rd_slot_q == LAST_SLOT) ? {SLOT_BITS{1'b0}} : rd_slot_q + 1'b1;
            end
            full_q <= full_q + {{SLOT_BITS{1'b0}}, blk_end} - {{SLOT_BITS{1'b0}}, pop};
        end
    end

    always @(posedge clk) begin
        if (blk_end) begin
            last_key_q[wr_slot_q]  <= wr_key_q;
            tile_last_q[wr_slot_q] <= s_v_last;
        end
    end

    // ---- values: a register file of SLOTS words for each key of a block, since all keys of a
    // block are read at once; a slice is a part of a word, blanked where the block has no key
    wire [KEYS_PER_BLOCK-1:0] lacks = ({KEYS_PER_BLOCK{1'b1}} << last_key_q[rd_slot_q]) << 1;
    genvar j;
    generate
        for (j = 0; j < KEYS_PER_BLOCK; j = j + 1) begin : g_key
            reg [HEAD_DIM*8-1:0]  v_q [0:SLOTS-1];
            reg [SLICE_BITS-1:0]  rd_q;
            always @(posedge clk) begin
                if (accept && wr_key_q == j[KEY_BITS-1:0]) begin
                    v_q[wr_slot_q] <= s_v_data;
                end
                if (rd) begin
                    rd_q <= lacks[j]
                        ? {SLICE_BITS{1'b0}}
                        : v_q[rd_slot_q][rd_slice*SLICE_BITS +: SLICE_BITS] ^ {COLUMNS{8'h80}};
                end
            end
            assign rd_data[j*SLICE_BITS +: SLICE_BITS] = rd_q;
        end
    endgenerate

endmodule

`default_nettype wire
