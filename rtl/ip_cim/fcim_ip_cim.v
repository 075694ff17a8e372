// SPDX-License-Identifier: Apache-2.0
// fcim_ip_cim: inner-product CIM macro. Stores two tiles of Q (ping-pong), takes a key
// bit-serially, MSB first, and gives the inner products of that key with all rows of a tile.
//
// Latency:    A column is valid CYCLES_PER_KEY + 1 cycles after its key is accepted.
// Throughput: A key per CYCLES_PER_KEY cycles.
// Cuts:       s_key_ready depends on m_col_ready (not registered); data paths are registered at
//             both ends.
// Numbers:    Signed bytes at the ports, offset binary in the array (q' = q + 128, k' = k + 128),
//             so that every lane is an unsigned sum: lane r of m_col_data is sum_d q'[r][d] *
//             k'[d], m_col_ksum is sum_d k'[d]. HEAD_DIM * 255 * 255 < 2**IP_LANE, so no carry
//             crosses a lane and one wide adder is ROWS adders.
`default_nettype none

module fcim_ip_cim #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  USER_BITS = 1,                     // what travels beside a key: 1 bit or more
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1)  // active bit-lines, 8 per element at most
) (
    input  wire                     clk,
    input  wire                     rst_n,

    // write port of the cells: one row per cycle; row 0 clears the other rows of its bank
    input  wire                     q_we,
    input  wire                     q_bank,
    input  wire [ROW_BITS-1:0]      q_row,
    input  wire [HEAD_DIM*8-1:0]    q_data,

    // keys
    input  wire                     s_key_valid,
    output wire                     s_key_ready,
    input  wire                     s_key_bank,
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

    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1;
    localparam DIM_BITS = $clog2(HEAD_DIM);
    localparam [PASS_BITS-1:0]  LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [7:0]            SIGN_BIT  = 8'h80;                // + 128, modulo 256
    localparam [HEAD_DIM*8-1:0] SIGN_BITS = {HEAD_DIM{SIGN_BIT}};

    // cells: word {bank, d} holds element d of every row; only the low 8 bits of a lane are storage
    reg [ROWS*IP_LANE-1:0]   cell_q [0:2*HEAD_DIM-1];

    reg                     busy_q;
    reg [PASS_BITS-1:0]     count_q;
    reg                     bank_q;
    reg [HEAD_DIM*8-1:0]    key_q;
    reg [USER_BITS-1:0]     user_q;
    reg [ROWS*IP_LANE-1:0]  acc_q;
    reg [ELEM_SUM_BITS-1:0] ksum_q;
    reg                     col_valid_q;
    reg [ROWS*IP_LANE-1:0]  col_q;
    reg [ELEM_SUM_BITS-1:0] col_ksum_q;
    reg [USER_BITS-1:0]     col_user_q;
    reg                     active_q;
    reg [OPS_BITS-1:0]      ops_q;

    wire last_step = busy_q && (count_q == LAST_PASS);
    wire col_free  = !col_valid_q || m_col_ready;
    wire step      = busy_q && (!last_step || col_free);
    wire handoff   = last_step && col_free;
    wire accept    = s_key_valid && s_key_ready;

    assign s_key_ready = !busy_q || handoff;
    assign m_col_valid = col_valid_q;
    assign m_col_data  = col_q;
    assign m_col_ksum  = col_ksum_q;
    assign m_col_user  = col_user_q;
    assign active      = active_q;
    assign bit_ops     = ops_q;

    // ---- cells: row write
    genvar w;
    generate
        for (w = 0; w < HEAD_DIM; w = w + 1) begin : g_write
            always @(posedge clk) begin
                if (q_we) begin
                    if (q_row == 0) begin
                        cell_q[{q_bank, w[DIM_BITS-1:0]}] <=
                            {{(ROWS*IP_LANE-8){1'b0}}, q_data[w*8 +: 8] ^ SIGN_BIT};
                    end else begin
                        cell_q[{q_bank, w[DIM_BITS-1:0]}][q_row*IP_LANE +: IP_LANE] <=
                            {{(IP_LANE-8){1'b0}}, q_data[w*8 +: 8] ^ SIGN_BIT};
                    end
                end
            end
        end
    endgenerate

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

    // ---- array: one bit-plane after the other adds the selected columns of cells, then
    // shift-accumulate
    always @(posedge clk) begin : array
        reg [ROWS*IP_LANE-1:0]  bit_sum, plane_sum;
        reg [OPS_BITS-1:0]      ones;
        reg [ELEM_SUM_BITS-1:0] bit_ones, ones_sum;
        integer                 d, b;
        if (step) begin
            plane_sum = {ROWS*IP_LANE{1'b0}};
            ones_sum  = {ELEM_SUM_BITS{1'b0}};
            ones      = {OPS_BITS{1'b0}};
            for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                bit_sum  = {ROWS*IP_LANE{1'b0}};
                bit_ones = {ELEM_SUM_BITS{1'b0}};
                for (d = 0; d < HEAD_DIM; d = d + 1) begin
                    if (key_q[d*8 + 7 - b]) begin
                        bit_sum  = bit_sum + cell_q[{bank_q, d[DIM_BITS-1:0]}];
                        bit_ones = bit_ones + 1'b1;
                    end
                end
                plane_sum = (plane_sum << 1) + bit_sum;
                ones_sum  = (ones_sum << 1) + bit_ones;
                ones      = ones + bit_ones[OPS_BITS-1:0];
            end
            if (count_q != 0) begin
                plane_sum = plane_sum + (acc_q << BITS_PER_CYCLE);
                ones_sum  = ones_sum + (ksum_q << BITS_PER_CYCLE);
            end
            acc_q  <= plane_sum;
            ksum_q <= ones_sum;
            ops_q  <= ones;
            if (last_step) begin
                col_q      <= plane_sum;
                col_ksum_q <= ones_sum;
                col_user_q <= user_q;
            end
            key_q   <= key_q << BITS_PER_CYCLE;
            count_q <= count_q + 1'b1;
        end
        if (accept) begin
            key_q   <= s_key_data ^ SIGN_BITS;
            user_q  <= s_key_user;
            bank_q  <= s_key_bank;
            count_q <= {PASS_BITS{1'b0}};
        end
    end

endmodule

`default_nettype wire
