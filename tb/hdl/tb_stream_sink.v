// SPDX-License-Identifier: Apache-2.0
// tb_stream_sink: drives ready from FILE, which holds records of 8 bytes, most significant byte
// first: cycles ready, then cycles not ready. At the end of the file it begins again.
`default_nettype none

module tb_stream_sink #(
    parameter FILE = "sink.bin"
) (
    input  wire clk,
    input  wire start,
    output reg  ready
);

    reg [63:0] record;
    reg [31:0] on_left, off_left;
    integer    file, got;

    initial begin
        ready = 1'b0;
        on_left = 0;
        off_left = 0;
        file = 0;
    end

    always @(posedge clk) begin
        if (start) begin
            if (file != 0) begin
                $fclose(file);
            end
            file = $fopen(FILE, "rb");
            if (file == 0) begin
                $display("ERROR: %m cannot open %0s", FILE);
                $finish;
            end
            on_left  = 0;
            off_left = 0;
            ready   <= 1'b0;
        end else if (file != 0) begin
            if (on_left == 0 && off_left == 0) begin
                got = $fread(record, file);
                if (got == 0) begin
                    got = $rewind(file);
                    got = $fread(record, file);
                end
                on_left  = record[63:32];
                off_left = record[31:0];
            end
            if (on_left != 0) begin
                ready  <= 1'b1;
                on_left = on_left - 1;
            end else begin
                ready   <= 1'b0;
                off_left = off_left - 1;
            end
        end
    end

endmodule

`default_nettype wire
