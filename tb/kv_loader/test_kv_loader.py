"""The loader of key blocks for one to sixteen engines, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import refusals
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_kv_loader", "rtl/system/fcim_kv_loader.v", "tb.kv_loader.bench_kv_loader"
TESTS = 10
NAMES = ("ENGINES", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS")
SMALL = dict(zip(NAMES, (4, 16, 8, 512, 128, 128), strict=True))


@pytest.mark.parametrize("sizes", [(1, 16, 8, 64, 32, 128), (4, 32, 8, 1024, 128, 256)])
def test_kv_loader(sizes: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, sizes, strict=True)), RunOptions(seed=seed)).passed == TESTS


@pytest.mark.parametrize(("changes", "refused"), [
    ({}, set()), ({"ENGINES": 2, "BUFFER_KEYS": 32}, set()), ({"BUFFER_KEYS": 512}, set()),
    ({"ENGINES": 1, "BUFFER_KEYS": 32}, set()), ({"ENGINES": 8}, set()), ({"ENGINES": 16, "BUFFER_KEYS": 256}, set()),
    ({"ENGINES": 3}, {"ENGINES_use_1_2_4_8_or_16"}), ({"ENGINES": 32, "BUFFER_KEYS": 512}, {"ENGINES_use_1_2_4_8_or_16"}),
    *(({"ENGINES": engines, "BUFFER_KEYS": keys}, {"BUFFER_KEYS_use_a_power_of_two_of_blocks_up_to_MAX_KEYS"})
      for engines, keys in ((1, 16), (4, 32), (2, 48), (2, 1024))),
    ({"DATA_BITS": 256}, {"DATA_BITS_use_at_most_8_HEAD_DIM"}),
])
def test_only_legal_parameters_elaborate(changes: dict[str, int], refused: set[str]) -> None:
    assert refusals(TOP, SMALL | changes) == refused


# ---- faults
PLAIN, BUSY, TURNS, OVER = "runs/pattern=none", "runs/pattern=both", "takes_turns", "waits_until_all_is_over"
UP, DOWN, DIFFERS = "heads_share_the_ring/descending=0", "heads_share_the_ring/descending=1", "m_load beat"
FAULTS = {
    "always-upwards": ("descending_q ? offset_q - 1'b1 : offset_q + 1'b1;", "offset_q + 1'b1;", PLAIN, DIFFERS),
    "downwards-from-one-too-far": ("s_run_descending ? s_run_blocks[BLOCK_BITS-1:0] - 1'b1",
                                   "s_run_descending ? s_run_blocks[BLOCK_BITS-1:0]", PLAIN, f"{DIFFERS}|while it is in use"),
    "first-left-out": ("block_q      <= run_first + run_offset;", "block_q      <= run_offset;", PLAIN, DIFFERS),
    "one-page-too-many": ("(used_q[s] == limit);", "(used_q[s] > limit);", "uses_all_pages/mode=decode", "while it is in use"),
    "one-page-too-few": ("(used_q[s] == limit);", "(used_q[s] == limit - 1'b1);", "uses_all_pages/mode=streamed", "have a page"),
    "ring-without-room": ("!resident || (span < PAGES[COUNT_BITS:0]);", "1'b1;", UP, "while it is in use"),
    "counts-instead-of-places": ("span = {1'b0, held_q} + {2'b00, block_q[BASE_BITS-1:0]};",
                                 "span = {1'b0, used_q[0]} + {1'b0, used_q[1]};", DOWN, "while it is in use"),
    "ring-stands-still": ("ring_q <= ring_q + s_run_blocks[COUNT_BITS-1:0];", "ring_q <= ring_q;", UP,
                          f"while it is in use|head_base|{DIFFERS}"),
    "page-of-the-other-head": ("ring_page = base_q[turn_q]", "ring_page = base_q[!turn_q]", PLAIN,
                               f"{DIFFERS}|page .+ gets|page is X"),
    "page-from-the-heads-start": ("{slot_q, offset_q[SHARE_BITS-1:0]};", "{slot_q, block_q[SHARE_BITS-1:0]};", PLAIN, DIFFERS),
    "page-from-the-runs-start": ("{slot_q[0], block_q[BASE_BITS-2:0]}", "{slot_q[0], offset_q[BASE_BITS-2:0]}", PLAIN, DIFFERS),
    "freed-counts-for-heads": ("wire goes = freed[s] && !resident;", "wire goes = freed[s];", PLAIN,
                               "while it is in use|while slot|budget|free"),
    "head-freed-counts-for-pages": ("wire all_go = head_freed && resident &&", "wire all_go = head_freed &&", PLAIN,
                                    "while it is in use|while slot|budget|free"),
    "other-head-freed": ("(head_freed_slot == SLOT[0]);", "(head_freed_slot != SLOT[0]);", UP,
                         "have a page|budget|free|while slot"),
    "taken-before-freed": ("!work_q[s] && (used_q[s] == 0);", "!work_q[s];", OVER, "while slot . has one"),
    "never-the-other-slots-turn": ("turn_q <= !turn_q;", "turn_q <= turn_q;", PLAIN, "is served before|budget"),
    "the-lowest-slot-first": ("(ready_behind != 0) ? ready_behind : ready;", "ready;", TURNS, "while slot . waits|in the order"),
    "turns-from-the-same-slot": ("~(next | (next - 1'b1));", "~(next - 1'b1);", TURNS, "while slot . waits|in the order"),
    "loaded-not-forgotten": ("if (!rst_n || begins) begin\n                    loaded_q",
                             "if (!rst_n) begin\n                    loaded_q", PLAIN, "head_loaded of slot"),
    "asked-with-every-command": ("&& (m_load_kind == V_ROWS);", ";", PLAIN, "head_asked of slot"),
    "a-write-lost": ("s_run_ready = open[s_run_slot] && !state_q[ROOM];", "s_run_ready = open[s_run_slot];", TURNS,
                     f"{DIFFERS}|page is X|is served"),
    "stride-of-k-for-v": ("(m_load_kind == V_ROWS) ? call_v_token_stride : call_k_token_stride", "call_k_token_stride", PLAIN,
                          DIFFERS),
    "table-by-keys": ("{{(INDEX_BITS-BLOCK_BITS){1'b0}}, block_q};",
                      "{{(INDEX_BITS-BLOCK_BITS-KEY_BITS){1'b0}}, block_q, {KEY_BITS{1'b0}}};", PLAIN, DIFFERS),
    "command-lost-to-a-stall": ("end else if (state_q[ASK] && ask_ready) begin", "end else if (state_q[ASK]) begin", BUSY,
                                DIFFERS),
    "idle-too-early": ("(work_q == 0) && state_q[CHOOSE] && (inside_q == 0);", "(work_q == 0) && state_q[CHOOSE];", PLAIN,
                       "idle is"),
    "one-block-at-a-time": ("call_decode ? (ready != 0)", "call_decode ? (ready != 0) && (inside_q == 0)", TURNS,
                            "a block takes"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
