// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_ones: how many bits of a word are set, for counters.
//
// Latency:    None.
// Throughput: A word per cycle.
// Cuts:       None.
// Numbers:    Unsigned; a tree, level by level.
`default_nettype none

module fcim_unfused_ones #(
    parameter  WIDTH = 8,          // bits: a power of two
    localparam COUNT_BITS = $clog2(WIDTH + 1)  // a count
) (
    input  wire [WIDTH-1:0]      bits,
    output wire [COUNT_BITS-1:0] count
);

    localparam LEVELS = $clog2(WIDTH);

    reg [WIDTH*COUNT_BITS-1:0] part;
    always @* begin : tree
        integer level, n;
        for (n = 0; n < WIDTH; n = n + 1) begin
            part[n*COUNT_BITS +: COUNT_BITS] = {{(COUNT_BITS-1){1'b0}}, bits[n]};
        end
        for (level = LEVELS - 1; level >= 0; level = level - 1) begin
            for (n = 0; n < (1 << level); n = n + 1) begin
                part[n*COUNT_BITS +: COUNT_BITS] = part[2*n*COUNT_BITS +: COUNT_BITS]
                                                 + part[(2*n + 1)*COUNT_BITS +: COUNT_BITS];
            end
        end
    end
    assign count = part[COUNT_BITS-1:0];

endmodule

`default_nettype wire
