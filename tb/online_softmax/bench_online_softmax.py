"""Bench of ``fcim_online_softmax``: columns in, probabilities, rescales and row sums out, crossed with stalls on every side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from tb.common.rng import rng
from tb.common.stalls import PATTERNS, each_pattern
from tb.online_softmax import coverage
from tb.online_softmax.checker import SoftmaxBench
from tb.online_softmax.cycles import check_cycles
from tb.online_softmax.patterns import (
    COURSES,
    directed_tile,
    equal,
    largest_probability,
    largest_then_more,
    low_first,
    saturated,
    sunk,
)
from tb.score_scaler.columns import Sizes, TileStimulus, random_tile

TAU_MAX = 8


def max_tau(dut: Any) -> int:
    """The largest legal threshold of this configuration."""
    return min(TAU_MAX, int(dut.PROB_BITS.value) - 2)


def budget(size: Sizes, tiles: list[TileStimulus]) -> int:
    """Cycles that are plenty for the tiles under any stall pattern."""
    keys = sum(-(-len(t.keys) // size.block) * size.block for t in tiles)
    return keys * (4 * size.cpk + 30) + len(tiles) * (size.rows * 12 + 400) + 500


def flagged(g: np.random.Generator, tiles: list[TileStimulus]) -> list[TileStimulus]:
    """The tiles with random flags."""
    return [replace(tile, fused=bool(g.integers(2)), skip=bool(g.integers(2))) for tile in tiles]


async def run(dut: Any, pattern: str, tiles: list[TileStimulus]) -> SoftmaxBench:
    """All checks on one sequence of tiles."""
    bench = SoftmaxBench(dut, pattern, budget(Sizes(dut), tiles))
    await bench.run(tiles)
    causes = check_cycles(bench)
    for b in bench.model.blocks:
        coverage.sample_block(b.keys, bench.size.block, b.opens, b.last, b.rescaled, len(tiles[b.tile].rows), b.zero)
    sum_bits = bench.prob_bits + bench.size.max_keys.bit_length() - 1
    coverage.sample_run(causes, bench.shown, bench.taken, [t.tau for t in tiles],
                            [s for tile in bench.model.tiles for s in tile.sums], sum_bits)
    waits = (bench.events["wait_slot"], bench.events["wait_bank"])
    cocotb.log.info("%d blocks, %d run, start decided by %s, waits %s", len(bench.model.blocks), len(bench.model.running), causes,
                    waits)
    return bench


@cocotb.test()
@each_pattern()
async def random_tiles(dut: Any, pattern: str) -> None:
    """Tiles of all sizes, spreads and taus: one key, one row, a full block and one more, several and a rest."""
    g, size = rng("stimulus"), Sizes(dut)
    block = size.block
    lengths = [1, block, block + 1, int(g.integers(2, block)), 1, 3 * block, int(g.integers(block, 3 * block))]
    tiles = []
    for i, j in enumerate(g.permutation(len(lengths)).tolist()):
        rows = (size.rows, 1, int(g.integers(1, size.rows + 1)))[i % 3]
        tiles.append(random_tile(g, size, rows, lengths[j], int(g.integers(0, max_tau(dut) + 1))))
    await run(dut, pattern, flagged(g, tiles))


@cocotb.test()
@each_pattern()
async def directed_tiles(dut: Any, pattern: str) -> None:
    """Every course of the scores, in changing lanes, with rows that see nothing or little; last, blocks that round to nothing."""
    g, size = rng("stimulus"), Sizes(dut)
    tiles, first = [], int(g.integers(0, len(COURSES)))
    for t in range(4):
        tau = (4 * PATTERNS.index(pattern) + t) % (max_tau(dut) + 1)  # all of them, over the four patterns
        keys = 3 * size.block + (0, 1, -1, 3)[t]
        course = first + 6 * t  # of row 0: two tiles of eight rows hold all courses
        blind = int(g.choice([i for i in range(size.rows) if COURSES[(course + i) % len(COURSES)] is not saturated]))
        tiles.append(directed_tile(g, size, size.rows, keys, tau, course, blind))
    tau = int(g.integers(0, max_tau(dut) + 1))
    tiles.append(directed_tile(g, size, size.rows, 2 * size.block + 1, tau, COURSES.index(sunk), step=0))
    bench = await run(dut, pattern, flagged(g, tiles))
    events, zero = bench.events, sum(block.zero for block in bench.model.blocks)
    assert events["saturations"] and events["rescaled"] and zero >= 2, f"the stimulus misses a case: {events}, {zero} zero blocks"


@cocotb.test()
@each_pattern()
async def tiles_that_vanish(dut: Any, pattern: str) -> None:
    """All of a tile but what stands in it first or last vanishes; tiles of one key between, whose blocks wait in the buffers."""
    g, size = rng("stimulus"), Sizes(dut)
    tiles = []
    for course in (sunk, low_first, equal, low_first, sunk, equal):
        keys = 1 if course is equal else 4 * size.block - int(g.integers(0, size.block))
        keys = min(keys, size.max_keys)
        tiles.append(directed_tile(g, size, int(g.integers(1, size.rows + 1)), keys, int(g.integers(0, max_tau(dut) + 1)),
                                   COURSES.index(course), step=0))
    tiles = [replace(tile, fused=bool(i & 1), skip=True) for i, tile in enumerate(tiles)]
    bench = await run(dut, pattern, tiles)
    skipped = [block.number for block in bench.model.blocks if block.run is None]
    assert len(skipped) >= 8 and any(block.joint and block.run is None for block in bench.model.blocks), f"skipped {skipped}"


@cocotb.test()
async def largest_sums(dut: Any) -> None:
    """Every probability is as large as it can be: for ``MAX_KEYS`` of 64 the row sums all but overflow. Then they are halved."""
    g, size = rng("stimulus"), Sizes(dut)
    keys = min(size.max_keys, 6 * size.block)
    tiles = [directed_tile(g, size, size.rows, keys, 0, COURSES.index(course), step=0)
             for course in (largest_probability, largest_then_more)]
    bench = await run(dut, "none", tiles)
    assert min(bench.model.tiles[0].sums) >= keys * (2 ** int(dut.PROB_BITS.value) * 255 // 256 - 1)
    assert bench.events["rescaled"] == size.rows
