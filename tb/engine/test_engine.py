"""The top that fetches: every bit, every request and every counter, in all schedules, lengths, flags and stalls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.quantise import quantise
from models.hardware.schedules import SCHEDULES
from models.hardware.tile import TileJob
from models.tensors.source import load_tensors
from scripts.flow.simulator import RunOptions, require_simulator
from tb.common.stalls import PATTERNS
from tb.core.checker import EngineRun, assert_ok
from tb.core.configs import BYTE, NARROW, TINY, small
from tb.core.sequences import flagged, random_group, random_tile, random_tiles, shaped_tiles, vanishing_tiles
from tb.engine.checker import most_ahead
from tb.engine.run import run_engine
from tb.engine.sequences import Fetch, attention_tiles, fetched

FLAGS = ((False, False), (False, True), (True, False), (True, True))


def check(runs: list[EngineRun], fetches: list[Fetch], expected: int) -> None:
    """All runs are right."""
    assert_ok(runs, [fetch.tile for fetch in fetches], expected=expected)


def far_apart(tile: TileJob, **flags: int) -> TileJob:
    """The tile with scores so far apart that blocks vanish."""
    return replace(tile, shift=max(tile.shift - 5, 0), **flags)


@pytest.mark.sample(1)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_flags_and_lengths(schedule: str, seed: int, generator: np.random.Generator) -> None:
    """From one key to several blocks, whole and ragged, with all flags, one tile behind the other."""
    fetches = []
    for fused, skip in FLAGS:
        for keys in (1, 7, 8, 9, 16, 17, 31):
            tile = random_tile(TINY, generator, keys=keys, kind=str(generator.choice(["plain", "peaked"])))
            fetches.append(Fetch(far_apart(tile, fused=fused, skip=skip, octaves=keys % 4), schedule))
    fetches += fetched(vanishing_tiles(TINY, generator, 2), [schedule])
    fetches = [fetches[i] for i in generator.permutation(len(fetches))]
    runs = run_engine(TINY, fetches, ("none", "both"), RunOptions(seed=seed))
    check(runs, fetches, expected=2)
    assert runs[0].counters["skipped_blocks"] > 0


@pytest.mark.sample(2)
@pytest.mark.parametrize("cfg", [TINY, NARROW, BYTE, small(1)], ids=lambda cfg: cfg.name)
def test_any_tiles(cfg: EngineConfig, seed: int, generator: np.random.Generator) -> None:
    """Tiles of any schedule, flags, rows and keys one behind the other; blocks vanish anywhere, also the last."""
    patterns = PATTERNS if cfg is TINY else ("none", "both")
    tiles = [*flagged(generator, random_tiles(cfg, generator, 9)), *vanishing_tiles(cfg, generator, 15)]
    tiles = [tiles[i] for i in generator.permutation(len(tiles))]
    fetches = fetched(tiles, [str(s) for s in generator.choice(SCHEDULES, len(tiles))])
    runs = run_engine(cfg, fetches, patterns, RunOptions(seed=seed))
    check(runs, fetches, expected=len(patterns))
    assert runs[0].counters["skipped_blocks"] > 0


@pytest.mark.parametrize("pattern", ["none", "both"])
def test_every_length(pattern: str, seed: int, generator: np.random.Generator) -> None:
    """Every number of keys up to four blocks, in every schedule."""
    shapes = [(int(generator.integers(1, 9)), keys) for keys in range(1, 4 * BYTE.keys_per_block + 2) for _ in SCHEDULES]
    tiles = flagged(generator, shaped_tiles(BYTE, generator, shapes))
    fetches = fetched([far_apart(tile) for tile in tiles])
    fetches = [fetches[i] for i in generator.permutation(len(fetches))]
    check(run_engine(BYTE, fetches, [pattern], RunOptions(seed=seed)), fetches, expected=1)


def test_prompts(seed: int, generator: np.random.Generator) -> None:
    """Grouped heads, cut by the models into tiles of growing length, in every schedule and with all flags."""
    group = random_group(TINY, generator, 4, 21, kind="peaked")
    fetches = [fetch for schedule in SCHEDULES for fused, skip in FLAGS
               for fetch in attention_tiles(TINY, group, schedule, 1, fused, skip)]
    run, = run_engine(TINY, fetches, options=RunOptions(seed=seed))
    check([run], fetches, expected=1)
    whole = [run_tile(TINY, replace(fetch.tile, skip=False)) for fetch in fetches]
    assert torch.equal(run.out, torch.cat([result.out for result in whole])), "a skipped block changes the output"


@pytest.mark.sample(2)
@pytest.mark.parametrize("waits", [{"k": (0, 0), "v": (0, 0)}, {"k": (0, 60), "v": (0, 60)}, {"k": (700, 700), "v": (0, 3)},
                                   {"k": (0, 3), "v": (300, 300)}], ids=["none", "random", "late-keys", "late-values"])
def test_memories_that_wait(waits: dict[str, tuple[int, int]], seed: int, generator: np.random.Generator) -> None:
    """However late answers come, nothing changes but the time."""
    tiles = [*flagged(generator, random_tiles(TINY, generator, 5)), *vanishing_tiles(TINY, generator, 5)]
    fetches = fetched(tiles)
    check(run_engine(TINY, fetches, ("none", "both"), RunOptions(seed=seed), waits=waits, at_speed=False), fetches, expected=2)


@pytest.mark.sample(2)
@pytest.mark.parametrize("ahead", [8, 16, 32, 64])
def test_requests_run_ahead(ahead: int, seed: int, generator: np.random.Generator) -> None:
    """Before Q is there, exactly as many blocks are asked for as there is room; after that one for each decision."""
    shapes = [(3, 5), (8, 8 * (ahead + 6)), (2, 9), (8, 80), (1, 3)]
    fetches = fetched(flagged(generator, shaped_tiles(BYTE, generator, shapes)))
    run, = run_engine(BYTE, fetches, options=RunOptions(seed=seed), ahead=ahead, hold=ahead + 20)
    check([run], fetches, expected=1)
    asked, decided, tiles = run.taken["kreq"], run.taken["decision"], run.taken["tile"]
    assert most_ahead(asked, decided) == ahead and sum(cycle < 0 for cycle in asked) == ahead
    firsts = np.cumsum([0, *(len(fetch.blocks(BYTE)) for fetch in fetches)]).tolist()
    for block, cycle in enumerate(asked):
        earliest = [asked[block - 1] + 1] if block else []
        earliest += [tiles[firsts.index(block)] + 1] if block in firsts else []
        earliest += [decided[block - ahead] + 1] if block >= ahead else []
        assert cycle == max(earliest), f"block {block} is asked for in cycle {cycle}, not {max(earliest)}"
    assert run.taken["vreq"] == [c for c, ran in zip(decided, np.concatenate([g.ran for g in run.golden])) if ran]


@pytest.mark.sample(1)
@pytest.mark.parametrize("longest", [6, 60, 500])
def test_reset_in_the_middle_of_a_run(longest: int, seed: int, generator: np.random.Generator) -> None:
    """Nothing of the interrupted run is left: no block in the queue, no tile in the scheduler, no flag, no count."""
    fetches = fetched([*flagged(generator, random_tiles(TINY, generator, 3, keys=21)), *vanishing_tiles(TINY, generator, 2)])
    check(run_engine(TINY, fetches, PATTERNS, RunOptions(seed=seed), before=longest), fetches, expected=len(PATTERNS))


@pytest.mark.parametrize("name", ["head64", "default"])
def test_full_size(name: str, seed: int, generator: np.random.Generator) -> None:
    """The shipped sizes on two tiles."""
    cfg = load_config(name)
    tiles = random_tiles(cfg, generator, 1, rows=cfg.rows, keys=2 * cfg.keys_per_block + 3, kind="outliers")
    tiles += random_tiles(cfg, generator, 1, rows=7, keys=cfg.keys_per_block, kind="peaked")
    fetches = fetched(flagged(generator, tiles), SCHEDULES[1:])
    check(run_engine(cfg, fetches, ("none", "both"), RunOptions(seed=seed)), fetches, expected=2)


@pytest.mark.sample(1)
@pytest.mark.parametrize(("schedule", "fused"), [("natural", False), ("diagonal_first", True), ("sink_diagonal", True),
                                               ("diagonal_ascending", True)])
def test_heads_of_the_fixture(schedule: str, fused: bool, seed: int) -> None:
    """All heads of one KV head of the fixture model, 256 tokens, at full size."""
    require_simulator("verilator")
    cfg = load_config("default")
    group = quantise(load_tensors(layers="2", tokens=256)[0])[0]
    fetches = attention_tiles(cfg, group, schedule, fused=fused, skip=True)
    check(run_engine(cfg, fetches, options=RunOptions(sim="verilator", seed=seed)), fetches, expected=1)


def test_icarus_and_verilator_agree(seed: int, generator: np.random.Generator) -> None:
    """Every bit, every counter, and the cycle of every handshake."""
    require_simulator("verilator")
    fetches = fetched([*flagged(generator, random_tiles(TINY, generator, 4)), *vanishing_tiles(TINY, generator, 4)])
    runs = {sim: run_engine(TINY, fetches, ("none", "both"), RunOptions(sim=sim, seed=seed)) for sim in ("icarus", "verilator")}
    for one, other in zip(runs["icarus"], runs["verilator"], strict=True):
        assert one.ok and other.ok and one.pattern == other.pattern
        assert bool((one.out == other.out).all()) and one.taken == other.taken and one.counters == other.counters
