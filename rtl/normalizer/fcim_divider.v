// SPDX-License-Identifier: Apache-2.0
// fcim_divider: LANES dividers with one divisor: quotient = round(acc * 2**OUT_FRAC / sum), halves
// away from zero.
//
// Latency:    OUT_BITS + 2 = 18 enabled cycles.
// Throughput: LANES quotients per enabled cycle.
// Cuts:       Every stage is registered; enable stops all of them.
// Numbers:    Restoring division of |acc| * 2**(OUT_FRAC+1) + sum by 2 * sum; the quotient
//             saturates, and is 0 where sum is 0. In the core |acc| <= 128 * (sum + 1) + 1 (each
//             rescale rounds both by at most half a unit) and sum >= 2, so 16 quotient bits are
//             enough; any |acc| < 256 * sum saturates correctly.
`default_nettype none

module fcim_divider #(
    parameter  LANES = 16,     // dividers side by side: 1 or more
    parameter  ACC_BITS = 43,  // dividend, signed: 20 to 43
    parameter  SUM_BITS = 35,  // divisor, unsigned: 12 to 35
    localparam OUT_BITS = 16,  // element of O, signed
    localparam OUT_FRAC = 8    // fraction bits of an element of O
) (
    input  wire                      clk,
    input  wire                      rst_n,
    input  wire                      enable,
    input  wire                      in_valid,
    input  wire [LANES*ACC_BITS-1:0] in_acc,
    input  wire [SUM_BITS-1:0]       in_sum,
    output wire                      out_valid,
    output wire [LANES*OUT_BITS-1:0] out_quotient,
    output wire                      out_zero   // the divisor was 0
);

    localparam STEPS = OUT_BITS;                        // a quotient bit each
    localparam NUM_BITS = ACC_BITS + OUT_FRAC + 1;      // |acc| * 2**(OUT_FRAC+1) + sum
    localparam REM_BITS = NUM_BITS - STEPS;             // remainder part of the shift register
    localparam signed [OUT_BITS:0] TOP = 1 << (OUT_BITS-1);

    // ---- stages: a lane's word is {remainder, numerator bits to come, quotient bits so far};
    // stage 0 holds the numerators
    reg [STEPS:0] valid_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= {(STEPS+1){1'b0}};
        end else if (enable) begin
            valid_q <= {valid_q[STEPS-1:0], in_valid};
        end
    end

    genvar s;
    generate
        for (s = 0; s <= STEPS; s = s + 1) begin : g_stage
            reg [LANES*NUM_BITS-1:0] rn_q;
            reg [SUM_BITS:0]         div_q;
            reg [LANES-1:0]          neg_q;
            if (s == 0) begin : g_load
                // |acc| * 2**(OUT_FRAC+1) + sum in one addition: -acc is ~acc + 1
                always @(posedge clk) begin : load
                    reg [ACC_BITS-1:0] value;
                    reg [SUM_BITS:0]   more;
                    integer            l;
                    if (enable && in_valid) begin
                        div_q <= {in_sum, 1'b0};
                        more   = {1'b0, in_sum} + (1 << (OUT_FRAC+1));
                        for (l = 0; l < LANES; l = l + 1) begin
                            value     = in_acc[l*ACC_BITS +: ACC_BITS];
                            neg_q[l] <= value[ACC_BITS-1];
                            rn_q[l*NUM_BITS +: NUM_BITS] <=
                                {value ^ {ACC_BITS{value[ACC_BITS-1]}}, {(OUT_FRAC+1){1'b0}}}
                                + {{(NUM_BITS-SUM_BITS-1){1'b0}},
                                   value[ACC_BITS-1] ? more : {1'b0, in_sum}};
                        end
                    end
                end
            end else begin : g_step
                always @(posedge clk) begin : divide
                    reg [NUM_BITS-1:0] word;
                    reg [REM_BITS:0]   difference;
                    integer            l;
                    if (enable && valid_q[s-1]) begin
                        div_q <= g_stage[s-1].div_q;
                        neg_q <= g_stage[s-1].neg_q;
                        for (l = 0; l < LANES; l = l + 1) begin
                            word       = g_stage[s-1].rn_q[l*NUM_BITS +: NUM_BITS];
                            difference = word[NUM_BITS-1 -: REM_BITS+1]
                                       - {{(REM_BITS-SUM_BITS){1'b0}}, g_stage[s-1].div_q};
                            rn_q[l*NUM_BITS +: NUM_BITS] <= difference[REM_BITS]
                                ? {word[NUM_BITS-2:0], 1'b0}
                                : {difference[REM_BITS-1:0], word[STEPS-2:0], 1'b1};
                        end
                    end
                end
            end
        end
    endgenerate

    // ---- sign and saturation
    reg                      out_valid_q, out_zero_q;
    reg [LANES*OUT_BITS-1:0] out_q;
    wire                     no_sum = (g_stage[STEPS].div_q == 0);
    always @(posedge clk) begin
        if (!rst_n) begin
            out_valid_q <= 1'b0;
        end else if (enable) begin
            out_valid_q <= valid_q[STEPS];
        end
    end

    always @(posedge clk) begin : saturate
        reg [OUT_BITS-1:0] quotient;
        integer            o;
        if (enable && valid_q[STEPS]) begin
            out_zero_q <= no_sum;
            for (o = 0; o < LANES; o = o + 1) begin
                quotient = g_stage[STEPS].rn_q[o*NUM_BITS +: OUT_BITS];
                out_q[o*OUT_BITS +: OUT_BITS] <=
                    no_sum                  ? {OUT_BITS{1'b0}} :
                    g_stage[STEPS].neg_q[o] ? ((quotient > TOP[OUT_BITS-1:0]) ? TOP[OUT_BITS-1:0]
                                                                              : -quotient) :
                    quotient[OUT_BITS-1]    ? {1'b0, {(OUT_BITS-1){1'b1}}} : quotient;
            end
        end
    end
    assign out_valid    = out_valid_q;
    assign out_quotient = out_q;
    assign out_zero     = out_zero_q;

endmodule

`default_nettype wire
