// SPDX-License-Identifier: Apache-2.0
// fcim_burst_splitter: cuts commands into bursts of AXI4. A command is `rows` rows of `beats` beats
// each, the first at `address`, each next one `stride` bytes further. Every burst is as long as it
// may be: up to the end of its run, MAX_BURST beats, or the next multiple of 4 KB. A run is a row,
// or all rows of a command that lie one behind the other: bursts go on from row to row there.
//
// Latency:    A command's first burst is offered 3 cycles after the command is accepted, or in the
//             cycle after the last burst of the one before it.
// Throughput: A burst per cycle, also from row to row and from command to command, while commands
//             come in time: one per 2 cycles at most.
// Cuts:       All outputs come from registers.
// Numbers:    Unsigned; addresses are modulo 2**64, so a stride may lead backwards. The bits of
//             address and stride below a beat's bytes are taken as 0. len is the number of beats
//             - 1.
`default_nettype none

module fcim_burst_splitter #(
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024
    parameter  MAX_BURST = 16,            // beats of a burst at most: a power of two, 1 to 256
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam BEATS_BITS = 16,           // beats of a row, 1 or more
    localparam ROWS_BITS = 18,            // rows of a command, 1 or more
    localparam LEN_BITS = 8               // beats of a burst - 1
) (
    input  wire                    clk,
    input  wire                    rst_n,
    input  wire                    clear,          // drops what is inside, and takes nothing

    input  wire                    s_cmd_valid,
    output wire                    s_cmd_ready,
    input  wire [ADDRESS_BITS-1:0] s_cmd_address,
    input  wire [BEATS_BITS-1:0]   s_cmd_beats,
    input  wire [ROWS_BITS-1:0]    s_cmd_rows,
    input  wire [ADDRESS_BITS-1:0] s_cmd_stride,   // counts where there are several rows

    output wire                    m_burst_valid,
    input  wire                    m_burst_ready,
    output wire [ADDRESS_BITS-1:0] m_burst_address,
    output wire [LEN_BITS-1:0]     m_burst_len,
    output wire                    m_burst_last,   // of its command

    output wire                    empty           // no command is inside
);

    localparam BYTE_BITS = $clog2(DATA_BITS / 8);   // index of a byte in its beat
    localparam WORD_BITS = ADDRESS_BITS - BYTE_BITS;  // address of a beat
    localparam PAGE_BITS = 12 - BYTE_BITS;          // index of a beat in its 4 KB
    localparam RUN_BITS = BEATS_BITS + ROWS_BITS;   // beats of a run
    localparam BURST_BITS = $clog2(MAX_BURST);
    localparam LONGEST = MAX_BURST - 1;             // as a len
    localparam [ROWS_BITS-1:0] ONE_ROW = 1;

    // ---- the command that waits
    reg                  waits_q;
    reg [WORD_BITS-1:0]  w_address_q, w_stride_q;
    reg [BEATS_BITS-1:0] w_beats_q;
    reg [ROWS_BITS-1:0]  w_rows_q;
    wire                 load;
    wire                 accept = s_cmd_valid && s_cmd_ready;
    assign s_cmd_ready = !waits_q && !clear;
    always @(posedge clk) begin
        if (!rst_n || clear) begin
            waits_q <= 1'b0;
        end else begin
            waits_q <= accept || (waits_q && !load);
        end
        if (accept) begin
            w_address_q <= s_cmd_address[ADDRESS_BITS-1:BYTE_BITS];
            w_stride_q  <= s_cmd_stride[ADDRESS_BITS-1:BYTE_BITS];
            w_beats_q   <= s_cmd_beats;
            w_rows_q    <= s_cmd_rows;
        end
    end

    // ---- the run that is cut; left and len are one less than what they count
    reg                  walks_q, valid_q;              // valid: a burst waits behind it
    reg [WORD_BITS-1:0]  address_q, next_q, stride_q;   // next: of the next run
    reg [RUN_BITS-1:0]   left_q;                        // beats left of the run
    reg [BEATS_BITS-1:0] beats_q;
    reg [ROWS_BITS-1:0]  rows_q;                        // runs that follow

    wire one_run = (w_rows_q == ONE_ROW) ||
                   (w_stride_q == {{(WORD_BITS-BEATS_BITS){1'b0}}, w_beats_q});
    wire [RUN_BITS-1:0]   all_beats = {{ROWS_BITS{1'b0}}, w_beats_q} *
                                      {{BEATS_BITS{1'b0}}, w_rows_q};
    wire [BEATS_BITS-1:0] row_beats = w_beats_q - 1'b1;
    wire [LEN_BITS-1:0] to_page = {{(LEN_BITS-PAGE_BITS){1'b0}}, ~address_q[PAGE_BITS-1:0]};
    wire [LEN_BITS-1:0] limit   = ((to_page >> BURST_BITS) != 0) ? LONGEST[LEN_BITS-1:0] : to_page;
    wire                ends    = (left_q[RUN_BITS-1:LEN_BITS] == 0) &&
                                  (left_q[LEN_BITS-1:0] <= limit);
    wire                last    = ends && (rows_q == 0);
    wire                step    = walks_q && (!valid_q || m_burst_ready);

    assign load = waits_q && (!walks_q || (step && last));
    always @(posedge clk) begin
        if (!rst_n || clear) begin
            walks_q <= 1'b0;
        end else begin
            walks_q <= load || (walks_q && !(step && last));
        end
        if (load) begin
            address_q <= w_address_q;
            next_q    <= w_address_q + w_stride_q;
            stride_q  <= w_stride_q;
            left_q    <= one_run ? all_beats - 1'b1 : {{ROWS_BITS{1'b0}}, row_beats};
            beats_q   <= row_beats;
            rows_q    <= one_run ? {ROWS_BITS{1'b0}} : w_rows_q - 1'b1;
        end else if (step && ends) begin
            address_q <= next_q;
            next_q    <= next_q + stride_q;
            left_q    <= {{ROWS_BITS{1'b0}}, beats_q};
            rows_q    <= rows_q - 1'b1;
        end else if (step) begin
            address_q <= address_q + {{(WORD_BITS-LEN_BITS){1'b0}}, limit} + 1'b1;
            left_q    <= left_q - {{(RUN_BITS-LEN_BITS){1'b0}}, limit} - 1'b1;
        end
    end

    // ---- the burst that was cut
    reg [WORD_BITS-1:0] burst_q;
    reg [LEN_BITS-1:0]  len_q;
    reg                 last_q;
    always @(posedge clk) begin
        if (!rst_n || clear) begin
            valid_q <= 1'b0;
        end else begin
            valid_q <= step || (valid_q && !m_burst_ready);
        end
        if (step) begin
            burst_q <= address_q;
            len_q   <= ends ? left_q[LEN_BITS-1:0] : limit;
            last_q  <= last;
        end
    end
    assign m_burst_valid   = valid_q;
    assign m_burst_address = {burst_q, {BYTE_BITS{1'b0}}};
    assign m_burst_len     = len_q;
    assign m_burst_last    = last_q;
    assign empty           = !waits_q && !walks_q && !valid_q;

endmodule

`default_nettype wire
