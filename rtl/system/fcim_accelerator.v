// SPDX-License-Identifier: Apache-2.0
// fcim_accelerator: attention of whole layers, memory in and memory out. Software puts descriptors
// into a ring in memory and rings by a register; each becomes a call, ends with a word in memory,
// and raises the interrupt if it asks for it.
//
// Latency:    A descriptor's first access of its tensors comes about 200 cycles after the doorbell,
//             and as long as the memory takes to give the descriptor.
// Throughput: docs/system.md: the engines', if the memory gives what they need.
// Cuts:       As in the blocks inside; registers stand between them and both buses.
// Numbers:    docs/system.md has descriptors and registers. One clock for all, both buses are in
//             its domain. A soft reset takes back all but the registers; the bus is clean after it.
`default_nettype none

module fcim_accelerator #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a head: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    parameter  DATA_BITS = 1024,                  // a beat: 128 to 1024, at most HEAD_DIM * 8
    parameter  MAX_BURST = 32,                    // beats of a burst at most: a power of two
    parameter  OUTSTANDING = 256,                 // bursts under way: 1 to 256
    parameter  READ_BEATS = 512,                  // room for beats that are read: a power of two
    parameter  O_ROWS = 1024,                     // room for rows of O: a power of two
    localparam ADDRESS_BITS = 64,                 // address of a byte
    localparam OFFSET_BITS = 12                   // address of a byte of the registers
) (
    input  wire                    clk,
    input  wire                    rst_n,
    output wire                    irq,                      // level

    // registers, AXI4-Lite
    input  wire                    s_axil_awvalid,
    output wire                    s_axil_awready,
    input  wire [OFFSET_BITS-1:0]  s_axil_awaddr,
    input  wire                    s_axil_wvalid,
    output wire                    s_axil_wready,
    input  wire [31:0]             s_axil_wdata,
    input  wire [3:0]              s_axil_wstrb,
    output wire                    s_axil_bvalid,
    input  wire                    s_axil_bready,
    output wire [1:0]              s_axil_bresp,
    input  wire                    s_axil_arvalid,
    output wire                    s_axil_arready,
    input  wire [OFFSET_BITS-1:0]  s_axil_araddr,
    output wire                    s_axil_rvalid,
    input  wire                    s_axil_rready,
    output wire [31:0]             s_axil_rdata,
    output wire [1:0]              s_axil_rresp,

    // memory, AXI4
    output wire                    m_axi_arvalid,
    input  wire                    m_axi_arready,
    output wire                    m_axi_arid,
    output wire [ADDRESS_BITS-1:0] m_axi_araddr,
    output wire [7:0]              m_axi_arlen,
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
    output wire                    m_axi_awvalid,
    input  wire                    m_axi_awready,
    output wire                    m_axi_awid,
    output wire [ADDRESS_BITS-1:0] m_axi_awaddr,
    output wire [7:0]              m_axi_awlen,
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
    input  wire [1:0]              m_axi_bresp
);

    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1;
    localparam HEAD_BITS = 8;
    localparam POS_BITS = $clog2(MAX_KEYS) + 1;
    localparam COUNT_BITS = 8;
    localparam TAU_BITS = 4;
    localparam OCTAVES_BITS = 5;
    localparam STRIDE_BITS = 32;
    localparam BEATS_BITS = 16;
    localparam ROWS_BITS = 18;
    localparam WORD_BITS = 64;
    localparam ALIGN_BITS = 7;
    localparam RING_BITS = 16;
    localparam COUNTERS = 26;
    localparam COUNTER_BITS = 48;
    localparam SETTLE_BITS = 3;

    wire call_decode;
    wire call_streamed;
    wire call_own_start;
    wire call_fused;
    wire call_skip;
    wire [TAU_BITS-1:0] call_tau;
    wire [OCTAVES_BITS-1:0] call_octaves;
    wire [COUNT_BITS-1:0] call_group;
    wire [2:0] call_split;
    wire [COUNT_BITS-1:0] call_tile_tokens;
    wire [POS_BITS-1:0] call_tiles;
    wire [POS_BITS-1:0] call_tokens;
    wire [POS_BITS-1:0] call_first;
    wire [HEAD_BITS:0] call_heads;
    wire [ADDRESS_BITS-1:0] call_q;
    wire [ADDRESS_BITS-1:0] call_k;
    wire [ADDRESS_BITS-1:0] call_v;
    wire [ADDRESS_BITS-1:0] call_o;
    wire [ADDRESS_BITS-1:0] call_q_table;
    wire [ADDRESS_BITS-1:0] call_k_table;
    wire [ADDRESS_BITS-1:0] call_h_table;
    wire [STRIDE_BITS-1:0] call_q_token_stride;
    wire [STRIDE_BITS-1:0] call_q_head_stride;
    wire [STRIDE_BITS-1:0] call_k_token_stride;
    wire [STRIDE_BITS-1:0] call_k_head_stride;
    wire [STRIDE_BITS-1:0] call_v_token_stride;
    wire [STRIDE_BITS-1:0] call_v_head_stride;
    wire [STRIDE_BITS-1:0] call_o_token_stride;
    wire [STRIDE_BITS-1:0] call_o_head_stride;
    wire [STRIDE_BITS-1:0] call_q_table_stride;
    wire [STRIDE_BITS-1:0] call_k_table_stride;
    wire call_valid, call_done, call_read_error, call_write_error, call_engine_error;
    wire soft_reset, bus_idle, enable, busy, halted;
    wire [ADDRESS_BITS-1:ALIGN_BITS] ring_base;
    wire [3:0]                       ring_size;
    wire [RING_BITS-1:0]             tail, head;
    wire event_done, event_refused, event_read, event_write;
    wire event_engine, event_completion, event_unreadable;
    wire read_slave, read_decode, write_slave, write_decode, clear_errors, clear_counters;
    wire [ADDRESS_BITS-1:0]          read_address, write_address;
    wire ev_k_block, ev_v_block, ev_row;
    wire [ENGINE_BITS-1:0]           engine_select;
    wire [COUNTERS*COUNTER_BITS-1:0] engine_counters;
    wire order_valid, order_ready;
    wire [ADDRESS_BITS-1:0] order_address;
    wire [BEATS_BITS-1:0] order_beats;
    wire [ROWS_BITS-1:0] order_rows;
    wire [ADDRESS_BITS-1:0] order_stride;
    wire                             desc_valid, desc_error, desc_last;
    wire [DATA_BITS-1:0]             desc_data;
    wire                             word_valid, word_ready, word_done, word_error;
    wire [ADDRESS_BITS-1:0]          word_address;
    wire [WORD_BITS-1:0]             word_data;

    // ---- soft reset: all but the bus' engines and the registers, until the bus is clean
    reg                   resetting_q, core_rst_n_q;
    reg [SETTLE_BITS-1:0] settle_q;      // before bus_idle tells anything
    wire                  settled = &settle_q;
    // with rst_n itself, for the bus' engines take commands from the edge after it on
    wire                  core_rst_n = core_rst_n_q && rst_n;
    always @(posedge clk) begin
        if (!rst_n) begin
            resetting_q  <= 1'b0;
            core_rst_n_q <= 1'b0;
        end else begin
            resetting_q  <= soft_reset || (resetting_q && !(settled && bus_idle));
            core_rst_n_q <= !soft_reset && !resetting_q;
        end
        settle_q <= !resetting_q ? {SETTLE_BITS{1'b0}} : settled ? settle_q : settle_q + 1'b1;
    end

    fcim_registers #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS)
    ) u_registers (
        .clk(clk), .rst_n(rst_n),
        .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready),
        .s_axil_awaddr(s_axil_awaddr), .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready), .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb),
        .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(s_axil_bready), .s_axil_bresp(s_axil_bresp),
        .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr), .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready), .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp),
        .irq(irq), .resetting(resetting_q),
        .soft_reset(soft_reset), .enable(enable), .ring_base(ring_base), .ring_size(ring_size),
        .tail(tail), .head(head), .busy(busy), .halted(halted), .event_done(event_done),
        .event_refused(event_refused), .event_read(event_read), .event_write(event_write),
        .event_engine(event_engine), .event_completion(event_completion),
        .event_unreadable(event_unreadable),
        .clear_errors(clear_errors), .read_slave(read_slave), .read_decode(read_decode),
        .read_address(read_address), .write_slave(write_slave), .write_decode(write_decode),
        .write_address(write_address),
        .clear_counters(clear_counters), .count_cycle(call_valid), .count_call(call_done),
        .count_read_beat(m_axi_rvalid && m_axi_rready),
        .count_write_beat(m_axi_wvalid && m_axi_wready), .count_k_block(ev_k_block),
        .count_v_block(ev_v_block), .count_row(ev_row), .engine_select(engine_select),
        .engine_counters(engine_counters)
    );

    fcim_command_processor #(
        .ENGINES(ENGINES), .ROWS(ROWS), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS)
    ) u_commands (
        .clk(clk), .rst_n(core_rst_n),
        .enable(enable), .ring_base(ring_base), .ring_size(ring_size), .tail(tail), .head(head),
        .busy(busy), .halted(halted), .event_done(event_done), .event_refused(event_refused),
        .event_read(event_read), .event_write(event_write), .event_engine(event_engine),
        .event_completion(event_completion), .event_unreadable(event_unreadable),
        .m_desc_cmd_valid(order_valid), .m_desc_cmd_ready(order_ready),
        .m_desc_cmd_address(order_address), .m_desc_cmd_beats(order_beats),
        .m_desc_cmd_rows(order_rows), .m_desc_cmd_stride(order_stride),
        .s_desc_valid(desc_valid), .s_desc_data(desc_data), .s_desc_error(desc_error),
        .s_desc_last(desc_last),
        .call_valid(call_valid), .call_done(call_done), .call_read_error(call_read_error),
        .call_write_error(call_write_error), .call_engine_error(call_engine_error),
        .call_decode(call_decode), .call_streamed(call_streamed), .call_own_start(call_own_start),
        .call_fused(call_fused), .call_skip(call_skip), .call_tau(call_tau),
        .call_octaves(call_octaves), .call_group(call_group), .call_split(call_split),
        .call_tile_tokens(call_tile_tokens), .call_tiles(call_tiles), .call_tokens(call_tokens),
        .call_first(call_first), .call_heads(call_heads), .call_q(call_q), .call_k(call_k),
        .call_v(call_v), .call_o(call_o), .call_q_table(call_q_table), .call_k_table(call_k_table),
        .call_h_table(call_h_table), .call_q_token_stride(call_q_token_stride),
        .call_q_head_stride(call_q_head_stride), .call_k_token_stride(call_k_token_stride),
        .call_k_head_stride(call_k_head_stride), .call_v_token_stride(call_v_token_stride),
        .call_v_head_stride(call_v_head_stride), .call_o_token_stride(call_o_token_stride),
        .call_o_head_stride(call_o_head_stride), .call_q_table_stride(call_q_table_stride),
        .call_k_table_stride(call_k_table_stride),
        .m_word_valid(word_valid), .m_word_ready(word_ready), .m_word_address(word_address),
        .m_word_data(word_data),
        .word_done(word_done), .word_error(word_error)
    );

    // a call begins once, and stays valid until it is done
    reg  called_q;
    wire start = call_valid && !called_q;
    always @(posedge clk) begin
        if (!core_rst_n) begin
            called_q <= 1'b0;
        end else begin
            called_q <= call_valid && !call_done;
        end
    end

    fcim_call_unit #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT), .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST),
        .OUTSTANDING(OUTSTANDING), .READ_BEATS(READ_BEATS), .O_ROWS(O_ROWS)
    ) u_call_unit (
        .clk(clk), .rst_n(core_rst_n), .bus_rst_n(rst_n), .stop(resetting_q),
        .bus_idle(bus_idle), .start(start), .done(call_done),
        .call_decode(call_decode), .call_streamed(call_streamed), .call_own_start(call_own_start),
        .call_fused(call_fused), .call_skip(call_skip), .call_tau(call_tau),
        .call_octaves(call_octaves), .call_group(call_group), .call_split(call_split),
        .call_tile_tokens(call_tile_tokens), .call_tiles(call_tiles), .call_tokens(call_tokens),
        .call_first(call_first), .call_heads(call_heads), .call_q(call_q), .call_k(call_k),
        .call_v(call_v), .call_o(call_o), .call_q_table(call_q_table), .call_k_table(call_k_table),
        .call_h_table(call_h_table), .call_q_token_stride(call_q_token_stride),
        .call_q_head_stride(call_q_head_stride), .call_k_token_stride(call_k_token_stride),
        .call_k_head_stride(call_k_head_stride), .call_v_token_stride(call_v_token_stride),
        .call_v_head_stride(call_v_head_stride), .call_o_token_stride(call_o_token_stride),
        .call_o_head_stride(call_o_head_stride), .call_q_table_stride(call_q_table_stride),
        .call_k_table_stride(call_k_table_stride), .call_read_error(call_read_error),
        .call_write_error(call_write_error), .call_engine_error(call_engine_error),
        .s_desc_valid(order_valid), .s_desc_ready(order_ready), .s_desc_address(order_address),
        .s_desc_beats(order_beats), .s_desc_rows(order_rows), .s_desc_stride(order_stride),
        .m_desc_valid(desc_valid), .m_desc_data(desc_data), .m_desc_error(desc_error),
        .m_desc_last(desc_last),
        .s_word_valid(word_valid), .s_word_ready(word_ready), .s_word_address(word_address),
        .s_word_data(word_data),
        .word_done(word_done), .word_error(word_error),
        .m_axi_arvalid(m_axi_arvalid), .m_axi_arready(m_axi_arready), .m_axi_arid(m_axi_arid),
        .m_axi_araddr(m_axi_araddr), .m_axi_arlen(m_axi_arlen), .m_axi_arsize(m_axi_arsize),
        .m_axi_arburst(m_axi_arburst), .m_axi_arcache(m_axi_arcache), .m_axi_arprot(m_axi_arprot),
        .m_axi_rvalid(m_axi_rvalid), .m_axi_rready(m_axi_rready), .m_axi_rid(m_axi_rid),
        .m_axi_rdata(m_axi_rdata), .m_axi_rresp(m_axi_rresp), .m_axi_rlast(m_axi_rlast),
        .m_axi_awvalid(m_axi_awvalid), .m_axi_awready(m_axi_awready), .m_axi_awid(m_axi_awid),
        .m_axi_awaddr(m_axi_awaddr), .m_axi_awlen(m_axi_awlen), .m_axi_awsize(m_axi_awsize),
        .m_axi_awburst(m_axi_awburst), .m_axi_awcache(m_axi_awcache), .m_axi_awprot(m_axi_awprot),
        .m_axi_wvalid(m_axi_wvalid), .m_axi_wready(m_axi_wready), .m_axi_wdata(m_axi_wdata),
        .m_axi_wstrb(m_axi_wstrb), .m_axi_wlast(m_axi_wlast), .m_axi_bvalid(m_axi_bvalid),
        .m_axi_bready(m_axi_bready), .m_axi_bid(m_axi_bid), .m_axi_bresp(m_axi_bresp),
        .clear_errors(clear_errors), .read_slave(read_slave), .read_decode(read_decode),
        .read_address(read_address), .write_slave(write_slave), .write_decode(write_decode),
        .write_address(write_address), .clear_counters(clear_counters), .ev_k_block(ev_k_block),
        .ev_v_block(ev_v_block), .ev_row(ev_row),
        .counters_engine(engine_select), .counters(engine_counters)
    );

endmodule

`default_nettype wire
