"""``fcim_divider`` at the widths of the narrowest, the default and the widest engine, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simulate import BenchFailed, run_bench
from tb.common.mutation import mutated_sources

BENCH = "tb.divider.bench_divider"
TESTS = 5
# LANES = head_dim * bits_per_cycle / 8; SUM_BITS = prob_bits + log2(max_keys); ACC_BITS = SUM_BITS + 8.
NARROWEST = {"LANES": 2, "ACC_BITS": 22, "SUM_BITS": 14}
DEFAULT = {"LANES": 16, "ACC_BITS": 41, "SUM_BITS": 33}
MANY_LANES = {"LANES": 64, "ACC_BITS": 30, "SUM_BITS": 22}


@pytest.mark.parametrize("parameters", [NARROWEST, DEFAULT, MANY_LANES], ids=["narrowest", "default", "many-lanes"])
def test_divider(parameters: dict[str, int], seed: int) -> None:
    result = run_bench("fcim_divider", None, BENCH, parameters, seed=seed)
    assert result.passed == TESTS
