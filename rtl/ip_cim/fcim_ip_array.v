// SPDX-License-Identifier: Apache-2.0
// fcim_ip_array: the array of the IP-CIM macro. The cells of BANKS tiles of Q, the register
// that drives a key's bits onto them, MSB first, and a tree of adders for every row.
//
// Latency:    A key's column is there one cycle after its last step.
// Throughput: BITS_PER_CYCLE bit-planes of a key per step.
// Cuts:       col and ksum are sums of two registers, bit_ops is one: as the rows do, the sum of
//             the key leaves its last addition to the cycle after.
// Numbers:    Signed bytes at the ports, offset binary in the cells (q' = q + 128, k' = k + 128),
//             so that a row's sum is unsigned: lane r of col is sum_d q'[r][d] * k'[d], ksum is
//             sum_d k'[d]. HEAD_DIM * 255 * 255 < 2**IP_LANE.
//
// There are two texts of the same array. The one for synthesis has rows of fcim_ip_row, each with
// a carry-save tree and a bit that says whether it is in use; a key's bits go to groups of rows of
// which one is. The one that FCIM_FAST_SIM chooses
// skips the cells whose bit is 0 and adds all rows in one wide word, whose lanes no carry leaves:
// several times as fast in a simulator.
`default_nettype none

module fcim_ip_array #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  BANKS = 2,                         // tiles that are held: 2, 4 or 8
    localparam BANK_BITS = $clog2(BANKS),         // index of a bank
    localparam ROW_BITS = $clog2(ROWS),           // index of a row
    localparam IP_LANE = 16 + $clog2(HEAD_DIM),   // inner product, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),  // sum of HEAD_DIM bytes
    localparam OPS_BITS = $clog2(8 * HEAD_DIM + 1)  // active bit-lines, 8 per element at most
) (
    input  wire                     clk,

    // write port of the cells: one row per cycle; row 0 clears the other rows of its bank
    input  wire                     q_we,
    input  wire [BANK_BITS-1:0]     q_bank,
    input  wire [ROW_BITS-1:0]      q_row,
    input  wire [HEAD_DIM*8-1:0]    q_data,

    // a key and the bank that it meets; it is in the array from the next cycle on
    input  wire                     load,
    input  wire [BANK_BITS-1:0]     load_bank,
    input  wire [HEAD_DIM*8-1:0]    load_data,

    // take the next bit-planes; a key's first step, and its last
    input  wire                     step,
    input  wire                     first,
    input  wire                     last,

    // the last whole column, and the bit-lines that were active in the last step
    output wire [ROWS*IP_LANE-1:0]  col,
    output wire [ELEM_SUM_BITS-1:0] ksum,
    output wire [OPS_BITS-1:0]      bit_ops
);

    localparam [7:0]            SIGN_BIT  = 8'h80;                // + 128, modulo 256
    localparam [HEAD_DIM*8-1:0] SIGN_BITS = {HEAD_DIM{SIGN_BIT}};

    wire [HEAD_DIM*8-1:0] load_key = load_data ^ SIGN_BITS;
    reg  [HEAD_DIM*8-1:0] key_q;
    reg  [BANK_BITS-1:0]  bank_q;
    reg  [OPS_BITS-1:0]   ops_q;
    always @(posedge clk) begin
        if (load) begin
            bank_q <= load_bank;
        end
    end
    assign bit_ops = ops_q;

`ifdef FCIM_FAST_SIM
    localparam DIM_BITS = $clog2(HEAD_DIM);

    // ---- the key: the top bits of every byte are its next bit-planes
    always @(posedge clk) begin
        if (load) begin
            key_q <= load_key;
        end else if (step) begin
            key_q <= key_q << BITS_PER_CYCLE;
        end
    end

    // ---- cells: word {bank, d} holds element d of every row, zero-extended to a lane of the sums
    reg [ROWS*IP_LANE-1:0] cell_q [0:BANKS*HEAD_DIM-1];
    reg [ROWS*IP_LANE-1:0] acc_q, col_q;
    reg [ELEM_SUM_BITS-1:0] ksum_q, col_ksum_q;
    genvar w;
    generate
        for (w = 0; w < HEAD_DIM; w = w + 1) begin : g_write
            always @(posedge clk) begin
                if (q_we) begin
                    if (q_row == 0) begin
                        cell_q[{q_bank, w[DIM_BITS-1:0]}] <=
                            {{(ROWS*IP_LANE-8){1'b0}}, q_data[w*8 +: 8] ^ SIGN_BIT};
                    end else begin
                        cell_q[{q_bank, w[DIM_BITS-1:0]}][q_row*IP_LANE +: IP_LANE] <=
                            {{(IP_LANE-8){1'b0}}, q_data[w*8 +: 8] ^ SIGN_BIT};
                    end
                end
            end
        end
    endgenerate

    // ---- one bit-plane after the other adds the selected columns of cells, then shift-accumulate
    always @(posedge clk) begin : add
        reg [ROWS*IP_LANE-1:0]  bit_sum, plane_sum;
        reg [OPS_BITS-1:0]      ones;
        reg [ELEM_SUM_BITS-1:0] bit_ones, ones_sum;
        integer                 d, b;
        if (step) begin
            plane_sum = {ROWS*IP_LANE{1'b0}};
            ones_sum  = {ELEM_SUM_BITS{1'b0}};
            ones      = {OPS_BITS{1'b0}};
            for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                bit_sum  = {ROWS*IP_LANE{1'b0}};
                bit_ones = {ELEM_SUM_BITS{1'b0}};
                for (d = 0; d < HEAD_DIM; d = d + 1) begin
                    if (key_q[d*8 + 7 - b]) begin
                        bit_sum  = bit_sum + cell_q[{bank_q, d[DIM_BITS-1:0]}];
                        bit_ones = bit_ones + 1'b1;
                    end
                end
                plane_sum = (plane_sum << 1) + bit_sum;
                ones_sum  = (ones_sum << 1) + bit_ones;
                ones      = ones + bit_ones[OPS_BITS-1:0];
            end
            if (!first) begin
                plane_sum = plane_sum + (acc_q << BITS_PER_CYCLE);
                ones_sum  = ones_sum + (ksum_q << BITS_PER_CYCLE);
            end
            acc_q  <= plane_sum;
            ksum_q <= ones_sum;
            ops_q  <= ones;
            if (last) begin
                col_q      <= plane_sum;
                col_ksum_q <= ones_sum;
            end
        end
    end
    assign col  = col_q;
    assign ksum = col_ksum_q;
`else
    // ---- the key stays, and only its planes move: a register of them, and a one-hot mark of those
    // that come next; past the last there are none
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE;
    localparam PLANE_BITS = HEAD_DIM * BITS_PER_CYCLE;
    localparam [CYCLES_PER_KEY:0] SECOND = 2;
    reg [PLANE_BITS-1:0]     planes, planes_q;
    reg [CYCLES_PER_KEY-1:0] next_q;
    always @* begin : choose
        integer d, n;
        planes = {PLANE_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            for (n = 1; n < CYCLES_PER_KEY; n = n + 1) begin
                planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                    | (key_q[d*8 + 8 - (n + 1)*BITS_PER_CYCLE +: BITS_PER_CYCLE]
                       & {BITS_PER_CYCLE{next_q[n]}});
            end
            if (load) begin
                planes[d*BITS_PER_CYCLE +: BITS_PER_CYCLE] =
                    load_key[d*8 + 8 - BITS_PER_CYCLE +: BITS_PER_CYCLE];
            end
        end
    end
    always @(posedge clk) begin
        if (load) begin
            key_q <= load_key;
        end
        if (load || step) begin
            next_q   <= load ? SECOND[CYCLES_PER_KEY-1:0] : next_q << 1;
            planes_q <= planes;
        end
    end

    // ---- rows in use in each bank, in the key's, and in that of the last whole column. A key's
    // planes go to groups of rows of which one is in use
    localparam GROUP = 4;
    localparam GROUPS = (ROWS + GROUP - 1) / GROUP;
    localparam [ROWS-1:0] ROW_0 = 1;
    reg  [ROWS-1:0]   used0_q, used1_q, chosen0_q, chosen1_q, live_q;
    reg  [GROUPS-1:0] groups_q, groups;
    wire [ROWS-1:0]   row       = ROW_0 << q_row;
    wire [BANKS-1:0]  writes;
    wire [ROWS-1:0]   used0     = !writes[0] ? used0_q : (q_row == 0) ? row : used0_q | row;
    wire [ROWS-1:0]   used1     = !writes[1] ? used1_q : (q_row == 0) ? row : used1_q | row;
    wire [BANK_BITS-1:0]      next_bank = load ? load_bank : bank_q;
    wire [ROWS-1:0]           choice;
    wire                      next_is_1;
    wire [(BANKS-1)*ROWS-1:0] others;           // rows chosen in all banks but the first
    wire [ROWS-1:0]           other;            // in any of these
    genvar t;
    generate
        if (BANKS > 2) begin : g_more
            localparam MORE = BANKS - 2;
            reg  [MORE*ROWS-1:0]     used_q, chosen_q;
            reg  [(2*MORE+1)*ROWS-1:0] any;         // the banks', then either of each two
            wire [MORE*ROWS-1:0]     used;
            wire [BANKS*ROWS-1:0]    all = {used, used1, used0};
            for (t = 0; t < BANKS; t = t + 1) begin : g_write
                assign writes[t] = q_we && q_bank == t[BANK_BITS-1:0];
            end
            for (t = 0; t < MORE; t = t + 1) begin : g_bank
                localparam BANK = t + 2;
                wire [ROWS-1:0] own = used_q[t*ROWS +: ROWS];
                assign used[t*ROWS +: ROWS] = !writes[BANK] ? own :
                                              (q_row == 0)  ? row : own | row;
                always @(posedge clk) begin
                    if (writes[BANK]) begin
                        used_q[t*ROWS +: ROWS] <= used[t*ROWS +: ROWS];
                    end
                    if (load || q_we) begin
                        chosen_q[t*ROWS +: ROWS] <=
                            (next_bank == BANK[BANK_BITS-1:0]) ? choice : {ROWS{1'b0}};
                    end
                end
            end
            always @* begin : gather
                integer m;
                any[0 +: (MORE+1)*ROWS] = others;
                for (m = 0; m < MORE; m = m + 1) begin
                    any[(MORE + 1 + m)*ROWS +: ROWS] = any[2*m*ROWS +: ROWS]
                                                     | any[(2*m + 1)*ROWS +: ROWS];
                end
            end
            assign choice    = all[next_bank*ROWS +: ROWS];
            assign next_is_1 = next_bank == {{(BANK_BITS-1){1'b0}}, 1'b1};
            assign others    = {chosen_q, chosen1_q};
            assign other     = any[2*MORE*ROWS +: ROWS];
        end else begin : g_two
            assign writes    = {q_we && q_bank, q_we && !q_bank};
            assign choice    = next_bank ? used1 : used0;
            assign next_is_1 = next_bank;
            assign others    = chosen1_q;
            assign other     = chosen1_q;
        end
    endgenerate
    always @* begin : group
        integer n;
        groups = {GROUPS{1'b0}};
        for (n = 0; n < ROWS; n = n + 1) begin
            groups[n/GROUP] = groups[n/GROUP] | choice[n];
        end
    end
    always @(posedge clk) begin
        if (writes[0]) begin
            used0_q <= used0;
        end
        if (writes[1]) begin
            used1_q <= used1;
        end
        if (load || q_we) begin
            chosen0_q <= (|next_bank) ? {ROWS{1'b0}} : choice;
            chosen1_q <= next_is_1 ? choice : {ROWS{1'b0}};
            groups_q  <= groups;
        end
        if (step && last) begin
            live_q <= chosen0_q | other;
        end
    end

    // ---- rows
    genvar r, g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : g_group
            wire [PLANE_BITS-1:0] own = planes_q & {PLANE_BITS{groups_q[g]}};
            wire                  own_first = first && groups_q[g];
            wire                  own_step  = step && groups_q[g];
        end
        for (r = 0; r < ROWS; r = r + 1) begin : g_row
            wire [BANKS-1:0] chosen;
            assign chosen[0] = chosen0_q[r];
            for (t = 1; t < BANKS; t = t + 1) begin : g_bank
                assign chosen[t] = others[(t-1)*ROWS + r];
            end
            fcim_ip_row #(
                .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE), .BANKS(BANKS)
            ) u_row (
                .clk(clk),
                .we(writes & {BANKS{row[r]}}), .wr_data(q_data ^ SIGN_BITS),
                .chosen(chosen), .live(live_q[r]),
                .step(g_group[r/GROUP].own_step), .first(g_group[r/GROUP].own_first),
                .last(last), .planes(g_group[r/GROUP].own),
                .product(col[r*IP_LANE +: IP_LANE])
            );
        end
    endgenerate

    // ---- active bits of the key, and the sum of its elements: what the planes before have left,
    // and what these add
    reg [ELEM_SUM_BITS-1:0] left_q, plane_q, col_left_q, col_plane_q;
    always @(posedge clk) begin : count
        reg [OPS_BITS-1:0]      ones;
        reg [ELEM_SUM_BITS-1:0] left, plane;
        integer                 d, b;
        if (step) begin
            ones  = {OPS_BITS{1'b0}};
            plane = {ELEM_SUM_BITS{1'b0}};
            left  = first ? {ELEM_SUM_BITS{1'b0}} : (left_q << BITS_PER_CYCLE) + plane_q;
            for (d = 0; d < HEAD_DIM; d = d + 1) begin
                for (b = 0; b < BITS_PER_CYCLE; b = b + 1) begin
                    ones  = ones + {{(OPS_BITS-1){1'b0}}, planes_q[d*BITS_PER_CYCLE + b]};
                    plane = plane + ({{(ELEM_SUM_BITS-1){1'b0}}, planes_q[d*BITS_PER_CYCLE + b]}
                                     << b);
                end
            end
            ops_q   <= ones;
            left_q  <= left;
            plane_q <= plane;
            if (last) begin
                col_left_q  <= left;
                col_plane_q <= plane;
            end
        end
    end
    assign ksum = (col_left_q << BITS_PER_CYCLE) + col_plane_q;
`endif

endmodule

`default_nettype wire
