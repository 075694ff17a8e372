// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_feed: rows of the operations QK and PV, one after the other, as inputs of macros: a
// row of Q for all of them, or a row of P, of which each group of COVER macros gets its keys.
//
// Latency:    P_WORDS + 2 cycles from a row's slot to its input.
// Throughput: A row of Q per QK_SLOT cycles, of P per PV_SLOT cycles; operations without a gap.
// Cuts:       The last word of P, and Q, reach the macros as they come from the buffer.
// Numbers:    P unsigned, given as p - 128, for which a macro has p in its offset binary. A macro
//             none of whose keys the row sees is not driven; keys that it does not see have p 0.
`default_nettype none

module fcim_unfused_feed #(
    parameter  MACROS = 8,          // 1, 2, 4, 8, 16 or 32
    parameter  ROWS = 64,           // rows of cells of a macro
    parameter  HEAD_DIM = 128,      // cells of a row
    parameter  COVER = 2,           // macros that share a row of P
    parameter  P_WORD = 256,        // bytes of a word of P
    parameter  P_WORDS = 2,         // words of P of a row
    parameter  QK_SLOT = 8,         // cycles of a row of Q
    parameter  PV_SLOT = 8,         // cycles of a row of P
    parameter  BANK_BITS = 1,       // index of a bank
    localparam ROW_BITS = 16,       // number of a row
    localparam KEY_BITS = 17,       // position or number of keys
    localparam MULT_BITS = 16,      // multiplier, unsigned
    localparam SHIFT_BITS = 6,      // shift amount, unsigned
    localparam PART_BITS = 4,       // part of a row of O
    localparam SUM_BITS = 24,       // denominator
    localparam MORE_BITS = SHIFT_BITS + PART_BITS + BANK_BITS + 4,  // beside a row, but for these
    localparam INFO_BITS = ROW_BITS + 2*KEY_BITS + MORE_BITS  // beside a row
) (
    input  wire                       clk,
    input  wire                       rst_n,

    input  wire                       start,
    output wire                       ready,
    input  wire                       op_values,    // PV, not QK
    input  wire [BANK_BITS-1:0]       op_bank,
    input  wire [ROW_BITS-1:0]        op_row,
    input  wire [ROW_BITS-1:0]        op_rows,
    input  wire [KEY_BITS-1:0]        op_base,
    input  wire [KEY_BITS-1:0]        op_keys,
    input  wire [SHIFT_BITS-1:0]      op_shift,
    input  wire [PART_BITS-1:0]       op_part,
    input  wire                       op_first,
    input  wire                       op_last,
    output wire                       slot_used,    // a row has this cycle

    // position and denominator of a row of PV, data one cycle later
    output wire                       row_rd,
    output wire [ROW_BITS-1:0]        row_rd_row,
    input  wire [KEY_BITS-1:0]        row_pos,
    input  wire [SUM_BITS-1:0]        row_sum,

    // the buffer, data one cycle later
    output wire                       q_rd,
    output wire [ROW_BITS-1:0]        q_row,
    input  wire [HEAD_DIM*8-1:0]      q_data,
    input  wire [KEY_BITS-1:0]        q_pos,
    input  wire [MULT_BITS-1:0]       q_mult,
    output wire                       p_rd,
    output wire [ROW_BITS-1:0]        p_rd_row,
    output wire [KEY_BITS-1:0]        p_rd_key,
    input  wire [P_WORD*8-1:0]        p_rd_data,

    // inputs
    output wire                       m_valid,
    output wire [MACROS-1:0]          m_drive,
    output wire [BANK_BITS-1:0]       m_bank,
    output wire [MACROS*HEAD_DIM*8-1:0] m_data,
    // {row, base, keys that it sees, shift, part, first, last, end of its operation, bank, values}
    output wire [INFO_BITS-1:0]       m_info,
    output wire [KEY_BITS-1:0]        m_pos,
    output wire [MULT_BITS-1:0]       m_mult,
    output wire [SUM_BITS-1:0]        m_sum
);

    localparam GROUPS = MACROS / COVER;
    localparam LEAD = P_WORDS + 2;
    localparam SLOTS = (QK_SLOT > PV_SLOT) ? QK_SLOT : PV_SLOT;
    localparam COUNT_BITS = (SLOTS > 1) ? $clog2(SLOTS) : 1;
    localparam WORD_BITS = (P_WORDS > 1) ? $clog2(P_WORDS) : 1;
    localparam LAST_WORD = P_WORDS - 1;
    localparam QK_LAST = QK_SLOT - 1;
    localparam PV_LAST = PV_SLOT - 1;

    // ---- slots of the operation's rows
    reg                  active_q, values_q, first_q, last_q;
    reg [BANK_BITS-1:0]  bank_q;
    reg [ROW_BITS-1:0]   row_q, left_q;
    reg [KEY_BITS-1:0]   base_q, keys_q;
    reg [SHIFT_BITS-1:0] shift_q;
    reg [PART_BITS-1:0]  part_q;
    reg [COUNT_BITS-1:0] slot_q;
    wire [COUNT_BITS-1:0] slot_last = values_q ? PV_LAST[COUNT_BITS-1:0]
                                               : QK_LAST[COUNT_BITS-1:0];
    wire slot_end = slot_q == slot_last;
    wire row_end  = left_q == {{(ROW_BITS-1){1'b0}}, 1'b1};
    wire begins   = active_q && slot_q == {COUNT_BITS{1'b0}};
    assign ready     = !active_q || (slot_end && row_end);
    assign slot_used = active_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            active_q <= 1'b0;
        end else begin
            active_q <= start || !ready;
        end
    end
    always @(posedge clk) begin
        if (start) begin
            values_q <= op_values;
            bank_q   <= op_bank;
            row_q    <= op_row;
            left_q   <= op_rows;
            base_q   <= op_base;
            keys_q   <= op_keys;
            shift_q  <= op_shift;
            part_q   <= op_part;
            first_q  <= op_first;
            last_q   <= op_last;
            slot_q   <= {COUNT_BITS{1'b0}};
        end else if (active_q) begin
            slot_q <= slot_end ? {COUNT_BITS{1'b0}} : slot_q + 1'b1;
            if (slot_end) begin
                row_q  <= row_q + 1'b1;
                left_q <= left_q - 1'b1;
            end
        end
    end
    assign row_rd     = begins && values_q;
    assign row_rd_row = row_q;

    // ---- what is under way: go_q[n] is high n + 1 cycles after a row's slot began. Three
    // registers of what the row is, each held for a slot, reach from its first read to its input
    reg  [LEAD-1:0]     go_q;
    reg  [ROW_BITS-1:0] row1_q, row2_q, row3_q;
    reg  [KEY_BITS-1:0] base1_q, base2_q, base3_q, keys1_q, keys2_q, keys3_q, limit2_q, limit3_q;
    reg  [MORE_BITS-1:0] more1_q, more2_q, more3_q;
    reg  [SUM_BITS-1:0] sum2_q, sum3_q;
    wire [KEY_BITS-1:0] pv_limit, qk_limit;
    always @(posedge clk) begin
        if (!rst_n) begin
            go_q <= {LEAD{1'b0}};
        end else begin
            go_q <= {go_q[LEAD-2:0], begins};
        end
    end
    always @(posedge clk) begin
        if (begins) begin
            row1_q  <= row_q;
            base1_q <= base_q;
            keys1_q <= keys_q;
            more1_q <= {shift_q, part_q, first_q, last_q, row_end, bank_q, values_q};
        end
        if (go_q[0]) begin
            row2_q   <= row1_q;
            base2_q  <= base1_q;
            keys2_q  <= keys1_q;
            more2_q  <= more1_q;
            limit2_q <= pv_limit;
            sum2_q   <= row_sum;
        end
        if (go_q[1]) begin
            row3_q   <= row2_q;
            base3_q  <= base2_q;
            keys3_q  <= keys2_q;
            more3_q  <= more2_q;
            limit3_q <= limit2_q;
            sum3_q   <= sum2_q;
        end
    end
    fcim_unfused_limit u_pv_limit (
        .pos(row_pos), .base(base1_q), .keys(keys1_q), .limit(pv_limit)
    );
    fcim_unfused_limit u_qk_limit (
        .pos(q_pos), .base(base3_q), .keys(keys3_q), .limit(qk_limit)
    );
    wire                values3 = more3_q[0];
    wire                valid   = go_q[LEAD-1];
    wire [KEY_BITS-1:0] limit   = values3 ? limit3_q : qk_limit;
    assign q_rd  = go_q[LEAD-2] && !more2_q[0];
    assign q_row = row2_q;

    // ---- words of P that hold a key that the row sees, from the cycle of go_q[1] on
    reg                  words_q;
    reg [WORD_BITS-1:0]  word_q;
    wire [WORD_BITS-1:0] word     = go_q[1] ? {WORD_BITS{1'b0}} : word_q;
    wire                 reading  = (go_q[1] || words_q) && more2_q[0];
    wire [KEY_BITS-1:0]  word_key = {{(KEY_BITS-WORD_BITS){1'b0}}, word} * P_WORD[KEY_BITS-1:0];
    assign p_rd     = reading && word_key < limit2_q;
    assign p_rd_row = row2_q;
    assign p_rd_key = base2_q + word_key;
    always @(posedge clk) begin
        if (!rst_n) begin
            words_q <= 1'b0;
        end else begin
            words_q <= (go_q[1] || words_q) && word != LAST_WORD[WORD_BITS-1:0];
        end
    end

    // ---- they come together: keys that the row does not see have none
    reg                 came_q;
    reg [WORD_BITS-1:0] came_word_q;
    wire [KEY_BITS-1:0] came_key = {{(KEY_BITS-WORD_BITS){1'b0}}, came_word_q}
                                 * P_WORD[KEY_BITS-1:0];
    reg  [P_WORD*8-1:0] seen;
    always @(posedge clk) begin
        word_q      <= word + 1'b1;
        came_word_q <= word;
        came_q      <= reading;
    end
    always @* begin : hide
        integer b;
        for (b = 0; b < P_WORD; b = b + 1) begin
            seen[b*8 +: 8] = p_rd_data[b*8 +: 8]
                & {8{came_key + b[KEY_BITS-1:0] < limit3_q}};
        end
    end
    wire [GROUPS*HEAD_DIM*8-1:0] p_row;
    genvar w, m;
    generate
        for (w = 0; w < P_WORDS; w = w + 1) begin : g_word
            if (w == P_WORDS - 1) begin : g_last
                assign p_row[w*P_WORD*8 +: P_WORD*8] = seen;
            end else begin : g_held
                reg [P_WORD*8-1:0] held_q;
                always @(posedge clk) begin
                    if (came_q && came_word_q == w[WORD_BITS-1:0]) begin
                        held_q <= seen;
                    end
                end
                assign p_row[w*P_WORD*8 +: P_WORD*8] = held_q;
            end
        end
        for (m = 0; m < MACROS; m = m + 1) begin : g_input
            localparam QK_FIRST = m * ROWS;
            localparam PV_FIRST = (m / COVER) * HEAD_DIM;
            assign m_drive[m] = valid && limit > (values3 ? PV_FIRST[KEY_BITS-1:0]
                                                          : QK_FIRST[KEY_BITS-1:0]);
            assign m_data[m*HEAD_DIM*8 +: HEAD_DIM*8] = values3
                ? p_row[(m/COVER)*HEAD_DIM*8 +: HEAD_DIM*8] ^ {HEAD_DIM{8'h80}} : q_data;
        end
    endgenerate
    assign m_valid = valid;
    assign m_bank  = more3_q[1 +: BANK_BITS];
    assign m_info  = {row3_q, base3_q, limit, more3_q};
    assign m_pos   = q_pos;
    assign m_mult  = q_mult;
    assign m_sum   = sum3_q;

endmodule

`default_nettype wire
