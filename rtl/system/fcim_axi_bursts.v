// SPDX-License-Identifier: Apache-2.0
// fcim_axi_bursts: the address side of an AXI4 master, which reader and writer share. Cuts commands
// into bursts, sends their addresses, remembers the bursts until they are answered, and keeps the
// errors of the answers. `stop` is a reset that leaves the bus clean: it drops the commands, sends
// no further address, and takes what is under way to its end.
//
// Latency:    A command's first address is offered 4 cycles after the command is accepted. The
//             error flags show one cycle after an answer.
// Throughput: A burst per cycle; OUTSTANDING bursts without an answer.
// Cuts:       All outputs of the address channel are registers; m_ax_ready and room reach go.
// Numbers:    As in fcim_burst_splitter.
`default_nettype none

module fcim_axi_bursts #(
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024
    parameter  MAX_BURST = 16,            // beats of a burst at most: a power of two, 1 to 256
    parameter  OUTSTANDING = 8,           // bursts without an answer: 1 to 256
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam BEATS_BITS = 16,           // beats of a row
    localparam ROWS_BITS = 18,            // rows of a command
    localparam LEN_BITS = 8,              // beats of a burst - 1
    localparam RESP_BITS = 2              // answer of AXI4
) (
    input  wire                    clk,
    input  wire                    rst_n,
    input  wire                    stop,
    input  wire                    clear,         // of the errors
    output wire                    stopping,      // from the cycle after stop until all is idle
    output wire                    idle,          // no command, no burst without its answer

    input  wire                    s_cmd_valid,
    output wire                    s_cmd_ready,
    input  wire [ADDRESS_BITS-1:0] s_cmd_address,
    input  wire [BEATS_BITS-1:0]   s_cmd_beats,
    input  wire [ROWS_BITS-1:0]    s_cmd_rows,
    input  wire [ADDRESS_BITS-1:0] s_cmd_stride,

    // the next burst: go says that it goes out, which needs room for it
    output wire [LEN_BITS-1:0]     next_len,
    input  wire                    room,
    output wire                    go,

    // address channel
    output wire                    m_ax_valid,
    input  wire                    m_ax_ready,
    output wire [ADDRESS_BITS-1:0] m_ax_addr,
    output wire [LEN_BITS-1:0]     m_ax_len,

    // answers, in the order of the bursts
    input  wire                    answer,
    input  wire                    answer_last,   // of its burst
    input  wire [RESP_BITS-1:0]    answer_resp,
    output wire                    answer_ends,   // it belongs to the last burst of a command

    input  wire                    held,          // beats wait in who uses this
    output wire                    error_slave,   // sticky
    output wire                    error_decode,  // sticky
    output wire [ADDRESS_BITS-1:0] error_address  // of the first burst with an error
);

    localparam BYTE_BITS = $clog2(DATA_BITS / 8);   // index of a byte in its beat
    localparam WORD_BITS = ADDRESS_BITS - BYTE_BITS;  // address of a beat

    // ---- an illegal parameter set stops elaboration: the missing module's name says which
    generate
        if (DATA_BITS != 128 && DATA_BITS != 256 && DATA_BITS != 512 &&
            DATA_BITS != 1024) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_128_256_512_or_1024 illegal_data_bits();
        end
        if (MAX_BURST < 1 || MAX_BURST > 256 ||
            (1 << $clog2(MAX_BURST)) != MAX_BURST) begin : g_check_max_burst
            fcim_illegal_MAX_BURST_use_a_power_of_two_from_1_to_256 illegal_max_burst();
        end
        if (OUTSTANDING < 1 || OUTSTANDING > 256) begin : g_check_outstanding
            fcim_illegal_OUTSTANDING_use_1_to_256 illegal_outstanding();
        end
    endgenerate

    // ---- stop
    reg stopping_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            stopping_q <= 1'b0;
        end else begin
            stopping_q <= stop || (stopping_q && !idle);
        end
    end
    assign stopping = stopping_q;

    // ---- bursts and their addresses
    wire                    burst_valid, burst_last, none_cut, none_open, place;
    wire [ADDRESS_BITS-1:0] burst_address;
    reg                     valid_q;
    reg [WORD_BITS-1:0]     address_q;
    reg [LEN_BITS-1:0]      len_q;
    wire                    may_go = room && place && !stopping_q && (!valid_q || m_ax_ready);
    assign go = burst_valid && may_go;

    fcim_burst_splitter #(.DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST)) u_splitter (
        .clk(clk), .rst_n(rst_n), .clear(stopping_q),
        .s_cmd_valid(s_cmd_valid), .s_cmd_ready(s_cmd_ready), .s_cmd_address(s_cmd_address),
        .s_cmd_beats(s_cmd_beats), .s_cmd_rows(s_cmd_rows), .s_cmd_stride(s_cmd_stride),
        .m_burst_valid(burst_valid), .m_burst_ready(may_go), .m_burst_address(burst_address),
        .m_burst_len(next_len), .m_burst_last(burst_last),
        .empty(none_cut)
    );

    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q <= 1'b0;
        end else begin
            valid_q <= go || (valid_q && !m_ax_ready);
        end
        if (go) begin
            address_q <= burst_address[ADDRESS_BITS-1:BYTE_BITS];
            len_q     <= next_len;
        end
    end
    assign m_ax_valid = valid_q;
    assign m_ax_addr  = {address_q, {BYTE_BITS{1'b0}}};
    assign m_ax_len   = len_q;

    // ---- bursts without an answer; who answers has seen the address, so its burst is there
    wire [WORD_BITS-1:0] open_address;
    fcim_fifo #(.WORDS(OUTSTANDING), .WIDTH(WORD_BITS + 1)) u_open (
        .clk(clk), .rst_n(rst_n),
        .s_valid(go), .s_ready(place),
        .s_data({burst_last, burst_address[ADDRESS_BITS-1:BYTE_BITS]}),
        .m_valid(), .m_ready(answer && answer_last),
        .m_data({answer_ends, open_address}),
        .empty(none_open)
    );
    assign idle = none_cut && none_open && !held;

    // ---- errors; that of a cycle beats its clear
    reg                 slave_q, decode_q;
    reg [WORD_BITS-1:0] error_q;
    wire                fails = answer && answer_resp[1];
    always @(posedge clk) begin
        if (!rst_n) begin
            slave_q  <= 1'b0;
            decode_q <= 1'b0;
        end else begin
            slave_q  <= (fails && !answer_resp[0]) || (slave_q && !clear);
            decode_q <= (fails && answer_resp[0]) || (decode_q && !clear);
        end
        if (fails && (clear || !(slave_q || decode_q))) begin
            error_q <= open_address;
        end
    end
    assign error_slave   = slave_q;
    assign error_decode  = decode_q;
    assign error_address = {error_q, {BYTE_BITS{1'b0}}};

endmodule

`default_nettype wire
