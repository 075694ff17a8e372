// SPDX-License-Identifier: Apache-2.0
// fcim_op_row: a row of the array of the OP-CIM macro, as it is synthesized. Its cells in two key
// blocks, and for each column of a slice a tree over those whose bit of V is set and over what the
// planes before have left.
//
// Latency:    A slice's sums are there one cycle after its last step.
// Throughput: BITS_PER_CYCLE bit-planes of a slice per step.
// Cuts:       All outputs are registers; slot and planes meet the cells in the cycle of the step.
// Numbers:    A sum is sums plus carries: carries run through CARRY_RUN bits in the tree's cycle,
//             and from there on wait beside the sum, carry i for bit (i + 1) * CARRY_RUN.
`default_nettype none

module fcim_op_row #(
    parameter  COLUMNS = 8,                       // columns of a slice of V or O: 1 to 16
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  CARRY_RUN = 5,                     // bits of a sum that a carry runs through at once
    localparam OP_LANE = PROB_BITS + 8 + $clog2(KEYS_PER_BLOCK),  // sum over a slice, unsigned
    localparam CARRIES = (OP_LANE - 1) / CARRY_RUN,  // carries of a sum
    localparam PLANE_BITS = KEYS_PER_BLOCK * COLUMNS * BITS_PER_CYCLE  // of a slice in a step
) (
    input  wire                              clk,

    // write port of the cells: a bit for each slot, and a bit for each key
    input  wire [1:0]                        we,
    input  wire [KEYS_PER_BLOCK-1:0]         wr_cell,
    input  wire [PROB_BITS-1:0]              wr_data,

    // take bit-planes, of byte i of the slice bits i * BITS_PER_CYCLE and up; a slice's first step,
    // and its last
    input  wire                              step,
    input  wire                              first,
    input  wire                              last,
    input  wire                              slot,
    input  wire [PLANE_BITS-1:0]             planes,    // byte key * COLUMNS + column
    input  wire                              used,      // else the row stands still

    // the last whole slice
    output wire [COLUMNS*OP_LANE-1:0]        sums,
    output wire [COLUMNS*CARRIES-1:0]        carries
);

    // ---- cells
    reg  [KEYS_PER_BLOCK*PROB_BITS-1:0] slot0_q, slot1_q;
    wire [KEYS_PER_BLOCK*PROB_BITS-1:0] cells = slot ? slot1_q : slot0_q;
    always @(posedge clk) begin : write
        integer k;
        for (k = 0; k < KEYS_PER_BLOCK; k = k + 1) begin
            if (we[0] && wr_cell[k]) begin
                slot0_q[k*PROB_BITS +: PROB_BITS] <= wr_data;
            end
            if (we[1] && wr_cell[k]) begin
                slot1_q[k*PROB_BITS +: PROB_BITS] <= wr_data;
            end
        end
    end

    // ---- for each column a queue of words to add: cells, then what the planes before have left;
    // three leave it, and their sum and their carries join it, until two are left
    localparam WORDS = KEYS_PER_BLOCK * BITS_PER_CYCLE + 2;
    localparam QUEUE = WORDS + 2 * (WORDS - 2);
    localparam PADDED = (CARRIES + 1) * CARRY_RUN;

    genvar c;
    generate
        for (c = 0; c < COLUMNS; c = c + 1) begin : g_column
            reg [OP_LANE-1:0] usum_q, hold_q;
            reg [CARRIES-1:0] carry_q, hold_carry_q;
            always @(posedge clk) begin : add
                reg [QUEUE*OP_LANE-1:0] words;
                reg [OP_LANE-1:0]       x, y, z;
                reg [PADDED-1:0]        a, s;
                reg [CARRIES-1:0]       carry;
                integer                 i, j, b;
                if (step && used) begin
                    for (j = 0; j < KEYS_PER_BLOCK; j = j + 1) begin
                        for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                            i = (j*COLUMNS + c)*BITS_PER_CYCLE + b;
                            words[(j*BITS_PER_CYCLE + b)*OP_LANE +: OP_LANE] =
                                {{(OP_LANE-PROB_BITS){1'b0}},
                                 cells[j*PROB_BITS +: PROB_BITS] & {PROB_BITS{planes[i]}}} << b;
                        end
                    end
                    y = {OP_LANE{1'b0}};
                    for (i = 0; i < CARRIES; i = i + 1) begin
                        y[(i + 1)*CARRY_RUN] = !first && carry_q[i];
                    end
                    x = first ? {OP_LANE{1'b0}} : usum_q << BITS_PER_CYCLE;
                    y = y << BITS_PER_CYCLE;
                    words[(WORDS-2)*OP_LANE +: 2*OP_LANE] = {y, x};
                    for (i = 0; i < WORDS - 2; i = i + 1) begin
                        {z, y, x} = words[3*i*OP_LANE +: 3*OP_LANE];
                        words[(WORDS + 2*i)*OP_LANE +: 2*OP_LANE] =
                            {((x & y) | (x & z) | (y & z)) << 1, x ^ y ^ z};
                    end
                    s = {{(PADDED-OP_LANE){1'b0}}, words[(QUEUE-2)*OP_LANE +: OP_LANE]};
                    a = {{(PADDED-OP_LANE){1'b0}}, words[(QUEUE-1)*OP_LANE +: OP_LANE]};
                    for (i = 0; i < CARRIES; i = i + 1) begin
                        {carry[i], s[i*CARRY_RUN +: CARRY_RUN]} =
                            {1'b0, s[i*CARRY_RUN +: CARRY_RUN]}
                            + {1'b0, a[i*CARRY_RUN +: CARRY_RUN]};
                    end
                    s[CARRIES*CARRY_RUN +: CARRY_RUN] =
                        s[CARRIES*CARRY_RUN +: CARRY_RUN] + a[CARRIES*CARRY_RUN +: CARRY_RUN];
                    usum_q  <= s[OP_LANE-1:0];
                    carry_q <= carry;
                    if (last) begin
                        hold_q       <= s[OP_LANE-1:0];
                        hold_carry_q <= carry;
                    end
                end
            end
            assign sums[c*OP_LANE +: OP_LANE]    = hold_q;
            assign carries[c*CARRIES +: CARRIES] = hold_carry_q;
        end
    endgenerate

endmodule

`default_nettype wire
