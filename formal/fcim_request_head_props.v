// SPDX-License-Identifier: Apache-2.0
// fcim_request_head_props: what fcim_request_head promises, in proofs.yaml in words.
`default_nettype none

module fcim_request_head_props #(
    parameter  BLOCK_BITS = 4,
    parameter  REQUESTS = 2,
    localparam TILES = 4,
    localparam TILE_BITS = BLOCK_BITS + 4,
    localparam REQ_BITS = BLOCK_BITS + 2,
    localparam TILE_COUNT_BITS = $clog2(TILES + 2),
    localparam REQ_COUNT_BITS = $clog2(REQUESTS + 2)
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 s_tile_valid,
    input  wire [TILE_BITS-1:0] s_tile,         // origin, own, tag, stream
    input  wire                 s_req_valid,
    input  wire [REQ_BITS-1:0]  s_req,          // block, skip, last
    input  wire                 take,
    input  wire                 pick_tile,
    input  wire                 pick_req
);

    wire                  s_tile_ready, s_req_ready, head_valid, head_own, head_stream, head_tag;
    wire                  head_skip, head_last;
    wire [BLOCK_BITS-1:0] head_origin, head_block;
    fcim_request_head #(.BLOCK_BITS(BLOCK_BITS), .REQUESTS(REQUESTS)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_tile_valid(s_tile_valid), .s_tile_ready(s_tile_ready), .s_tile_stream(s_tile[0]),
        .s_tile_tag(s_tile[1]), .s_tile_own(s_tile[3:2]),
        .s_tile_origin(s_tile[TILE_BITS-1:4]),
        .s_req_valid(s_req_valid), .s_req_ready(s_req_ready),
        .s_req_block(s_req[REQ_BITS-1:2]), .s_req_skip(s_req[1]), .s_req_last(s_req[0]),
        .head_valid(head_valid), .head_own(head_own), .head_stream(head_stream),
        .head_tag(head_tag), .head_origin(head_origin), .head_block(head_block),
        .head_skip(head_skip), .head_last(head_last), .take(take)
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    always @* begin
        takes_there: assume (!take || head_valid);
        if (!begun_q) begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- a tile and a request that are followed, and how many blocks of the oldest tile are taken
    wire [TILE_COUNT_BITS-1:0] tiles, tiles_ahead;
    wire [REQ_COUNT_BITS-1:0]  reqs, reqs_ahead;
    wire                       tile_watched, tile_due, req_watched, req_due;
    wire [TILE_BITS-1:0]       tile;
    wire [REQ_BITS-1:0]        req;
    reg                        late_q;
    reg [15:0]                 taken_q;
    fcim_watch #(.WIDTH(TILE_BITS), .MOST(TILES)) u_tiles (
        .clk(clk), .rst_n(rst_n), .pick(pick_tile), .enters(s_tile_valid && s_tile_ready),
        .data(s_tile), .leaves(take && head_last), .count(tiles), .watches(tile_watched),
        .ahead(tiles_ahead), .word(tile), .due(tile_due)
    );
    fcim_watch #(.WIDTH(REQ_BITS), .MOST(REQUESTS)) u_reqs (
        .clk(clk), .rst_n(rst_n), .pick(pick_req), .enters(s_req_valid && s_req_ready),
        .data(s_req), .leaves(take), .count(reqs), .watches(req_watched), .ahead(reqs_ahead),
        .word(req), .due(req_due)
    );
    always @(posedge clk) begin
        taken_q <= (!rst_n || (take && head_last)) ? 16'd0
                 : taken_q + {15'd0, take && taken_q != 16'hffff};
        late_q  <= rst_n && tiles != 0 && reqs != 0 && !head_valid;
    end

    wire [TILE_COUNT_BITS-1:0] tile_stands = tiles_ahead - {2'd0, dut.tile_valid};
    wire [TILE_COUNT_BITS-1:0] tile_stored = tiles - {2'd0, dut.tile_valid};
    wire [1:0]                 tile_place  = dut.u_tiles.rd_q + tile_stands[1:0];
    wire [1:0]                 tile_end    = dut.u_tiles.rd_q + tile_stored[1:0];
    wire [REQ_COUNT_BITS-1:0]  req_stands  = reqs_ahead - {1'd0, dut.req_valid};
    wire [REQ_COUNT_BITS-1:0]  req_stored  = reqs - {1'd0, dut.req_valid};
    wire                       req_place   = dut.u_requests.rd_q + req_stands[0];
    wire                       req_end     = dut.u_requests.rd_q + req_stored[0];
    wire [TILE_BITS-1:0]       tile_out    = {head_origin, dut.tile_own, head_tag, head_stream};
    wire [REQ_BITS-1:0]        req_out     = {head_block, head_skip, head_last};

    always @* begin
        if (begun_q) begin
            of_tile:    assert (!(head_valid && tile_due) || (head_origin == tile[TILE_BITS-1:4]
                                && head_tag == tile[1] && head_stream == tile[0]));
            request:    assert (!(head_valid && req_due) || req_out == req);
            own_first:  assert (!(head_valid && tile_due) || head_own
                                == (tile[3:2] == 2'd3 || taken_q < tile[3:2]));
            nothing:    assert (!head_valid || (tiles != 0 && reqs != 0));
            soon:       assert (!late_q || head_valid);
            tile_room:  assert (s_tile_ready == (tiles != TILES));
            req_room:   assert (s_req_ready == (reqs != REQUESTS));

            lemma_tiles: assert (dut.u_tiles.inside_q == tiles && tiles <= TILES
                                 && (!dut.tile_valid || tiles != 0)
                                 && dut.u_tiles.wr_q == tile_end);
            lemma_reqs:  assert (dut.u_requests.inside_q == reqs && reqs <= REQUESTS
                                 && (!dut.req_valid || reqs != 0)
                                 && dut.u_requests.wr_q == req_end);
            lemma_tile:  assert (!tile_watched || (tiles_ahead < tiles
                                 && (dut.tile_valid && tile_due ? tile_out
                                     : dut.u_tiles.u_words.word_q[tile_place]) == tile));
            lemma_req:   assert (!req_watched || (reqs_ahead < reqs
                                 && (dut.req_valid && req_due ? req_out
                                     : dut.u_requests.u_words.word_q[req_place]) == req));
            lemma_taken: assert (dut.number_q == (taken_q < 3 ? taken_q[1:0] : 2'd3));
            lemma_late:  assert (!late_q || ((dut.tile_valid || tiles != 0)
                                 && (dut.req_valid || reqs != 0)));
        end
    end

    always @* begin
        then_stream: cover (begun_q && rst_n && head_valid && tile_due && tile[3:2] == 2'd2
                            && !head_own && req_due && head_last);
        second_tile: cover (begun_q && rst_n && tiles == 2 && tiles_ahead == 1 && take && head_last
                            && tile_watched);
    end

endmodule

`default_nettype wire
