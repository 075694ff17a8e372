// SPDX-License-Identifier: Apache-2.0
// fcim_command_processor: takes descriptors from a ring in memory, one after the other. It refuses
// those that are illegal, has the others run as calls, writes the completion word of each, and
// then moves head on. models/system/descriptor.py says what is legal and which status is given.
//
// head and tail count descriptors modulo 2**16; number n lies at ring_base + 128 * (n modulo
// 2**ring_size). Base and size may change only while head equals tail. A descriptor that cannot be
// read stops the ring: head stays, nothing is written, halted is high until enable is low; then it
// is read anew. If enable falls during a call, that one comes to its end. A completion address
// that is no multiple of 8 counts as the multiple below it.
//
// call_valid is high, with all call_* stable, from the first cycle of a call to call_done, which
// comes when all of it is answered: in that cycle its errors count.
//
// Latency:    m_desc_cmd_valid comes 2 cycles after tail or enable changed; call_valid 5 + 2 * N
//             cycles after the descriptor's last beat, N being POS_BITS, 8 at least; m_word_valid
//             1 cycle after call_done, or for a descriptor that is refused, 3 or 4 + N after its
//             last beat; head moves 1 cycle after word_done.
// Throughput: A descriptor at a time: the next one is asked for 2 cycles after word_done.
// Cuts:       All outputs depend on registers only.
// Numbers:    Unsigned. Addresses are modulo 2**64.
`default_nettype none

module fcim_command_processor #(
    parameter  ENGINES = 16,              // 1, 2, 4, 8 or 16
    parameter  ROWS = 64,                 // rows of a query tile: 8 to 128
    parameter  PROB_BITS = 18,            // probability, unsigned: 8 to 18
    parameter  MAX_KEYS = 131072,         // keys of a tile: a power of two, 64 to 131072
    parameter  BUFFER_KEYS = 4096,        // keys in the buffer: a power of two, at most MAX_KEYS
    parameter  DATA_BITS = 512,           // a beat: 128, 256, 512 or 1024
    localparam POS_BITS = $clog2(MAX_KEYS) + 1,  // position, or number of tokens or tiles
    localparam ADDRESS_BITS = 64,         // address of a byte
    localparam STRIDE_BITS = 32,          // bytes between two rows of a tensor
    localparam BEATS_BITS = 16,           // beats of a row of a command
    localparam ROWS_BITS = 18,            // rows of a command
    localparam COUNT_BITS = 16,           // descriptors
    localparam ALIGN_BITS = 7,            // index of a byte in its descriptor
    localparam WORD_BITS = 64             // completion word
) (
    input  wire                    clk,
    input  wire                    rst_n,

    // the ring: registers
    input  wire                    enable,
    input  wire [ADDRESS_BITS-1:ALIGN_BITS] ring_base,
    input  wire [3:0]              ring_size,       // log2 of its descriptors
    input  wire [COUNT_BITS-1:0]   tail,            // descriptors that software has put there
    output wire [COUNT_BITS-1:0]   head,            // descriptors that have come to their end
    output wire                    busy,            // a descriptor is under way
    output wire                    halted,          // one could not be read
    // pulses, in the cycle in which head has moved on
    output wire                    event_done,      // the descriptor asked for an interrupt
    output wire                    event_refused,   // it ended with status 1 to 4
    output wire                    event_read,      // with 6
    output wire                    event_write,     // with 7
    output wire                    event_engine,    // with 8
    output wire                    event_completion,  // its word could not be written
    output wire                    event_unreadable,  // halted rises

    // the descriptor is asked for, and comes
    output wire                    m_desc_cmd_valid,
    input  wire                    m_desc_cmd_ready,
    output wire [ADDRESS_BITS-1:0] m_desc_cmd_address,
    output wire [BEATS_BITS-1:0]   m_desc_cmd_beats,
    output wire [ROWS_BITS-1:0]    m_desc_cmd_rows,
    output wire [ADDRESS_BITS-1:0] m_desc_cmd_stride,
    input  wire                    s_desc_valid,    // taken in every cycle
    input  wire [DATA_BITS-1:0]    s_desc_data,
    input  wire                    s_desc_error,
    input  wire                    s_desc_last,

    // the call
    output wire                    call_valid,
    input  wire                    call_done,
    input  wire                    call_read_error,
    input  wire                    call_write_error,
    input  wire                    call_engine_error,
    output wire                    call_decode,
    output wire                    call_streamed,   // keys do not fit the buffer
    output wire                    call_own_start,
    output wire                    call_fused,
    output wire                    call_skip,
    output wire [3:0]              call_tau,
    output wire [4:0]              call_octaves,
    output wire [7:0]              call_group,
    output wire [2:0]              call_split,      // log2
    output wire [7:0]              call_tile_tokens,  // tokens of a tile: ROWS / group
    output wire [POS_BITS-1:0]     call_tiles,      // tiles of a head
    output wire [POS_BITS-1:0]     call_tokens,
    output wire [POS_BITS-1:0]     call_first,
    output wire [8:0]              call_heads,
    output wire [ADDRESS_BITS-1:0] call_q,
    output wire [ADDRESS_BITS-1:0] call_k,
    output wire [ADDRESS_BITS-1:0] call_v,
    output wire [ADDRESS_BITS-1:0] call_o,
    output wire [ADDRESS_BITS-1:0] call_q_table,
    output wire [ADDRESS_BITS-1:0] call_k_table,
    output wire [ADDRESS_BITS-1:0] call_h_table,
    output wire [STRIDE_BITS-1:0]  call_q_token_stride,
    output wire [STRIDE_BITS-1:0]  call_q_head_stride,
    output wire [STRIDE_BITS-1:0]  call_k_token_stride,
    output wire [STRIDE_BITS-1:0]  call_k_head_stride,
    output wire [STRIDE_BITS-1:0]  call_v_token_stride,
    output wire [STRIDE_BITS-1:0]  call_v_head_stride,
    output wire [STRIDE_BITS-1:0]  call_o_token_stride,
    output wire [STRIDE_BITS-1:0]  call_o_head_stride,
    output wire [STRIDE_BITS-1:0]  call_q_table_stride,
    output wire [STRIDE_BITS-1:0]  call_k_table_stride,

    // the completion word; it is answered in a later cycle than that in which it is taken
    output wire                    m_word_valid,
    input  wire                    m_word_ready,
    output wire [ADDRESS_BITS-1:0] m_word_address,
    output wire [WORD_BITS-1:0]    m_word_data,
    input  wire                    word_done,
    input  wire                    word_error
);

    localparam DESC_BITS = 8 << ALIGN_BITS;
    localparam BYTE_BITS = $clog2(DATA_BITS / 8);   // index of a byte in its beat
    localparam DESC_BEATS = DESC_BITS / DATA_BITS;
    localparam TILE_BITS = 8;                       // tokens of a tile
    localparam DIV_BITS = (POS_BITS > TILE_BITS) ? POS_BITS : TILE_BITS;
    localparam STEP_BITS = $clog2(DIV_BITS);
    localparam [STEP_BITS-1:0] LAST_STEP = DIV_BITS[STEP_BITS-1:0] - 1'b1;
    localparam FIELD_BITS = 32;
    localparam MAX_TAU = 8;
    localparam HEADROOM = PROB_BITS - 2;            // log2 of the largest 2**tau * split
    localparam STATUS_BITS = 4;
    localparam [STATUS_BITS-1:0] OK = 0, UNKNOWN_OP = 1, RESERVED = 2, SIZE = 3, ALIGNMENT = 4,
                                 READ = 6, WRITE = 7, ENGINE = 8;

    // ---- states
    localparam STATE_BITS = 4;
    localparam [STATE_BITS-1:0]
        IDLE   = 0,     // head equals tail, or not enabled
        ASK    = 1,     // the descriptor's command is offered
        FETCH  = 2,     // its beats come
        SUM    = 3,     // what a field says by itself
        CHECK  = 4,     // what the sum of first and tokens says
        DIVIDE = 5,     // ROWS / group, then tokens / that
        TOKENS = 6,     // the first quotient
        TILES  = 7,     // the second one
        CALL   = 8,
        WORD   = 9,     // the completion word is offered
        ANSWER = 10,    // it is under way
        HALT   = 11;
    reg [STATE_BITS-1:0] state_q;

    // ---- the descriptor
    reg [DESC_BITS-1:0] desc_q;
    reg                 unreadable_q;
    generate
        if (DESC_BEATS == 1) begin : g_whole
            always @(posedge clk) begin
                if (state_q == FETCH && s_desc_valid) begin
                    desc_q <= s_desc_data;
                end
            end
        end else begin : g_beats
            always @(posedge clk) begin
                if (state_q == FETCH && s_desc_valid) begin
                    desc_q <= {s_desc_data, desc_q[DESC_BITS-1:DATA_BITS]};
                end
            end
        end
    endgenerate

    wire [7:0]              op         = desc_q[8*0 +: 8];
    wire [7:0]              flags      = desc_q[8*1 +: 8];
    wire [7:0]              tau        = desc_q[8*2 +: 8];
    wire [7:0]              octaves    = desc_q[8*3 +: 8];
    wire [7:0]              group      = desc_q[8*4 +: 8];
    wire [7:0]              split      = desc_q[8*5 +: 8];
    wire [15:0]             reserved   = desc_q[8*6 +: 16];
    wire [FIELD_BITS-1:0]   tokens     = desc_q[8*8 +: FIELD_BITS];
    wire [FIELD_BITS-1:0]   first      = desc_q[8*12 +: FIELD_BITS];
    wire [FIELD_BITS-1:0]   kv_heads   = desc_q[8*16 +: FIELD_BITS];
    wire [FIELD_BITS-1:0]   tag        = desc_q[8*20 +: FIELD_BITS];
    wire [ADDRESS_BITS-1:0] completion = desc_q[8*112 +: ADDRESS_BITS];
    wire                    decode     = op[1];     // counts where op is known
    wire                    own_start  = flags[2];

    // ---- what is legal field by field
    reg [2:0] split_log;
    reg       split_legal;
    always @* begin
        split_legal = 1'b1;
        case (split)
            8'd1:    split_log = 3'd0;
            8'd2:    split_log = 3'd1;
            8'd4:    split_log = 3'd2;
            8'd8:    split_log = 3'd3;
            8'd16:   split_log = 3'd4;
            default: begin
                split_log   = 3'd0;
                split_legal = 1'b0;
            end
        endcase
        if (split > (decode ? ENGINES[7:0] : 8'd1)) begin
            split_legal = 1'b0;
        end
    end
    wire [4:0] headroom_used = {1'b0, tau[3:0]} + {2'b00, split_log};

    wire size_wrong = !split_legal
        || group == 8'd0 || group > ROWS[7:0]
        || tokens == {FIELD_BITS{1'b0}}
        || kv_heads == {FIELD_BITS{1'b0}} || kv_heads > 32'd256
        || tau > MAX_TAU[7:0] || headroom_used > HEADROOM[4:0]
        || octaves[7:5] != 3'd0
        || (decode && own_start);

    reg misaligned;
    always @* begin : align
        integer i;
        misaligned = completion[2:0] != 3'd0;
        for (i = 24; i < 72; i = i + 8) begin       // q to k_table
            misaligned = misaligned || desc_q[8*i +: BYTE_BITS] != {BYTE_BITS{1'b0}};
        end
        for (i = 72; i < 112; i = i + 4) begin      // the strides
            misaligned = misaligned || desc_q[8*i +: BYTE_BITS] != {BYTE_BITS{1'b0}};
        end
        misaligned = misaligned || desc_q[8*120 +: BYTE_BITS] != {BYTE_BITS{1'b0}};  // h_table
    end

    reg                unknown_q, reserved_q, size_q, align_q;
    reg [FIELD_BITS:0] total_q;                     // keys of a head
    wire               too_long = total_q > {1'b0, MAX_KEYS[FIELD_BITS-1:0]};
    wire               streamed = !decode && total_q > {1'b0, BUFFER_KEYS[FIELD_BITS-1:0]};
    wire               too_large = size_q || too_long || (own_start && streamed);
    always @(posedge clk) begin
        if (state_q == SUM) begin
            unknown_q  <= op != 8'd1 && op != 8'd2;
            reserved_q <= flags[7:4] != 4'd0 || reserved != 16'd0;
            size_q     <= size_wrong;
            align_q    <= misaligned;
            total_q    <= {1'b0, first} + {1'b0, tokens};
        end
    end

    // ---- quotients, a bit per cycle
    reg [DIV_BITS-1:0]  quotient_q;                 // the dividend's bits leave above it
    reg [TILE_BITS-1:0] divisor_q, remainder_q;
    reg [STEP_BITS-1:0] step_q;
    reg                 second_q;                   // of the two divisions
    wire [TILE_BITS:0]  trial = {remainder_q, quotient_q[DIV_BITS-1]};
    wire                goes  = trial >= {1'b0, divisor_q};
    wire [TILE_BITS-1:0] left = trial[TILE_BITS-1:0] - (goes ? divisor_q : {TILE_BITS{1'b0}});
    wire [TILE_BITS-1:0] tile = quotient_q[TILE_BITS-1:0];
    wire [DIV_BITS-1:0] dividend_rows, dividend_tokens;
    assign dividend_rows   = ROWS[DIV_BITS-1:0];
    generate
        if (DIV_BITS > POS_BITS) begin : g_wide
            assign dividend_tokens = {{(DIV_BITS-POS_BITS){1'b0}}, tokens[POS_BITS-1:0]};
        end else begin : g_same
            assign dividend_tokens = tokens[POS_BITS-1:0];
        end
    endgenerate

    always @(posedge clk) begin
        case (state_q)
            CHECK: begin
                quotient_q  <= dividend_rows;
                divisor_q   <= group;
                remainder_q <= {TILE_BITS{1'b0}};
                second_q    <= 1'b0;
                step_q      <= LAST_STEP;
            end
            TOKENS: begin
                quotient_q  <= dividend_tokens;
                divisor_q   <= tile;
                remainder_q <= {TILE_BITS{1'b0}};
                second_q    <= 1'b1;
                step_q      <= LAST_STEP;
            end
            DIVIDE: begin
                quotient_q  <= {quotient_q[DIV_BITS-2:0], goes};
                remainder_q <= left;
                step_q      <= step_q - 1'b1;
            end
            default: ;
        endcase
    end

    // ---- the way of a descriptor
    reg [COUNT_BITS-1:0]                head_q;
    reg [ADDRESS_BITS-1:ALIGN_BITS]     address_q;
    reg [STATUS_BITS-1:0]               status_q;
    reg [TILE_BITS-1:0]                 tile_tokens_q;
    reg [POS_BITS-1:0]                  tiles_q;
    reg                                 streamed_q;
    reg                                 done_q, refused_q, read_q, write_q, engine_q;
    reg                                 completion_q, halts_q;
    wire [COUNT_BITS-1:0]               index = head_q & ~({COUNT_BITS{1'b1}} << ring_size);
    wire                                ends = state_q == ANSWER && word_done;
    wire                                lost = state_q == FETCH && s_desc_valid && s_desc_last
                                            && (unreadable_q || s_desc_error);

    always @(posedge clk) begin
        if (!rst_n) begin
            state_q <= IDLE;
            head_q  <= {COUNT_BITS{1'b0}};
        end else begin
            case (state_q)
                IDLE: if (enable && head_q != tail) begin
                    state_q <= ASK;
                end
                ASK: if (m_desc_cmd_ready) begin
                    state_q <= FETCH;
                end
                FETCH: if (s_desc_valid && s_desc_last) begin
                    state_q <= lost ? HALT : SUM;
                end
                SUM: state_q <= CHECK;
                CHECK: state_q <= (unknown_q || reserved_q || too_large) ? WORD : DIVIDE;
                DIVIDE: if (step_q == {STEP_BITS{1'b0}}) begin
                    state_q <= second_q ? TILES : TOKENS;
                end
                TOKENS: state_q <= ((decode && dividend_tokens > quotient_q) || align_q) ? WORD
                                                                                       : DIVIDE;
                TILES: state_q <= CALL;
                CALL: if (call_done) begin
                    state_q <= WORD;
                end
                WORD: if (m_word_ready) begin
                    state_q <= ANSWER;
                end
                ANSWER: if (word_done) begin
                    state_q <= IDLE;
                    head_q  <= head_q + 1'b1;
                end
                HALT: if (!enable) begin
                    state_q <= IDLE;
                end
                default: state_q <= IDLE;
            endcase
        end
    end

    always @(posedge clk) begin
        if (state_q == IDLE) begin
            address_q    <= ring_base
                          + {{(ADDRESS_BITS-ALIGN_BITS-COUNT_BITS){1'b0}}, index};
            unreadable_q <= 1'b0;
        end else if (state_q == FETCH && s_desc_valid) begin
            unreadable_q <= unreadable_q || s_desc_error;
        end
        if (state_q == CHECK) begin
            status_q   <= unknown_q ? UNKNOWN_OP : reserved_q ? RESERVED : SIZE;
            streamed_q <= streamed;
        end else if (state_q == TOKENS) begin
            status_q <= (decode && dividend_tokens > quotient_q) ? SIZE : ALIGNMENT;
            tile_tokens_q <= tile;
        end else if (state_q == TILES) begin
            tiles_q <= quotient_q[POS_BITS-1:0]
                     + {{(POS_BITS-1){1'b0}}, remainder_q != {TILE_BITS{1'b0}}};
        end else if (state_q == CALL) begin
            status_q <= call_read_error ? READ : call_write_error ? WRITE
                      : call_engine_error ? ENGINE : OK;
        end
    end

    always @(posedge clk) begin
        done_q       <= rst_n && ends && flags[3];
        refused_q    <= rst_n && ends && status_q != OK && status_q <= ALIGNMENT;
        read_q       <= rst_n && ends && status_q == READ;
        write_q      <= rst_n && ends && status_q == WRITE;
        engine_q     <= rst_n && ends && status_q == ENGINE;
        completion_q <= rst_n && ends && word_error;
        halts_q      <= rst_n && lost;
    end

    // ---- outputs
    assign head             = head_q;
    assign busy             = state_q != IDLE && state_q != HALT;
    assign halted           = state_q == HALT;
    assign event_done       = done_q;
    assign event_refused    = refused_q;
    assign event_read       = read_q;
    assign event_write      = write_q;
    assign event_engine     = engine_q;
    assign event_completion = completion_q;
    assign event_unreadable = halts_q;

    assign m_desc_cmd_valid   = state_q == ASK;
    assign m_desc_cmd_address = {address_q, {ALIGN_BITS{1'b0}}};
    assign m_desc_cmd_beats   = DESC_BEATS[BEATS_BITS-1:0];
    assign m_desc_cmd_rows    = {{(ROWS_BITS-1){1'b0}}, 1'b1};
    assign m_desc_cmd_stride  = {ADDRESS_BITS{1'b0}};

    assign m_word_valid   = state_q == WORD;
    assign m_word_address = {completion[ADDRESS_BITS-1:3], 3'b000};
    assign m_word_data    = {{(WORD_BITS-FIELD_BITS-STATUS_BITS){1'b0}}, status_q, tag};

    assign call_valid          = state_q == CALL;
    assign call_decode         = decode;
    assign call_streamed       = streamed_q;
    assign call_own_start      = own_start;
    assign call_fused          = flags[0];
    assign call_skip           = flags[1];
    assign call_tau            = tau[3:0];
    assign call_octaves        = octaves[4:0];
    assign call_group          = group;
    assign call_split          = split_log;
    assign call_tile_tokens    = tile_tokens_q;
    assign call_tiles          = tiles_q;
    assign call_tokens         = tokens[POS_BITS-1:0];
    assign call_first          = first[POS_BITS-1:0];
    assign call_heads          = kv_heads[8:0];
    assign call_q              = desc_q[8*24 +: ADDRESS_BITS];
    assign call_k              = desc_q[8*32 +: ADDRESS_BITS];
    assign call_v              = desc_q[8*40 +: ADDRESS_BITS];
    assign call_o              = desc_q[8*48 +: ADDRESS_BITS];
    assign call_q_table        = desc_q[8*56 +: ADDRESS_BITS];
    assign call_k_table        = desc_q[8*64 +: ADDRESS_BITS];
    assign call_h_table        = desc_q[8*120 +: ADDRESS_BITS];
    assign call_q_token_stride = desc_q[8*72 +: STRIDE_BITS];
    assign call_q_head_stride  = desc_q[8*76 +: STRIDE_BITS];
    assign call_k_token_stride = desc_q[8*80 +: STRIDE_BITS];
    assign call_k_head_stride  = desc_q[8*84 +: STRIDE_BITS];
    assign call_v_token_stride = desc_q[8*88 +: STRIDE_BITS];
    assign call_v_head_stride  = desc_q[8*92 +: STRIDE_BITS];
    assign call_o_token_stride = desc_q[8*96 +: STRIDE_BITS];
    assign call_o_head_stride  = desc_q[8*100 +: STRIDE_BITS];
    assign call_q_table_stride = desc_q[8*104 +: STRIDE_BITS];
    assign call_k_table_stride = desc_q[8*108 +: STRIDE_BITS];

endmodule

`default_nettype wire
