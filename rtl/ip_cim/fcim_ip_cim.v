// SPDX-License-Identifier: Apache-2.0
// fcim_ip_cim: inner-product CIM macro. Stores two tiles of Q (ping-pong), takes a key bit-serially, MSB first,
// and gives the inner products of that key with all rows of a tile.
// Latency: the column is valid CYCLES_PER_KEY + 1 cycles after its key is accepted. Throughput: a key per CYCLES_PER_KEY.
// Cuts: s_key_ready depends on m_col_ready (not registered); data paths are registered at both ends.
// Numbers: signed bytes at the ports, offset binary in the array (q' = q + 128, k' = k + 128): every lane is an unsigned sum;
//   m_col_data lane r = sum_d q'[r][d] * k'[d], m_col_ksum = sum_d k'[d]. A lane is 16 + log2(HEAD_DIM) bits wide:
//   HEAD_DIM * 255 * 255 < 2**(16 + log2(HEAD_DIM)), so no carry crosses a lane and one wide adder is ROWS adders.
`default_nettype none

module fcim_ip_cim #(
    parameter ROWS = 64,
    parameter HEAD_DIM = 128,
    parameter BITS_PER_CYCLE = 1,
    parameter USER_BITS = 1,
    // derived, not to be set
    parameter ROW_BITS = $clog2(ROWS),
    parameter LANE = 16 + $clog2(HEAD_DIM),
    parameter KSUM_BITS = 8 + $clog2(HEAD_DIM),
    parameter OPS_BITS = 4 + $clog2(HEAD_DIM)
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
    output wire [ROWS*LANE-1:0]     m_col_data,
    output wire [KSUM_BITS-1:0]     m_col_ksum,
    output wire [USER_BITS-1:0]     m_col_user,

    // activity: array switched in the last cycle, and, only then valid, how many bit-lines were active
    output wire                     active,
    output wire [OPS_BITS-1:0]      bit_ops
);

    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam COUNT_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1;
    localparam DIM_BITS = $clog2(HEAD_DIM);
    localparam [COUNT_BITS-1:0] LAST_COUNT = CYCLES_PER_KEY[COUNT_BITS-1:0] - 1'b1;
    localparam [HEAD_DIM*8-1:0] SIGN_BITS = {HEAD_DIM{8'h80}};

    // cells: word {bank, d} holds element d of every row; only the low 8 bits of a lane are storage
    reg [ROWS*LANE-1:0]   cell_q [0:2*HEAD_DIM-1];

    reg                   busy_q;
    reg [COUNT_BITS-1:0]  count_q;
    reg                   bank_q;
    reg [HEAD_DIM*8-1:0]  key_q;
    reg [USER_BITS-1:0]   user_q;
    reg [ROWS*LANE-1:0]   acc_q;
    reg [KSUM_BITS-1:0]   ksum_q;
    reg                   col_valid_q;
    reg [ROWS*LANE-1:0]   col_q;
    reg [KSUM_BITS-1:0]   col_ksum_q;
    reg [USER_BITS-1:0]   col_user_q;
    reg                   active_q;
    reg [OPS_BITS-1:0]    ops_q;

    wire last_step = busy_q && (count_q == LAST_COUNT);
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
            always @(posedge clk)
                if (q_we) begin
                    if (q_row == 0)
                        cell_q[{q_bank, w[DIM_BITS-1:0]}] <= {{(ROWS*LANE-8){1'b0}}, q_data[w*8 +: 8] ^ 8'h80};
                    else
                        cell_q[{q_bank, w[DIM_BITS-1:0]}][q_row*LANE +: LANE] <= {{(LANE-8){1'b0}}, q_data[w*8 +: 8] ^ 8'h80};
                end
        end
    endgenerate

    // ---- control
    always @(posedge clk)
        if (!rst_n) begin
            busy_q      <= 1'b0;
            col_valid_q <= 1'b0;
            active_q    <= 1'b0;
        end else begin
            busy_q      <= accept || (busy_q && !handoff);
            col_valid_q <= handoff || (col_valid_q && !m_col_ready);
            active_q    <= step;
        end

    // ---- array: one bit-plane after the other adds the selected columns of cells, then shift-accumulate
    integer d, b;
    reg [ROWS*LANE-1:0]  bit_sum, plane_sum;
    reg [OPS_BITS-1:0]   ones;
    reg [KSUM_BITS-1:0]  bit_ones, ones_sum;
    always @(posedge clk) begin
        if (step) begin
            plane_sum = {ROWS*LANE{1'b0}};
            ones_sum  = {KSUM_BITS{1'b0}};
            ones      = {OPS_BITS{1'b0}};
            for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                bit_sum  = {ROWS*LANE{1'b0}};
                bit_ones = {KSUM_BITS{1'b0}};
                for (d = 0; d < HEAD_DIM; d = d + 1)
                    if (key_q[d*8 + 7 - b]) begin
                        bit_sum  = bit_sum + cell_q[{bank_q, d[DIM_BITS-1:0]}];
                        bit_ones = bit_ones + 1'b1;
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
            count_q <= {COUNT_BITS{1'b0}};
        end
    end

endmodule

`default_nettype wire
