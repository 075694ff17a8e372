"""Every exposed parameter over its values."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from scripts.flow.simulator import RunOptions
from tb.core.checker import assert_ok
from tb.core.configs import SWEEP
from tb.core.run import run_core
from tb.core.sequences import levels_tile, random_tile

VALUES = {"rows": (8, 16, 24, 40, 64, 96, 128), "head_dim": (16, 32, 64, 128), "bits_per_cycle": (1, 2, 4, 8),
          "keys_per_block": (8, 16, 32, 64), "prob_bits": tuple(range(8, 19)), "max_keys": tuple(64 << i for i in range(12))}
SHAPE = ("rows", "head_dim", "bits_per_cycle", "keys_per_block")


@pytest.mark.sample(5)
@pytest.mark.parametrize("cfg", SWEEP, ids=lambda cfg: cfg.name)
def test_parameters(cfg: EngineConfig, seed: int, generator: np.random.Generator) -> None:
    """A full fused tile over a block and a ragged one, a saturating short one, a one-row tile, in the first bank again; a tile
    of which a block is skipped, where two fit."""
    tiles = [random_tile(cfg, generator, cfg.rows, min(cfg.keys_per_block + 3, cfg.max_keys), "outliers", cfg.max_tau()),
             random_tile(cfg, generator, cfg.rows - 1, 5, "peaked", 0),
             random_tile(cfg, generator, 1, cfg.keys_per_block, "plain")]
    tiles[0].fused = True
    tiles[1].shift = max(tiles[1].shift - 6, 0)
    if 2 * cfg.keys_per_block <= cfg.max_keys:
        tiles.append(levels_tile(cfg, generator, [0, -cfg.prob_bits - 9], rows=2, skip=True))
        assert run_tile(cfg, tiles[-1]).stats.skipped_blocks == 1
    assert_ok(run_core(cfg, tiles, ("none", "both"), RunOptions(seed=seed)), tiles, expected=2)


def test_the_sweep_is_complete() -> None:
    """Every value occurs, and at least three in four of the legal pairs of values that shape the datapath."""
    for field, values in VALUES.items():
        assert {getattr(cfg, field) for cfg in SWEEP} == set(values), field

    def pairs(point: tuple[int, ...]) -> set[tuple[tuple[str, int], ...]]:
        return set(combinations(zip(SHAPE, point, strict=True), 2))

    legal = set().union(*(pairs(p) for p in product(*(VALUES[f] for f in SHAPE)) if p[3] <= p[1]))
    covered = set().union(*(pairs(tuple(getattr(cfg, f) for f in SHAPE)) for cfg in SWEEP))
    assert len(covered) >= 0.75 * len(legal), f"{len(covered)} of {len(legal)} pairs"
