// SPDX-License-Identifier: Apache-2.0
// fcim_op_array: the array of the OP-CIM macro. The cells of two key blocks' probabilities, the
// shift register that drives the bits of a slice of V onto them, MSB first, and a tree of adders
// for every row and column of the slice.
//
// Latency:    A slice's sums can be read in the cycle after its last step and come a cycle later.
// Throughput: BITS_PER_CYCLE bit-planes of a slice per step; LANES rows of its sums per read.
// Cuts:       rd_data is a register, bit_ops the sum of four; v_data meets the cells in the cycle
//             of the first step.
// Numbers:    p unsigned; v' = v + 128, unsigned; a sum holds KEYS_PER_BLOCK * 2**PROB_BITS * 2**8.
//             Sums of rows that are not used are 0.
//
// There are two texts of the same array. The one for synthesis has rows of fcim_op_row, which add
// masked cells, so that a synthesizer merges them into one carry-save tree. The one that
// FCIM_FAST_SIM chooses skips the cells whose bit is 0 and adds all rows in one wide word, whose
// lanes no carry leaves: several times as fast in a simulator.
`default_nettype none

module fcim_op_array #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  COLUMNS = 8,                       // columns of a slice of V or O: 1 to 16
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam OP_LANE = PROB_BITS + 8 + $clog2(KEYS_PER_BLOCK),  // sum over a slice, unsigned
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam OPS_BITS = $clog2(8 * KEYS_PER_BLOCK * COLUMNS + 1)  // active bit-lines
) (
    input  wire                                clk,

    // write port of the cells: one pass of one key per cycle
    input  wire                                p_we,
    input  wire                                p_slot,
    input  wire [KEY_BITS-1:0]                 p_key,
    input  wire [PASS_BITS-1:0]                p_pass,
    input  wire [LANES*PROB_BITS-1:0]          p_data,

    // take the next bit-planes of a slice; its first step, which brings it, and its last
    input  wire                                step,
    input  wire                                first,
    input  wire                                last,
    input  wire                                slot,
    input  wire [KEYS_PER_BLOCK*COLUMNS*8-1:0] v_data,   // byte key * COLUMNS + column
    input  wire [ROWS-1:0]                     used,     // rows that take part

    // the sums of the last whole slice, a pass of rows per read; sum column * LANES + lane
    input  wire                                rd,
    input  wire [PASS_BITS-1:0]                rd_pass,
    output wire [LANES*COLUMNS*OP_LANE-1:0]    rd_data,

    // the bit-lines that were active in the last step
    output wire [OPS_BITS-1:0]                 bit_ops
);

    reg [LANES*COLUMNS*OP_LANE-1:0] rd_q;
    assign rd_data = rd_q;

`ifdef FCIM_FAST_SIM
    // ---- the slice: the top bits of every byte are its next bit-planes
    localparam SLICE_BITS = KEYS_PER_BLOCK * COLUMNS * 8;
    reg  [SLICE_BITS-1:0] v_q;
    wire [SLICE_BITS-1:0] v_now = first ? v_data : v_q;
    always @(posedge clk) begin
        if (step) begin
            v_q <= v_now << BITS_PER_CYCLE;
        end
    end

    // ---- cells: word {slot, key}, one lane per row, zero-extended to a lane of the sums
    reg [ROWS*OP_LANE-1:0] p_q [0:2*KEYS_PER_BLOCK-1];
    always @(posedge clk) begin : extend
        reg [LANES*OP_LANE-1:0] p_lanes;
        integer                 g;
        if (p_we) begin
            for (g = 0; g < LANES; g = g + 1) begin
                p_lanes[g*OP_LANE +: OP_LANE] =
                    {{(OP_LANE-PROB_BITS){1'b0}}, p_data[g*PROB_BITS +: PROB_BITS]};
            end
            p_q[{p_slot, p_key}][p_pass*LANES*OP_LANE +: LANES*OP_LANE] <= p_lanes;
        end
    end

    // ---- wherever a bit of V is set, a column of cells is added; then shift-accumulate
    reg [OPS_BITS-1:0]     ops_q;
    reg [ROWS*OP_LANE-1:0] usum_q [0:COLUMNS-1];
    reg [ROWS*OP_LANE-1:0] hold_q [0:COLUMNS-1];
    reg [ROWS*OP_LANE-1:0] lanes_used;
    always @* begin : widen
        integer w;
        for (w = 0; w < ROWS; w = w + 1) begin
            lanes_used[w*OP_LANE +: OP_LANE] = {OP_LANE{used[w]}};
        end
    end
    always @(posedge clk) begin : add
        reg [ROWS*OP_LANE-1:0] bit_sum, plane_sum;
        reg [OPS_BITS-1:0]     ones;
        integer                c, b, j;
        if (step) begin
            ones = {OPS_BITS{1'b0}};
            for (c = 0; c < COLUMNS; c = c + 1) begin
                plane_sum = {ROWS*OP_LANE{1'b0}};
                for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                    bit_sum = {ROWS*OP_LANE{1'b0}};
                    for (j = 0; j < KEYS_PER_BLOCK; j = j + 1) begin
                        if (v_now[(j*COLUMNS + c)*8 + 7 - b]) begin
                            bit_sum = bit_sum + p_q[{slot, j[KEY_BITS-1:0]}];
                            ones    = ones + 1'b1;
                        end
                    end
                    plane_sum = (plane_sum << 1) + bit_sum;
                end
                if (!first) begin
                    plane_sum = plane_sum + (usum_q[c] << BITS_PER_CYCLE);
                end
                usum_q[c] <= plane_sum;
                if (last) begin
                    hold_q[c] <= plane_sum & lanes_used;
                end
            end
            ops_q <= ones;
        end
    end

    assign bit_ops = ops_q;

    always @(posedge clk) begin : gather
        reg [LANES*COLUMNS*OP_LANE-1:0] word;
        integer                         u;
        if (rd) begin
            for (u = 0; u < COLUMNS; u = u + 1) begin
                word[u*LANES*OP_LANE +: LANES*OP_LANE] =
                    hold_q[u][rd_pass*LANES*OP_LANE +: LANES*OP_LANE];
            end
            rd_q <= word;
        end
    end
`else
    // ---- the slice
    localparam PLANE_BITS = KEYS_PER_BLOCK * COLUMNS * BITS_PER_CYCLE;
    wire [PLANE_BITS-1:0] planes;
    fcim_op_slice #(.BYTES(KEYS_PER_BLOCK*COLUMNS), .BITS_PER_CYCLE(BITS_PER_CYCLE)) u_slice (
        .clk(clk), .step(step), .first(first), .v_data(v_data), .planes(planes)
    );

    // ---- rows: row pass * LANES + lane has the sums and carries (pass * COLUMNS + column) * LANES
    // + lane
    localparam CARRY_RUN = 5;                     // as in fcim_op_row
    localparam CARRIES = (OP_LANE - 1) / CARRY_RUN;
    wire [ROWS*COLUMNS*OP_LANE-1:0] sums;
    wire [ROWS*COLUMNS*CARRIES-1:0] carries;
    localparam GROUP = 4;                         // rows that get the planes together
    localparam [KEYS_PER_BLOCK-1:0] CELL_0 = 1;
    wire [KEYS_PER_BLOCK-1:0] wr_cell = CELL_0 << p_key;
    wire [1:0]                writes  = {p_we && p_slot, p_we && !p_slot};
    genvar s, l, c, g;
    generate
        for (g = 0; g < (ROWS + GROUP - 1) / GROUP; g = g + 1) begin : g_group
            localparam SIZE = (ROWS - g * GROUP < GROUP) ? ROWS - g * GROUP : GROUP;
            wire                  any = |used[g*GROUP +: SIZE];
            wire [PLANE_BITS-1:0] own = planes & {PLANE_BITS{any}};
            wire                  own_first = first && any;
            wire                  own_step  = step && any;
        end
        for (s = 0; s < CYCLES_PER_KEY; s = s + 1) begin : g_pass
            for (l = 0; l < LANES; l = l + 1) begin : g_lane
                wire [COLUMNS*OP_LANE-1:0] row_sums;
                wire [COLUMNS*CARRIES-1:0] row_carries;
                fcim_op_row #(
                    .COLUMNS(COLUMNS), .BITS_PER_CYCLE(BITS_PER_CYCLE),
                    .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .CARRY_RUN(CARRY_RUN)
                ) u_row (
                    .clk(clk),
                    .we(writes & {2{p_pass == s[PASS_BITS-1:0]}}), .wr_cell(wr_cell),
                    .wr_data(p_data[l*PROB_BITS +: PROB_BITS]),
                    .step(g_group[(s*LANES+l)/GROUP].own_step),
                    .first(g_group[(s*LANES+l)/GROUP].own_first), .last(last), .slot(slot),
                    .planes(g_group[(s*LANES+l)/GROUP].own), .used(used[s*LANES+l]),
                    .sums(row_sums), .carries(row_carries)
                );
                for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
                    assign sums[((s*COLUMNS + c)*LANES + l)*OP_LANE +: OP_LANE] =
                        row_sums[c*OP_LANE +: OP_LANE];
                    assign carries[((s*COLUMNS + c)*LANES + l)*CARRIES +: CARRIES] =
                        row_carries[c*CARRIES +: CARRIES];
                end
            end
        end
    endgenerate

    // ---- a pass of rows is read: now all carries run
    reg [ROWS-1:0] live_q;                        // rows whose sums are those of the last slice
    always @(posedge clk) begin
        if (step && last) begin
            live_q <= used;
        end
    end
    always @(posedge clk) begin : gather
        reg [LANES*COLUMNS*OP_LANE-1:0] sum;
        reg [LANES*COLUMNS*CARRIES-1:0] carry;
        reg [LANES-1:0]                 live;
        reg [OP_LANE-1:0]               more;
        integer                         p, u, i;
        if (rd) begin
            sum   = {LANES*COLUMNS*OP_LANE{1'b0}};
            carry = {LANES*COLUMNS*CARRIES{1'b0}};
            live  = {LANES{1'b0}};
            for (p = 0; p < CYCLES_PER_KEY; p = p + 1) begin
                if (rd_pass == p[PASS_BITS-1:0]) begin
                    sum   = sums[p*LANES*COLUMNS*OP_LANE +: LANES*COLUMNS*OP_LANE];
                    carry = carries[p*LANES*COLUMNS*CARRIES +: LANES*COLUMNS*CARRIES];
                    live  = live_q[p*LANES +: LANES];
                end
            end
            for (u = 0; u < LANES*COLUMNS; u = u + 1) begin
                more = {OP_LANE{1'b0}};
                for (i = 0; i < CARRIES; i = i + 1) begin
                    more[(i + 1)*CARRY_RUN] = carry[u*CARRIES + i];
                end
                rd_q[u*OP_LANE +: OP_LANE] <= (sum[u*OP_LANE +: OP_LANE] + more)
                                              & {OP_LANE{live[u % LANES]}};
            end
        end
    end

    // ---- active bit-lines, by quarters, which the cycle after adds
    localparam QUARTER = PLANE_BITS / 4;
    reg [4*OPS_BITS-1:0] ops_q;
    always @(posedge clk) begin : count
        reg [OPS_BITS-1:0] ones;
        integer            q, i;
        if (step) begin
            for (q = 0; q < 4; q = q + 1) begin
                ones = {OPS_BITS{1'b0}};
                for (i = 0; i < QUARTER; i = i + 1) begin
                    ones = ones + {{(OPS_BITS-1){1'b0}}, planes[q*QUARTER + i]};
                end
                ops_q[q*OPS_BITS +: OPS_BITS] <= ones;
            end
        end
    end
    assign bit_ops = (ops_q[0 +: OPS_BITS] + ops_q[OPS_BITS +: OPS_BITS])
                     + (ops_q[2*OPS_BITS +: OPS_BITS] + ops_q[3*OPS_BITS +: OPS_BITS]);
`endif

endmodule

`default_nettype wire
