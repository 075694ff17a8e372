// SPDX-License-Identifier: Apache-2.0
// fcim_fifo: a stream waits in a memory and leaves in its order.
//
// Latency:    A beat is offered 2 cycles after it is accepted, or in the cycle after the one before
//             it has left.
// Throughput: A beat in and a beat out per cycle. A full one takes nothing, even in the cycle in
//             which a beat leaves.
// Cuts:       s_ready, m_valid and m_data come from registers; m_ready reaches the memory's read.
// Numbers:    None. Of the WORDS beats inside one stands at the output.
`default_nettype none

module fcim_fifo #(
    parameter  WORDS = 16,     // beats that it holds: 1 or more
    parameter  WIDTH = 8,      // bits of a beat: 1 or more
    localparam ADDRESS_BITS = (WORDS > 1) ? $clog2(WORDS) : 1,  // index of a word
    localparam COUNT_BITS = $clog2(WORDS + 1)  // number of words
) (
    input  wire             clk,
    input  wire             rst_n,

    input  wire             s_valid,
    output wire             s_ready,
    input  wire [WIDTH-1:0] s_data,

    output wire             m_valid,
    input  wire             m_ready,
    output wire [WIDTH-1:0] m_data,

    output wire             empty          // no beat is inside
);

    localparam LAST_WORD = WORDS - 1;
    localparam ONE = 1;

    reg [ADDRESS_BITS-1:0] wr_q, rd_q;
    reg [COUNT_BITS-1:0]   inside_q;        // with the one at the output
    reg                    valid_q;
    wire push = s_valid && s_ready;
    wire take = valid_q && m_ready;
    wire rd   = valid_q ? (m_ready && inside_q != ONE[COUNT_BITS-1:0]) : (inside_q != 0);

    always @(posedge clk) begin
        if (!rst_n) begin
            wr_q     <= {ADDRESS_BITS{1'b0}};
            rd_q     <= {ADDRESS_BITS{1'b0}};
            inside_q <= {COUNT_BITS{1'b0}};
            valid_q  <= 1'b0;
        end else begin
            if (push) begin
                wr_q <= (wr_q == LAST_WORD[ADDRESS_BITS-1:0]) ? {ADDRESS_BITS{1'b0}} : wr_q + 1'b1;
            end
            if (rd) begin
                rd_q <= (rd_q == LAST_WORD[ADDRESS_BITS-1:0]) ? {ADDRESS_BITS{1'b0}} : rd_q + 1'b1;
            end
            if (push && !take) begin
                inside_q <= inside_q + 1'b1;
            end else if (take && !push) begin
                inside_q <= inside_q - 1'b1;
            end
            valid_q <= rd || (valid_q && !m_ready);
        end
    end

    fcim_ram #(.WORDS(WORDS), .WIDTH(WIDTH)) u_words (
        .clk(clk),
        .we(push), .wr_address(wr_q), .wr_data(s_data),
        .rd(rd), .rd_address(rd_q), .rd_data(m_data)
    );

    assign s_ready = (inside_q != WORDS[COUNT_BITS-1:0]);
    assign m_valid = valid_q;
    assign empty   = (inside_q == 0);

endmodule

`default_nettype wire
