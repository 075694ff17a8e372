// SPDX-License-Identifier: Apache-2.0
// fcim_axi_writer: an AXI4 master that writes. Commands name rows in memory, beats fill them in
// their order. Beats do not wait for the acceptance of their address, nor addresses for beats;
// BREADY is always high. done tells that a command's bursts are all answered.
//
// A command: `rows` rows of `beats` beats, the first at `address`, each next one `stride` bytes
// further. Bursts are INCR, of full width, never across 4 KB and as long as they may be; rows that
// lie one behind the other are written as one. Each beat has strobes, because a row of O can be
// narrower than the bus: who gives the beats puts the row where it lies in its beat. AWCACHE is
// 0011 (normal, non-cacheable, bufferable), AWPROT 010 (unprivileged, non-secure, data), AWID 0:
// one ID, so that the order is kept. Low bits of address and stride, below a beat's bytes, do not
// count: they are taken as 0.
//
// stop is a reset that leaves the bus clean: from the next cycle on no command and no beat is
// taken, no address is added; bursts whose address is out are filled up with beats without
// strobes, and no done comes. idle tells when all bursts are answered. The unit works again once
// stop is low and it is idle. Errors stay until clear.
//
// Latency:    AWVALID comes 4 cycles after a command is accepted, WVALID a cycle after a beat is,
//             which is 2 cycles after its burst's AWVALID at the earliest. done comes a cycle after
//             the last answer.
// Throughput: A beat per cycle, if bursts of B beats are answered within (OUTSTANDING - 1) * B - 3
//             cycles after their last beat.
// Cuts:       All outputs of the bus, done and the errors are registers; s_cmd_ready comes from
//             registers, m_axi_wready reaches s_data_ready.
// Numbers:    Unsigned. AWLEN is the number of beats - 1. Addresses are modulo 2**64.
`default_nettype none

module fcim_axi_writer #(
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024
    parameter  MAX_BURST = 16,            // beats of a burst at most: a power of two, 1 to 256
    parameter  OUTSTANDING = 8,           // bursts without an answer: 1 to 256
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam BEATS_BITS = 16,           // beats of a row, 1 or more
    localparam ROWS_BITS = 18,            // rows of a command, 1 or more
    localparam LEN_BITS = 8               // beats of a burst - 1
) (
    input  wire                    clk,
    input  wire                    rst_n,
    input  wire                    stop,
    input  wire                    clear,          // of the errors
    output wire                    idle,           // no command and no burst is under way

    // commands
    input  wire                    s_cmd_valid,
    output wire                    s_cmd_ready,
    input  wire [ADDRESS_BITS-1:0] s_cmd_address,
    input  wire [BEATS_BITS-1:0]   s_cmd_beats,
    input  wire [ROWS_BITS-1:0]    s_cmd_rows,
    input  wire [ADDRESS_BITS-1:0] s_cmd_stride,

    // beats
    input  wire                    s_data_valid,
    output wire                    s_data_ready,
    input  wire [DATA_BITS-1:0]    s_data_data,
    input  wire [DATA_BITS/8-1:0]  s_data_strobe,  // bytes that are written

    // a command is done: one cycle each, in their order
    output wire                    done,
    output wire                    done_error,     // the memory could not write all of it

    // AXI4, write address, write data and answers
    output wire                    m_axi_awvalid,
    input  wire                    m_axi_awready,
    output wire                    m_axi_awid,
    output wire [ADDRESS_BITS-1:0] m_axi_awaddr,
    output wire [LEN_BITS-1:0]     m_axi_awlen,
    output wire [2:0]              m_axi_awsize,
    output wire [1:0]              m_axi_awburst,
    output wire [3:0]              m_axi_awcache,
    output wire [2:0]              m_axi_awprot,
    output wire                    m_axi_wvalid,
    input  wire                    m_axi_wready,
    output wire [DATA_BITS-1:0]    m_axi_wdata,
    output wire [DATA_BITS/8-1:0]  m_axi_wstrb,
    output wire                    m_axi_wlast,
    input  wire                    m_axi_bvalid,
    output wire                    m_axi_bready,
    input  wire                    m_axi_bid,
    input  wire [1:0]              m_axi_bresp,

    // status
    output wire                    error_slave,    // sticky: SLVERR
    output wire                    error_decode,   // sticky: DECERR
    output wire [ADDRESS_BITS-1:0] error_address   // of the first burst with an error
);

    localparam BYTE_BITS = $clog2(DATA_BITS / 8);
    localparam BYTES = DATA_BITS / 8;

    // ---- addresses; a burst without an answer is all that a place for its length needs
    wire                go, stopping, answer_ends;
    wire [LEN_BITS-1:0] next_len;
    reg                 ready_q;
    wire                answer = m_axi_bvalid && ready_q;

    fcim_axi_bursts #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING)
    ) u_bursts (
        .clk(clk), .rst_n(rst_n), .stop(stop), .clear(clear), .stopping(stopping), .idle(idle),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .next_len(next_len), .room(1'b1), .go(go),
        .m_ax_valid(m_axi_awvalid), .m_ax_ready(m_axi_awready), .m_ax_addr(m_axi_awaddr),
        .m_ax_len(m_axi_awlen),
        .answer(answer), .answer_last(1'b1), .answer_resp(m_axi_bresp),
        .answer_ends(answer_ends), .held(1'b0),
        .error_slave(error_slave), .error_decode(error_decode), .error_address(error_address)
    );

    // ---- beats of the bursts that are out
    wire                len_valid;
    wire [LEN_BITS-1:0] len;
    reg  [LEN_BITS-1:0] beat_q;             // of the burst
    reg                 valid_q, last_q;
    reg  [DATA_BITS-1:0] data_q;
    reg  [BYTES-1:0]    strobe_q;
    wire                place = len_valid && (!valid_q || m_axi_wready);
    wire                beat  = place && (s_data_valid || stopping);
    wire                ends  = (beat_q == len);

    fcim_fifo #(.WORDS(OUTSTANDING), .WIDTH(LEN_BITS)) u_lens (
        .clk(clk), .rst_n(rst_n),
        .s_valid(go), .s_ready(), .s_data(next_len),
        .m_valid(len_valid), .m_ready(beat && ends), .m_data(len),
        .empty()
    );

    always @(posedge clk) begin
        if (!rst_n) begin
            beat_q  <= {LEN_BITS{1'b0}};
            valid_q <= 1'b0;
        end else begin
            if (beat) begin
                beat_q <= ends ? {LEN_BITS{1'b0}} : beat_q + 1'b1;
            end
            valid_q <= beat || (valid_q && !m_axi_wready);
        end
        if (beat) begin
            last_q   <= ends;
            strobe_q <= stopping ? {BYTES{1'b0}} : s_data_strobe;
            data_q   <= s_data_data;
        end
    end

    // ---- a command is done
    reg failed_q, done_q, done_error_q;     // failed: a burst of the command did
    always @(posedge clk) begin
        if (!rst_n || stop || stopping) begin
            failed_q <= 1'b0;
            done_q   <= 1'b0;
        end else begin
            if (answer) begin
                failed_q <= !answer_ends && (failed_q || m_axi_bresp[1]);
            end
            done_q <= answer && answer_ends;
        end
        done_error_q <= failed_q || m_axi_bresp[1];
    end

    always @(posedge clk) begin
        ready_q <= rst_n;
    end

    assign s_data_ready  = place && !stopping;
    assign done          = done_q;
    assign done_error    = done_error_q;
    assign m_axi_wvalid  = valid_q;
    assign m_axi_wdata   = data_q;
    assign m_axi_wstrb   = strobe_q;
    assign m_axi_wlast   = last_q;
    assign m_axi_bready  = ready_q;
    assign m_axi_awid    = 1'b0;
    assign m_axi_awsize  = BYTE_BITS[2:0];
    assign m_axi_awburst = 2'b01;
    assign m_axi_awcache = 4'b0011;
    assign m_axi_awprot  = 3'b010;

endmodule

`default_nettype wire
