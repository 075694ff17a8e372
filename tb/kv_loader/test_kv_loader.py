"""The loader of key blocks for one to sixteen engines, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_kv_loader", "rtl/system/fcim_kv_loader.v", "tb.kv_loader.bench_kv_loader"
TESTS = 10
NAMES = ("ENGINES", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS")


@pytest.mark.parametrize("sizes", [(1, 16, 8, 64, 32, 128), (4, 32, 8, 1024, 128, 256)])
def test_kv_loader(sizes: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, sizes, strict=True)), RunOptions(seed=seed)).passed == TESTS
