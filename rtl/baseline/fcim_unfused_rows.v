// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_rows: what is kept of each row between its passes: position, running maximum,
// denominator. A row's place is its number modulo SLOTS.
//
// Latency:    A word comes one cycle after its read, and stays until the next read of its port.
// Throughput: A write of each kind and a read of each port per cycle.
// Cuts:       Reads are registered, as in fcim_ram.
// Numbers:    Running maximum of the scores in S, a signed integer; denominator unsigned.
`default_nettype none

module fcim_unfused_rows #(
    parameter  SLOTS = 1024,        // rows: a power of two, 2 or more
    localparam SLOT_BITS = $clog2(SLOTS),  // index of a slot
    localparam KEY_BITS = 17,       // position, unsigned
    localparam MAX_BITS = 8,        // running maximum, signed
    localparam SUM_BITS = 24        // denominator, unsigned
) (
    input  wire                 clk,

    // QK: a row's maximum so far, and what it is now
    input  wire                 max_rd,
    input  wire [SLOT_BITS-1:0] max_rd_slot,
    output wire [MAX_BITS-1:0]  max_rd_data,
    input  wire                 max_we,
    input  wire [SLOT_BITS-1:0] max_slot,
    input  wire [MAX_BITS-1:0]  max_data,
    input  wire [KEY_BITS-1:0]  max_pos,

    // SOFTMAX: a row to begin with; its denominator so far, and what it is now
    input  wire                 row_rd,
    input  wire [SLOT_BITS-1:0] row_slot,
    output wire [KEY_BITS-1:0]  row_pos,
    output wire [MAX_BITS-1:0]  row_max,
    input  wire                 sum_rd,
    input  wire [SLOT_BITS-1:0] sum_rd_slot,
    output wire [SUM_BITS-1:0]  sum_rd_data,
    input  wire                 sum_we,
    input  wire [SLOT_BITS-1:0] sum_slot,
    input  wire [SUM_BITS-1:0]  sum_data,

    // PV
    input  wire                 pv_rd,
    input  wire [SLOT_BITS-1:0] pv_slot,
    output wire [KEY_BITS-1:0]  pv_pos,
    output wire [SUM_BITS-1:0]  pv_sum
);

    fcim_ram #(.WORDS(SLOTS), .WIDTH(MAX_BITS)) u_max (
        .clk(clk), .we(max_we), .wr_address(max_slot), .wr_data(max_data),
        .rd(max_rd), .rd_address(max_rd_slot), .rd_data(max_rd_data)
    );
    fcim_ram #(.WORDS(SLOTS), .WIDTH(KEY_BITS + MAX_BITS)) u_row (
        .clk(clk), .we(max_we), .wr_address(max_slot), .wr_data({max_pos, max_data}),
        .rd(row_rd), .rd_address(row_slot), .rd_data({row_pos, row_max})
    );
    fcim_ram #(.WORDS(SLOTS), .WIDTH(SUM_BITS)) u_sum (
        .clk(clk), .we(sum_we), .wr_address(sum_slot), .wr_data(sum_data),
        .rd(sum_rd), .rd_address(sum_rd_slot), .rd_data(sum_rd_data)
    );
    fcim_ram #(.WORDS(SLOTS), .WIDTH(KEY_BITS)) u_pv_pos (
        .clk(clk), .we(max_we), .wr_address(max_slot), .wr_data(max_pos),
        .rd(pv_rd), .rd_address(pv_slot), .rd_data(pv_pos)
    );
    fcim_ram #(.WORDS(SLOTS), .WIDTH(SUM_BITS)) u_pv_sum (
        .clk(clk), .we(sum_we), .wr_address(sum_slot), .wr_data(sum_data),
        .rd(pv_rd), .rd_address(pv_slot), .rd_data(pv_sum)
    );

endmodule

`default_nettype wire
