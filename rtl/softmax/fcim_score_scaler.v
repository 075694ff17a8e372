// SPDX-License-Identifier: Apache-2.0
// fcim_score_scaler: takes columns of inner products, LANES rows per cycle, and gives scaled,
// masked scores pass by pass, with the multiplier of the key's value beside them. Holds the row
// table (position, multiplier, sum of the elements of q) of two tiles.
//
// Latency:    Pass i leaves 4 + i cycles after its column is accepted.
// Throughput: A column per CYCLES_PER_KEY cycles.
// Cuts:       s_col_ready depends on block_free of the same cycle only; no back-pressure after a
//             column is accepted.
// Numbers:    As in fcim_score_lanes.
`default_nettype none

module fcim_score_scaler #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64
    parameter  POS_BITS = 18,                     // position, unsigned: 7 to 18
    parameter  HEADROOM = 0,                      // octaves of z that no score reaches
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a key in its block
    localparam Z_BITS = 20,                       // scaled score, signed
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam SHIFT_BITS = 6,                    // shift amount, unsigned
    localparam LANE_COUNT_BITS = $clog2(LANES + 1)  // number of lanes
) (
    input  wire                            clk,
    input  wire                            rst_n,

    // write port of the row table; row 0 marks the other rows of its bank unused; a bank's last
    // write sets its shift
    input  wire                            row_we,
    input  wire                            row_bank,
    input  wire [ROW_BITS-1:0]             row_index,
    input  wire [POS_BITS-1:0]             row_pos,
    input  wire [MULT_BITS-1:0]            row_mult,
    input  wire signed [ELEM_SUM_BITS-1:0] q_sum,
    input  wire [SHIFT_BITS-1:0]           row_shift,

    // columns
    input  wire                            s_col_valid,
    output wire                            s_col_ready,
    input  wire [ROWS*IP_LANE-1:0]         s_col_data,
    input  wire [ELEM_SUM_BITS-1:0]        s_col_ksum,
    input  wire [POS_BITS-1:0]             s_col_pos,
    input  wire [MULT_BITS-1:0]            s_col_mult,
    input  wire [V_MULT_BITS-1:0]          s_col_v_mult,
    input  wire                            s_col_bank,
    input  wire                            s_col_last,

    // block framing: a block's first key waits for room behind
    input  wire                            block_free,
    output wire                            block_open,    // the first key of a block is accepted
    output wire                            tile_scaled,   // a tile is read: its row table is free
    output wire                            tile_scaled_bank,

    // scaled scores, pass by pass
    output wire                            z_valid,
    output wire [KEY_BITS-1:0]             z_key,
    output wire [PASS_BITS-1:0]            z_pass,
    output wire                            z_block_end,   // last pass of a block
    output wire                            z_tile_end,    // ... which is the tile's last
    output wire [V_MULT_BITS-1:0]          z_v_mult,
    output wire [LANES*Z_BITS-1:0]         z_data,
    output wire [LANE_COUNT_BITS-1:0]      z_saturations
);

    localparam ENTRY_BITS = POS_BITS + MULT_BITS + ELEM_SUM_BITS;
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1;
    localparam [PASS_BITS-1:0] LAST_PASS = CYCLES_PER_KEY[PASS_BITS-1:0] - 1'b1;
    localparam [KEY_BITS-1:0]  LAST_KEY  = {KEY_BITS{1'b1}};
    localparam [LANE_BITS-1:0] LAST_LANE = LANES[LANE_BITS-1:0] - 1'b1;
    localparam [ROWS-1:0]      ROW_0     = {{(ROWS-1){1'b0}}, 1'b1};
    localparam [LANES:0]       LANE_BIT  = 1;
    localparam [LANES-1:0]     LANE_0    = LANE_BIT[LANES-1:0];

    // ---- row table: word {bank, pass}, an entry per lane; rows arrive in order
    reg  [ROWS-1:0]       used_q  [0:1];
    reg  [SHIFT_BITS-1:0] shift_q [0:1];
    reg  [PASS_BITS-1:0]  wr_pass_q;               // of the row after the last one written
    reg  [LANE_BITS-1:0]  wr_lane_q;
    wire                  wr_first = (row_index == 0);
    wire [PASS_BITS-1:0]  wr_pass  = wr_first ? {PASS_BITS{1'b0}} : wr_pass_q;
    wire [LANE_BITS-1:0]  wr_lane  = wr_first ? {LANE_BITS{1'b0}} : wr_lane_q;
    wire [LANES-1:0]      wr_lanes = row_we ? LANE_0 << wr_lane : {LANES{1'b0}};
    always @(posedge clk) begin
        if (row_we) begin
            used_q[row_bank]  <= wr_first ? ROW_0 : used_q[row_bank] | (ROW_0 << row_index);
            shift_q[row_bank] <= row_shift;
        end
    end
    always @(posedge clk) begin
        // row 0 sets them too, but gates need not show that to a simulator's X
        if (!rst_n) begin
            wr_lane_q <= {LANE_BITS{1'b0}};
            wr_pass_q <= {PASS_BITS{1'b0}};
        end else if (row_we) begin
            wr_lane_q <= (wr_lane == LAST_LANE) ? {LANE_BITS{1'b0}} : wr_lane + 1'b1;
            wr_pass_q <= wr_pass + {{(PASS_BITS-1){1'b0}}, wr_lane == LAST_LANE};
        end
    end

    // ---- column register and walk over the passes
    reg                     busy_q;
    reg [PASS_BITS-1:0]     pass_q;
    reg [KEY_BITS-1:0]      key_q;           // index of the next key in its block
    reg [KEY_BITS-1:0]      col_key_q;
    reg [ROWS*IP_LANE-1:0]  col_q;
    reg [ROWS-1:0]          col_used_q;
    wire [ROWS-1:0]         later = col_used_q >> LANES;    // rows of the passes to come
    reg [ELEM_SUM_BITS-1:0] ksum_q;
    reg [POS_BITS-1:0]      pos_q;
    reg [MULT_BITS-1:0]     mult_q;
    reg [V_MULT_BITS-1:0]   v_mult_q;
    reg                     bank_q;
    reg                     last_q;
    reg                     block_last_q;

    wire last_pass   = busy_q && (pass_q == LAST_PASS);
    wire accept      = s_col_valid && s_col_ready;
    wire block_first = (key_q == 0);
    wire block_last  = s_col_last || (key_q == LAST_KEY);

    assign s_col_ready      = (!busy_q || last_pass) && (!block_first || block_free);
    assign block_open       = accept && block_first;
    assign tile_scaled      = last_pass && last_q;
    assign tile_scaled_bank = bank_q;

    always @(posedge clk) begin
        if (!rst_n) begin
            busy_q <= 1'b0;
            key_q  <= {KEY_BITS{1'b0}};
        end else begin
            busy_q <= accept || (busy_q && !last_pass);
            if (accept) begin
                key_q <= block_last ? {KEY_BITS{1'b0}} : key_q + 1'b1;
            end
        end
    end

    always @(posedge clk) begin
        if (accept) begin
            pass_q       <= {PASS_BITS{1'b0}};
            col_key_q    <= key_q;
            col_used_q   <= used_q[s_col_bank];
            ksum_q       <= s_col_ksum;
            pos_q        <= s_col_pos;
            mult_q       <= s_col_mult;
            v_mult_q     <= s_col_v_mult;
            bank_q       <= s_col_bank;
            last_q       <= s_col_last;
            block_last_q <= block_last;
        end else if (busy_q) begin
            pass_q     <= pass_q + 1'b1;
            col_used_q <= later;
        end
    end

    // a place of the column takes a value only if that is of a row in use
    always @(posedge clk) begin : column
        reg [ROWS*IP_LANE-1:0] shifted;
        integer                r;
        shifted = col_q >> (LANES * IP_LANE);
        for (r = 0; r < ROWS; r = r + 1) begin
            if (accept ? used_q[s_col_bank][r] : busy_q && later[r]) begin
                col_q[r*IP_LANE +: IP_LANE] <= accept ? s_col_data[r*IP_LANE +: IP_LANE]
                                                      : shifted[r*IP_LANE +: IP_LANE];
            end
        end
    end

    localparam TABLE_WORDS = 2 * CYCLES_PER_KEY;
    localparam TABLE_BITS = $clog2(TABLE_WORDS);
    wire [TABLE_BITS-1:0] wr_word, rd_word;     // read one cycle before the pass
    wire                  begins = !busy_q || last_pass;    // that pass is a column's first
    generate
        if (CYCLES_PER_KEY > 1) begin : g_passes
            assign wr_word = {row_bank, wr_pass};
            assign rd_word = begins ? {s_col_bank, {PASS_BITS{1'b0}}} : {bank_q, pass_q + 1'b1};
        end else begin : g_pass
            assign wr_word = row_bank;
            assign rd_word = s_col_bank;
        end
    endgenerate

    wire [LANES*ENTRY_BITS-1:0] entries;
    reg  [LANES*ENTRY_BITS-1:0] entries_q;
    wire [LANES-1:0]            entries_used = begins ? used_q[s_col_bank][LANES-1:0]
                                                      : later[LANES-1:0];
    always @(posedge clk) begin : entry
        integer r;
        for (r = 0; r < LANES; r = r + 1) begin
            if (entries_used[r]) begin
                entries_q[r*ENTRY_BITS +: ENTRY_BITS] <= entries[r*ENTRY_BITS +: ENTRY_BITS];
            end
        end
    end
    fcim_register_file #(
        .WORDS(TABLE_WORDS), .WIDTH(LANES*ENTRY_BITS), .PARTS(LANES)
    ) u_table (
        .clk(clk),
        .we(wr_lanes), .wr_address(wr_word), .wr_data({LANES{row_pos, row_mult, q_sum}}),
        .rd_address(rd_word), .rd_data(entries)
    );

    // ---- lanes
    wire [LANES-1:0] saturated;
    fcim_score_lanes #(
        .LANES(LANES), .HEAD_DIM(HEAD_DIM), .POS_BITS(POS_BITS), .HEADROOM(HEADROOM)
    ) u_lanes (
        .clk(clk),
        .u(col_q[LANES*IP_LANE-1:0]), .ksum(ksum_q), .k_pos(pos_q), .k_mult(mult_q),
        .used(col_used_q[LANES-1:0]), .entries(entries_q), .shift(shift_q[bank_q]),
        .z(z_data), .saturated(saturated)
    );
    reg [LANE_COUNT_BITS-1:0] clamped;
    always @* begin : count
        integer a;
        clamped = {LANE_COUNT_BITS{1'b0}};
        for (a = 0; a < LANES; a = a + 1) begin
            clamped = clamped + {{(LANE_COUNT_BITS-1){1'b0}}, saturated[a]};
        end
    end
    assign z_saturations = z_valid ? clamped : {LANE_COUNT_BITS{1'b0}};

    // ---- what travels beside the lanes
    localparam SIDE_BITS = V_MULT_BITS + KEY_BITS + PASS_BITS + 2;
    reg                 valid_q2, valid_q3, valid_q4;
    reg [SIDE_BITS-1:0] side_q2, side_q3, side_q4;
    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q2 <= 1'b0;
            valid_q3 <= 1'b0;
            valid_q4 <= 1'b0;
        end else begin
            valid_q2 <= busy_q;
            valid_q3 <= valid_q2;
            valid_q4 <= valid_q3;
        end
    end
    always @(posedge clk) begin
        side_q2 <= {v_mult_q, col_key_q, pass_q, last_pass && block_last_q, last_pass && last_q};
        side_q3 <= side_q2;
        side_q4 <= side_q3;
    end
    assign z_valid = valid_q4;
    assign {z_v_mult, z_key, z_pass, z_block_end, z_tile_end} = side_q4;

endmodule

`default_nettype wire
