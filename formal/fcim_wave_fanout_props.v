// SPDX-License-Identifier: Apache-2.0
// fcim_wave_fanout_props: what fcim_wave_fanout promises, in proofs.yaml in words.
`default_nettype none

module fcim_wave_fanout_props #(
    parameter  ENGINES = 4,
    parameter  BLOCK_BITS = 5,
    parameter  BASE_BITS = 4,
    localparam BLOCKS_BITS = BLOCK_BITS + 1
) (
    input  wire                           clk,
    input  wire                           rst_n,
    input  wire                           s_wave_valid,
    input  wire                           s_wave_ascending,
    input  wire                           s_wave_own_start,
    input  wire                           s_wave_stream,
    input  wire                           s_wave_tag,
    input  wire [1:0]                     s_wave_mode,
    input  wire [BASE_BITS-1:0]           s_wave_base,
    input  wire [ENGINES*BLOCKS_BITS-1:0] s_wave_blocks,
    input  wire [ENGINES*BLOCK_BITS-1:0]  s_wave_first,
    input  wire [ENGINES-1:0]             engine_ready,
    input  wire [ENGINES-1:0]             key_ready,
    input  wire [ENGINES-1:0]             value_ready,
    input  wire [1:0]                     keys_ready,
    input  wire [1:0]                     values_ready
);

    wire                           s_wave_ready, wave_ascending, wave_own_start, wave_stream;
    wire                           wave_tag, streamed, decode;
    wire [ENGINES-1:0]             engine_valid, key_valid, value_valid;
    wire [1:0]                     keys_valid, values_valid, wave_schedule, wave_own;
    wire [ENGINES*BLOCKS_BITS-1:0] wave_blocks;
    wire [ENGINES*BLOCK_BITS-1:0]  wave_origin;
    fcim_wave_fanout #(
        .ENGINES(ENGINES), .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS)
    ) dut (
        .clk(clk), .rst_n(rst_n),
        .s_wave_valid(s_wave_valid), .s_wave_ready(s_wave_ready),
        .s_wave_ascending(s_wave_ascending), .s_wave_own_start(s_wave_own_start),
        .s_wave_stream(s_wave_stream), .s_wave_tag(s_wave_tag), .s_wave_mode(s_wave_mode),
        .s_wave_base(s_wave_base), .s_wave_blocks(s_wave_blocks), .s_wave_first(s_wave_first),
        .engine_valid(engine_valid), .engine_ready(engine_ready),
        .key_valid(key_valid), .key_ready(key_ready),
        .value_valid(value_valid), .value_ready(value_ready),
        .keys_valid(keys_valid), .keys_ready(keys_ready),
        .values_valid(values_valid), .values_ready(values_ready),
        .wave_ascending(wave_ascending), .wave_own_start(wave_own_start),
        .wave_stream(wave_stream), .wave_tag(wave_tag), .wave_blocks(wave_blocks),
        .wave_origin(wave_origin), .wave_schedule(wave_schedule), .wave_own(wave_own),
        .streamed(streamed), .decode(decode)
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    always @* begin
        if (!begun_q) begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- the last wave that was accepted, and who has not taken it yet: engines, what stands in
    // front of them for keys and for values, sequencers of keys and of values
    localparam OWED = 3*ENGINES + 4;
    reg                           some_q;        // there was one since the reset
    reg                           ascending_q, own_q, stream_q, tag_q;
    reg [1:0]                     mode_q;
    reg [BASE_BITS-1:0]           base_q;
    reg [ENGINES*BLOCKS_BITS-1:0] blocks_q;
    reg [ENGINES*BLOCK_BITS-1:0]  first_q;
    reg [OWED-1:0]                owed_q;
    reg [ENGINES-1:0]             tiles;
    integer e;
    always @* begin
        for (e = 0; e < ENGINES; e = e + 1) begin
            tiles[e] = (s_wave_blocks[e*BLOCKS_BITS +: BLOCKS_BITS] != 0);
        end
    end
    wire [1:0] streams = (s_wave_mode == 2'd2) ? 2'b00 : s_wave_stream ? 2'b10 : 2'b01;
    always @(posedge clk) begin
        if (!rst_n) begin
            some_q <= 1'b0;
            owed_q <= {OWED{1'b0}};
        end else if (s_wave_valid && s_wave_ready) begin
            some_q <= 1'b1;
            owed_q <= {{3{tiles}}, {2{streams}}};
        end else begin
            owed_q <= owed_q & ~{engine_ready, key_ready, value_ready, keys_ready, values_ready};
        end
        if (s_wave_valid && s_wave_ready) begin
            ascending_q <= s_wave_ascending;
            own_q       <= s_wave_own_start;
            stream_q    <= s_wave_stream;
            tag_q       <= s_wave_tag;
            mode_q      <= s_wave_mode;
            base_q      <= s_wave_base;
            blocks_q    <= s_wave_blocks;
            first_q     <= s_wave_first;
        end
    end

    wire [OWED-1:0] valids = {engine_valid, key_valid, value_valid, keys_valid, values_valid};
    reg  [ENGINES*BLOCK_BITS-1:0] origin;
    always @* begin
        for (e = 0; e < ENGINES; e = e + 1) begin
            origin[e*BLOCK_BITS +: BLOCK_BITS] = (mode_q == 2'd2)
                ? first_q[e*BLOCK_BITS +: BLOCK_BITS] : {{(BLOCK_BITS-BASE_BITS){1'b0}}, base_q};
        end
    end
    // 0 natural, 1 diagonal_first, 2 sink_diagonal, 3 diagonal_ascending
    wire [1:0] schedule = (mode_q == 2'd2) ? 2'd0
                        : own_q ? (ascending_q ? 2'd3 : 2'd2) : (ascending_q ? 2'd0 : 2'd1);
    wire [1:0] alone    = (mode_q == 2'd2) ? 2'd3
                        : !own_q ? 2'd0 : ascending_q ? 2'd1 : 2'd2;

    always @* begin
        if (begun_q) begin
            who:    assert (valids == owed_q);
            ready:  assert (s_wave_ready == (owed_q == 0));
            what:   assert (!some_q || (wave_ascending == ascending_q && wave_own_start == own_q
                            && wave_stream == stream_q && wave_tag == tag_q
                            && wave_blocks == blocks_q));
            place:  assert (!some_q || wave_origin == origin);
            orders: assert (!some_q || (wave_schedule == schedule && wave_own == alone));
            modes:  assert (streamed == (some_q && mode_q == 2'd1)
                            && decode == (some_q && mode_q == 2'd2));
        end
    end

    always @* begin
        one_is_late: cover (begun_q && rst_n && owed_q == 1 && streamed && tiles != 0);
        no_tile:     cover (begun_q && rst_n && some_q && decode && owed_q == 0 && blocks_q == 0);
    end

endmodule

`default_nettype wire
