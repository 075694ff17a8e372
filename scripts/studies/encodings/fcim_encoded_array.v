// SPDX-License-Identifier: Apache-2.0
// fcim_encoded_array: the array of the IP-CIM macro, as fcim_ip_array has it for synthesis with two
// banks, for a key whose digits are encoded in one of four ways. For a study of what the encoding
// costs (docs/power.md); no part of the engine.
//
// Latency:    As fcim_ip_array.
// Throughput: BITS_PER_CYCLE planes of digits of a key per step; 8 planes in every encoding.
// Cuts:       As fcim_ip_array.
// Numbers:    Signed bytes at the ports, offset binary in the cells (q' = q + 128). An element k of
//             a key is a sum of digits 0 and 1 times 2**7 to 2**0, of which some are negative:
//             OFFSET         k + 128, none is negative
//             TWOS           the bits of k; that of 2**7 is negative in all elements
//             MAGNITUDE      |k|, at most 128; all digits of an element have k's sign
//             SIGNED_DIGITS  the non-adjacent form: 3 k and k differ at 2**(i+1) where digit i is
//                            not 0, and it is negative where k has the 1
//             Where an element's digits have signs of their own (the last two) a negative one makes
//             255 - q' of a cell, so that all words of a tree are unsigned. With n[d] the sum of
//             the weights of negative digits (nsum is that of all elements) and w[d] that of all
//             digits (ksum; with TWOS k itself), lane r of col is
//             sum_d q'[r][d] * (w[d] - n[d]) + (255 - q'[r][d]) * n[d], and sum_d q[r][d] * k[d]
//             is col - 128 * ksum + nsum; with OFFSET that less 128 * sum_d q[r][d].
`default_nettype none

module fcim_encoded_array #(
    parameter  ROWS = 8,                          // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // planes per cycle: 1, 2, 4 or 8
    parameter  ENCODING = 0,                      // OFFSET, TWOS, MAGNITUDE, SIGNED_DIGITS: 0 to 3
    parameter  SIGNS = 0,                         // a cell is inverted, then selected: 0 BEFORE;
                                                  // the other way round: 1 AFTER; each sign has a
                                                  // line of its own: 2 LINES
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1)  // active lines, 8 per element at most
) (
    input  wire                     clk,

    // write port of the cells: one row per cycle; row 0 clears the other rows of its bank
    input  wire                     q_we,
    input  wire                     q_bank,
    input  wire [ROW_BITS-1:0]      q_row,
    input  wire [HEAD_DIM*8-1:0]    q_data,

    // a key and the bank that it meets; it is in the array from the next cycle on
    input  wire                     load,
    input  wire                     load_bank,
    input  wire [HEAD_DIM*8-1:0]    load_data,

    // take the next planes; a key's first step, and its last
    input  wire                     step,
    input  wire                     first,
    input  wire                     last,

    // the last whole column with what corrects it, and the digits that were set in the last step
    output wire [ROWS*IP_LANE-1:0]  col,
    output wire [ELEM_SUM_BITS-1:0] ksum,
    output wire [ELEM_SUM_BITS-1:0] nsum,
    output wire [OPS_BITS-1:0]      bit_ops
);

    localparam OFFSET = 0, TWOS = 1, MAGNITUDE = 2;          // else SIGNED_DIGITS
    localparam AFTER = 1, LINES = 2;
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam PLANE_BITS = HEAD_DIM * BITS_PER_CYCLE;
    localparam [CYCLES_PER_KEY:0] SECOND = 2;
    localparam [7:0]            SIGN_BIT  = 8'h80;                // + 128, modulo 256
    localparam [HEAD_DIM*8-1:0] SIGN_BITS = {HEAD_DIM{SIGN_BIT}};

    // ---- the digits of a key, and which of them are negative; with LINES the former without these
    wire [HEAD_DIM*8-1:0] load_set, load_negative;
    genvar k;
    generate
        for (k = 0; k < HEAD_DIM; k = k + 1) begin : g_encode
            wire [7:0] key = load_data[k*8 +: 8];
            wire [7:0] set, negative;
            if (ENCODING == OFFSET) begin : g_offset
                assign set      = key ^ SIGN_BIT;
                assign negative = 8'h00;
            end else if (ENCODING == TWOS) begin : g_twos
                assign set      = key;
                assign negative = 8'h00;
            end else if (ENCODING == MAGNITUDE) begin : g_magnitude
                assign set      = (key ^ {8{key[7]}}) + {7'd0, key[7]};
                assign negative = {8{key[7]}};
            end else begin : g_signed_digits
                wire [7:0] half = {key[7], key[7:1]};
                wire [7:0] more = key + half;           // 3 k without its lowest bit
                assign set      = more ^ half;
                assign negative = ~more & half;
            end
            assign load_set[k*8 +: 8]      = (SIGNS == LINES) ? set & ~negative : set;
            assign load_negative[k*8 +: 8] = (SIGNS == LINES) ? set & negative : negative;
        end
    endgenerate

    // ---- the key stays, and only its planes move
    reg [HEAD_DIM*8-1:0]     key_q;
    reg                      bank_q;
    reg [PLANE_BITS-1:0]     planes, planes_q;
    reg [CYCLES_PER_KEY-1:0] next_q;
    always @* begin : choose
        integer d, n;
        planes = {PLANE_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            for (n = 1; n < CYCLES_PER_KEY; n = n + 1) begin
                planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                    | (key_q[d*8 + 8 - (n + 1)*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                       & {BITS_PER_CYCLE{next_q[n]}});
            end
            if (load) begin
                planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    load_set[d*8 + 8 - BITS_PER_CYCLE +: BITS_PER_CYCLE];
            end
        end
    end
    always @(posedge clk) begin
        if (load) begin
            key_q  <= load_set;
            bank_q <= load_bank;
        end
        if (load || step) begin
            next_q   <= load ? SECOND[CYCLES_PER_KEY-1:0] : next_q << 1;
            planes_q <= planes;
        end
    end

    // ---- signs: none, one for each element as long as its key is there, or one for each digit
    wire [PLANE_BITS-1:0] signs;
    generate
        if (ENCODING == MAGNITUDE && SIGNS != LINES) begin : g_element
            reg [HEAD_DIM-1:0] sign_q;
            for (k = 0; k < HEAD_DIM; k = k + 1) begin : g_sign
                always @(posedge clk) begin
                    if (load) begin
                        sign_q[k] <= load_negative[k*8];
                    end
                end
                // behind the selection it must not act on what is not selected
                assign signs[k*BITS_PER_CYCLE +: BITS_PER_CYCLE] = {BITS_PER_CYCLE{sign_q[k]}}
                    & (planes_q[k*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                       | {BITS_PER_CYCLE{SIGNS != AFTER}});
            end
        end else if (ENCODING >= MAGNITUDE) begin : g_digit
            reg [HEAD_DIM*8-1:0] negative_q;
            reg [PLANE_BITS-1:0] next, signs_q;
            always @* begin : choose
                integer d, n;
                next = {PLANE_BITS{1'b0}};
                for (d = 0; d < HEAD_DIM; d = d + 1) begin
                    for (n = 1; n < CYCLES_PER_KEY; n = n + 1) begin
                        next[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                            next[d*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                            | (negative_q[d*8 + 8 - (n + 1)*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                               & {BITS_PER_CYCLE{next_q[n]}});
                    end
                    if (load) begin
                        next[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                            load_negative[d*8 + 8 - BITS_PER_CYCLE +: BITS_PER_CYCLE];
                    end
                end
            end
            always @(posedge clk) begin
                if (load) begin
                    negative_q <= load_negative;
                end
                if (load || step) begin
                    signs_q <= next;
                end
            end
            assign signs = signs_q;
        end else begin : g_none
            assign signs = {PLANE_BITS{1'b0}};
        end
    endgenerate

    // ---- rows in use in each bank, in the key's, and in that of the last whole column. A key's
    // planes go to groups of rows of which one is in use
    localparam GROUP = 4;
    localparam GROUPS = (ROWS + GROUP - 1) / GROUP;
    localparam [ROWS-1:0] ROW_0 = 1;
    reg  [ROWS-1:0]   used0_q, used1_q, chosen0_q, chosen1_q, live_q;
    reg  [GROUPS-1:0] groups_q, groups;
    wire [ROWS-1:0]   row       = ROW_0 << q_row;
    wire [1:0]        writes    = {q_we && q_bank, q_we && !q_bank};
    wire [ROWS-1:0]   used0     = !writes[0] ? used0_q : (q_row == 0) ? row : used0_q | row;
    wire [ROWS-1:0]   used1     = !writes[1] ? used1_q : (q_row == 0) ? row : used1_q | row;
    wire              next_bank = load ? load_bank : bank_q;
    wire [ROWS-1:0]   choice    = next_bank ? used1 : used0;
    always @* begin : group
        integer n;
        groups = {GROUPS{1'b0}};
        for (n = 0; n < ROWS; n = n + 1) begin
            groups[n/GROUP] = groups[n/GROUP] | choice[n];
        end
    end
    always @(posedge clk) begin
        if (writes[0]) begin
            used0_q <= used0;
        end
        if (writes[1]) begin
            used1_q <= used1;
        end
        if (load || q_we) begin
            chosen0_q <= next_bank ? {ROWS{1'b0}} : choice;
            chosen1_q <= next_bank ? choice : {ROWS{1'b0}};
            groups_q  <= groups;
        end
        if (step && last) begin
            live_q <= chosen0_q | chosen1_q;
        end
    end

    // ---- rows
    genvar r, g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : g_group
            wire [PLANE_BITS-1:0] own       = planes_q & {PLANE_BITS{groups_q[g]}};
            wire [PLANE_BITS-1:0] own_signs = signs & {PLANE_BITS{groups_q[g]}};
            wire                  own_first = first && groups_q[g];
            wire                  own_step  = step && groups_q[g];
        end
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            fcim_encoded_row #(
                .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .ENCODING(ENCODING),
                .SIGNS(SIGNS)
            ) u_row (
                .clk(clk),
                .we(writes & {2{row[r]}}), .wr_data(q_data ^ SIGN_BITS),
                .chosen({chosen1_q[r], chosen0_q[r]}), .live(live_q[r]),
                .step(g_group[r/GROUP].own_step), .first(g_group[r/GROUP].own_first),
                .last(last), .planes(g_group[r/GROUP].own), .signs(g_group[r/GROUP].own_signs),
                .product(col[r*IP_LANE +: IP_LANE])
            );
        end
    endgenerate

    // ---- set digits of the key and the sum of their weights: what the planes before have left,
    // and what these add
    wire [PLANE_BITS-1:0] any = (SIGNS == LINES) ? planes_q | signs : planes_q;
    reg [ELEM_SUM_BITS-1:0] left_q, plane_q, col_left_q, col_plane_q;
    reg [OPS_BITS-1:0]      ops_q;
    always @(posedge clk) begin : count
        reg [OPS_BITS-1:0]      ones;
        reg [ELEM_SUM_BITS-1:0] left, plane, weight;
        integer                 d, b;
        if (step) begin
            ones  = {OPS_BITS{1'b0}};
            plane = {ELEM_SUM_BITS{1'b0}};
            left  = first ? {ELEM_SUM_BITS{1'b0}} : (left_q << BITS_PER_CYCLE) + plane_q;
            for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                weight = {ELEM_SUM_BITS{1'b0}};
                for (d = 0; d < HEAD_DIM; d = d + 1) begin
                    ones   = ones + {{(OPS_BITS-1){1'b0}}, any[d*BITS_PER_CYCLE + b]};
                    weight = weight + {{(ELEM_SUM_BITS-1){1'b0}}, any[d*BITS_PER_CYCLE + b]};
                end
                if (ENCODING == TWOS && b == BITS_PER_CYCLE - 1 && first) begin
                    weight = -weight;
                end
                plane = plane + (weight << b);
            end
            ops_q   <= ones;
            left_q  <= left;
            plane_q <= plane;
            if (last) begin
                col_left_q  <= left;
                col_plane_q <= plane;
            end
        end
    end
    assign ksum    = (col_left_q << BITS_PER_CYCLE) + col_plane_q;
    assign bit_ops = ops_q;

    // ---- the same of the negative ones alone
    generate
        if (ENCODING >= MAGNITUDE) begin : g_nsum
            wire [PLANE_BITS-1:0] negatives = (SIGNS == LINES) ? signs : planes_q & signs;
            reg [ELEM_SUM_BITS-1:0] nleft_q, nplane_q, col_nleft_q, col_nplane_q;
            always @(posedge clk) begin : count
                reg [ELEM_SUM_BITS-1:0] left, plane;
                integer                 d, b;
                if (step) begin
                    plane = {ELEM_SUM_BITS{1'b0}};
                    left  = first ? {ELEM_SUM_BITS{1'b0}}
                                  : (nleft_q << BITS_PER_CYCLE) + nplane_q;
                    for (d = 0; d < HEAD_DIM; d = d + 1) begin
                        for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                            plane = plane + ({{(ELEM_SUM_BITS-1){1'b0}},
                                              negatives[d*BITS_PER_CYCLE + b]} << b);
                        end
                    end
                    nleft_q  <= left;
                    nplane_q <= plane;
                    if (last) begin
                        col_nleft_q  <= left;
                        col_nplane_q <= plane;
                    end
                end
            end
            assign nsum = (col_nleft_q << BITS_PER_CYCLE) + col_nplane_q;
        end else begin : g_no_nsum
            assign nsum = {ELEM_SUM_BITS{1'b0}};
        end
    endgenerate

endmodule

`default_nettype wire
