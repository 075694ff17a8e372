// SPDX-License-Identifier: Apache-2.0
// fcim_row_divider: rows of O from chunks of accumulators with their denominator: the divider, and
// a register in which the chunks of a row come together.
//
// Latency:    19 cycles from a row's last chunk to m_o_valid.
// Throughput: A chunk per cycle.
// Cuts:       m_o_valid and m_o_data are registered; m_o_ready stops the whole pipeline, and with
//             it s_chunk_ready, in the same cycle.
// Numbers:    As in fcim_divider; m_o_empty says that the denominator is 0.
`default_nettype none

module fcim_row_divider #(
    parameter  HEAD_DIM = 128,  // elements of a row: a multiple of COLUMNS
    parameter  COLUMNS = 16,    // elements of a chunk: 1 or more
    parameter  ACC_BITS = 43,   // accumulator, signed: 20 to 43
    parameter  SUM_BITS = 35,   // denominator of a row, unsigned: 12 to 35
    localparam OUT_BITS = 16    // element of O, signed
) (
    input  wire                         clk,
    input  wire                         rst_n,

    // chunks of rows, the lowest columns first: HEAD_DIM / COLUMNS chunks a row
    input  wire                         s_chunk_valid,
    output wire                         s_chunk_ready,
    input  wire [COLUMNS*ACC_BITS-1:0]  s_chunk_acc,
    input  wire [SUM_BITS-1:0]          s_chunk_sum,
    input  wire                         s_chunk_row_end,
    input  wire                         s_chunk_tile_end,  // with the row_end of a tile's last row

    // rows of O
    output wire                         m_o_valid,
    input  wire                         m_o_ready,
    output wire [HEAD_DIM*OUT_BITS-1:0] m_o_data,
    output wire                         m_o_empty,
    output wire                         m_o_last,

    // a row is on its way, from the cycle after its last chunk until it is taken
    output wire                         busy
);

    localparam CHUNK = COLUMNS * OUT_BITS;
    localparam PIPE = OUT_BITS + 2;              // stages from a chunk to the divider's result

    // everything moves or stands: it stands while a finished row is not taken
    wire enable = !(m_o_valid && !m_o_ready);
    assign s_chunk_ready = enable;

    // ---- division
    wire             div_valid, div_zero;
    wire [CHUNK-1:0] div_data;
    fcim_divider #(.LANES(COLUMNS), .ACC_BITS(ACC_BITS), .SUM_BITS(SUM_BITS)) u_divider (
        .clk(clk), .rst_n(rst_n), .enable(enable),
        .in_valid(s_chunk_valid), .in_acc(s_chunk_acc), .in_sum(s_chunk_sum),
        .out_valid(div_valid), .out_quotient(div_data), .out_zero(div_zero)
    );

    // row end and tile end travel beside the divider
    reg [PIPE-1:0] row_end_q, tile_end_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            row_end_q <= {PIPE{1'b0}};
        end else if (enable) begin
            row_end_q <= {row_end_q[PIPE-2:0], s_chunk_valid && s_chunk_row_end};
        end
    end
    always @(posedge clk) begin
        if (enable) begin
            tile_end_q <= {tile_end_q[PIPE-2:0], s_chunk_tile_end};
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
            out_valid_q <= row_end_q[PIPE-1];
        end
    end
    always @(posedge clk) begin
        if (enable && div_valid) begin
            out_q       <= out_next[HEAD_DIM*OUT_BITS+CHUNK-1 : CHUNK];
            out_last_q  <= tile_end_q[PIPE-1];
            out_empty_q <= div_zero;
        end
    end

    assign m_o_valid = out_valid_q;
    assign m_o_data  = out_q;
    assign m_o_empty = out_empty_q;
    assign m_o_last  = out_last_q;
    assign busy      = (|row_end_q) || out_valid_q;

endmodule

`default_nettype wire
