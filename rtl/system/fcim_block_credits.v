// SPDX-License-Identifier: Apache-2.0
// fcim_block_credits: counts, slot by slot, the blocks that are in the buffer and not yet read.
//
// Latency:    A block counts from the cycle after its pulse on.
// Throughput: A block in and one out of every slot per cycle.
// Cuts:       there comes from registers.
// Numbers:    Unsigned; a slot has up to BLOCKS blocks.
`default_nettype none

module fcim_block_credits #(
    parameter  SLOTS = 16,       // 2 to 16
    parameter  BLOCKS = 256,     // blocks of a slot: 1 or more
    localparam SLOT_BITS = $clog2(SLOTS),      // index of a slot
    localparam COUNT_BITS = $clog2(BLOCKS + 1) // number of blocks
) (
    input  wire                 clk,
    input  wire                 rst_n,

    input  wire                 loaded,        // a block has come
    input  wire [SLOT_BITS-1:0] loaded_slot,
    input  wire [SLOTS-1:0]     take,          // one is read; only where one is there
    output wire [SLOTS-1:0]     there
);

    reg [SLOTS*COUNT_BITS-1:0] count_q;

    reg [SLOTS-1:0] some;
    always @* begin : look
        integer s;
        for (s = 0; s < SLOTS; s = s + 1) begin
            some[s] = (count_q[s*COUNT_BITS +: COUNT_BITS] != {COUNT_BITS{1'b0}});
        end
    end

    always @(posedge clk) begin : count
        reg     more;
        integer s;
        if (!rst_n) begin
            count_q <= {SLOTS*COUNT_BITS{1'b0}};
        end else begin
            for (s = 0; s < SLOTS; s = s + 1) begin
                more = loaded && (loaded_slot == s[SLOT_BITS-1:0]);
                if (more != take[s]) begin
                    count_q[s*COUNT_BITS +: COUNT_BITS] <= more ?
                        count_q[s*COUNT_BITS +: COUNT_BITS] + 1'b1 :
                        count_q[s*COUNT_BITS +: COUNT_BITS] - 1'b1;
                end
            end
        end
    end

    assign there = some;

endmodule

`default_nettype wire
