// SPDX-License-Identifier: Apache-2.0
// fcim_key_feed: keys wait in front of an engine. Rows come from the bus in whole blocks, one per
// cycle; the engine takes one per CYCLES_PER_KEY cycles.
//
// Latency:    A row is offered to the engine 2 cycles after it came.
// Throughput: A row in and a row out per cycle.
// Cuts:       room comes from registers; m_k is a memory's register.
// Numbers:    Passed through. Rows may come only for blocks that were promised, and blocks may be
//             promised only with room: for their rows here, and for what becomes of them after the
//             engine, where up to AHEAD blocks wait until values have passed them.
`default_nettype none

module fcim_key_feed #(
    parameter  WIDTH = 1062,          // bits of a row with what travels beside it: 1 or more
    parameter  KEYS_PER_BLOCK = 16,   // 8, 16, 32 or 64
    parameter  ROOM = 3,              // blocks that wait: 2 or more
    parameter  AHEAD = 16,            // blocks between keys and values: more than ROOM
    localparam ROWS = ROOM * KEYS_PER_BLOCK,  // rows that wait
    localparam COUNT_BITS = $clog2(ROWS + 1),  // number of rows
    localparam AHEAD_BITS = $clog2(AHEAD + 1)  // number of blocks
) (
    input  wire             clk,
    input  wire             rst_n,

    output wire             room,      // for a block that is not promised yet
    input  wire             promise,   // a block will come
    input  wire             passed,    // values have passed one

    input  wire             row_valid,
    input  wire [WIDTH-1:0] row_data,

    output wire             m_k_valid,
    input  wire             m_k_ready,
    output wire [WIDTH-1:0] m_k_data
);

    localparam [COUNT_BITS-1:0] BLOCK = KEYS_PER_BLOCK[COUNT_BITS-1:0];
    localparam [COUNT_BITS-1:0] ALL = ROWS[COUNT_BITS-1:0];

    reg [COUNT_BITS-1:0] promised_q;     // rows inside or on their way
    reg [AHEAD_BITS-1:0] ahead_q;        // blocks that values have not passed
    wire                 leaves = m_k_valid && m_k_ready;
    always @(posedge clk) begin
        if (!rst_n) begin
            promised_q <= {COUNT_BITS{1'b0}};
            ahead_q    <= {AHEAD_BITS{1'b0}};
        end else begin
            ahead_q    <= ahead_q + {{(AHEAD_BITS-1){1'b0}}, promise}
                                  - {{(AHEAD_BITS-1){1'b0}}, passed};
            promised_q <= promised_q + (promise ? BLOCK : {COUNT_BITS{1'b0}})
                                     - {{(COUNT_BITS-1){1'b0}}, leaves};
        end
    end
    assign room = (promised_q <= ALL - BLOCK) && (ahead_q != AHEAD[AHEAD_BITS-1:0]);

    fcim_fifo #(.WORDS(ROWS), .WIDTH(WIDTH)) u_rows (
        .clk(clk), .rst_n(rst_n),
        .s_valid(row_valid), .s_ready(), .s_data(row_data),
        .m_valid(m_k_valid), .m_ready(m_k_ready), .m_data(m_k_data), .empty()
    );

endmodule

`default_nettype wire
