"""The store over its parameters, and broken on purpose."""

from __future__ import annotations

import pytest

from scripts.flow.simulator import RunOptions, run_bench

TOP, FILE, BENCH = "fcim_store", "rtl/system/fcim_store.v", "tb.store.bench_store"
TESTS = 11
NAMES = ("ENGINES", "HEAD_DIM", "MAX_KEYS", "DATA_BITS")
SETS = [(1, 16, 64, 128), (4, 64, 1024, 128), (2, 128, 131072, 1024)]


@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_store(values: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed)).passed == TESTS
