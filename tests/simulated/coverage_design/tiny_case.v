// SPDX-License-Identifier: Apache-2.0
// tiny_case: a few lines whose coverage can be worked out by hand. bench_tiny_case.py runs them in two parts that miss different things.
`default_nettype none

module tiny_case (
    input  wire        clk,
    input  wire        rst_n,
    input  wire [1:0]  op,
    input  wire        a,
    input  wire        b,
    input  wire [69:0] wide,
    output wire        both,
    output reg  [3:0]  y_q
);
    assign both = a && b;

    always @(posedge clk)
        if (!rst_n)
            y_q <= 4'd0;
        else
            case (op)
                2'd0: y_q <= a ? 4'd5 : 4'd1;
                2'd1: y_q <= y_q + 4'd2;
                default:
                    if (b)
                        y_q <= 4'd8;
            endcase
endmodule

`default_nettype wire
