"""The accelerator, memory in and memory out: calls of every kind from a ring, against the golden result of their tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.hardware.golden import run_tile
from models.hardware.schedules import TileOptions
from models.hardware.tiling import build_tiles
from models.system.call import Call
from models.system.config import SystemConfig
from scripts.flow.simulator import RunOptions
from tb.accelerator.run import CallRun, Pace, run_calls
from tb.core.configs import small
from tb.core.sequences import random_group

# two engines with a key per cycle; a row is two beats
SMALL = SystemConfig("small", small(8, head_dim=32, max_keys=128), engines=2, buffer_keys=32, data_bits=128, max_burst=8,
                     outstanding=4, read_beats=32, o_rows=4)
FUSED, SKIPPING = TileOptions(fused=True), TileOptions(fused=True, skip=True, octaves=3)


def call_of(system: SystemConfig, generator: np.random.Generator, heads: int, group: int, tokens: int, first: int = 0,
            own_start: bool = False, split: int | None = None, options: TileOptions = FUSED) -> Call:
    """KV heads of ``group`` query heads each, with ``first`` keys before the tokens."""
    groups = [random_group(system.engine, generator, group, tokens, first + tokens, kind="peaked") for _ in range(heads)]
    return Call(groups, options, own_start, split)


def some_calls(system: SystemConfig, generator: np.random.Generator) -> list[Call]:
    """One of each kind: in the buffer with and without a start of their own, after a cache, beyond the buffer, decode."""
    beyond, share, rows = system.buffer_keys, min(2, system.engines), system.engine.rows
    return [call_of(system, generator, 1, 4, 3), call_of(system, generator, 3, 4, rows),
            call_of(system, generator, 2, 3, rows + 1, 11, True),
            call_of(system, generator, 2, 4, rows + 1, beyond, options=SKIPPING),
            call_of(system, generator, 3, 4, 1, 60, split=1),
            call_of(system, generator, 5, 2, 3, 77, split=share, options=SKIPPING)]


def check(runs: list[CallRun], expected: int) -> None:
    """All are right.

    Raises:
        AssertionError: one is not, or one is missing.
    """
    assert len(runs) == expected
    bad = [f"calls {number}: {'; '.join(run.problems)}" for number, run in enumerate(runs) if run.problems]
    assert not bad, "\n".join(bad)


def test_calls(seed: int, generator: np.random.Generator) -> None:
    check(run_calls(SMALL, some_calls(SMALL, generator), Pace(25), 6, True, RunOptions(seed=seed)), 1)


@pytest.mark.parametrize("engines", [1, 4])
def test_other_numbers_of_engines(engines: int, seed: int, generator: np.random.Generator) -> None:
    system = replace(SMALL, engines=engines, data_bits=256, buffer_keys=64, max_burst=4, outstanding=2)
    calls = [call_of(system, generator, 2, 4, 9), call_of(system, generator, 3, 4, 2, 90, split=engines)]
    check(run_calls(system, calls, Pace(10), 2, run=RunOptions(seed=seed)), 1)


def test_sums_that_are_cut(seed: int, generator: np.random.Generator) -> None:
    """Scores that are nearly alike, so that sums grow fast: keys of one engine, and keys shared out over two."""
    system = replace(SMALL, engine=replace(SMALL.engine, prob_bits=8, sum_cut=3))
    groups = [random_group(system.engine, generator, 4, 2, 120) for _ in range(2)]
    groups = [replace(group, shift=group.shift + 3) for group in groups]
    whole = replace(system.engine, sum_cut=0)
    assert all(run_tile(system.engine, tile).stats.rescale_amount > run_tile(whole, tile).stats.rescale_amount
               for group in groups for tile in build_tiles(system.engine, group)), "no row was raised"
    calls = [Call(groups, FUSED, False, 1), Call(groups, FUSED, False, 2)]
    check(run_calls(system, calls, Pace(10), 2, run=RunOptions(seed=seed)), 1)
