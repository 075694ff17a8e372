"""Sampling of schedules, fused first steps and skipped blocks: against counts by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES
from models.hardware.tile import TileJob
from models.hardware.timeline import COUNTERS
from scripts.flow.coverage.model import Coverage
from tb.core.configs import TINY
from tb.core.sequences import decode, levels_tile, prefill
from tb.coverage.catalogue import new_coverage
from tb.coverage.engine_decisions import order_of, stalls_seen
from tb.coverage.engine_points import sample_engine

ROWS, BLOCK, LOW = TINY.rows, TINY.keys_per_block, -40


@pytest.fixture
def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, 78])


def sampled(tiles: list[TileJob], **counters: int) -> Coverage:
    """The hits of a run of ``tiles`` whose counters, if any are given, are 0 but for those."""
    record = {"counters": np.array([counters.get(name, 0) for name in COUNTERS])} if counters else {}
    cov = new_coverage()
    sample_engine(cov, TINY, tiles, [run_tile(TINY, tile) for tile in tiles], record)
    assert not cov.score().illegal
    return cov


def hits(cov: Coverage, name: str) -> dict[str, int]:
    return {b: n for b, n in cov.hits(name).items() if n}


def test_orders_are_seen_from_the_positions(generator: np.random.Generator) -> None:
    def names(keys: int) -> list[str]:
        return [order_of(TINY, decode(TINY, generator, 2, keys, schedule=name)[0]) for name in SCHEDULES]

    assert names(1) == names(BLOCK) == ["one block"] * 3
    assert names(BLOCK + 1) == names(2 * BLOCK) == ["natural", "newest of two first", "newest of two first"]
    assert names(2 * BLOCK + 1) == names(5 * BLOCK) == list(SCHEDULES)
    tile = decode(TINY, generator, 2, 20)[0]
    assert order_of(TINY, replace(tile, k_pos=tile.k_pos.flip(0))) == "another order"
    assert order_of(TINY, replace(tile, k_pos=tile.k_pos + 1)) == "another order"


def test_schedules_by_hand(generator: np.random.Generator) -> None:
    """Tiles of 16, 32 and 40 keys of one head, and steps of decoding with 30 keys."""
    tiles = prefill(TINY, generator, 1, 40, schedule="sink_diagonal", fused=True)
    tiles += decode(TINY, generator, 4, 30, schedule="diagonal_first", skip=True)
    cov = sampled(tiles, stall_k=1)
    assert hits(cov, "schedule.order") == {"newest of two first, whole": 1, "sink_diagonal, whole": 2,
                                           "diagonal_first, ragged": 1}
    assert hits(cov, "schedule.blocks") == {"sink_diagonal, 4 to 15": 2, "diagonal_first, 4 to 15": 1}
    assert hits(cov, "schedule.flags") == {"sink_diagonal, fused, every block runs": 2,
                                           "diagonal_first, one block, blocks may be skipped": 1}
    assert hits(cov, "schedule.phase") == {"sink_diagonal, several tokens": 2, "diagonal_first, one token": 1}
    assert hits(cov, "schedule.stalls") == {"sink_diagonal, inputs pause": 2, "diagonal_first, inputs pause": 1}
    assert hits(cov, "skip.stalls") == {"0, fused, every block runs, inputs pause": 3,
                                        "0, one block, blocks may be skipped, inputs pause": 1}
    assert hits(cov, "skip.changes") == {"both the same": 2, "both others": 1}


def test_streams_that_pause_are_seen_from_the_counters() -> None:
    def seen(**counters: int) -> str | None:
        return stalls_seen({"counters": np.array([counters.get(name, 0) for name in COUNTERS])})

    assert seen(stall_softmax=9) == "none pauses" and seen(stall_k=2) == "inputs pause"
    assert seen(stall_o=1) == seen(stall_req=1) == "outputs wait" and seen(stall_k=1, stall_req=1) == "both"
    assert stalls_seen({}) is None


def test_first_steps_by_hand(generator: np.random.Generator) -> None:
    """The second block's maximum is larger, or smaller, or all that half of the rows see."""
    larger = levels_tile(TINY, generator, [0, 4], short=7, tau=2, fused=True)
    smaller = levels_tile(TINY, generator, [4, 0, 1], tau=2, fused=True)
    some = replace(larger, k_pos=torch.tensor([2] * BLOCK + [1]), q_pos=torch.arange(ROWS) % 2 + 1)     # half see one block
    cov = sampled([larger, smaller, some, replace(larger, fused=False), levels_tile(TINY, generator, [0], fused=True)])
    assert hits(cov, "fused.tile") == {"fused, two, the second ragged": 2, "fused, more": 1, "fused, one": 1,
                                       "one block, two, the second ragged": 1}
    assert hits(cov, "fused.second_block") == {"one, last": 2, "all, more follow": 1}
    assert hits(cov, "fused.row") == {"the second is larger": ROWS + ROWS // 2, "the first is larger": ROWS,
                                      "sees the second only": ROWS // 2}
    assert hits(cov, "fused.saved") == {"2, would rescale": ROWS + ROWS // 2, "2, would not": ROWS}


def test_skipped_blocks_by_hand(generator: np.random.Generator) -> None:
    tiles = [levels_tile(TINY, generator, [None, 0, LOW, LOW, 0, LOW], skip=True),
             levels_tile(TINY, generator, [LOW, 0], fused=True, skip=True),
             levels_tile(TINY, generator, [None, None], skip=True), levels_tile(TINY, generator, [0, LOW, None])]
    cov = sampled(tiles)
    assert hits(cov, "skip.block") == {
        "first, one block, nothing visible": 2, "middle, one block, all too small": 2, "last, one block, all too small": 1,
        "first, fused, all too small": 1}
    assert hits(cov, "skip.runs_though_zero") == {"nothing visible, no other block": 1, "all too small, no flag": 1,
                                                  "nothing visible, no flag": 1}
    assert hits(cov, "skip.share") == {"some": 1, "all but one": 2}
    # -, r, --, r, then - - across the end of the first tile, then r, -, r, rrr
    assert hits(cov, "skip.in_a_row") == {"1": 2, "2": 2, "over a tile's end": 1}
    assert hits(cov, "skip.kept_by") == {"all": 3}
    assert hits(cov, "skip.changes") == {"other first step": 2, "other skip": 1}


@pytest.mark.parametrize(("tau", "name"), [(0, "0"), (3, "1 to 7"), (8, "8")])
def test_the_edge_of_a_block_that_vanishes_by_hand(tau: int, name: str, generator: np.random.Generator) -> None:
    edge = tau - TINY.prob_bits
    cov = sampled([levels_tile(TINY, generator, [0, edge + 1, edge, edge - 1, edge - 2, None], tau=tau, skip=True)])
    assert hits(cov, "skip.edge") == {f"{name}, {where}": 1 for where in
                                      ("2 or more above", "1 above", "at", "1 below", "2 or more below")}
    alone = levels_tile(TINY, generator, [0, LOW], tau=tau, skip=True)
    alone.q_mult[3] = 0
    assert hits(sampled([alone]), "skip.kept_by") == {"all": 1, "one of several": 1}
