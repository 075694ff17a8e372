"""The performance counters with several numbers of counters and widths of increments."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_counters", "rtl/core/fcim_counters.v", "tb.counters.bench_counters"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("count", "bits"), [(1, 1), (4, 16), (23, 24), (2, 48)])
def test_counters(count: int, bits: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"COUNT": count, "INC_BITS": bits}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new"), [
    ("if (!rst_n || clear)", "if (!rst_n)"),
    ("if (!rst_n || clear)", "if (!rst_n || (clear && increments == 0))"),
    ("count_q[i*WIDTH +: WIDTH] <= count", "count_q[i*WIDTH +: WIDTH-1] <= count"),
], ids=["clear-ignored", "increment-beats-clear", "top-bit-stuck"])
def test_faults_are_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), "expected", TOP, BENCH, {"COUNT": 2, "INC_BITS": 48}, RunOptions(seed=seed))
