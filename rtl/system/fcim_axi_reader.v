// SPDX-License-Identifier: Apache-2.0
// fcim_axi_reader: an AXI4 master that reads. Commands name rows in memory, beats leave in their
// order. An address goes out only when the buffer has room for all of its burst, so RREADY is
// always high and the bus never waits for who takes the beats.
//
// A command: `rows` rows of `beats` beats, the first at `address`, each next one `stride` bytes
// further. Bursts are INCR, of full width, never across 4 KB and as long as they may be; rows that
// lie one behind the other are read as one. ARCACHE is 0011 (normal, non-cacheable, bufferable),
// ARPROT 010 (unprivileged, non-secure, data), ARID 0: one ID, so that the order is kept. Low bits
// of address and stride, below a beat's bytes, do not count: they are taken as 0.
//
// stop is a reset that leaves the bus clean: from the next cycle on no command is taken, no beat
// is given, no address is added; what is read already is dropped. idle tells when all of that has
// come. The unit works again once stop is low and it is idle. Errors stay until clear.
//
// Latency:    ARVALID comes 4 cycles after a command is accepted, m_data 2 cycles after a beat of
//             R is accepted.
// Throughput: A beat per cycle if the memory gives it: with bursts of B beats whose first beat is
//             accepted L cycles after their address, (OUTSTANDING - 1) * B >= L + 1 and
//             BUFFER_BEATS - B >= L + 3.
// Cuts:       All outputs of the bus come from registers; m_data does, and m_data_ready reaches
//             the buffer's read. s_cmd_ready comes from registers.
// Numbers:    Unsigned. ARLEN is the number of beats - 1. Addresses are modulo 2**64.
`default_nettype none

module fcim_axi_reader #(
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024
    parameter  MAX_BURST = 16,            // beats of a burst at most: a power of two, 1 to 256
    parameter  OUTSTANDING = 8,           // bursts without all of their beats: 1 to 256
    parameter  BUFFER_BEATS = 128,        // a power of two, at least MAX_BURST
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam BEATS_BITS = 16,           // beats of a row, 1 or more
    localparam ROWS_BITS = 18,            // rows of a command, 1 or more
    localparam LEN_BITS = 8               // beats of a burst - 1
) (
    input  wire                    clk,
    input  wire                    rst_n,
    input  wire                    stop,
    input  wire                    clear,          // of the errors
    output wire                    idle,           // no command and no beat is under way

    // commands
    input  wire                    s_cmd_valid,
    output wire                    s_cmd_ready,
    input  wire [ADDRESS_BITS-1:0] s_cmd_address,
    input  wire [BEATS_BITS-1:0]   s_cmd_beats,
    input  wire [ROWS_BITS-1:0]    s_cmd_rows,
    input  wire [ADDRESS_BITS-1:0] s_cmd_stride,

    // beats
    output wire                    m_data_valid,
    input  wire                    m_data_ready,
    output wire [DATA_BITS-1:0]    m_data_data,
    output wire                    m_data_error,   // the memory could not read it
    output wire                    m_data_last,    // of its command

    // AXI4, read address and read data
    output wire                    m_axi_arvalid,
    input  wire                    m_axi_arready,
    output wire                    m_axi_arid,
    output wire [ADDRESS_BITS-1:0] m_axi_araddr,
    output wire [LEN_BITS-1:0]     m_axi_arlen,
    output wire [2:0]              m_axi_arsize,
    output wire [1:0]              m_axi_arburst,
    output wire [3:0]              m_axi_arcache,
    output wire [2:0]              m_axi_arprot,
    input  wire                    m_axi_rvalid,
    output wire                    m_axi_rready,
    input  wire                    m_axi_rid,
    input  wire [DATA_BITS-1:0]    m_axi_rdata,
    input  wire [1:0]              m_axi_rresp,
    input  wire                    m_axi_rlast,

    // status
    output wire                    error_slave,    // sticky: SLVERR
    output wire                    error_decode,   // sticky: DECERR
    output wire [ADDRESS_BITS-1:0] error_address   // of the first burst with an error
);

    localparam FREE_BITS = $clog2(BUFFER_BEATS + 1);
    localparam COUNT_BITS = (FREE_BITS > LEN_BITS + 1) ? FREE_BITS : LEN_BITS + 1;
    localparam BYTE_BITS = $clog2(DATA_BITS / 8);

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (BUFFER_BEATS < MAX_BURST ||
            (1 << $clog2(BUFFER_BEATS)) != BUFFER_BEATS) begin : g_check_buffer_beats
            fcim_illegal_BUFFER_BEATS_use_a_power_of_two_from_MAX_BURST_on illegal_buffer_beats();
        end
    endgenerate

    // ---- addresses, while there is room for their beats
    wire                go, stopping, answer_ends, buffer_empty;
    wire [LEN_BITS-1:0] next_len;
    reg                 ready_q;
    reg [COUNT_BITS-1:0] free_q;           // beats for which no burst has gone out
    wire                answer = m_axi_rvalid && ready_q;

    fcim_axi_bursts #(
        .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST), .OUTSTANDING(OUTSTANDING)
    ) u_bursts (
        .clk(clk), .rst_n(rst_n), .stop(stop), .clear(clear), .stopping(stopping), .idle(idle),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .next_len(next_len), .room(free_q > {{(COUNT_BITS-LEN_BITS){1'b0}}, next_len}), .go(go),
        .m_ax_valid(m_axi_arvalid), .m_ax_ready(m_axi_arready), .m_ax_addr(m_axi_araddr),
        .m_ax_len(m_axi_arlen),
        .answer(answer), .answer_last(m_axi_rlast), .answer_resp(m_axi_rresp),
        .answer_ends(answer_ends), .held(!buffer_empty),
        .error_slave(error_slave), .error_decode(error_decode), .error_address(error_address)
    );

    // ---- beats; while it stops they are dropped
    wire beat_valid;
    wire beat_leaves = beat_valid && (m_data_ready || stopping);
    fcim_fifo #(.WORDS(BUFFER_BEATS), .WIDTH(DATA_BITS + 2)) u_buffer (
        .clk(clk), .rst_n(rst_n),
        .s_valid(answer), .s_ready(),
        .s_data({m_axi_rlast && answer_ends, m_axi_rresp[1], m_axi_rdata}),
        .m_valid(beat_valid), .m_ready(m_data_ready || stopping),
        .m_data({m_data_last, m_data_error, m_data_data}),
        .empty(buffer_empty)
    );

    always @(posedge clk) begin
        if (!rst_n) begin
            ready_q <= 1'b0;
            free_q  <= BUFFER_BEATS[COUNT_BITS-1:0];
        end else begin
            ready_q <= 1'b1;
            free_q  <= free_q - (go ? {{(COUNT_BITS-LEN_BITS){1'b0}}, next_len} + 1'b1
                                    : {COUNT_BITS{1'b0}})
                + {{(COUNT_BITS-1){1'b0}}, beat_leaves};
        end
    end

    assign m_data_valid  = beat_valid && !stopping;
    assign m_axi_rready  = ready_q;
    assign m_axi_arid    = 1'b0;
    assign m_axi_arsize  = BYTE_BITS[2:0];
    assign m_axi_arburst = 2'b01;
    assign m_axi_arcache = 4'b0011;
    assign m_axi_arprot  = 3'b010;

endmodule

`default_nettype wire
