// SPDX-License-Identifier: Apache-2.0
// fcim_registers: the accelerator's registers, an AXI4-Lite slave of 32 bits. Which registers there
// are, with their fields and what they do, is written in config/system/registers.rdl; everything
// outside of them, documentation, C header and Python model, is made from that.
//
// A register counts by the address of its word: the low two bits do not count. Writes obey their
// byte strobes. A write to what is only read changes nothing and is answered OKAY; an address
// without a register reads as 0 and is answered SLVERR, as is a write to it. A write waits for
// both its address and its data, in either order. AWPROT and ARPROT are not there.
//
// Reading the low word of a counter keeps the high word of that moment, which the next read of a
// high word gives. engine_counters may follow engine_select up to 3 cycles late.
//
// Latency:    bvalid comes 2 cycles after the later of address and data was taken, and what was
//             written shows at the same time; rvalid comes 4 cycles after its address was taken. An
//             event shows in its register, and in irq, a cycle later.
// Throughput: A write per 2 cycles, a read per 4.
// Cuts:       All outputs depend on registers only.
// Numbers:    Unsigned; counters have 48 bits and wrap.
`default_nettype none

module fcim_registers #(
    parameter  ENGINES = 16,              // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                 // this and the others are there to be read
    parameter  HEAD_DIM = 128,            // elements of a head vector
    parameter  BITS_PER_CYCLE = 1,        // bits per cycle of a CIM array
    parameter  KEYS_PER_BLOCK = 16,       // keys of a block
    parameter  PROB_BITS = 18,            // bits of a probability
    parameter  MAX_KEYS = 131072,         // keys of a head at most
    parameter  BUFFER_KEYS = 4096,        // keys in the buffer
    parameter  DATA_BITS = 512,           // bits of a beat
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1,  // an engine
    localparam COUNTERS = 26,             // counters of an engine
    localparam COUNTER_BITS = 48,         // one counter
    localparam ADDRESS_BITS = 64,         // address of a byte in memory
    localparam OFFSET_BITS = 12,          // address of a byte of the registers
    localparam ALIGN_BITS = 7,            // index of a byte in a descriptor
    localparam COUNT_BITS = 16            // descriptors
) (
    input  wire                       clk,
    input  wire                       rst_n,

    // AXI4-Lite
    input  wire                       s_axil_awvalid,
    output wire                       s_axil_awready,
    input  wire [OFFSET_BITS-1:0]     s_axil_awaddr,
    input  wire                       s_axil_wvalid,
    output wire                       s_axil_wready,
    input  wire [31:0]                s_axil_wdata,
    input  wire [3:0]                 s_axil_wstrb,
    output wire                       s_axil_bvalid,
    input  wire                       s_axil_bready,
    output wire [1:0]                 s_axil_bresp,
    input  wire                       s_axil_arvalid,
    output wire                       s_axil_arready,
    input  wire [OFFSET_BITS-1:0]     s_axil_araddr,
    output wire                       s_axil_rvalid,
    input  wire                       s_axil_rready,
    output wire [31:0]                s_axil_rdata,
    output wire [1:0]                 s_axil_rresp,

    output wire                       irq,            // level

    // the ring
    output wire                       soft_reset,     // pulse; enable and tail are 0 with it
    output wire                       enable,
    output wire [ADDRESS_BITS-1:ALIGN_BITS] ring_base,
    output wire [3:0]                 ring_size,
    output wire [COUNT_BITS-1:0]      tail,
    input  wire [COUNT_BITS-1:0]      head,
    input  wire                       busy,
    input  wire                       halted,
    input  wire                       resetting,      // a soft reset is under way

    // events of the command processor, pulses
    input  wire                       event_done,
    input  wire                       event_refused,
    input  wire                       event_read,
    input  wire                       event_write,
    input  wire                       event_engine,
    input  wire                       event_completion,
    input  wire                       event_unreadable,

    // errors of the bus, as the AXI engines keep them
    output wire                       clear_errors,   // pulse
    input  wire                       read_slave,
    input  wire                       read_decode,
    input  wire [ADDRESS_BITS-1:0]    read_address,
    input  wire                       write_slave,
    input  wire                       write_decode,
    input  wire [ADDRESS_BITS-1:0]    write_address,

    // counters: each counts the cycles in which its input is high
    output wire                       clear_counters,  // pulse
    input  wire                       count_cycle,
    input  wire                       count_call,
    input  wire                       count_read_beat,
    input  wire                       count_write_beat,
    input  wire                       count_k_block,
    input  wire                       count_v_block,
    input  wire                       count_row,
    output wire [ENGINE_BITS-1:0]     engine_select,
    input  wire [COUNTERS*COUNTER_BITS-1:0] engine_counters
);

    localparam WORD_BITS = OFFSET_BITS - 2;
    localparam [1:0] OKAY = 2'b00, SLVERR = 2'b10;
    localparam SYSTEM_COUNTERS = 7;
    localparam [31:0] ID = 32'h4643_494D;           // "FCIM"
    localparam [31:0] VERSION = 32'h0001_0000;

    // ---- numbers of words, without a gap, as in registers.rdl
    localparam [WORD_BITS-1:0]
        R_ID               = 0,
        R_VERSION          = 1,
        R_ENGINES          = 2,
        R_ROWS             = 3,
        R_HEAD_DIM         = 4,
        R_BITS_PER_CYCLE   = 5,
        R_KEYS_PER_BLOCK   = 6,
        R_PROB_BITS        = 7,
        R_MAX_KEYS         = 8,
        R_BUFFER_KEYS      = 9,
        R_DATA_BITS        = 10,
        R_COUNTERS         = 11,
        R_CONTROL          = 12,
        R_STATUS           = 13,
        R_IRQ_ENABLE       = 14,
        R_IRQ_STATUS       = 15,
        R_RING_BASE_LO     = 16,
        R_RING_BASE_HI     = 17,
        R_RING_SIZE        = 18,
        R_RING_TAIL        = 19,
        R_RING_HEAD        = 20,
        R_ERRORS           = 21,
        R_READ_ADDRESS_LO  = 22,
        R_READ_ADDRESS_HI  = 23,
        R_WRITE_ADDRESS_LO = 24,
        R_WRITE_ADDRESS_HI = 25,
        R_FIRST_COUNTER    = 26,                    // a low and a high word for each counter,
        R_ENGINE_COUNTER   = 40,                    // the last one an engine's
        R_COUNTER_SELECT   = 42,
        R_END              = 43;

    // ---- writes
    reg                 aw_q, w_q, b_q, b_bad_q;
    reg [WORD_BITS-1:0] aw_word_q;
    reg [31:0]          w_data_q;
    reg [3:0]           w_strb_q;
    wire                write = aw_q && w_q && !b_q;
    wire [31:0]         mask  = {{8{w_strb_q[3]}}, {8{w_strb_q[2]}}, {8{w_strb_q[1]}},
                                 {8{w_strb_q[0]}}};
    always @(posedge clk) begin
        if (!rst_n) begin
            aw_q <= 1'b0;
            w_q  <= 1'b0;
            b_q  <= 1'b0;
        end else begin
            aw_q <= write ? 1'b0 : aw_q || s_axil_awvalid;
            w_q  <= write ? 1'b0 : w_q || s_axil_wvalid;
            b_q  <= write || (b_q && !s_axil_bready);
        end
        if (!aw_q) begin
            aw_word_q <= s_axil_awaddr[OFFSET_BITS-1:2];
        end
        if (!w_q) begin
            w_data_q <= s_axil_wdata;
            w_strb_q <= s_axil_wstrb;
        end
        if (write) begin
            b_bad_q <= aw_word_q >= R_END;
        end
    end
    assign s_axil_awready = !aw_q;
    assign s_axil_wready  = !w_q;
    assign s_axil_bvalid  = b_q;
    assign s_axil_bresp   = b_bad_q ? SLVERR : OKAY;

    // ---- registers
    reg                               enable_q, soft_reset_q, clear_errors_q, clear_counters_q;
    reg [1:0]                         irq_enable_q, irq_status_q;
    reg [ADDRESS_BITS-1:ALIGN_BITS]   base_q;
    reg [3:0]                         size_q;
    reg [COUNT_BITS-1:0]              tail_q;
    reg [5:0]                         errors_q;
    reg [3:0]                         engine_q;
    reg [4:0]                         counter_q;

    wire [5:0] errors = {event_completion, event_engine, event_write, event_read, event_refused,
                         event_unreadable};
    wire       control = write && aw_word_q == R_CONTROL && w_strb_q[0];
    wire       resets  = control && w_data_q[1];
    wire       clears  = control && w_data_q[2];
    wire [1:0] irq_clear = (write && aw_word_q == R_IRQ_STATUS) ? w_data_q[1:0] & mask[1:0] : 2'b00;

    always @(posedge clk) begin
        if (!rst_n) begin
            enable_q         <= 1'b0;
            soft_reset_q     <= 1'b0;
            clear_errors_q   <= 1'b0;
            clear_counters_q <= 1'b0;
            irq_enable_q     <= 2'b00;
            irq_status_q     <= 2'b00;
            base_q           <= {(ADDRESS_BITS-ALIGN_BITS){1'b0}};
            size_q           <= 4'd0;
            tail_q           <= {COUNT_BITS{1'b0}};
            errors_q         <= 6'd0;
            engine_q         <= 4'd0;
            counter_q        <= 5'd0;
        end else begin
            soft_reset_q     <= resets;
            clear_errors_q   <= clears;
            clear_counters_q <= control && w_data_q[3];
            irq_status_q     <= (irq_status_q & ~irq_clear) | {errors != 6'd0, event_done};
            errors_q         <= (clears ? 6'd0 : errors_q) | errors;
            if (resets) begin
                enable_q <= 1'b0;
                tail_q   <= {COUNT_BITS{1'b0}};
            end else if (control) begin
                enable_q <= w_data_q[0];
            end
            if (write) begin
                case (aw_word_q)
                    R_IRQ_ENABLE: irq_enable_q <= (irq_enable_q & ~mask[1:0])
                                                | (w_data_q[1:0] & mask[1:0]);
                    R_RING_BASE_LO: base_q[31:ALIGN_BITS]
                        <= (base_q[31:ALIGN_BITS] & ~mask[31:ALIGN_BITS])
                         | (w_data_q[31:ALIGN_BITS] & mask[31:ALIGN_BITS]);
                    R_RING_BASE_HI: base_q[63:32] <= (base_q[63:32] & ~mask) | (w_data_q & mask);
                    R_RING_SIZE: size_q <= (size_q & ~mask[3:0]) | (w_data_q[3:0] & mask[3:0]);
                    R_RING_TAIL: tail_q <= (tail_q & ~mask[COUNT_BITS-1:0])
                                         | (w_data_q[COUNT_BITS-1:0] & mask[COUNT_BITS-1:0]);
                    R_COUNTER_SELECT: begin
                        engine_q  <= (engine_q & ~mask[3:0]) | (w_data_q[3:0] & mask[3:0]);
                        counter_q <= (counter_q & ~mask[12:8]) | (w_data_q[12:8] & mask[12:8]);
                    end
                    default: ;
                endcase
            end
        end
    end

    assign irq            = (irq_status_q & irq_enable_q) != 2'b00;
    assign soft_reset     = soft_reset_q;
    assign clear_errors   = clear_errors_q;
    assign clear_counters = clear_counters_q;
    assign enable         = enable_q;
    assign ring_base      = base_q;
    assign ring_size      = size_q;
    assign tail           = tail_q;

    // ---- counters
    wire [SYSTEM_COUNTERS*COUNTER_BITS-1:0] counters;
    fcim_counters #(.COUNT(SYSTEM_COUNTERS), .INC_BITS(1)) u_counters (
        .clk(clk), .rst_n(rst_n), .clear(clear_counters_q),
        .increments({count_row, count_v_block, count_k_block, count_write_beat, count_read_beat,
                     count_call, count_cycle}),
        .counters(counters)
    );

    // the engine's, and of engines that are not there those of one that is
    reg [COUNTER_BITS-1:0] engine_counter_q;
    always @(posedge clk) begin : pick
        integer i;
        engine_counter_q <= {COUNTER_BITS{1'b0}};
        for (i = 0; i < COUNTERS; i = i + 1) begin
            if (counter_q == i[4:0]) begin
                engine_counter_q <= engine_counters[i*COUNTER_BITS +: COUNTER_BITS];
            end
        end
    end
    localparam LAST_ENGINE = ENGINES - 1;
    assign engine_select = engine_q[ENGINE_BITS-1:0] & LAST_ENGINE[ENGINE_BITS-1:0];

    // ---- reads
    reg                  ar_q, r_q, r_bad_q;
    reg [1:0]            wait_q;                    // for the engine's counter
    reg [WORD_BITS-1:0]  ar_word_q;
    reg [31:0]           r_data_q, high_q;
    reg [COUNTER_BITS-1:0] counter;
    reg                  is_counter;
    reg [31:0]           value;
    wire                 read = ar_q && wait_q == 2'd0 && !r_q;

    always @* begin : look
        integer i;
        counter    = engine_counter_q;
        is_counter = ar_word_q == R_ENGINE_COUNTER;
        for (i = 0; i < SYSTEM_COUNTERS; i = i + 1) begin
            if (ar_word_q == R_FIRST_COUNTER + 10'd2 * i[WORD_BITS-1:0]) begin
                counter    = counters[i*COUNTER_BITS +: COUNTER_BITS];
                is_counter = 1'b1;
            end
        end
        value = counter[31:0];
        case (ar_word_q)
            R_ID:               value = ID;
            R_VERSION:          value = VERSION;
            R_ENGINES:          value = ENGINES[31:0];
            R_ROWS:             value = ROWS[31:0];
            R_HEAD_DIM:         value = HEAD_DIM[31:0];
            R_BITS_PER_CYCLE:   value = BITS_PER_CYCLE[31:0];
            R_KEYS_PER_BLOCK:   value = KEYS_PER_BLOCK[31:0];
            R_PROB_BITS:        value = PROB_BITS[31:0];
            R_MAX_KEYS:         value = MAX_KEYS[31:0];
            R_BUFFER_KEYS:      value = BUFFER_KEYS[31:0];
            R_DATA_BITS:        value = DATA_BITS[31:0];
            R_COUNTERS:         value = COUNTERS[31:0];
            R_CONTROL:          value = {31'd0, enable_q};
            R_STATUS:           value = {29'd0, resetting, halted, busy};
            R_IRQ_ENABLE:       value = {30'd0, irq_enable_q};
            R_IRQ_STATUS:       value = {30'd0, irq_status_q};
            R_RING_BASE_LO:     value = {base_q[31:ALIGN_BITS], {ALIGN_BITS{1'b0}}};
            R_RING_BASE_HI:     value = base_q[63:32];
            R_RING_SIZE:        value = {28'd0, size_q};
            R_RING_TAIL:        value = {16'd0, tail_q};
            R_RING_HEAD:        value = {16'd0, head};
            R_ERRORS:           value = {20'd0, write_decode, write_slave, read_decode, read_slave,
                                         2'd0, errors_q};
            R_READ_ADDRESS_LO:  value = read_address[31:0];
            R_READ_ADDRESS_HI:  value = read_address[63:32];
            R_WRITE_ADDRESS_LO: value = write_address[31:0];
            R_WRITE_ADDRESS_HI: value = write_address[63:32];
            R_COUNTER_SELECT:   value = {19'd0, counter_q, 4'd0, engine_q};
            default: begin                          // words of counters
                if (!is_counter) begin
                    value = (ar_word_q < R_END) ? high_q : 32'd0;
                end
            end
        endcase
    end

    always @(posedge clk) begin
        if (!rst_n) begin
            ar_q   <= 1'b0;
            r_q    <= 1'b0;
            high_q <= 32'd0;
        end else begin
            ar_q <= read ? 1'b0 : ar_q || s_axil_arvalid;
            r_q  <= read || (r_q && !s_axil_rready);
            if (read && is_counter) begin
                high_q <= {{(64-COUNTER_BITS){1'b0}}, counter[COUNTER_BITS-1:32]};
            end
        end
        if (!ar_q) begin
            ar_word_q <= s_axil_araddr[OFFSET_BITS-1:2];
            wait_q    <= 2'd2;
        end else if (wait_q != 2'd0) begin
            wait_q <= wait_q - 1'b1;
        end
        if (read) begin
            r_data_q <= value;
            r_bad_q  <= ar_word_q >= R_END;
        end
    end
    assign s_axil_arready = !ar_q;
    assign s_axil_rvalid  = r_q;
    assign s_axil_rdata   = r_data_q;
    assign s_axil_rresp   = r_bad_q ? SLVERR : OKAY;

endmodule

`default_nettype wire
