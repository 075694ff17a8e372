// SPDX-License-Identifier: Apache-2.0
// fcim_row_max: keeps every row's running maximum, an integer. Once a key block is scaled it
// decides the block's maxima and rescale amounts, pass by pass, and whether every score of the
// block lies too far below its row's running maximum to count. Holds the scores' maxima, the
// running maxima and the amounts of three blocks: one is scaled, one judged, one exponentiated.
//
// Latency:    A block is judged in the cycle after its last pass.
// Throughput: A block per CYCLES_PER_KEY cycles.
// Cuts:       s_blk_ready, judged and the read port depend on registers only; maxima and the test
//             of what counts lie in two stages.
// Numbers:    z signed with Z_FRAC fraction bits; running maximum a signed integer; the amount of a
//             rescale is clamped to SHIFT_BITS.
`default_nettype none

module fcim_row_max #(
    parameter  LANES = 8,                         // rows handled per cycle: 1 or more
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_COUNT_BITS = $clog2(LANES + 1),  // number of lanes
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam Z_FRAC = 10,                       // fraction bits of a scaled score
    localparam ROW_MAX_BITS = 10,                 // running maximum, signed
    localparam AMOUNT_BITS = ROW_MAX_BITS + 1 + LANE_COUNT_BITS,  // rises of LANES maxima
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5                   // octaves that a block may lie below, unsigned
) (
    input  wire                          clk,
    input  wire                          rst_n,

    // scaled scores of the block in buffer z_buf
    input  wire                          z_valid,
    input  wire [1:0]                    z_buf,
    input  wire                          z_first_key,
    input  wire [PASS_BITS-1:0]          z_pass,
    input  wire [LANES*Z_BITS-1:0]       z_data,

    // a block to be judged; it stands here for a pass after the other and is taken with the last
    input  wire                          s_blk_valid,
    output wire                          s_blk_ready,
    input  wire [1:0]                    s_blk_buf,
    input  wire [1:0]                    s_blk_after,    // buffer of the block after it
    input  wire                          s_blk_first,    // the tile's first: no row has seen a key
    input  wire                          s_blk_joint,    // its maxima are those of two blocks
    input  wire [TAU_BITS-1:0]           s_blk_tau,
    input  wire [OCTAVES_BITS-1:0]       s_blk_octaves,  // 0: down to where p rounds to 0

    // one pulse per block
    output wire                          judged,
    output wire [1:0]                    judged_buf,
    output wire                          judged_zero,    // no score counts

    // running maxima and amounts of a judged block, in the same cycle
    input  wire [1:0]                    rd_buf,
    input  wire [PASS_BITS-1:0]          rd_pass,
    output wire [LANES*ROW_MAX_BITS-1:0] rd_row_max,
    output wire [LANES*SHIFT_BITS-1:0]   rd_shift,

    // events
    output wire [LANE_COUNT_BITS-1:0]    ev_rescaled,
    output wire [AMOUNT_BITS-1:0]        ev_amount
);

    localparam BUFFERS = 3;
    localparam [PASS_BITS-1:0]     LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam signed [Z_BITS-1:0] MASKED    = {1'b1, {(Z_BITS-1){1'b0}}};

    reg [PASS_BITS-1:0] pass_q;

    // ---- maxima of the scores of each buffer, word pass: one that is scaled is not judged yet
    wire [BUFFERS*LANES*Z_BITS-1:0] zmax;
    reg  [LANES*Z_BITS-1:0]         zmax_new;
    genvar u;
    generate
        for (u = 0; u < BUFFERS; u = u + 1) begin : g_buffer
            wire scales = z_valid && (z_buf == u[1:0]);
            fcim_register_file #(.WORDS(CYCLES_PER_KEY), .WIDTH(LANES*Z_BITS)) u_maxima (
                .clk(clk),
                .we(scales), .wr_address(z_pass), .wr_data(zmax_new),
                .rd_address(scales ? z_pass : pass_q),
                .rd_data(zmax[u*LANES*Z_BITS +: LANES*Z_BITS])
            );
        end
    endgenerate

    always @* begin : maxima
        reg signed [Z_BITS-1:0] z, old;
        integer                 i;
        zmax_new = zmax[z_buf*LANES*Z_BITS +: LANES*Z_BITS];
        for (i = 0; i < LANES; i = i + 1) begin
            z   = z_data[i*Z_BITS +: Z_BITS];
            old = zmax_new[i*Z_BITS +: Z_BITS];
            if (z_first_key || z > old) begin
                zmax_new[i*Z_BITS +: Z_BITS] = z;
            end
        end
    end

    // ---- walk over the passes
    wire                 last_pass = (pass_q == LAST_PASS);
    assign s_blk_ready = last_pass;
    always @(posedge clk) begin
        if (!rst_n) begin
            pass_q <= {PASS_BITS{1'b0}};
        end else if (s_blk_valid) begin
            pass_q <= last_pass ? {PASS_BITS{1'b0}} : pass_q + 1'b1;
        end
    end

    // ---- stage A: running maxima and amounts
    reg                          a_valid_q, a_first_pass_q, a_end_q;
    reg [1:0]                    a_buf_q;
    reg signed [OCTAVES_BITS:0]  a_span_q;               // octaves below the maximum that count
    reg [LANES*ROW_MAX_BITS-1:0] a_row_max_q, a_own_q;   // the row's, and that of the block alone
    reg [LANES-1:0]              a_visible_q;            // the row sees a key of the block
    reg [LANE_COUNT_BITS-1:0]    a_rescaled_q;
    reg [AMOUNT_BITS-1:0]        a_amount_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            a_valid_q <= 1'b0;
        end else begin
            a_valid_q <= s_blk_valid;
        end
    end

    // the rows' state as the last judged block has left it, word pass
    wire [LANES*ROW_MAX_BITS-1:0] row_max_old;
    wire [LANES-1:0]              seen_old;
    reg  [LANES*ROW_MAX_BITS-1:0] row_max_all, own_max_all;
    reg  [LANES*SHIFT_BITS-1:0]   shift_all;
    reg  [LANES-1:0]              seen_all, visible_all;
    reg  [LANE_COUNT_BITS-1:0]    moved;
    reg  [AMOUNT_BITS-1:0]        moved_sum;
    fcim_register_file #(
        .WORDS(CYCLES_PER_KEY), .WIDTH(LANES*(ROW_MAX_BITS+1))
    ) u_state (
        .clk(clk),
        .we(s_blk_valid), .wr_address(pass_q), .wr_data({seen_all, row_max_all}),
        .rd_address(pass_q), .rd_data({seen_old, row_max_old})
    );

    // what each block is exponentiated with: word {buffer, pass}
    localparam WORDS = BUFFERS * CYCLES_PER_KEY;
    localparam WORD_BITS = $clog2(WORDS);
    wire [WORD_BITS-1:0] wr_word, rd_word;
    generate
        if (CYCLES_PER_KEY > 1) begin : g_passes
            assign wr_word = {s_blk_buf, pass_q};
            assign rd_word = {rd_buf, rd_pass};
        end else begin : g_pass
            assign wr_word = s_blk_buf;
            assign rd_word = rd_buf;
        end
    endgenerate
    fcim_register_file #(
        .WORDS(WORDS), .WIDTH(LANES*(ROW_MAX_BITS+SHIFT_BITS))
    ) u_blocks (
        .clk(clk),
        .we(s_blk_valid), .wr_address(wr_word), .wr_data({shift_all, row_max_all}),
        .rd_address(rd_word), .rd_data({rd_shift, rd_row_max})
    );

    always @* begin : judge
        reg        [LANES*Z_BITS-1:0]  own_z_all, other_z_all;
        reg signed [Z_BITS-1:0]        own, other, highest;
        reg signed [ROW_MAX_BITS-1:0]  old_max, candidate;
        reg signed [ROW_MAX_BITS:0]    amount, limit;
        reg                            visible, move;
        integer                        a;
        own_z_all   = zmax[s_blk_buf*LANES*Z_BITS +: LANES*Z_BITS];
        other_z_all = zmax[s_blk_after*LANES*Z_BITS +: LANES*Z_BITS];
        limit       = $signed({{(ROW_MAX_BITS+1-TAU_BITS){1'b0}}, s_blk_tau});
        row_max_all = row_max_old;
        seen_all    = s_blk_first ? {LANES{1'b0}} : seen_old;
        moved       = {LANE_COUNT_BITS{1'b0}};
        moved_sum   = {AMOUNT_BITS{1'b0}};
        for (a = 0; a < LANES; a = a + 1) begin
            own       = own_z_all[a*Z_BITS +: Z_BITS];
            other     = other_z_all[a*Z_BITS +: Z_BITS];
            highest   = (s_blk_joint && other > own) ? other : own;
            old_max   = row_max_all[a*ROW_MAX_BITS +: ROW_MAX_BITS];
            candidate = highest[Z_BITS-1:Z_FRAC];
            visible   = (highest != MASKED);
            amount    = $signed({candidate[ROW_MAX_BITS-1], candidate})
                      - $signed({old_max[ROW_MAX_BITS-1], old_max});
            move      = visible && seen_all[a] && (amount > limit);
            if (move || !seen_all[a]) begin
                row_max_all[a*ROW_MAX_BITS +: ROW_MAX_BITS] = candidate;
            end
            seen_all[a]    = seen_all[a] || visible;
            visible_all[a] = (own != MASKED);
            own_max_all[a*ROW_MAX_BITS +: ROW_MAX_BITS] = own[Z_BITS-1:Z_FRAC];
            shift_all[a*SHIFT_BITS +: SHIFT_BITS] =
                !move                              ? {SHIFT_BITS{1'b0}} :
                (|amount[ROW_MAX_BITS:SHIFT_BITS]) ? {SHIFT_BITS{1'b1}}
                                                   : amount[SHIFT_BITS-1:0];
            if (move) begin
                moved     = moved + 1'b1;
                moved_sum = moved_sum + {{(AMOUNT_BITS-ROW_MAX_BITS-1){1'b0}}, amount};
            end
        end
    end

    always @(posedge clk) begin : judged_pass
        reg signed [OCTAVES_BITS:0] exact, given;
        if (s_blk_valid) begin
            // 2**(z - row_max) rounds to 0 if z lies in an octave below -(PROB_BITS - tau)
            exact = $signed(PROB_BITS[OCTAVES_BITS:0])
                  - $signed({{(OCTAVES_BITS+1-TAU_BITS){1'b0}}, s_blk_tau});
            given = $signed({1'b0, s_blk_octaves});
            a_first_pass_q <= (pass_q == 0);
            a_end_q        <= last_pass;
            a_buf_q        <= s_blk_buf;
            a_span_q       <= (s_blk_octaves != 0 && given < exact) ? given : exact;
            a_row_max_q    <= row_max_all;
            a_own_q        <= own_max_all;
            a_visible_q    <= visible_all;
        end
        a_rescaled_q <= s_blk_valid ? moved : {LANE_COUNT_BITS{1'b0}};
        a_amount_q   <= s_blk_valid ? moved_sum : {AMOUNT_BITS{1'b0}};
    end
    assign ev_rescaled = a_rescaled_q;
    assign ev_amount   = a_amount_q;

    // ---- stage B: a row counts if its maximum in the block lies in an octave from -span on
    reg [LANES-1:0] counts;
    reg             any_q;      // a row of a pass before this one counts
    always @* begin : in_span
        reg signed [ROW_MAX_BITS-1:0] own, old_max;
        reg signed [ROW_MAX_BITS+1:0] span;
        reg signed [ROW_MAX_BITS+1:0] above;    // octaves from the span's end up to the maximum
        integer                       b;
        counts = {LANES{1'b0}};
        span   = $signed({{(ROW_MAX_BITS+1-OCTAVES_BITS){a_span_q[OCTAVES_BITS]}}, a_span_q});
        for (b = 0; b < LANES; b = b + 1) begin
            own       = a_own_q[b*ROW_MAX_BITS +: ROW_MAX_BITS];
            old_max   = a_row_max_q[b*ROW_MAX_BITS +: ROW_MAX_BITS];
            above     = $signed({{2{own[ROW_MAX_BITS-1]}}, own})
                      - $signed({{2{old_max[ROW_MAX_BITS-1]}}, old_max}) + span;
            counts[b] = a_visible_q[b] && !above[ROW_MAX_BITS+1];
        end
    end
    wire any_now = (|counts) || (any_q && !a_first_pass_q);
    always @(posedge clk) begin
        if (a_valid_q) begin
            any_q <= any_now;
        end
    end

    assign judged      = a_valid_q && a_end_q;
    assign judged_buf  = a_buf_q;
    assign judged_zero = !any_now;

endmodule

`default_nettype wire
