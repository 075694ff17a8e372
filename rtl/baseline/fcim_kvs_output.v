// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_output: adds what the V macros have of a row, pass by pass, to its partial O, rescaled,
// which the buffer keeps between operations; a row's last partial O is divided by its sum instead.
//
// Latency:    The buffer is asked for a pass's partial O a cycle after the pass, and gets it back 2
//             cycles later; O comes 19 cycles after the last pass would go back.
// Throughput: A row per HEAD_DIM / O_COLUMNS cycles, at least 3 between two visits of one row.
// Cuts:       All outputs come from registers; o_rd_data reaches one.
// Numbers:    O := round(O / 2**shift) + sum over pairs of (col - 128 * ksum), 32 bits: at most
//             65536 keys, p below 256, so nothing saturates. Quotients as in fcim_divider.
`default_nettype none

module fcim_kvs_output #(
    parameter  MACROS = 8,     // pairs of macros: 1, 2, 4, 8 or 16
    parameter  ROWS = 64,      // keys of a tile: 16, 32, 64 or 128
    parameter  HEAD_DIM = 128, // elements of a head vector: 16, 32, 64 or 128
    parameter  O_COLUMNS = 16, // elements of a pass: a power of two up to HEAD_DIM
    parameter  STEP = 8,       // cycles from a row to the next, at least
    parameter  INDEX_BITS = 15,                   // index of a row
    parameter  SUM_BITS = 21,                     // sum of a row, unsigned
    localparam O_PASSES = HEAD_DIM / O_COLUMNS,  // cycles in which a row's O passes
    localparam O_PASS_BITS = (O_PASSES > 1) ? $clog2(O_PASSES) : 1,  // index of a pass
    localparam O_ADDRESS_BITS = INDEX_BITS + $clog2(O_PASSES),  // index of a word of partial O
    localparam VP_LANE = 16 + $clog2(ROWS),       // sum over a tile, unsigned
    localparam WSUM_BITS = 8 + $clog2(ROWS),      // of a row's w in a tile
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam ACC_BITS = 32,                     // element of a partial O, signed
    localparam OUT_BITS = 16                      // element of O, signed
) (
    input  wire                               clk,
    input  wire                               rst_n,

    // passes of a row, and what stays beside them
    input  wire                               pass_valid,
    input  wire [O_PASS_BITS-1:0]             pass,
    input  wire                               pass_last,
    input  wire [INDEX_BITS-1:0]              row_index,
    input  wire                               row_first,
    input  wire                               row_last,
    input  wire [SHIFT_BITS-1:0]              row_shift,
    input  wire [MACROS-1:0]                  col_valid,   // of those that the row went through
    input  wire [MACROS*HEAD_DIM*VP_LANE-1:0] cols,
    input  wire [MACROS*WSUM_BITS-1:0]        ksums,

    // the row's sum, 3 cycles after its first pass and until its last one's third
    input  wire [SUM_BITS-1:0]                row_sum,

    // to the buffer
    output wire                               o_rd,
    output wire [O_ADDRESS_BITS-1:0]          o_rd_address,
    input  wire [O_COLUMNS*ACC_BITS-1:0]      o_rd_data,
    output wire                               o_wr,
    output wire [O_ADDRESS_BITS-1:0]          o_wr_address,
    output wire [O_COLUMNS*ACC_BITS-1:0]      o_wr_data,

    // rows of O
    output wire                               out_valid,
    output wire [INDEX_BITS-1:0]              out_row,
    output wire [HEAD_DIM*OUT_BITS-1:0]       out_data,
    output wire                               out_empty,

    // a row's last partial O is written
    output wire                               ev_kept
);

    localparam SUM_LANE = VP_LANE + $clog2(MACROS + 1);   // over pairs, signed
    localparam PIPE = 19;                                 // of fcim_row_divider
    localparam ROUND_BITS = ACC_BITS;
    `include "fcim_round_shift.vh"

    // ---- stage A: a pass of every macro, without the offset of its cells
    reg                                a_valid_q, a_first_q, a_last_q, a_end_q;
    reg [INDEX_BITS-1:0]               a_index_q;
    reg [O_PASS_BITS-1:0]              a_pass_q;
    reg [SHIFT_BITS-1:0]               a_shift_q;
    reg [MACROS*O_COLUMNS*VP_LANE-1:0] a_terms_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            a_valid_q <= 1'b0;
        end else begin
            a_valid_q <= pass_valid;
        end
    end
    always @(posedge clk) begin : offset
        reg [O_COLUMNS*VP_LANE-1:0] chunk;
        reg [VP_LANE-1:0]           u, ksum;
        integer                     m, c;
        if (pass_valid) begin
            a_first_q <= row_first;
            a_last_q  <= row_last;
            a_end_q   <= pass_last;
            a_index_q <= row_index;
            a_pass_q  <= pass;
            a_shift_q <= row_shift;
            for (m = 0; m < MACROS; m = m + 1) begin
                chunk = cols[(m*HEAD_DIM + pass*O_COLUMNS)*VP_LANE +: O_COLUMNS*VP_LANE];
                ksum  = {{(VP_LANE-WSUM_BITS-7){1'b0}}, ksums[m*WSUM_BITS +: WSUM_BITS], 7'd0};
                for (c = 0; c < O_COLUMNS; c = c + 1) begin
                    u = chunk[c*VP_LANE +: VP_LANE];
                    a_terms_q[(m*O_COLUMNS + c)*VP_LANE +: VP_LANE] <=
                        (u - ksum) & {VP_LANE{col_valid[m]}};
                end
            end
        end
    end

    // ---- stage B: over the pairs; the partial O comes meanwhile
    reg                          b_valid_q, b_first_q, b_last_q, b_end_q;
    reg [INDEX_BITS-1:0]         b_index_q;
    reg [O_PASS_BITS-1:0]        b_pass_q;
    reg [SHIFT_BITS-1:0]         b_shift_q;
    reg [O_COLUMNS*SUM_LANE-1:0] b_sums_q;
    assign o_rd = a_valid_q && !a_first_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            b_valid_q <= 1'b0;
        end else begin
            b_valid_q <= a_valid_q;
        end
    end
    always @(posedge clk) begin : pairs
        reg [SUM_LANE-1:0] total;
        reg [VP_LANE-1:0]  term;
        integer            m, c;
        if (a_valid_q) begin
            b_first_q <= a_first_q;
            b_last_q  <= a_last_q;
            b_end_q   <= a_end_q;
            b_index_q <= a_index_q;
            b_pass_q  <= a_pass_q;
            b_shift_q <= a_shift_q;
            for (c = 0; c < O_COLUMNS; c = c + 1) begin
                total = {SUM_LANE{1'b0}};
                for (m = 0; m < MACROS; m = m + 1) begin
                    term  = a_terms_q[(m*O_COLUMNS + c)*VP_LANE +: VP_LANE];
                    total = total + {{(SUM_LANE-VP_LANE){term[VP_LANE-1]}}, term};
                end
                b_sums_q[c*SUM_LANE +: SUM_LANE] <= total;
            end
        end
    end

    // ---- stage C: rescaled, and added
    reg                          c_wr_q, c_divide_q, c_end_q;
    reg [INDEX_BITS-1:0]         c_index_q;
    reg [O_PASS_BITS-1:0]        c_pass_q;
    reg [O_COLUMNS*ACC_BITS-1:0] c_acc_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            c_wr_q     <= 1'b0;
            c_divide_q <= 1'b0;
        end else begin
            c_wr_q     <= b_valid_q && !b_last_q;
            c_divide_q <= b_valid_q && b_last_q;
        end
    end
    always @(posedge clk) begin : update
        reg [ACC_BITS-1:0] old;
        reg [SUM_LANE-1:0] more;
        integer            c;
        if (b_valid_q) begin
            c_end_q   <= b_end_q;
            c_index_q <= b_index_q;
            c_pass_q  <= b_pass_q;
            for (c = 0; c < O_COLUMNS; c = c + 1) begin
                old  = b_first_q ? {ACC_BITS{1'b0}} : o_rd_data[c*ACC_BITS +: ACC_BITS];
                old  = fcim_round_shift(old, b_shift_q);
                more = b_sums_q[c*SUM_LANE +: SUM_LANE];
                c_acc_q[c*ACC_BITS +: ACC_BITS] <=
                    old + {{(ACC_BITS-SUM_LANE){more[SUM_LANE-1]}}, more};
            end
        end
    end
    generate
        if (O_PASSES > 1) begin : g_passes
            assign o_rd_address = {a_index_q, a_pass_q};
            assign o_wr_address = {c_index_q, c_pass_q};
        end else begin : g_pass
            assign o_rd_address = a_index_q;
            assign o_wr_address = c_index_q;
        end
    endgenerate
    assign o_wr      = c_wr_q;
    assign o_wr_data = c_acc_q;
    assign ev_kept   = c_wr_q && c_end_q;

    // ---- division
    fcim_row_divider #(
        .HEAD_DIM(HEAD_DIM), .COLUMNS(O_COLUMNS), .ACC_BITS(ACC_BITS), .SUM_BITS(SUM_BITS)
    ) u_row_divider (
        .clk(clk), .rst_n(rst_n),
        .s_chunk_valid(c_divide_q), .s_chunk_ready(), .s_chunk_acc(c_acc_q),
        .s_chunk_sum(row_sum), .s_chunk_row_end(c_end_q), .s_chunk_tile_end(1'b0),
        .m_o_valid(out_valid), .m_o_ready(1'b1), .m_o_data(out_data), .m_o_empty(out_empty),
        .m_o_last(), .busy()
    );
    fcim_delay #(.WIDTH(INDEX_BITS), .CYCLES(PIPE), .PITCH(STEP)) u_row (
        .clk(clk), .rst_n(rst_n),
        .in_valid(c_divide_q && c_end_q), .in_data(c_index_q),
        .out_valid(), .out_data(out_row)
    );

endmodule

`default_nettype wire
