// SPDX-License-Identifier: Apache-2.0
// fcim_counters: the engine's performance counters. Each adds its increment every cycle, modulo 2**48;
// clear zeroes all and beats that cycle's increments.
// Latency: an increment shows one cycle later. Throughput: every cycle. Numbers: COUNT counters of 48 bits, increments of INC_BITS.
`default_nettype none

module fcim_counters #(
    parameter COUNT = 4,
    parameter INC_BITS = 16,
    // fixed by the register map
    parameter WIDTH = 48
) (
    input  wire                      clk,
    input  wire                      rst_n,
    input  wire                      clear,
    input  wire [COUNT*INC_BITS-1:0] increments,
    output wire [COUNT*WIDTH-1:0]    counters
);

    reg [COUNT*WIDTH-1:0] count_q;
    integer i;
    always @(posedge clk)
        if (!rst_n || clear)
            count_q <= {COUNT*WIDTH{1'b0}};
        else
            for (i = 0; i < COUNT; i = i + 1)
                if (increments[i*INC_BITS +: INC_BITS] != 0)
                    count_q[i*WIDTH +: WIDTH] <= count_q[i*WIDTH +: WIDTH] + {{(WIDTH-INC_BITS){1'b0}}, increments[i*INC_BITS +: INC_BITS]};
    assign counters = count_q;

endmodule

`default_nettype wire
