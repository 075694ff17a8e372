// SPDX-License-Identifier: Apache-2.0
// fcim_row_bus_props: what fcim_row_bus promises, in proofs.yaml in words.
`default_nettype none

module fcim_row_bus_props #(
    parameter  ENGINES = 4,                      // a power of two
    parameter  WIDTH = 4,
    parameter  KEYS_PER_BLOCK = 8,
    parameter  BLOCK_BITS = 6,
    parameter  BASE_BITS = 5,
    parameter  SETTLE = 0,
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),
    localparam INDEX_BITS = BLOCK_BITS + KEY_BITS,
    localparam ADDRESS_BITS = BASE_BITS + KEY_BITS,
    localparam ENGINE_BITS = $clog2(ENGINES),
    localparam SHARE_BITS = BASE_BITS - ENGINE_BITS,
    localparam AGE_BITS = KEY_BITS + 2
) (
    input  wire                          clk,
    input  wire                          rst_n,
    input  wire                          streamed,
    input  wire                          decode,
    input  wire [ENGINES-1:0]            head_valid,
    input  wire [ENGINES-1:0]            head_own,
    input  wire [ENGINES*BLOCK_BITS-1:0] head_origin,
    input  wire [ENGINES*BLOCK_BITS-1:0] head_block,
    input  wire [ENGINES-1:0]            head_skip,
    input  wire [ENGINES-1:0]            head_last,
    input  wire [ENGINES-1:0]            room,
    input  wire [1:0]                    stream_valid,
    input  wire [2*BLOCK_BITS-1:0]       stream_origin,
    input  wire [2*BLOCK_BITS-1:0]       stream_block,
    input  wire [2*ENGINES-1:0]          stream_members,
    input  wire [WIDTH-1:0]              rd_data,
    input  wire                          pick,   // follow the block that is promised now
    input  wire [ENGINE_BITS-1:0]        one,    // two engines, always the same
    input  wire [ENGINE_BITS-1:0]        other,
    input  wire [ADDRESS_BITS-1:0]       where,  // a row of the memory, always the same,
    input  wire [WIDTH-1:0]              what    // and what it holds
);

    wire [ENGINES-1:0]      take, promise, row_valid, row_last;
    wire [1:0]              stream_ready;
    wire                    rd;
    wire [ADDRESS_BITS-1:0] rd_address;
    wire [INDEX_BITS-1:0]   row_index;
    wire [WIDTH-1:0]        row_data;
    fcim_row_bus #(
        .ENGINES(ENGINES), .WIDTH(WIDTH), .KEYS_PER_BLOCK(KEYS_PER_BLOCK),
        .BLOCK_BITS(BLOCK_BITS), .BASE_BITS(BASE_BITS), .SETTLE(SETTLE)
    ) dut (
        .clk(clk), .rst_n(rst_n), .streamed(streamed), .decode(decode),
        .head_valid(head_valid), .head_own(head_own), .head_origin(head_origin),
        .head_block(head_block), .head_skip(head_skip), .head_last(head_last), .room(room),
        .take(take), .promise(promise), .stream_valid(stream_valid),
        .stream_ready(stream_ready), .stream_origin(stream_origin),
        .stream_block(stream_block), .stream_members(stream_members),
        .rd(rd), .rd_address(rd_address), .rd_data(rd_data),
        .row_valid(row_valid), .row_last(row_last), .row_index(row_index), .row_data(row_data)
    );

    wire [ENGINES-1:0] members0 = stream_members[ENGINES-1:0];
    wire [ENGINES-1:0] members1 = stream_members[2*ENGINES-1:ENGINES];
    wire [ENGINES-1:0] meets    = head_valid & ~head_own & (head_skip | room);
    reg                      begun_q = 1'b0;
    reg                      reads_q;           // the row `where` was read in the cycle before
    reg [ENGINE_BITS-1:0]    one_q, other_q;
    reg [ADDRESS_BITS-1:0]   where_q;
    reg [WIDTH-1:0]          what_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        one_q   <= one;
        other_q <= other;
        where_q <= where;
        what_q  <= what;
        reads_q <= rd && rd_address == where;
    end
    always @* begin
        two_engines:  assume (one != other);
        members_here: assume ((!stream_valid[0] || (members0 != 0 && (members0 & ~meets) == 0))
                              && (!stream_valid[1] || (members1 != 0 && (members1 & ~meets) == 0)));
        modes:        assume (!(streamed && decode) && !(decode && stream_valid != 0)
                              && !(streamed && (head_valid & head_own) != 0));
        if (begun_q) begin
            same_ones:   assume (one == one_q && other == other_q && where == where_q
                                 && what == what_q);
            memory_says: assume (!reads_q || rd_data == what);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- where a block of the engine is, and which number its rows have
    wire                  own    = head_valid[one] && head_own[one];
    wire                  stream = stream_ready[1];
    wire [BLOCK_BITS-1:0] number = own ? head_block[one*BLOCK_BITS +: BLOCK_BITS]
                                 : stream_block[stream*BLOCK_BITS +: BLOCK_BITS];
    wire [BLOCK_BITS-1:0] sum    = number + (own ? head_origin[one*BLOCK_BITS +: BLOCK_BITS]
                                 : stream_origin[stream*BLOCK_BITS +: BLOCK_BITS]);
    wire [BASE_BITS-1:0]  page   = streamed ? {stream, number[BASE_BITS-2:0]}
                                 : decode ? {one, number[SHARE_BITS-1:0]} : sum[BASE_BITS-1:0];

    // ---- a block that was promised to the engine, and rows that it is owed
    localparam [AGE_BITS-1:0] DONE = KEYS_PER_BLOCK + 2;
    reg                  watches_q, last_q;
    reg [AGE_BITS-1:0]   age_q;                 // cycles since the promise
    reg [BLOCK_BITS-1:0] block_q;
    reg [BASE_BITS-1:0]  page_q;
    reg [AGE_BITS:0]     owed_q;
    wire [AGE_BITS:0]    more = promise[one] ? KEYS_PER_BLOCK : 0;
    always @(posedge clk) begin
        if (!rst_n) begin
            watches_q <= 1'b0;
            owed_q    <= {(AGE_BITS+1){1'b0}};
        end else begin
            owed_q <= owed_q + more - {{AGE_BITS{1'b0}}, row_valid[one]};
            if (watches_q) begin
                watches_q <= (age_q != DONE);
                age_q     <= age_q + 1'b1;
            end else if (promise[one] && pick) begin
                watches_q <= 1'b1;
                age_q     <= {{(AGE_BITS-1){1'b0}}, 1'b1};
            end
        end
        if (!watches_q) begin
            last_q  <= head_last[one];
            block_q <= decode ? sum : number;
            page_q  <= page;
        end
    end
    wire [AGE_BITS-1:0] row   = age_q - 2'd3;       // the one that has to come now
    wire                comes = watches_q && age_q >= 3;
    wire [KEY_BITS-1:0] key2  = age_q[KEY_BITS-1:0] - 2'd2;
    wire [KEY_BITS-1:0] key1  = age_q[KEY_BITS-1:0] - 1'b1;

    // ---- who was served last: of the engines alone, of the streams; and whether the other engine
    // was served while this one waited
    reg [ENGINE_BITS-1:0] served_q;
    reg                   stream_q, passed_q;
    wire [ENGINES-1:0] alone = promise & head_own;
    wire [ENGINES-1:0] asks  = head_valid & head_own & room & ~head_skip;
    integer e;
    always @(posedge clk) begin
        if (!rst_n) begin
            served_q <= {ENGINE_BITS{1'b1}};
            stream_q <= 1'b1;
            passed_q <= 1'b0;
        end else begin
            for (e = 0; e < ENGINES; e = e + 1) begin
                if (alone[e]) begin
                    served_q <= e[ENGINE_BITS-1:0];
                end
            end
            stream_q <= (stream_ready != 0) ? stream_ready[1] : stream_q;
            passed_q <= asks[one] && !alone[one] && (passed_q || alone[other]);
        end
    end
    wire [ENGINE_BITS-1:0] one_far   = one - served_q - 1'b1;
    wire [ENGINE_BITS-1:0] other_far = other - served_q - 1'b1;

    always @* begin
        if (begun_q) begin
            real_ones: assert ((take & ~head_valid) == 0 && promise == (take & ~head_skip)
                               && (promise & ~room) == 0);
            skips:     assert ((head_valid & head_own & head_skip & ~take) == 0);
            alone_one: assert ((alone & (alone - 1'b1)) == 0
                               && !(alone != 0 && (promise & ~head_own) != 0));
            together:  assert ((take & ~head_own) == (stream_ready[0] ? members0
                               : stream_ready[1] ? members1 : {ENGINES{1'b0}}));
            one_stream: assert (stream_ready != 2'b11 && (stream_ready & ~stream_valid) == 0);
            on_time:   assert (!comes || row_valid[one]);
            index:     assert (!comes || row_index == {block_q, row[KEY_BITS-1:0]});
            last:      assert (!comes || row_last[one] == (last_q && age_q == DONE));
            data:      assert (!comes || {page_q, row[KEY_BITS-1:0]} != where
                               || row_data == what);
            no_more:   assert (!row_valid[one] || owed_q != 0);
            turns:     assert (!(stream_ready[0] && stream_valid[1] && !stream_q)
                               && !(stream_ready[1] && stream_valid[0] && stream_q));
            fair:      assert (!(passed_q && asks[one] && alone[other]));

            lemma_owed:  assert (owed_q == (dut.run_q && dut.mask_q[one]
                                 ? KEYS_PER_BLOCK - dut.key_q : 0) + dut.mask_q2[one]
                                 + dut.mask_q3[one]);
            lemma_age:   assert (!watches_q || (age_q != 0 && age_q <= DONE));
            lemma_walk:  assert (!(watches_q && age_q <= KEYS_PER_BLOCK) || (dut.run_q
                                 && dut.mask_q[one] && dut.key_q == key1 && dut.page_q == page_q
                                 && dut.block_q == block_q && dut.last_q[one] == last_q));
            lemma_read:  assert (!(watches_q && age_q >= 2 && age_q < DONE) || (dut.mask_q2[one]
                                 && dut.index_q2 == {block_q, key2} && dut.last_q2[one]
                                 == (last_q && age_q == DONE - 1'b1)
                                 && ({page_q, key2} != where || reads_q)));
            lemma_served: assert (dut.after_q == ({ENGINES{1'b1}} << served_q) << 1);
            lemma_turn:  assert (dut.turn_q == !stream_q);
            lemma_passed: assert (!passed_q || one_far < other_far);
        end
    end

    always @* begin
        decoded:  cover (begun_q && rst_n && comes && last_q && age_q == DONE && decode
                         && page_q[BASE_BITS-1] && {page_q, row[KEY_BITS-1:0]} == where);
        two_meet: cover (begun_q && rst_n && stream_ready[1] && streamed && members1 == 4'b0110
                         && stream_valid[0] && promise == 4'b0010);
        waits:    cover (begun_q && rst_n && passed_q && asks[one] && one < other);
    end

endmodule

`default_nettype wire
