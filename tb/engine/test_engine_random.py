"""Random tiles and whole attention groups through the RTL engine under every stall pattern."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import HardwareConfig, load_config
from models.tile import TileJob
from scripts.engine_run import run_engine
from tb.common.stalls import PATTERNS
from tb.engine.configs import BYTE, NARROW, TINY
from tb.engine.verdict import assert_ok
from tb.engine.workloads import KINDS, decode, prefill, random_tile, random_tiles


@pytest.mark.parametrize("kinds", [KINDS[:2], KINDS[2:]], ids="-".join)
def test_random_tiles(kinds: tuple[str, ...], seed: int, generator: np.random.Generator) -> None:
    tiles = [random_tile(TINY, generator, kind=kinds[i % len(kinds)]) for i in range(8)]
    assert_ok(run_engine(TINY, tiles, PATTERNS, seed=seed, watch=True), tiles, expected=len(PATTERNS))


@pytest.mark.parametrize("cfg", [NARROW, BYTE], ids=lambda cfg: cfg.name)
def test_random_tiles_on_other_engines(cfg: HardwareConfig, seed: int, generator: np.random.Generator) -> None:
    tiles = random_tiles(cfg, generator, 10)
    assert_ok(run_engine(cfg, tiles, PATTERNS, seed=seed), tiles, expected=len(PATTERNS))


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
    assert_ok(run_engine(TINY, list(tiles.values()), PATTERNS, seed=seed), tiles, expected=len(PATTERNS))


@pytest.mark.parametrize("name", ["head64", "default"])
def test_full_size(name: str, seed: int, generator: np.random.Generator) -> None:
    """The shipped sizes on a short prompt: a full tile and a small one, so that both banks work."""
    cfg = load_config(name)
    tiles = random_tiles(cfg, generator, 1, rows=cfg.rows, keys=2 * cfg.keys_per_block + 3, kind="outliers")
    tiles += random_tiles(cfg, generator, 1, rows=7, keys=cfg.keys_per_block, kind="peaked")
    assert_ok(run_engine(cfg, tiles, ("none", "both"), seed=seed), tiles, expected=2)
