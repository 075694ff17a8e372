// SPDX-License-Identifier: Apache-2.0
// fcim_block_credits_props: what fcim_block_credits promises, in proofs.yaml in words.
`default_nettype none

module fcim_block_credits_props #(
    parameter  SLOTS = 16,
    parameter  BLOCKS = 256,
    localparam SLOT_BITS = $clog2(SLOTS),
    localparam COUNT_BITS = $clog2(BLOCKS + 1)
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 loaded,
    input  wire [SLOT_BITS-1:0] loaded_slot,
    input  wire [SLOTS-1:0]     take,
    input  wire [SLOT_BITS-1:0] slot            // the one that is followed, always the same
);

    wire [SLOTS-1:0] there;
    fcim_block_credits #(.SLOTS(SLOTS), .BLOCKS(BLOCKS)) dut (
        .clk(clk), .rst_n(rst_n), .loaded(loaded), .loaded_slot(loaded_slot), .take(take),
        .there(there)
    );

    reg begun_q = 1'b0;
    reg [SLOT_BITS-1:0] slot_q;
    reg [COUNT_BITS-1:0] count_q;      // blocks of the slot that came and were not read
    wire comes = loaded && loaded_slot == slot;
    wire goes  = take[slot];
    always @(posedge clk) begin
        begun_q <= 1'b1;
        slot_q  <= slot;
        count_q <= !rst_n ? {COUNT_BITS{1'b0}}
                 : count_q + {{(COUNT_BITS-1){1'b0}}, comes} - {{(COUNT_BITS-1){1'b0}}, goes};
    end

    always @* begin
        real_slot: assume (slot < SLOTS);
        if (begun_q) begin
            one_slot: assume (slot == slot_q);
            has_room: assume (!comes || count_q != BLOCKS);
            has_some: assume (!goes || there[slot]);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    always @* begin
        if (begun_q) begin
            counted: assert (there[slot] == (count_q != 0));

            lemma_count: assert (count_q <= BLOCKS
                                 && dut.count_q[slot*COUNT_BITS +: COUNT_BITS] == count_q);
        end
    end

    always @* begin
        in_and_out:  cover (begun_q && rst_n && comes && goes && count_q == 2);
        empty_again: cover (begun_q && rst_n && goes && !comes && count_q == 1
                            && slot == SLOTS - 1);
    end

endmodule

`default_nettype wire
