// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_gate: lets the next operation of a queue begin when its unit is free and as many
// operations of each queue are complete as it asks for; counts its own queue's.
//
// Latency:    A completion counts from the next cycle on.
// Throughput: An operation per cycle.
// Cuts:       The count is a register; s_ready depends on s_valid, unit_ready and the waits.
// Numbers:    Counts and waits modulo 2**16: an operation waits while count - wait is 2**15 or
//             more.
`default_nettype none

module fcim_unfused_gate #(
    localparam WAIT_BITS = 16      // operations of a queue, modulo
) (
    input  wire                   clk,
    input  wire                   rst_n,

    input  wire                   s_valid,
    output wire                   s_ready,
    input  wire [3*WAIT_BITS-1:0] s_waits,     // {softmax, macro, load}
    input  wire [3*WAIT_BITS-1:0] counts,      // of all queues, in the same order
    input  wire                   unit_ready,
    input  wire                   done,        // one cycle: the oldest operation is complete

    output wire [WAIT_BITS-1:0]   count,
    output wire                   in_flight    // from the cycle after the start to that of done
);

    reg [WAIT_BITS-1:0] count_q, started_q;
    reg [2:0]           late;
    always @* begin : compare
        reg [WAIT_BITS-1:0] left;
        integer             n;
        for (n = 0; n < 3; n = n + 1) begin
            left    = counts[n*WAIT_BITS +: WAIT_BITS] - s_waits[n*WAIT_BITS +: WAIT_BITS];
            late[n] = left[WAIT_BITS-1];
        end
    end
    assign s_ready = s_valid && unit_ready && late == 3'd0;

    always @(posedge clk) begin
        if (!rst_n) begin
            count_q   <= {WAIT_BITS{1'b0}};
            started_q <= {WAIT_BITS{1'b0}};
        end else begin
            count_q   <= count_q + {{(WAIT_BITS-1){1'b0}}, done};
            started_q <= started_q + {{(WAIT_BITS-1){1'b0}}, s_ready};
        end
    end
    assign count     = count_q;
    assign in_flight = started_q != count_q;

endmodule

`default_nettype wire
