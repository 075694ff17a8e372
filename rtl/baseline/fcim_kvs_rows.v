// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_rows: ROWS operations of fcim_kv_stationary. Asks the buffer for one row of Q after the
// other and sends them on their way, at the pace of the slowest part behind.
//
// Latency:    An operation's first row is asked for in the cycle after it is accepted, and is there
//             a cycle later.
// Throughput: A row per STEP cycles; from an operation's last row to the next one's first at least
//             3, so that what is kept of a row is back before the row comes again.
// Cuts:       s_rows_ready depends on s_rows_wait and registers; all else comes from registers.
// Numbers:    s_rows_wait and loads_done modulo 2**16.
`default_nettype none

module fcim_kvs_rows #(
    parameter  STEP = 8,       // cycles from a row to the next: 1 or more
    parameter  MAX_ROWS = 32768,                  // rows of the buffer: a power of two
    parameter  BANK_BITS = 1,                     // index of a bank
    localparam INDEX_BITS = $clog2(MAX_ROWS),     // index of a row
    localparam COUNT_BITS = $clog2(MAX_ROWS + 1), // number of rows
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam WAIT_BITS = 16                     // completed operations, modulo
) (
    input  wire                  clk,
    input  wire                  rst_n,

    input  wire                  s_rows_valid,
    output wire                  s_rows_ready,
    input  wire [BANK_BITS-1:0]  s_rows_bank,
    input  wire [INDEX_BITS-1:0] s_rows_start,
    input  wire [COUNT_BITS-1:0] s_rows_rows,
    input  wire                  s_rows_first,
    input  wire                  s_rows_last,
    input  wire [SHIFT_BITS-1:0] s_rows_shift,
    input  wire [WAIT_BITS-1:0]  s_rows_wait,
    input  wire [WAIT_BITS-1:0]  loads_done,      // operations of the other queue
    output wire                  busy,

    // to the buffer
    output wire                  q_rd,
    output wire [INDEX_BITS-1:0] q_rd_address,

    // with what the buffer gives: a row
    output wire                  row_valid,
    output wire [INDEX_BITS-1:0] row_index,
    output wire [BANK_BITS-1:0]  row_bank,
    output wire                  row_first,
    output wire                  row_last,
    output wire                  row_end,         // the operation's last row
    output wire [SHIFT_BITS-1:0] row_shift
);

    localparam STEP_BITS = (STEP > 1) ? $clog2(STEP) : 1;
    localparam LAST_PHASE = STEP - 1;
    localparam [1:0] AGE_END = 2;                 // of a row in its third cycle

    reg                  busy_q, pads_q;
    reg [STEP_BITS-1:0]  phase_q;
    reg [1:0]            age_q;
    reg [COUNT_BITS-1:0] left_q;                  // rows that are not asked for yet
    reg [INDEX_BITS-1:0] index_q;
    reg [BANK_BITS-1:0]  bank_q;
    reg                  first_q, last_q;
    reg [SHIFT_BITS-1:0] shift_q;

    wire [WAIT_BITS-1:0] ahead  = loads_done - s_rows_wait;
    wire                 asks   = busy_q && (phase_q == 0) && (left_q != 0);
    wire                 final_row = (left_q == 1);
    wire                 no_more   = (left_q == 0) || (asks && final_row);
    wire [1:0]           age    = asks ? 2'd0 : age_q;      // of the row that was asked for last
    wire                 turn   = (phase_q == LAST_PHASE[STEP_BITS-1:0]);
    wire                 ends   = busy_q && no_more && (turn || pads_q) && (age == AGE_END);
    wire                 accept = s_rows_valid && s_rows_ready;
    assign s_rows_ready = (!busy_q || ends) && !ahead[WAIT_BITS-1];

    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q <= 1'b0;
        end else begin
            busy_q <= accept || (busy_q && !ends);
        end
    end
    always @(posedge clk) begin
        if (accept) begin
            phase_q <= {STEP_BITS{1'b0}};
            pads_q  <= 1'b0;
            left_q  <= s_rows_rows;
            index_q <= s_rows_start;
            bank_q  <= s_rows_bank;
            first_q <= s_rows_first;
            last_q  <= s_rows_last;
            shift_q <= s_rows_shift;
        end else if (busy_q) begin
            phase_q <= turn ? {STEP_BITS{1'b0}} : phase_q + 1'b1;
            age_q   <= (age == AGE_END) ? AGE_END : age + 1'b1;
            pads_q  <= pads_q || (turn && no_more);
            if (asks) begin
                left_q  <= left_q - 1'b1;
                index_q <= index_q + 1'b1;
            end
        end
    end
    assign busy         = busy_q;
    assign q_rd         = asks;
    assign q_rd_address = index_q;

    // ---- a cycle later the buffer gives the row
    reg                  row_valid_q, row_first_q, row_last_q, row_end_q;
    reg [INDEX_BITS-1:0] row_index_q;
    reg [BANK_BITS-1:0]  row_bank_q;
    reg [SHIFT_BITS-1:0] row_shift_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            row_valid_q <= 1'b0;
        end else begin
            row_valid_q <= asks;
        end
    end
    always @(posedge clk) begin
        if (asks) begin
            row_index_q <= index_q;
            row_bank_q  <= bank_q;
            row_first_q <= first_q;
            row_last_q  <= last_q;
            row_end_q   <= final_row;
            row_shift_q <= shift_q;
        end
    end
    assign row_valid = row_valid_q;
    assign row_index = row_index_q;
    assign row_bank  = row_bank_q;
    assign row_first = row_first_q;
    assign row_last  = row_last_q;
    assign row_end   = row_end_q;
    assign row_shift = row_shift_q;

endmodule

`default_nettype wire
