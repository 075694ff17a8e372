// SPDX-License-Identifier: Apache-2.0
// fcim_address: where something lies that is found by two indices: base + i * i_stride +
// j * j_stride. A tag comes out beside the address that it went in with.
//
// Latency:    3 cycles, one more for every cycle in which an address waits at the output.
// Throughput: An address per cycle.
// Cuts:       m_address comes from registers; m_address_ready reaches s_address_ready.
// Numbers:    Unsigned; addresses are modulo 2**64.
`default_nettype none

module fcim_address #(
    parameter  TAG_BITS = 8,              // what goes with an address: 1 or more
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam INDEX_BITS = 24,           // an index
    localparam STRIDE_BITS = 32           // bytes from one index to the next
) (
    input  wire                    clk,
    input  wire                    rst_n,

    input  wire                    s_address_valid,
    output wire                    s_address_ready,
    input  wire [ADDRESS_BITS-1:0] s_address_base,
    input  wire [INDEX_BITS-1:0]   s_address_i,
    input  wire [STRIDE_BITS-1:0]  s_address_i_stride,
    input  wire [INDEX_BITS-1:0]   s_address_j,
    input  wire [STRIDE_BITS-1:0]  s_address_j_stride,
    input  wire [TAG_BITS-1:0]     s_address_tag,

    output wire                    m_address_valid,
    input  wire                    m_address_ready,
    output wire [ADDRESS_BITS-1:0] m_address_address,
    output wire [TAG_BITS-1:0]     m_address_tag
);

    localparam HALF_BITS = INDEX_BITS / 2;              // half of an index
    localparam PART_BITS = STRIDE_BITS + HALF_BITS;     // product of a stride and such a half
    localparam SUM_BITS = PART_BITS + 1;                // sum of two of them

    reg  valid_q, valid_q2, valid_q3;
    wire step = !valid_q3 || m_address_ready;       // all stages move together

    always @(posedge clk) begin
        if (!rst_n) begin
            valid_q  <= 1'b0;
            valid_q2 <= 1'b0;
            valid_q3 <= 1'b0;
        end else if (step) begin
            valid_q  <= s_address_valid;
            valid_q2 <= valid_q;
            valid_q3 <= valid_q2;
        end
    end

    // ---- products of the halves of both indices; their sums; the address
    reg [PART_BITS-1:0]    i_low_q, i_high_q, j_low_q, j_high_q;
    reg [SUM_BITS-1:0]     low_q2, high_q2;
    reg [ADDRESS_BITS-1:0] base_q, base_q2, address_q3;
    reg [TAG_BITS-1:0]     tag_q, tag_q2, tag_q3;

    always @(posedge clk) begin
        if (step) begin
            i_low_q    <= {{STRIDE_BITS{1'b0}}, s_address_i[HALF_BITS-1:0]}
                          * {{HALF_BITS{1'b0}}, s_address_i_stride};
            i_high_q   <= {{STRIDE_BITS{1'b0}}, s_address_i[INDEX_BITS-1:HALF_BITS]}
                          * {{HALF_BITS{1'b0}}, s_address_i_stride};
            j_low_q    <= {{STRIDE_BITS{1'b0}}, s_address_j[HALF_BITS-1:0]}
                          * {{HALF_BITS{1'b0}}, s_address_j_stride};
            j_high_q   <= {{STRIDE_BITS{1'b0}}, s_address_j[INDEX_BITS-1:HALF_BITS]}
                          * {{HALF_BITS{1'b0}}, s_address_j_stride};
            base_q     <= s_address_base;
            tag_q      <= s_address_tag;

            low_q2     <= {1'b0, i_low_q} + {1'b0, j_low_q};
            high_q2    <= {1'b0, i_high_q} + {1'b0, j_high_q};
            base_q2    <= base_q;
            tag_q2     <= tag_q;

            address_q3 <= base_q2 + {{(ADDRESS_BITS-SUM_BITS){1'b0}}, low_q2}
                          + {{(ADDRESS_BITS-SUM_BITS-HALF_BITS){1'b0}}, high_q2,
                             {HALF_BITS{1'b0}}};
            tag_q3     <= tag_q2;
        end
    end

    assign s_address_ready   = step;
    assign m_address_valid   = valid_q3;
    assign m_address_address = address_q3;
    assign m_address_tag     = tag_q3;

endmodule

`default_nettype wire
