// SPDX-License-Identifier: Apache-2.0
// fcim_store: rows of O into memory, and single words of 8 bytes. Rows of several engines come
// interleaved; jobs say which rows of which tokens each slot's are, in their order. A slot is an
// engine, or the merge unit.
//
// A row of O is a command of its own to the writer. A row whose slot has no job waits. A word is
// taken when nothing is left: no job, no row, nothing unanswered; so it is written after all rows.
//
// Latency:    A row's command is offered 5 cycles after the row is, its first beat 2 cycles.
// Throughput: A row per max(2, O_BEATS) cycles, as long as commands and beats are taken.
// Cuts:       s_job_ready depends on s_job_slot and registers; m_cmd and m_data come from
//             registers, and so do the pulses. s_o_valid reaches idle.
// Numbers:    Row g of token t of a job goes to call_o + (q_head + g) * call_o_head_stride
//             + (token + t) * call_o_token_stride, modulo 2**64.
`default_nettype none

module fcim_store #(
    parameter  ENGINES = 16,                      // 1, 2, 4, 8 or 16
    parameter  HEAD_DIM = 128,                    // elements of a head vector: 16, 32, 64 or 128
    parameter  MAX_KEYS = 131072,                 // keys of a tile: a power of two, 64 to 131072
    parameter  DATA_BITS = 512,                   // a beat: 128 to 1024, at most HEAD_DIM * 8
    localparam O_SLOT_BITS = $clog2(ENGINES + 1), // index of a slot; ENGINES is the merge unit
    localparam Q_HEAD_BITS = 16,                  // index of a query head
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,   // index of a token
    localparam COUNT_BITS = 8,                    // tokens of a tile, query heads of a group
    localparam OUT_BITS = 16,                     // element of O, signed
    localparam WORD_BITS = 64,                    // a word that is written alone
    localparam ADDRESS_BITS = 64,                 // address of a byte
    localparam STRIDE_BITS = 32,                  // bytes from a row to the next
    localparam BEATS_BITS = 16,                   // beats of a row
    localparam ROWS_BITS = 18                     // rows of a command
) (
    input  wire                         clk,
    input  wire                         rst_n,
    output wire                         idle,         // no job, no row, nothing unanswered

    input  wire [COUNT_BITS-1:0]        call_group,
    input  wire [ADDRESS_BITS-1:0]      call_o,
    input  wire [STRIDE_BITS-1:0]       call_o_token_stride,
    input  wire [STRIDE_BITS-1:0]       call_o_head_stride,

    // jobs: the rows of a tile; four wait per slot
    input  wire                         s_job_valid,
    output wire                         s_job_ready,
    input  wire [O_SLOT_BITS-1:0]       s_job_slot,
    input  wire [Q_HEAD_BITS-1:0]       s_job_q_head,
    input  wire [POS_BITS-1:0]          s_job_token,
    input  wire [COUNT_BITS-1:0]        s_job_tokens,

    // rows, each slot's in the order of its jobs
    input  wire                         s_o_valid,
    output wire                         s_o_ready,
    input  wire [O_SLOT_BITS-1:0]       s_o_engine,
    input  wire [HEAD_DIM*OUT_BITS-1:0] s_o_data,
    input  wire                         s_o_last,     // of its tile

    // words, at multiples of 8 bytes
    input  wire                         s_word_valid,
    output wire                         s_word_ready,
    input  wire [ADDRESS_BITS-1:0]      s_word_address,
    input  wire [WORD_BITS-1:0]         s_word_data,
    output wire                         word_done,
    output wire                         word_error,   // with word_done: it could not be written

    // to the writer
    output wire                         m_cmd_valid,
    input  wire                         m_cmd_ready,
    output wire [ADDRESS_BITS-1:0]      m_cmd_address,
    output wire [BEATS_BITS-1:0]        m_cmd_beats,
    output wire [ROWS_BITS-1:0]         m_cmd_rows,
    output wire [ADDRESS_BITS-1:0]      m_cmd_stride,
    output wire                         m_data_valid,
    input  wire                         m_data_ready,
    output wire [DATA_BITS-1:0]         m_data_data,
    output wire [DATA_BITS/8-1:0]       m_data_strobe,
    input  wire                         done,
    input  wire                         done_error,

    output wire                         write_error,  // one cycle: a row could not be written
    output wire                         error_rows    // sticky: last did not come where a job ends
);

    localparam SLOTS = ENGINES + 1;
    localparam JOBS = 4;                          // of a slot
    localparam JOB_BITS = 2;                      // index of one
    localparam PTR_BITS = JOB_BITS + 1;           // with a turn's parity
    localparam BUS_BYTES = DATA_BITS / 8;
    localparam O_BEATS = 2 * HEAD_DIM / BUS_BYTES;
    localparam PART_BITS = $clog2(O_BEATS);
    localparam LANES = DATA_BITS / WORD_BITS;     // words of a beat
    localparam LANE_BITS = $clog2(LANES);
    localparam BYTE_BITS = $clog2(WORD_BITS / 8);
    localparam BUFFER_BEATS = (O_BEATS > 8) ? 2 * O_BEATS : 16;  // covers the writer's latency
    localparam OPEN_BITS = 9;                     // commands without an answer
    localparam INDEX_BITS = 24;                   // of fcim_address

    // ---- an illegal parameter stops elaboration: the missing module's name says which
    generate
        if (DATA_BITS > HEAD_DIM * 8) begin : g_check_data_bits
            fcim_illegal_DATA_BITS_use_at_most_a_row_of_K illegal_data_bits();
        end
    endgenerate

    // ---- jobs
    reg                       word_q;             // a word asks for its address, nothing else does
    reg  [SLOTS*PTR_BITS-1:0] wr_q, rd_q;
    wire [PTR_BITS-1:0]       job_wr = wr_q[s_job_slot*PTR_BITS +: PTR_BITS];
    wire [PTR_BITS-1:0]       row_wr = wr_q[s_o_engine*PTR_BITS +: PTR_BITS];
    wire [PTR_BITS-1:0]       row_rd = rd_q[s_o_engine*PTR_BITS +: PTR_BITS];
    wire                      job_accept = s_job_valid && s_job_ready;
    reg                       job_room;
    always @* begin : room
        integer s;
        job_room = 1'b0;
        for (s = 0; s < SLOTS; s = s + 1) begin
            if (s_job_slot == s[O_SLOT_BITS-1:0]) begin
                job_room = (wr_q[s*PTR_BITS +: PTR_BITS] ^ rd_q[s*PTR_BITS +: PTR_BITS])
                           != JOBS[PTR_BITS-1:0];
            end
        end
    end
    assign s_job_ready = job_room && !word_q;

    // ---- a row finds its job, then its address; its beats go into the buffer meanwhile
    reg                   found_q, ask_q, asked_q, pushed_q;
    reg                   waits_q;                // a word is without its answer
    reg [OPEN_BITS-1:0]   open_q;                 // commands without an answer
    wire                  find = s_o_valid && !found_q && !asked_q && !word_q
                              && row_wr != row_rd && open_q != {OPEN_BITS{1'b1}};
    wire [Q_HEAD_BITS-1:0] q_head;
    wire [POS_BITS-1:0]    token;
    wire [COUNT_BITS-1:0]  tokens;

    fcim_ram #(.WORDS(SLOTS * JOBS), .WIDTH(Q_HEAD_BITS + POS_BITS + COUNT_BITS)) u_jobs (
        .clk(clk),
        .we(job_accept), .wr_address({s_job_slot, job_wr[JOB_BITS-1:0]}),
        .wr_data({s_job_q_head, s_job_token, s_job_tokens}),
        .rd(find), .rd_address({s_o_engine, row_rd[JOB_BITS-1:0]}),
        .rd_data({q_head, token, tokens})
    );

    reg  [SLOTS-1:0]        begun_q;              // jobs of which a row was taken
    wire [2*COUNT_BITS-1:0] place;                // of the next row in such a job
    wire [COUNT_BITS-1:0]   t = begun_q[s_o_engine] ? place[0 +: COUNT_BITS] : {COUNT_BITS{1'b0}};
    wire [COUNT_BITS-1:0]   g = begun_q[s_o_engine] ? place[COUNT_BITS +: COUNT_BITS]
                                                    : {COUNT_BITS{1'b0}};
    wire [COUNT_BITS-1:0]   next_t = t + 1'b1, next_g = g + 1'b1;
    reg  [INDEX_BITS-1:0]   i_q, j_q;
    reg                     error_q;
    wire                    address_ready;
    wire                    row_goes  = found_q && (!ask_q || address_ready);
    wire                    word_goes = word_q && address_ready;
    wire [COUNT_BITS-1:0]   after_g   = (next_g == call_group) ? {COUNT_BITS{1'b0}} : next_g;
    wire [COUNT_BITS-1:0]   after_t   = (next_g == call_group) ? next_t : t;
    wire                    job_end   = (next_g == call_group) && (next_t == tokens);

    fcim_register_file #(.WORDS(SLOTS), .WIDTH(2 * COUNT_BITS)) u_places (
        .clk(clk), .we(row_goes), .wr_address(s_o_engine), .wr_data({after_g, after_t}),
        .rd_address(s_o_engine), .rd_data(place)
    );

    wire push_row, push_end;                      // a beat of a row into the buffer, its last one
    assign s_o_ready = (asked_q || row_goes) && (pushed_q || push_end);

    // what is left: a word waits until there is nothing
    wire quiet = wr_q == rd_q && open_q == {OPEN_BITS{1'b0}} && !s_o_valid && !word_q;
    assign idle         = quiet;
    assign s_word_ready = word_goes;

    always @(posedge clk) begin
        if (!rst_n) begin
            wr_q    <= {SLOTS*PTR_BITS{1'b0}};
            rd_q    <= {SLOTS*PTR_BITS{1'b0}};
            begun_q <= {SLOTS{1'b0}};
            found_q <= 1'b0;
            ask_q   <= 1'b0;
            asked_q <= 1'b0;
            word_q  <= 1'b0;
            waits_q <= 1'b0;
            open_q  <= {OPEN_BITS{1'b0}};
            error_q <= 1'b0;
        end else begin
            if (job_accept) begin
                wr_q[s_job_slot*PTR_BITS +: PTR_BITS] <= job_wr + 1'b1;
            end
            found_q <= find || (found_q && !row_goes);
            ask_q   <= row_goes || (ask_q && !address_ready);
            asked_q <= (asked_q || row_goes) && !s_o_ready;
            if (row_goes) begin
                begun_q[s_o_engine] <= !job_end;
                if (job_end) begin
                    rd_q[s_o_engine*PTR_BITS +: PTR_BITS] <= row_rd + 1'b1;
                end
                error_q <= error_q || s_o_last != job_end;
            end
            word_q  <= (quiet && s_word_valid && !s_job_valid) || (word_q && !address_ready);
            waits_q <= word_goes || (waits_q && !done);
            open_q  <= open_q + {{(OPEN_BITS-1){1'b0}}, row_goes || word_goes}
                              - {{(OPEN_BITS-1){1'b0}}, done};
        end
        if (quiet) begin                          // a word may go, and has no index
            i_q <= {INDEX_BITS{1'b0}};
            j_q <= {INDEX_BITS{1'b0}};
        end else if (row_goes) begin
            i_q <= {{(INDEX_BITS-Q_HEAD_BITS){1'b0}}, q_head}
                 + {{(INDEX_BITS-COUNT_BITS){1'b0}}, g};
            j_q <= {{(INDEX_BITS-POS_BITS){1'b0}}, token}
                 + {{(INDEX_BITS-COUNT_BITS){1'b0}}, t};
        end
    end

    // ---- addresses; a word's is its own
    wire command_is_word;
    fcim_address #(.TAG_BITS(1)) u_address (
        .clk(clk), .rst_n(rst_n),
        .s_address_valid(ask_q || word_q), .s_address_ready(address_ready),
        .s_address_base(word_q ? s_word_address : call_o),
        .s_address_i(i_q),
        .s_address_i_stride(call_o_head_stride),
        .s_address_j(j_q),
        .s_address_j_stride(call_o_token_stride),
        .s_address_tag(word_q),
        .m_address_valid(m_cmd_valid), .m_address_ready(m_cmd_ready),
        .m_address_address(m_cmd_address), .m_address_tag(command_is_word)
    );
    assign m_cmd_beats  = command_is_word ? 16'd1 : O_BEATS[BEATS_BITS-1:0];
    assign m_cmd_rows   = 18'd1;
    assign m_cmd_stride = {ADDRESS_BITS{1'b0}};

    // ---- beats; a word is in all lanes of its beat, its strobes choose one
    reg  [PART_BITS-1:0] part_q;                  // of the row
    wire                 buffer_ready, beat_is_word;
    wire [LANE_BITS-1:0] lane;
    // no beat of a row before it is known that no word goes first
    assign push_row = s_o_valid && !pushed_q && !word_q && buffer_ready;
    assign push_end = push_row && (&part_q);

    always @(posedge clk) begin
        if (!rst_n) begin
            part_q   <= {PART_BITS{1'b0}};
            pushed_q <= 1'b0;
        end else begin
            if (push_row) begin
                part_q <= part_q + 1'b1;
            end
            pushed_q <= (pushed_q || push_end) && !s_o_ready;
        end
    end

    fcim_fifo #(.WORDS(BUFFER_BEATS), .WIDTH(1 + LANE_BITS + DATA_BITS)) u_beats (
        .clk(clk), .rst_n(rst_n),
        .s_valid(push_row || word_goes), .s_ready(buffer_ready),
        .s_data({word_q, s_word_address[BYTE_BITS +: LANE_BITS],
                 word_q ? {LANES{s_word_data}} : s_o_data[part_q*DATA_BITS +: DATA_BITS]}),
        .m_valid(m_data_valid), .m_ready(m_data_ready),
        .m_data({beat_is_word, lane, m_data_data}),
        .empty()
    );

    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : g_lane
            wire [LANE_BITS-1:0] mine = l;
            assign m_data_strobe[l*8 +: 8] = {8{!beat_is_word || lane == mine}};
        end
    endgenerate

    // ---- answers: a word's is the next one, since nothing is unanswered when it goes
    reg word_done_q, fault_q, write_error_q;
    always @(posedge clk) begin
        if (!rst_n) begin
            word_done_q   <= 1'b0;
            write_error_q <= 1'b0;
        end else begin
            word_done_q   <= done && waits_q;
            write_error_q <= done && done_error && !waits_q;
        end
        fault_q <= done_error;
    end
    assign word_done   = word_done_q;
    assign word_error  = fault_q;
    assign write_error = write_error_q;
    assign error_rows  = error_q;

endmodule

`default_nettype wire
