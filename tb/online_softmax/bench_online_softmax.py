"""Bench of ``fcim_online_softmax``: columns in, probabilities, rescales and row sums out, crossed with stalls on every side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stalls import PATTERNS, each_pattern
from tb.online_softmax import coverage
from tb.online_softmax.checker import Checker, check_cycles
from tb.online_softmax.sequences import (
    PROFILES,
    directed_tile,
    edge_of_tau,
    equal,
    largest_probability,
    largest_then_more,
    low_first,
    saturated,
    stairs,
    vanishing,
)
from tb.score_scaler.sequences import TileStimulus, random_tile


def budget(size: Geometry, tiles: list[TileStimulus]) -> int:
    """Cycles that are plenty for the tiles under any stall pattern."""
    keys = sum(-(-len(t.keys) // size.keys_per_block) * size.keys_per_block for t in tiles)
    return keys * (4 * size.cpk + 30) + len(tiles) * (size.rows * 12 + 400) + 500


def flagged(g: np.random.Generator, tiles: list[TileStimulus]) -> list[TileStimulus]:
    """The tiles with random flags, half of them with a limit of any number of octaves."""
    return [replace(tile, fused=bool(g.integers(2)), skip=bool(g.integers(2)), octaves=int(g.integers(2) * g.integers(32)),
                    partial=bool(g.integers(2)))
            for tile in tiles]


async def run(dut: Any, pattern: str, tiles: list[TileStimulus]) -> Checker:
    """All checks on one sequence of tiles."""
    checker = Checker(dut, pattern, budget(Geometry(dut), tiles))
    await checker.run(tiles)
    causes, model, size = check_cycles(checker), checker.model, checker.size
    for b in model.blocks:
        coverage.sample_block(b.keys, size.keys_per_block, b.opens, b.last, b.rescaled, len(tiles[b.tile].rows), b.zero,
                              b.lossy)
    coverage.sample_run(causes, checker.shown, checker.taken, [t.tau for t in tiles],
                            [s for tile in model.tiles for s in tile.sums], size.sum_bits)
    cocotb.log.info("%d blocks, %d run, start decided by %s, waits %d for a slot, %d for a bank", len(model.blocks),
                    len(model.running), causes, checker.events["wait_slot"], checker.events["wait_bank"])
    return checker


@cocotb.test()
@each_pattern()
async def random_tiles(dut: Any, pattern: str) -> None:
    """Tiles of all sizes, spreads and taus: one key, one row, a full block and one more, several and a rest."""
    g, size = rng("stimulus"), Geometry(dut)
    block = size.keys_per_block
    lengths = [1, block, block + 1, int(g.integers(2, block)), 1, 3 * block, int(g.integers(block, 3 * block))]
    tiles = []
    for i, j in enumerate(g.permutation(len(lengths)).tolist()):
        rows = (size.rows, 1, int(g.integers(1, size.rows + 1)))[i % 3]
        tiles.append(random_tile(g, size, rows, lengths[j], int(g.integers(0, size.tau_max + 1))))
    await run(dut, pattern, flagged(g, tiles))


@cocotb.test()
@each_pattern()
async def directed_tiles(dut: Any, pattern: str) -> None:
    """Every profile of the scores, in changing lanes, with rows that see no key or few; then blocks that round to nothing; last,
    thresholds that change from tile to tile."""
    g, size = rng("stimulus"), Geometry(dut)
    tiles, first = [], int(g.integers(0, len(PROFILES)))
    for t in range(4):
        tau = (4 * PATTERNS.index(pattern) + t) % (size.tau_max + 1)  # all of them, over the four patterns
        keys = 3 * size.keys_per_block + (0, 1, -1, 3)[t]
        profile = first + 6 * t  # of row 0: three tiles of eight rows hold all profiles
        blind = int(g.choice([i for i in range(size.rows) if PROFILES[(profile + i) % len(PROFILES)] is not saturated]))
        tiles.append(directed_tile(g, size, size.rows, keys, tau, profile, blind))
    tau = int(g.integers(0, size.tau_max + 1))
    tiles.append(directed_tile(g, size, size.rows, 2 * size.keys_per_block + 1, tau, PROFILES.index(vanishing), step=0))
    for tau in (0, size.tau_max, 0):    # each last block moves every maximum; by the next threshold it would not
        tiles.append(directed_tile(g, size, size.rows, 3 * size.keys_per_block, tau, PROFILES.index(edge_of_tau), step=0))
    checker = await run(dut, pattern, flagged(g, tiles))
    events, zero = checker.events, sum(block.zero for block in checker.model.blocks)
    assert events["saturations"] and events["rescaled"] and zero >= 2, f"the stimulus misses a case: {events}, {zero} zero blocks"


@cocotb.test()
@each_pattern()
async def tiles_that_vanish(dut: Any, pattern: str) -> None:
    """All of a tile but what stands in it first or last vanishes; tiles of one key between, whose blocks wait in the buffers."""
    g, size = rng("stimulus"), Geometry(dut)
    tiles = []
    for profile in (vanishing, low_first, equal, low_first, vanishing, equal):
        keys = 1 if profile is equal else 4 * size.keys_per_block - int(g.integers(0, size.keys_per_block))
        keys = min(keys, size.max_keys)
        tiles.append(directed_tile(g, size, int(g.integers(1, size.rows + 1)), keys, int(g.integers(0, size.tau_max + 1)),
                                   PROFILES.index(profile), step=0))
    tiles = [replace(tile, fused=bool(i & 1), skip=True) for i, tile in enumerate(tiles)]
    checker = await run(dut, pattern, tiles)
    skipped = [block.number for block in checker.model.blocks if block.run is None]
    assert len(skipped) >= 8 and any(block.joint and block.run is None for block in checker.model.blocks), f"skipped {skipped}"


@cocotb.test()
@each_pattern()
async def tiles_that_fall_below_their_octaves(dut: Any, pattern: str) -> None:
    """Blocks that lie one octave apart from one another, by limits on, around and beyond the exact one, changing from tile to
    tile: a block that a tile leaves out adds nothing to its sums."""
    g, size = rng("stimulus"), Geometry(dut)
    tiles = []
    for fused in (False, True):
        tau = int(g.integers(0, size.tau_max + 1))
        exact = size.prob_bits - tau
        for octaves, skip in ((1, True), (exact - 1, True), (0, True), (1, False), (exact + 1, True), (31, True), (2, True),
                              (exact, True)):
            tile = directed_tile(g, size, int(g.integers(1, size.rows + 1)), min(7 * size.keys_per_block - 2, size.max_keys), tau,
                                 PROFILES.index(stairs), step=0)
            tiles.append(replace(tile, fused=fused, skip=skip, octaves=octaves))
    checker = await run(dut, pattern, tiles)
    lossy = [block for block in checker.model.blocks if block.lossy]
    assert {block.run is None for block in lossy} == {True, False}, f"{len(lossy)} blocks of some probability count as nothing"


@cocotb.test()
async def largest_sums(dut: Any) -> None:
    """Every probability is as large as it can be: for ``MAX_KEYS`` of 64 the row sums all but overflow. Then they are halved."""
    g, size = rng("stimulus"), Geometry(dut)
    keys = min(size.max_keys, 6 * size.keys_per_block)
    tiles = [directed_tile(g, size, size.rows, keys, 0, PROFILES.index(profile), step=0)
             for profile in (largest_probability, largest_then_more)]
    checker = await run(dut, "none", tiles)
    assert min(checker.model.tiles[0].sums) >= keys * (2 ** size.prob_bits * 255 // 256 - 1)
    assert checker.events["rescaled"] == size.rows
