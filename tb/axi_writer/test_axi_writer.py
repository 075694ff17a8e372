"""The AXI writer on buses of every width, with short and long bursts, few and many of them."""

from __future__ import annotations

import pytest

from scripts.flow.simulator import RunOptions, run_bench

TOP, BENCH = "fcim_axi_writer", "tb.axi_writer.bench_axi_writer"


@pytest.mark.parametrize(("data_bits", "max_burst", "outstanding"), [
    (128, 256, 2), (256, 2, 16), (512, 16, 4), (1024, 1, 1), (1024, 256, 3)])
def test_axi_writer(data_bits: int, max_burst: int, outstanding: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"DATA_BITS": data_bits, "MAX_BURST": max_burst, "OUTSTANDING": outstanding}, RunOptions(seed=seed))
