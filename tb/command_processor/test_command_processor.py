"""The command processor with little and with much of everything, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE = "fcim_command_processor", "rtl/system/fcim_command_processor.v"
BENCH = "tb.command_processor.bench_command_processor"
NAMES = ("ENGINES", "ROWS", "PROB_BITS", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS")
SETS = [(16, 64, 18, 131072, 4096, 512), (4, 24, 10, 1024, 256, 128), (2, 128, 9, 256, 128, 256), (1, 8, 8, 64, 64, 1024)]
SMALL = dict(zip(NAMES, SETS[1], strict=True))


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_command_processor(values: tuple[int, ...], seed: int) -> None:
    run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed))


# ---- faults
RULES, CALLS, BOTH, WHEN = "every_rule", "calls/pattern=none", "calls/pattern=both", "when"
UNREAD, DISABLED, RINGS, RESET = "not_to_be_read", "disabled", "rings", "reset_in_the_middle"
DIFFER = "beats differ|m_word beat|m_desc_cmd beat|events"
WRONG = f"{DIFFER}|none is expected"
TOO_MANY = "dividend_tokens > quotient_q)"
FAULTS = {
    "op-in-two-bits": ("op != 8'd1 && op != 8'd2", "op[1:0] != 2'd1 && op[1:0] != 2'd2", RULES, WRONG),
    "flags-not-looked-at": ("flags[7:4] != 4'd0 || ", "", RULES, WRONG),
    "last-reserved-bit": (" || reserved != 16'd0", " || reserved[14:0] != 15'd0", RULES, WRONG),
    "group-0": ("group == 8'd0 || ", "", RULES, WRONG),
    "tokens-0": ("        || tokens == {FIELD_BITS{1'b0}}\n", "", RULES, WRONG),
    "heads-257": ("kv_heads > 32'd256", "kv_heads > 32'd257", RULES, WRONG),
    "tau-in-four-bits": ("tau > MAX_TAU[7:0] || ", "tau[3:0] > MAX_TAU[3:0] || ", RULES, WRONG),
    "split-without-headroom": ("{1'b0, tau[3:0]} + {2'b00, split_log}", "{1'b0, tau[3:0]}", RULES, WRONG),
    "own-start-streamed": ("|| (own_start && streamed)", "", RULES, WRONG),
    "sum-without-carry": ("{1'b0, first} + {1'b0, tokens}", "{1'b0, first + tokens}", RULES, WRONG),
    "one-key-too-many": ("total_q > {1'b0, MAX_KEYS", "total_q > {1'b0, 32'd1} + {1'b0, MAX_KEYS", RULES, WRONG),
    "decode-of-two-tiles": (f"TOKENS: state_q <= ((decode && {TOO_MANY} || align_q)", "TOKENS: state_q <= align_q", RULES, WRONG),
    "h-table-anywhere": ("misaligned || desc_q[8*120 +: BYTE_BITS] != {BYTE_BITS{1'b0}}", "misaligned", RULES, WRONG),
    "k-table-anywhere": ("for (i = 24; i < 72;", "for (i = 24; i < 64;", RULES, WRONG),
    "completion-anywhere": ("completion[2:0] != 3'd0", "completion[1:0] != 2'd0", RULES, WRONG),
    "higher-status-first": ("unknown_q ? UNKNOWN_OP : reserved_q ? RESERVED", "reserved_q ? RESERVED : unknown_q ? UNKNOWN_OP",
                            RULES, DIFFER),
    "word-not-rounded-down": ("{completion[ADDRESS_BITS-1:3], 3'b000}", "completion", RULES, DIFFER),
    "streamed-a-key-early": ("total_q > {1'b0, BUFFER_KEYS", "total_q >= {1'b0, BUFFER_KEYS", CALLS, f"call_streamed|{DIFFER}"),
    "tiles-rounded-down": ("remainder_q != {TILE_BITS{1'b0}}};", "1'b0};", CALLS, "call_tiles"),
    "write-before-read": ("call_read_error ? READ :", "(call_read_error && !call_write_error) ? READ :", CALLS, DIFFER),
    "errors-before-the-end": ("<= call_read_error ? READ", "<= (call_read_error || status_q == READ) ? READ", BOTH, DIFFER),
    "refused-without-interrupt": ("ends && flags[3];", "ends && flags[3] && status_q == OK;", RULES, DIFFER),
    "word-error-at-any-time": ("ends && word_error;", "word_error;", BOTH, DIFFER),
    "head-before-the-word": ("ANSWER: if (word_done) begin", "ANSWER: begin", BOTH, f"before its word|{DIFFER}"),
    "only-the-last-beat": ("(unreadable_q || s_desc_error)", "s_desc_error", UNREAD, f"awaited|{WRONG}"),
    "last-beat-not-looked-at": ("(unreadable_q || s_desc_error)", "unreadable_q", UNREAD, f"awaited|{WRONG}"),
    "error-kept": ("            unreadable_q <= 1'b0;\n", "            unreadable_q <= unreadable_q === 1'b1;\n", UNREAD,
                   "cycle budget|a descriptor that was read|index out of range"),
    "goes-on-when-halted": ("HALT: if (!enable) begin", "HALT: begin", UNREAD, f"does not stay halted|{DIFFER}"),
    "reads-while-disabled": ("IDLE: if (enable && head_q != tail)", "IDLE: if (head_q != tail)", DISABLED, "disabled at"),
    "call-dropped-when-disabled": ("CALL: if (call_done) begin", "CALL: if (call_done || !enable) begin", DISABLED,
                                   f"call_valid falls|disabled at|{DIFFER}"),
    "ring-of-one-size": ("<< ring_size)", "<< 2)", RINGS, DIFFER),
    "base-without-carry": ("address_q    <= ring_base\n                          + {",
                           "address_q    <= ring_base\n                          | {", RINGS, DIFFER),
    "reset-keeps-head": ("            head_q  <= {COUNT_BITS{1'b0}};\n",
                         "            head_q  <= (^head_q === 1'bx) ? {COUNT_BITS{1'b0}} : head_q;\n", RESET, "leaves head"),
    "next-one-late": ("IDLE: if (enable && head_q != tail)", "IDLE: if (enable && head_q != tail && !done_q)", WHEN,
                      "cycles after word_done"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
