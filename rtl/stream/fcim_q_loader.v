// SPDX-License-Identifier: Apache-2.0
// fcim_q_loader: takes the rows of the next query tile and writes them into the free one of two
// banks. Row ROWS - 1 closes a tile as `last` does.
//
// Latency:    A row is written one cycle after it is accepted; a bank is loaded 2 cycles after its
//             last row. A pulse on streamed or scaled shows one cycle later.
// Throughput: A row per cycle.
// Cuts:       s_q_ready is a function of registers only.
// Numbers:    Signed bytes, passed through; q_sum is their sum.
`default_nettype none

module fcim_q_loader #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  POS_BITS = 18,                     // position, unsigned: 7 to 18
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam TAU_BITS = 4,                      // tau in octaves, unsigned
    localparam OCTAVES_BITS = 5                   // octaves that a block may lie below, unsigned
) (
    input  wire                            clk,
    input  wire                            rst_n,

    // rows
    input  wire                            s_q_valid,
    output wire                            s_q_ready,
    input  wire [HEAD_DIM*8-1:0]           s_q_data,
    input  wire [POS_BITS-1:0]             s_q_pos,
    input  wire [MULT_BITS-1:0]            s_q_mult,
    input  wire [SHIFT_BITS-1:0]           s_q_shift,
    input  wire [TAU_BITS-1:0]             s_q_tau,
    input  wire                            s_q_fused,
    input  wire                            s_q_skip,
    input  wire [OCTAVES_BITS-1:0]         s_q_octaves,
    input  wire                            s_q_partial,
    input  wire                            s_q_last,

    output wire                            tile_open,   // accepts a tile's first row

    // write port of cells and row table
    output wire                            row_we,
    output wire                            row_bank,
    output wire [ROW_BITS-1:0]             row_index,
    output wire [HEAD_DIM*8-1:0]           row_data,
    output wire [POS_BITS-1:0]             row_pos,
    output wire [MULT_BITS-1:0]            row_mult,
    output wire signed [ELEM_SUM_BITS-1:0] q_sum,
    output wire [SHIFT_BITS-1:0]           row_shift,
    output wire [TAU_BITS-1:0]             row_tau,
    output wire                            row_fused,
    output wire                            row_skip,
    output wire [OCTAVES_BITS-1:0]         row_octaves,
    output wire                            row_partial,

    // banks: loaded and not yet streamed through; given back when the last key's scores are scaled
    output wire [1:0]                      loaded,
    input  wire [1:0]                      streamed,   // the IP-CIM took its last key
    input  wire [1:0]                      scaled      // the bank's tile needs its rows no more
);

    reg                bank_q;
    reg [ROW_BITS-1:0] index_q;
    reg [1:0]          held_q;              // from the first row on until the tile is scaled
    reg [1:0]          loaded_q;
    reg                open_q;              // a tile is being loaded into bank_q

    reg                    we_q, we_last_q, we_bank_q;
    reg [ROW_BITS-1:0]     we_index_q;
    reg [HEAD_DIM*8-1:0]   data_q;
    reg [POS_BITS-1:0]     pos_q;
    reg [MULT_BITS-1:0]    mult_q;
    reg [SHIFT_BITS-1:0]   shift_q;
    reg [TAU_BITS-1:0]     tau_q;
    reg                    fused_q, skip_q, partial_q;
    reg [OCTAVES_BITS-1:0] octaves_q;

    // rows beyond the array close the tile as `last` would, so that an overlong tile cannot
    // overwrite another
    wire       accept    = s_q_valid && s_q_ready;
    wire       tile_end  = s_q_last || (index_q == ROWS[ROW_BITS-1:0] - 1'b1);
    wire [1:0] bank_mask = {bank_q, !bank_q};

    assign s_q_ready = open_q || !held_q[bank_q];
    assign tile_open = accept && !open_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            bank_q   <= 1'b0;
            index_q  <= {ROW_BITS{1'b0}};
            held_q   <= 2'b00;
            loaded_q <= 2'b00;
            open_q   <= 1'b0;
            we_q     <= 1'b0;
        end else begin
            we_q     <= accept;
            held_q   <= (held_q & ~scaled) | (accept ? bank_mask : 2'b00);
            loaded_q <= (loaded_q & ~streamed) |
                        ((we_q && we_last_q) ? {we_bank_q, !we_bank_q} : 2'b00);
            if (accept) begin
                open_q  <= !tile_end;
                index_q <= tile_end ? {ROW_BITS{1'b0}} : index_q + 1'b1;
                bank_q  <= bank_q ^ tile_end;
            end
        end
    end

    always @(posedge clk) begin
        if (accept) begin
            we_last_q  <= tile_end;
            we_bank_q  <= bank_q;
            we_index_q <= index_q;
            data_q     <= s_q_data;
            pos_q      <= s_q_pos;
            mult_q     <= s_q_mult;
            shift_q    <= s_q_shift;
            tau_q      <= s_q_tau;
            fused_q    <= s_q_fused;
            skip_q     <= s_q_skip;
            octaves_q  <= s_q_octaves;
            partial_q  <= s_q_partial;
        end
    end

    // ---- sum of the row's elements, for the offset correction of its scores
    reg signed [ELEM_SUM_BITS-1:0] sum;
    always @* begin : elements
        integer d;
        sum = {ELEM_SUM_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            sum = sum + $signed({{(ELEM_SUM_BITS-8){data_q[d*8 + 7]}}, data_q[d*8 +: 8]});
        end
    end

    assign row_we      = we_q;
    assign row_bank    = we_bank_q;
    assign row_index   = we_index_q;
    assign row_data    = data_q;
    assign row_pos     = pos_q;
    assign row_mult    = mult_q;
    assign q_sum       = sum;
    assign row_shift   = shift_q;
    assign row_tau     = tau_q;
    assign row_fused   = fused_q;
    assign row_skip    = skip_q;
    assign row_octaves = octaves_q;
    assign row_partial = partial_q;
    assign loaded      = loaded_q;

endmodule

`default_nettype wire
