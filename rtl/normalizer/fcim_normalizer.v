// SPDX-License-Identifier: Apache-2.0
// fcim_normalizer: reads a finished tile row by row and has it divided by the row's denominator.
//
// Latency:    20 cycles from the first read to the first part of a row.
// Throughput: A row per CYCLES_PER_KEY cycles.
// Cuts:       As in fcim_row_divider; m_o_ready stops the reads too in the same cycle.
// Numbers:    As in fcim_divider.
`default_nettype none

module fcim_normalizer #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  ACC_BITS = 43,                     // accumulator, signed: 22 to 43
    parameter  SUM_BITS = 35,                     // denominator of a row, unsigned: 14 to 35
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of rows
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam READ_COLUMNS = HEAD_DIM / CYCLES_PER_KEY,  // a chunk of a row of O
    localparam OUT_BITS = 16                      // element of O, signed
) (
    input  wire                             clk,
    input  wire                             rst_n,

    // finished tiles
    input  wire                             done_valid,
    input  wire                             done_bank,
    input  wire [2*COUNT_BITS-1:0]          bank_rows,
    output wire [1:0]                       bank_release,

    // read ports of accumulators and row sums, data one cycle later
    output wire                             rd_en,
    output wire                             rd_bank,
    output wire [PASS_BITS-1:0]             rd_pass,
    output wire [LANE_BITS-1:0]             rd_lane,
    output wire [PASS_BITS-1:0]             rd_chunk,
    input  wire [READ_COLUMNS*ACC_BITS-1:0] rd_acc,
    input  wire [SUM_BITS-1:0]              rd_sum,

    // rows of O
    output wire                             m_o_valid,
    input  wire                             m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0]     m_o_data,
    output wire                             m_o_empty,
    output wire                             m_o_last
);

    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [LANE_BITS-1:0] LAST_LANE = LANES[LANE_BITS-1:0] - 1'b1;

    // the whole drain moves or stands: it stands while a finished row is not taken
    wire enable;

    // ---- reads: rows of the older finished bank, chunk by chunk
    reg [1:0]            done_q;
    reg                  bank_q;
    reg [COUNT_BITS-1:0] row_q;
    reg [PASS_BITS-1:0]  pass_q, chunk_q;
    reg [LANE_BITS-1:0]  lane_q;

    wire [COUNT_BITS-1:0] rows      = bank_q ? bank_rows[COUNT_BITS +: COUNT_BITS]
                                             : bank_rows[0 +: COUNT_BITS];
    wire                  issue     = done_q[bank_q] && enable;
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

    // ---- division, a chunk in the cycle after its read
    reg read_q, row_end_q, tile_end_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            read_q <= 1'b0;
        end else if (enable) begin
            read_q <= issue;
        end
    end
    always @(posedge clk) begin
        if (enable) begin
            row_end_q  <= row_end;
            tile_end_q <= last_read;
        end
    end

    fcim_row_divider #(
        .HEAD_DIM(HEAD_DIM), .COLUMNS(READ_COLUMNS), .ACC_BITS(ACC_BITS), .SUM_BITS(SUM_BITS)
    ) u_row_divider (
        .clk(clk), .rst_n(rst_n),
        .s_chunk_valid(read_q), .s_chunk_ready(enable),
        .s_chunk_acc(rd_acc), .s_chunk_sum(rd_sum),
        .s_chunk_row_end(row_end_q), .s_chunk_tile_end(tile_end_q),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_data(m_o_data),
        .m_o_empty(m_o_empty), .m_o_last(m_o_last)
    );

endmodule

`default_nettype wire
