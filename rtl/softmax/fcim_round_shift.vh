// SPDX-License-Identifier: Apache-2.0
// fcim_round_shift(x, amount): x / 2**amount, rounded to nearest, halves towards plus infinity.
// A function, included where used.
//
// Numbers:    x signed, up to 64 bits (unused high bits are copies of the sign and vanish); amount
//             0 to 63. floor(x / 2**(amount-1)), then one more halving that rounds, so that no sum
//             is wider than x.
function signed [63:0] fcim_round_shift(input signed [63:0] x, input [5:0] amount);
    reg signed [63:0] floor_half;
    begin
        floor_half = x >>> (amount - 6'd1);
        fcim_round_shift = (amount == 6'd0)
            ? x : ((floor_half >>> 1) + $signed({63'd0, floor_half[0]}));
    end
endfunction
