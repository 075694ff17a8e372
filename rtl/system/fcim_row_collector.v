// SPDX-License-Identifier: Apache-2.0
// fcim_row_collector: rows of O of all engines in one stream, each with its engine's number. The
// merge unit counts as one more engine.
//
// Latency:    A row leaves one cycle after it is taken.
// Throughput: A row per cycle. Of engines that have one the first is that whose last tile ended
//             longest ago: a tile that came late is not held up by those behind it.
// Cuts:       m_o comes from registers; m_o_ready reaches s_o_ready.
// Numbers:    Passed through; the top bit of a row says that it is its tile's last.
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
    wire                  open = !valid_q || m_o_ready;

    // bit f of word e: engine e goes before engine f
    reg [ENGINES*ENGINES-1:0] first_q;
    reg [ENGINES-1:0]         chosen;
    always @* begin : oldest
        integer e, f;
        for (e = 0; e < ENGINES; e = e + 1) begin
            chosen[e] = s_o_valid[e];
            for (f = 0; f < ENGINES; f = f + 1) begin
                if (s_o_valid[f] && first_q[f*ENGINES + e]) begin
                    chosen[e] = 1'b0;
                end
            end
        end
    end

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
        end else if (open) begin
            valid_q <= |s_o_valid;
        end
    end

    // an engine whose tile ends goes to the end
    genvar a, b;
    generate
        for (a = 0; a < ENGINES; a = a + 1) begin : g_engine
            for (b = 0; b < ENGINES; b = b + 1) begin : g_other
                always @(posedge clk) begin
                    if (!rst_n) begin
                        first_q[a*ENGINES + b] <= (a < b);
                    end else if (open && data[WIDTH-1]) begin
                        first_q[a*ENGINES + b] <= (first_q[a*ENGINES + b] || chosen[b])
                                                  && !chosen[a];
                    end
                end
            end
        end
    endgenerate
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
