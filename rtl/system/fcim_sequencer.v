// SPDX-License-Identifier: Apache-2.0
// fcim_sequencer: walks the key blocks of a wave, up or down, and sends each once, to all engines
// whose tiles meet it in the stream. It stays at a block until all of them have come to it.
//
// Latency:    A wave starts ENGINES + 1 cycles after it is accepted.
// Throughput: A block per cycle.
// Cuts:       s_wave_ready comes from registers; arrived reaches m_valid.
// Numbers:    docs/system.md: a tile of n blocks meets blocks 0 to n - 1 in the stream; with a
//             start of its own 0 to n - 2 upwards (its last block came alone), 1 to n - 2 downwards
//             (the last and block 0 came alone).
`default_nettype none

module fcim_sequencer #(
    parameter  ENGINES = 16,        // 1 to 16
    parameter  BLOCK_BITS = 13,     // index of a block in its head: 1 or more
    localparam COUNT_BITS = BLOCK_BITS + 1,  // number of blocks
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1  // index of an engine
) (
    input  wire                          clk,
    input  wire                          rst_n,

    // waves
    input  wire                          s_wave_valid,
    output wire                          s_wave_ready,
    input  wire                          s_wave_ascending,
    input  wire                          s_wave_own_start,
    input  wire [BLOCK_BITS-1:0]         s_wave_origin,   // where block 0 is, see fcim_row_bus
    input  wire [ENGINES*COUNT_BITS-1:0] s_wave_blocks,   // of each engine's tile, 0 without one

    // engines whose oldest request is block `block` of this stream and can be served
    output wire [BLOCK_BITS-1:0]         block,
    input  wire [ENGINES-1:0]            arrived,

    // a block to be sent
    output wire                          m_valid,
    input  wire                          m_ready,
    output wire [BLOCK_BITS-1:0]         m_origin,
    output wire [ENGINES-1:0]            m_members
);

    localparam [ENGINE_BITS-1:0] LAST_ENGINE = ENGINES[ENGINE_BITS-1:0] - 1'b1;

    reg                          scan_q, run_q, ascending_q, own_q;
    reg [ENGINE_BITS-1:0]        engine_q;
    reg [BLOCK_BITS-1:0]         origin_q;
    reg [ENGINES*COUNT_BITS-1:0] blocks_q;
    reg [COUNT_BITS-1:0]         most_q;     // blocks of the longest tile
    reg [BLOCK_BITS-1:0]         block_q;

    assign s_wave_ready = !scan_q && !run_q;

    // ---- the longest tile, looked for engine by engine
    wire [COUNT_BITS-1:0] blocks  = blocks_q[engine_q*COUNT_BITS +: COUNT_BITS];
    wire [COUNT_BITS-1:0] most    = (blocks > most_q) ? blocks : most_q;
    wire                  scanned = scan_q && (engine_q == LAST_ENGINE);
    // blocks of the stream end before this one
    wire [COUNT_BITS-1:0] stop    = most - {{(COUNT_BITS-1){1'b0}}, own_q && most != 0};
    wire [COUNT_BITS-1:0] low     = {{(COUNT_BITS-1){1'b0}}, own_q && !ascending_q};
    wire [BLOCK_BITS-1:0] top     = stop[BLOCK_BITS-1:0] - 1'b1;
    wire                  none    = (stop <= low);

    // ---- the walk
    wire                  sent  = m_valid && m_ready;
    wire [COUNT_BITS-1:0] limit = most_q - {{(COUNT_BITS-1){1'b0}}, own_q} - 1'b1;
    wire                  ends  = ascending_q ? ({1'b0, block_q} == limit)
                                              : ({1'b0, block_q} == low);
    always @(posedge clk) begin
        if (!rst_n) begin
            scan_q <= 1'b0;
            run_q  <= 1'b0;
        end else begin
            scan_q <= (s_wave_valid && s_wave_ready) || (scan_q && !scanned);
            run_q  <= (scanned && !none) || (run_q && !(sent && ends));
        end
    end

    always @(posedge clk) begin
        if (s_wave_valid && s_wave_ready) begin
            ascending_q <= s_wave_ascending;
            own_q       <= s_wave_own_start;
            origin_q    <= s_wave_origin;
            blocks_q    <= s_wave_blocks;
            engine_q    <= {ENGINE_BITS{1'b0}};
            most_q      <= {COUNT_BITS{1'b0}};
        end else if (scan_q) begin
            engine_q <= engine_q + 1'b1;
            most_q   <= most;
            block_q  <= ascending_q ? {BLOCK_BITS{1'b0}} : top;
        end else if (sent) begin
            block_q  <= ascending_q ? block_q + 1'b1 : block_q - 1'b1;
        end
    end

    // ---- who meets the block
    reg [ENGINES-1:0] members;
    always @* begin : meet
        reg [COUNT_BITS-1:0] own;
        integer              e;
        for (e = 0; e < ENGINES; e = e + 1) begin
            own = blocks_q[e*COUNT_BITS +: COUNT_BITS];
            members[e] = own_q ? ({1'b0, block_q} + 1'b1 < own) : ({1'b0, block_q} < own);
        end
    end

    assign block     = block_q;
    assign m_origin  = origin_q;
    assign m_members = members;
    assign m_valid   = run_q && ((members & ~arrived) == {ENGINES{1'b0}});

endmodule

`default_nettype wire
