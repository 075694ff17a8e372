"""``fcim_tile_tracker``, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_tile_tracker", "rtl/core/fcim_tile_tracker.v", "tb.tile_tracker.bench_tile_tracker"


def test_tile_tracker(seed: int) -> None:
    assert run_bench(TOP, BENCH, {}, RunOptions(seed=seed)).passed == 3


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new"), [
    ("ended && (left == 0)", "ended && (under_way_q == 0)"),
    ("{1'b0, finish && finish_bank == k}", "{1'b0, finish}"),
    ("ended && !done[k]", "ended"),
    ("ended_q || (decided_here && decided_last)", "ended_q || (decided && decided_last)"),
], ids=["finish-seen-late", "any-bank-finishes", "done-for-ever", "any-bank-ends"])
def test_faults_are_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), "done_valid is|done_bank is|pulses", TOP, BENCH, {},
                RunOptions(seed=seed, testcase="every_tile_once"))


@pytest.mark.faults
def test_a_pulse_that_outlives_a_reset_is_found(seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, "            done_q <= 1'b0;\n", "            done_q <= done_q;\n"),
                "done_valid is [1X] in the first cycle after a reset", TOP, BENCH, {},
                RunOptions(seed=seed, testcase="a_reset_drops_the_pulse"))
