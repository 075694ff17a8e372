// SPDX-License-Identifier: Apache-2.0
// fcim_o_stage: rows of O wait for the memory, so that engines are drained at once. While `hold` is
// high none is offered, unless more than half of the room is taken: what else the memory could do
// goes first as long as there is room.
//
// Latency:    A row is offered 2 cycles after it is accepted.
// Throughput: A row in and a row out per cycle.
// Cuts:       s_o_ready and waits come from registers; hold reaches m_o_valid. A row that
//             is offered stays so until it is taken.
// Numbers:    Passed through.
`default_nettype none

module fcim_o_stage #(
    parameter  ENGINES = 16,        // 1, 2, 4, 8 or 16
    parameter  HEAD_DIM = 128,      // elements of a head vector: 16, 32, 64 or 128
    parameter  O_ROWS = 256,        // room for rows: a power of two
    localparam O_SLOT_BITS = $clog2(ENGINES + 1),  // index of an engine or of the merge unit
    localparam OUT_BITS = 16        // element of O, signed
) (
    input  wire                         clk,
    input  wire                         rst_n,
    output wire                         empty,      // no row is inside
    output wire                         waits,      // a row could be offered
    input  wire                         hold,

    input  wire                         s_o_valid,
    output wire                         s_o_ready,
    input  wire [O_SLOT_BITS-1:0]       s_o_engine,
    input  wire [HEAD_DIM*OUT_BITS-1:0] s_o_data,
    input  wire                         s_o_last,

    output wire                         m_o_valid,
    input  wire                         m_o_ready,
    output wire [O_SLOT_BITS-1:0]       m_o_engine,
    output wire [HEAD_DIM*OUT_BITS-1:0] m_o_data,
    output wire                         m_o_last
);

    localparam LEVEL_BITS = $clog2(O_ROWS + 1);
    localparam HALF = O_ROWS / 2;

    reg [LEVEL_BITS-1:0] rows_q;
    reg                  offered_q;
    wire enters = s_o_valid && s_o_ready;
    wire leaves = m_o_valid && m_o_ready;
    wire held   = hold && (rows_q <= HALF[LEVEL_BITS-1:0]) && !offered_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            rows_q    <= {LEVEL_BITS{1'b0}};
            offered_q <= 1'b0;
        end else begin
            offered_q <= m_o_valid && !m_o_ready;
            if (enters && !leaves) begin
                rows_q <= rows_q + 1'b1;
            end else if (leaves && !enters) begin
                rows_q <= rows_q - 1'b1;
            end
        end
    end

    fcim_fifo #(.WORDS(O_ROWS), .WIDTH(O_SLOT_BITS + HEAD_DIM*OUT_BITS + 1)) u_rows (
        .clk(clk), .rst_n(rst_n), .s_valid(s_o_valid), .s_ready(s_o_ready),
        .s_data({s_o_engine, s_o_data, s_o_last}), .m_valid(waits), .m_ready(m_o_ready && !held),
        .m_data({m_o_engine, m_o_data, m_o_last}), .empty(empty)
    );
    assign m_o_valid = waits && !held;

endmodule

`default_nettype wire
