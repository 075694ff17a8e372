// SPDX-License-Identifier: Apache-2.0
// fcim_row_max: keeps every row's integer reference. Once a key block is scaled it decides the block's references and
// rescale amounts, group of rows by group of rows, and whether every probability of the block will be 0.
// Holds the maxima, references and amounts of three blocks: one is scaled, one judged, one exponentiated.
// Latency: a block is judged in the cycle after its last group was walked over. Throughput: a block per GROUPS cycles.
// Cuts: s_blk_ready, judged and the read port depend on registers only; references and the test for 0 lie in two stages.
// Numbers: z signed Z_BITS with Z_FRAC fraction bits; reference signed integer; amount of a rescale clamped to SHIFT_BITS.
`default_nettype none

module fcim_row_max #(
    parameter LANES = 8,
    parameter BITS_PER_CYCLE = 1,
    parameter PROB_BITS = 16,
    // derived or fixed by the number formats, not to be set
    parameter GROUP_BITS = (BITS_PER_CYCLE < 8) ? $clog2(8 / BITS_PER_CYCLE) : 1,
    parameter LCNT_BITS = $clog2(LANES + 1),
    parameter AMOUNT_BITS = 11 + $clog2(LANES + 1),
    parameter Z_BITS = 20,
    parameter Z_FRAC = 10,
    parameter REF_BITS = 10,
    parameter SHIFT_BITS = 6,
    parameter TAU_BITS = 4
) (
    input  wire                        clk,
    input  wire                        rst_n,

    // scaled scores of the block in buffer z_buf
    input  wire                        z_valid,
    input  wire [1:0]                  z_buf,
    input  wire                        z_first_key,
    input  wire [GROUP_BITS-1:0]       z_group,
    input  wire [LANES*Z_BITS-1:0]     z_data,

    // a block to be judged; it stands here while its groups are walked over and is taken with the last one
    input  wire                        s_blk_valid,
    output wire                        s_blk_ready,
    input  wire [1:0]                  s_blk_buf,
    input  wire [1:0]                  s_blk_before,   // buffer of the block before it
    input  wire [1:0]                  s_blk_after,    // buffer of the block after it
    input  wire                        s_blk_first,    // the tile's first: no row has seen a key
    input  wire                        s_blk_joint,    // its references are taken over the block after it as well
    input  wire [TAU_BITS-1:0]         s_blk_tau,

    // one pulse per block
    output wire                        judged,
    output wire [1:0]                  judged_buf,
    output wire                        judged_zero,    // every probability will be 0

    // references and amounts of a judged block, in the same cycle
    input  wire [1:0]                  rd_buf,
    input  wire [GROUP_BITS-1:0]       rd_group,
    output wire [LANES*REF_BITS-1:0]   rd_reference,
    output wire [LANES*SHIFT_BITS-1:0] rd_shift,

    // events
    output wire [LCNT_BITS-1:0]        ev_rescaled,
    output wire [AMOUNT_BITS-1:0]      ev_amount
);

    localparam GROUPS = 8 / BITS_PER_CYCLE;
    localparam BUFFERS = 3;
    localparam [GROUP_BITS-1:0] LAST_GROUP = GROUPS[GROUP_BITS-1:0] - 1'b1;
    localparam signed [Z_BITS-1:0] MASKED = {1'b1, {(Z_BITS-1){1'b0}}};

    // ---- maxima: word {buffer, group}
    reg [LANES*Z_BITS-1:0] zmax_q [0:(BUFFERS<<GROUP_BITS)-1];
    reg [LANES*Z_BITS-1:0] zmax_word;
    integer i;
    always @(posedge clk)
        if (z_valid) begin
            zmax_word = zmax_q[{z_buf, z_group}];
            for (i = 0; i < LANES; i = i + 1)
                if (z_first_key || $signed(z_data[i*Z_BITS +: Z_BITS]) > $signed(zmax_word[i*Z_BITS +: Z_BITS]))
                    zmax_word[i*Z_BITS +: Z_BITS] = z_data[i*Z_BITS +: Z_BITS];
            zmax_q[{z_buf, z_group}] <= zmax_word;
        end

    // ---- walk over the groups
    reg  [GROUP_BITS-1:0] group_q;
    wire                  last_group = (group_q == LAST_GROUP);
    assign s_blk_ready = last_group;
    always @(posedge clk)
        if (!rst_n)
            group_q <= {GROUP_BITS{1'b0}};
        else if (s_blk_valid)
            group_q <= last_group ? {GROUP_BITS{1'b0}} : group_q + 1'b1;

    // ---- stage A: references and amounts, word {buffer, group}; a row's state is what the block before has left
    reg [LANES*REF_BITS-1:0]   ref_q   [0:(BUFFERS<<GROUP_BITS)-1];
    reg [LANES*SHIFT_BITS-1:0] shift_q [0:(BUFFERS<<GROUP_BITS)-1];
    reg [LANES-1:0]            seen_q  [0:(1<<GROUP_BITS)-1];
    reg                        a_valid_q, a_first_group_q, a_end_q;
    reg [1:0]                  a_buf_q;
    reg [TAU_BITS-1:0]         a_tau_q;
    reg [LANES*REF_BITS-1:0]   a_ref_q, a_own_q;        // the row's reference, and the block's own maximum
    reg [LANES-1:0]            a_visible_q;             // the row sees a key of the block
    reg [LCNT_BITS-1:0]        a_rescaled_q;
    reg [AMOUNT_BITS-1:0]      a_amount_q;

    reg signed [Z_BITS-1:0]    own, other, zmax;
    reg signed [REF_BITS-1:0]  old_ref, candidate;
    reg signed [REF_BITS:0]    amount;
    reg                        visible, move;
    reg [LANES*Z_BITS-1:0]     own_all, other_all;
    reg [LANES*REF_BITS-1:0]   ref_all, whole_all;
    reg [LANES-1:0]            seen_all, visible_all;
    reg [LANES*SHIFT_BITS-1:0] shift_all;
    reg [LCNT_BITS-1:0]        moved;
    reg [AMOUNT_BITS-1:0]      moved_sum;
    integer a;
    always @(posedge clk) begin
        a_valid_q <= rst_n && s_blk_valid;
        moved     = {LCNT_BITS{1'b0}};
        moved_sum = {AMOUNT_BITS{1'b0}};
        if (s_blk_valid) begin
            own_all   = zmax_q[{s_blk_buf, group_q}];
            other_all = zmax_q[{s_blk_after, group_q}];
            ref_all   = ref_q[{s_blk_before, group_q}];
            seen_all  = s_blk_first ? {LANES{1'b0}} : seen_q[group_q];
            for (a = 0; a < LANES; a = a + 1) begin
                own       = own_all[a*Z_BITS +: Z_BITS];
                other     = other_all[a*Z_BITS +: Z_BITS];
                zmax      = (s_blk_joint && other > own) ? other : own;
                old_ref   = ref_all[a*REF_BITS +: REF_BITS];
                candidate = zmax[Z_BITS-1:Z_FRAC];
                visible   = (zmax != MASKED);
                amount    = $signed({candidate[REF_BITS-1], candidate}) - $signed({old_ref[REF_BITS-1], old_ref});
                move      = visible && seen_all[a] && (amount > $signed({{(REF_BITS+1-TAU_BITS){1'b0}}, s_blk_tau}));
                if (move || !seen_all[a])
                    ref_all[a*REF_BITS +: REF_BITS] = candidate;
                seen_all[a]    = seen_all[a] || visible;
                visible_all[a] = (own != MASKED);
                whole_all[a*REF_BITS +: REF_BITS]     = own[Z_BITS-1:Z_FRAC];
                shift_all[a*SHIFT_BITS +: SHIFT_BITS] = !move ? {SHIFT_BITS{1'b0}} :
                    (|amount[REF_BITS:SHIFT_BITS]) ? {SHIFT_BITS{1'b1}} : amount[SHIFT_BITS-1:0];
                if (move) begin
                    moved     = moved + 1'b1;
                    moved_sum = moved_sum + {{(AMOUNT_BITS-REF_BITS-1){1'b0}}, amount};
                end
            end
            ref_q[{s_blk_buf, group_q}]   <= ref_all;
            shift_q[{s_blk_buf, group_q}] <= shift_all;
            seen_q[group_q] <= seen_all;
            a_first_group_q <= (group_q == 0);
            a_end_q         <= last_group;
            a_buf_q         <= s_blk_buf;
            a_tau_q         <= s_blk_tau;
            a_ref_q         <= ref_all;
            a_own_q         <= whole_all;
            a_visible_q     <= visible_all;
        end
        a_rescaled_q <= moved;
        a_amount_q   <= moved_sum;
    end
    assign ev_rescaled = a_rescaled_q;
    assign ev_amount   = a_amount_q;

    // ---- stage B: 2**(z - reference) rounds to 0 if z lies in an octave below -(PROB_BITS - tau)
    reg signed [REF_BITS+1:0] above;                    // octaves between the row's maximum and the first that rounds to 0
    reg [LANES-1:0]           nonzero;
    reg                       any_q;                    // a group before this one has a probability
    integer b;
    always @* begin
        above   = {(REF_BITS+2){1'b0}};
        nonzero = {LANES{1'b0}};
        for (b = 0; b < LANES; b = b + 1) begin
            above = $signed({{2{a_own_q[b*REF_BITS + REF_BITS - 1]}}, a_own_q[b*REF_BITS +: REF_BITS]})
                  - $signed({{2{a_ref_q[b*REF_BITS + REF_BITS - 1]}}, a_ref_q[b*REF_BITS +: REF_BITS]})
                  - $signed({{(REF_BITS+2-TAU_BITS){1'b0}}, a_tau_q}) + $signed(PROB_BITS[REF_BITS+1:0]);
            nonzero[b] = a_visible_q[b] && !above[REF_BITS+1];
        end
    end
    wire any_now = (|nonzero) || (any_q && !a_first_group_q);
    always @(posedge clk)
        if (a_valid_q)
            any_q <= any_now;

    assign judged      = a_valid_q && a_end_q;
    assign judged_buf  = a_buf_q;
    assign judged_zero = !any_now;

    assign rd_reference = ref_q[{rd_buf, rd_group}];
    assign rd_shift     = shift_q[{rd_buf, rd_group}];

endmodule

`default_nettype wire
