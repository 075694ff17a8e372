// SPDX-License-Identifier: Apache-2.0
// fcim_normalizer: reads a finished tile row by row and has it divided by the row's denominator; a
// partial tile's rows leave as they are, with their denominators and running maxima. Tiles leave in
// their order: a partial one is read when no row of the one before is on its way any more.
//
// Latency:    21 cycles from the first read to the first part of a row; a chunk of a partial tile
//             is there in the cycle after its read.
// Throughput: A row per CYCLES_PER_KEY cycles.
// Cuts:       m_o as in fcim_row_divider; m_part_valid is registered, m_part_acc, m_part_sum and
//             m_part_max come from where they are read. m_o_ready and m_part_ready stop the reads
//             in the same cycle.
// Numbers:    Quotients as in fcim_divider; running maximum a signed integer.
`default_nettype none

module fcim_normalizer #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  ACC_BITS = 43,                     // accumulator, signed: 20 to 43
    parameter  SUM_BITS = 35,                     // denominator of a row, unsigned: 12 to 35
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of rows
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam READ_COLUMNS = HEAD_DIM / CYCLES_PER_KEY,  // a chunk of a row of O
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam OUT_BITS = 16                      // element of O, signed
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // finished tiles
    input  wire                             done_valid,
    input  wire                             done_bank,
    input  wire [2*COUNT_BITS-1:0]          bank_rows,
    input  wire [1:0]                       bank_partial,
    output wire [1:0]                       bank_release,

    // read ports of accumulators, row sums and running maxima, data one cycle later, until the
    // next read
    output wire                             rd_en,
    output wire                             rd_bank,
    output wire [PASS_BITS-1:0]             rd_pass,
    output wire [LANE_BITS-1:0]             rd_lane,
    output wire [PASS_BITS-1:0]             rd_chunk,
    input  wire [READ_COLUMNS*ACC_BITS-1:0] rd_acc,
    input  wire [SUM_BITS-1:0]              rd_sum,
    input  wire [ROW_MAX_BITS-1:0]          rd_max,

    // rows of O
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last,

    // rows of partial tiles, chunk by chunk
    output wire                             m_part_valid,
    input  wire                             m_part_ready,
    output wire [READ_COLUMNS*ACC_BITS-1:0] m_part_acc,
    output wire [SUM_BITS-1:0]              m_part_sum,
    output wire [ROW_MAX_BITS-1:0]          m_part_max,
    output wire                             m_part_last,

    // event: the last chunk of a row is taken
    output wire                             ev_partial_row
);

    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [LANE_BITS-1:0] LAST_LANE = LANES[LANE_BITS-1:0] - 1'b1;

    // the reads move or stand: they stand while a finished row or a chunk is not taken
    wire divider_ready, divider_busy;
    wire enable = divider_ready && !(m_part_valid && !m_part_ready);

    // ---- reads: rows of the older finished bank, chunk by chunk
    reg [1:0]            done_q;
    reg                  bank_q;
    reg [COUNT_BITS-1:0] row_q;
    reg [PASS_BITS-1:0]  pass_q, chunk_q;
    reg [LANE_BITS-1:0]  lane_q;
    reg                  divide_q, part_q, row_end_q, tile_end_q;   // of the last read
    reg                  divide_q2;                                 // of the one before

    wire [COUNT_BITS-1:0] rows      = bank_q ? bank_rows[COUNT_BITS +: COUNT_BITS]
                                             : bank_rows[0 +: COUNT_BITS];
    wire                  part      = bank_partial[bank_q];
    wire                  rows_left = divide_q || divide_q2 || divider_busy;   // to be divided
    wire                  issue     = done_q[bank_q] && enable && !(part && rows_left);
    wire                  row_end   = (chunk_q == LAST_PASS);
    wire                  last_row  = (row_q == rows - 1'b1);
    wire                  last_read = issue && row_end && last_row;
    wire [1:0]            bank_mask = {bank_q, !bank_q};

    assign rd_en        = issue;
    assign rd_bank      = bank_q;
    assign rd_pass      = pass_q;
    assign rd_lane      = lane_q;
    assign rd_chunk     = chunk_q;
    assign bank_release = last_read ? bank_mask : 2'b00;

    always @(posedge clk) begin
        if (!rst_n) begin
            done_q  <= 2'b00;
            bank_q  <= 1'b0;
            row_q   <= {COUNT_BITS{1'b0}};
            pass_q  <= {PASS_BITS{1'b0}};
            lane_q  <= {LANE_BITS{1'b0}};
            chunk_q <= {PASS_BITS{1'b0}};
        end else begin
            done_q <= (done_q & ~bank_release) | (done_valid ? {done_bank, !done_bank} : 2'b00);
            if (last_read) begin
                bank_q  <= !bank_q;
                row_q   <= {COUNT_BITS{1'b0}};
                pass_q  <= {PASS_BITS{1'b0}};
                lane_q  <= {LANE_BITS{1'b0}};
                chunk_q <= {PASS_BITS{1'b0}};
            end else if (issue) begin
                chunk_q <= row_end ? {PASS_BITS{1'b0}} : chunk_q + 1'b1;
                if (row_end) begin
                    row_q  <= row_q + 1'b1;
                    lane_q <= (lane_q == LAST_LANE) ? {LANE_BITS{1'b0}} : lane_q + 1'b1;
                    pass_q <= pass_q + {{(PASS_BITS-1){1'b0}}, lane_q == LAST_LANE};
                end
            end
        end
    end

    // ---- a chunk in the cycle after its read: into the divider, or out as it is
    always @(posedge clk) begin
        if (!rst_n) begin
            divide_q <= 1'b0;
            part_q   <= 1'b0;
        end else if (enable) begin
            divide_q <= issue && !part;
            part_q   <= issue && part;
        end
    end
    always @(posedge clk) begin
        if (enable) begin
            row_end_q  <= row_end;
            tile_end_q <= last_read;
        end
    end

    // ---- a register on the way to the divider: the one out of the accumulators is long
    reg                             row_end_q2, tile_end_q2;
    reg [READ_COLUMNS*ACC_BITS-1:0] acc_q;
    reg [SUM_BITS-1:0]              sum_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            divide_q2 <= 1'b0;
        end else if (enable) begin
            divide_q2 <= divide_q;
        end
    end
    always @(posedge clk) begin
        if (enable && divide_q) begin
            row_end_q2  <= row_end_q;
            tile_end_q2 <= tile_end_q;
            acc_q       <= rd_acc;
            sum_q       <= rd_sum;
        end
    end

    fcim_row_divider #(
        .HEAD_DIM(HEAD_DIM), .COLUMNS(READ_COLUMNS), .ACC_BITS(ACC_BITS), .SUM_BITS(SUM_BITS)
    ) u_row_divider (
        .clk(clk), .rst_n(rst_n),
        .s_chunk_valid(divide_q2), .s_chunk_ready(divider_ready),
        .s_chunk_acc(acc_q), .s_chunk_sum(sum_q),
        .s_chunk_row_end(row_end_q2), .s_chunk_tile_end(tile_end_q2),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_data(m_o_data),
        .m_o_empty(m_o_empty), .m_o_last(m_o_last), .busy(divider_busy)
    );

    assign m_part_valid   = part_q;
    assign m_part_acc     = rd_acc;
    assign m_part_sum     = rd_sum;
    assign m_part_max     = rd_max;
    assign m_part_last    = tile_end_q;
    assign ev_partial_row = m_part_valid && m_part_ready && row_end_q;

endmodule

`default_nettype wire
