// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_sums: chunks of a row of sums, a tree over the macros' groups, and the row's partial
// sums in the buffer; at a row's last span they are divided by its denominator.
//
// Latency:    3 cycles from a chunk to the partial sum's write, or to the divider, which takes
//             another 19 for the row; done 5 cycles after the operation's last chunk.
// Throughput: A chunk of COLUMNS elements per cycle.
// Cuts:       Everything is registered; o_rd_data goes through an adder.
// Numbers:    sum over driven groups of (u - 128 * ksum) + the partial sum: 32 bits, signed, exact
//             for 65,536 keys. Quotients as in fcim_divider.
`default_nettype none

module fcim_unfused_sums #(
    parameter  MACROS = 8,          // 1, 2, 4, 8, 16 or 32
    parameter  ROWS = 64,           // rows of cells of a macro
    parameter  HEAD_DIM = 128,      // cells of a row
    parameter  COVER = 2,           // macros of a group: their rows are the elements of O here
    parameter  COLUMNS = 16,        // elements of a chunk
    parameter  WORD_BITS = 3,       // index of a word or of a chunk
    localparam GROUPS = MACROS / COVER,  // groups of macros with the same keys of V
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),             // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),        // sum of HEAD_DIM bytes
    localparam ROW_ID_BITS = 16,    // number of a row
    localparam PART_BITS = 4,       // part of a row of O
    localparam SUM_BITS = 24,       // denominator, unsigned
    localparam O_BITS = 32,         // partial sum, signed
    localparam OUT_BITS = 16,       // element of O, signed
    localparam CHUNK_BITS = PART_BITS + 3                   // chunk of a whole row
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // chunks: the columns of all macros stay while their chunks are taken
    input  wire                             s_valid,
    input  wire [WORD_BITS-1:0]             s_word,
    input  wire                             s_last,       // of the row
    input  wire                             s_end,        // with it: of the operation
    input  wire                             s_first_span,
    input  wire                             s_last_span,
    input  wire [ROW_ID_BITS-1:0]           s_row,
    input  wire [PART_BITS-1:0]             s_part,
    input  wire [SUM_BITS-1:0]              s_sum,
    input  wire [MACROS-1:0]                s_drive,      // macros that the row has driven
    input  wire [MACROS*ROWS*IP_LANE-1:0]   s_col,
    input  wire [MACROS*ELEM_SUM_BITS-1:0]  s_ksum,

    // partial sums, data one cycle later
    output wire                             o_rd,
    output wire [ROW_ID_BITS-1:0]           o_rd_row,
    output wire [CHUNK_BITS-1:0]            o_rd_chunk,
    input  wire [COLUMNS*O_BITS-1:0]        o_rd_data,
    output wire                             o_we,
    output wire [ROW_ID_BITS-1:0]           o_wr_row,
    output wire [CHUNK_BITS-1:0]            o_wr_chunk,
    output wire [COLUMNS*O_BITS-1:0]        o_wr_data,
    output wire                             done,

    // rows of O, or parts of them, in the order of the operations' rows
    output wire                             m_o_valid,
    output wire [COVER*ROWS*OUT_BITS-1:0]   m_o_data,
    output wire                             m_o_empty,
    output wire                             busy          // rows are on their way
);

    localparam WIDTH = COVER * ROWS;
    localparam CHUNKS = WIDTH / COLUMNS;
    localparam LEVELS = $clog2(GROUPS);
    localparam TREE_BITS = IP_LANE + LEVELS;
    localparam KSUM_BITS = ELEM_SUM_BITS + LEVELS;

    // ---- the chunk of each group, 0 of one that is not driven
    reg [GROUPS*COLUMNS*IP_LANE-1:0] chunk_q;
    reg [GROUPS*ELEM_SUM_BITS-1:0]   ksum_q;
    genvar g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : g_group
            wire [WIDTH*IP_LANE-1:0] own = s_col[g*WIDTH*IP_LANE +: WIDTH*IP_LANE];
            always @(posedge clk) begin
                if (s_valid) begin
                    chunk_q[g*COLUMNS*IP_LANE +: COLUMNS*IP_LANE] <= s_drive[g*COVER]
                        ? own[s_word*(COLUMNS*IP_LANE) +: COLUMNS*IP_LANE]
                        : {(COLUMNS*IP_LANE){1'b0}};
                    ksum_q[g*ELEM_SUM_BITS +: ELEM_SUM_BITS] <= s_drive[g*COVER]
                        ? s_ksum[g*COVER*ELEM_SUM_BITS +: ELEM_SUM_BITS]
                        : {ELEM_SUM_BITS{1'b0}};
                end
            end
        end
    endgenerate

    // ---- what a chunk is, beside
    localparam MORE_BITS = ROW_ID_BITS + CHUNK_BITS + SUM_BITS + 4;
    reg  [2:0]             valid_q;
    reg  [3*MORE_BITS-1:0] more_q;
    wire [CHUNK_BITS-1:0]  chunk = {{(CHUNK_BITS-WORD_BITS){1'b0}}, s_word}
                                 + {{(CHUNK_BITS-PART_BITS){1'b0}}, s_part}
                                   * CHUNKS[CHUNK_BITS-1:0];
    wire [MORE_BITS-1:0]   more  = {s_row, chunk, s_sum, s_first_span, s_last_span, s_last,
                                    s_last && s_end};
    wire [MORE_BITS-1:0]   more1 = more_q[MORE_BITS-1:0];
    wire [MORE_BITS-1:0]   more2 = more_q[MORE_BITS +: MORE_BITS];
    wire [MORE_BITS-1:0]   more3 = more_q[2*MORE_BITS +: MORE_BITS];
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 3'd0;
        end else begin
            valid_q <= {valid_q[1:0], s_valid};
        end
    end
    always @(posedge clk) begin
        more_q <= {more_q[2*MORE_BITS-1:0], more};
    end
    assign o_rd       = valid_q[0] && !more1[3];
    assign o_rd_row   = more1[MORE_BITS-1 -: ROW_ID_BITS];
    assign o_rd_chunk = more1[SUM_BITS+4 +: CHUNK_BITS];

    // ---- trees over the groups, level by level
    reg [COLUMNS*TREE_BITS-1:0] tree_q;
    reg [KSUM_BITS-1:0]         offset_q;
    always @(posedge clk) begin : trees
        reg [GROUPS*TREE_BITS-1:0] part;
        reg [GROUPS*KSUM_BITS-1:0] ksums;
        integer                    c, level, n;
        for (c = 0; c < COLUMNS; c = c + 1) begin
            for (n = 0; n < GROUPS; n = n + 1) begin
                part[n*TREE_BITS +: TREE_BITS] = {{LEVELS{1'b0}},
                    chunk_q[(n*COLUMNS + c)*IP_LANE +: IP_LANE]};
            end
            for (level = LEVELS - 1; level >= 0; level = level - 1) begin
                for (n = 0; n < (1 << level); n = n + 1) begin
                    part[n*TREE_BITS +: TREE_BITS] = part[2*n*TREE_BITS +: TREE_BITS]
                                                   + part[(2*n + 1)*TREE_BITS +: TREE_BITS];
                end
            end
            tree_q[c*TREE_BITS +: TREE_BITS] <= part[TREE_BITS-1:0];
        end
        for (n = 0; n < GROUPS; n = n + 1) begin
            ksums[n*KSUM_BITS +: KSUM_BITS] = {{LEVELS{1'b0}},
                ksum_q[n*ELEM_SUM_BITS +: ELEM_SUM_BITS]};
        end
        for (level = LEVELS - 1; level >= 0; level = level - 1) begin
            for (n = 0; n < (1 << level); n = n + 1) begin
                ksums[n*KSUM_BITS +: KSUM_BITS] = ksums[2*n*KSUM_BITS +: KSUM_BITS]
                                                + ksums[(2*n + 1)*KSUM_BITS +: KSUM_BITS];
            end
        end
        offset_q <= ksums[KSUM_BITS-1:0];
    end

    // ---- the row's partial sums
    reg [COLUMNS*O_BITS-1:0] sums_q;
    always @(posedge clk) begin : add
        reg [O_BITS-1:0] earlier, offset;
        integer          c;
        offset = {{(O_BITS-KSUM_BITS-7){1'b0}}, offset_q, 7'd0};
        for (c = 0; c < COLUMNS; c = c + 1) begin
            earlier = more2[3] ? {O_BITS{1'b0}} : o_rd_data[c*O_BITS +: O_BITS];
            sums_q[c*O_BITS +: O_BITS] <= earlier - offset
                + {{(O_BITS-TREE_BITS){1'b0}}, tree_q[c*TREE_BITS +: TREE_BITS]};
        end
    end
    wire last_span = more3[2];
    assign o_we       = valid_q[2] && !last_span;
    assign o_wr_row   = more3[MORE_BITS-1 -: ROW_ID_BITS];
    assign o_wr_chunk = more3[SUM_BITS+4 +: CHUNK_BITS];
    assign o_wr_data  = sums_q;

    // operations of QK and PV complete in their order: done comes as long after the macros in both
    reg [1:0] done_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            done_q <= 2'b00;
        end else begin
            done_q <= {done_q[0], valid_q[2] && more3[0]};
        end
    end
    assign done = done_q[1];

    // ---- rows of O
    fcim_row_divider #(
        .HEAD_DIM(WIDTH), .COLUMNS(COLUMNS), .ACC_BITS(O_BITS), .SUM_BITS(SUM_BITS)
    ) u_row_divider (
        .clk(clk), .rst_n(rst_n),
        .s_chunk_valid(valid_q[2] && last_span), .s_chunk_ready(),
        .s_chunk_acc(sums_q), .s_chunk_sum(more3[4 +: SUM_BITS]),
        .s_chunk_row_end(more3[1]), .s_chunk_tile_end(1'b0),
        .m_o_valid(m_o_valid), .m_o_ready(1'b1), .m_o_data(m_o_data),
        .m_o_empty(m_o_empty), .m_o_last(), .busy(busy)
    );

endmodule

`default_nettype wire
