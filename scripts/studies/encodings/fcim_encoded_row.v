// SPDX-License-Identifier: Apache-2.0
// fcim_encoded_row: a row of fcim_encoded_array. Like fcim_ip_row with two banks, but for what a
// digit that counts as negative makes of a cell, and for the first plane of two's complement.
//
// Latency:    An inner product is there one cycle after its key's last step.
// Throughput: BITS_PER_CYCLE planes of digits of a key per step.
// Cuts:       product is a sum of two registers, as in fcim_ip_row.
// Numbers:    As in fcim_encoded_array; words modulo 2**IP_LANE, two's complement with TWOS.
`default_nettype none

module fcim_encoded_row #(
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // planes per cycle: 1, 2, 4 or 8
    parameter  ENCODING = 0,                      // as in fcim_encoded_array
    parameter  SIGNS = 0,                         // where a sign acts, as there
    localparam IP_LANE = 16 + $clog2(HEAD_DIM)    // inner product
) (
    input  wire                               clk,

    // write port of the cells, offset binary, a bit per bank
    input  wire [1:0]                         we,
    input  wire [HEAD_DIM*8-1:0]              wr_data,

    // the bank that the planes meet, and whether the row was in use at the last inner product
    input  wire [1:0]                         chosen,
    input  wire                               live,

    // take planes, of element d bits d * BITS_PER_CYCLE and up; a key's first step, and its last
    input  wire                               step,
    input  wire                               first,
    input  wire                               last,
    input  wire [HEAD_DIM*BITS_PER_CYCLE-1:0] planes,
    input  wire [HEAD_DIM*BITS_PER_CYCLE-1:0] signs,

    // the last whole inner product
    output wire [IP_LANE-1:0]                 product
);

    localparam TWOS = 1, MAGNITUDE = 2, BEFORE = 0, AFTER = 1;

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

    // ---- what each digit makes of its cell
    wire [HEAD_DIM*BITS_PER_CYCLE*8-1:0] selected;
    genvar d, b;
    generate
        for (d = 0; d < HEAD_DIM; d = d + 1) begin : g_cell
            wire [7:0] cell0 = bank0_q[d*8 +: 8];
            wire [7:0] cell1 = bank1_q[d*8 +: 8];
            for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin : g_plane
                wire       plane = planes[d*BITS_PER_CYCLE + b];
                wire       sign  = signs[d*BITS_PER_CYCLE + b];
                wire [7:0] word;
                if (ENCODING < MAGNITUDE) begin : g_none
                    assign word = (cell0 & {8{chosen[0] & plane}})
                                | (cell1 & {8{chosen[1] & plane}});
                end else if (SIGNS == BEFORE) begin : g_before
                    assign word = (((cell0 & {8{chosen[0]}}) | (cell1 & {8{chosen[1]}}))
                                   ^ {8{sign}}) & {8{plane}};
                end else if (SIGNS == AFTER) begin : g_after
                    assign word = ((cell0 & {8{chosen[0] & plane}})
                                   | (cell1 & {8{chosen[1] & plane}})) ^ {8{sign}};
                end else begin : g_lines
                    assign word = (cell0 & {8{chosen[0] & plane}})
                                | (cell1 & {8{chosen[1] & plane}})
                                | (~cell0 & {8{chosen[0] & sign}})
                                | (~cell1 & {8{chosen[1] & sign}});
                end
                assign selected[(d*BITS_PER_CYCLE + b)*8 +: 8] = word;
            end
        end
    endgenerate

    // ---- queues of words to add, as in fcim_ip_row: three leave, their sum and their carries
    // join, until two are left. With TWOS the highest plane of a step has one of its own, whose
    // two words are inverted in a key's first step: -(x + y) = ~x + ~y + 2
    localparam OWN   = (ENCODING == TWOS) ? HEAD_DIM : 0;
    localparam REST  = HEAD_DIM * BITS_PER_CYCLE - OWN;
    localparam WORDS = REST + ((OWN > 0) ? 4 : 2);
    localparam QUEUE = WORDS + 2 * (WORDS - 2);
    localparam [IP_LANE-1:0] LEFT = (OWN > 0) ? 2 : 0;      // a key's first step begins with it

    wire [2*IP_LANE-1:0] top;
    generate
        if (OWN > 0) begin : g_own
            localparam OWN_QUEUE = OWN + 2 * (OWN - 2);
            reg [OWN_QUEUE*IP_LANE-1:0] words;
            always @* begin : add
                reg [IP_LANE-1:0] x, y, z;
                integer           i;
                words = {OWN_QUEUE*IP_LANE{1'b0}};
                for (i = 0; i < OWN; i = i + 1) begin
                    words[i*IP_LANE +: IP_LANE] = {{(IP_LANE-8){1'b0}},
                        selected[(i*BITS_PER_CYCLE + BITS_PER_CYCLE - 1)*8 +: 8]}
                        << (BITS_PER_CYCLE - 1);
                end
                for (i = 0; i < OWN - 2; i = i + 1) begin
                    {z, y, x} = words[3*i*IP_LANE +: 3*IP_LANE];
                    words[(OWN + 2*i)*IP_LANE +: 2*IP_LANE] =
                        {((x & y) | (x & z) | (y & z)) << 1, x ^ y ^ z};
                end
            end
            assign top = words[(OWN_QUEUE-2)*IP_LANE +: 2*IP_LANE] ^ {2*IP_LANE{first}};
        end else begin : g_shared
            assign top = {2*IP_LANE{1'b0}};
        end
    endgenerate

    reg [IP_LANE-1:0] acc_sum_q, acc_carry_q, sum_q, carry_q;
    always @(posedge clk) begin : add
        reg [QUEUE*IP_LANE-1:0] words;
        reg [IP_LANE-1:0]       x, y, z;
        integer                 e, n, i;
        if (step && |chosen) begin
            words = {QUEUE*IP_LANE{1'b0}};
            i     = 0;
            for (e = 0; e < HEAD_DIM; e = e + 1) begin
                for (n = 0; n < BITS_PER_CYCLE; n = n + 1) begin
                    if (OWN == 0 || n < BITS_PER_CYCLE - 1) begin
                        words[i*IP_LANE +: IP_LANE] = {{(IP_LANE-8){1'b0}},
                            selected[(e*BITS_PER_CYCLE + n)*8 +: 8]} << n;
                        i = i + 1;
                    end
                end
            end
            if (OWN > 0) begin
                words[(WORDS-4)*IP_LANE +: 2*IP_LANE] = top;
            end
            x = first ? LEFT : acc_sum_q << BITS_PER_CYCLE;
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
