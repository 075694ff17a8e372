"""The memory for whole calls, in both simulators."""

from __future__ import annotations

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import ROOT

TOP, FILE, BENCH = "axi_memory", "tb/hdl/axi_memory.v", "tb.hdl.bench_axi_memory"
TESTS = 30


@pytest.mark.parametrize(("sim", "data_bits", "base"), [("icarus", 128, 1 << 40), ("icarus", 1024, 0), ("verilator", 512, 4096)])
def test_axi_memory(sim: str, data_bits: int, base: int, seed: int) -> None:
    parameters = {"DATA_BITS": data_bits, "WORDS": 1024, "OUTSTANDING": 16, "BASE": base}
    assert run_bench(TOP, BENCH, parameters, RunOptions(sim=sim, seed=seed, sources=[ROOT / FILE])).passed == TESTS
