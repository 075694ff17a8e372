// SPDX-License-Identifier: Apache-2.0
// fcim_register_file: a small memory with the ports of a register file, which may take its place:
// one write per cycle, of a whole word or of some of its parts, and one read.
//
// Latency:    Read: none. A word can be read in the cycle after it is written.
// Throughput: A write and a read per cycle.
// Cuts:       None on the read side.
// Numbers:    None. Words hold X until they are written.
`default_nettype none

module fcim_register_file #(
    parameter  WORDS = 8,      // 1 or more
    parameter  WIDTH = 8,      // bits of a word: a multiple of PARTS
    parameter  PARTS = 1,      // parts of a word that are written alone: 1 or more
    localparam ADDRESS_BITS = (WORDS > 1) ? $clog2(WORDS) : 1  // index of a word
) (
    input  wire                    clk,
    input  wire [PARTS-1:0]        we,
    input  wire [ADDRESS_BITS-1:0] wr_address,
    input  wire [WIDTH-1:0]        wr_data,
    input  wire [ADDRESS_BITS-1:0] rd_address,
    output wire [WIDTH-1:0]        rd_data
);

    localparam PART = WIDTH / PARTS;

    reg [WIDTH-1:0] word_q [0:WORDS-1];
    genvar p;
    generate
        for (p = 0; p < PARTS; p = p + 1) begin : g_part
            always @(posedge clk) begin
                if (we[p]) begin
                    word_q[wr_address][p*PART +: PART] <= wr_data[p*PART +: PART];
                end
            end
        end
    endgenerate
    assign rd_data = word_q[rd_address];

endmodule

`default_nettype wire
