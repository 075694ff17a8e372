"""Streams that are played and recorded by Verilog: the same engine, the same verdict, on both simulators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.hardware.tile import TileJob
from scripts.flow.simulator import BenchFailed, RunOptions, require_simulator
from tb.common.mutation import mutated_sources
from tb.common.stalls import PATTERNS
from tb.core.checker import assert_ok
from tb.core.configs import TINY
from tb.core.directed import provoking_tiles
from tb.core.played import idle_cycles
from tb.core.run import BENCHES, run_core
from tb.core.sequences import flagged, random_tiles, vanishing_tiles
from tb.core.test_core_broken import BUDGET, MUTANTS

FILES = BENCHES["files"]


@pytest.fixture
def tiles(generator: np.random.Generator) -> list[TileJob]:
    return [*flagged(generator, random_tiles(TINY, generator, 6)), *vanishing_tiles(TINY, generator, 4)]


@pytest.mark.parametrize(("pairs", "idle"), [
    ([(2, 3), (1, 0), (1, 4), (9, 9)], [0, 0, 3, 0, 4, 0]), ([(6, 5)], [0] * 6), ([(1, 1)] * 6, [0, 1, 1, 1, 1, 1]),
])
def test_idle_cycles(pairs: list[tuple[int, int]], idle: list[int]) -> None:
    assert idle_cycles(iter(pairs), 6).tolist() == idle


def test_played_streams(tiles: list[TileJob], seed: int) -> None:
    assert_ok(run_core(TINY, tiles, PATTERNS, RunOptions(seed=seed), bench=FILES), tiles, expected=len(PATTERNS))


def test_beats_move_in_the_same_cycles_as_from_python(tiles: list[TileJob], seed: int) -> None:
    """Without pauses both feeds are the fastest there is."""
    played, = run_core(TINY, tiles, options=RunOptions(seed=seed), bench=FILES)
    driven, = run_core(TINY, tiles, options=RunOptions(seed=seed))
    assert played.taken == driven.taken and played.counters == driven.counters


def test_icarus_and_verilator_agree(tiles: list[TileJob], seed: int) -> None:
    """Every bit, every counter, and the cycle of every handshake, with pauses of every stream."""
    require_simulator("verilator")
    runs = {sim: run_core(TINY, tiles, PATTERNS, RunOptions(sim=sim, seed=seed), bench=FILES) for sim in ("icarus", "verilator")}
    for one, other in zip(runs["icarus"], runs["verilator"], strict=True):
        assert one.ok and other.ok and one.pattern == other.pattern
        assert bool((one.out == other.out).all()) and one.taken == other.taken and one.counters == other.counters


@pytest.mark.faults
@pytest.mark.sample(8)
@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_engine_fails(name: str, seed: int, tmp_path: Path) -> None:
    """The recorders see what the monitors in Python see."""
    file, old, new, *slow = MUTANTS[name]
    tiles = provoking_tiles(TINY, np.random.default_rng(seed))
    options = RunOptions(seed=seed, sources=mutated_sources(tmp_path, file, old, new), build_root=tmp_path / "build")
    try:
        runs = run_core(TINY, tiles, ("both",), options, budget=BUDGET, bench=FILES, slow=slow[0] if slow else None)
    except BenchFailed as failure:
        assert failure.result.failed > 0, "the simulator itself failed: the mutant does not run"
        return
    assert not all(run.ok for run in runs), f"not noticed: {name}"
