// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_scores: words of a row of inner products become words of S, 16 bits a score, and the
// row's running maximum.
//
// Latency:    4 cycles from a word to S, 5 from a row's last word to its maximum.
// Throughput: A word of LANES scores per cycle.
// Cuts:       Everything is registered but the maximum's last comparison.
// Numbers:    A score as in fcim_score_lanes; in S it is round(z / 4), halves up, saturated to
//             16 bits, 8 of them a fraction; the most negative code is masked. Maximum: its
//             integer part, -128 before any. A word without a key that the row sees is not written.
`default_nettype none

module fcim_unfused_scores #(
    parameter  MACROS = 8,          // 1, 2, 4, 8, 16 or 32
    parameter  ROWS = 64,           // rows of cells of a macro
    parameter  HEAD_DIM = 128,      // cells of a row
    parameter  LANES = 64,          // scores of a word: MACROS * ROWS or a part of it
    parameter  WORD_BITS = 3,       // index of a word or of a chunk
    parameter  BANK_BITS = 1,       // index of a bank
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),             // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),        // sum of HEAD_DIM bytes
    localparam ROW_ID_BITS = 16,    // number of a row
    localparam KEY_BITS = 17,       // position or number of keys
    localparam SHIFT_BITS = 6,      // shift amount, unsigned
    localparam MULT_BITS = 16,      // multiplier, unsigned
    localparam ENTRY_BITS = MULT_BITS + ELEM_SUM_BITS,  // what is kept of a key beside its cells
    localparam S_BITS = 16,         // score in S, signed
    localparam MAX_BITS = 8,        // running maximum, signed
    localparam ROW_BITS = $clog2(ROWS),  // index of a row of cells
    localparam MACRO_BITS = (MACROS > 1) ? $clog2(MACROS) : 1,  // index of a macro
    localparam COUNT_BITS = $clog2(LANES + 1)               // lanes
) (
    input  wire                       clk,
    input  wire                       rst_n,

    // entries of rows of cells
    input  wire                       entry_we,
    input  wire [BANK_BITS-1:0]       entry_bank,
    input  wire [MACRO_BITS-1:0]      entry_macro,
    input  wire [ROW_BITS-1:0]        entry_row,
    input  wire [ENTRY_BITS-1:0]      entry,

    // words: the columns of all macros stay while their words are taken
    input  wire                       s_valid,
    input  wire [WORD_BITS-1:0]       s_word,
    input  wire                       s_last,       // of the row
    input  wire                       s_end,        // with it: of the operation
    input  wire                       s_first,      // the row's maximum begins with it
    input  wire [BANK_BITS-1:0]       s_bank,
    input  wire [ROW_ID_BITS-1:0]     s_row,
    input  wire [KEY_BITS-1:0]        s_base,
    input  wire [KEY_BITS-1:0]        s_limit,      // keys of the span that the row sees
    input  wire [KEY_BITS-1:0]        s_pos,
    input  wire [MULT_BITS-1:0]       s_mult,
    input  wire [SHIFT_BITS-1:0]      s_shift,
    input  wire [MACROS*ROWS*IP_LANE-1:0] s_col,
    input  wire [ELEM_SUM_BITS-1:0]   s_ksum,

    // S
    output wire                       s_we,
    output wire [ROW_ID_BITS-1:0]     s_wr_row,
    output wire [KEY_BITS-1:0]        s_wr_key,
    output wire [LANES*S_BITS-1:0]    s_wr_data,

    // maxima of rows, data one cycle later
    output wire                       max_rd,
    output wire [ROW_ID_BITS-1:0]     max_rd_row,
    input  wire [MAX_BITS-1:0]        max_rd_data,
    output wire                       max_we,
    output wire [ROW_ID_BITS-1:0]     max_row,
    output wire [MAX_BITS-1:0]        max_data,
    output wire [KEY_BITS-1:0]        max_pos,
    output wire                       done,

    // events of a word: scores that the row sees, those of them that were clamped
    output wire [COUNT_BITS-1:0]      scores,
    output wire [COUNT_BITS-1:0]      saturated
);

    localparam WORDS = MACROS * ROWS / LANES;
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1;
    localparam TABLE_BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam BANK_WORDS = WORDS << BANK_BITS;     // of all banks
    localparam ADDRESS_BITS = $clog2(BANK_WORDS);
    localparam LEVELS = $clog2(LANES);
    localparam Z_BITS = 20;
    localparam POS_BITS = 7;                        // positions are compared here
    localparam LANE_ENTRY = POS_BITS + ENTRY_BITS;  // as fcim_score_lanes takes it
    localparam [MAX_BITS-1:0] LOWEST = {1'b1, {(MAX_BITS-1){1'b0}}};
    localparam [S_BITS-1:0]   MASKED = {1'b1, {(S_BITS-1){1'b0}}};
    localparam [S_BITS-1:0]   LIMIT  = {1'b0, {(S_BITS-1){1'b1}}};

    // ---- entries by lane: the words of all banks
    wire [MACRO_BITS+ROW_BITS-1:0] place = {entry_macro, entry_row};
    wire [TABLE_BITS+BANK_BITS-1:0] entry_address, read_address;
    wire [LANES*ENTRY_BITS-1:0] entries;
    wire [LANES*LANE_ENTRY-1:0] lane_entries;
    wire [LANES-1:0]            used;
    wire [KEY_BITS-1:0]         word_key = {{(KEY_BITS-WORD_BITS){1'b0}}, s_word}
                                         * LANES[KEY_BITS-1:0];
    genvar l;
    generate
        if (WORDS > 1) begin : g_words
            assign entry_address = {entry_bank, place[LEVELS +: TABLE_BITS]};
            assign read_address  = {s_bank, s_word[TABLE_BITS-1:0]};
        end else begin : g_word
            assign entry_address = {1'b0, entry_bank};
            assign read_address  = {1'b0, s_bank};
        end
        for (l = 0; l < LANES; l = l + 1) begin : g_lane
            fcim_register_file #(.WORDS(BANK_WORDS), .WIDTH(ENTRY_BITS)) u_entries (
                .clk(clk),
                .we(entry_we && (LANES == 1 || place[LANE_BITS-1:0] == l[LANE_BITS-1:0])),
                .wr_address(entry_address[ADDRESS_BITS-1:0]), .wr_data(entry),
                .rd_address(read_address[ADDRESS_BITS-1:0]),
                .rd_data(entries[l*ENTRY_BITS +: ENTRY_BITS])
            );
            assign lane_entries[l*LANE_ENTRY +: LANE_ENTRY] =
                {{POS_BITS{1'b0}}, entries[l*ENTRY_BITS +: ENTRY_BITS]};
            assign used[l] = s_valid && word_key + l[KEY_BITS-1:0] < s_limit;
        end
    endgenerate

    // ---- scores
    wire [LANES*IP_LANE-1:0] u = s_col[s_word*(LANES*IP_LANE) +: LANES*IP_LANE];
    wire [LANES*Z_BITS-1:0]  z;
    wire [LANES-1:0]         clamped_z;
    fcim_score_lanes #(.LANES(LANES), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS)) u_lanes (
        .clk(clk), .u(u), .ksum(s_ksum), .k_pos({POS_BITS{1'b0}}), .k_mult(s_mult),
        .used(used), .entries(lane_entries), .shift(s_shift), .z(z), .saturated(clamped_z)
    );

    // ---- what they are, beside: of the word whose scores are in z at index 2
    localparam MORE_BITS = ROW_ID_BITS + 2*KEY_BITS + 4;
    reg [5*MORE_BITS-1:0] more_q;
    reg [4:0]             valid_q;
    reg [3*LANES-1:0]     seen_q;
    wire [MORE_BITS-1:0]  more = {s_row, s_base + word_key, s_pos, |used, s_first, s_last, s_end};
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 5'd0;
        end else begin
            valid_q <= {valid_q[3:0], s_valid};
        end
    end
    always @(posedge clk) begin
        more_q <= {more_q[4*MORE_BITS-1:0], more};
        seen_q <= {seen_q[2*LANES-1:0], used};
    end

    // ---- S
    reg [LANES*S_BITS-1:0] s_q;
    reg [LANES-1:0]        clamped_q, visible_q;
    always @(posedge clk) begin : store
        reg [Z_BITS-2:0] rounded;           // before saturation
        reg              over;
        integer          n;
        for (n = 0; n < LANES; n = n + 1) begin
            rounded = {z[n*Z_BITS + Z_BITS - 1], z[n*Z_BITS + 2 +: Z_BITS-2]}
                    + {{(Z_BITS-2){1'b0}}, z[n*Z_BITS + 1]};
            over    = (rounded[Z_BITS-2:S_BITS-1] != {(Z_BITS-S_BITS){rounded[Z_BITS-2]}})
                      || rounded[S_BITS-1:0] == MASKED;
            s_q[n*S_BITS +: S_BITS] <= !seen_q[2*LANES + n] ? MASKED :
                                       !over                ? rounded[S_BITS-1:0] :
                                       rounded[Z_BITS-2]    ? -LIMIT : LIMIT;
            clamped_q[n] <= seen_q[2*LANES + n] && (over || clamped_z[n]);
        end
        visible_q <= seen_q[2*LANES +: LANES];
    end
    wire [MORE_BITS-1:0] more3 = more_q[3*MORE_BITS +: MORE_BITS];
    assign s_we      = valid_q[3] && more3[3];
    assign s_wr_row  = more3[MORE_BITS-1 -: ROW_ID_BITS];
    assign s_wr_key  = more3[KEY_BITS+4 +: KEY_BITS];
    assign s_wr_data = s_q;
    assign max_rd     = valid_q[3] && more3[1];
    assign max_rd_row = s_wr_row;

    // ---- the maximum of a word: a tree, level by level; then of the row
    reg [MAX_BITS-1:0] top_q, run_q;
    always @(posedge clk) begin : tree
        reg [LANES*MAX_BITS-1:0] best;
        reg [MAX_BITS-1:0]       a, b;
        integer                  level, n;
        for (n = 0; n < LANES; n = n + 1) begin
            best[n*MAX_BITS +: MAX_BITS] = s_q[n*S_BITS + S_BITS - MAX_BITS +: MAX_BITS];
        end
        for (level = LEVELS - 1; level >= 0; level = level - 1) begin
            for (n = 0; n < (1 << level); n = n + 1) begin
                a = best[2*n*MAX_BITS +: MAX_BITS];
                b = best[(2*n + 1)*MAX_BITS +: MAX_BITS];
                best[n*MAX_BITS +: MAX_BITS] = ($signed(a) > $signed(b)) ? a : b;
            end
        end
        top_q <= best[MAX_BITS-1:0];
    end
    wire [MORE_BITS-1:0] more4  = more_q[4*MORE_BITS +: MORE_BITS];
    wire [MAX_BITS-1:0]  word_m = ($signed(run_q) > $signed(top_q)) ? run_q : top_q;
    wire [MAX_BITS-1:0]  earlier = more4[2] ? LOWEST : max_rd_data;
    assign max_we   = valid_q[4] && more4[1];
    assign max_row  = more4[MORE_BITS-1 -: ROW_ID_BITS];
    assign max_data = ($signed(earlier) > $signed(word_m)) ? earlier : word_m;
    assign max_pos  = more4[4 +: KEY_BITS];
    assign done     = max_we && more4[0];
    always @(posedge clk) begin
        if (!rst_n || max_we) begin
            run_q <= LOWEST;
        end else if (valid_q[4]) begin
            run_q <= word_m;
        end
    end

    fcim_unfused_ones #(.WIDTH(LANES)) u_scores (
        .bits(visible_q & {LANES{valid_q[3]}}), .count(scores)
    );
    fcim_unfused_ones #(.WIDTH(LANES)) u_saturated (
        .bits(clamped_q & {LANES{valid_q[3]}}), .count(saturated)
    );

endmodule

`default_nettype wire
