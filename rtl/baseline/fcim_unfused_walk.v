// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_walk: keeps what a row is while the macros take its input, and then says which word
// of its scores, or which chunk of its sums, is next.
//
// Latency:    CYCLES_PER_INPUT + 1 cycles from an input to its first word.
// Throughput: A word per cycle. Inputs are as many cycles apart as they have words, and
//             CYCLES_PER_INPUT at least.
// Cuts:       Outputs are registered.
// Numbers:    None.
`default_nettype none

module fcim_unfused_walk #(
    parameter  CYCLES_PER_INPUT = 8,   // 1, 2, 4 or 8
    parameter  QK_WORDS = 4,           // words of a row of scores
    parameter  PV_WORDS = 8,           // chunks of a row of sums
    parameter  INFO_BITS = 8,          // what travels beside, bit 0: the row is of PV
    localparam WORDS = (QK_WORDS > PV_WORDS) ? QK_WORDS : PV_WORDS,  // words of a row
    localparam COUNT_BITS = (WORDS > 1) ? $clog2(WORDS) : 1  // a count
) (
    input  wire                  clk,
    input  wire                  rst_n,
    input  wire                  s_valid,
    input  wire [INFO_BITS-1:0]  s_info,
    output wire                  m_valid,
    output wire [COUNT_BITS-1:0] m_word,
    output wire                  m_last,
    output wire [INFO_BITS-1:0]  m_info
);

    localparam QK_LAST = QK_WORDS - 1;
    localparam PV_LAST = PV_WORDS - 1;

    reg [CYCLES_PER_INPUT-1:0] steps_q;
    reg [INFO_BITS-1:0]      inside_q, info_q;
    reg                      active_q;
    reg [COUNT_BITS-1:0]     word_q;
    wire [CYCLES_PER_INPUT:0] shifted = {steps_q, s_valid};
    wire handoff = steps_q[CYCLES_PER_INPUT-1];
    wire last    = word_q == (info_q[0] ? PV_LAST[COUNT_BITS-1:0] : QK_LAST[COUNT_BITS-1:0]);
    always @(posedge clk) begin
        if (!rst_n) begin
            steps_q  <= {CYCLES_PER_INPUT{1'b0}};
            active_q <= 1'b0;
        end else begin
            steps_q  <= shifted[CYCLES_PER_INPUT-1:0];
            active_q <= handoff || (active_q && !last);
        end
    end
    always @(posedge clk) begin
        if (s_valid) begin
            inside_q <= s_info;
        end
        if (handoff) begin
            info_q <= inside_q;
            word_q <= {COUNT_BITS{1'b0}};
        end else if (active_q) begin
            word_q <= word_q + 1'b1;
        end
    end
    assign m_valid = active_q;
    assign m_word  = word_q;
    assign m_last  = last;
    assign m_info  = info_q;

endmodule

`default_nettype wire
