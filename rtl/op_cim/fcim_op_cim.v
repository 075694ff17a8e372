// SPDX-License-Identifier: Apache-2.0
// fcim_op_cim: outer-product CIM macro. Holds the accumulators of two tiles of O (ping-pong) and
// adds to one of them the outer products of a key block: columns of probabilities (parallel) times
// V (bit-serial, MSB first). It walks over slices of COLUMNS columns; a slice takes CYCLES_PER_KEY
// cycles, then one read-modify-write per accumulator, LANES rows per cycle, with the rescale as a
// right shift in it.
//
// Latency:    BLOCK_CYCLES + CYCLES_PER_KEY + 1 cycles from a block's start to its last write.
// Throughput: A block per BLOCK_CYCLES = KEYS_PER_BLOCK * CYCLES_PER_KEY cycles.
// Cuts:       s_blk_ready depends on registers only.
// Numbers:    p unsigned; v' = v + 128, unsigned; a lane of a slice's sum holds KEYS_PER_BLOCK *
//             2**PROB_BITS * 2**8, so no carry crosses a lane. Rows that a block's tile does not
//             use stand still in the array, and passes of accumulators without a used row are
//             neither read nor written.
`default_nettype none

module fcim_op_cim #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam COLUMNS = HEAD_DIM / KEYS_PER_BLOCK,  // columns of a slice of V or O
    localparam OP_LANE = PROB_BITS + 8 + $clog2(KEYS_PER_BLOCK),  // sum over a slice, unsigned
    localparam BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK),  // a row's p of a block, summed
    localparam ACC_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT + 8,  // accumulator, signed
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of rows
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam READ_COLUMNS = HEAD_DIM / CYCLES_PER_KEY,  // a chunk of a row of O
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1),  // active bit-lines, 8 per element at most
    localparam SHIFT_BITS = 6                     // shift amount, unsigned
) (
    input  wire                                clk,
    input  wire                                rst_n,

    // probabilities: one pass of one key per write
    input  wire                                p_we,
    input  wire                                p_slot,
    input  wire [KEY_BITS-1:0]                 p_key,
    input  wire [PASS_BITS-1:0]                p_pass,
    input  wire [LANES*PROB_BITS-1:0]          p_data,

    // blocks; shift and sum of a slot are read until CYCLES_PER_KEY cycles after its block's start
    input  wire                                s_blk_valid,
    output wire                                s_blk_ready,
    input  wire                                s_blk_slot,
    input  wire                                s_blk_first,
    input  wire                                s_blk_bank,
    input  wire [COUNT_BITS-1:0]               s_blk_rows,   // that its tile uses
    input  wire [2*ROWS*SHIFT_BITS-1:0]        blk_shift,
    input  wire [2*ROWS*BSUM_BITS-1:0]         blk_sum,
    output wire [1:0]                          slot_in_use,

    // V, a slice at a time: data one cycle after the request, in offset binary, zero for keys
    // that the block lacks
    output wire                                v_rd,
    output wire [KEY_BITS-1:0]                 v_slice,
    output wire                                v_pop,    // with a block's last request
    input  wire [KEYS_PER_BLOCK*COLUMNS*8-1:0] v_data,   // byte key * COLUMNS + column

    // a block's last accumulators are written with the end of this cycle
    output wire                                finish,
    output wire                                finish_bank,

    // row read port, READ_COLUMNS accumulators per read; data comes one cycle later and holds
    // while rd_en is low
    input  wire                                rd_en,
    input  wire                                rd_bank,
    input  wire [PASS_BITS-1:0]                rd_pass,
    input  wire [LANE_BITS-1:0]                rd_lane,
    input  wire [PASS_BITS-1:0]                rd_chunk,
    output wire [READ_COLUMNS*ACC_BITS-1:0]    rd_data,

    // activity: the array switched in the last cycle, and, only then valid, its active bit-lines
    output wire                                active,
    output wire [OPS_BITS-1:0]                 bit_ops
);

    localparam SLICES = KEYS_PER_BLOCK;
    localparam BLOCK_CYCLES = SLICES * CYCLES_PER_KEY;
    localparam LEFT_BITS = $clog2(BLOCK_CYCLES + 1);
    localparam WORD = LANES * COLUMNS * ACC_BITS;             // accumulators of a slice and a pass
    localparam [PASS_BITS-1:0] LAST_PASS  = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [KEY_BITS-1:0]  LAST_SLICE = {KEY_BITS{1'b1}};
    // the softmax unit writes a slot's shift 3 cycles, its first probability 4 cycles after it has
    // found it free, so a slot is given back in its 4th last cycle
    localparam [LEFT_BITS-1:0] RELEASE_LEFT = 4;

    // ---- rows in use, and passes over the rows that have one
    reg [ROWS-1:0]           used, used_q;      // by the tile offered, by the block's
    reg [CYCLES_PER_KEY-1:0] passes;
    always @* begin : rows
        integer r, p;
        for (r = 0; r < ROWS; r = r + 1) begin
            used[r] = (s_blk_rows > r[COUNT_BITS-1:0]);
        end
        for (p = 0; p < CYCLES_PER_KEY; p = p + 1) begin
            passes[p] = used_q[p*LANES];
        end
    end

    // ---- walk over slices and bit-planes
    reg                 busy_q;
    reg [KEY_BITS-1:0]  slice_q;
    reg [PASS_BITS-1:0] step_q;
    reg [LEFT_BITS-1:0] left_q;             // cycles left of the block, this one included
    reg                 slot_q, first_q, bank_q;
    reg                 first_step_q;       // step_q is 0: all rows wait for it

    wire last_step  = busy_q && (step_q == LAST_PASS);
    wire last_cycle = last_step && (slice_q == LAST_SLICE);
    wire accept     = s_blk_valid && s_blk_ready;

    assign s_blk_ready = !busy_q || last_cycle;
    assign slot_in_use = (busy_q && left_q > RELEASE_LEFT) ? {slot_q, !slot_q} : 2'b00;

    assign v_rd    = accept || (last_step && !last_cycle);
    assign v_slice = accept ? {KEY_BITS{1'b0}} : slice_q + 1'b1;
    assign v_pop   = v_rd && (v_slice == LAST_SLICE);

    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q <= 1'b0;
        end else begin
            busy_q <= accept || (busy_q && !last_cycle);
        end
    end

    always @(posedge clk) begin
        if (accept) begin
            slice_q <= {KEY_BITS{1'b0}};
            step_q  <= {PASS_BITS{1'b0}};
            first_step_q <= 1'b1;
            left_q  <= BLOCK_CYCLES[LEFT_BITS-1:0];
            slot_q  <= s_blk_slot;
            first_q <= s_blk_first;
            bank_q  <= s_blk_bank;
            used_q  <= used;
        end else if (busy_q) begin
            step_q  <= last_step ? {PASS_BITS{1'b0}} : step_q + 1'b1;
            first_step_q <= last_step;
            slice_q <= slice_q + {{(KEY_BITS-1){1'b0}}, last_step};
            left_q  <= left_q - 1'b1;
        end
    end

    // ---- array: sums over the keys of p * v', slice by slice
    reg                             rmw_q;
    reg [PASS_BITS-1:0]             rmw_pass_q;
    reg [CYCLES_PER_KEY-1:0]        rmw_passes_q;   // that have a row in use
    wire                            rmw_now = rmw_q && rmw_passes_q[rmw_pass_q];
    wire [LANES*COLUMNS*OP_LANE-1:0] w_u;
    fcim_op_array #(
        .ROWS(ROWS), .COLUMNS(COLUMNS), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS)
    ) u_array (
        .clk(clk),
        .p_we(p_we), .p_slot(p_slot), .p_key(p_key), .p_pass(p_pass), .p_data(p_data),
        .step(busy_q), .first(first_step_q), .last(last_step), .slot(slot_q), .v_data(v_data),
        .used(used_q),
        .rd(rmw_now), .rd_pass(rmw_pass_q & {PASS_BITS{rmw_now}}), .rd_data(w_u),
        .bit_ops(bit_ops)
    );

    reg active_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            active_q <= 1'b0;
        end else begin
            active_q <= busy_q;
        end
    end
    assign active = active_q;

    // ---- read-modify-write, LANES rows of a slice per cycle
    reg  [KEY_BITS-1:0]        rmw_slice_q;
    reg                        rmw_first_q, rmw_bank_q, rmw_end_q;
    reg  [ROWS*SHIFT_BITS-1:0] rmw_shift_q;
    reg  [ROWS*BSUM_BITS-1:0]  rmw_sum_q;
    wire                       rmw_last = rmw_q && (rmw_pass_q == LAST_PASS);

    always @(posedge clk) begin
        if (!rst_n) begin
            rmw_q <= 1'b0;
        end else begin
            rmw_q <= last_step || (rmw_q && !rmw_last);
        end
    end
    always @(posedge clk) begin
        if (last_step) begin
            rmw_pass_q  <= {PASS_BITS{1'b0}};
            rmw_slice_q <= slice_q;
            rmw_first_q <= first_q;
            rmw_bank_q  <= bank_q;
            rmw_end_q   <= (slice_q == LAST_SLICE);
            if (slice_q == 0) begin
                rmw_passes_q <= passes;
                rmw_shift_q <= blk_shift[slot_q*ROWS*SHIFT_BITS +: ROWS*SHIFT_BITS];
                rmw_sum_q   <= blk_sum[slot_q*ROWS*BSUM_BITS +: ROWS*BSUM_BITS];
            end
        end else begin
            rmw_pass_q <= rmw_pass_q + 1'b1;
        end
    end

    // ---- accumulators: stage w holds what is read and will be written
    reg                        w_valid_q, w_used_q, w_clear_q, w_end_q, w_bank_q;
    reg [KEY_BITS-1:0]         w_slice_q;
    reg [PASS_BITS-1:0]        w_pass_q;
    reg [LANES*SHIFT_BITS-1:0] w_shift_q;
    reg [LANES*BSUM_BITS-1:0]  w_sum_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            w_valid_q <= 1'b0;
            w_used_q  <= 1'b0;
        end else begin
            w_valid_q <= rmw_q;
            w_used_q  <= rmw_now;
        end
    end

    always @(posedge clk) begin
        if (rmw_q) begin
            w_end_q  <= rmw_end_q && rmw_last;
            w_bank_q <= rmw_bank_q;
        end
        if (rmw_now) begin
            w_clear_q <= rmw_first_q;
            w_slice_q <= rmw_slice_q;
            w_pass_q  <= rmw_pass_q;
            w_shift_q <= rmw_shift_q[rmw_pass_q*LANES*SHIFT_BITS +: LANES*SHIFT_BITS];
            w_sum_q   <= rmw_sum_q[rmw_pass_q*LANES*BSUM_BITS +: LANES*BSUM_BITS];
        end
    end

    wire [WORD-1:0] w_acc, w_result;
    fcim_accumulators #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .ACC_BITS(ACC_BITS)
    ) u_accumulators (
        .clk(clk),
        .we(w_used_q), .wr_bank(w_bank_q), .wr_slice(w_slice_q), .wr_pass(w_pass_q),
        .wr_data(w_result),
        .get(rmw_now), .get_bank(rmw_bank_q), .get_slice(rmw_slice_q), .get_pass(rmw_pass_q),
        .get_data(w_acc),
        .rd_en(rd_en), .rd_bank(rd_bank), .rd_pass(rd_pass), .rd_lane(rd_lane), .rd_chunk(rd_chunk),
        .rd_data(rd_data)
    );

    fcim_acc_update #(
        .LANES(LANES), .COLUMNS(COLUMNS), .ACC_BITS(ACC_BITS), .OP_LANE(OP_LANE),
        .BSUM_BITS(BSUM_BITS)
    ) u_update (
        .acc(w_acc), .clear(w_clear_q), .shift(w_shift_q), .u(w_u), .psum(w_sum_q),
        .result(w_result)
    );

    assign finish      = w_valid_q && w_end_q;
    assign finish_bank = w_bank_q;

endmodule

`default_nettype wire
