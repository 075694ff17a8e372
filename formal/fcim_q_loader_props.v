// SPDX-License-Identifier: Apache-2.0
// fcim_q_loader_props: what fcim_q_loader promises, in proofs.yaml in words.
`default_nettype none

module fcim_q_loader_props #(
    parameter  ROWS = 8,
    parameter  HEAD_DIM = 16,
    parameter  POS_BITS = 7,
    localparam ROW_BITS = $clog2(ROWS),
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),
    localparam DATA_BITS = HEAD_DIM*8,
    localparam SIDE_BITS = POS_BITS + 16 + 6 + 4 + 1 + 1 + 5 + 1
) (
    input  wire                 clk,
    input  wire                 rst_n,
    input  wire                 s_q_valid,
    input  wire [DATA_BITS-1:0] s_q_data,
    input  wire [SIDE_BITS-1:0] s_q_side,   // pos, mult, shift, tau, fused, skip, octaves, partial
    input  wire                 s_q_last,
    input  wire [1:0]           streamed,
    input  wire [1:0]           scaled
);

    wire                            s_q_ready, tile_open, row_we, row_bank;
    wire [ROW_BITS-1:0]             row_index;
    wire [DATA_BITS-1:0]            row_data;
    wire [SIDE_BITS-1:0]            row_side;
    wire signed [ELEM_SUM_BITS-1:0] q_sum;
    wire [1:0]                      loaded;
    fcim_q_loader #(.ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_q_valid(s_q_valid), .s_q_ready(s_q_ready), .s_q_data(s_q_data),
        .s_q_pos(s_q_side[SIDE_BITS-1 -: POS_BITS]), .s_q_mult(s_q_side[33:18]),
        .s_q_shift(s_q_side[17:12]), .s_q_tau(s_q_side[11:8]), .s_q_fused(s_q_side[7]),
        .s_q_skip(s_q_side[6]), .s_q_octaves(s_q_side[5:1]), .s_q_partial(s_q_side[0]),
        .s_q_last(s_q_last), .tile_open(tile_open),
        .row_we(row_we), .row_bank(row_bank), .row_index(row_index), .row_data(row_data),
        .row_pos(row_side[SIDE_BITS-1 -: POS_BITS]), .row_mult(row_side[33:18]), .q_sum(q_sum),
        .row_shift(row_side[17:12]), .row_tau(row_side[11:8]), .row_fused(row_side[7]),
        .row_skip(row_side[6]), .row_octaves(row_side[5:1]), .row_partial(row_side[0]),
        .loaded(loaded), .streamed(streamed), .scaled(scaled)
    );

    // ---- the tiles: which bank the next row goes to, and which row it is; of each bank whether
    // its rows are needed, whether all of them are written, and whether it was streamed through
    reg                 begun_q = 1'b0;
    reg                 bank_q, open_q;
    reg [ROW_BITS:0]    row_q;
    reg [1:0]           needed_q, whole_q, streams_q;
    // the row that was accepted in the cycle before
    reg                 came_q, ends_q, came_bank_q;
    reg [ROW_BITS:0]    came_row_q;
    reg [DATA_BITS-1:0] data_q;
    reg [SIDE_BITS-1:0] side_q;
    wire       accepts = s_q_valid && s_q_ready;
    wire       ends    = s_q_last || row_q == ROWS - 1;
    wire [1:0] bank    = bank_q ? 2'b10 : 2'b01;
    wire [1:0] written = (came_q && ends_q) ? (came_bank_q ? 2'b10 : 2'b01) : 2'b00;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        if (!rst_n) begin
            bank_q    <= 1'b0;
            open_q    <= 1'b0;
            row_q     <= {(ROW_BITS+1){1'b0}};
            needed_q  <= 2'b00;
            whole_q   <= 2'b00;
            streams_q <= 2'b00;
            came_q    <= 1'b0;
        end else begin
            came_q    <= accepts;
            needed_q  <= (needed_q & ~scaled) | (accepts ? bank : 2'b00);
            whole_q   <= (whole_q & ~streamed) | written;
            streams_q <= (streams_q | streamed) & ~scaled;
            if (accepts) begin
                open_q <= !ends;
                row_q  <= ends ? {(ROW_BITS+1){1'b0}} : row_q + 1'b1;
                bank_q <= bank_q ^ ends;
            end
        end
        if (accepts) begin
            ends_q      <= ends;
            came_bank_q <= bank_q;
            came_row_q  <= row_q;
            data_q      <= s_q_data;
            side_q      <= s_q_side;
        end
    end
    always @* begin
        if (begun_q) begin
            streams_loaded: assume ((streamed & ~loaded) == 2'b00);
            scales_streams: assume ((scaled & ~(streams_q | streamed)) == 2'b00);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    reg signed [ELEM_SUM_BITS-1:0] sum;
    integer d;
    always @* begin
        sum = {ELEM_SUM_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            sum = sum + {{(ELEM_SUM_BITS-8){data_q[d*8 + 7]}}, data_q[d*8 +: 8]};
        end
    end
    // of each bank: not needed, rows come, all are there, the last one is streaming
    wire [1:0] comes = (open_q ? bank : 2'b00) | written;

    always @* begin
        if (begun_q) begin
            written_once: assert (row_we == came_q);
            same:     assert (!row_we || (row_data == data_q && row_side == side_q));
            place:    assert (!row_we || (row_index == came_row_q && row_bank == came_bank_q));
            summed:   assert (!row_we || q_sum == sum);
            safe:     assert (!accepts || open_q || !needed_q[bank_q]);
            ready:    assert (s_q_ready == (open_q || !needed_q[bank_q]));
            opens:    assert (tile_open == (accepts && !open_q));
            complete: assert (loaded == whole_q);
            no_mixing: assert (!row_we || (loaded[row_bank] == 1'b0 && needed_q[row_bank]));

            lemma_state: assert (dut.bank_q == bank_q && dut.open_q == open_q
                                 && dut.index_q == row_q && row_q < ROWS && dut.held_q == needed_q
                                 && dut.loaded_q == whole_q && dut.we_q == came_q
                                 && open_q == (row_q != 0));
            lemma_row:   assert (!came_q || (dut.we_last_q == ends_q && dut.we_bank_q == came_bank_q
                                 && dut.we_index_q == came_row_q && came_row_q < ROWS));
            lemma_banks: assert (needed_q == (comes | whole_q | streams_q)
                                 && (comes & whole_q) == 0 && (comes & streams_q) == 0
                                 && (whole_q & streams_q) == 0);
            lemma_next:  assert (!came_q || (ends_q ? bank_q != came_bank_q && !open_q
                                 : bank_q == came_bank_q && open_q));
        end
    end

    always @* begin
        both_held: cover (begun_q && rst_n && s_q_valid && !s_q_ready && loaded[0] && streams_q[1]);
        overlong:  cover (begun_q && rst_n && row_we && row_index == ROWS - 1 && loaded[1]);
    end

endmodule

`default_nettype wire
