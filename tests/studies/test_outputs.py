"""The fast path's outputs and counts at every setting: those of the golden model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from models.hardware import numerics as nx
from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import build_tiles
from scripts.studies.schedules.outputs import run_group
from scripts.studies.schedules.row_max import walk
from scripts.studies.schedules.scores import block_maxima, group_scores
from scripts.studies.schedules.settings import variants
from scripts.studies.schedules.sources import decode, planted_sink, prefill
from tests.studies.samples import CFG, agreeing, tensors


@pytest.mark.parametrize("phase", [prefill, partial(decode, steps=CFG.keys_per_block)], ids=["prefill", "decode"])
@pytest.mark.parametrize("prob_bits", [8, 12, 18])
def test_outputs_and_counts_are_those_of_the_golden_model(phase: Callable, prob_bits: int, seed: int,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    """Every schedule, skipping: every bit, every statistic, every block that ran, every set bit of a probability; ragged
    blocks, a ragged last tile, one key, values that count less than once."""
    entered: list[torch.Tensor] = []    # probabilities as the golden model hands them to the outer products
    scaled = nx.scale_probability
    monkeypatch.setattr(nx, "scale_probability", lambda p, v_mult: entered.append(scaled(p, v_mult)) or entered[-1])
    cfg, seen = replace(CFG, prob_bits=prob_bits), dict.fromkeys(["rescaled_rows", "skipped_blocks", "zero_blocks"], 0)
    layers = phase(tensors(seed)), phase(agreeing(seed)), phase(planted_sink(tensors(seed + 1, 40, 1.0)))
    for layer in layers:
        multipliers = torch.randint(16, layer.groups[1][0].k_mult.shape, generator=torch.Generator().manual_seed(seed))
        pieces = [replace(piece, v_mult=multipliers) for piece in layer.groups[1]] if layer is layers[0] else layer.groups[1]
        scores, pairs = group_scores(cfg, pieces), variants(cfg, (0, 2, cfg.max_tau()))
        for schedule in SCHEDULES:
            maxima = block_maxima(scores, schedule, cfg.keys_per_block)
            moves = walk(cfg, maxima, scores.rows, scores.keys, pairs, tuple(range(len(pairs))))
            for number, (fused, tau) in enumerate(pairs):
                setting = TileOptions(schedule, fused, tau=tau)
                tiles = [t for piece in scores.pieces for t in build_tiles(cfg, piece, tau, schedule, fused, skip=True)]
                results, set_bits = run_group(cfg, scores, setting, moves, number)
                ones = [0] * scores.heads
                for tile, result in zip(tiles, results, strict=True):
                    entered.clear()
                    want = run_tile(cfg, tile)
                    for p in entered:
                        for row, values in enumerate(p.tolist()):
                            ones[row % scores.heads] += sum(value.bit_count() for value in values)
                    assert torch.equal(result.out, want.out) and torch.equal(result.empty, want.empty), setting
                    assert result.stats == want.stats and torch.equal(result.ran, want.ran), setting
                    for name in seen:
                        seen[name] += getattr(want.stats, name)
                assert set_bits == ones and sum(ones), setting
    assert all(seen.values()), f"the stimulus misses a case: {seen}"
