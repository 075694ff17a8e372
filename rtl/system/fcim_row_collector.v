// SPDX-License-Identifier: Apache-2.0
// fcim_row_collector: rows of O of all engines in one stream, each with its engine's number. The
// merge unit counts as one more engine.
//
// Latency:    A row leaves one cycle after it is taken.
// Throughput: A row per cycle; engines that have one take turns.
// Cuts:       m_o comes from registers; m_o_ready reaches s_o_ready.
// Numbers:    Passed through.
`default_nettype none

module fcim_row_collector #(
    parameter  ENGINES = 17,        // 1 to 17
    parameter  WIDTH = 2050,        // bits of a row with its flags: 1 or more
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1  // index of an engine
) (
    input  wire                     clk,
    input  wire                     rst_n,

    input  wire [ENGINES-1:0]       s_o_valid,
    output wire [ENGINES-1:0]       s_o_ready,
    input  wire [ENGINES*WIDTH-1:0] s_o_data,

    output wire                     m_o_valid,
    input  wire                     m_o_ready,
    output wire [ENGINE_BITS-1:0]   m_o_engine,
    output wire [WIDTH-1:0]         m_o_data
);

    reg                   valid_q;
    reg [ENGINE_BITS-1:0] engine_q;
    reg [WIDTH-1:0]       data_q;
    reg [ENGINES-1:0]     after_q;          // engines above the one that was served last

    // the lowest of those above it, else the lowest
    wire [ENGINES-1:0] above  = s_o_valid & after_q;
    wire [ENGINES-1:0] from   = (|above) ? above : s_o_valid;
    wire [ENGINES-1:0] chosen = from & (~from + 1'b1);
    wire               open   = !valid_q || m_o_ready;

    reg [ENGINE_BITS-1:0] engine;
    reg [WIDTH-1:0]       data;
    always @* begin : choose
        integer e;
        engine = {ENGINE_BITS{1'b0}};
        data   = {WIDTH{1'b0}};
        for (e = 0; e < ENGINES; e = e + 1) begin
            if (chosen[e]) begin
                engine = engine | e[ENGINE_BITS-1:0];
                data   = data | s_o_data[e*WIDTH +: WIDTH];
            end
        end
    end

    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 1'b0;
            after_q <= {ENGINES{1'b0}};
        end else if (open) begin
            valid_q <= |s_o_valid;
            if (|s_o_valid) begin
                after_q <= ~(chosen | (chosen - 1'b1));
            end
        end
    end
    always @(posedge clk) begin
        if (open) begin
            engine_q <= engine;
            data_q   <= data;
        end
    end

    assign s_o_ready  = open ? chosen : {ENGINES{1'b0}};
    assign m_o_valid  = valid_q;
    assign m_o_engine = engine_q;
    assign m_o_data   = data_q;

endmodule

`default_nettype wire
