"""The key scheduler at every block size, under every stall pattern, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.hardware.schedules import blocks
from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault
from tb.key_scheduler.model import DIAGONAL_ASCENDING, DIAGONAL_FIRST, NAMES, NATURAL, SINK_DIAGONAL, Run, runs_of

TOP, FILE, BENCH = "fcim_key_scheduler", "rtl/stream/fcim_key_scheduler.v", "tb.key_scheduler.bench_key_scheduler"
TESTS = 11
SMALL = {"KEYS_PER_BLOCK": 8, "MAX_KEYS": 128}


@pytest.mark.sample(2)
@pytest.mark.parametrize(("keys_per_block", "max_keys"), [(8, 1024), (16, 512), (32, 1024), (64, 4096), (64, 64)])
def test_key_scheduler(keys_per_block: int, max_keys: int, seed: int) -> None:
    result = run_bench(TOP, BENCH, {"KEYS_PER_BLOCK": keys_per_block, "MAX_KEYS": max_keys}, RunOptions(seed=seed))
    assert result.passed == TESTS


@pytest.mark.parametrize(("keys_per_block", "pattern"), [(16, "none"), (64, "both")])
def test_the_longest_tiles(keys_per_block: int, pattern: str, seed: int) -> None:
    """As long as any engine allows: every bit of a key's number."""
    parameters = {"KEYS_PER_BLOCK": keys_per_block, "MAX_KEYS": 131072}
    run_bench(TOP, BENCH, parameters, RunOptions(seed=seed, testcase=f"long/pattern={pattern}"))


# ---- what the bench compares with
@pytest.mark.parametrize(("schedule", "keys", "runs"), [
    (NATURAL, 20, [(0, 8), (8, 8), (16, 4)]),
    (DIAGONAL_FIRST, 3, [(0, 3)]),
    (DIAGONAL_FIRST, 24, [(16, 8), (8, 8), (0, 8)]),
    (DIAGONAL_FIRST, 20, [(12, 8), (4, 8), (0, 4)]),
    (SINK_DIAGONAL, 3, [(0, 3)]),
    (SINK_DIAGONAL, 8, [(0, 8)]),
    (SINK_DIAGONAL, 9, [(1, 8), (0, 1)]),
    (SINK_DIAGONAL, 16, [(8, 8), (0, 8)]),
    (SINK_DIAGONAL, 17, [(9, 8), (0, 8), (8, 1)]),
    (SINK_DIAGONAL, 36, [(28, 8), (0, 8), (20, 8), (12, 8), (8, 4)]),
    (DIAGONAL_ASCENDING, 8, [(0, 8)]),
    (DIAGONAL_ASCENDING, 9, [(1, 8), (0, 1)]),
    (DIAGONAL_ASCENDING, 16, [(8, 8), (0, 8)]),
    (DIAGONAL_ASCENDING, 36, [(28, 8), (0, 8), (8, 8), (16, 8), (24, 4)]),
])
def test_the_orders_by_hand(schedule: int, keys: int, runs: list[Run]) -> None:
    """For blocks of 8 keys."""
    assert runs_of(schedule, keys, 8) == runs


@pytest.mark.parametrize("keys_per_block", [8, 16, 32, 64])
def test_the_models_have_the_same_orders(keys_per_block: int) -> None:
    for code, name in enumerate(NAMES):
        for keys in (*range(1, 5 * keys_per_block + 2), 4096, 4097, 131071, 131072):
            assert runs_of(code, keys, keys_per_block) == blocks(name, keys, keys_per_block), f"{name}, {keys} keys"


# ---- faults
INSIDE = "tiles inside"         # the handshakes are not those of the tiles inside
FAULTS = {
    "tile-overwritten": ("s_tile_ready = !waits_q", "s_tile_ready = !waits_q || (step && last)", "lengths/pattern=both", INSIDE),
    "ready-seen-through": ("s_tile_ready = !waits_q", "s_tile_ready = !waits_q || (step && last)",
                           "outputs_follow_registers_alone", "within the cycle"),
    "no-waiting-tile": ("s_tile_ready = !waits_q", "s_tile_ready = !walks_q", "lengths/pattern=none", INSIDE),
    "valid-waits-for-ready": ("m_blk_valid = walks_q", "m_blk_valid = walks_q && m_blk_ready", "lengths/pattern=backpressure",
                              f"{INSIDE}|valid dropped"),
    "bubble-between-tiles": ("waits_q <= (waits_q || accept) && !free;\n            walks_q <= waits_q || accept || !free;",
                             "waits_q <= accept || (waits_q && !free);\n            walks_q <= waits_q || !free;",
                             "a_block_per_cycle_across_tiles", "m_blk_valid is 0 with 1 tiles"),
    "keys-not-kept": ("waits_q ? waits_keys_q :", "", "lengths/pattern=backpressure", f"m_blk beat|{INSIDE}"),
    "schedule-not-kept": ("waits_q ? waits_schedule_q :", "", "lengths/pattern=backpressure", "m_blk beat .* start"),
    "ascending-is-natural": ("2'd3:    order_q <= ASCENDS", "2'd3:    order_q <= UP", "lengths/pattern=none",
                             "m_blk beat .* start"),
    "ascending-is-sink": ("ASCENDS:  order_q <= UP", "ASCENDS:  order_q <= SINK", "lengths/pattern=none", "m_blk beat .* start"),
    "ascending-leaves-out-a-block": ("(order_q == ASCENDS) ? up_q : up_q + 1'b1", "up_q + 1'b1", "lengths/pattern=none",
                                     "m_blk beat .* start"),
    "last-block-whole": ("count = full ?", "count = !last ?", "lengths/pattern=gaps", "m_blk beat .* count got 0x0"),
    "one-block-too-many": ("!full || (left_q == BLOCK_KEYS)", "!full", "lengths/pattern=none", f"m_blk beat .* last|{INSIDE}"),
    "up-from-before": ("up_q    <= {UP_BITS{1'b0}}", "up_q    <= waits_q ? {UP_BITS{1'b0}} : up_q", "lengths/pattern=gaps",
                       "m_blk beat .* start|of start is X"),
    "oldest-ragged": ("last ? {INDEX_BITS{1'b0}} : after[INDEX_BITS-1:0]", "after[INDEX_BITS-1:0]", "lengths/pattern=none",
                      "m_blk beat .* start"),
    "no-sink": ("DIAGONAL: order_q <= SINK", "DIAGONAL: order_q <= BETWEEN", "lengths/pattern=none", "m_blk beat .* start"),
    "sink-twice": ("SINK:     order_q <= BETWEEN", "SINK:     order_q <= DOWN", "lengths/pattern=none", "m_blk beat .* start"),
    "sink-in-last-block": ("last ? BLOCK_KEYS[INDEX_BITS-1:0]", "last ? {INDEX_BITS{1'b0}}", "lengths/pattern=none",
                           "m_blk beat .* start got 0x0"),
    "top-bit-lost-down": (": after[INDEX_BITS-1:0]", ": {1'b0, after[INDEX_BITS-2:0]}", "long/pattern=both",
                          "m_blk beat .* start"),
    "top-bit-lost-up": (": up_q + 1'b1", ": {1'b0, up_q[UP_BITS-2:0] + 1'b1}", "long/pattern=none", "m_blk beat .* start"),
    "reset-keeps-waiting": ("waits_q <= 1'b0", "waits_q <= (waits_q === 1'b1)", "reset_drops_the_tiles", "the reset left a tile"),
    "reset-keeps-running": ("walks_q <= 1'b0", "walks_q <= (walks_q === 1'b1)", "reset_drops_the_tiles", "the reset left a tile"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(seed=seed, testcase=testcase))
