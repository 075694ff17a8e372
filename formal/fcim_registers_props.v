// SPDX-License-Identifier: Apache-2.0
// fcim_registers_props: what fcim_registers promises its bus, in proofs.yaml in words.
`default_nettype none

module fcim_registers_props #(
    parameter ENGINES = 16
) (
    input  wire        clk,
    input  wire        rst_n,
    input  wire        awvalid,
    input  wire [11:0] awaddr,
    input  wire        wvalid,
    input  wire [31:0] wdata,
    input  wire [3:0]  wstrb,
    input  wire        bready,
    input  wire        arvalid,
    input  wire [11:0] araddr,
    input  wire        rready,
    input  wire [15:0] head,
    input  wire        busy,
    input  wire        halted,
    input  wire        resetting,
    input  wire [6:0]  events,
    input  wire [3:0]  bus_errors,
    input  wire [63:0] read_address,
    input  wire [63:0] write_address,
    input  wire [6:0]  counts,
    input  wire [1247:0] engine_counters
);

    wire        awready, wready, bvalid, arready, rvalid, irq, soft_reset, enable;
    wire        clear_errors, clear_counters;
    wire [1:0]  bresp, rresp;
    wire [31:0] rdata;
    wire [63:7] ring_base;
    wire [3:0]  ring_size;
    wire [15:0] tail;
    fcim_registers #(.ENGINES(ENGINES)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_axil_awvalid(awvalid), .s_axil_awready(awready), .s_axil_awaddr(awaddr),
        .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_wdata(wdata),
        .s_axil_wstrb(wstrb), .s_axil_bvalid(bvalid), .s_axil_bready(bready),
        .s_axil_bresp(bresp), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
        .s_axil_araddr(araddr), .s_axil_rvalid(rvalid), .s_axil_rready(rready),
        .s_axil_rdata(rdata), .s_axil_rresp(rresp),
        .irq(irq), .soft_reset(soft_reset), .enable(enable), .ring_base(ring_base),
        .ring_size(ring_size), .tail(tail), .head(head), .busy(busy), .halted(halted),
        .resetting(resetting),
        .event_done(events[0]), .event_refused(events[1]), .event_read(events[2]),
        .event_write(events[3]), .event_engine(events[4]), .event_completion(events[5]),
        .event_unreadable(events[6]),
        .clear_errors(clear_errors), .read_slave(bus_errors[0]), .read_decode(bus_errors[1]),
        .read_address(read_address), .write_slave(bus_errors[2]), .write_decode(bus_errors[3]),
        .write_address(write_address),
        .clear_counters(clear_counters), .count_cycle(counts[0]), .count_call(counts[1]),
        .count_read_beat(counts[2]), .count_write_beat(counts[3]), .count_k_block(counts[4]),
        .count_v_block(counts[5]), .count_row(counts[6]), .engine_select(),
        .engine_counters(engine_counters)
    );

    reg begun_q = 1'b0;
    always @(posedge clk) begin
        begun_q <= 1'b1;
    end
    always @* begin
        if (!begun_q) begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- what was accepted and not answered: addresses and data of writes, addresses of reads
    reg [1:0]  aw_q, w_q, ar_q;
    reg [2:0]  b_late_q, r_late_q;      // cycles that an answer is due and not there
    wire       aw = awvalid && awready, w = wvalid && wready, b = bvalid && bready;
    wire       ar = arvalid && arready, r = rvalid && rready;
    wire       b_due = aw_q != 0 && w_q != 0 && !bvalid;
    wire       r_due = ar_q != 0 && !rvalid;
    always @(posedge clk) begin
        aw_q     <= !rst_n ? 2'd0 : aw_q + {1'b0, aw} - {1'b0, b};
        w_q      <= !rst_n ? 2'd0 : w_q + {1'b0, w} - {1'b0, b};
        ar_q     <= !rst_n ? 2'd0 : ar_q + {1'b0, ar} - {1'b0, r};
        b_late_q <= (!rst_n || !b_due) ? 3'd0 : b_late_q + {2'd0, b_late_q != 3'd7};
        r_late_q <= (!rst_n || !r_due) ? 3'd0 : r_late_q + {2'd0, r_late_q != 3'd7};
    end

    // ---- whether the address that an answer is for is that of no register, and of the one that
    // was accepted behind it
    localparam [11:0] END = 12'd172;
    reg        r_bad_q, b_bad_q, next_r_bad_q, next_b_bad_q;
    always @(posedge clk) begin
        if (ar) begin
            next_r_bad_q <= (araddr >= END);
        end
        if (dut.read) begin
            r_bad_q <= next_r_bad_q;
        end
        if (aw) begin
            next_b_bad_q <= (awaddr >= END);
        end
        if (dut.write) begin
            b_bad_q <= next_b_bad_q;
        end
    end

    wire b_kept, r_kept;
    fcim_held #(.WIDTH(2)) u_b_held (
        .clk(clk), .rst_n(rst_n), .valid(bvalid), .ready(bready), .data(bresp), .ok(b_kept)
    );
    fcim_held #(.WIDTH(34)) u_r_held (
        .clk(clk), .rst_n(rst_n), .valid(rvalid), .ready(rready), .data({rresp, rdata}),
        .ok(r_kept)
    );

    always @* begin
        if (begun_q) begin
            b_once:   assert (!bvalid || (aw_q != 0 && w_q != 0));
            r_once:   assert (!rvalid || ar_q != 0);
            b_held:   assert (b_kept);
            r_held:   assert (r_kept);
            b_soon:   assert (b_late_q < 2);
            r_soon:   assert (r_late_q < 4);
            b_error:  assert (!bvalid || bresp == (b_bad_q ? 2'b10 : 2'b00));
            r_error:  assert (!rvalid || rresp == (r_bad_q ? 2'b10 : 2'b00));
            few:      assert (aw_q <= 2 && w_q <= 2 && ar_q <= 2);

            lemma_aw: assert (aw_q == {1'b0, dut.aw_q} + {1'b0, dut.b_q});
            lemma_w:  assert (w_q == {1'b0, dut.w_q} + {1'b0, dut.b_q});
            lemma_ar: assert (ar_q == {1'b0, dut.ar_q} + {1'b0, dut.r_q});
            lemma_b:  assert (b_late_q <= 1 && (b_late_q == 0 || dut.b_q));
            lemma_r:  assert ((!dut.ar_q || dut.wait_q <= (dut.r_q ? 2 : 2 - r_late_q))
                              && (r_late_q == 0 || dut.r_q || (dut.ar_q && r_late_q <= 2))
                              && r_late_q <= 3);
            lemma_bad:  assert ((!dut.ar_q || (dut.ar_word_q >= 43) == next_r_bad_q)
                                && (!dut.aw_q || (dut.aw_word_q >= 43) == next_b_bad_q));
            lemma_resp: assert ((!dut.r_q || dut.r_bad_q == r_bad_q)
                                && (!dut.b_q || dut.b_bad_q == b_bad_q));
        end
    end

    always @* begin
        two_writes: cover (begun_q && rst_n && aw_q == 2 && w_q == 1 && bvalid && !bready);
        bad_read:   cover (begun_q && rst_n && r && rresp == 2'b10 && ar_q == 2);
    end

endmodule

`default_nettype wire
