"""The AXI reader on buses of every width, with short and long bursts, few and many of them."""

from __future__ import annotations

import pytest

from scripts.flow.simulator import RunOptions, run_bench

TOP, BENCH = "fcim_axi_reader", "tb.axi_reader.bench_axi_reader"


@pytest.mark.parametrize(("data_bits", "max_burst", "outstanding", "buffer_beats"), [
    (128, 256, 2, 1024), (256, 2, 16, 32), (512, 16, 4, 64), (512, 16, 16, 16), (1024, 1, 1, 1), (1024, 256, 3, 256)])
def test_axi_reader(data_bits: int, max_burst: int, outstanding: int, buffer_beats: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"DATA_BITS": data_bits, "MAX_BURST": max_burst, "OUTSTANDING": outstanding,
                           "BUFFER_BEATS": buffer_beats}, RunOptions(seed=seed))
