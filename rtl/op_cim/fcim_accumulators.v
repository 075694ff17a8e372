// SPDX-License-Identifier: Apache-2.0
// fcim_accumulators: the accumulators of two tiles of O (ping-pong), in memories with one write and
// one read per cycle. One bank is read and written slice by slice, LANES rows at a time; from the
// other a row is read, READ_COLUMNS accumulators at a time. These lie in READ_SLICES neighbouring
// slices, so that each bank is as many memories, of which slice s is in number s % READ_SLICES.
//
// Latency:    A word and a chunk of a row come one cycle after they are asked for. What is written
//             can be read in the cycle after.
// Throughput: A word out, a word in and a chunk out per cycle.
// Cuts:       What is read comes from the memories' registers, through the choice of a memory, of a
//             lane, and of the chunk before.
// Numbers:    Accumulator column * LANES + lane in a word. In a cycle a bank is read by either
//             port or by none: a tile is complete before it is read, and read before the next one
//             begins.
`default_nettype none

module fcim_accumulators #(
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  ACC_BITS = 43,                     // accumulator, signed: 20 to 43
    localparam LANES = ROWS * BITS_PER_CYCLE / 8,  // rows handled per cycle
    localparam COLUMNS = HEAD_DIM / KEYS_PER_BLOCK,  // columns of a slice of V or O
    localparam CYCLES_PER_KEY = 8 / BITS_PER_CYCLE,  // and passes over the rows
    localparam PASS_BITS = (CYCLES_PER_KEY > 1) ? $clog2(CYCLES_PER_KEY) : 1,  // index of a pass
    localparam LANE_BITS = (LANES > 1) ? $clog2(LANES) : 1,  // index of a lane
    localparam KEY_BITS = $clog2(KEYS_PER_BLOCK),  // index of a slice
    localparam READ_COLUMNS = HEAD_DIM / CYCLES_PER_KEY,  // a chunk of a row of O
    localparam WORD_BITS = LANES * COLUMNS * ACC_BITS  // accumulators of a slice and a pass
) (
    input  wire                             clk,

    // a word of the tile that grows, in
    input  wire                             we,
    input  wire                             wr_bank,
    input  wire [KEY_BITS-1:0]              wr_slice,
    input  wire [PASS_BITS-1:0]             wr_pass,
    input  wire [WORD_BITS-1:0]             wr_data,

    // ... and out; valid for one cycle
    input  wire                             get,
    input  wire                             get_bank,
    input  wire [KEY_BITS-1:0]              get_slice,
    input  wire [PASS_BITS-1:0]             get_pass,
    output wire [WORD_BITS-1:0]             get_data,

    // a chunk of a row of the tile that is complete; it stays until the next one is asked for
    input  wire                             rd_en,
    input  wire                             rd_bank,
    input  wire [PASS_BITS-1:0]             rd_pass,
    input  wire [LANE_BITS-1:0]             rd_lane,
    input  wire [PASS_BITS-1:0]             rd_chunk,
    output wire [READ_COLUMNS*ACC_BITS-1:0] rd_data
);

    localparam READ_SLICES = READ_COLUMNS / COLUMNS;

`ifdef FCIM_FAST_SIM
    // ---- all words in one memory, of which any number is read
    reg [WORD_BITS-1:0]             acc_q [0:(2*KEYS_PER_BLOCK<<PASS_BITS)-1];
    reg [WORD_BITS-1:0]             get_q;
    reg [READ_COLUMNS*ACC_BITS-1:0] rd_q;
    always @(posedge clk) begin : ports
        reg [WORD_BITS-1:0] word;
        reg [KEY_BITS-1:0]  slice;
        integer             r, k, n;
        if (we) begin
            acc_q[{wr_bank, wr_slice, wr_pass}] <= wr_data;
        end
        if (get) begin
            get_q <= acc_q[{get_bank, get_slice, get_pass}];
        end
        if (rd_en) begin
            for (r = 0; r < READ_SLICES; r = r + 1) begin
                slice = rd_chunk*READ_SLICES[KEY_BITS-1:0] + r[KEY_BITS-1:0];
                word  = acc_q[{rd_bank, slice, rd_pass}];
                for (k = 0; k < COLUMNS; k = k + 1) begin
                    n = k*LANES + {{(32-LANE_BITS){1'b0}}, rd_lane};
                    rd_q[(r*COLUMNS + k)*ACC_BITS +: ACC_BITS] <= word[n*ACC_BITS +: ACC_BITS];
                end
            end
        end
    end
    assign get_data = get_q;
    assign rd_data  = rd_q;
`else
    localparam MEMORIES = 2 * READ_SLICES;
    localparam WORDS = CYCLES_PER_KEY * CYCLES_PER_KEY;     // word {slice / READ_SLICES, pass}
    localparam ADDRESS_BITS = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam [KEY_BITS-1:0] GROUP_MASK = READ_SLICES[KEY_BITS-1:0] - 1'b1;

    // ---- ports to addresses: the slice's upper bits are what the row port calls a chunk; where a
    // pass is all rows, there is one word
    wire [ADDRESS_BITS-1:0] wr_word, get_word, rd_word;
    generate
        if (WORDS > 1) begin : g_words
            assign wr_word  = {wr_slice[KEY_BITS-1 -: PASS_BITS], wr_pass};
            assign get_word = {get_slice[KEY_BITS-1 -: PASS_BITS], get_pass};
            assign rd_word  = {rd_chunk, rd_pass};
        end else begin : g_word
            assign wr_word  = wr_pass;
            assign get_word = get_pass;
            assign rd_word  = rd_chunk & rd_pass;
        end
    endgenerate

    wire [MEMORIES*WORD_BITS-1:0] words;        // what the memories give
    reg  [MEMORIES-1:0]           from_q;       // the one that get_data comes from
    genvar b, s;
    generate
        for (b = 0; b < 2; b = b + 1) begin : g_bank
            for (s = 0; s < READ_SLICES; s = s + 1) begin : g_memory
                localparam MEMORY = b * READ_SLICES + s;
                wire written = we && wr_bank == b[0]
                               && (wr_slice & GROUP_MASK) == s[KEY_BITS-1:0];
                wire gets    = get && get_bank == b[0]
                               && (get_slice & GROUP_MASK) == s[KEY_BITS-1:0];
                wire reads   = rd_en && rd_bank == b[0];
                wire [ADDRESS_BITS-1:0] word = gets ? get_word : rd_word;
                fcim_ram #(.WORDS(WORDS), .WIDTH(WORD_BITS)) u_ram (
                    .clk(clk),
                    .we(written), .wr_address(wr_word), .wr_data(wr_data),
                    .rd(gets || reads), .rd_address(word),
                    .rd_data(words[MEMORY*WORD_BITS +: WORD_BITS])
                );
                always @(posedge clk) begin
                    from_q[MEMORY] <= gets;
                end
            end
        end
    endgenerate

    // ---- the word: of one memory or of none
    reg [WORD_BITS-1:0] chosen;
    always @* begin : choose
        integer i;
        chosen = {WORD_BITS{1'b0}};
        for (i = 0; i < MEMORIES; i = i + 1) begin
            if (from_q[i]) begin
                chosen = chosen | words[i*WORD_BITS +: WORD_BITS];
            end
        end
    end
    assign get_data = chosen;

    // ---- the chunk: a lane of every memory of a bank in the cycle after its read, and then what
    // has been kept, since the tile after next may be in the memories
    reg                             fresh_q, bank_q;
    reg [LANE_BITS-1:0]             lane_q;
    reg [READ_COLUMNS*ACC_BITS-1:0] kept_q, chunk;
    always @(posedge clk) begin
        fresh_q <= rd_en;
        if (rd_en) begin
            bank_q <= rd_bank;
            lane_q <= rd_lane;
        end
        if (fresh_q) begin
            kept_q <= chunk;
        end
    end
    always @* begin : read
        integer a, g, k, l;
        a = 0;          // or some readers see latches
        g = 0;
        k = 0;
        l = 0;
        chunk = kept_q;
        if (fresh_q) begin
            for (a = 0; a < 2; a = a + 1) begin
                for (l = 0; l < LANES; l = l + 1) begin
                    if (bank_q == a[0] && lane_q == l[LANE_BITS-1:0]) begin
                        for (g = 0; g < READ_SLICES; g = g + 1) begin
                            for (k = 0; k < COLUMNS; k = k + 1) begin
                                chunk[(g*COLUMNS + k)*ACC_BITS +: ACC_BITS] =
                                    words[(a*READ_SLICES + g)*WORD_BITS
                                          + (k*LANES + l)*ACC_BITS +: ACC_BITS];
                            end
                        end
                    end
                end
            end
        end
    end
    assign rd_data = chunk;
`endif

endmodule

`default_nettype wire
