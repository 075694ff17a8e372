// SPDX-License-Identifier: Apache-2.0
// fcim_merge: joins the partial results of engines that each took a range of a tile's keys, by the
// rule by which an engine joins its key blocks, and divides. Parts that take part are chosen tile
// by tile; with one alone it is that engine's normalizer.
//
// Latency:    P + 21 cycles from the cycle in which all P parts of a tile offer the last chunk of a
//             row to m_o_valid.
// Throughput: A chunk per P + 1 cycles, also from tile to tile.
// Cuts:       s_merge_ready and s_part_ready depend on registers only, m_o is registered.
// Numbers:    m = max of the parts' maxima; the sum over the parts of round_shift(x, min(m - part's
//             maximum, 63)), of denominators and accumulators alike. A part whose row has seen no
//             key has the lowest maximum and zeros. The parts together have at most MAX_KEYS keys,
//             so sums are no wider than an engine's, unless these are cut. With P parts
//             |acc| <= 128 * sum + 129 * P
//             (as in fcim_divider, from each part), so quotients saturate as they should where sum
//             is more than P or 0.
`default_nettype none

module fcim_merge #(
    parameter  PARTS = 16,                        // streams of partial results: 2 to 16
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT,  // denominator of a part's row
    localparam ACC_BITS = SUM_BITS + 8,           // accumulator of a part, signed
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // chunks of a row
    localparam READ_COLUMNS = HEAD_DIM / CYCLES_PER_KEY,  // columns of a chunk
    localparam MAX_BITS = 10,                     // running maximum, signed
    localparam OUT_BITS = 16                      // element of O, signed
) (
    input  wire                                   clk,
    input  wire                                   rst_n,

    // a tile: which parts it has, at least one
    input  wire                                   s_merge_valid,
    output wire                                   s_merge_ready,
    input  wire [PARTS-1:0]                       s_merge_parts,

    // partial results, a stream per part: rows chunk by chunk, the lowest columns first
    input  wire [PARTS-1:0]                       s_part_valid,
    output wire [PARTS-1:0]                       s_part_ready,
    input  wire [PARTS*READ_COLUMNS*ACC_BITS-1:0] s_part_acc,
    input  wire [PARTS*SUM_BITS-1:0]              s_part_sum,
    input  wire [PARTS*MAX_BITS-1:0]              s_part_max,
    input  wire [PARTS-1:0]                       s_part_last,

    // rows of O
    output wire                                   m_o_valid,
    input  wire                                   m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0]           m_o_data,
    output wire                                   m_o_empty,
    output wire                                   m_o_last,

    // sticky: parts end apart or within a row, or a tile has none, which is then dropped
    output wire                                   error_parts
);

    // of all parts together: no wider than MAX_KEYS keys need, nor than that of so many
    localparam MORE_BITS = (SUM_CUT < $clog2(PARTS)) ? SUM_CUT : $clog2(PARTS);
    localparam ALL_SUM_BITS = SUM_BITS + MORE_BITS;
    localparam ALL_BITS = ACC_BITS + MORE_BITS;
    localparam ROUND_BITS = ALL_BITS;
    `include "fcim_round_shift.vh"

    localparam CHUNK_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1;
    localparam [CHUNK_BITS-1:0] LAST_CHUNK = CYCLES_PER_KEY[CHUNK_BITS-1:0] - 1'b1;
    localparam LEAVES = 1 << $clog2(PARTS);      // of the tree of comparators
    localparam signed [MAX_BITS-1:0] LOWEST = 1 << (MAX_BITS-1);
    localparam SHIFT_BITS = 6;                    // shift amount, unsigned
    localparam LANES = READ_COLUMNS + 1;          // the denominator goes the same way

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (PARTS < 2 || PARTS > 16) begin : g_check_parts
            fcim_illegal_PARTS_use_2_to_16 illegal_parts();
        end
    endgenerate

    // a sum that waits for the divider stops all before it a cycle late: nothing comes then
    // that would overwrite it, since between two chunks there is one in which no part is taken
    reg stall_q;

    // ---- the tile, and the chunk that all its parts offer: the maxima of its parts' two halves
    reg                       busy_q;
    reg [PARTS-1:0]           parts_q, left_q;    // left_q: whose chunk is to be taken
    reg [CHUNK_BITS-1:0]      chunk_q;
    reg                       first_q, row_end_q, tile_end_q, error_q;
    reg signed [MAX_BITS-1:0] low_max_q, high_max_q;

    wire [PARTS-1:0] ends     = s_part_last & parts_q;
    wire             offered  = busy_q && !stall_q && left_q == {PARTS{1'b0}}
                             && (s_part_valid | ~parts_q) == {PARTS{1'b1}};
    wire             row_end  = (chunk_q == LAST_CHUNK);
    wire             tile_end = row_end && ends != {PARTS{1'b0}};

    reg [2*MAX_BITS-1:0] halves;
    always @* begin : compare
        reg signed [2*LEAVES*MAX_BITS-1:0] node;  // a heap: node n is above 2 * n and 2 * n + 1
        reg signed [MAX_BITS-1:0]          left, right;
        integer                            n;
        node = {2*LEAVES{LOWEST}};
        for (n = 0; n < PARTS; n = n + 1) begin
            if (parts_q[n]) begin
                node[(LEAVES+n)*MAX_BITS +: MAX_BITS] = s_part_max[n*MAX_BITS +: MAX_BITS];
            end
        end
        for (n = LEAVES - 1; n > 1; n = n - 1) begin
            left  = node[2*n*MAX_BITS +: MAX_BITS];
            right = node[(2*n+1)*MAX_BITS +: MAX_BITS];
            node[n*MAX_BITS +: MAX_BITS] = (left > right) ? left : right;
        end
        halves = node[2*MAX_BITS +: 2*MAX_BITS];
    end

    // ---- one part after the other, the lowest first
    wire [PARTS-1:0] turn     = left_q & (~left_q + 1'b1);
    wire             taken    = !stall_q && left_q != {PARTS{1'b0}};
    wire             complete = (left_q == turn);

    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q  <= 1'b0;
            left_q  <= {PARTS{1'b0}};
            chunk_q <= {CHUNK_BITS{1'b0}};
            error_q <= 1'b0;
        end else begin
            if (offered) begin
                busy_q  <= !tile_end;
                left_q  <= parts_q;
                chunk_q <= row_end ? {CHUNK_BITS{1'b0}} : chunk_q + 1'b1;
                error_q <= error_q
                        || (ends != {PARTS{1'b0}} && (ends != parts_q || !row_end));
            end else begin
                if (s_merge_valid && s_merge_ready) begin
                    busy_q  <= (s_merge_parts != {PARTS{1'b0}});
                    error_q <= error_q || s_merge_parts == {PARTS{1'b0}};
                end
                if (taken) begin
                    left_q <= left_q & ~turn;
                end
            end
        end
    end

    always @(posedge clk) begin
        if (s_merge_valid && s_merge_ready) begin
            parts_q <= s_merge_parts;
        end
        if (offered) begin
            low_max_q  <= halves[0 +: MAX_BITS];
            high_max_q <= halves[MAX_BITS +: MAX_BITS];
            row_end_q  <= row_end;
            tile_end_q <= tile_end;
        end
        first_q <= offered || (first_q && !taken);
    end

    assign s_merge_ready = !busy_q;
    assign s_part_ready  = turn & {PARTS{!stall_q}};
    assign error_parts   = error_q;

    // ---- stage a: the part whose turn it is, and its shift
    reg [READ_COLUMNS*ACC_BITS-1:0] acc;
    reg [SUM_BITS-1:0]              sum;
    reg [SHIFT_BITS-1:0]            shift;
    always @* begin : choose
        reg signed [MAX_BITS-1:0] highest, maximum;
        reg        [MAX_BITS:0]   rise;
        integer                   p;
        acc     = {READ_COLUMNS*ACC_BITS{1'b0}};
        sum     = {SUM_BITS{1'b0}};
        maximum = {MAX_BITS{1'b0}};
        for (p = 0; p < PARTS; p = p + 1) begin
            acc = acc | (s_part_acc[p*READ_COLUMNS*ACC_BITS +: READ_COLUMNS*ACC_BITS]
                         & {READ_COLUMNS*ACC_BITS{turn[p]}});
            sum = sum | (s_part_sum[p*SUM_BITS +: SUM_BITS] & {SUM_BITS{turn[p]}});
            maximum = maximum | (s_part_max[p*MAX_BITS +: MAX_BITS] & {MAX_BITS{turn[p]}});
        end
        highest = (low_max_q > high_max_q) ? low_max_q : high_max_q;
        rise    = {highest[MAX_BITS-1], highest} - {maximum[MAX_BITS-1], maximum};
        shift   = (rise[MAX_BITS:SHIFT_BITS] != 0) ? {SHIFT_BITS{1'b1}} : rise[SHIFT_BITS-1:0];
    end

    reg                             a_valid_q, a_first_q, a_complete_q, a_row_end_q, a_tile_end_q;
    reg [READ_COLUMNS*ACC_BITS-1:0] a_acc_q;
    reg [SUM_BITS-1:0]              a_sum_q;
    reg [SHIFT_BITS-1:0]            a_shift_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            a_valid_q <= 1'b0;
        end else if (!stall_q) begin
            a_valid_q <= taken;
        end
    end
    always @(posedge clk) begin
        if (taken) begin
            a_acc_q      <= acc;
            a_sum_q      <= sum;
            a_shift_q    <= shift;
            a_first_q    <= first_q;
            a_complete_q <= complete;
            a_row_end_q  <= row_end_q;
            a_tile_end_q <= tile_end_q;
        end
    end

    // ---- stage b: shift and add
    reg                      b_valid_q, b_row_end_q, b_tile_end_q;
    reg [LANES*ALL_BITS-1:0] b_total_q;
    wire                     added = a_valid_q && !stall_q;
    wire                     b_ready;
    always @(posedge clk) begin
        if (!rst_n) begin
            b_valid_q <= 1'b0;
            stall_q   <= 1'b0;
        end else begin
            b_valid_q <= (added && a_complete_q) || (b_valid_q && !b_ready);
            stall_q   <= b_valid_q && !b_ready;
        end
    end
    always @(posedge clk) begin : add
        reg        [LANES*ACC_BITS-1:0] word;
        reg signed [ALL_BITS-1:0]       wide;
        reg        [ALL_BITS-1:0]       total;
        integer                         l;
        if (added) begin
            word = {{(ACC_BITS-SUM_BITS){1'b0}}, a_sum_q, a_acc_q};
            for (l = 0; l < LANES; l = l + 1) begin
                wide  = {{(MORE_BITS+1){word[l*ACC_BITS + ACC_BITS-1]}},
                         word[l*ACC_BITS +: ACC_BITS-1]};
                total = b_total_q[l*ALL_BITS +: ALL_BITS] & {ALL_BITS{!a_first_q}};
                b_total_q[l*ALL_BITS +: ALL_BITS] <= total + fcim_round_shift(wide, a_shift_q);
            end
            b_row_end_q  <= a_row_end_q;
            b_tile_end_q <= a_tile_end_q;
        end
    end

    // ---- quotients
    fcim_row_divider #(
        .HEAD_DIM(HEAD_DIM), .COLUMNS(READ_COLUMNS), .ACC_BITS(ALL_BITS),
        .SUM_BITS(ALL_SUM_BITS)
    ) u_row_divider (
        .clk(clk), .rst_n(rst_n),
        .s_chunk_valid(b_valid_q), .s_chunk_ready(b_ready),
        .s_chunk_acc(b_total_q[READ_COLUMNS*ALL_BITS-1:0]),
        .s_chunk_sum(b_total_q[READ_COLUMNS*ALL_BITS +: ALL_SUM_BITS]),
        .s_chunk_row_end(b_row_end_q), .s_chunk_tile_end(b_tile_end_q),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready),
        .m_o_data(m_o_data), .m_o_empty(m_o_empty), .m_o_last(m_o_last), .busy()
    );

endmodule

`default_nettype wire
