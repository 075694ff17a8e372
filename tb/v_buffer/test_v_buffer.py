"""The V buffer with rings of two and three blocks, under every stall pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_v_buffer", "rtl/stream/fcim_v_buffer.v", "tb.v_buffer.bench_v_buffer"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("head_dim", "keys", "slots"), [
    (16, 8, 2), (16, 16, 3), (32, 8, 3), (64, 32, 2), (64, 64, 2), (128, 16, 3),
])
def test_v_buffer(head_dim: int, keys: int, slots: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"HEAD_DIM": head_dim, "KEYS_PER_BLOCK": keys, "SLOTS": slots}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("rd_q <= lacks[j]", "rd_q <= 1'b0", "data lane|is X"),
    ("tile_last_q[wr_slot_q] <= s_v_last", "tile_last_q[wr_slot_q] <= blk_end", "last key and last are"),
    ("full_q != SLOTS[SLOT_BITS:0]", "1'b1", "ready is 1 with"),
    ("rd_slice*SLICE_BITS +:", "(KEYS_PER_BLOCK-1-rd_slice)*SLICE_BITS +:", "data lane"),
], ids=["missing-keys", "last-of-every-block", "overflow", "slices-reversed"])
def test_faults_are_found(old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"HEAD_DIM": 16, "KEYS_PER_BLOCK": 8, "SLOTS": 2},
                RunOptions(seed=seed, testcase="blocks/pattern=backpressure"))
