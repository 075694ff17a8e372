// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_softmax: the operation SOFTMAX: rows of S, word by word, become probabilities of 8
// bits, and their sum the row's denominator.
//
// Latency:    3 cycles from the start to the first word's read, 4 from a read to P, 5 from a row's
//             last read to its denominator; done with the last one's.
// Throughput: A word of LANES keys per cycle, those alone in which the row sees a key; a row that
//             sees none takes a cycle too. The next operation may start with the last read.
// Cuts:       Everything is registered but the denominator's last addition.
// Numbers:    p = 2**(s - maximum), 1.0 = 128, as in fcim_exp2; P is p * (v_mult + 1) / 16, halves
//             up; the denominator is the sum of p.
`default_nettype none

module fcim_unfused_softmax #(
    parameter  LANES = 64,          // keys of a word: a power of two, 2 or more
    localparam ROW_BITS = 16,       // number of a row
    localparam KEY_BITS = 17,       // position or number of keys
    localparam S_BITS = 16,         // score in S, signed
    localparam MAX_BITS = 8,        // running maximum, signed
    localparam V_MULT_BITS = 4,     // scale of a value, unsigned
    localparam P_BITS = 8,          // probability, unsigned
    localparam SUM_BITS = 24,       // denominator, unsigned
    localparam COUNT_BITS = $clog2(LANES + 1)  // a count
) (
    input  wire                         clk,
    input  wire                         rst_n,

    input  wire                         start,
    output wire                         ready,
    input  wire [ROW_BITS-1:0]          op_row,
    input  wire [ROW_BITS-1:0]          op_rows,
    input  wire [KEY_BITS-1:0]          op_base,
    input  wire [KEY_BITS-1:0]          op_keys,
    input  wire                         op_first,    // the denominators begin with it
    output wire                         done,

    // rows, data one cycle later
    output wire                         row_rd,
    output wire [ROW_BITS-1:0]          row_rd_row,
    input  wire [KEY_BITS-1:0]          row_pos,
    input  wire [MAX_BITS-1:0]          row_max,
    output wire                         sum_rd,
    output wire [ROW_BITS-1:0]          sum_rd_row,
    input  wire [SUM_BITS-1:0]          sum_rd_data,
    output wire                         sum_we,
    output wire [ROW_BITS-1:0]          sum_row,
    output wire [SUM_BITS-1:0]          sum_data,

    // S and the values' scales, data one cycle later; P
    output wire                         s_rd,
    output wire [ROW_BITS-1:0]          s_rd_row,
    output wire [KEY_BITS-1:0]          s_rd_key,
    input  wire [LANES*S_BITS-1:0]      s_rd_data,
    input  wire [LANES*V_MULT_BITS-1:0] s_rd_v_mult,
    output wire                         p_we,
    output wire [ROW_BITS-1:0]          p_wr_row,
    output wire [KEY_BITS-1:0]          p_wr_key,
    output wire [LANES*P_BITS-1:0]      p_wr_data,

    output wire                         word_used,   // event: a cycle of a row's words
    output wire [COUNT_BITS-1:0]        exponentials // event: keys that a row sees, by word
);

    localparam LEVELS = $clog2(LANES);
    localparam Z_BITS = 20;
    localparam ROW_MAX_BITS = 10;
    localparam WORD_SUM = P_BITS + LEVELS;
    localparam PRODUCT_BITS = P_BITS + V_MULT_BITS + 1;
    localparam [Z_BITS-1:0] MASKED = {1'b1, {(Z_BITS-1){1'b0}}};

    // ---- the operation, and the row that is being read. The next row waits at the table's port
    reg                  op_q, ahead_q, reading_q, first_q;
    reg [ROW_BITS-1:0]   next_q, left_q, row_q;
    reg [KEY_BITS-1:0]   base_q, keys_q, key_q, more_q;
    reg [MAX_BITS-1:0]   max_q;
    wire [KEY_BITS-1:0]  limit;
    wire row_end = reading_q && more_q <= LANES[KEY_BITS-1:0];
    wire op_end  = row_end && left_q == {ROW_BITS{1'b0}};
    wire advance = ahead_q || (row_end && !op_end);
    assign ready      = (!op_q && !ahead_q && !reading_q) || op_end;
    assign row_rd     = op_q || advance;
    assign row_rd_row = next_q;
    fcim_unfused_limit u_limit (
        .pos(row_pos), .base(base_q), .keys(keys_q), .limit(limit)
    );
    always @(posedge clk) begin
        if (!rst_n) begin
            op_q      <= 1'b0;
            ahead_q   <= 1'b0;
            reading_q <= 1'b0;
        end else begin
            op_q      <= start;
            ahead_q   <= op_q;
            reading_q <= advance || (reading_q && !op_end);
        end
    end
    always @(posedge clk) begin
        if (start) begin
            next_q  <= op_row;
            left_q  <= op_rows;
            base_q  <= op_base;
            keys_q  <= op_keys;
            first_q <= op_first;
        end else begin
            next_q <= next_q + {{(ROW_BITS-1){1'b0}}, row_rd};
            left_q <= left_q - {{(ROW_BITS-1){1'b0}}, advance};
        end
        if (advance) begin
            row_q  <= next_q - 1'b1;
            key_q  <= base_q;
            more_q <= limit;
            max_q  <= row_max;
        end else if (reading_q) begin
            key_q  <= key_q + LANES[KEY_BITS-1:0];
            more_q <= more_q - LANES[KEY_BITS-1:0];
        end
    end
    assign s_rd      = reading_q && more_q != {KEY_BITS{1'b0}};
    assign s_rd_row  = row_q;
    assign s_rd_key  = key_q;
    assign word_used = reading_q;

    // ---- what a word is, beside
    localparam MORE_BITS = ROW_BITS + KEY_BITS + 4;
    reg [4*MORE_BITS-1:0] word_q;
    wire [MORE_BITS-1:0]  word = {row_q, key_q, s_rd, first_q, row_end, op_end};
    reg [3:0]             valid_q;
    reg [LANES-1:0]       seen_q;
    reg [MAX_BITS-1:0]    word_max_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 4'd0;
        end else begin
            valid_q <= {valid_q[2:0], reading_q};
        end
    end
    always @(posedge clk) begin : beside
        integer n;
        word_q     <= {word_q[3*MORE_BITS-1:0], word};
        word_max_q <= max_q;
        for (n = 0; n < LANES; n = n + 1) begin
            seen_q[n] <= reading_q && n[KEY_BITS-1:0] < more_q;
        end
    end
    fcim_unfused_ones #(.WIDTH(LANES)) u_ones (
        .bits(seen_q & {LANES{valid_q[0]}}), .count(exponentials)
    );

    // ---- exponentials
    reg  [LANES*Z_BITS-1:0]       z;
    wire [LANES*ROW_MAX_BITS-1:0] maxima = {LANES{{{(ROW_MAX_BITS-MAX_BITS){
                                                  word_max_q[MAX_BITS-1]}}, word_max_q}}};
    wire [LANES*P_BITS-1:0]       p;
    always @* begin : scores
        integer n;
        for (n = 0; n < LANES; n = n + 1) begin
            z[n*Z_BITS +: Z_BITS] = !seen_q[n] ? MASKED :
                {{2{s_rd_data[n*S_BITS + S_BITS - 1]}}, s_rd_data[n*S_BITS +: S_BITS], 2'b00};
        end
    end
    fcim_exp2 #(.LANES(LANES), .PROB_BITS(P_BITS)) u_exp2 (
        .clk(clk), .z(z), .row_max(maxima), .tau(4'd0), .p(p)
    );

    // ---- scales of values; the sum of a word is a tree, level by level
    reg [LANES*V_MULT_BITS-1:0] v_mult_q, v_mult_q2;
    reg [LANES-1:0]             seen_q2, seen_q3;
    reg [LANES*P_BITS-1:0]      p_q, scaled_q;
    reg [WORD_SUM-1:0]          total_q;
    always @(posedge clk) begin : scale
        reg [LANES*WORD_SUM-1:0]  part;
        reg [PRODUCT_BITS-1:0]    product;
        integer                   level, n;
        v_mult_q  <= s_rd_v_mult;
        v_mult_q2 <= v_mult_q;
        seen_q2   <= seen_q;
        seen_q3   <= seen_q2;
        p_q       <= p;
        for (n = 0; n < LANES; n = n + 1) begin
            part[n*WORD_SUM +: WORD_SUM] = {{LEVELS{1'b0}}, p_q[n*P_BITS +: P_BITS]};
            product = {{(PRODUCT_BITS-P_BITS){1'b0}}, p_q[n*P_BITS +: P_BITS]}
                    * ({{(PRODUCT_BITS-V_MULT_BITS){1'b0}}, v_mult_q2[n*V_MULT_BITS +: V_MULT_BITS]}
                       + 1'b1) + (1 << (V_MULT_BITS-1));
            scaled_q[n*P_BITS +: P_BITS] <= seen_q3[n] ? product[V_MULT_BITS +: P_BITS]
                                                       : {P_BITS{1'b0}};
        end
        for (level = LEVELS - 1; level >= 0; level = level - 1) begin
            for (n = 0; n < (1 << level); n = n + 1) begin
                part[n*WORD_SUM +: WORD_SUM] = part[2*n*WORD_SUM +: WORD_SUM]
                                             + part[(2*n + 1)*WORD_SUM +: WORD_SUM];
            end
        end
        total_q <= part[WORD_SUM-1:0];
    end

    // ---- P and the denominator
    wire [MORE_BITS-1:0] word2 = word_q[2*MORE_BITS +: MORE_BITS];
    wire [MORE_BITS-1:0] word3 = word_q[3*MORE_BITS +: MORE_BITS];
    reg  [SUM_BITS-1:0]  run_q;
    wire [SUM_BITS-1:0]  row_sum = run_q + {{(SUM_BITS-WORD_SUM){1'b0}}, total_q};
    assign p_we       = valid_q[3] && word3[3];
    assign p_wr_row   = word3[MORE_BITS-1 -: ROW_BITS];
    assign p_wr_key   = word3[4 +: KEY_BITS];
    assign p_wr_data  = scaled_q;
    assign sum_rd     = valid_q[2] && word2[1];
    assign sum_rd_row = word2[MORE_BITS-1 -: ROW_BITS];
    assign sum_we     = valid_q[3] && word3[1];
    assign sum_row    = p_wr_row;
    assign sum_data   = word3[2] ? row_sum : row_sum + sum_rd_data;
    assign done       = sum_we && word3[0];
    always @(posedge clk) begin
        if (!rst_n || sum_we) begin
            run_q <= {SUM_BITS{1'b0}};
        end else if (valid_q[3]) begin
            run_q <= row_sum;
        end
    end

endmodule

`default_nettype wire
