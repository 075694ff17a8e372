// SPDX-License-Identifier: Apache-2.0
// fcim_counters: the performance counters. Each adds its increment every cycle; clear zeroes all
// and beats the increments of its cycle.
//
// Latency:    An increment shows one cycle later.
// Throughput: An increment of every counter per cycle.
// Cuts:       The outputs are registers.
// Numbers:    COUNT counters of 48 bits that wrap, increments of INC_BITS; unsigned.
`default_nettype none

module fcim_counters #(
    parameter  COUNT = 4,      // counters: 1 or more
    parameter  INC_BITS = 16,  // increment, unsigned: 1 to 48
    localparam WIDTH = 48      // one counter, unsigned
) (
    input  wire                      clk,
    input  wire                      rst_n,
    input  wire                      clear,
    input  wire [COUNT*INC_BITS-1:0] increments,
    output wire [COUNT*WIDTH-1:0]    counters
);

    reg [COUNT*WIDTH-1:0] count_q;
    always @(posedge clk) begin : count
        integer i;
        if (!rst_n || clear) begin
            count_q <= {COUNT*WIDTH{1'b0}};
        end else begin
            for (i = 0; i < COUNT; i = i + 1) begin
                if (increments[i*INC_BITS +: INC_BITS] != 0) begin
                    count_q[i*WIDTH +: WIDTH] <= count_q[i*WIDTH +: WIDTH]
                        + {{(WIDTH-INC_BITS){1'b0}}, increments[i*INC_BITS +: INC_BITS]};
                end
            end
        end
    end
    assign counters = count_q;

endmodule

`default_nettype wire
