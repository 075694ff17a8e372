// SPDX-License-Identifier: Apache-2.0
// tb_accelerator: fcim_accelerator with its memory, for simulations of whole calls: no beat of the
// bus crosses the simulator's interface.
//
// Latency:    axi_memory's.
// Throughput: axi_memory's.
// Numbers:    Every `sample_cycles` cycles, if that is not 0, a line goes to SAMPLES in hex: the
//             cycle, beats read and written, K and V blocks read, and the counters of all engines,
//             the last engine's first.
//
// The memory lies at `place`, a multiple of its bytes. With FAULTS, `fault` puts in errors that no
// call makes: bit 0 of the store's rows, 1 of the parts that are joined, 2 of the first engine's
// values, 3 of the last engine's order. `show` stands for what the engines count: 1 gives counter c
// of engine e the value (26 e + c + 1) * 0x9E3779B97F4B, 2 its complement.
`default_nettype none

module tb_accelerator #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                         // rows of a query tile: 8 to 128, a multiple of 8
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  BITS_PER_CYCLE = 1,                // bits per cycle of a CIM array: 1, 2, 4 or 8
    parameter  KEYS_PER_BLOCK = 16,               // 8, 16, 32 or 64, at most HEAD_DIM
    parameter  PROB_BITS = 18,                    // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,                 // keys of a head: a power of two, 64 to 131072
    parameter  SUM_CUT = 0,                       // bits that a row's sum lacks for MAX_KEYS keys
    parameter  BUFFER_KEYS = 4096,                // keys in the buffer: a power of two of blocks
    parameter  DATA_BITS = 512,                   // a beat: 128 to 1024, at most HEAD_DIM * 8
    parameter  MAX_BURST = 16,                    // beats of a burst at most: a power of two
    parameter  OUTSTANDING = 16,                  // bursts under way: 1 to 256
    parameter  READ_BEATS = 256,                  // room for beats that are read: a power of two
    parameter  O_ROWS = 256,                      // room for rows of O: a power of two
    parameter  WORDS = 65536,                     // of the memory, of a beat each
    parameter  RANGES = 2,                        // that may be written
    parameter  FAULTS = 0,                        // 1: `fault` and `show` do something
    parameter  LOAD = "memory.hex",
    parameter  DUMP = "dump.hex",
    parameter  SAMPLES = "samples.hex",
    localparam ADDRESS_BITS = 64,
    localparam OFFSET_BITS = 12,
    localparam COUNTERS = 26,
    localparam COUNTER_BITS = 48
) (
    input  wire                   clk,
    input  wire                   rst_n,
    output wire                   irq,

    input  wire                   s_axil_awvalid,
    output wire                   s_axil_awready,
    input  wire [OFFSET_BITS-1:0] s_axil_awaddr,
    input  wire                   s_axil_wvalid,
    output wire                   s_axil_wready,
    input  wire [31:0]            s_axil_wdata,
    input  wire [3:0]             s_axil_wstrb,
    output wire                   s_axil_bvalid,
    input  wire                   s_axil_bready,
    output wire [1:0]             s_axil_bresp,
    input  wire                   s_axil_arvalid,
    output wire                   s_axil_arready,
    input  wire [OFFSET_BITS-1:0] s_axil_araddr,
    output wire                   s_axil_rvalid,
    input  wire                   s_axil_rready,
    output wire [31:0]            s_axil_rdata,
    output wire [1:0]             s_axil_rresp,

    // the memory
    input  wire [63:0]            place,
    input  wire [15:0]            latency,
    input  wire [15:0]            rate_beats,
    input  wire [15:0]            rate_cycles,
    input  wire                   load,
    input  wire                   dump,
    input  wire [31:0]            first,
    input  wire [31:0]            last,
    input  wire                   guard,
    input  wire [RANGES*64-1:0]   low,
    input  wire [RANGES*64-1:0]   high,
    input  wire [63:0]            bad_low,
    input  wire [63:0]            bad_high,
    input  wire                   clear,
    output wire                   violation,
    output wire [63:0]            violation_address,
    output wire                   broken,
    output wire [63:0]            beats_read,
    output wire [63:0]            beats_written,

    input  wire [31:0]            sample_cycles,
    input  wire [3:0]             fault,
    input  wire [1:0]             show
);

    wire [63:0] violation_at;
    assign violation_address = violation_at ^ place;

    wire arvalid;
    wire arready;
    wire arid;
    wire [ADDRESS_BITS-1:0] araddr;
    wire [7:0] arlen;
    wire [2:0] arsize;
    wire [1:0] arburst;
    wire [3:0] arcache;
    wire [2:0] arprot;
    wire rvalid;
    wire rready;
    wire rid;
    wire [DATA_BITS-1:0] rdata;
    wire [1:0] rresp;
    wire rlast;
    wire awvalid;
    wire awready;
    wire awid;
    wire [ADDRESS_BITS-1:0] awaddr;
    wire [7:0] awlen;
    wire [2:0] awsize;
    wire [1:0] awburst;
    wire [3:0] awcache;
    wire [2:0] awprot;
    wire wvalid;
    wire wready;
    wire [DATA_BITS-1:0] wdata;
    wire [DATA_BITS/8-1:0] wstrb;
    wire wlast;
    wire bvalid;
    wire bready;
    wire bid;
    wire [1:0] bresp;

    fcim_accelerator #(
        .ENGINES(ENGINES), .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT), .BUFFER_KEYS(BUFFER_KEYS), .DATA_BITS(DATA_BITS), .MAX_BURST(MAX_BURST),
        .OUTSTANDING(OUTSTANDING), .READ_BEATS(READ_BEATS), .O_ROWS(O_ROWS)
    ) u_accelerator (
        .clk(clk), .rst_n(rst_n), .irq(irq),
        .s_axil_awvalid(s_axil_awvalid), .s_axil_awready(s_axil_awready),
        .s_axil_awaddr(s_axil_awaddr), .s_axil_wvalid(s_axil_wvalid),
        .s_axil_wready(s_axil_wready), .s_axil_wdata(s_axil_wdata), .s_axil_wstrb(s_axil_wstrb),
        .s_axil_bvalid(s_axil_bvalid), .s_axil_bready(s_axil_bready), .s_axil_bresp(s_axil_bresp),
        .s_axil_arvalid(s_axil_arvalid), .s_axil_arready(s_axil_arready),
        .s_axil_araddr(s_axil_araddr), .s_axil_rvalid(s_axil_rvalid),
        .s_axil_rready(s_axil_rready), .s_axil_rdata(s_axil_rdata), .s_axil_rresp(s_axil_rresp),
        .m_axi_arvalid(arvalid), .m_axi_arready(arready), .m_axi_arid(arid), .m_axi_araddr(araddr),
        .m_axi_arlen(arlen), .m_axi_arsize(arsize), .m_axi_arburst(arburst),
        .m_axi_arcache(arcache), .m_axi_arprot(arprot), .m_axi_rvalid(rvalid),
        .m_axi_rready(rready), .m_axi_rid(rid), .m_axi_rdata(rdata), .m_axi_rresp(rresp),
        .m_axi_rlast(rlast), .m_axi_awvalid(awvalid), .m_axi_awready(awready), .m_axi_awid(awid),
        .m_axi_awaddr(awaddr), .m_axi_awlen(awlen), .m_axi_awsize(awsize), .m_axi_awburst(awburst),
        .m_axi_awcache(awcache), .m_axi_awprot(awprot), .m_axi_wvalid(wvalid),
        .m_axi_wready(wready), .m_axi_wdata(wdata), .m_axi_wstrb(wstrb), .m_axi_wlast(wlast),
        .m_axi_bvalid(bvalid), .m_axi_bready(bready), .m_axi_bid(bid), .m_axi_bresp(bresp)
    );

    axi_memory #(
        .DATA_BITS(DATA_BITS), .WORDS(WORDS), .RANGES(RANGES), .OUTSTANDING(256), .LOAD(LOAD),
        .DUMP(DUMP)
    ) u_memory (
        .clk(clk), .rst_n(rst_n), .latency(latency), .rate_beats(rate_beats),
        .rate_cycles(rate_cycles), .load(load), .dump(dump), .first(first), .last(last),
        .guard(guard), .low(low), .high(high), .bad_low(bad_low), .bad_high(bad_high),
        .clear(clear), .violation(violation), .violation_address(violation_at),
        .broken(broken), .beats_read(beats_read), .beats_written(beats_written),
        .s_axi_arvalid(arvalid), .s_axi_arready(arready), .s_axi_arid(arid),
        .s_axi_araddr(araddr ^ place),
        .s_axi_arlen(arlen), .s_axi_arsize(arsize), .s_axi_arburst(arburst), .s_axi_rvalid(rvalid),
        .s_axi_rready(rready), .s_axi_rid(rid), .s_axi_rdata(rdata), .s_axi_rresp(rresp),
        .s_axi_rlast(rlast), .s_axi_awvalid(awvalid), .s_axi_awready(awready), .s_axi_awid(awid),
        .s_axi_awaddr(awaddr ^ place), .s_axi_awlen(awlen), .s_axi_awsize(awsize),
        .s_axi_awburst(awburst),
        .s_axi_wvalid(wvalid), .s_axi_wready(wready), .s_axi_wdata(wdata), .s_axi_wstrb(wstrb),
        .s_axi_wlast(wlast), .s_axi_bvalid(bvalid), .s_axi_bready(bready), .s_axi_bid(bid),
        .s_axi_bresp(bresp)
    );

    // ---- what no call brings about
    genvar n;
    generate
        if (FAULTS != 0) begin : g_faults
            wire [ENGINES*COUNTERS*COUNTER_BITS-1:0] shown;
            for (n = 0; n < ENGINES * COUNTERS; n = n + 1) begin : g_counter
                assign shown[n*COUNTER_BITS +: COUNTER_BITS] = (n + 1) * 48'h9E37_79B9_7F4B;
            end
            always @(fault) begin
                if (fault[0]) force u_accelerator.u_call_unit.u_store.error_q = 1'b1;
                else          release u_accelerator.u_call_unit.u_store.error_q;
                if (fault[1]) force u_accelerator.u_call_unit.u_cluster.error_parts = 1'b1;
                else          release u_accelerator.u_call_unit.u_cluster.error_parts;
                if (fault[2]) force
                    u_accelerator.u_call_unit.u_cluster.g_engine[0].error_v_count = 1'b1;
                else release
                    u_accelerator.u_call_unit.u_cluster.g_engine[0].error_v_count;
                if (fault[3]) force
                    u_accelerator.u_call_unit.u_cluster.g_engine[ENGINES-1].error_order = 1'b1;
                else release
                    u_accelerator.u_call_unit.u_cluster.g_engine[ENGINES-1].error_order;
            end
            always @(show) begin
                case (show)
                    2'd1:    force u_accelerator.u_call_unit.u_cluster.all_counters = shown;
                    2'd2:    force u_accelerator.u_call_unit.u_cluster.all_counters = ~shown;
                    default: release u_accelerator.u_call_unit.u_cluster.all_counters;
                endcase
            end
        end
    endgenerate

    // ---- samples
    reg  [31:0] cycle_q, wait_q;
    reg  [31:0] k_blocks_q, v_blocks_q;
    wire [ENGINES*COUNTERS*COUNTER_BITS-1:0] counters =
        u_accelerator.u_call_unit.u_cluster.all_counters;
    integer file;
    initial begin
        file = 0;
    end
    always @(posedge clk) begin
        if (!rst_n) begin
            cycle_q    <= 32'd0;
            wait_q     <= 32'd0;
            k_blocks_q <= 32'd0;
            v_blocks_q <= 32'd0;
        end else begin
            cycle_q    <= cycle_q + 1'b1;
            k_blocks_q <= k_blocks_q + {31'd0, u_accelerator.ev_k_block};
            v_blocks_q <= v_blocks_q + {31'd0, u_accelerator.ev_v_block};
            wait_q     <= (wait_q + 1'b1 >= sample_cycles) ? 32'd0 : wait_q + 1'b1;
            if (sample_cycles != 0 && wait_q == 0) begin
                if (file == 0) begin
                    file = $fopen(SAMPLES, "w");
                end
                $fwrite(file, "%h %h %h %h %h %h\n", cycle_q, beats_read[47:0],
                        beats_written[47:0], k_blocks_q, v_blocks_q, counters);
            end
        end
    end

endmodule

`default_nettype wire
