// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_limit: how many keys of a span a row sees: those up to its own position.
//
// Latency:    None.
// Throughput: A row per cycle.
// Cuts:       None.
// Numbers:    min(keys, pos - base + 1), 0 where base > pos; unsigned.
`default_nettype none

module fcim_unfused_limit #(
    localparam KEY_BITS = 17       // position or number of keys, unsigned
) (
    input  wire [KEY_BITS-1:0] pos,
    input  wire [KEY_BITS-1:0] base,    // of the span's first key
    input  wire [KEY_BITS-1:0] keys,    // of the span
    output wire [KEY_BITS-1:0] limit
);

    wire [KEY_BITS:0] seen = {1'b0, pos} - {1'b0, base};    // one less; negative: none
    assign limit = seen[KEY_BITS]              ? {KEY_BITS{1'b0}} :
                   (seen[KEY_BITS-1:0] < keys) ? seen[KEY_BITS-1:0] + 1'b1 : keys;

endmodule

`default_nettype wire
