// SPDX-License-Identifier: Apache-2.0
// fcim_ip_cim: inner-product CIM macro. Stores BANKS tiles of Q, of which one is
// written while another works, takes a key bit-serially, MSB first, and gives the inner products
// of that key with all rows of a tile.
//
// Latency:    A column is valid CYCLES_PER_KEY + 1 cycles after its key is accepted.
// Throughput: A key per CYCLES_PER_KEY cycles.
// Cuts:       s_key_ready depends on m_col_ready (not registered); data paths are registered at
//             both ends.
// Numbers:    As in fcim_ip_array: lane r of m_col_data is sum_d q'[r][d] * k'[d], m_col_ksum is
//             sum_d k'[d], unsigned, with q' = q + 128 and k' = k + 128.
`default_nettype none

module fcim_ip_cim #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  BANKS = 2,                         // tiles that are held: 2, 4 or 8
    parameter  USER_BITS = 1,                     // what travels beside a key: 1 bit or more
    localparam BANK_BITS = $clog2(BANKS),         // index of a bank
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1)  // active bit-lines, 8 per element at most
) (
    input  wire                     clk,
    input  wire                     rst_n,

    // write port of the cells: one row per cycle; row 0 clears the other rows of its bank
    input  wire                     q_we,
    input  wire [BANK_BITS-1:0]     q_bank,
    input  wire [ROW_BITS-1:0]      q_row,
    input  wire [HEAD_DIM*8-1:0]    q_data,

    // keys
    input  wire                     s_key_valid,
    output wire                     s_key_ready,
    input  wire [BANK_BITS-1:0]     s_key_bank,
    input  wire [HEAD_DIM*8-1:0]    s_key_data,
    input  wire [USER_BITS-1:0]     s_key_user,

    // columns of inner products
    output wire                     m_col_valid,
    input  wire                     m_col_ready,
    output wire [ROWS*IP_LANE-1:0]  m_col_data,
    output wire [ELEM_SUM_BITS-1:0] m_col_ksum,
    output wire [USER_BITS-1:0]     m_col_user,

    // activity: the array switched in the last cycle, and, only then valid, its active bit-lines
    output wire                     active,
    output wire [OPS_BITS-1:0]      bit_ops
);

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (BANKS != 2 && BANKS != 4 && BANKS != 8) begin : g_check_banks
            fcim_illegal_BANKS_use_2_4_or_8 illegal_banks();
        end
    endgenerate

    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1;
    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;

    reg                 busy_q;
    reg [PASS_BITS-1:0] count_q;
    reg [USER_BITS-1:0] user_q;
    reg                 col_valid_q;
    reg [USER_BITS-1:0] col_user_q;
    reg                 active_q;

    wire last_step = busy_q && (count_q == LAST_PASS);
    wire col_free  = !col_valid_q || m_col_ready;
    wire step      = busy_q && (!last_step || col_free);
    wire handoff   = last_step && col_free;
    wire accept    = s_key_valid && s_key_ready;

    assign s_key_ready = !busy_q || handoff;
    assign m_col_valid = col_valid_q;
    assign m_col_user  = col_user_q;
    assign active      = active_q;

    // ---- control
    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q      <= 1'b0;
            col_valid_q <= 1'b0;
            active_q    <= 1'b0;
        end else begin
            busy_q      <= accept || (busy_q && !handoff);
            col_valid_q <= handoff || (col_valid_q && !m_col_ready);
            active_q    <= step;
        end
    end

    always @(posedge clk) begin
        if (handoff) begin
            col_user_q <= user_q;
        end
        if (accept) begin
            user_q  <= s_key_user;
            count_q <= {PASS_BITS{1'b0}};
        end else if (step) begin
            count_q <= count_q + 1'b1;
        end
    end

    // ---- cells and adders
    fcim_ip_array #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .BANKS(BANKS)
    ) u_array (
        .clk(clk),
        .q_we(q_we), .q_bank(q_bank), .q_row(q_row), .q_data(q_data),
        .load(accept), .load_bank(s_key_bank), .load_data(s_key_data),
        .step(step), .first(count_q == 0), .last(last_step),
        .col(m_col_data), .ksum(m_col_ksum), .bit_ops(bit_ops)
    );

endmodule

`default_nettype wire
