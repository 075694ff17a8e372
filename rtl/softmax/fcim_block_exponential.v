// SPDX-License-Identifier: Apache-2.0
// fcim_block_exponential: turns the scores of a judged key block into probabilities, LANES rows per
// cycle, keeps the rows' denominators, weighs the probabilities with the multipliers of their keys'
// values, and hands the finished block with its rescale amounts and its own sums to the OP-CIM.
//
// Latency:    The first pass's scores are read in the cycle after start, its probabilities are
//             written 3 cycles after that; the block is offered in the cycle of its last write, so
//             that it can be read in the cycle after it is taken, and its denominators from the
//             next cycle on. A denominator comes one cycle after its request.
// Throughput: A key per CYCLES_PER_KEY cycles. With ready the next block may start, which is in the
//             last cycle of the one before, so that no cycle is lost between blocks.
// Cuts:       ready and m_blk_valid come from registers; scores come from their memory's register.
//             A register lies between a probability and its multiplier.
// Numbers:    p unsigned, 1.0 = 2**(PROB_BITS-1-tau). Denominators sum p; what is written, and
//             summed for the block, is round(p * (v_mult + 1) / 16). Sums unsigned. A block fills
//             its slot, whose shift and sum stay until the next block with that slot starts. Blocks
//             are offered in the order in which they started; their slots take turns, from slot 0
//             on.
`default_nettype none

module fcim_block_exponential #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT,  // denominator of a row, unsigned
    localparam BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK),  // a row's p of a block, summed
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam TAU_BITS = 4                       // tau in octaves, unsigned
) (
    input  wire                          clk,
    input  wire                          rst_n,

    // blocks; start only with ready
    input  wire                          start,
    output wire                          ready,
    input  wire [1:0]                    start_buf,
    input  wire                          start_slot,
    input  wire [KEY_BITS-1:0]           start_last_key,   // keys - 1
    input  wire                          start_first,      // of its tile's blocks that run
    input  wire                          start_last,
    input  wire                          start_bank,
    input  wire [TAU_BITS-1:0]           start_tau,

    // scores, one cycle after their address; running maxima, rescale amounts (with a block's first
    // key) and value multipliers (with a key's first pass) in the cycle of their address
    output wire                          rd_en,
    output wire [1:0]                    rd_buf,
    output wire [KEY_BITS-1:0]           rd_key,
    output wire [PASS_BITS-1:0]          rd_pass,
    input  wire [LANES*Z_BITS-1:0]       rd_z,
    input  wire [LANES*ROW_MAX_BITS-1:0] rd_row_max,
    input  wire [LANES*SHIFT_BITS-1:0]   rd_shift,
    input  wire [V_MULT_BITS-1:0]        rd_v_mult,

    // probabilities: one pass of one key per write
    output wire                          p_we,
    output wire                          p_slot,
    output wire [KEY_BITS-1:0]           p_key,
    output wire [PASS_BITS-1:0]          p_pass,
    output wire [LANES*PROB_BITS-1:0]    p_data,

    // finished blocks
    output wire                          m_blk_valid,
    input  wire                          m_blk_ready,
    output wire                          m_blk_slot,
    output wire [KEY_BITS-1:0]           m_blk_last_key,
    output wire                          m_blk_first,
    output wire                          m_blk_last,
    output wire                          m_blk_bank,
    output wire [2*ROWS*SHIFT_BITS-1:0]  blk_shift,
    output wire [2*ROWS*BSUM_BITS-1:0]   blk_sum,

    // running sums and maxima
    input  wire                          sum_rd_en,
    input  wire                          sum_rd_bank,
    input  wire [PASS_BITS-1:0]          sum_rd_pass,
    input  wire [LANE_BITS-1:0]          sum_rd_lane,
    output wire [SUM_BITS-1:0]           sum_rd_data,
    output wire [ROW_MAX_BITS-1:0]       sum_rd_max
);

    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;

    // ---- control: walks the keys of a block, and the passes over the rows of each key
    reg                 run_q;
    reg [1:0]           buf_q;
    reg [KEY_BITS-1:0]  key_q, last_key_q;
    reg [PASS_BITS-1:0] pass_q;
    reg                 slot_q, first_q, last_q, bank_q;
    reg [TAU_BITS-1:0]  tau_q;

    wire run_last = (pass_q == LAST_PASS) && (key_q == last_key_q);
    assign ready   = !run_q || run_last;
    assign rd_en   = run_q;
    assign rd_buf  = buf_q;
    assign rd_key  = key_q;
    assign rd_pass = pass_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            run_q <= 1'b0;
        end else begin
            run_q <= start || !ready;
        end
    end

    always @(posedge clk) begin
        if (start) begin
            buf_q      <= start_buf;
            slot_q     <= start_slot;
            key_q      <= {KEY_BITS{1'b0}};
            pass_q     <= {PASS_BITS{1'b0}};
            last_key_q <= start_last_key;
            first_q    <= start_first;
            last_q     <= start_last;
            bank_q     <= start_bank;
            tau_q      <= start_tau;
        end else if (run_q) begin
            pass_q <= (pass_q == LAST_PASS) ? {PASS_BITS{1'b0}} : pass_q + 1'b1;
            key_q  <= key_q + {{(KEY_BITS-1){1'b0}}, pass_q == LAST_PASS};
        end
    end

    // ---- stage A: read scores and running maxima; rescale amounts with a block's first key, and a
    // multiplier with a key's first pass: the buffer's next block may replace it before the last
    reg                          a_valid_q, a_first_key_q, a_end_q;
    reg                          a_slot_q, a_first_q, a_last_q, a_bank_q;
    reg [KEY_BITS-1:0]           a_key_q;
    reg [PASS_BITS-1:0]          a_pass_q;
    reg [TAU_BITS-1:0]           a_tau_q;
    reg [LANES*ROW_MAX_BITS-1:0] a_row_max_q;
    reg [LANES*SHIFT_BITS-1:0]   a_shift_q;
    reg [V_MULT_BITS-1:0]        a_v_mult_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            a_valid_q <= 1'b0;
        end else begin
            a_valid_q <= run_q;
        end
        if (run_q) begin
            a_row_max_q   <= rd_row_max;
            a_first_key_q <= (key_q == 0);
            a_end_q       <= run_last;
            a_key_q       <= key_q;
            a_pass_q      <= pass_q;
            a_slot_q      <= slot_q;
            a_first_q     <= first_q;
            a_last_q      <= last_q;
            a_bank_q      <= bank_q;
            a_tau_q       <= tau_q;
            if (key_q == 0) begin
                a_shift_q <= rd_shift;
            end
            if (pass_q == 0) begin
                a_v_mult_q <= rd_v_mult;
            end
        end
    end

    // ---- the maxima that a tile's rows end with: those of its last block that runs, since a block
    // that moves or sets one counts; word {bank, pass}
    localparam BANK_WORDS = 2 * CYCLES_PER_KEY;
    localparam BANK_WORD_BITS = $clog2(BANK_WORDS);
    wire [BANK_WORD_BITS-1:0]    max_wr_word, max_rd_word;
    wire [LANES*ROW_MAX_BITS-1:0] rd_maxima;
    generate
        if (CYCLES_PER_KEY > 1) begin : g_max_passes
            assign max_wr_word = {a_bank_q, a_pass_q};
            assign max_rd_word = {sum_rd_bank, sum_rd_pass};
        end else begin : g_max_pass
            assign max_wr_word = a_bank_q;
            assign max_rd_word = sum_rd_bank;
        end
    endgenerate
    fcim_register_file #(.WORDS(BANK_WORDS), .WIDTH(LANES*ROW_MAX_BITS)) u_final_maxima (
        .clk(clk),
        .we(a_valid_q && a_first_key_q), .wr_address(max_wr_word), .wr_data(a_row_max_q),
        .rd_address(max_rd_word), .rd_data(rd_maxima)
    );

    // ---- stage B: exponential
    wire [LANES*PROB_BITS-1:0] c_p;
    fcim_exp2 #(.LANES(LANES), .PROB_BITS(PROB_BITS)) u_exp2 (
        .clk(clk), .z(rd_z), .row_max(a_row_max_q), .tau(a_tau_q), .p(c_p)
    );

    reg                        c_valid_q, c_first_key_q, c_end_q;
    reg                        c_slot_q, c_first_q, c_last_q, c_bank_q;
    reg [KEY_BITS-1:0]         c_key_q;
    reg [PASS_BITS-1:0]        c_pass_q;
    reg [LANES*SHIFT_BITS-1:0] c_shift_q;
    reg [V_MULT_BITS-1:0]      c_v_mult_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            c_valid_q <= 1'b0;
        end else begin
            c_valid_q <= a_valid_q;
        end
        c_first_key_q <= a_first_key_q;
        c_end_q       <= a_end_q;
        c_slot_q      <= a_slot_q;
        c_first_q     <= a_first_q;
        c_last_q      <= a_last_q;
        c_bank_q      <= a_bank_q;
        c_key_q       <= a_key_q;
        c_pass_q      <= a_pass_q;
        c_shift_q     <= a_shift_q;
        c_v_mult_q    <= a_v_mult_q;
    end

    // ---- stage C: running sums are read, to be written in stage D
    // of each bank, word pass: either the exponential phase uses it or the normaliser
    reg                        d_valid_q, d_first_key_q, d_slot_q, d_first_q, d_bank_q;
    reg [KEY_BITS-1:0]         d_key_q;
    reg [PASS_BITS-1:0]        d_pass_q;
    reg [LANES*PROB_BITS-1:0]  d_p_q;
    reg [V_MULT_BITS:0]        d_weight_q;              // of the key's value, in 16ths: 1 to 16
    reg [LANES*SHIFT_BITS-1:0] d_shift_q;
    reg [LANES*SUM_BITS-1:0]   d_sums_q;

    wire [LANES*SUM_BITS-1:0] bank0_sums, bank1_sums;
    reg  [LANES*SUM_BITS-1:0] new_sums;
    wire                      bank0_reads = c_valid_q && !c_bank_q;
    wire                      bank1_reads = c_valid_q && c_bank_q;
    fcim_register_file #(.WORDS(CYCLES_PER_KEY), .WIDTH(LANES*SUM_BITS)) u_bank0 (
        .clk(clk),
        .we(d_valid_q && !d_bank_q), .wr_address(d_pass_q), .wr_data(new_sums),
        .rd_address(bank0_reads ? c_pass_q : sum_rd_pass), .rd_data(bank0_sums)
    );
    fcim_register_file #(.WORDS(CYCLES_PER_KEY), .WIDTH(LANES*SUM_BITS)) u_bank1 (
        .clk(clk),
        .we(d_valid_q && d_bank_q), .wr_address(d_pass_q), .wr_data(new_sums),
        .rd_address(bank1_reads ? c_pass_q : sum_rd_pass), .rd_data(bank1_sums)
    );

    // with a single pass, a bank's word is read again in the cycle in which it is written
    wire [LANES*SUM_BITS-1:0] old_sums;
    generate
        if (CYCLES_PER_KEY > 1) begin : g_passes
            assign old_sums = c_bank_q ? bank1_sums : bank0_sums;
        end else begin : g_pass
            assign old_sums = (d_valid_q && d_bank_q == c_bank_q) ? new_sums :
                              c_bank_q                            ? bank1_sums : bank0_sums;
        end
    endgenerate

    reg [ROWS*SHIFT_BITS-1:0] shift_q [0:1];
    always @(posedge clk) begin
        if (c_valid_q && c_first_key_q) begin
            shift_q[c_slot_q][c_pass_q*LANES*SHIFT_BITS +: LANES*SHIFT_BITS] <= c_shift_q;
        end
    end

    wire [LANES*SUM_BITS-1:0] rd_sums = sum_rd_bank ? bank1_sums : bank0_sums;
    reg  [SUM_BITS-1:0]       sum_rd_q;
    reg  [ROW_MAX_BITS-1:0]   sum_rd_max_q;
    always @(posedge clk) begin
        if (sum_rd_en) begin
            sum_rd_q     <= rd_sums[sum_rd_lane*SUM_BITS +: SUM_BITS];
            sum_rd_max_q <= rd_maxima[sum_rd_lane*ROW_MAX_BITS +: ROW_MAX_BITS];
        end
    end
    assign sum_rd_data = sum_rd_q;
    assign sum_rd_max  = sum_rd_max_q;

    // ---- stage D: running sums; probabilities times their value's multiplier, out; block sums of
    // the products
    always @(posedge clk) begin
        if (!rst_n) begin
            d_valid_q <= 1'b0;
        end else begin
            d_valid_q <= c_valid_q;
        end
        d_first_key_q <= c_first_key_q;
        d_slot_q      <= c_slot_q;
        d_first_q     <= c_first_q;
        d_bank_q      <= c_bank_q;
        d_key_q       <= c_key_q;
        d_pass_q      <= c_pass_q;
        d_p_q         <= c_p;
        d_weight_q    <= {1'b0, c_v_mult_q} + 1'b1;
        d_shift_q     <= c_shift_q;
        d_sums_q      <= old_sums;
    end

    // round(sum / 2**shift) + p in one addition: floor(2 * sum / 2**shift) is {floor, half}
    always @* begin : sums
        reg [SUM_BITS-1:0] sum;
        reg [SUM_BITS:0]   twice, total;
        integer            c;
        for (c = 0; c < LANES; c = c + 1) begin
            sum   = d_sums_q[c*SUM_BITS +: SUM_BITS];
            twice = {sum, 1'b0};
            if (d_first_key_q) begin
                twice = d_first_q ? {(SUM_BITS+1){1'b0}}
                                  : {sum, 1'b0} >> d_shift_q[c*SHIFT_BITS +: SHIFT_BITS];
            end
            total = twice + {{(SUM_BITS-PROB_BITS){1'b0}},
                             d_p_q[c*PROB_BITS +: PROB_BITS], twice[0]};
            new_sums[c*SUM_BITS +: SUM_BITS] = total[SUM_BITS:1];
        end
    end

    // round(p * (v_mult + 1) / 16): at most p
    localparam PRODUCT_BITS = PROB_BITS + V_MULT_BITS;
    reg [LANES*PROB_BITS-1:0] weighed;
    always @* begin : weigh
        reg [PRODUCT_BITS-1:0] product;
        integer                w;
        for (w = 0; w < LANES; w = w + 1) begin
            product = {{V_MULT_BITS{1'b0}}, d_p_q[w*PROB_BITS +: PROB_BITS]}
                    * {{(PROB_BITS-1){1'b0}}, d_weight_q} + (1 << (V_MULT_BITS-1));
            weighed[w*PROB_BITS +: PROB_BITS] = product[V_MULT_BITS +: PROB_BITS];
        end
    end

    assign p_we   = d_valid_q;
    assign p_slot = d_slot_q;
    assign p_key  = d_key_q;
    assign p_pass = d_pass_q;
    assign p_data = weighed;

    reg [ROWS*BSUM_BITS-1:0] bsum_q [0:1];
    always @(posedge clk) begin : block_sums
        reg [LANES*BSUM_BITS-1:0] bsum_word;
        integer                   d;
        if (d_valid_q) begin
            bsum_word = bsum_q[d_slot_q][d_pass_q*LANES*BSUM_BITS +: LANES*BSUM_BITS];
            for (d = 0; d < LANES; d = d + 1) begin
                bsum_word[d*BSUM_BITS +: BSUM_BITS] =
                    (d_first_key_q ? {BSUM_BITS{1'b0}} : bsum_word[d*BSUM_BITS +: BSUM_BITS])
                    + {{(BSUM_BITS-PROB_BITS){1'b0}}, weighed[d*PROB_BITS +: PROB_BITS]};
            end
            bsum_q[d_slot_q][d_pass_q*LANES*BSUM_BITS +: LANES*BSUM_BITS] <= bsum_word;
        end
    end

    assign blk_shift = {shift_q[1], shift_q[0]};
    assign blk_sum   = {bsum_q[1], bsum_q[0]};

    // ---- finished blocks: offered while their last pass is in stage D, so that it is written when
    // the OP-CIM, one cycle after it took the block, begins to read
    reg [1:0]          full_q;                    // finished and not yet taken by the OP-CIM
    reg                take_slot_q;
    reg [1:0]          blk_first_q, blk_last_q, blk_bank_q;
    reg [KEY_BITS-1:0] blk_last_key_q [0:1];

    wire [1:0] finished = (c_valid_q && c_end_q) ? {c_slot_q, !c_slot_q} : 2'b00;
    wire       take     = m_blk_valid && m_blk_ready;
    wire [1:0] taken    = take ? {take_slot_q, !take_slot_q} : 2'b00;
    always @(posedge clk) begin
        if (!rst_n) begin
            full_q      <= 2'b00;
            take_slot_q <= 1'b0;
        end else begin
            full_q      <= (full_q & ~taken) | finished;
            take_slot_q <= take_slot_q ^ take;
        end
    end

    always @(posedge clk) begin
        if (|finished) begin
            blk_first_q[c_slot_q]    <= c_first_q;
            blk_last_q[c_slot_q]     <= c_last_q;
            blk_bank_q[c_slot_q]     <= c_bank_q;
            blk_last_key_q[c_slot_q] <= c_key_q;
        end
    end

    assign m_blk_valid    = full_q[take_slot_q];
    assign m_blk_slot     = take_slot_q;
    assign m_blk_last_key = blk_last_key_q[take_slot_q];
    assign m_blk_first    = blk_first_q[take_slot_q];
    assign m_blk_last     = blk_last_q[take_slot_q];
    assign m_blk_bank     = blk_bank_q[take_slot_q];

endmodule

`default_nettype wire
