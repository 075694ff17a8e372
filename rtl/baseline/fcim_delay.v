// SPDX-License-Identifier: Apache-2.0
// fcim_delay: a beat comes out a fixed number of cycles after it went in. Only its valid bit moves
// in every cycle; what belongs to it waits in a memory.
//
// Latency:    CYCLES cycles.
// Throughput: A beat per PITCH cycles.
// Cuts:       The outputs come from registers; out_data stays until the next beat.
// Numbers:    None.
`default_nettype none

module fcim_delay #(
    parameter  WIDTH = 8,      // bits of a beat: 1 or more
    parameter  CYCLES = 4,     // from in to out: 2 or more
    parameter  PITCH = 1,      // cycles from a beat to the next, at least: 1 or more
    localparam WORDS = (CYCLES - 1) / PITCH + 1  // beats that wait
) (
    input  wire             clk,
    input  wire             rst_n,

    input  wire             in_valid,
    input  wire [WIDTH-1:0] in_data,

    output wire             out_valid,
    output wire [WIDTH-1:0] out_data
);

    localparam ADDRESS_BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam LAST_WORD = WORDS - 1;
    localparam [ADDRESS_BITS-1:0] LAST = LAST_WORD[ADDRESS_BITS-1:0];

    reg [CYCLES-1:0]       valid_q;
    reg [ADDRESS_BITS-1:0] wr_q, rd_q;
    wire                   rd = valid_q[CYCLES-2];
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= {CYCLES{1'b0}};
            wr_q    <= {ADDRESS_BITS{1'b0}};
            rd_q    <= {ADDRESS_BITS{1'b0}};
        end else begin
            valid_q <= {valid_q[CYCLES-2:0], in_valid};
            if (in_valid) begin
                wr_q <= (wr_q == LAST) ? {ADDRESS_BITS{1'b0}} : wr_q + 1'b1;
            end
            if (rd) begin
                rd_q <= (rd_q == LAST) ? {ADDRESS_BITS{1'b0}} : rd_q + 1'b1;
            end
        end
    end

    fcim_ram #(.WORDS(WORDS), .WIDTH(WIDTH)) u_words (
        .clk(clk),
        .we(in_valid), .wr_address(wr_q), .wr_data(in_data),
        .rd(rd), .rd_address(rd_q), .rd_data(out_data)
    );
    assign out_valid = valid_q[CYCLES-1];

endmodule

`default_nettype wire
