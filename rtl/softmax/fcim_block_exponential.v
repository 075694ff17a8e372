// SPDX-License-Identifier: Apache-2.0
// fcim_block_exponential: turns the scores of a judged key block into probabilities, LANES rows per cycle, keeps the rows'
// running sums, and hands the finished block with its rescale amounts and its own sums to the OP-CIM.
// Latency: the first group's score is read in the cycle after start, its probabilities are written 2 cycles after that; the
// block is offered in the cycle after its last write. A sum comes one cycle after its request.
// Throughput: a group of LANES rows per cycle, a key per CYCLES_PER_KEY cycles; with ready the next block may start, which is
// in the last cycle of the one before, so that no cycle is lost between blocks.
// Slots: a block fills its slot, whose shift and sum stay until the next block with that slot starts. Blocks are offered in the
// order in which they started; their slots take turns, from slot 0 on.
// Numbers: z signed Z_BITS with Z_FRAC fraction bits; reference signed integer; p unsigned PROB_BITS; sums unsigned SUM_BITS.
`default_nettype none

module fcim_block_exponential #(
    parameter ROWS = 64,
    parameter BITS_PER_CYCLE = 1,
    parameter KEYS_PER_BLOCK = 16,
    parameter PROB_BITS = 16,
    parameter MAX_KEYS = 131072,
    // derived, not to be set
    parameter LANES = ROWS * BITS_PER_CYCLE / 8,
    parameter SUM_BITS = PROB_BITS + $clog2(MAX_KEYS),
    parameter BSUM_BITS = PROB_BITS + $clog2(KEYS_PER_BLOCK),
    parameter GROUP_BITS = (BITS_PER_CYCLE < 8) ? $clog2(8 / BITS_PER_CYCLE) : 1,
    parameter LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,
    parameter KEY_BITS = $clog2(KEYS_PER_BLOCK),
    parameter Z_BITS = 20,
    parameter REF_BITS = 10,
    parameter SHIFT_BITS = 6,
    parameter TAU_BITS = 4
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

    // scores, references and rescale amounts, read in the cycle of their address
    output wire [1:0]                    rd_buf,
    output wire [KEY_BITS-1:0]           rd_key,
    output wire [GROUP_BITS-1:0]         rd_group,
    input  wire [LANES*Z_BITS-1:0]       rd_z,
    input  wire [LANES*REF_BITS-1:0]     rd_reference,
    input  wire [LANES*SHIFT_BITS-1:0]   rd_shift,

    // probabilities: one group of rows of one key per write
    output wire                          p_we,
    output wire                          p_slot,
    output wire [KEY_BITS-1:0]           p_key,
    output wire [GROUP_BITS-1:0]         p_group,
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

    // running sums
    input  wire                          sum_rd_en,
    input  wire                          sum_rd_bank,
    input  wire [GROUP_BITS-1:0]         sum_rd_group,
    input  wire [LANE_BITS-1:0]          sum_rd_lane,
    output wire [SUM_BITS-1:0]           sum_rd_data
);

    `include "fcim_round_shift.vh"

    localparam GROUPS = 8 / BITS_PER_CYCLE;
    localparam [GROUP_BITS-1:0] LAST_GROUP = GROUPS[GROUP_BITS-1:0] - 1'b1;

    // ==== control: walks the keys of a block, and the groups of rows of each key
    reg                   run_q;
    reg [1:0]             buf_q;
    reg [KEY_BITS-1:0]    key_q, last_key_q;
    reg [GROUP_BITS-1:0]  group_q;
    reg                   slot_q, first_q, last_q, bank_q;
    reg [TAU_BITS-1:0]    tau_q;

    wire run_last = (group_q == LAST_GROUP) && (key_q == last_key_q);
    assign ready    = !run_q || run_last;
    assign rd_buf   = buf_q;
    assign rd_key   = key_q;
    assign rd_group = group_q;

    always @(posedge clk)
        if (!rst_n)
            run_q <= 1'b0;
        else
            run_q <= start || !ready;

    always @(posedge clk)
        if (start) begin
            buf_q      <= start_buf;
            slot_q     <= start_slot;
            key_q      <= {KEY_BITS{1'b0}};
            group_q    <= {GROUP_BITS{1'b0}};
            last_key_q <= start_last_key;
            first_q    <= start_first;
            last_q     <= start_last;
            bank_q     <= start_bank;
            tau_q      <= start_tau;
        end else if (run_q) begin
            group_q <= (group_q == LAST_GROUP) ? {GROUP_BITS{1'b0}} : group_q + 1'b1;
            key_q   <= key_q + {{(KEY_BITS-1){1'b0}}, group_q == LAST_GROUP};
        end

    // ==== stage A: read scores, references and, with a block's first key, rescale amounts
    reg                       a_valid_q, a_first_key_q, a_end_q, a_slot_q, a_first_q, a_last_q, a_bank_q;
    reg [KEY_BITS-1:0]        a_key_q;
    reg [GROUP_BITS-1:0]      a_group_q;
    reg [TAU_BITS-1:0]        a_tau_q;
    reg [LANES*Z_BITS-1:0]    a_z_q;
    reg [LANES*REF_BITS-1:0]  a_ref_q;
    reg [LANES*SHIFT_BITS-1:0] a_shift_q;
    always @(posedge clk) begin
        if (!rst_n)
            a_valid_q <= 1'b0;
        else
            a_valid_q <= run_q;
        if (run_q) begin
            a_z_q         <= rd_z;
            a_ref_q       <= rd_reference;
            a_first_key_q <= (key_q == 0);
            a_end_q       <= run_last;
            a_key_q       <= key_q;
            a_group_q     <= group_q;
            a_slot_q      <= slot_q;
            a_first_q     <= first_q;
            a_last_q      <= last_q;
            a_bank_q      <= bank_q;
            a_tau_q       <= tau_q;
            if (key_q == 0)
                a_shift_q <= rd_shift;
        end
    end

    // ==== stage B: exponential
    wire [LANES*PROB_BITS-1:0] c_p;
    fcim_exp2 #(.LANES(LANES), .PROB_BITS(PROB_BITS)) u_exp2 (
        .clk(clk), .z(a_z_q), .reference(a_ref_q), .tau(a_tau_q), .p(c_p)
    );

    reg                        c_valid_q, c_first_key_q, c_end_q, c_slot_q, c_first_q, c_last_q, c_bank_q;
    reg [KEY_BITS-1:0]         c_key_q;
    reg [GROUP_BITS-1:0]       c_group_q;
    reg [LANES*SHIFT_BITS-1:0] c_shift_q;
    always @(posedge clk) begin
        if (!rst_n)
            c_valid_q <= 1'b0;
        else
            c_valid_q <= a_valid_q;
        c_first_key_q <= a_first_key_q;
        c_end_q       <= a_end_q;
        c_slot_q      <= a_slot_q;
        c_first_q     <= a_first_q;
        c_last_q      <= a_last_q;
        c_bank_q      <= a_bank_q;
        c_key_q       <= a_key_q;
        c_group_q     <= a_group_q;
        c_shift_q     <= a_shift_q;
    end

    // ==== stage C: probabilities out; running sums and block sums
    reg [LANES*SUM_BITS-1:0]   sum_q  [0:(2<<GROUP_BITS)-1];          // word {bank, group}
    reg [ROWS*BSUM_BITS-1:0]   bsum_q  [0:1];
    reg [ROWS*SHIFT_BITS-1:0]  shift_q [0:1];

    assign p_we    = c_valid_q;
    assign p_slot  = c_slot_q;
    assign p_key   = c_key_q;
    assign p_group = c_group_q;
    assign p_data  = c_p;

    reg [LANES*SUM_BITS-1:0]  sum_word;
    reg [LANES*BSUM_BITS-1:0] bsum_word;
    reg signed [63:0]         sum;
    integer c;
    always @(posedge clk)
        if (c_valid_q) begin
            sum_word  = sum_q[{c_bank_q, c_group_q}];
            bsum_word = bsum_q[c_slot_q][c_group_q*LANES*BSUM_BITS +: LANES*BSUM_BITS];
            for (c = 0; c < LANES; c = c + 1) begin
                sum = $signed({{(64-SUM_BITS){1'b0}}, sum_word[c*SUM_BITS +: SUM_BITS]});
                if (c_first_key_q && c_first_q)
                    sum = 64'sd0;
                else if (c_first_key_q)
                    sum = fcim_round_shift(sum, c_shift_q[c*SHIFT_BITS +: SHIFT_BITS]);
                sum_word[c*SUM_BITS +: SUM_BITS] =
                    sum[SUM_BITS-1:0] + {{(SUM_BITS-PROB_BITS){1'b0}}, c_p[c*PROB_BITS +: PROB_BITS]};
                bsum_word[c*BSUM_BITS +: BSUM_BITS] =
                    (c_first_key_q ? {BSUM_BITS{1'b0}} : bsum_word[c*BSUM_BITS +: BSUM_BITS])
                    + {{(BSUM_BITS-PROB_BITS){1'b0}}, c_p[c*PROB_BITS +: PROB_BITS]};
            end
            sum_q[{c_bank_q, c_group_q}] <= sum_word;
            bsum_q[c_slot_q][c_group_q*LANES*BSUM_BITS +: LANES*BSUM_BITS] <= bsum_word;
            if (c_first_key_q)
                shift_q[c_slot_q][c_group_q*LANES*SHIFT_BITS +: LANES*SHIFT_BITS] <= c_shift_q;
        end

    assign blk_shift = {shift_q[1], shift_q[0]};
    assign blk_sum   = {bsum_q[1], bsum_q[0]};

    reg [SUM_BITS-1:0] sum_rd_q;
    always @(posedge clk)
        if (sum_rd_en)
            sum_rd_q <= sum_q[{sum_rd_bank, sum_rd_group}][sum_rd_lane*SUM_BITS +: SUM_BITS];
    assign sum_rd_data = sum_rd_q;

    // ==== finished blocks
    reg [1:0]             full_q;                    // finished and not yet taken by the OP-CIM
    reg                   take_slot_q;
    reg [1:0]             blk_first_q, blk_last_q, blk_bank_q;
    reg [KEY_BITS-1:0]    blk_last_key_q [0:1];

    wire [1:0] finished = (c_valid_q && c_end_q) ? {c_slot_q, !c_slot_q} : 2'b00;
    wire       take     = m_blk_valid && m_blk_ready;
    wire [1:0] taken    = take ? {take_slot_q, !take_slot_q} : 2'b00;
    always @(posedge clk)
        if (!rst_n) begin
            full_q      <= 2'b00;
            take_slot_q <= 1'b0;
        end else begin
            full_q      <= (full_q & ~taken) | finished;
            take_slot_q <= take_slot_q ^ take;
        end

    always @(posedge clk)
        if (|finished) begin
            blk_first_q[c_slot_q]    <= c_first_q;
            blk_last_q[c_slot_q]     <= c_last_q;
            blk_bank_q[c_slot_q]     <= c_bank_q;
            blk_last_key_q[c_slot_q] <= c_key_q;
        end

    assign m_blk_valid    = full_q[take_slot_q];
    assign m_blk_slot     = take_slot_q;
    assign m_blk_last_key = blk_last_key_q[take_slot_q];
    assign m_blk_first    = blk_first_q[take_slot_q];
    assign m_blk_last     = blk_last_q[take_slot_q];
    assign m_blk_bank     = blk_bank_q[take_slot_q];

endmodule

`default_nettype wire
