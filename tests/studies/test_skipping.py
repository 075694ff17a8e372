"""Skipping below octaves: outputs and blocks are those of the golden model; what is said of them adds up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch

from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import build_tiles
from scripts.studies.schedules.scores import group_scores
from scripts.studies.schedules.skipping import (
    EXACT,
    OCTAVES,
    SETTINGS,
    left_of_layer,
    skipping_layers_sheet,
    skipping_outputs,
    skipping_sheet,
)
from scripts.studies.schedules.sources import decode, prefill
from tests.studies.samples import CFG, agreeing, tensors

LIMITS = (EXACT, 1, 3, 6, 31)


@pytest.mark.parametrize("phase", [prefill, partial(decode, steps=CFG.keys_per_block)], ids=["prefill", "decode"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_outputs_are_those_of_the_golden_model(phase: Callable, schedule: str, seed: int) -> None:
    """Every bit and every block that runs, for both first steps and some thresholds; most octaves leave out something else."""
    skipped = dict.fromkeys(LIMITS, 0)
    for layer in (phase(tensors(seed)), phase(agreeing(seed))):
        scores = group_scores(CFG, layer.groups[0])
        for fused, tau in ((False, 0), (True, 0), (True, 2)):
            found = skipping_outputs(CFG, scores, TileOptions(schedule, fused, tau=tau), LIMITS)
            for octaves, (results, ran) in zip(LIMITS, found, strict=True):
                tiles = [t for piece in scores.pieces for t in build_tiles(CFG, piece, tau, schedule, fused, True, octaves)]
                for i, (tile, result) in enumerate(zip(tiles, results, strict=True)):
                    want = run_tile(CFG, tile)
                    assert torch.equal(result.out, want.out) and torch.equal(result.empty, want.empty), (octaves, i)
                    assert ran[:len(want.ran), i].tolist() == want.ran.tolist() and not ran[len(want.ran):, i].any()
                    skipped[octaves] += want.stats.skipped_blocks
    assert skipped[EXACT] == skipped[31] <= skipped[6] <= skipped[3] <= skipped[1] > skipped[EXACT], "the stimulus misses a case"


def test_shares_are_those_of_the_golden_model(seed: int) -> None:
    layer, setting = prefill(agreeing(seed)), TileOptions("sink_diagonal", True)
    for left in left_of_layer(CFG, layer, [setting], (EXACT, 3)):
        group = next(g for g, rows in zip(layer.groups, layer.heads) if layer.tensors.heads[rows[0]] == left.heads[0])
        tiles = [t for piece in group for t in build_tiles(CFG, piece, 0, "sink_diagonal", True, True, left.setting.octaves)]
        results = [run_tile(CFG, tile) for tile in tiles]
        assert left.keys == sum(len(tile.k) for tile in tiles)
        assert left.blocks - left.blocks_run == sum(r.stats.skipped_blocks for r in results)
        assert left.bit_ops_left == sum(r.stats.op_bit_ops for r in results) < left.bit_ops
        read = sum(len(part) for t, r in zip(tiles, results) for part, ran in zip(t.k.split(CFG.keys_per_block), r.ran) if ran)
        assert left.keys_read == read and left.setting.skip


def test_tables_say_what_was_measured(seed: int) -> None:
    """A line for each order and number of octaves, nothing lost where nothing that matters is left out; a line for each layer."""
    found = left_of_layer(CFG, prefill(agreeing(seed)))
    sheet = skipping_sheet(found, 75)
    assert [row[1] for row in sheet.rows] == [*(str(o) if o else "exact" for o in OCTAVES)] * len(SETTINGS)
    assert all(row[6:] == ["0.000"] * 3 for row in sheet.rows if row[1] in ("exact", "14", "12")), "probabilities have 12 bits"
    shares = [float(row[2]) for row in sheet.rows[:len(OCTAVES)]]
    assert shares == sorted(shares) and shares[-1] > shares[0]
    assert float(sheet.rows[-1][8]) >= float(sheet.rows[-1][6])
    (row,) = skipping_layers_sheet([replace(left, layer="L3") for left in found], 75).rows
    assert row[0] == "L3"
    assert row[1] == sheet.rows[len(OCTAVES)][2] and row[8:] == [sheet.rows[-2][i] for i in (2, 6, 8)]
