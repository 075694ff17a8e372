// SPDX-License-Identifier: Apache-2.0
// fcim_divider: LANES pipelined dividers with one divisor: quotient = round(acc * 2**8 / sum), halves away from zero.
// Latency: 18 enabled cycles. Throughput: LANES quotients per enabled cycle.
// Cuts: every stage is registered; enable stops all of them.
// Numbers: acc signed ACC_BITS, sum unsigned SUM_BITS; quotient signed 16 bits, saturated; 0 where sum is 0.
//   Restoring division of |acc| * 512 + sum by 2 * sum. In the engine |acc| <= 128 * (sum + 1) + 1 (each rescale rounds both by
//   at most half a unit) and sum >= 2, so 16 quotient bits are enough; any |acc| < 256 * sum saturates correctly.
`default_nettype none

module fcim_divider #(
    parameter LANES = 16,
    parameter ACC_BITS = 41,
    parameter SUM_BITS = 33,
    // fixed by the output format
    parameter OUT_BITS = 16,
    parameter OUT_FRAC = 8
) (
    input  wire                      clk,
    input  wire                      rst_n,
    input  wire                      enable,
    input  wire                      in_valid,
    input  wire [LANES*ACC_BITS-1:0] in_acc,
    input  wire [SUM_BITS-1:0]       in_sum,
    output wire                      out_valid,
    output wire [LANES*OUT_BITS-1:0] out_quotient,
    output wire                      out_zero          // the divisor was 0
);

    localparam STEPS = OUT_BITS;
    localparam NUM_BITS = ACC_BITS + OUT_FRAC + 1;       // |acc| * 512 + sum
    localparam REM_BITS = NUM_BITS - STEPS;              // remainder part of the shift register
    localparam REG_BITS = NUM_BITS;
    localparam signed [OUT_BITS:0] TOP = 1 << (OUT_BITS-1);

    // ---- stages: a lane's word is {remainder, numerator bits to come, quotient bits so far}; stage 0 holds the numerators
    reg [STEPS:0] valid_q;
    always @(posedge clk)
        if (!rst_n)
            valid_q <= {(STEPS+1){1'b0}};
        else if (enable)
            valid_q <= {valid_q[STEPS-1:0], in_valid};

    genvar s;
    generate
        for (s = 0; s <= STEPS; s = s + 1) begin : g_stage
            reg [LANES*REG_BITS-1:0] rn_q;
            reg [SUM_BITS:0]         div_q;
            reg [LANES-1:0]          neg_q;
            integer l;
            if (s == 0) begin : g_load
                reg [ACC_BITS-1:0] magnitude;
                always @(posedge clk)
                    if (enable && in_valid) begin
                        div_q <= {in_sum, 1'b0};
                        for (l = 0; l < LANES; l = l + 1) begin
                            magnitude = in_acc[l*ACC_BITS + ACC_BITS - 1] ? -in_acc[l*ACC_BITS +: ACC_BITS] : in_acc[l*ACC_BITS +: ACC_BITS];
                            neg_q[l]  <= in_acc[l*ACC_BITS + ACC_BITS - 1];
                            rn_q[l*REG_BITS +: REG_BITS] <=
                                {magnitude, {(OUT_FRAC+1){1'b0}}} + {{(NUM_BITS-SUM_BITS){1'b0}}, in_sum};
                        end
                    end
            end else begin : g_step
                reg [REG_BITS-1:0] word;
                reg [REM_BITS:0]   difference;
                always @(posedge clk)
                    if (enable && valid_q[s-1]) begin
                        div_q <= g_stage[s-1].div_q;
                        neg_q <= g_stage[s-1].neg_q;
                        for (l = 0; l < LANES; l = l + 1) begin
                            word       = g_stage[s-1].rn_q[l*REG_BITS +: REG_BITS];
                            difference = word[REG_BITS-1 -: REM_BITS+1] - {{(REM_BITS-SUM_BITS){1'b0}}, g_stage[s-1].div_q};
                            rn_q[l*REG_BITS +: REG_BITS] <= difference[REM_BITS]
                                ? {word[REG_BITS-2:0], 1'b0} : {difference[REM_BITS-1:0], word[STEPS-2:0], 1'b1};
                        end
                    end
            end
        end
    endgenerate

    // ---- sign and saturation
    reg                      out_valid_q, out_zero_q;
    reg [LANES*OUT_BITS-1:0] out_q;
    reg [OUT_BITS-1:0]       quotient;
    wire                     no_sum = (g_stage[STEPS].div_q == 0);
    integer o;
    always @(posedge clk) begin
        if (!rst_n)
            out_valid_q <= 1'b0;
        else if (enable)
            out_valid_q <= valid_q[STEPS];
        if (enable && valid_q[STEPS]) begin
            out_zero_q <= no_sum;
            for (o = 0; o < LANES; o = o + 1) begin
                quotient = g_stage[STEPS].rn_q[o*REG_BITS +: OUT_BITS];
                out_q[o*OUT_BITS +: OUT_BITS] <=
                    no_sum                      ? {OUT_BITS{1'b0}} :
                    g_stage[STEPS].neg_q[o]     ? ((quotient > TOP[OUT_BITS-1:0]) ? TOP[OUT_BITS-1:0] : -quotient) :
                    quotient[OUT_BITS-1]        ? {1'b0, {(OUT_BITS-1){1'b1}}} : quotient;
            end
        end
    end
    assign out_valid    = out_valid_q;
    assign out_quotient = out_q;
    assign out_zero     = out_zero_q;

endmodule

`default_nettype wire
