"""Reset and ``clear`` in any state of the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault
from tb.common.stalls import PATTERNS
from tb.core.checker import assert_ok
from tb.core.configs import BYTE, TINY
from tb.core.run import run_core
from tb.core.sequences import levels_tile, random_tiles
from tb.core.transactions import stream_arrays

SHORT = "tb.core.bench_short_reset"


@pytest.mark.sample(1)
@pytest.mark.parametrize("longest", [8, 40, 700])
def test_reset_in_the_middle_of_a_run(longest: int, seed: int, generator: np.random.Generator) -> None:
    """Nothing of the interrupted run is left: bits, counters, cycles and the error flag are those of a first run."""
    tiles = random_tiles(TINY, generator, 2, keys=13)
    runs = run_core(TINY, tiles, PATTERNS, RunOptions(seed=seed, extra_env={"ENGINE_ABORT": str(longest)}),
                    bench="tb.core.bench_reset")
    assert_ok(runs, tiles, expected=len(PATTERNS))


def rising(cfg: EngineConfig, generator: np.random.Generator, folder: Path) -> RunOptions:
    """Options that bring a bench a tile in which every block rescales every row."""
    tile = levels_tile(cfg, generator, range(-6, 7))
    np.savez(folder / "streams.npz", **stream_arrays([tile]))
    return RunOptions(extra_env={"ENGINE_STREAMS": str(folder / "streams.npz")})


@pytest.mark.parametrize("cfg", [TINY, BYTE], ids=["tiny", "byte"])
def test_one_edge_of_reset(cfg: EngineConfig, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    options = replace(rising(cfg, generator, tmp_path), seed=seed)
    run_bench("fcim_core", SHORT, cfg.verilog_parameters(), options)


@pytest.mark.faults
def test_a_register_without_reset_is_found(tmp_path: Path, seed: int, generator: np.random.Generator) -> None:
    """The number of maxima that have risen, on its way to the counter."""
    options = replace(rising(BYTE, generator, tmp_path), seed=seed)
    check_fault(tmp_path, ("rtl/softmax/fcim_row_max.v", "c_rescaled_q <= {LANE_COUNT_BITS{1'b0}};", "c_rescaled_q <= moved;"),
                "counted after a reset .*rescaled_rows", "fcim_core", SHORT, BYTE.verilog_parameters(), options)


def test_clear(seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    tiles = random_tiles(TINY, generator, 2, keys=20)
    np.savez(tmp_path / "streams.npz", **stream_arrays(tiles))
    run_bench("fcim_core", "tb.core.bench_clear", TINY.verilog_parameters(),
              RunOptions(seed=seed, extra_env={"ENGINE_STREAMS": str(tmp_path / "streams.npz")}))
