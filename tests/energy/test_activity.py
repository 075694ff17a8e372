"""What a tile switches, counted for all of its blocks at once, against the golden model and against counting bit by bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.energy import activity
from models.energy.activity import Activity, tile_activity
from models.hardware import golden
from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.tile import TileJob

CFG = EngineConfig("c", rows=16, head_dim=32, bits_per_cycle=2, keys_per_block=8, prob_bits=16, max_keys=1024)
WIDE = EngineConfig("w", rows=8, head_dim=16, bits_per_cycle=8, keys_per_block=16, prob_bits=18, max_keys=64)
CUT = EngineConfig("cut", rows=8, head_dim=16, bits_per_cycle=4, keys_per_block=8, prob_bits=12, max_keys=64, sum_cut=2)
SPREADS = (8, 12, 16, 21)       # log2 of the spread of the scaled scores: flat, a few octaves, large rescales, mostly saturated
OPTIONS = ({}, {"fused": True}, {"skip": True}, {"skip": True, "octaves": 2}, {"tau": 3, "fused": True}, {"tau": 2, "skip": True},
           {"skip": True, "octaves": 9, "tau": 1, "fused": True})


def random_tile(g: np.random.Generator, cfg: EngineConfig, rows: int, keys: int, spread: int, **options: object) -> TileJob:
    """Any operands from -128 to 127; positions anywhere, one key in eight is padding."""
    def ints(values: object) -> torch.Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64))

    q, k, v = (torch.as_tensor(g.integers(-128, 128, (n, cfg.head_dim)).astype(np.int8)) for n in (rows, keys, keys))
    bits = int(g.integers(2, 17))
    shift = max(0, min(63, round(12 + np.log2(cfg.head_dim) / 2 + 2 * bits - spread)))
    k_pos = g.integers(0, 2 * keys + 1, keys)
    k_pos[g.integers(0, 8, keys) == 0] = cfg.padding_pos
    return TileJob(q, ints(g.integers(0, 2 * keys + 1, rows)), ints(g.integers(0, 2**bits, rows)), k, v, ints(k_pos),
                   ints(g.integers(0, 2**bits, keys)), shift, v_mult=ints(g.integers(0, 16, keys)), **options)


def bits_of(x: np.ndarray, width: int) -> np.ndarray:
    """Bit by bit, the last axis new."""
    return (x[..., None] >> np.arange(width)) & 1


def counted(cfg: EngineConfig, tile: TileJob, monkeypatch: pytest.MonkeyPatch) -> tuple[golden.TileResult, dict[str, int]]:
    """The golden model's result, and what meets in the arrays, product by product, as it walks through the blocks."""
    found = dict.fromkeys(("outer_pairs", "p_bits", "run_scores"), 0)
    plain = golden.accumulate

    def accumulate(cfg: EngineConfig, tile: TileJob, state: golden.RowState, z: torch.Tensor, v: torch.Tensor,
                   v_mult: torch.Tensor, amount: torch.Tensor) -> None:
        p = nx.scale_probability(nx.probability(z, state.row_max.unsqueeze(-1), tile.tau, cfg.prob_bits), v_mult).numpy()
        stored, streamed = bits_of(p, 18), bits_of(v.numpy().astype(np.int64) + 128, 8)
        found["outer_pairs"] += int(np.einsum("rka,kdb->", stored, streamed, optimize=True))
        found["p_bits"] += int(stored.sum())
        found["run_scores"] += p.size
        plain(cfg, tile, state, z, v, v_mult, amount)

    monkeypatch.setattr(golden, "accumulate", accumulate)
    result = golden.run_tile(cfg, tile)
    monkeypatch.undo()
    q, k = (bits_of(x.numpy().astype(np.int64) + 128, 8) for x in (tile.q, tile.k))
    return result, {**found, "inner_pairs": int(np.einsum("rda,kdb->", q, k, optimize=True))}


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("cfg", [CFG, WIDE, CUT], ids=lambda cfg: cfg.name)
def test_it_counts_as_the_golden_model(cfg: EngineConfig, options: dict[str, object], seed: int,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    g = np.random.default_rng([seed, 1])
    total, skipped = Activity(), 0
    for spread in SPREADS:
        for keys in (1, 5, cfg.keys_per_block, 40, 64):
            rows = int(g.integers(1, cfg.rows + 1))
            tile = random_tile(g, cfg, rows, keys, spread, **options)
            result, pairs = counted(cfg, tile, monkeypatch)
            got, ran = tile_activity(cfg, tile)
            assert got.stats == result.stats and ran.equal(result.ran)
            assert {name: getattr(got, name) for name in pairs} == pairs
            assert got.scores == rows * keys and got.visible == int((tile.k_pos <= tile.q_pos[:, None]).sum())
            in_passes = min(n for n in range(0, cfg.rows + 1, cfg.lanes) if n >= rows)
            size = cfg.keys_per_block
            run_keys = sum(min(size, keys - b * size) for b, now in enumerate(ran.tolist()) if now)
            assert (got.lane_scores, got.run_lane_scores, got.run_keys) == (in_passes * keys, in_passes * run_keys, run_keys)
            assert got.updates == in_passes * (result.stats.blocks - result.stats.skipped_blocks)
            total += got
            skipped += result.stats.skipped_blocks
    assert total.stats.keys == len(SPREADS) * (110 + cfg.keys_per_block) and total.p_bits_per_product > 0
    assert not skipped or "skip" in options


@pytest.mark.parametrize("octaves", [0, 4])
def test_blocks_that_cannot_matter_are_skipped(octaves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first block's scores lie 16 octaves above 0 (32 * 32 * 16 / 2^10), those of the others as far below."""
    k = torch.full((40, 32), -32, dtype=torch.int8)
    k[:8] = 32
    ones = torch.ones(40, dtype=torch.int64)
    tile = TileJob(torch.ones(3, 32, dtype=torch.int8), torch.full((3,), 50), ones[:3] * 16, k, k, torch.arange(40), ones, 0,
                   skip=True, octaves=octaves)
    result, pairs = counted(CFG, tile, monkeypatch)
    got, ran = tile_activity(CFG, tile)
    assert got.stats == result.stats and got.stats.skipped_blocks == 4 and ran.tolist() == [True] + 4 * [False]
    assert {name: getattr(got, name) for name in pairs} == pairs
    # p = 1.0 has one set bit, 32 is 10100000 in offset binary
    assert (got.p_bits, got.outer_pairs, got.run_keys, got.updates) == (24, 24 * 32 * 2, 8, 4)


def test_a_row_that_sees_nothing() -> None:
    """No set bit of p, no rescale, and the only block runs all the same."""
    zeros = torch.zeros(8, 16, dtype=torch.int8)
    tile = TileJob(zeros[:1], torch.tensor([0]), torch.tensor([1]), zeros, zeros, torch.full((8,), 5), torch.ones(8).long(), 0,
                   skip=True)
    got, ran = tile_activity(WIDE, tile)
    assert (got.p_bits, got.outer_pairs, got.visible, got.stats.rescaled_rows) == (0, 0, 0, 0) and ran.tolist() == [True]
    assert got.inner_pairs == 8 * 16        # 128 has one set bit


@pytest.mark.parametrize("mistake", ["fused", "v_mult", "tau"])
def test_what_moves_probabilities_moves_the_counts(mistake: str, seed: int) -> None:
    """The same tile without one of its options has other set bits: none of them is left out of the count."""
    g = np.random.default_rng([seed, 2])
    changed = 0
    for _ in range(20):
        tile = random_tile(g, CFG, 16, 64, 12, fused=True, tau=2)
        other = replace(tile, **{mistake: {"fused": False, "v_mult": None, "tau": 0}[mistake]})
        changed += tile_activity(CFG, tile)[0].p_bits != tile_activity(CFG, other)[0].p_bits
    assert changed > 0


def test_set_bits() -> None:
    numbers = torch.arange(1 << 18)
    assert activity.ones(numbers).tolist() == [bin(number).count("1") for number in range(1 << 18)]
    signed = torch.arange(-128, 128).to(torch.int8)
    assert activity.signed_ones(signed).tolist() == [bin(number).count("1") for number in range(256)]
