"""Reset and ``clear`` in any state of the engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.stalls import PATTERNS
from tb.core.checker import assert_ok
from tb.core.configs import TINY
from tb.core.run import run_core
from tb.core.sequences import random_tiles
from tb.core.transactions import stream_arrays


@pytest.mark.parametrize("longest", [8, 40, 700])
def test_reset_in_the_middle_of_a_run(longest: int, seed: int, generator: np.random.Generator) -> None:
    """Nothing of the interrupted run is left: bits, counters, cycles and the error flag are those of a first run."""
    tiles = random_tiles(TINY, generator, 2, keys=13)
    runs = run_core(TINY, tiles, PATTERNS, RunOptions(seed=seed, extra_env={"ENGINE_ABORT": str(longest)}),
                    bench="tb.core.bench_reset")
    assert_ok(runs, tiles, expected=len(PATTERNS))


def test_clear(seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    tiles = random_tiles(TINY, generator, 2, keys=20)
    np.savez(tmp_path / "streams.npz", **stream_arrays(tiles))
    run_bench("fcim_core", "tb.core.bench_clear", TINY.verilog_parameters(),
              RunOptions(seed=seed, extra_env={"ENGINE_STREAMS": str(tmp_path / "streams.npz")}))
