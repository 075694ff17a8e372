// SPDX-License-Identifier: Apache-2.0
// fcim_normalizer: reads a finished tile row by row, divides by the row's denominator and sends the
// rows.
//
// Latency:    20 cycles from the first read to the first part of a row.
// Throughput: A row per CYCLES_PER_KEY cycles.
// Cuts:       m_o_valid and m_o_data are registered; m_o_ready stops the divider pipeline in the
//             same cycle.
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

    localparam CHUNK = READ_COLUMNS * OUT_BITS;
    localparam PIPE = OUT_BITS + 2;              // stages from rd data to the divider's result
    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [LANE_BITS-1:0] LAST_LANE = LANES[LANE_BITS-1:0] - 1'b1;

    // the whole drain moves or stands: it stands while a finished row is not taken
    wire enable = !(m_o_valid && !m_o_ready);

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

    // ---- division
    reg              read_q;
    wire             div_valid, div_zero;
    wire [CHUNK-1:0] div_data;
    always @(posedge clk) begin
        if (!rst_n) begin
            read_q <= 1'b0;
        end else if (enable) begin
            read_q <= issue;
        end
    end

    fcim_divider #(.LANES(READ_COLUMNS), .ACC_BITS(ACC_BITS), .SUM_BITS(SUM_BITS)) u_divider (
        .clk(clk), .rst_n(rst_n), .enable(enable),
        .in_valid(read_q), .in_acc(rd_acc), .in_sum(rd_sum),
        .out_valid(div_valid), .out_quotient(div_data), .out_zero(div_zero)
    );

    // row end and tile end travel beside the divider: bit 0 is the read's own cycle
    reg [PIPE:0] row_end_q, tile_end_q;
    always @(posedge clk) begin
        if (enable) begin
            row_end_q  <= {row_end_q[PIPE-1:0],  issue && row_end};
            tile_end_q <= {tile_end_q[PIPE-1:0], last_read};
        end
    end

    // ---- row register: chunks enter at the top
    reg  [HEAD_DIM*OUT_BITS-1:0]       out_q;
    reg                                out_valid_q, out_last_q, out_empty_q;
    wire [HEAD_DIM*OUT_BITS+CHUNK-1:0] out_next = {div_data, out_q};
    always @(posedge clk) begin
        if (!rst_n) begin
            out_valid_q <= 1'b0;
        end else if (enable) begin
            out_valid_q <= div_valid && row_end_q[PIPE];
        end
    end
    always @(posedge clk) begin
        if (enable && div_valid) begin
            out_q       <= out_next[HEAD_DIM*OUT_BITS+CHUNK-1 : CHUNK];
            out_last_q  <= tile_end_q[PIPE];
            out_empty_q <= div_zero;
        end
    end

    assign m_o_valid = out_valid_q;
    assign m_o_data  = out_q;
    assign m_o_empty = out_empty_q;
    assign m_o_last  = out_last_q;

endmodule

`default_nettype wire
