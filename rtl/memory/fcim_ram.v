// SPDX-License-Identifier: Apache-2.0
// fcim_ram: a memory with the ports of an SRAM macro, which may take its place: one write and one
// read per cycle.
//
// Latency:    A word comes one cycle after its read, and stays until the next one. It can be read
//             in the cycle after it is written.
// Throughput: A write and a read per cycle.
// Cuts:       The output is a register.
// Numbers:    None. Words hold X until they are written; who reads a word in the cycle in which it
//             is written must not care what comes.
`default_nettype none

module fcim_ram #(
    parameter  WORDS = 64,     // 1 or more
    parameter  WIDTH = 64,     // bits of a word: 1 or more
    localparam ADDRESS_BITS = (WORDS > 1) ? $clog2(WORDS) : 1  // index of a word
) (
    input  wire                    clk,
    input  wire                    we,
    input  wire [ADDRESS_BITS-1:0] wr_address,
    input  wire [WIDTH-1:0]        wr_data,
    input  wire                    rd,
    input  wire [ADDRESS_BITS-1:0] rd_address,
    output wire [WIDTH-1:0]        rd_data
);

    reg [WIDTH-1:0] word_q [0:WORDS-1];
    reg [WIDTH-1:0] rd_q;
    always @(posedge clk) begin
        if (we) begin
            word_q[wr_address] <= wr_data;
        end
        if (rd) begin
            rd_q <= word_q[rd_address];
        end
    end
    assign rd_data = rd_q;

endmodule

`default_nettype wire
