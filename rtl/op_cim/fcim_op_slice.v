// SPDX-License-Identifier: Apache-2.0
// fcim_op_slice: a slice of V in the array of the OP-CIM macro, as it is synthesized: the register
// that drives its bits onto the rows, MSB first. Apart from the array, so that nothing is in the
// way of what all rows wait for.
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

    // ---- the slice stays, and only its planes move: a register of them, and a one-hot mark of
    // those after the next step's; past the last there are none
    localparam STEPS = 8 / BITS_PER_CYCLE;
    localparam PLANE_BITS = BYTES * BITS_PER_CYCLE;
    localparam [STEPS+1:0] THIRD = 4;
    reg [BYTES*8-1:0]    v_q;
    reg [PLANE_BITS-1:0] top, following, planes_q;
    reg [STEPS-1:0]      next_q;
    always @* begin : choose
        integer d, n;
        for (d = 0; d < BYTES; d = d + 1) begin
            top[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                v_data[d*8 + 8 - BITS_PER_CYCLE +: BITS_PER_CYCLE];
            following[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] = {BITS_PER_CYCLE{1'b0}};
            if (STEPS > 1 && first) begin
                following[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    v_data[d*8 + (8 - 2*BITS_PER_CYCLE) % 8 +: BITS_PER_CYCLE];
            end
            for (n = 2; n < STEPS; n = n + 1) begin
                following[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    following[d*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                    | (v_q[d*8 + 8 - (n + 1)*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                       & {BITS_PER_CYCLE{next_q[n] && !first}});
            end
        end
    end
    always @(posedge clk) begin
        if (step) begin
            planes_q <= following;
            next_q   <= first ? THIRD[STEPS-1:0] : next_q << 1;
            if (first) begin
                v_q <= v_data;
            end
        end
    end
    assign planes = first ? top : planes_q;

endmodule

`default_nettype wire
