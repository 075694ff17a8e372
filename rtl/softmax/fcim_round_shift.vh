// SPDX-License-Identifier: Apache-2.0
// fcim_round_shift(x, amount): x / 2**amount, rounded to nearest, halves towards plus infinity.
// A function, included where used, after the localparam ROUND_BITS.
//
// Numbers:    x signed, ROUND_BITS; amount 0 to 63. floor(2 * x / 2**amount), then one halving that
//             rounds, so that no sum is wider than x and amount 0 needs no case of its own.
function signed [ROUND_BITS-1:0] fcim_round_shift(
    input signed [ROUND_BITS-1:0] x, input [5:0] amount
);
    reg signed [ROUND_BITS:0] twice;
    begin
        twice = $signed({x, 1'b0}) >>> amount;
        fcim_round_shift = $signed(twice[ROUND_BITS:1])
                         + $signed({{(ROUND_BITS-1){1'b0}}, twice[0]});
    end
endfunction
