// SPDX-License-Identifier: Apache-2.0
// fcim_kvs_keys: what is known of the keys of a pair of macros, bank by bank: how many there are,
// the lowest position, and for each its position, multipliers and sum of elements.
//
// Latency:    Reads: none. A key counts in the cycle after it is written, its entry can be read in
//             the cycle after its own write.
// Throughput: A key and an entry written, and a word of each table read, per cycle.
// Cuts:       None on the read side.
// Numbers:    An entry is {~position, multiplier, sum of elements}: rows and keys have changed
//             places in fcim_score_lanes, and ~q_pos <= ~k_pos says k_pos <= q_pos. Key j is lane
//             j % LANES of pass j / LANES.
`default_nettype none

module fcim_kvs_keys #(
    parameter  ROWS = 64,      // keys of a tile: 16, 32, 64 or 128
    parameter  LANES = 8,      // keys of a pass: a power of two up to ROWS
    parameter  HEAD_DIM = 128, // elements of a head vector: 16, 32, 64 or 128
    parameter  POS_BITS = 14,                     // position, unsigned: 7 to 18
    parameter  BANK_BITS = 1,                     // index of a bank
    localparam PASSES = ROWS / LANES,  // cycles in which a row's scores pass the lanes
    localparam PASS_BITS = (PASSES > 1) ? $clog2(PASSES) : 1,  // index of a pass
    localparam ROW_BITS = $clog2(ROWS),           // index of a key
    localparam COUNT_BITS = $clog2(ROWS + 1),     // number of keys
    localparam MULT_BITS = 16,                    // multiplier, unsigned
    localparam V_MULT_BITS = 4,                   // multiplier of a key's value - 1, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam ENTRY_BITS = POS_BITS + MULT_BITS + ELEM_SUM_BITS  // of a key beside its cells
) (
    input  wire                         clk,

    // keys, in order; open: what the bank held is no more, beside its first key or without one
    input  wire [BANK_BITS-1:0]         k_bank,
    input  wire                         open,
    input  wire                         k_we,
    input  wire [ROW_BITS-1:0]          k_row,
    input  wire [POS_BITS-1:0]          k_pos,

    // and their entries
    input  wire                         entry_we,
    input  wire [BANK_BITS-1:0]         entry_bank,
    input  wire [ROW_BITS-1:0]          entry_row,
    input  wire [ENTRY_BITS-1:0]        entry,
    input  wire [V_MULT_BITS-1:0]       entry_v_mult,

    // whether a row sees a key of a bank, and how many the bank has
    input  wire [BANK_BITS-1:0]         q_bank,
    input  wire [POS_BITS-1:0]          q_pos,
    output wire                         q_sees,
    output wire [COUNT_BITS-1:0]        q_keys,

    // read ports, pass by pass
    input  wire [BANK_BITS-1:0]         rd_bank,
    input  wire [PASS_BITS-1:0]         rd_pass,
    output wire [LANES*ENTRY_BITS-1:0]  rd_entries,
    output wire [LANES-1:0]             rd_used,
    input  wire [BANK_BITS-1:0]         rd_v_bank,
    input  wire [PASS_BITS-1:0]         rd_v_pass,
    output wire [LANES*V_MULT_BITS-1:0] rd_v_mults
);

    localparam BANKS = 1 << BANK_BITS;

    // ---- how many keys, and from which position on
    reg [BANKS*COUNT_BITS-1:0] count_q;
    reg [BANKS*POS_BITS-1:0]   lowest_q;
    wire [POS_BITS-1:0]        lowest = lowest_q[k_bank*POS_BITS +: POS_BITS];
    always @(posedge clk) begin
        if (open) begin
            count_q[k_bank*COUNT_BITS +: COUNT_BITS] <= {COUNT_BITS{1'b0}};
        end
        if (k_we) begin
            count_q[k_bank*COUNT_BITS +: COUNT_BITS] <=
                {{(COUNT_BITS-ROW_BITS){1'b0}}, k_row} + 1'b1;
            if (k_row == 0 || k_pos < lowest) begin
                lowest_q[k_bank*POS_BITS +: POS_BITS] <= k_pos;
            end
        end
    end
    assign q_keys = count_q[q_bank*COUNT_BITS +: COUNT_BITS];
    assign q_sees = (q_keys != 0) && (lowest_q[q_bank*POS_BITS +: POS_BITS] <= q_pos);

    // ---- tables: word {bank, pass}, a key per lane
    localparam WORDS = BANKS * PASSES;
    localparam WORD_BITS = $clog2(WORDS);
    localparam [LANES:0] LANE_BIT = 1;
    wire [WORD_BITS-1:0] wr_word, rd_word, rd_v_word;
    wire [LANES-1:0]     wr_lanes;
    generate
        if (PASSES > 1) begin : g_passes
            assign wr_word   = {entry_bank, entry_row[ROW_BITS-1 -: PASS_BITS]};
            assign rd_word   = {rd_bank, rd_pass};
            assign rd_v_word = {rd_v_bank, rd_v_pass};
        end else begin : g_pass
            assign wr_word   = entry_bank;
            assign rd_word   = rd_bank;
            assign rd_v_word = rd_v_bank;
        end
        if (LANES > 1) begin : g_lanes
            assign wr_lanes = entry_we ? LANE_BIT[LANES-1:0] << entry_row[$clog2(LANES)-1:0]
                                       : {LANES{1'b0}};
        end else begin : g_lane
            assign wr_lanes = entry_we;
        end
    endgenerate
    fcim_register_file #(.WORDS(WORDS), .WIDTH(LANES*ENTRY_BITS), .PARTS(LANES)) u_entries (
        .clk(clk), .we(wr_lanes), .wr_address(wr_word), .wr_data({LANES{entry}}),
        .rd_address(rd_word), .rd_data(rd_entries)
    );
    fcim_register_file #(.WORDS(WORDS), .WIDTH(LANES*V_MULT_BITS), .PARTS(LANES)) u_v_mults (
        .clk(clk), .we(wr_lanes), .wr_address(wr_word), .wr_data({LANES{entry_v_mult}}),
        .rd_address(rd_v_word), .rd_data(rd_v_mults)
    );

    // ---- lanes of a pass that have a key
    localparam PLACE_BITS = COUNT_BITS + 1;
    reg [LANES-1:0] used;
    always @* begin : lanes_used
        reg [PLACE_BITS-1:0] place;
        integer              l;
        for (l = 0; l < LANES; l = l + 1) begin
            place   = {{(PLACE_BITS-PASS_BITS){1'b0}}, rd_pass} * LANES[PLACE_BITS-1:0]
                    + l[PLACE_BITS-1:0];
            used[l] = (place < {1'b0, count_q[rd_bank*COUNT_BITS +: COUNT_BITS]});
        end
    end
    assign rd_used = used;

endmodule

`default_nettype wire
