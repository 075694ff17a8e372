"""Bench of ``fcim_block_exponential``: judged blocks in; probabilities, sums, finished blocks out; every pin, every cycle."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.block_exponential import coverage
from tb.block_exponential.agents import Driver, Ready, idle
from tb.block_exponential.checker import Checker
from tb.block_exponential.sequences import BlockStimulus, draw_block, draw_tiles, interleaved, plain_block, tile_of
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.geometry import OCTAVE, Geometry
from tb.common.rng import rng
from tb.common.stalls import each_pattern

MANY = 128      # keys of a tile up to which all of MAX_KEYS are used
QUIET = 20      # cycles after the last event in which nothing may come


async def begin(dut: Any, checker: Checker, blocks: int) -> None:
    """Clock, reset, and as many cycles as are plenty for that many blocks under any stall pattern."""
    size = checker.size
    idle(dut)
    start_clock(dut)
    start_watchdog(blocks * (4 * size.keys_per_block * size.cpk + 2 * size.rows + 100) + 500,
                   lambda: f"{len(checker.model.taken)} of {len(checker.model.blocks)} started blocks taken")
    await reset(dut)


async def step(dut: Any, driver: Driver, checker: Checker) -> None:
    """One cycle."""
    now = cycle() + 1
    driver.drive(now)
    await RisingEdge(dut.clk)
    checker.check(now)


async def play(dut: Any, checker: Checker, blocks: Sequence[BlockStimulus], pattern: str = "none",
               ready: Ready | None = None) -> Driver:
    """All blocks, then some quiet cycles, and the verdict."""
    driver, quiet = Driver(dut, checker.size, checker.model, blocks, pattern, ready), 0
    while quiet < QUIET:
        await step(dut, driver, checker)
        quiet = quiet + 1 if driver.done else 0
    assert len(checker.model.blocks) == len(blocks)
    checker.finish()
    return driver


async def run(dut: Any, blocks: Sequence[BlockStimulus], pattern: str = "none") -> tuple[Checker, Driver]:
    """One whole test of blocks."""
    checker = Checker(dut, Geometry(dut))
    await begin(dut, checker, len(blocks))
    return checker, await play(dut, checker, blocks, pattern)


async def short_reset(dut: Any) -> None:
    """A reset of one cycle; the next one is the first after it."""
    idle(dut)
    dut.rst_n.value = 0
    await RisingEdge(dut.clk)
    dut.rst_n.value = 1


@cocotb.test()
@each_pattern()
async def tiles_of_any_size(dut: Any, pattern: str) -> None:
    """Blocks of one key to all, in every place of a tile, thresholds in turn, the blocks of both banks in any order."""
    g, size = rng("stimulus"), Geometry(dut)
    full, some = size.keys_per_block, int(g.integers(2, size.keys_per_block))
    lengths = [(n,) * blocks for n, blocks in product((1, some, full), (1, 3))]
    lengths += [tuple(g.integers(1, full + 1, int(g.integers(1, 5))).tolist()) for _ in range(4)]
    order = g.permutation(len(lengths)).tolist()
    await run(dut, interleaved(g, draw_tiles(g, size, [lengths[i] for i in order])), pattern)


@cocotb.test()
@each_pattern()
async def blocks_of_one_key(dut: Any, pattern: str) -> None:
    """Short walks, so that slots decide when the next block starts."""
    g, size = rng("stimulus"), Geometry(dut)
    await run(dut, interleaved(g, draw_tiles(g, size, [(1,) * n for n in (6, 6, 1, 1, 2, 1, 1, 3)])), pattern)


@cocotb.test()
async def every_threshold(dut: Any) -> None:
    """A full block for each threshold, with scores of every kind; banks take turns as tiles of the engine do."""
    g, size = rng("stimulus"), Geometry(dut)
    tiles = [tile_of([draw_block(g, size, size.keys_per_block, tau)], tau % 2) for tau in range(size.tau_max + 1)]
    await run(dut, [block for tile in tiles for block in tile])


@cocotb.test()
async def no_cycle_is_lost_between_blocks(dut: Any) -> None:
    """Full blocks follow each other without a gap, also from tile to tile, while the other bank's sums are read."""
    g, size = rng("stimulus"), Geometry(dut)
    full = size.keys_per_block
    length = min(size.rows // (full * size.cpk) + 2, size.max_keys // full)
    blocks = [block for tile in draw_tiles(g, size, [(full,) * length] * 4) for block in tile]
    checker, driver = await run(dut, blocks)
    steps = {b - a for a, b in zip(driver.started, driver.started[1:], strict=False)}
    assert steps == {full * size.cpk}, f"the stimulus leaves gaps: blocks start {sorted(steps)} cycles apart"
    assert checker.reads_while_written >= 3 * size.rows, "the stimulus does not read while the other bank is written"


@cocotb.test()
async def every_shift(dut: Any) -> None:
    """Sums of 0, of the smallest probability, of 1.0 and of the largest one, rescaled by every amount, with nothing added."""
    g, size = rng("stimulus"), Geometry(dut)
    distances = (None, -size.prob_bits * OCTAVE, 0, OCTAVE - 1)
    cases = [*product(distances, range(64))]
    cases += cases[: -len(cases) % size.rows]
    tiles = []
    for start in range(0, len(cases), size.rows):
        distance, shift = zip(*cases[start : start + size.rows], strict=True)
        noise = g.integers(0, 64, size.rows).tolist()   # a tile's first block has no sum to shift
        tiles.append(tile_of([plain_block(g, size, 1, distance, noise), plain_block(g, size, 1, [None] * size.rows, shift)],
                             len(tiles) % 2))
    await run(dut, [block for tile in tiles for block in tile])


@cocotb.test()
async def largest_sums(dut: Any) -> None:
    """As many keys as a tile may have, each as likely as can be: with few MAX_KEYS sums need every bit; those are rescaled."""
    g, size = rng("stimulus"), Geometry(dut)
    full, top, none = size.keys_per_block, [OCTAVE - 1] * size.rows, [0] * size.rows
    keys = size.max_keys if size.max_keys <= MANY else 4 * full
    before = 3 * keys // 4
    whole = [plain_block(g, size, full, top, none) for _ in range(keys // full)]
    part = [plain_block(g, size, min(full, before - start), top, none) for start in range(0, before, full)]
    shifts = [(0, 1, 2, size.sum_bits - 1, size.sum_bits, size.sum_bits + 1, 62, 63)[row % 8] for row in range(size.rows)]
    after = plain_block(g, size, min(full, keys - before), top, shifts)
    checker, _ = await run(dut, [*tile_of(whole, 0), *tile_of([*part, after], 1)])
    sums, rescaled = checker.model.sums
    assert sums == [keys * size.largest] * size.rows
    if keys == size.max_keys:
        assert sums[0] >> (size.sum_bits - 1) == 1, "the stimulus does not need every bit"
        assert rescaled is not None and [rescaled[row] - after.keys * size.largest for row in (4, 5)] == [1, 0], \
            "the stimulus has no sum that rounds up to 1 by its last bit"


@cocotb.test()
async def offers_meet_the_next_finish(dut: Any) -> None:
    """A block that waits is taken before, as and after the next one is finished, which is taken at once or waits."""
    g, size = rng("stimulus"), Geometry(dut)
    rounds = [*product(range(-2, 3), (1, 2, 6))]
    keys = max(1, 8 // size.cpk)
    blocks = interleaved(g, draw_tiles(g, size, [(keys, keys)] * len(rounds)))
    checker = Checker(dut, size)
    model = checker.model

    def ready(now: int) -> bool:
        """Of each two blocks the first is taken ``delta`` cycles from the second's finish, that one ``gap`` cycles later."""
        number, second = divmod(len(model.taken), 2)
        if len(model.blocks) < 2 * number + 2:
            return False
        delta, gap = rounds[number]
        return now >= model.blocks[2 * number + 1].finish + delta + gap * second

    await begin(dut, checker, len(blocks))
    await play(dut, checker, blocks, ready=ready)
    assert all(checker.offers.values()), f"the stimulus misses a case: {checker.offers}"


@cocotb.test()
async def a_reset_leaves_nothing(dut: Any) -> None:
    """At every distance from the start of a block until two of them wait; behind it a few blocks as ever."""
    g, size = rng("stimulus"), Geometry(dut)
    keys = max(1, 4 // size.cpk)
    distances, waiting = range(1, 2 * keys * size.cpk + 6), set()
    await begin(dut, Checker(dut, size), 8 * len(distances))
    for distance in distances:
        await short_reset(dut)
        cut = Checker(dut, size)
        blocks = tile_of([draw_block(g, size, keys, 0) for _ in range(3)], 0)
        driver = Driver(dut, size, cut.model, blocks, ready=lambda now: False)
        for _ in range(distance):
            await step(dut, driver, cut)
        cut.model.begin(cycle() + 1)
        waiting.add(len(cut.model.queue))
        coverage.sample_reset(cut.model, cycle() + 1)
        await short_reset(dut)
        await play(dut, Checker(dut, size), [block for tile in draw_tiles(g, size, [(keys, 1), (1,)]) for block in tile])
    assert waiting == {0, 1, 2}, f"the stimulus does not reset while {({0, 1, 2} - waiting)} blocks wait"
