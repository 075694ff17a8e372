// SPDX-License-Identifier: Apache-2.0
// fcim_watch: the ghost of a stream that keeps its order. It counts the words that are inside a
// block and follows one of them, whichever `pick` chooses, to the end where it has to come out.
`default_nettype none

module fcim_watch #(
    parameter  WIDTH = 8,      // bits of a word
    parameter  MOST = 16,      // words that the block may hold; one more is still counted
    localparam COUNT_BITS = $clog2(MOST + 2)
) (
    input  wire                  clk,
    input  wire                  rst_n,
    input  wire                  pick,       // free: follow the word that enters now
    input  wire                  enters,
    input  wire [WIDTH-1:0]      data,
    input  wire                  leaves,
    output wire [COUNT_BITS-1:0] count,      // words inside
    output wire                  watches,    // one of them is followed
    output wire [COUNT_BITS-1:0] ahead,      // words that leave before it
    output wire [WIDTH-1:0]      word,       // what it was
    output wire                  due         // it is the next to leave
);

    reg [COUNT_BITS-1:0] count_q, ahead_q;
    reg                  watches_q;
    reg [WIDTH-1:0]      word_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            count_q   <= {COUNT_BITS{1'b0}};
            watches_q <= 1'b0;
        end else begin
            count_q <= count_q + {{(COUNT_BITS-1){1'b0}}, enters}
                               - {{(COUNT_BITS-1){1'b0}}, leaves};
            if (enters && pick && !watches_q) begin
                watches_q <= 1'b1;
                ahead_q   <= count_q - {{(COUNT_BITS-1){1'b0}}, leaves};
                word_q    <= data;
            end else if (leaves && watches_q) begin
                watches_q <= (ahead_q != {COUNT_BITS{1'b0}});
                ahead_q   <= ahead_q - 1'b1;
            end
        end
    end

    assign count   = count_q;
    assign watches = watches_q;
    assign ahead   = ahead_q;
    assign word    = word_q;
    assign due     = watches_q && (ahead_q == {COUNT_BITS{1'b0}});

endmodule

`default_nettype wire
