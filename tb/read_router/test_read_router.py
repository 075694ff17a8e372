"""The read router over its parameters, and broken on purpose."""

from __future__ import annotations

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.read_router.agents import NAMES

TOP, FILE, BENCH = "fcim_read_router", "rtl/system/fcim_read_router.v", "tb.read_router.bench_read_router"
TESTS = 7
SETS = [(1, 8, 16, 8, 64, 32, 128), (4, 24, 64, 16, 1024, 256, 128), (2, 16, 128, 8, 256, 64, 1024)]


@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_read_router(values: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed)).passed == TESTS
