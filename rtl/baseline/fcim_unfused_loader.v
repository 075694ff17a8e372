// SPDX-License-Identifier: Apache-2.0
// fcim_unfused_loader: the operation LOAD: rows of cells from the buffer into one bank of macros,
// ROWS into each, one after the other; a row's multiplier and the sum of its elements go to where
// scores are made.
//
// Latency:    The first row is asked for 1 cycle after the start, written to its cells 1 cycle
//             later, its entry 1 cycle later; done is high with the last entry.
// Throughput: A row per cycle; the next operation may start with the last row's read.
// Cuts:       cell_rd and the address are registered; cell_data reaches the cells' write port.
// Numbers:    An entry is {multiplier, sum of HEAD_DIM signed bytes}.
`default_nettype none

module fcim_unfused_loader #(
    parameter  MACROS = 8,          // 1, 2, 4, 8, 16 or 32
    parameter  ROWS = 64,           // rows of cells of a macro
    parameter  HEAD_DIM = 128,      // cells of a row
    parameter  BANK_BITS = 1,       // index of a bank
    localparam ROW_BITS = $clog2(ROWS),  // index of a row of cells
    localparam MACRO_BITS = (MACROS > 1) ? $clog2(MACROS) : 1,  // index of a macro
    localparam CELL_ROW_BITS = ROW_BITS + MACRO_BITS + 1,   // rows of cells of all macros
    localparam KEY_BITS = 17,       // address of a row in the buffer
    localparam MULT_BITS = 16,      // multiplier, unsigned
    localparam ELEM_SUM_BITS = 8 + $clog2(HEAD_DIM),        // sum of HEAD_DIM bytes
    localparam ENTRY_BITS = MULT_BITS + ELEM_SUM_BITS  // what is kept of a key beside its cells
) (
    input  wire                     clk,
    input  wire                     rst_n,

    input  wire                     start,
    output wire                     ready,
    input  wire                     op_values,
    input  wire [BANK_BITS-1:0]     op_bank,
    input  wire [MACRO_BITS-1:0]    op_macro,
    input  wire [KEY_BITS-1:0]      op_base,
    input  wire [CELL_ROW_BITS-1:0] op_rows,
    output wire                     done,

    // the buffer, data one cycle later
    output wire                     cell_rd,
    output wire                     cell_values,
    output wire [KEY_BITS-1:0]      cell_address,
    input  wire [HEAD_DIM*8-1:0]    cell_data,
    input  wire [MULT_BITS-1:0]     cell_mult,

    // the cells
    output wire [MACROS-1:0]        we,
    output wire [BANK_BITS-1:0]     we_bank,
    output wire [ROW_BITS-1:0]      we_row,
    output wire [HEAD_DIM*8-1:0]    we_data,

    // the entries
    output wire                     entry_we,
    output wire [BANK_BITS-1:0]     entry_bank,
    output wire [MACRO_BITS-1:0]    entry_macro,
    output wire [ROW_BITS-1:0]      entry_row,
    output wire [ENTRY_BITS-1:0]    entry
);

    reg                     active_q, values_q;
    reg [BANK_BITS-1:0]     bank_q;
    reg [MACRO_BITS-1:0]    macro_q;
    reg [ROW_BITS-1:0]      row_q;
    reg [KEY_BITS-1:0]      address_q;
    reg [CELL_ROW_BITS-1:0] left_q;
    wire last     = active_q && left_q == {{(CELL_ROW_BITS-1){1'b0}}, 1'b1};
    wire full     = row_q == ROWS[ROW_BITS-1:0] - 1'b1;
    assign ready        = !active_q || last;
    assign cell_rd      = active_q;
    assign cell_values  = values_q;
    assign cell_address = address_q;

    // ---- reads
    always @(posedge clk) begin
        if (!rst_n) begin
            active_q <= 1'b0;
        end else begin
            active_q <= start || (active_q && !last);
        end
    end
    always @(posedge clk) begin
        if (start) begin
            values_q  <= op_values;
            bank_q    <= op_bank;
            macro_q   <= op_macro;
            row_q     <= {ROW_BITS{1'b0}};
            address_q <= op_base;
            left_q    <= op_rows;
        end else if (active_q) begin
            row_q     <= full ? {ROW_BITS{1'b0}} : row_q + 1'b1;
            macro_q   <= macro_q + {{(MACRO_BITS-1){1'b0}}, full};
            address_q <= address_q + 1'b1;
            left_q    <= left_q - 1'b1;
        end
    end

    // ---- a row of cells
    reg                  read_q, read_last_q;
    reg [BANK_BITS-1:0]  read_bank_q;
    reg [MACRO_BITS-1:0] read_macro_q;
    reg [ROW_BITS-1:0]   read_row_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            read_q <= 1'b0;
        end else begin
            read_q <= active_q;
        end
    end
    always @(posedge clk) begin
        if (active_q) begin
            read_last_q  <= last;
            read_bank_q  <= bank_q;
            read_macro_q <= macro_q;
            read_row_q   <= row_q;
        end
    end
    genvar m;
    generate
        for (m = 0; m < MACROS; m = m + 1) begin : g_macro
            assign we[m] = read_q && read_macro_q == m[MACRO_BITS-1:0];
        end
    endgenerate
    assign we_bank = read_bank_q;
    assign we_row  = read_row_q;
    assign we_data = cell_data;

    // ---- its entry
    reg signed [ELEM_SUM_BITS-1:0] sum;
    always @* begin : elements
        integer d;
        sum = {ELEM_SUM_BITS{1'b0}};
        for (d = 0; d < HEAD_DIM; d = d + 1) begin
            sum = sum + $signed({{(ELEM_SUM_BITS-8){cell_data[d*8 + 7]}}, cell_data[d*8 +: 8]});
        end
    end
    reg                  entry_q, entry_last_q;
    reg [BANK_BITS-1:0]  entry_bank_q;
    reg [MACRO_BITS-1:0] entry_macro_q;
    reg [ROW_BITS-1:0]   entry_row_q;
    reg [ENTRY_BITS-1:0] value_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            entry_q <= 1'b0;
        end else begin
            entry_q <= read_q;
        end
    end
    always @(posedge clk) begin
        if (read_q) begin
            entry_last_q  <= read_last_q;
            entry_bank_q  <= read_bank_q;
            entry_macro_q <= read_macro_q;
            entry_row_q   <= read_row_q;
            value_q       <= {cell_mult, sum};
        end
    end
    assign entry_we    = entry_q;
    assign entry_bank  = entry_bank_q;
    assign entry_macro = entry_macro_q;
    assign entry_row   = entry_row_q;
    assign entry       = value_q;
    assign done        = entry_q && entry_last_q;

endmodule

`default_nettype wire
