// SPDX-License-Identifier: Apache-2.0
// fcim_held: the ghost of a stream's rule: what is offered stays offered, and the same, until it is
// taken.
`default_nettype none

module fcim_held #(
    parameter WIDTH = 8
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             valid,
    input  wire             ready,
    input  wire [WIDTH-1:0] data,
    output wire             ok
);

    reg             waits_q;     // something was offered in the cycle before and not taken
    reg [WIDTH-1:0] data_q;
    always @(posedge clk) begin
        waits_q <= rst_n && valid && !ready;
        data_q  <= data;
    end

    assign ok = !waits_q || (valid && data == data_q);

endmodule

`default_nettype wire
