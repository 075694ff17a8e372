// SPDX-License-Identifier: Apache-2.0
// fcim_request_head: what one engine wants next: its oldest request for a block, and whether the
// block is for it alone or comes in the stream of its wave.
//
// Latency:    A request is offered 2 cycles after it is accepted, or in the cycle after the one
//             before it is taken.
// Throughput: A request per cycle.
// Cuts:       s_tile_ready and s_req_ready come from registers, the head from registers and a
//             comparison of two bits.
// Numbers:    The first s_tile_own blocks of a tile are for it alone; with 3 all are.
`default_nettype none

module fcim_request_head #(
    parameter  BLOCK_BITS = 13,    // index of a block in its head: 1 or more
    parameter  REQUESTS = 4,       // requests that wait: 1 or more
    localparam TILES = 4           // tiles that wait: an engine has up to three
) (
    input  wire                  clk,
    input  wire                  rst_n,

    // tiles, in the order of the engine's
    input  wire                  s_tile_valid,
    output wire                  s_tile_ready,
    input  wire                  s_tile_stream,   // the stream of its wave
    input  wire                  s_tile_tag,
    input  wire [1:0]            s_tile_own,      // blocks that it gets alone; 3: all of them
    input  wire [BLOCK_BITS-1:0] s_tile_origin,   // where its block 0 is, see fcim_row_bus

    // requests
    input  wire                  s_req_valid,
    output wire                  s_req_ready,
    input  wire [BLOCK_BITS-1:0] s_req_block,
    input  wire                  s_req_skip,      // asks for nothing: the block is skipped
    input  wire                  s_req_last,      // of its tile

    // the oldest one
    output wire                  head_valid,
    output wire                  head_own,
    output wire                  head_stream,
    output wire                  head_tag,
    output wire [BLOCK_BITS-1:0] head_origin,
    output wire [BLOCK_BITS-1:0] head_block,
    output wire                  head_skip,
    output wire                  head_last,
    input  wire                  take
);

    wire       tile_valid, req_valid;
    wire [1:0] tile_own;

    fcim_fifo #(.WORDS(TILES), .WIDTH(BLOCK_BITS + 4)) u_tiles (
        .clk(clk), .rst_n(rst_n),
        .s_valid(s_tile_valid), .s_ready(s_tile_ready),
        .s_data({s_tile_origin, s_tile_own, s_tile_tag, s_tile_stream}),
        .m_valid(tile_valid), .m_ready(take && head_last),
        .m_data({head_origin, tile_own, head_tag, head_stream}), .empty()
    );

    fcim_fifo #(.WORDS(REQUESTS), .WIDTH(BLOCK_BITS + 2)) u_requests (
        .clk(clk), .rst_n(rst_n),
        .s_valid(s_req_valid), .s_ready(s_req_ready),
        .s_data({s_req_block, s_req_skip, s_req_last}),
        .m_valid(req_valid), .m_ready(take), .m_data({head_block, head_skip, head_last}), .empty()
    );

    // the head's number in its tile, up to 3
    reg [1:0] number_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            number_q <= 2'd0;
        end else if (take) begin
            number_q <= head_last ? 2'd0 : number_q + {1'b0, number_q != 2'd3};
        end
    end

    assign head_valid = tile_valid && req_valid;
    assign head_own   = (number_q < tile_own) || (tile_own == 2'd3);

endmodule

`default_nettype wire
