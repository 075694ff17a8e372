// SPDX-License-Identifier: Apache-2.0
// fcim_op_slice: a slice of V in the array of the OP-CIM macro, as it is synthesized: the shift
// register that drives its bits onto the rows, MSB first. Apart from the array, so that nothing is
// in the way of what all rows wait for.
//
// Latency:    None for a slice's first step, whose planes come from v_data.
// Throughput: BITS_PER_CYCLE bit-planes of a slice per step.
// Cuts:       planes depends on first and v_data.
// Numbers:    Bytes; the top bits go first.
`default_nettype none

module fcim_op_slice #(
    parameter  BYTES = 128,                       // of a slice
    parameter  BITS_PER_CYCLE = 1                 // bits per cycle of a CIM array: 1, 2, 4 or 8
) (
    input  wire                            clk,
    input  wire                            step,
    input  wire                            first,
    input  wire [BYTES*8-1:0]              v_data,
    output wire [BYTES*BITS_PER_CYCLE-1:0] planes    // of byte i bits i * BITS_PER_CYCLE and up
);

    reg  [BYTES*8-1:0] v_q;
    wire [BYTES*8-1:0] v_now = first ? v_data : v_q;
    always @(posedge clk) begin
        if (step) begin
            v_q <= v_now << BITS_PER_CYCLE;
        end
    end

    genvar i;
    generate
        for (i = 0; i < BYTES; i = i + 1) begin : g_byte
            assign planes[i*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                v_now[i*8 + 8 - BITS_PER_CYCLE +: BITS_PER_CYCLE];
        end
    endgenerate

endmodule

`default_nettype wire
