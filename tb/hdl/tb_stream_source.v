// SPDX-License-Identifier: Apache-2.0
// tb_stream_source: plays a recorded stream into the design, so that no beat has to cross the
// simulator's interface.
//
// FILE holds records of 4 + BYTES bytes, most significant byte first: the idle cycles before the
// beat, then its payload. As a register would, the outputs change after the clock edge; while valid
// is low the payload is the complement of the last one.
`default_nettype none

module tb_stream_source #(
    parameter WIDTH = 8,
    parameter FILE = "stream.bin"
) (
    input  wire            clk,
    input  wire            rst_n,
    input  wire            start,   // one cycle: open the file; the first beat stands after it
    output reg             valid,
    input  wire            ready,
    output reg [WIDTH-1:0] payload
);

    localparam BYTES = (WIDTH + 7) / 8;

    reg [8*BYTES+31:0] record;
    reg                playing;
    reg [31:0]         idle;
    integer            file, got;

    initial begin
        valid = 1'b0;
        payload = {WIDTH{1'b0}};
        playing = 1'b0;
        idle = 0;
        file = 0;
    end

    always @(posedge clk) begin
        if (!rst_n) begin
            playing <= 1'b0;
            valid   <= 1'b0;
        end else if (start) begin
            if (file != 0) begin
                $fclose(file);
            end
            file = $fopen(FILE, "rb");
            if (file == 0) begin
                $display("ERROR: %m cannot open %0s", FILE);
                $finish;
            end
            playing <= 1'b1;
            valid   <= 1'b0;
            idle    <= 0;
        end else if (valid && !ready) begin
            playing <= playing;     // the beat waits
        end else if (playing) begin
            if (idle > 1) begin
                idle <= idle - 1;
            end else begin
                if (idle == 1) begin
                    got = 1;
                end else begin
                    got = $fread(record, file);
                end
                if (got == 0) begin
                    playing <= 1'b0;
                    valid   <= 1'b0;
                    payload <= ~payload;
                end else if (idle == 0 && record[8*BYTES +: 32] != 0) begin
                    idle    <= record[8*BYTES +: 32];
                    valid   <= 1'b0;
                    payload <= ~payload;
                end else begin
                    idle    <= 0;
                    valid   <= 1'b1;
                    payload <= record[WIDTH-1:0];
                end
            end
        end
    end

endmodule

`default_nettype wire
