// SPDX-License-Identifier: Apache-2.0
// fcim_merge_props: what fcim_merge promises up to its divider, in proofs.yaml in words.
`default_nettype none

module fcim_merge_props #(
    parameter  PARTS = 3,
    parameter  HEAD_DIM = 16,
    parameter  BITS_PER_CYCLE = 4,
    parameter  PROB_BITS = 8,
    parameter  MAX_KEYS = 64,
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS),
    localparam ACC_BITS = SUM_BITS + 8,
    localparam CHUNKS = 8 / BITS_PER_CYCLE,
    localparam CHUNK_BITS = $clog2(CHUNKS),
    localparam COLUMNS = HEAD_DIM / CHUNKS,
    localparam LANE_BITS = $clog2(COLUMNS + 1)
) (
    input  wire                              clk,
    input  wire                              rst_n,
    input  wire                              s_merge_valid,
    input  wire [PARTS-1:0]                  s_merge_parts,
    input  wire [PARTS-1:0]                  s_part_valid,
    input  wire [PARTS*COLUMNS*ACC_BITS-1:0] s_part_acc,
    input  wire [PARTS*SUM_BITS-1:0]         s_part_sum,
    input  wire [PARTS*10-1:0]               s_part_max,
    input  wire [PARTS-1:0]                  s_part_last,
    input  wire                              m_o_ready,
    input  wire                              pick,      // follow the chunk that begins now
    input  wire [LANE_BITS-1:0]              lane,      // any column, or behind them the
    input  wire signed [ACC_BITS-1:0]        x,         // denominator, always the same
    input  wire [5:0]                        amount     // to round: any number and amount
);

    wire             s_merge_ready, error_parts;
    wire [PARTS-1:0] s_part_ready;
    fcim_merge #(
        .PARTS(PARTS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS)
    ) dut (
        .clk(clk), .rst_n(rst_n), .s_merge_valid(s_merge_valid), .s_merge_ready(s_merge_ready),
        .s_merge_parts(s_merge_parts), .s_part_valid(s_part_valid), .s_part_ready(s_part_ready),
        .s_part_acc(s_part_acc), .s_part_sum(s_part_sum), .s_part_max(s_part_max),
        .s_part_last(s_part_last), .m_o_valid(), .m_o_ready(m_o_ready), .m_o_data(),
        .m_o_empty(), .m_o_last(), .error_parts(error_parts)
    );

    // ---- the rule: x / 2**amount, rounded to nearest, halves upwards; the RTL's function is shown
    // to be that for any x and amount, and stands for it in sums
    localparam ROUND_BITS = ACC_BITS;
    `include "fcim_round_shift.vh"
    function signed [ACC_BITS-1:0] rounded(input signed [ACC_BITS-1:0] x, input [5:0] amount);
        reg signed [ACC_BITS:0] floor;
        begin
            floor   = {x[ACC_BITS-1], x};
            floor   = floor >>> ((amount == 0) ? 6'd0 : amount - 6'd1);
            rounded = (amount == 0) ? floor : (floor + 1) >>> 1;
        end
    endfunction

    // ---- the tile, its chunk that began last and whose part of that was not taken
    reg                     begun_q = 1'b0;
    reg                     open_q, wrong_q, row_end_q, tile_end_q;
    reg  [PARTS-1:0]        tile_q, whole_q, left_q;
    reg  [CHUNK_BITS-1:0]   chunk_q;
    reg  signed [9:0]       max_q;
    reg  [LANE_BITS-1:0]    lane_q;
    wire                    starts  = dut.offered;
    wire                    accept  = s_merge_valid && s_merge_ready;
    wire [PARTS-1:0]        taken   = s_part_valid & s_part_ready;
    wire                    row_end = (chunk_q == CHUNKS - 1);
    wire [PARTS-1:0]        lasts   = s_part_last & tile_q;
    wire                    bad     = lasts != 0 && (lasts != tile_q || !row_end);
    wire                    ends    = row_end && lasts != 0;
    reg  signed [9:0]       highest;
    wire [PARTS-1:0]        ok_stays, ok_below;
    wire [PARTS*ACC_BITS-1:0] value;
    genvar p;
    generate
        for (p = 0; p < PARTS; p = p + 1) begin : g_part
            wire signed [9:0]  own  = s_part_max[p*10 +: 10];
            wire [SUM_BITS-1:0] sum = s_part_sum[p*SUM_BITS +: SUM_BITS];
            assign ok_below[p] = !left_q[p] || own <= max_q;
            assign value[p*ACC_BITS +: ACC_BITS] = (lane == COLUMNS) ? {8'd0, sum}
                : s_part_acc[(p*COLUMNS + lane)*ACC_BITS +: ACC_BITS];
            fcim_held #(.WIDTH(ACC_BITS + 11)) u_held (
                .clk(clk), .rst_n(rst_n), .valid(s_part_valid[p]), .ready(s_part_ready[p]),
                .data({value[p*ACC_BITS +: ACC_BITS], own, s_part_last[p]}), .ok(ok_stays[p])
            );
        end
    endgenerate
    // ---- the part that is taken: its word and by how much it is shifted
    reg  [ACC_BITS-1:0]     word;
    reg  signed [9:0]       own_max;
    reg  signed [10:0]      rise;
    always @* begin : look
        integer n;
        highest = -10'sd512;
        word    = {ACC_BITS{1'b0}};
        own_max = 10'sd0;
        for (n = 0; n < PARTS; n = n + 1) begin
            if (tile_q[n] && $signed(s_part_max[n*10 +: 10]) > highest) begin
                highest = s_part_max[n*10 +: 10];
            end
            if (taken[n]) begin
                word    = value[n*ACC_BITS +: ACC_BITS];
                own_max = s_part_max[n*10 +: 10];
            end
        end
        rise = {max_q[9], max_q} - {own_max[9], own_max};
    end
    wire signed [ACC_BITS-1:0] total = dut.b_total_q[lane*ACC_BITS +: ACC_BITS];
    wire signed [ACC_BITS-1:0] a_value = (lane == COLUMNS) ? {8'd0, dut.a_sum_q}
                                       : dut.a_acc_q[lane*ACC_BITS +: ACC_BITS];
    reg                        took_q, adds_q, opens_q, ends_q, stays_q, joins_q;
    reg         [5:0]          shift_q;
    reg  signed [ACC_BITS-1:0] word_q, before_q, term_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        lane_q  <= lane;
        took_q  <= rst_n && taken != 0;
        word_q  <= word;
        shift_q <= (rise > 63) ? 6'd63 : rise[5:0];
        opens_q <= (left_q == whole_q);
        ends_q  <= ((left_q & ~taken) == 0);
        stays_q <= rst_n && dut.a_valid_q && dut.stall_q;
        adds_q  <= dut.a_valid_q && !dut.stall_q;
        before_q <= total;
        term_q  <= fcim_round_shift(a_value, dut.a_shift_q);
        joins_q <= !dut.a_first_q;
        if (!rst_n) begin
            open_q  <= 1'b0;
            wrong_q <= 1'b0;
            left_q  <= {PARTS{1'b0}};
            chunk_q <= {CHUNK_BITS{1'b0}};
        end else begin
            open_q  <= accept ? (s_merge_parts != 0) : open_q && !(starts && ends);
            wrong_q <= wrong_q || (accept && s_merge_parts == 0) || (starts && bad);
            left_q  <= starts ? tile_q : left_q & ~taken;
            chunk_q <= !starts ? chunk_q : row_end ? {CHUNK_BITS{1'b0}} : chunk_q + 1'b1;
        end
        if (accept) begin
            tile_q <= s_merge_parts;
        end
        if (starts) begin
            max_q      <= highest;
            row_end_q  <= row_end;
            whole_q    <= tile_q;
            tile_end_q <= ends;
        end
    end
    always @* begin
        real_lane: assume (lane <= COLUMNS);
        if (begun_q) begin
            parts_stay: assume (ok_stays == {PARTS{1'b1}});
            same_lane:  assume (lane == lane_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- a chunk from its beginning to the divider
    wire                out = dut.b_valid_q && dut.b_ready;
    wire [2:0]          count, ahead;
    wire                watches, due, its_row_end, its_tile_end;
    fcim_watch #(.WIDTH(2), .MOST(2)) u_watch (
        .clk(clk), .rst_n(rst_n), .pick(pick), .enters(starts), .data({row_end, ends}),
        .leaves(out), .count(count), .watches(watches), .ahead(ahead),
        .word({its_row_end, its_tile_end}), .due(due)
    );

    // ---- in the RTL: what of the chunk that began last is added, and what waits for that
    wire                       under_way = (left_q != 0) || dut.a_valid_q;
    wire                       none_yet  = dut.first_q && left_q != 0;
    wire                       in_b      = dut.b_valid_q && due;
    wire signed [9:0]          low    = dut.low_max_q;
    wire signed [9:0]          high   = dut.high_max_q;

    always @* begin
        if (begun_q) begin
            waits_all: assert (!starts || (open_q && (s_part_valid | ~tile_q) == {PARTS{1'b1}}));
            once:      assert ((s_part_ready & ~left_q) == 0 && $countones(s_part_ready) <= 1);
            words:     assert (!took_q || (dut.a_valid_q && a_value == word_q
                                           && dut.a_shift_q == shift_q));
            sums:      assert (total == (!adds_q ? before_q
                                         : term_q + (joins_q ? before_q : {ACC_BITS{1'b0}})));
            anew:      assert (!took_q || dut.a_first_q == opens_q);
            no_other:  assert (!dut.a_valid_q || took_q || stays_q);
            marks:     assert (!in_b || (dut.b_row_end_q == its_row_end
                                         && dut.b_tile_end_q == its_tile_end));
            nothing:   assert (!dut.b_valid_q || count != 0);
            complete:  assert (!(dut.b_valid_q && due && count == 1) || left_q == 0);
            ready:     assert (s_merge_ready == !open_q);
            told:      assert (error_parts == wrong_q);

            lemma_round: assert (fcim_round_shift(x, amount) == rounded(x, amount));
            lemma_tile:  assert (dut.busy_q == open_q && (!open_q || (dut.parts_q == tile_q
                                 && tile_q != 0)) && dut.left_q == left_q
                                 && dut.chunk_q == chunk_q);
            lemma_begun: assert (left_q == 0 || (dut.row_end_q == row_end_q
                                 && dut.tile_end_q == tile_end_q
                                 && ((low > high) ? low : high) == max_q
                                 && (s_part_valid & left_q) == left_q
                                 && ok_below == {PARTS{1'b1}}));
            lemma_count: assert (count == under_way + dut.b_valid_q
                                 && (!watches || ahead < count));
            lemma_first: assert (!(none_yet && dut.a_valid_q) && (left_q == 0 || !dut.a_valid_q
                                 || !dut.a_complete_q) && (!dut.a_valid_q || left_q != 0
                                 || dut.a_complete_q));
            lemma_apart: assert (!dut.b_valid_q || !under_way || none_yet
                                 || (dut.a_valid_q && dut.a_first_q));
            lemma_stall: assert (!(dut.b_valid_q && dut.a_valid_q && !dut.stall_q));
            lemma_marks: assert (!(dut.a_valid_q && left_q == 0 && watches
                                   && ahead == dut.b_valid_q)
                                 || {dut.a_row_end_q, dut.a_tile_end_q}
                                    == {its_row_end, its_tile_end});
            lemma_ends:  assert (!(left_q != 0 && watches && ahead == dut.b_valid_q)
                                 || {row_end_q, tile_end_q} == {its_row_end, its_tile_end});
            lemma_took:  assert (!took_q || dut.a_complete_q == ends_q);
            lemma_opens: assert ((left_q & ~whole_q) == 0
                                 && (left_q == 0 || none_yet == (left_q == whole_q)));
        end
    end

    always @* begin
        joins:  cover (begun_q && rst_n && in_b && its_tile_end && lane != COLUMNS
                       && tile_q == {PARTS{1'b1}} && total == 5);
        waits_for_room: cover (begun_q && rst_n && dut.stall_q && dut.a_valid_q && watches);
    end

endmodule

`default_nettype wire
