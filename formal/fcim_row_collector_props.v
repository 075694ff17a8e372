// SPDX-License-Identifier: Apache-2.0
// fcim_row_collector_props: what fcim_row_collector promises, in proofs.yaml in words.
`default_nettype none

module fcim_row_collector_props #(
    parameter  ENGINES = 5,
    parameter  WIDTH = 6,
    localparam ENGINE_BITS = (ENGINES > 1) ? $clog2(ENGINES) : 1
) (
    input  wire                     clk,
    input  wire                     rst_n,
    input  wire [ENGINES-1:0]       s_o_valid,
    input  wire [ENGINES*WIDTH-1:0] s_o_data,
    input  wire                     m_o_ready,
    input  wire [ENGINE_BITS-1:0]   one,        // two engines that are followed, always the same
    input  wire [ENGINE_BITS-1:0]   other
);

    wire [ENGINES-1:0]     s_o_ready;
    wire                   m_o_valid;
    wire [ENGINE_BITS-1:0] m_o_engine;
    wire [WIDTH-1:0]       m_o_data;
    fcim_row_collector #(.ENGINES(ENGINES), .WIDTH(WIDTH)) dut (
        .clk(clk), .rst_n(rst_n),
        .s_o_valid(s_o_valid), .s_o_ready(s_o_ready), .s_o_data(s_o_data),
        .m_o_valid(m_o_valid), .m_o_ready(m_o_ready), .m_o_engine(m_o_engine),
        .m_o_data(m_o_data)
    );

    reg begun_q = 1'b0;
    reg [ENGINE_BITS-1:0] one_q, other_q;
    always @(posedge clk) begin
        begun_q <= 1'b1;
        one_q   <= one;
        other_q <= other;
    end
    always @* begin
        two_engines: assume (one < ENGINES && other < ENGINES && one != other);
        if (begun_q) begin
            same_ones: assume (one == one_q && other == other_q);
        end else begin
            reset_first: assume (!rst_n);
        end
    end

    // ---- rows of the one, of which one may be inside, and whose last tile ended longer ago
    wire             kept;
    wire [WIDTH-1:0] data = s_o_data[one*WIDTH +: WIDTH];
    wire [ENGINES-1:0] takes = s_o_valid & s_o_ready;
    wire             enters = takes[one];
    wire             passes = takes[other];
    wire             leaves = m_o_valid && m_o_ready && m_o_engine == one;
    wire             ends   = enters && data[WIDTH-1];
    wire             lasts  = passes && s_o_data[other*WIDTH + WIDTH - 1];
    reg              inside_q, older_q;
    reg [WIDTH-1:0]  data_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            inside_q <= 1'b0;
            older_q  <= (one < other);
        end else begin
            inside_q <= enters || (inside_q && !leaves);
            older_q  <= (older_q || lasts) && !ends;
        end
        if (enters) begin
            data_q <= data;
        end
    end
    fcim_held #(.WIDTH(WIDTH + ENGINE_BITS)) u_held (
        .clk(clk), .rst_n(rst_n), .valid(m_o_valid), .ready(m_o_ready),
        .data({m_o_engine, m_o_data}), .ok(kept)
    );

    // ---- the order of all engines, of which every two have one and which has no circle
    reg orders;
    integer e, f, g;
    always @* begin
        orders = 1'b1;
        for (e = 0; e < ENGINES; e = e + 1) begin
            for (f = 0; f < ENGINES; f = f + 1) begin
                orders = orders && (e == f ? !dut.first_q[e*ENGINES + f]
                         : dut.first_q[e*ENGINES + f] != dut.first_q[f*ENGINES + e]);
                for (g = 0; g < ENGINES; g = g + 1) begin
                    orders = orders && !(dut.first_q[e*ENGINES + f] && dut.first_q[f*ENGINES + g]
                                         && !dut.first_q[e*ENGINES + g]);
                end
            end
        end
    end

    always @* begin
        if (begun_q) begin
            order:   assert (!(m_o_valid && m_o_engine == one) || (inside_q && m_o_data == data_q));
            lost:    assert (!inside_q || (m_o_valid && m_o_engine == one));
            real_one: assert (!m_o_valid || m_o_engine < ENGINES);
            one_row: assert ((takes & (takes - 1'b1)) == 0);
            soon:    assert ((takes != 0) == (s_o_valid != 0 && (!m_o_valid || m_o_ready)));
            oldest:  assert (!(s_o_valid[one] && passes) || !older_q);
            held:    assert (kept);

            lemma_order: assert (orders);
            lemma_older: assert (dut.first_q[one*ENGINES + other] == older_q);
        end
    end

    always @* begin
        passed_by: cover (begun_q && rst_n && s_o_valid[one] && passes && !older_q && one < other);
        all_wait:  cover (begun_q && rst_n && s_o_valid == {ENGINES{1'b1}} && m_o_valid
                          && m_o_engine == one && m_o_ready && enters);
    end

endmodule

`default_nettype wire
