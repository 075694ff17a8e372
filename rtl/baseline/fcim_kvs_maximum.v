// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_maximum: a row's largest score over all pairs and passes joins its running maximum,
// which the buffer keeps between operations.
//
// Latency:    The buffer is asked for the old maximum 1 cycle before a row's last pass is compared;
//             the new one, and by how much it rose, are there 2 cycles after that.
// Throughput: A row per PASSES cycles, at least 3 between two visits of one row.
// Cuts:       m_rd depends on the row; all other outputs come from registers, m_rd_data
//             reaches one.
// Numbers:    Maxima are signed integers; a row that has seen no key has the lowest. The amount of
//             a rescale is clamped to 6 bits.
`default_nettype none

module fcim_kvs_maximum #(
    parameter  MACROS = 8,     // pairs of macros: 1, 2, 4, 8 or 16
    parameter  INDEX_BITS = 15,                   // index of a row
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam SHIFT_BITS = 6                     // shift amount, unsigned
) (
    input  wire                           clk,
    input  wire                           rst_n,

    // the largest of each pair, pass by pass
    input  wire                           top_valid,
    input  wire                           top_first,
    input  wire [MACROS*ROW_MAX_BITS-1:0] tops,

    // the row, in the cycle after its last pass
    input  wire                           row_valid,
    input  wire [INDEX_BITS-1:0]          row_index,
    input  wire                           row_first,
    input  wire                           row_last,

    // to the buffer
    output wire                           m_rd,
    output wire [INDEX_BITS-1:0]          m_rd_address,
    input  wire [ROW_MAX_BITS-1:0]        m_rd_data,
    output wire                           m_wr,
    output wire [INDEX_BITS-1:0]          m_wr_address,
    output wire [ROW_MAX_BITS-1:0]        m_wr_data,

    // two cycles after the row
    output wire                           max_valid,
    output wire [ROW_MAX_BITS-1:0]        row_max,
    output wire [SHIFT_BITS-1:0]          shift,

    output wire                           ev_rescaled
);

    localparam RISE_BITS = ROW_MAX_BITS + 1;
    localparam [ROW_MAX_BITS-1:0] LOWEST = {1'b1, {(ROW_MAX_BITS-1){1'b0}}};

    // ---- over pairs and passes
    reg [ROW_MAX_BITS-1:0] top_q;
    always @(posedge clk) begin : largest
        reg [(2*MACROS-1)*ROW_MAX_BITS-1:0] found;  // the pairs', then the larger of each two
        reg signed [ROW_MAX_BITS-1:0]       one, other;
        integer                             m;
        found = {(2*MACROS-1)*ROW_MAX_BITS{1'b0}};
        found[MACROS*ROW_MAX_BITS-1:0] = tops;
        for (m = 0; m < MACROS - 1; m = m + 1) begin
            one   = found[2*m*ROW_MAX_BITS +: ROW_MAX_BITS];
            other = found[(2*m + 1)*ROW_MAX_BITS +: ROW_MAX_BITS];
            found[(MACROS + m)*ROW_MAX_BITS +: ROW_MAX_BITS] = (one > other) ? one : other;
        end
        one   = found[(2*MACROS-2)*ROW_MAX_BITS +: ROW_MAX_BITS];
        other = top_q;
        if (top_valid) begin
            top_q <= (top_first || one > other) ? one : other;
        end
    end

    // ---- the old maximum comes a cycle after the row
    assign m_rd         = row_valid && !row_first;
    assign m_rd_address = row_index;

    reg                    old_valid_q, old_first_q, old_last_q;
    reg [INDEX_BITS-1:0]   old_index_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            old_valid_q <= 1'b0;
        end else begin
            old_valid_q <= row_valid;
        end
    end
    always @(posedge clk) begin
        if (row_valid) begin
            old_index_q <= row_index;
            old_first_q <= row_first;
            old_last_q  <= row_last;
        end
    end

    reg                    new_valid_q, m_wr_q, rescaled_q;
    reg [INDEX_BITS-1:0]   new_index_q;
    reg [ROW_MAX_BITS-1:0] new_max_q;
    reg [SHIFT_BITS-1:0]   shift_q;
    reg [ROW_MAX_BITS-1:0] next_max;
    reg [SHIFT_BITS-1:0]   amount;
    always @* begin : decide
        reg signed [ROW_MAX_BITS-1:0] old, top;
        reg        [RISE_BITS-1:0]    rise;
        old      = old_first_q ? LOWEST : m_rd_data;
        top      = top_q;
        rise     = {top[ROW_MAX_BITS-1], top} - {old[ROW_MAX_BITS-1], old};
        next_max = rise[RISE_BITS-1] ? old : top;
        amount   = rise[RISE_BITS-1]               ? {SHIFT_BITS{1'b0}} :
                   (|rise[RISE_BITS-1:SHIFT_BITS]) ? {SHIFT_BITS{1'b1}} : rise[SHIFT_BITS-1:0];
    end
    always @(posedge clk) begin
        if (!rst_n) begin
            new_valid_q <= 1'b0;
            m_wr_q      <= 1'b0;
            rescaled_q  <= 1'b0;
        end else begin
            new_valid_q <= old_valid_q;
            m_wr_q      <= old_valid_q && !old_last_q;
            rescaled_q  <= old_valid_q && !old_first_q && amount != 0;
        end
    end
    always @(posedge clk) begin
        if (old_valid_q) begin
            new_index_q <= old_index_q;
            new_max_q   <= next_max;
            shift_q     <= amount;
        end
    end
    assign m_wr         = m_wr_q;
    assign m_wr_address = new_index_q;
    assign m_wr_data    = new_max_q;
    assign max_valid    = new_valid_q;
    assign row_max      = new_max_q;
    assign shift        = shift_q;
    assign ev_rescaled  = rescaled_q;

endmodule

`default_nettype wire
