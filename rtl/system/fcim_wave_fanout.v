// SPDX-License-Identifier: Apache-2.0
// fcim_wave_fanout: holds a wave until everybody in the cluster who needs it has taken it: its
// engines, what stands in front of them, and the two sequencers of its stream.
//
// Latency:    A wave is offered one cycle after it is accepted.
// Throughput: The next wave is accepted when all have taken this one, at best in the cycle after.
// Cuts:       s_wave_ready and all that is offered come from registers.
// Numbers:    A tile without blocks is none: its engine is not told of it.
`default_nettype none

module fcim_wave_fanout #(
    parameter  ENGINES = 16,       // 1 to 16
    parameter  BLOCK_BITS = 13,    // index of a block in its head: 1 or more
    parameter  BASE_BITS = 9,      // index of a block in the buffer: up to BLOCK_BITS
    localparam BLOCKS_BITS = BLOCK_BITS + 1  // number of blocks
) (
    input  wire                           clk,
    input  wire                           rst_n,

    // waves, as fcim_cluster takes them
    input  wire                           s_wave_valid,
    output wire                           s_wave_ready,
    input  wire                           s_wave_ascending,
    input  wire                           s_wave_own_start,
    input  wire                           s_wave_stream,
    input  wire                           s_wave_tag,
    input  wire [1:0]                     s_wave_mode,
    input  wire [BASE_BITS-1:0]           s_wave_base,
    input  wire [ENGINES*BLOCKS_BITS-1:0] s_wave_blocks,
    input  wire [ENGINES*BLOCK_BITS-1:0]  s_wave_first,

    // the wave, to engines, to their heads of keys and of values, to sequencers of both
    output wire [ENGINES-1:0]             engine_valid,
    input  wire [ENGINES-1:0]             engine_ready,
    output wire [ENGINES-1:0]             key_valid,
    input  wire [ENGINES-1:0]             key_ready,
    output wire [ENGINES-1:0]             value_valid,
    input  wire [ENGINES-1:0]             value_ready,
    output wire [1:0]                     keys_valid,       // a bit per stream
    input  wire [1:0]                     keys_ready,
    output wire [1:0]                     values_valid,
    input  wire [1:0]                     values_ready,
    output wire                           wave_ascending,
    output wire                           wave_own_start,
    output wire                           wave_stream,
    output wire                           wave_tag,
    output wire [ENGINES*BLOCKS_BITS-1:0] wave_blocks,
    output wire [ENGINES*BLOCK_BITS-1:0]  wave_origin,      // of each tile, see fcim_row_bus
    output wire [1:0]                     wave_schedule,    // as fcim_engine's
    output wire [1:0]                     wave_own,         // as fcim_request_head's

    // of this wave and of all that are in flight
    output wire                           streamed,
    output wire                           decode
);

    localparam [1:0] STREAMED = 2'd1;
    localparam [1:0] DECODE = 2'd2;

    reg                           ascending_q, own_start_q, stream_q, tag_q;
    reg                           streamed_q, decode_q;
    reg [BASE_BITS-1:0]           base_q;
    reg [ENGINES*BLOCKS_BITS-1:0] blocks_q;
    reg [ENGINES*BLOCK_BITS-1:0]  first_q;
    reg [ENGINES-1:0]             to_engine_q, to_key_q, to_value_q;
    reg [1:0]                     to_keys_q, to_values_q;

    wire       accept  = s_wave_valid && s_wave_ready;
    wire [1:0] streams = (s_wave_mode == DECODE) ? 2'b00 : {s_wave_stream, !s_wave_stream};

    reg  [ENGINES-1:0] has_tile;
    always @* begin : tiles
        integer e;
        for (e = 0; e < ENGINES; e = e + 1) begin
            has_tile[e] = |s_wave_blocks[e*BLOCKS_BITS +: BLOCKS_BITS];
        end
    end

    assign s_wave_ready = (to_engine_q | to_key_q | to_value_q) == {ENGINES{1'b0}}
                          && (to_keys_q | to_values_q) == 2'b00;

    always @(posedge clk) begin
        if (!rst_n) begin
            streamed_q  <= 1'b0;
            decode_q    <= 1'b0;
            to_engine_q <= {ENGINES{1'b0}};
            to_key_q    <= {ENGINES{1'b0}};
            to_value_q  <= {ENGINES{1'b0}};
            to_keys_q   <= 2'b00;
            to_values_q <= 2'b00;
        end else if (accept) begin
            streamed_q  <= (s_wave_mode == STREAMED);
            decode_q    <= (s_wave_mode == DECODE);
            to_engine_q <= has_tile;
            to_key_q    <= has_tile;
            to_value_q  <= has_tile;
            to_keys_q   <= streams;
            to_values_q <= streams;
        end else begin
            to_engine_q <= to_engine_q & ~engine_ready;
            to_key_q    <= to_key_q & ~key_ready;
            to_value_q  <= to_value_q & ~value_ready;
            to_keys_q   <= to_keys_q & ~keys_ready;
            to_values_q <= to_values_q & ~values_ready;
        end
    end
    always @(posedge clk) begin
        if (accept) begin
            ascending_q <= s_wave_ascending;
            own_start_q <= s_wave_own_start;
            stream_q    <= s_wave_stream;
            tag_q       <= s_wave_tag;
            base_q      <= s_wave_base;
            blocks_q    <= s_wave_blocks;
            first_q     <= s_wave_first;
        end
    end

    // a tile of a decode begins anywhere in its head, all others at their head's block 0
    reg [BLOCK_BITS-1:0] base;
    always @* begin : place
        base = {BLOCK_BITS{1'b0}};
        base[BASE_BITS-1:0] = base_q;
    end

    assign engine_valid   = to_engine_q;
    assign key_valid      = to_key_q;
    assign value_valid    = to_value_q;
    assign keys_valid     = to_keys_q;
    assign values_valid   = to_values_q;
    assign wave_ascending = ascending_q;
    assign wave_own_start = own_start_q;
    assign wave_stream    = stream_q;
    assign wave_tag       = tag_q;
    assign wave_blocks    = blocks_q;
    assign wave_origin    = decode_q ? first_q : {ENGINES{base}};
    // natural, diagonal_first, sink_diagonal, diagonal_ascending
    assign wave_schedule  = decode_q ? 2'd0 : {own_start_q, own_start_q == ascending_q};
    assign wave_own       = decode_q ? 2'd3
                          : {own_start_q && !ascending_q, own_start_q && ascending_q};
    assign streamed       = streamed_q;
    assign decode         = decode_q;

endmodule

`default_nettype wire
