// SPDX-License-Identifier: Apache-2.0
// fcim_row_rule: the ghost of one row's running maximum, as the specification has it
// (models/hardware/golden.py). It keeps the largest score of each buffer, in full; a block whose
// scores are read in one cycle is judged in the next: where the maximum goes, by how much it rises,
// and whether a score of the block counts. With CUT_BITS the row's sum has as many: the bound of it
// raises the maximum, which counts too.
`default_nettype none

module fcim_row_rule #(
    parameter  PROB_BITS = 18,
    parameter  KEYS_PER_BLOCK = 16,
    parameter  CUT_BITS = 0,
    localparam BOUND_BITS = CUT_BITS + 2
) (
    input  wire               clk,
    input  wire               rst_n,
    input  wire               scored,      // a score of the row
    input  wire [1:0]         z_buf,
    input  wire               z_first_key,
    input  wire signed [19:0] z,
    input  wire               read,        // the row's turn
    input  wire [1:0]         blk_buf,
    input  wire [1:0]         blk_after,
    input  wire               blk_joint,
    output wire [2:0]         there,       // the buffer has a score since a first key
    output wire [3*20-1:0]    highest,     // its largest
    output wire               had,         // the row was judged since the reset
    output wire               seen,        // it has seen a key of its tile
    output wire signed [9:0]  row_max,

    // in the cycle after read
    input  wire               first,
    input  wire [3:0]         tau,
    input  wire [4:0]         octaves,
    input  wire               left_out,    // the block before was
    output wire               judges,
    output wire signed [19:0] own,         // the largest score of the block, and of both if joint
    output wire signed [19:0] all,
    output wire signed [9:0]  moved_max,   // the running maximum from now on
    output wire [10:0]        amount,      // by how much it rises above one that was set
    output wire               counts,
    output wire                  raises,
    output wire [BOUND_BITS-1:0] with_it,     // bounds with the block that was judged, and without
    output wire [BOUND_BITS-1:0] without_it
);

    localparam signed [19:0] MASKED = {1'b1, 19'd0};
    localparam signed [11:0] LOWEST = -12'sd512;
    localparam signed [11:0] BITS = PROB_BITS;

    reg signed [19:0] highest_q [0:2];
    reg [2:0]         there_q;
    reg               judges_q, had_q, seen_q;
    reg signed [19:0] own_q, all_q;
    reg signed [9:0]  max_q;
    wire signed [19:0] mine  = highest[blk_buf*20 +: 20];
    wire signed [19:0] after = highest[blk_after*20 +: 20];
    genvar b;
    generate
        for (b = 0; b < 3; b = b + 1) begin : g_buffer
            wire comes = scored && (z_buf == b);
            always @(posedge clk) begin
                there_q[b] <= rst_n && (there_q[b] || (comes && z_first_key));
                if (comes && (z_first_key || z > highest_q[b])) begin
                    highest_q[b] <= z;
                end
            end
            assign highest[b*20 +: 20] = highest_q[b];
        end
    endgenerate

    // ---- the rule
    wire signed [11:0] wide_tau  = {8'd0, tau};
    wire signed [11:0] given     = {7'd0, octaves};
    wire signed [11:0] exact     = BITS - wide_tau;
    wire signed [11:0] span      = (given != 0 && given < exact) ? given : exact;
    wire signed [11:0] candidate = {{2{all_q[19]}}, all_q[19:10]};
    wire signed [11:0] octave    = {{2{own_q[19]}}, own_q[19:10]};
    wire signed [11:0] was       = first ? LOWEST : {{2{max_q[9]}}, max_q};
    wire               was_seen  = seen_q && !first;
    wire               visible   = (all_q != MASKED);
    wire               moves     = visible && was_seen && candidate > was + wide_tau;
    wire               sets      = visible && !was_seen;
    wire signed [11:0] top       = (moves || sets) ? candidate : was;
    wire signed [11:0] becomes   = top + {11'd0, raises};
    wire        [11:0] rise      = (moves ? candidate - was : 12'd0) + {11'd0, raises};
    wire signed [11:0] above     = octave - becomes + span;

    // ---- bounds
    function [BOUND_BITS-1:0] upwards;      // bound / 2**shift
        input [BOUND_BITS-1:0] bound;
        input [5:0]            shift;
        upwards = (bound >> shift)
                + {{(BOUND_BITS-1){1'b0}}, (bound & ~({BOUND_BITS{1'b1}} << shift)) != 0};
    endfunction
    function [BOUND_BITS-1:0] adds;         // what a block may add whose largest score is own
        input               see;
        input signed [11:0] octaves_up;
        adds = (see && octaves_up >= 0) ? KEYS_PER_BLOCK << octaves_up[5:0] : {BOUND_BITS{1'b0}};
    endfunction
    reg  [BOUND_BITS-1:0] with_q, without_q;
    wire [BOUND_BITS-1:0] so_far   = first ? {BOUND_BITS{1'b0}} : left_out ? without_q : with_q;
    wire        [11:0]    moved    = moves ? candidate - was : 12'd0;
    wire        [5:0]     by_then  = (moved > 63) ? 6'd63 : moved[5:0];
    wire        [5:0]     by_now   = (rise > 63) ? 6'd63 : rise[5:0];
    wire                  sees     = (own_q != MASKED);
    wire signed [11:0]    exponent = octave - wide_tau + BITS;
    wire [BOUND_BITS-1:0] total    = upwards(so_far, by_then) + adds(sees, exponent - top);
    wire [BOUND_BITS-1:0] kept     = upwards(so_far, by_now);
    always @(posedge clk) begin
        if (judges_q) begin
            without_q <= kept;
            with_q    <= kept + adds(sees, exponent - becomes);
        end
    end
    assign raises     = (CUT_BITS != 0) && (total >> CUT_BITS) != 0;
    assign with_it    = with_q;
    assign without_it = without_q;

    always @(posedge clk) begin
        judges_q <= rst_n && read;
        own_q    <= mine;
        all_q    <= (blk_joint && after > mine) ? after : mine;
        had_q    <= rst_n && (had_q || judges_q);
        if (judges_q) begin
            seen_q <= was_seen || visible;
            max_q  <= becomes[9:0];
        end
    end

    assign there     = there_q;
    assign had       = had_q;
    assign seen      = seen_q;
    assign row_max   = max_q;
    assign judges    = judges_q;
    assign own       = own_q;
    assign all       = all_q;
    assign moved_max = becomes[9:0];
    assign amount    = rise[10:0];
    assign counts    = raises || (sees && above >= 0);

endmodule

`default_nettype wire
