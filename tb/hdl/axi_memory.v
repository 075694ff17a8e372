// SPDX-License-Identifier: Apache-2.0
// axi_memory: a memory behind AXI4 for simulations of whole calls, so that no beat has to cross the
// simulator's interface. INCR bursts of full width; reads and writes are answered in order, each
// for itself.
//
// Latency:    A burst's first beat is offered `latency` cycles after its address was taken, a
//             write's answer as long after its last beat, 2 at least.
// Throughput: rate_beats beats in rate_cycles cycles, reads and writes together, at most one of
//             each per cycle; rate_cycles 0 is no other limit. Rate that is not used is lost. Reads
//             and writes take turns where it is enough for one. OUTSTANDING bursts of each kind.
// Numbers:    Word w lies at address BASE + w * DATA_BITS / 8, little endian. What nothing was
//             loaded into is JUNK in every 32 bits.
//
// load and dump read and write words first to last, in the hex format of $readmemh, from file LOAD
// and to file DUMP. While guard is high a beat that writes a byte outside all ranges [low, high) is
// dropped and sets violation, which stays until clear. Beats that meet bytes from bad_low to
// bad_high - 1 are answered with SLVERR, those that are not there with DECERR; neither are written.
// clear lowers broken and sets the counters back too.
`default_nettype none

module axi_memory #(
    parameter        DATA_BITS = 512,             // a beat: 64 to 1024, a power of two
    parameter        WORDS = 65536,               // of a beat each
    parameter        RANGES = 2,                  // that may be written
    parameter        OUTSTANDING = 64,            // bursts that wait, of each kind: a power of two
    parameter [63:0] BASE = 0,                    // address of word 0, a multiple of a beat's bytes
    parameter [31:0] JUNK = 32'h5EED_0BAD,
    parameter        LOAD = "memory.hex",
    parameter        DUMP = "dump.hex"
) (
    input  wire                   clk,
    input  wire                   rst_n,          // the words stay

    input  wire [15:0]            latency,
    input  wire [15:0]            rate_beats,
    input  wire [15:0]            rate_cycles,

    input  wire                   load,           // one cycle
    input  wire                   dump,           // one cycle
    input  wire [31:0]            first,
    input  wire [31:0]            last,

    input  wire                   guard,
    input  wire [RANGES*64-1:0]   low,
    input  wire [RANGES*64-1:0]   high,
    input  wire [63:0]            bad_low,
    input  wire [63:0]            bad_high,
    input  wire                   clear,
    output reg                    violation,
    output reg  [63:0]            violation_address,  // of the first byte of that kind
    output reg                    broken,         // sticky: WLAST, a burst that is not
                                                  // INCR of full width, or crosses 4 KB
    output reg  [63:0]            beats_read,
    output reg  [63:0]            beats_written,

    input  wire                   s_axi_arvalid,
    output wire                   s_axi_arready,
    input  wire                   s_axi_arid,
    input  wire [63:0]            s_axi_araddr,
    input  wire [7:0]             s_axi_arlen,
    input  wire [2:0]             s_axi_arsize,
    input  wire [1:0]             s_axi_arburst,
    output reg                    s_axi_rvalid,
    input  wire                   s_axi_rready,
    output reg                    s_axi_rid,
    output reg  [DATA_BITS-1:0]   s_axi_rdata,
    output reg  [1:0]             s_axi_rresp,
    output reg                    s_axi_rlast,

    input  wire                   s_axi_awvalid,
    output wire                   s_axi_awready,
    input  wire                   s_axi_awid,
    input  wire [63:0]            s_axi_awaddr,
    input  wire [7:0]             s_axi_awlen,
    input  wire [2:0]             s_axi_awsize,
    input  wire [1:0]             s_axi_awburst,
    input  wire                   s_axi_wvalid,
    output wire                   s_axi_wready,
    input  wire [DATA_BITS-1:0]   s_axi_wdata,
    input  wire [DATA_BITS/8-1:0] s_axi_wstrb,
    input  wire                   s_axi_wlast,
    output reg                    s_axi_bvalid,
    input  wire                   s_axi_bready,
    output reg                    s_axi_bid,
    output reg  [1:0]             s_axi_bresp
);

    localparam BYTES = DATA_BITS / 8;
    localparam BYTE_BITS = $clog2(BYTES);
    localparam SLOT_BITS = $clog2(OUTSTANDING);
    localparam WORD_BITS = $clog2(WORDS);
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10, DECERR = 2'b11;
    localparam [63:0] SIZE = WORDS, STEP = BYTES, PAGE = 4096;

    reg [DATA_BITS-1:0] words [0:WORDS-1];
    reg                 begun;                    // at the first edge pins may have any value
    integer             w;
    initial begin
        begun = 1'b0;
        for (w = 0; w < WORDS; w = w + 1) begin
            words[w] = {DATA_BITS/32{JUNK}};
        end
    end

    // ---- bursts that wait
    reg [63:0]        now;
    reg [63:0]        ar_address [0:OUTSTANDING-1], ar_due [0:OUTSTANDING-1];
    reg [63:0]        aw_address [0:OUTSTANDING-1], b_due [0:OUTSTANDING-1];
    reg [7:0]         ar_len [0:OUTSTANDING-1], aw_len [0:OUTSTANDING-1];
    reg               ar_id [0:OUTSTANDING-1], aw_id [0:OUTSTANDING-1], b_id [0:OUTSTANDING-1];
    reg [1:0]         b_resp [0:OUTSTANDING-1];
    reg [SLOT_BITS:0] ar_in, ar_out, aw_in, aw_out, b_out;  // aw_out: whose answers wait from then
    reg [7:0]         r_beat, w_beat;
    reg [1:0]         w_worst;

    wire [SLOT_BITS-1:0] ar_slot = ar_out[SLOT_BITS-1:0];
    wire [SLOT_BITS-1:0] aw_slot = aw_out[SLOT_BITS-1:0];
    wire [SLOT_BITS-1:0] b_slot  = b_out[SLOT_BITS-1:0];
    assign s_axi_arready = rst_n && (ar_in ^ ar_out) != OUTSTANDING[SLOT_BITS:0];
    assign s_axi_awready = rst_n && (aw_in ^ b_out) != OUTSTANDING[SLOT_BITS:0];
    wire [63:0] answer_at = now + ((latency > 2) ? {48'd0, latency} - 64'd1 : 64'd1);

    // ---- whose turn it is
    reg  [31:0] bucket;
    reg         writes_first;
    wire        unlimited = (rate_cycles == 0);
    wire [31:0] cost = {16'd0, rate_cycles};
    wire        one = unlimited || bucket >= cost;
    wire        two = unlimited || bucket >= 2 * cost;
    wire        r_wants = ar_in != ar_out && now >= ar_due[ar_slot]
                          && (!s_axi_rvalid || s_axi_rready);
    wire        w_wants = s_axi_wvalid && aw_in != aw_out;
    wire        r_goes  = r_wants && (two || (one && !(w_wants && writes_first)));
    wire        w_goes  = w_wants && (two || (one && !(r_wants && !writes_first)));
    wire [31:0] spent = (r_goes ? cost : 0) + (w_goes ? cost : 0);
    wire [31:0] refilled = bucket - spent + {16'd0, rate_beats};
    wire [31:0] full = {16'd0, rate_beats} + cost - 1;
    assign s_axi_wready = rst_n && w_goes;

    // ---- what a beat meets
    wire [63:0] r_address = (ar_address[ar_slot] & ~(STEP - 64'd1))
                            + ({56'd0, r_beat} << BYTE_BITS);
    wire [63:0] w_address = (aw_address[aw_slot] & ~(STEP - 64'd1))
                            + ({56'd0, w_beat} << BYTE_BITS);
    wire [63:0] r_word = (r_address - BASE) >> BYTE_BITS;
    wire [63:0] w_word = (w_address - BASE) >> BYTE_BITS;

    wire        r_ends = (r_beat == ar_len[ar_slot]);
    wire        w_ends = (w_beat == aw_len[aw_slot]);

    // all that counts comes in as an input: a function is not evaluated anew for anything else
    function [1:0] meets(
        input [63:0] address, input [63:0] word, input [63:0] from, input [63:0] to
    );
        meets = (word >= SIZE) ? DECERR : (address + STEP > from && address < to) ? SLVERR : OKAY;
    endfunction
    wire [1:0] r_resp = meets(r_address, r_word, bad_low, bad_high);
    wire [1:0] w_resp = meets(w_address, w_word, bad_low, bad_high);

    // the first byte of the beat that no range allows, and whether there is one
    reg        outside;
    reg [63:0] outside_address;
    always @* begin : guards
        integer    b, n;
        reg        allowed;
        reg [63:0] place;
        outside         = 1'b0;
        outside_address = 64'd0;
        allowed         = 1'b0;
        place           = 64'd0;
        if (guard && w_goes) begin
            for (n = 0; n < RANGES; n = n + 1) begin
                if (w_address >= low[n*64 +: 64] && w_address + STEP <= high[n*64 +: 64])
                begin
                    allowed = 1'b1;
                end
            end
            if (!allowed) begin
                for (b = BYTES - 1; b >= 0; b = b - 1) begin
                    place   = w_address + {32'd0, b};
                    allowed = !s_axi_wstrb[b];
                    for (n = 0; n < RANGES; n = n + 1) begin
                        if (place >= low[n*64 +: 64] && place < high[n*64 +: 64]) begin
                            allowed = 1'b1;
                        end
                    end
                    if (!allowed) begin
                        outside         = 1'b1;
                        outside_address = place;
                    end
                end
            end
        end
    end

    function legal(
        input [63:0] address, input [7:0] len, input [2:0] size, input [1:0] burst
    );
        legal = (address % PAGE) / STEP + {56'd0, len} < PAGE / STEP
                && size == BYTE_BITS[2:0] && burst == 2'b01;
    endfunction

    function [DATA_BITS-1:0] joined(
        input [DATA_BITS-1:0] old, input [DATA_BITS-1:0] new_bytes, input [BYTES-1:0] strobe
    );
        integer b;
        begin
            joined = old;
            for (b = 0; b < BYTES; b = b + 1) begin
                if (strobe[b]) begin
                    joined[b*8 +: 8] = new_bytes[b*8 +: 8];
                end
            end
        end
    endfunction

    always @(posedge clk) begin
        now <= rst_n ? now + 64'd1 : 64'd0;
        begun <= 1'b1;
        if (load && begun) begin
            $readmemh(LOAD, words, first, last);
        end else if (w_goes && rst_n && w_resp == OKAY && !outside) begin
            words[w_word[WORD_BITS-1:0]] <= (&s_axi_wstrb) ? s_axi_wdata
                : joined(words[w_word[WORD_BITS-1:0]], s_axi_wdata, s_axi_wstrb);
        end
        if (dump && begun) begin
            $writememh(DUMP, words, first, last);
        end
        if (clear || !rst_n) begin
            violation     <= 1'b0;
            broken        <= 1'b0;
            beats_read    <= 64'd0;
            beats_written <= 64'd0;
        end else begin
            if (outside && !violation) begin
                violation         <= 1'b1;
                violation_address <= outside_address;
            end
            broken <= broken || (w_goes && s_axi_wlast != w_ends)
                || (s_axi_arvalid
                    && !legal(s_axi_araddr, s_axi_arlen, s_axi_arsize, s_axi_arburst))
                || (s_axi_awvalid
                    && !legal(s_axi_awaddr, s_axi_awlen, s_axi_awsize, s_axi_awburst));
            beats_read    <= beats_read + {63'd0, s_axi_rvalid && s_axi_rready};
            beats_written <= beats_written + {63'd0, w_goes};
        end
        if (!rst_n) begin
            ar_in        <= 0;
            ar_out       <= 0;
            aw_in        <= 0;
            aw_out       <= 0;
            b_out        <= 0;
            r_beat       <= 8'd0;
            w_beat       <= 8'd0;
            w_worst      <= OKAY;
            s_axi_rvalid <= 1'b0;
            s_axi_bvalid <= 1'b0;
            bucket       <= 32'd0;
            writes_first <= 1'b0;
        end else begin
            bucket <= (refilled > full) ? full : refilled;
            if (r_goes != w_goes) begin
                writes_first <= r_goes;
            end
            if (s_axi_arvalid && s_axi_arready) begin
                ar_address[ar_in[SLOT_BITS-1:0]] <= s_axi_araddr;
                ar_len[ar_in[SLOT_BITS-1:0]]     <= s_axi_arlen;
                ar_id[ar_in[SLOT_BITS-1:0]]      <= s_axi_arid;
                ar_due[ar_in[SLOT_BITS-1:0]]     <= answer_at;
                ar_in                            <= ar_in + 1'b1;
            end
            if (s_axi_awvalid && s_axi_awready) begin
                aw_address[aw_in[SLOT_BITS-1:0]] <= s_axi_awaddr;
                aw_len[aw_in[SLOT_BITS-1:0]]     <= s_axi_awlen;
                aw_id[aw_in[SLOT_BITS-1:0]]      <= s_axi_awid;
                aw_in                            <= aw_in + 1'b1;
            end

            s_axi_rvalid <= r_goes || (s_axi_rvalid && !s_axi_rready);
            if (r_goes) begin
                s_axi_rid   <= ar_id[ar_slot];
                s_axi_rdata <= (r_resp == OKAY) ? words[r_word[WORD_BITS-1:0]]
                                                : {DATA_BITS/32{JUNK}};
                s_axi_rresp <= r_resp;
                s_axi_rlast <= r_ends;
                r_beat      <= r_ends ? 8'd0 : r_beat + 8'd1;
                if (r_ends) begin
                    ar_out <= ar_out + 1'b1;
                end
            end

            if (w_goes) begin
                w_beat  <= w_ends ? 8'd0 : w_beat + 8'd1;
                w_worst <= w_ends ? OKAY : (w_worst > w_resp) ? w_worst : w_resp;
                if (w_ends) begin
                    b_id[aw_slot]   <= aw_id[aw_slot];
                    b_resp[aw_slot] <= (w_worst > w_resp) ? w_worst : w_resp;
                    b_due[aw_slot]  <= answer_at;
                    aw_out          <= aw_out + 1'b1;
                end
            end
            s_axi_bvalid <= s_axi_bvalid && !s_axi_bready;
            if ((!s_axi_bvalid || s_axi_bready) && b_out != aw_out && now >= b_due[b_slot]) begin
                s_axi_bvalid <= 1'b1;
                s_axi_bid    <= b_id[b_slot];
                s_axi_bresp  <= b_resp[b_slot];
                b_out        <= b_out + 1'b1;
            end
        end
    end

endmodule

`default_nettype wire
