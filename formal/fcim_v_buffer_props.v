// SPDX-License-Identifier: Apache-2.0
// fcim_v_buffer_props: what fcim_v_buffer promises, in proofs.yaml in words.
`default_nettype none

module fcim_v_buffer_props #(
    parameter  HEAD_DIM = 16,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  SLOTS = 3,
    localparam COLUMNS = HEAD_DIM / KEYS_PER_BLOCK,
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam SLICE_BITS = COLUMNS*8,
    localparam COUNT_BITS = $clog2(SLOTS + 1)
) (
    input  wire                  clk,
    input  wire                  rst_n,
    input  wire                  s_v_valid,
    input  wire [HEAD_DIM*8-1:0] s_v_data,
    input  wire                  s_v_last,
    input  wire                  rd,
    input  wire [KEY_BITS-1:0]   rd_slice,
    input  wire                  pop,
    input  wire                  pick,       // follow the value that comes now
    input  wire [KEY_BITS-1:0]   key         // any place of a block, always the same
);

    wire                                 s_v_ready, blk_valid, blk_last;
    wire [KEY_BITS-1:0]                  blk_last_key;
    wire [KEYS_PER_BLOCK*SLICE_BITS-1:0] rd_data;
    fcim_v_buffer #(
        .HEAD_DIM(HEAD_DIM), .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .SLOTS(SLOTS)
    ) dut (
        .clk(clk), .rst_n(rst_n),
        .s_v_valid(s_v_valid), .s_v_ready(s_v_ready), .s_v_data(s_v_data), .s_v_last(s_v_last),
        .blk_valid(blk_valid), .blk_last_key(blk_last_key), .blk_last(blk_last),
        .rd(rd), .rd_slice(rd_slice), .pop(pop), .rd_data(rd_data)
    );

    // ---- complete blocks inside, keys of the one that is written, and the value that is followed
    reg                  begun_q = 1'b0;
    reg [KEY_BITS-1:0]   key_q, number_q;
    reg [COUNT_BITS-1:0] count_q, ahead_q;          // ahead: complete blocks that were there before
    reg                  watches_q, whole_q, last_q;
    reg [KEY_BITS-1:0]   place_q, keys_q;           // of the value; the last one of its block
    reg [HEAD_DIM*8-1:0] value_q;
    wire                 accepts = s_v_valid && s_v_ready;
    wire                 ends    = accepts && (s_v_last || number_q == KEYS_PER_BLOCK - 1);
    wire                 follows = accepts && pick && !watches_q;
    wire                 mine    = follows || (watches_q && !whole_q);   // its block is written
    wire                 oldest  = watches_q && whole_q && ahead_q == 0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        key_q   <= key;
        if (!rst_n) begin
            count_q   <= {COUNT_BITS{1'b0}};
            number_q  <= {KEY_BITS{1'b0}};
            watches_q <= 1'b0;
        end else begin
            count_q   <= count_q + {{(COUNT_BITS-1){1'b0}}, ends} - {{(COUNT_BITS-1){1'b0}}, pop};
            number_q  <= ends ? {KEY_BITS{1'b0}} : number_q + {{(KEY_BITS-1){1'b0}}, accepts};
            watches_q <= follows || (watches_q && !(oldest && pop));
        end
        if (follows) begin
            place_q <= number_q;
            value_q <= s_v_data;
        end
        ahead_q <= (follows ? count_q : ahead_q)
                   - {{(COUNT_BITS-1){1'b0}}, pop && !(watches_q && ahead_q == 0)};
        if (mine && accepts) begin
            whole_q <= ends;
            keys_q  <= number_q;
            last_q  <= s_v_last;
        end
    end
    always @* begin
        some_block: assume (!pop || count_q != 0);
        real_slice: assume (rd_slice < KEYS_PER_BLOCK);
        if (begun_q) begin
            one_place: assume (key == key_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- a slice that was asked for in the cycle before
    reg                  reads_q, empty_q;
    reg [SLICE_BITS-1:0] slice_q;
    always @(posedge clk) begin
        reads_q <= rst_n && rd && oldest;
        empty_q <= rst_n && rd && oldest && key > keys_q;
        slice_q <= value_q[rd_slice*SLICE_BITS +: SLICE_BITS] ^ {COLUMNS{8'h80}};
    end

    wire [COUNT_BITS:0]    far  = dut.rd_slot_q + ahead_q;
    wire [COUNT_BITS:0]    slot = (far >= SLOTS) ? far - SLOTS : far;
    wire [COUNT_BITS:0]    next = dut.rd_slot_q + count_q;
    wire [HEAD_DIM*8-1:0]  stored [0:KEYS_PER_BLOCK-1];
    genvar j;
    generate
        for (j = 0; j < KEYS_PER_BLOCK; j = j + 1) begin : g_key
            assign stored[j] = dut.g_key[j].v_q[slot];
        end
    endgenerate

    always @* begin
        if (begun_q) begin
            order:    assert (!reads_q || rd_data[place_q*SLICE_BITS +: SLICE_BITS] == slice_q);
            blank:    assert (!empty_q || rd_data[key*SLICE_BITS +: SLICE_BITS] == 0);
            keys:     assert (!oldest || (blk_last_key == keys_q && blk_last == last_q));
            room:     assert (s_v_ready == (count_q != SLOTS));
            complete: assert (blk_valid == (count_q != 0));

            lemma_count: assert (dut.full_q == count_q && count_q <= SLOTS
                                 && dut.wr_key_q == number_q && dut.rd_slot_q < SLOTS
                                 && dut.wr_slot_q == ((next >= SLOTS) ? next - SLOTS : next));
            lemma_place: assert (!watches_q || (whole_q ? ahead_q < count_q && place_q <= keys_q
                                 : ahead_q == count_q && place_q < number_q
                                   && count_q != SLOTS));
            lemma_block: assert (!(watches_q && whole_q) || (dut.last_key_q[slot] == keys_q
                                 && dut.tile_last_q[slot] == last_q));
            lemma_value: assert (!watches_q || stored[place_q] == value_q);
        end
    end

    always @* begin
        behind_others: cover (begun_q && rst_n && watches_q && whole_q && ahead_q == SLOTS - 1
                              && keys_q == 1 && place_q == 1);
        read_ragged:   cover (begun_q && rst_n && reads_q && empty_q && watches_q && last_q
                              && place_q == 1);
    end

endmodule

`default_nettype wire
