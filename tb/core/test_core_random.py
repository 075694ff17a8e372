"""Random tiles and whole attention groups through the RTL engine under every stall pattern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.config import EngineConfig, load_config
from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES
from models.hardware.tile import TileJob
from scripts.flow.simulator import RunOptions
from tb.common.stalls import PATTERNS
from tb.core.checker import assert_ok
from tb.core.configs import BYTE, NARROW, TINY
from tb.core.run import run_core
from tb.core.sequences import KINDS, decode, flagged, levels_tile, prefill, random_tile, random_tiles, vanishing_tiles


@pytest.mark.parametrize("kinds", [KINDS[:2], KINDS[2:]], ids="-".join)
def test_random_tiles(kinds: tuple[str, ...], seed: int, generator: np.random.Generator) -> None:
    tiles = [random_tile(TINY, generator, kind=kinds[i % len(kinds)]) for i in range(8)]
    assert_ok(run_core(TINY, tiles, PATTERNS, RunOptions(seed=seed), watch=True), tiles, expected=len(PATTERNS))


@pytest.mark.parametrize("cfg", [NARROW, BYTE], ids=lambda cfg: cfg.name)
def test_random_tiles_on_other_engines(cfg: EngineConfig, seed: int, generator: np.random.Generator) -> None:
    tiles = random_tiles(cfg, generator, 10)
    assert_ok(run_core(cfg, tiles, PATTERNS, RunOptions(seed=seed)), tiles, expected=len(PATTERNS))


@pytest.mark.sample(1)
@pytest.mark.parametrize("cfg", [TINY, NARROW, BYTE], ids=lambda cfg: cfg.name)
def test_fused_and_skipping_tiles(cfg: EngineConfig, seed: int, generator: np.random.Generator) -> None:
    """Tiles with any flags one after the other, some of them full of blocks that vanish."""
    tiles = [*flagged(generator, random_tiles(cfg, generator, 8, kind="peaked")), *vanishing_tiles(cfg, generator, 12)]
    runs = run_core(cfg, tiles, PATTERNS, RunOptions(seed=seed), watch=True)
    assert_ok(runs, tiles, expected=len(PATTERNS))
    assert 0 < runs[0].counters["skipped_blocks"] < runs[0].counters["zero_blocks"]


def test_schedules(seed: int, generator: np.random.Generator) -> None:
    """Prompts and decode steps in every order of the keys, with and without the flags; no skipped block changes a bit."""
    tiles: dict[str, TileJob] = {}
    for schedule in SCHEDULES:
        for fused, skip in ((False, True), (True, False), (True, True)):
            jobs = prefill(TINY, generator, 4, 9, 0, "peaked", schedule, fused, skip)
            jobs += decode(TINY, generator, 4, 45, 2, "outliers", schedule, fused, skip)
            for job in jobs:
                job.shift = max(job.shift - 5, 0)       # scores far apart, so that blocks vanish
            tiles |= {f"{schedule}, fused {fused}, skip {skip}, tile {i}": job for i, job in enumerate(jobs)}
    runs = run_core(TINY, list(tiles.values()), ("none", "both"), RunOptions(seed=seed))
    assert_ok(runs, tiles, expected=2)
    assert runs[0].counters["skipped_blocks"] > 0
    whole = [run_tile(TINY, replace(job, skip=False)) for job in tiles.values()]
    assert torch.equal(runs[0].out, torch.cat([result.out for result in whole]))


def test_schedules_below_octaves(seed: int, generator: np.random.Generator) -> None:
    """In every order of the keys, with both first steps, tiles leave out blocks of some probability; the rest is as ever."""
    tiles = [job for schedule in SCHEDULES for fused in (False, True)
             for job in (*prefill(TINY, generator, 4, 13, 0, "peaked", schedule, fused, True),
                         *decode(TINY, generator, 4, 61, 1, "peaked", schedule, fused, True))]
    tiles = [replace(job, octaves=2 + i % 3, shift=max(job.shift - 2, 0)) for i, job in enumerate(tiles)]
    sure = levels_tile(TINY, generator, [0, -2, -3, -4, -5, -2], 1, 3, skip=True)      # whatever is drawn for the others
    tiles.append(replace(sure, octaves=3))
    runs = run_core(TINY, tiles, ("none", "both"), RunOptions(seed=seed))
    assert_ok(runs, tiles, expected=2)
    exact = sum(run_tile(TINY, replace(job, octaves=0)).stats.skipped_blocks for job in tiles)
    assert runs[0].counters["skipped_blocks"] > exact


def test_groups(seed: int, generator: np.random.Generator) -> None:
    """Prompts and decode steps: heads that share a KV head share its key stream; short last tiles; keys with outliers."""
    tiles: dict[str, TileJob] = {}
    for heads, tokens in ((1, 33), (3, 11), (4, 9), (8, 5), (16, 3)):
        jobs = prefill(TINY, generator, heads, tokens, tau=heads % 3, kind="outliers")
        assert sum(len(job.q) for job in jobs) == heads * tokens
        tiles |= {f"prompt of {tokens} tokens, group of {heads}, tile {i}": job for i, job in enumerate(jobs)}
    for heads, keys in ((4, 70), (1, 45)):
        job, = decode(TINY, generator, heads, keys, tau=heads, kind="outliers")
        assert job.q.shape[0] == heads and job.k.shape[0] == keys
        tiles[f"decode step at position {keys - 1}, group of {heads}"] = job
    assert_ok(run_core(TINY, list(tiles.values()), PATTERNS, RunOptions(seed=seed)), tiles, expected=len(PATTERNS))


@pytest.mark.parametrize("name", ["head64", "default"])
def test_full_size(name: str, seed: int, generator: np.random.Generator) -> None:
    """The shipped sizes on a short prompt: a full tile and a small one, so that both banks work."""
    cfg = load_config(name)
    tiles = random_tiles(cfg, generator, 1, rows=cfg.rows, keys=2 * cfg.keys_per_block + 3, kind="outliers")
    tiles += random_tiles(cfg, generator, 1, rows=7, keys=cfg.keys_per_block, kind="peaked")
    assert_ok(run_core(cfg, tiles, ("none", "both"), RunOptions(seed=seed)), tiles, expected=2)
