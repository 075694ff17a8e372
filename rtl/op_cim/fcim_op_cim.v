// SPDX-License-Identifier: Apache-2.0
// fcim_op_cim: outer-product CIM macro. Holds the accumulators of two tiles of O (ping-pong) and adds to one of them the
// outer products of a key block: columns of probabilities (parallel) times V (bit-serial, MSB first).
// It walks over slices of COLUMNS = HEAD_DIM / KEYS_PER_BLOCK columns; a slice takes CYCLES_PER_KEY cycles, then one
// read-modify-write per accumulator, LANES rows per cycle, with the rescale as a right shift in it.
// Latency: BLOCK_CYCLES + CYCLES_PER_KEY + 1 from a block's start to its last write. Throughput: a block per BLOCK_CYCLES.
// Cuts: s_blk_ready depends on registers only.
// Numbers: p unsigned PROB_BITS; v' = v + 128 unsigned; a lane of a slice's sum is unsigned and OP_LANE bits wide:
//   KEYS_PER_BLOCK * 2**PROB_BITS * 2**8, so no carry crosses a lane; accumulators signed ACC_BITS.
`default_nettype none

module fcim_op_cim #(
    parameter ROWS = 64,
    parameter HEAD_DIM = 128,
    parameter BITS_PER_CYCLE = 1,
    parameter KEYS_PER_BLOCK = 16,
    parameter PROB_BITS = 16,
    parameter MAX_KEYS = 131072,
    // derived, not to be set
    parameter LANES = ROWS * BITS_PER_CYCLE / 8,
    parameter COLUMNS = HEAD_DIM / KEYS_PER_BLOCK,
    parameter OP_LANE = PROB_BITS + 8 + $clog2(KEYS_PER_BLOCK),
    parameter BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK),
    parameter ACC_BITS = PROB_BITS + $clog2(MAX_KEYS) + 8,
    parameter GROUP_BITS = (BITS_PER_CYCLE < 8) ? $clog2(8 / BITS_PER_CYCLE) : 1,
    parameter LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,
    parameter KEY_BITS = $clog2(KEYS_PER_BLOCK),
    parameter READ_COLUMNS = HEAD_DIM * BITS_PER_CYCLE / 8,
    parameter OPS_BITS = 4 + $clog2(HEAD_DIM),
    parameter SHIFT_BITS = 6
) (
    input  wire                                clk,
    input  wire                                rst_n,

    // probabilities: one group of rows of one key
    input  wire                                p_we,
    input  wire                                p_slot,
    input  wire [KEY_BITS-1:0]                 p_key,
    input  wire [GROUP_BITS-1:0]               p_group,
    input  wire [LANES*PROB_BITS-1:0]          p_data,

    // blocks; shift and sum of a slot are read until CYCLES_PER_KEY cycles after its block's start
    input  wire                                s_blk_valid,
    output wire                                s_blk_ready,
    input  wire                                s_blk_slot,
    input  wire                                s_blk_first,
    input  wire                                s_blk_bank,
    input  wire [2*ROWS*SHIFT_BITS-1:0]        blk_shift,
    input  wire [2*ROWS*BSUM_BITS-1:0]         blk_sum,
    output wire [1:0]                          slot_in_use,

    // V, a slice at a time: data one cycle after the request, in offset binary, zero for keys that the block lacks
    output wire                                v_rd,
    output wire [KEY_BITS-1:0]                 v_slice,
    output wire                                v_pop,          // with the request for a block's last slice
    input  wire [KEYS_PER_BLOCK*COLUMNS*8-1:0] v_data,         // byte key * COLUMNS + column

    // a block's last accumulators are written with the end of this cycle
    output wire                                finish,
    output wire                                finish_bank,

    // row read port, READ_COLUMNS accumulators per read; data comes one cycle later and holds while rd_en is low
    input  wire                                rd_en,
    input  wire                                rd_bank,
    input  wire [GROUP_BITS-1:0]               rd_group,
    input  wire [LANE_BITS-1:0]                rd_lane,
    input  wire [GROUP_BITS-1:0]               rd_chunk,
    output wire [READ_COLUMNS*ACC_BITS-1:0]    rd_data,

    // activity: array switched in the last cycle, and, only then valid, how many bit-lines were active
    output wire                                active,
    output wire [OPS_BITS-1:0]                 bit_ops
);

    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam SLICES = KEYS_PER_BLOCK;
    localparam READ_SLICES = READ_COLUMNS / COLUMNS;
    localparam BLOCK_CYCLES = SLICES * CYCLES_PER_KEY;
    localparam LEFT_BITS = $clog2(BLOCK_CYCLES + 1);
    localparam WORD = LANES * COLUMNS * ACC_BITS;
    localparam SLICE_BITS = KEYS_PER_BLOCK * COLUMNS * 8;
    localparam [GROUP_BITS-1:0] LAST_GROUP = CYCLES_PER_KEY[GROUP_BITS-1:0] - 1'b1;
    localparam [KEY_BITS-1:0]   LAST_SLICE = {KEY_BITS{1'b1}};
    // the softmax unit writes a slot 3 cycles after it has found it free, so a slot is given back in its 4th last cycle
    localparam [LEFT_BITS-1:0]  RELEASE_LEFT = 4;

    // ==== probabilities: word {slot, key}, one lane per row, zero-extended to a lane of the sums
    reg [ROWS*OP_LANE-1:0] p_q [0:2*KEYS_PER_BLOCK-1];
    reg [LANES*OP_LANE-1:0] p_lanes;
    integer g;
    always @(posedge clk)
        if (p_we) begin
            for (g = 0; g < LANES; g = g + 1)
                p_lanes[g*OP_LANE +: OP_LANE] = {{(OP_LANE-PROB_BITS){1'b0}}, p_data[g*PROB_BITS +: PROB_BITS]};
            p_q[{p_slot, p_key}][p_group*LANES*OP_LANE +: LANES*OP_LANE] <= p_lanes;
        end

    // ==== walk over slices and bit-planes
    reg                   busy_q;
    reg [KEY_BITS-1:0]    slice_q;
    reg [GROUP_BITS-1:0]  step_q;
    reg [LEFT_BITS-1:0]   left_q;             // cycles left of the block, this one included
    reg                   slot_q, first_q, bank_q;

    wire last_step  = busy_q && (step_q == LAST_GROUP);
    wire last_cycle = last_step && (slice_q == LAST_SLICE);
    wire accept     = s_blk_valid && s_blk_ready;

    assign s_blk_ready = !busy_q || last_cycle;
    assign slot_in_use = (busy_q && left_q > RELEASE_LEFT) ? {slot_q, !slot_q} : 2'b00;

    assign v_rd    = accept || (last_step && !last_cycle);
    assign v_slice = accept ? {KEY_BITS{1'b0}} : slice_q + 1'b1;
    assign v_pop   = v_rd && (v_slice == LAST_SLICE);

    always @(posedge clk)
        if (!rst_n)
            busy_q <= 1'b0;
        else
            busy_q <= accept || (busy_q && !last_cycle);

    always @(posedge clk)
        if (accept) begin
            slice_q <= {KEY_BITS{1'b0}};
            step_q  <= {GROUP_BITS{1'b0}};
            left_q  <= BLOCK_CYCLES[LEFT_BITS-1:0];
            slot_q  <= s_blk_slot;
            first_q <= s_blk_first;
            bank_q  <= s_blk_bank;
        end else if (busy_q) begin
            step_q  <= last_step ? {GROUP_BITS{1'b0}} : step_q + 1'b1;
            slice_q <= slice_q + {{(KEY_BITS-1){1'b0}}, last_step};
            left_q  <= left_q - 1'b1;
        end

    // ==== array: wherever a bit of V is set, a column of probabilities is added; then shift-accumulate
    reg [SLICE_BITS-1:0]     v_q;
    reg [ROWS*OP_LANE-1:0]   usum_q [0:COLUMNS-1];
    reg [ROWS*OP_LANE-1:0]   hold_q [0:COLUMNS-1];
    reg [SLICE_BITS-1:0]     v_now;
    reg [ROWS*OP_LANE-1:0]   bit_sum, plane_sum;
    reg [OPS_BITS-1:0]       ones;
    reg                      active_q;
    reg [OPS_BITS-1:0]       ops_q;
    integer c, b, j;
    always @(posedge clk) begin
        active_q <= busy_q && rst_n;
        if (busy_q) begin
            v_now = (step_q == 0) ? v_data : v_q;
            ones  = {OPS_BITS{1'b0}};
            for (c = 0; c < COLUMNS; c = c + 1) begin
                plane_sum = {ROWS*OP_LANE{1'b0}};
                for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                    bit_sum = {ROWS*OP_LANE{1'b0}};
                    for (j = 0; j < KEYS_PER_BLOCK; j = j + 1)
                        if (v_now[(j*COLUMNS + c)*8 + 7 - b]) begin
                            bit_sum = bit_sum + p_q[{slot_q, j[KEY_BITS-1:0]}];
                            ones    = ones + 1'b1;
                        end
                    plane_sum = (plane_sum << 1) + bit_sum;
                end
                if (step_q != 0)
                    plane_sum = plane_sum + (usum_q[c] << BITS_PER_CYCLE);
                usum_q[c] <= plane_sum;
                if (last_step)
                    hold_q[c] <= plane_sum;
            end
            v_q   <= v_now << BITS_PER_CYCLE;
            ops_q <= ones;
        end
    end
    assign active  = active_q;
    assign bit_ops = ops_q;

    // ==== read-modify-write, LANES rows of a slice per cycle
    reg                        rmw_q;
    reg [GROUP_BITS-1:0]       rmw_group_q;
    reg [KEY_BITS-1:0]         rmw_slice_q;
    reg                        rmw_first_q, rmw_bank_q, rmw_end_q;
    reg [ROWS*SHIFT_BITS-1:0]  rmw_shift_q;
    reg [ROWS*BSUM_BITS-1:0]   rmw_sum_q;
    wire                       rmw_last = rmw_q && (rmw_group_q == LAST_GROUP);

    always @(posedge clk)
        if (!rst_n)
            rmw_q <= 1'b0;
        else
            rmw_q <= last_step || (rmw_q && !rmw_last);
    always @(posedge clk)
        if (last_step) begin
            rmw_group_q <= {GROUP_BITS{1'b0}};
            rmw_slice_q <= slice_q;
            rmw_first_q <= first_q;
            rmw_bank_q  <= bank_q;
            rmw_end_q   <= (slice_q == LAST_SLICE);
            if (slice_q == 0) begin
                rmw_shift_q <= blk_shift[slot_q*ROWS*SHIFT_BITS +: ROWS*SHIFT_BITS];
                rmw_sum_q   <= blk_sum[slot_q*ROWS*BSUM_BITS +: ROWS*BSUM_BITS];
            end
        end else
            rmw_group_q <= rmw_group_q + 1'b1;

    // accumulators: word {bank, slice, group}, accumulator column * LANES + lane in a word
    reg [WORD-1:0]                   acc_q [0:(2*SLICES<<GROUP_BITS)-1];
    wire [KEY_BITS+GROUP_BITS:0]     rmw_addr = {rmw_bank_q, rmw_slice_q, rmw_group_q};

    reg                              m_valid_q, m_clear_q, m_end_q;
    reg [KEY_BITS+GROUP_BITS:0]      m_addr_q;
    reg [WORD-1:0]                   m_acc_q;
    reg [LANES*COLUMNS*OP_LANE-1:0]  m_u, m_u_q;
    reg [LANES*SHIFT_BITS-1:0]       m_shift_q;
    reg [LANES*BSUM_BITS-1:0]        m_sum_q;
    integer u;
    always @(posedge clk) begin
        if (!rst_n)
            m_valid_q <= 1'b0;
        else
            m_valid_q <= rmw_q;
        if (rmw_q) begin
            m_clear_q <= rmw_first_q;
            m_end_q   <= rmw_end_q && rmw_last;
            m_addr_q  <= rmw_addr;
            m_acc_q   <= acc_q[rmw_addr];
            m_shift_q <= rmw_shift_q[rmw_group_q*LANES*SHIFT_BITS +: LANES*SHIFT_BITS];
            m_sum_q   <= rmw_sum_q[rmw_group_q*LANES*BSUM_BITS +: LANES*BSUM_BITS];
            for (u = 0; u < COLUMNS; u = u + 1)
                m_u[u*LANES*OP_LANE +: LANES*OP_LANE] = hold_q[u][rmw_group_q*LANES*OP_LANE +: LANES*OP_LANE];
            m_u_q     <= m_u;
        end
    end

    wire [WORD-1:0] m_result;
    fcim_acc_update #(
        .LANES(LANES), .COLUMNS(COLUMNS), .ACC_BITS(ACC_BITS), .OP_LANE(OP_LANE), .BSUM_BITS(BSUM_BITS)
    ) u_update (
        .acc(m_acc_q), .clear(m_clear_q), .shift(m_shift_q), .u(m_u_q), .psum(m_sum_q), .result(m_result)
    );

    always @(posedge clk)
        if (m_valid_q)
            acc_q[m_addr_q] <= m_result;

    assign finish      = m_valid_q && m_end_q;
    assign finish_bank = m_addr_q[KEY_BITS+GROUP_BITS];

    // ==== row read port: READ_SLICES neighbouring slices at once, so the array is that many sub-arrays
    reg [READ_COLUMNS*ACC_BITS-1:0] rd, rd_q;
    reg [WORD-1:0]                  rd_word;
    integer r, k;
    always @(posedge clk)
        if (rd_en) begin
            for (r = 0; r < READ_SLICES; r = r + 1) begin
                rd_word = acc_q[{rd_bank, rd_chunk*READ_SLICES[KEY_BITS-1:0] + r[KEY_BITS-1:0], rd_group}];
                for (k = 0; k < COLUMNS; k = k + 1)
                    rd[(r*COLUMNS + k)*ACC_BITS +: ACC_BITS] = rd_word[(k*LANES + {{(32-LANE_BITS){1'b0}}, rd_lane})*ACC_BITS +: ACC_BITS];
            end
            rd_q <= rd;
        end
    assign rd_data = rd_q;

endmodule

`default_nettype wire
