// SPDX-License-Identifier: Apache-2.0
// fcim_tile_tracker: knows when a tile's accumulators are complete: its last key block is decided,
// and every block of it that runs has left the OP-CIM.
//
// Latency:    done_valid comes one cycle after the later of the two.
// Throughput: A decision and a finished block per cycle.
// Cuts:       The outputs are registers.
// Numbers:    At most three blocks of a bank are under way: one in the exponential phase, two in
//             the OP-CIM.
`default_nettype none

module fcim_tile_tracker (
    input  wire clk,
    input  wire rst_n,

    // a block is decided
    input  wire decided,
    input  wire decided_skip,
    input  wire decided_last,   // the tile's last block
    input  wire decided_bank,

    // a block's last accumulators are written
    input  wire finish,
    input  wire finish_bank,

    output wire done_valid,
    output wire done_bank
);

    wire [1:0] done;                   // of each bank
    reg        done_q, done_bank_q;

    genvar k;
    generate
        for (k = 0; k < 2; k = k + 1) begin : g_bank
            reg        ended_q;        // the bank's tile has had its last decision
            reg  [1:0] under_way_q;    // its blocks that run and are not finished
            wire       decided_here = decided && (decided_bank == k);
            wire       ended        = ended_q || (decided_here && decided_last);
            wire [1:0] left         = under_way_q + {1'b0, decided_here && !decided_skip}
                                    - {1'b0, finish && finish_bank == k};
            assign done[k]   = ended && (left == 0);
            always @(posedge clk) begin
                if (!rst_n) begin
                    ended_q     <= 1'b0;
                    under_way_q <= 2'd0;
                end else begin
                    ended_q     <= ended && !done[k];
                    under_way_q <= left;
                end
            end
        end
    endgenerate

    always @(posedge clk) begin
        if (!rst_n) begin
            done_q <= 1'b0;
        end else begin
            done_q <= |done;
        end
    end

    always @(posedge clk) begin
        done_bank_q <= done[1];
    end
    assign done_valid = done_q;
    assign done_bank  = done_bank_q;

endmodule

`default_nettype wire
