"""Engines whose row sums have fewer bits than all keys may need: tiles that press on them, and broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.tile import TileJob
from scripts.flow.simulator import RunOptions
from tb.common.mutation import mutated_sources
from tb.core.checker import assert_ok
from tb.core.configs import BYTE, NARROW, WIDE, small
from tb.core.run import run_core
from tb.core.sequences import UNIT, exact_tile, levels_tile, random_tile

CONFIGS = (replace(NARROW, name="smallest-cut", sum_cut=2), replace(WIDE, name="wide-cut", sum_cut=4),
           replace(BYTE, name="byte-cut", sum_cut=6), replace(small(1, prob_bits=10, max_keys=256), name="serial-cut", sum_cut=3),
           EngineConfig("shipped-cut", 8, 16, 4, 16, 18, 131072, sum_cut=11))


def pressing_tiles(cfg: EngineConfig, g: np.random.Generator) -> dict[str, TileJob]:
    """Tiles that fill their sums: with and without a threshold, of equal scores, growing ones and blocks that are left out."""
    blocks = min(cfg.max_keys // cfg.keys_per_block, 40)
    keys, size, tau = blocks * cfg.keys_per_block - 3, cfg.keys_per_block, cfg.max_tau()
    creeping = [min(96 * (j // size), (tau + 1) * UNIT - 1) for j in range(keys)]
    rising = [(j // (4 * size)) * UNIT + UNIT - 1 - (j % 3) * 200 for j in range(keys)]
    far = [0 if b % 3 == 0 else -2 for b in range(blocks - 1)]
    tiles = {
        "equal": exact_tile(cfg, g, [UNIT - 1] * keys, rows=2),
        "as far above as a threshold leaves": exact_tile(cfg, g, [0] * size + [(tau + 1) * UNIT - 1] * (keys - size), 1, tau),
        "creeping": replace(exact_tile(cfg, g, creeping, 1, tau), fused=True),
        "rising": replace(exact_tile(cfg, g, rising, 3), partial=True),
        "left out": replace(levels_tile(cfg, g, [0, *far], rows=2, fused=True, skip=True), octaves=1),
        "few bits": replace(levels_tile(cfg, g, [0, *[-1] * (blocks - 1)], rows=1), octaves=1),
        "saturated": replace(random_tile(cfg, g, 2, min(keys, 4 * size), "peaked", 0), shift=0),
        "random": random_tile(cfg, g, cfg.rows, min(keys, 5 * size), "flat", 0),
    }
    tiles["rows of their own"] = replace(random_tile(cfg, g, cfg.rows, keys, "plain", 1), fused=True, partial=True)
    return tiles


@pytest.mark.sample(2)
@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: cfg.name)
def test_tiles_that_fill_their_sums(cfg: EngineConfig, seed: int, generator: np.random.Generator) -> None:
    named = pressing_tiles(cfg, generator)
    raised = {name: run_tile(cfg, tile).stats.rescale_amount - run_tile(replace(cfg, sum_cut=0), tile).stats.rescale_amount
              for name, tile in named.items()}
    assert all(raised[name] > 0 for name in ("equal", "as far above as a threshold leaves")), raised
    left_out = run_tile(cfg, named["left out"]).stats
    assert left_out.skipped_blocks and run_tile(cfg, named["saturated"]).stats.saturations
    tiles = list(named.values())
    assert_ok(run_core(cfg, tiles, ("none", "both"), RunOptions(seed=seed)), tiles, expected=2)


FAULTS = {
    "sums-are-not-watched": ("rtl/softmax/fcim_online_softmax.v", ".CUT_BITS(SUM_CUT == 0 ? 0 : SUM_BITS)", ".CUT_BITS(0)"),
    "watched-a-bit-too-late": ("rtl/softmax/fcim_online_softmax.v", ".CUT_BITS(SUM_CUT == 0 ? 0 : SUM_BITS)",
                               ".CUT_BITS(SUM_BITS + 1)"),
    "another-tiles-flag": ("rtl/softmax/fcim_online_softmax.v", ".s_blk_skip(zskip_q[judge_buf_q])", ".s_blk_skip(1'b0)"),
    "no-room-above-scores": ("rtl/softmax/fcim_online_softmax.v", ".HEADROOM(SUM_CUT == 0 ? 0 : CUT_HEADROOM)", ".HEADROOM(0)"),
}


@pytest.mark.faults
@pytest.mark.sample(2)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    cfg = CONFIGS[0]
    tiles = list(pressing_tiles(cfg, generator).values())
    options = RunOptions(seed=seed, sources=mutated_sources(tmp_path, *FAULTS[fault]), build_root=tmp_path / "build")
    assert not all(run.ok for run in run_core(cfg, tiles, ("none",), options)), "nobody noticed"
