// SPDX-License-Identifier: Apache-2.0
// tb_core: fcim_core between streams that are played from files and recorded into files, in the
// folder of the run.
//
// One run: rst_n low for some cycles, start for one cycle, then wait until rows_out and chunks_out
// are what is due, finish for one cycle. Reads q.bin, k.bin, v.bin (tb_stream_source), o_ready.bin,
// part_ready.bin, decision_ready.bin (tb_stream_sink); writes *_beats.bin, and of o, part and
// decision also *_beats.bin.ready (tb_stream_recorder), and states.bin: pairs of 32-bit words, a
// state of the core and the cycles that it spent in it (bits: see `state` below).
`default_nettype none

module tb_core #(
    parameter ROWS = 64,
    parameter HEAD_DIM = 128,
    parameter BITS_PER_CYCLE = 1,
    parameter KEYS_PER_BLOCK = 16,
    parameter PROB_BITS = 18,
    parameter MAX_KEYS = 131072,
    parameter SUM_CUT = 0
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             start,
    input  wire             finish,
    output wire [31:0]      rows_out,
    output wire [31:0]      chunks_out,
    output wire [31:0]      keys_in,
    output wire [31:0]      q_in,
    output wire [31:0]      v_in,
    output reg              done,   // rows_out and chunks_out have reached what is due
    input  wire [31:0]      rows_due,
    input  wire [31:0]      chunks_due,
    output wire             protocol_error,
    output wire             error_v_count,
    output wire [26*48-1:0] counters,
    output reg [31:0]       cycle
);

    localparam POS_BITS = $clog2(MAX_KEYS) + 1;
    localparam Q_BITS   = HEAD_DIM * 8 + POS_BITS + 16 + 6 + 4 + 4 + 5;
    localparam K_BITS   = HEAD_DIM * 8 + POS_BITS + 16 + 4 + 1;
    localparam V_BITS   = HEAD_DIM * 8 + 1;
    localparam O_BITS   = HEAD_DIM * 16 + 2;
    localparam D_BITS   = 2;
    localparam SUM_BITS = PROB_BITS + $clog2(MAX_KEYS) - SUM_CUT;
    localparam ACCS     = HEAD_DIM * BITS_PER_CYCLE / 8 * (SUM_BITS + 8);   // bits of a chunk
    localparam P_BITS   = ACCS + SUM_BITS + 10 + 1;
    localparam STATES   = 1 << 19;

    wire [Q_BITS-1:0] q;
    wire [K_BITS-1:0] k;
    wire [V_BITS-1:0] v;
    wire [O_BITS-1:0] o;
    wire [P_BITS-1:0] part;
    wire [D_BITS-1:0] decision;
    wire              q_valid, q_ready, k_valid, k_ready, v_valid, v_ready, o_valid, o_ready;
    wire              part_valid, part_ready, decision_valid, decision_ready;
    wire              q_error, k_error, v_error, o_error, part_error, decision_error;

    fcim_core #(
        .ROWS(ROWS), .HEAD_DIM(HEAD_DIM), .BITS_PER_CYCLE(BITS_PER_CYCLE),
        .KEYS_PER_BLOCK(KEYS_PER_BLOCK), .PROB_BITS(PROB_BITS), .MAX_KEYS(MAX_KEYS),
        .SUM_CUT(SUM_CUT)
    ) dut (
        .clk(clk), .rst_n(rst_n),
        .s_q_valid(q_valid), .s_q_ready(q_ready), .s_q_data(q[HEAD_DIM*8-1:0]),
        .s_q_pos(q[HEAD_DIM*8 +: POS_BITS]), .s_q_mult(q[HEAD_DIM*8+POS_BITS +: 16]),
        .s_q_shift(q[HEAD_DIM*8+POS_BITS+16 +: 6]), .s_q_tau(q[HEAD_DIM*8+POS_BITS+22 +: 4]),
        .s_q_fused(q[Q_BITS-9]), .s_q_skip(q[Q_BITS-8]), .s_q_octaves(q[Q_BITS-3 -: 5]),
        .s_q_partial(q[Q_BITS-2]), .s_q_last(q[Q_BITS-1]), .s_k_valid(k_valid), .s_k_ready(k_ready),
        .s_k_data(k[HEAD_DIM*8-1:0]), .s_k_pos(k[HEAD_DIM*8 +: POS_BITS]),
        .s_k_mult(k[HEAD_DIM*8+POS_BITS +: 16]), .s_k_v_mult(k[HEAD_DIM*8+POS_BITS+16 +: 4]),
        .s_k_last(k[K_BITS-1]),
        .m_decision_valid(decision_valid), .m_decision_ready(decision_ready),
        .m_decision_skip(decision[0]), .m_decision_last(decision[1]),
        .s_v_valid(v_valid), .s_v_ready(v_ready), .s_v_data(v[HEAD_DIM*8-1:0]),
        .s_v_last(v[V_BITS-1]),
        .m_o_valid(o_valid), .m_o_ready(o_ready), .m_o_data(o[HEAD_DIM*16-1:0]),
        .m_o_empty(o[O_BITS-2]), .m_o_last(o[O_BITS-1]),
        .m_part_valid(part_valid), .m_part_ready(part_ready), .m_part_acc(part[ACCS-1:0]),
        .m_part_sum(part[ACCS +: SUM_BITS]), .m_part_max(part[ACCS+SUM_BITS +: 10]),
        .m_part_last(part[P_BITS-1]),
        .clear(1'b0), .tile_done(), .error_v_count(error_v_count), .counters(counters)
    );

    tb_stream_source #(.WIDTH(Q_BITS), .FILE("q.bin")) u_q (
        .clk(clk), .rst_n(rst_n), .start(start), .valid(q_valid), .ready(q_ready), .payload(q)
    );
    tb_stream_source #(.WIDTH(K_BITS), .FILE("k.bin")) u_k (
        .clk(clk), .rst_n(rst_n), .start(start), .valid(k_valid), .ready(k_ready), .payload(k)
    );
    tb_stream_source #(.WIDTH(V_BITS), .FILE("v.bin")) u_v (
        .clk(clk), .rst_n(rst_n), .start(start), .valid(v_valid), .ready(v_ready), .payload(v)
    );
    tb_stream_sink #(.FILE("o_ready.bin")) u_o (.clk(clk), .start(start), .ready(o_ready));
    tb_stream_sink #(.FILE("part_ready.bin")) u_part (
        .clk(clk), .start(start), .ready(part_ready)
    );
    tb_stream_sink #(.FILE("decision_ready.bin")) u_decision (
        .clk(clk), .start(start), .ready(decision_ready)
    );

    tb_stream_recorder #(.WIDTH(Q_BITS), .FILE("q_beats.bin")) u_q_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(q_valid), .ready(q_ready), .payload(q), .count(q_in), .error(q_error)
    );
    tb_stream_recorder #(.WIDTH(K_BITS), .FILE("k_beats.bin")) u_k_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(k_valid), .ready(k_ready), .payload(k), .count(keys_in), .error(k_error)
    );
    tb_stream_recorder #(.WIDTH(V_BITS), .FILE("v_beats.bin")) u_v_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(v_valid), .ready(v_ready), .payload(v), .count(v_in), .error(v_error)
    );
    tb_stream_recorder #(.WIDTH(O_BITS), .FILE("o_beats.bin"), .READY_CHANGES(1)) u_o_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(o_valid), .ready(o_ready), .payload(o), .count(rows_out), .error(o_error)
    );
    tb_stream_recorder #(.WIDTH(P_BITS), .FILE("part_beats.bin"), .READY_CHANGES(1)) u_part_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(part_valid), .ready(part_ready), .payload(part), .count(chunks_out),
        .error(part_error)
    );
    tb_stream_recorder #(
        .WIDTH(D_BITS), .FILE("decision_beats.bin"), .READY_CHANGES(1)
    ) u_decision_beats (
        .clk(clk), .rst_n(rst_n), .start(start), .finish(finish), .cycle(cycle),
        .valid(decision_valid), .ready(decision_ready), .payload(decision), .count(),
        .error(decision_error)
    );

    assign protocol_error = q_error || k_error || v_error || o_error || part_error
                            || decision_error;

    // ---- what the core was doing, cycle by cycle
    wire [1:0]  tiles = (dut.tiles_q > 3) ? 2'd3 : dut.tiles_q[1:0];
    wire [18:0] state = {
        part_ready, part_valid,                 // 18:17
        decision_ready, decision_valid,         // 16:15
        tiles,                                  // 14:13 tiles in flight, 3 means more than 2
        dut.rd_en,                              // 12 accumulators are read out
        dut.op_active,                          // 11 the OP-CIM's array switches
        dut.p_we,                               // 10 exponentials are written
        dut.col_valid && !dut.col_ready,        // 9 a column waits for the softmax unit
        dut.ip_active,                          // 8 the IP-CIM's array switches
        o_ready, o_valid, v_ready, v_valid, k_ready, k_valid, q_ready, q_valid
    };
    reg     [31:0] spent [0:STATES-1];
    integer        i, file;

    initial begin
        cycle = 0;
        done = 1'b0;
        for (i = 0; i < STATES; i = i + 1) begin
            spent[i] = 0;
        end
    end

    always @(posedge clk) begin
        cycle <= cycle + 1;
        done  <= !start && rst_n && (rows_due != 0 || chunks_due != 0)
                 && rows_out >= rows_due && chunks_out >= chunks_due;
        if (start) begin
            for (i = 0; i < STATES; i = i + 1) begin
                spent[i] = 0;
            end
        end else if (finish) begin
            file = $fopen("states.bin", "wb");
            for (i = 0; i < STATES; i = i + 1) begin
                if (spent[i] != 0) begin
                    $fwrite(file, "%u%u", i, spent[i]);
                end
            end
            $fclose(file);
        end else if (rst_n) begin
            spent[state] = spent[state] + 1;
        end
    end

endmodule

`default_nettype wire
