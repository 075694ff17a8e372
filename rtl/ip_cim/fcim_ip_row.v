// SPDX-License-Identifier: Apache-2.0
// fcim_ip_row: a row of the array of the IP-CIM macro, as it is synthesized. Its cells in all
// tiles, and a tree over those whose bit of the key is set and what the planes before have left.
//
// Latency:    An inner product is there one cycle after its key's last step.
// Throughput: BITS_PER_CYCLE bit-planes of a key per step.
// Cuts:       product is a sum of two registers: what the tree leaves stays two words, so that
//             no carry runs in the tree's cycle, and one only once for each key.
// Numbers:    As in fcim_ip_array; words modulo 2**IP_LANE, which an inner product does not reach.
`default_nettype none

module fcim_ip_row #(
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  BANKS = 2,                         // tiles that are held: 2, 4 or 8
    localparam IP_LANE = 16 + $clog2(HEAD_DIM)    // inner product, unsigned
) (
    input  wire                               clk,

    // write port of the cells, offset binary, a bit per bank
    input  wire [BANKS-1:0]                   we,
    input  wire [HEAD_DIM*8-1:0]              wr_data,

    // the bank that the planes meet, none where the row is not in use: then no register takes a
    // value; and whether the row was in use at the last whole inner product, which else is 0
    input  wire [BANKS-1:0]                   chosen,
    input  wire                               live,

    // take bit-planes, of element d bits d * BITS_PER_CYCLE and up; a key's first step, and its
    // last
    input  wire                               step,
    input  wire                               first,
    input  wire                               last,
    input  wire [HEAD_DIM*BITS_PER_CYCLE-1:0] planes,

    // the last whole inner product
    output wire [IP_LANE-1:0]                 product
);

    // ---- cells
    reg [HEAD_DIM*8-1:0] bank0_q, bank1_q;
    always @(posedge clk) begin
        if (we[0]) begin
            bank0_q <= wr_data;
        end
        if (we[1]) begin
            bank1_q <= wr_data;
        end
    end

    // ---- of all banks but the first: cells of the chosen one, 0 or any where it is none of these,
    // and whether it may be
    wire [HEAD_DIM*8-1:0] others;
    wire                  other;
    generate
        if (BANKS > 2) begin : g_more
            localparam MORE = BANKS - 2;
            reg [MORE*HEAD_DIM*8-1:0]    cells_q;
            reg [(2*MORE+1)*HEAD_DIM*8-1:0] held;   // the banks', then either of each two
            genvar n;
            for (n = 0; n < MORE; n = n + 1) begin : g_bank
                always @(posedge clk) begin
                    if (we[n + 2]) begin
                        cells_q[n*HEAD_DIM*8 +: HEAD_DIM*8] <= wr_data;
                    end
                end
            end
            always @* begin : choose
                integer m;
                held[0 +: (MORE+1)*HEAD_DIM*8] = {cells_q, bank1_q};
                for (m = 0; m <= MORE; m = m + 1) begin
                    held[m*HEAD_DIM*8 +: HEAD_DIM*8] = held[m*HEAD_DIM*8 +: HEAD_DIM*8]
                                                     & {HEAD_DIM*8{chosen[m + 1]}};
                end
                for (m = 0; m < MORE; m = m + 1) begin
                    held[(MORE + 1 + m)*HEAD_DIM*8 +: HEAD_DIM*8] =
                        held[2*m*HEAD_DIM*8 +: HEAD_DIM*8]
                        | held[(2*m + 1)*HEAD_DIM*8 +: HEAD_DIM*8];
                end
            end
            assign others = held[2*MORE*HEAD_DIM*8 +: HEAD_DIM*8];
            assign other  = 1'b1;
        end else begin : g_two
            assign others = bank1_q;
            assign other  = chosen[1];
        end
    endgenerate

    // ---- a queue of words to add: cells, then the two words before; three leave it, and their sum
    // and their carries join it, until two are left
    localparam WORDS = HEAD_DIM * BITS_PER_CYCLE + 2;
    localparam QUEUE = WORDS + 2 * (WORDS - 2);

    reg [IP_LANE-1:0] acc_sum_q, acc_carry_q, sum_q, carry_q;
    always @(posedge clk) begin : add
        reg [QUEUE*IP_LANE-1:0] words;
        reg [IP_LANE-1:0]       x, y, z;
        integer                 d, b, i;
        if (step && |chosen) begin
            for (d = 0; d < HEAD_DIM; d = d + 1) begin
                for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                    i = d * BITS_PER_CYCLE + b;
                    words[i*IP_LANE +: IP_LANE] = {{(IP_LANE-8){1'b0}},
                        (bank0_q[d*8 +: 8] & {8{chosen[0] & planes[i]}}) |
                        (others[d*8 +: 8] & {8{other & planes[i]}})} << b;
                end
            end
            x = first ? {IP_LANE{1'b0}} : acc_sum_q << BITS_PER_CYCLE;
            y = first ? {IP_LANE{1'b0}} : acc_carry_q << BITS_PER_CYCLE;
            words[(WORDS-2)*IP_LANE +: 2*IP_LANE] = {y, x};
            for (i = 0; i < WORDS - 2; i = i + 1) begin
                {z, y, x} = words[3*i*IP_LANE +: 3*IP_LANE];
                words[(WORDS + 2*i)*IP_LANE +: 2*IP_LANE] =
                    {((x & y) | (x & z) | (y & z)) << 1, x ^ y ^ z};
            end
            acc_sum_q   <= words[(QUEUE-2)*IP_LANE +: IP_LANE];
            acc_carry_q <= words[(QUEUE-1)*IP_LANE +: IP_LANE];
            if (last) begin
                sum_q   <= words[(QUEUE-2)*IP_LANE +: IP_LANE];
                carry_q <= words[(QUEUE-1)*IP_LANE +: IP_LANE];
            end
        end
    end
    assign product = (sum_q + carry_q) & {IP_LANE{live}};

endmodule

`default_nettype wire
