// SPDX-License-Identifier: Apache-2.0
// tb_stream_recorder: the monitor of a stream. Writes each accepted beat to FILE and checks the
// protocol.
//
// A record is little-endian 32-bit words: the number of the clock edge that took the beat, that of
// the first edge that found it valid, then the payload. With READY_CHANGES, FILE.ready holds the
// numbers of the edges that found ready other than the edge before did; it counts as low before the
// first. error rises and stays if valid or ready is X or Z, if valid drops or the payload changes
// before a beat is accepted, or if an accepted beat holds an X or Z; a line in the log says which.
`default_nettype none

module tb_stream_recorder #(
    parameter WIDTH = 8,
    parameter FILE = "beats.bin",
    parameter READY_CHANGES = 0
) (
    input  wire             clk,
    input  wire             rst_n,
    input  wire             start,
    input  wire             finish,
    input  wire [31:0]      cycle,
    input  wire             valid,
    input  wire             ready,
    input  wire [WIDTH-1:0] payload,
    output reg [31:0]       count,
    output reg              error
);

    localparam WORDS = (WIDTH + 31) / 32;

    reg                 waiting, was_ready;
    reg  [31:0]         offered;      // the edge that found the waiting beat valid first
    reg  [WIDTH-1:0]    held;
    wire [32*WORDS-1:0] padded;
    integer             file, ready_file;

    generate
        if (32 * WORDS > WIDTH) begin : g_pad
            assign padded = {{(32*WORDS-WIDTH){1'b0}}, payload};
        end else begin : g_whole
            assign padded = payload;
        end
    endgenerate

    initial begin
        count = 0;
        error = 1'b0;
        waiting = 1'b0;
        was_ready = 1'b0;
        offered = 0;
        held = {WIDTH{1'b0}};
        file = 0;
        ready_file = 0;
    end

    always @(posedge clk) begin
        if (start) begin
            file = $fopen(FILE, "wb");
            if (READY_CHANGES != 0) begin
                ready_file = $fopen({FILE, ".ready"}, "wb");
            end
            count     <= 0;
            error     <= 1'b0;
            waiting   <= 1'b0;
            was_ready <= 1'b0;
        end else if (finish) begin
            if (file != 0) begin
                $fclose(file);
            end
            if (ready_file != 0) begin
                $fclose(ready_file);
            end
            file = 0;
            ready_file = 0;
        end else if (rst_n === 1'b1 && file != 0) begin
            if ((valid ^ ready) === 1'bx) begin
                $display("ERROR: %m cycle %0d, beat %0d: valid is %b, ready is %b",
                         cycle, count, valid, ready);
                error <= 1'b1;
            end
            if (waiting && !valid) begin
                $display("ERROR: %m cycle %0d, beat %0d: valid dropped before the beat was taken",
                         cycle, count);
                error <= 1'b1;
            end
            if (waiting && valid && held !== payload) begin
                $display("ERROR: %m cycle %0d, beat %0d: the payload changed while valid waited",
                         cycle, count);
                error <= 1'b1;
            end
            waiting <= valid && !ready;
            if (valid && !ready && !waiting) begin
                held    <= payload;
                offered <= cycle;
            end
            was_ready <= ready;
            if (ready_file != 0 && ready != was_ready) begin
                $fwrite(ready_file, "%u", cycle);
            end
            if (valid && ready) begin
                if ((^payload) === 1'bx) begin
                    $display("ERROR: %m cycle %0d, beat %0d: the accepted payload holds X or Z",
                             cycle, count);
                    error <= 1'b1;
                end
                count <= count + 1;
                $fwrite(file, "%u%u%u", cycle, waiting ? offered : cycle, padded);
            end
        end
    end

endmodule

`default_nettype wire
