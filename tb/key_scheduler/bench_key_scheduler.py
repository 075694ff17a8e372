"""Key scheduler: every block of every tile, and both handshakes in every cycle, against the definition of the orders."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from tb.common.bench import Bench
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.key_scheduler import coverage
from tb.key_scheduler.order import DIAGONAL_FIRST, NATURAL, SINK_DIAGONAL, UNUSED_CODE, Run, runs_of

ORDERS = (NATURAL, DIAGONAL_FIRST, SINK_DIAGONAL)
CODES = (*ORDERS, UNUSED_CODE)
LONG_BLOCKS = 1000      # blocks that the long tiles of a test have together, at least
CYCLES_PER_BEAT = 10    # for the budget: the slowest stall pattern needs a third of it
Tile = tuple[int, int]  # keys, schedule


class Scheduler:
    """The pins and their model: the runs still to come of the tiles inside, the running one first."""

    def __init__(self, dut: Any, pattern: str, tiles: list[Tile]) -> None:
        """``tiles``: what the test will send."""
        self.dut, self.given = dut, tiles
        self.most, self.max_keys = int(dut.KEYS_PER_BLOCK.value), int(dut.MAX_KEYS.value)
        self.blocks = sum(-(-keys // self.most) for keys, _ in tiles)
        self.bench = Bench(dut, pattern, budget=CYCLES_PER_BEAT * (self.blocks + len(tiles)) + 1000)
        self.source = self.bench.input("s_tile", ("keys", "schedule"))
        self.board = self.bench.output("m_blk", ("start", "count", "last"), minimum=self.blocks)
        self.tiles: deque[deque[Run]] = deque()

    def _check(self, now: int) -> tuple[bool, bool]:
        """The handshakes of the cycle that ends, as ``(a tile was taken, a block was taken)``.

        A block is offered as long as a tile is inside, and a tile is taken unless one runs and one waits: nothing else counts.
        """
        dut, inside = self.dut, len(self.tiles)
        valid, ready = str(dut.m_blk_valid.value), str(dut.s_tile_ready.value)
        assert valid == str(int(inside > 0)), f"cycle {now}: m_blk_valid is {valid} with {inside} tiles inside"
        assert ready == str(int(inside < 2)), f"cycle {now}: s_tile_ready is {ready} with {inside} tiles inside"
        offered, taken = dut.s_tile_valid.value == 1, dut.m_blk_ready.value == 1
        coverage.sample_cycle(inside, offered, taken, inside > 0 and len(self.tiles[0]) == 1)
        return offered and ready == "1", taken and valid == "1"

    def _step(self, accepted: bool, taken: bool) -> None:
        """What the cycle's end does."""
        if taken:
            self.tiles[0].popleft()
            if not self.tiles[0]:
                self.tiles.popleft()
        if accepted:
            keys, schedule = int(self.dut.s_tile_keys.value), int(self.dut.s_tile_schedule.value)
            runs = runs_of(schedule, keys, self.most)
            coverage.sample_tile(schedule, keys, runs, self.most, self.max_keys)
            self.tiles.append(deque(runs))
            self.board.expect({"start": start, "count": count, "last": int(i == len(runs) - 1)}
                              for i, (start, count) in enumerate(runs))

    async def watch(self) -> None:
        """Run the model beside the pins, cycle by cycle; the monitors beside it watch the protocol."""
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value == 1:
                self._step(*self._check(cycle()))

    async def run(self) -> list[int]:
        """All tiles in and all blocks out; then what came is looked at once more, without the model.

        Returns:
            The cycle in which each block was taken.
        """
        watcher = cocotb.start_soon(self.watch())
        async with self.bench:
            await self.source.send([{"keys": keys, "schedule": schedule} for keys, schedule in self.given])
        watcher.cancel()
        monitor = self.bench.monitors["m_blk"]
        assert not self.tiles and self.board.compared == self.blocks
        self.check_partition(monitor.beats)
        return monitor.cycles

    def check_partition(self, beats: list[Beat]) -> None:
        """Every key of every tile comes exactly once, and only the last block of a tile is short."""
        tiles = iter(self.given)
        seen: list[np.ndarray] = []
        for beat in beats:
            seen.append(np.arange(beat["start"], beat["start"] + beat["count"]))
            if beat["last"]:
                keys, schedule = next(tiles)
                order = np.sort(np.concatenate(seen))
                assert np.array_equal(order, np.arange(keys)), f"{keys} keys, schedule {schedule}: not each key once"
                assert 1 <= beat["count"] <= self.most
                seen = []
            else:
                assert beat["count"] == self.most, f"block of {beat['count']} keys before the tile's last"
        assert not seen and next(tiles, None) is None, "last flags do not end the tiles"


def every_length(dut: Any, generator: np.random.Generator) -> list[Tile]:
    """All lengths up to four blocks and a bit, in every schedule, mixed."""
    longest = min(4 * int(dut.KEYS_PER_BLOCK.value) + 3, int(dut.MAX_KEYS.value))
    tiles = list(itertools.product(range(1, longest + 1), CODES))
    return [tiles[i] for i in generator.permutation(len(tiles))]


def long_tiles(dut: Any, generator: np.random.Generator) -> list[Tile]:
    """The longest tiles, whole and ragged, in every order, and random ones from the whole range."""
    most, max_keys = int(dut.KEYS_PER_BLOCK.value), int(dut.MAX_KEYS.value)
    ragged = max_keys - int(generator.integers(1, most))
    tiles = [(keys, order) for keys in (max_keys, ragged) for order in ORDERS]
    while sum(keys for keys, _ in tiles) < LONG_BLOCKS * most:
        tiles.append((int(generator.integers(1, max_keys + 1)), int(generator.choice(CODES))))
    return [tiles[i] for i in generator.permutation(len(tiles))]


@cocotb.test()
@each_pattern()
async def lengths(dut: Any, pattern: str) -> None:
    """Every length from one key to four blocks and three keys, in every schedule."""
    await Scheduler(dut, pattern, every_length(dut, rng("tiles"))).run()


@cocotb.test()
@each_pattern()
async def long(dut: Any, pattern: str) -> None:
    """Tiles up to MAX_KEYS, every block of them."""
    await Scheduler(dut, pattern, long_tiles(dut, rng("tiles"))).run()


@cocotb.test()
async def a_block_per_cycle_across_tiles(dut: Any) -> None:
    """With nothing stalled there is not one idle cycle, not even between tiles of one block."""
    tiles = every_length(dut, rng("tiles"))
    most = int(dut.KEYS_PER_BLOCK.value)
    short = [(int(keys), int(code)) for keys, code in rng("short").integers((1, 0), (most + 1, 4), (60, 2))]
    scheduler = Scheduler(dut, "none", [*short, *tiles])
    cycles = await scheduler.run()
    assert (np.diff(cycles) == 1).all()
    assert cycles[0] == scheduler.bench.monitors["s_tile"].cycles[0] + 1, "the first block comes one cycle after its tile"


@cocotb.test()
async def outputs_follow_registers_alone(dut: Any) -> None:
    """Within a cycle no input moves an output, whatever is inside: nothing, a tile, a tile and one that waits."""
    draw, keys_per_block = rng("inputs"), int(dut.KEYS_PER_BLOCK.value)
    longest = min(3 * keys_per_block, int(dut.MAX_KEYS.value))
    outputs = (dut.s_tile_ready, dut.m_blk_valid, dut.m_blk_start, dut.m_blk_count, dut.m_blk_last)

    def drive() -> None:
        dut.s_tile_valid.value, dut.m_blk_ready.value = draw.integers(0, 2, 2).tolist()
        dut.s_tile_keys.value, dut.s_tile_schedule.value = draw.integers((1, 0), (longest + 1, 4)).tolist()

    dut.s_tile_valid.value = dut.m_blk_ready.value = 0
    start_clock(dut)
    start_watchdog(1000)
    await reset(dut)
    states = set()
    for _ in range(400):
        await RisingEdge(dut.clk)
        seen = set()
        for _ in range(6):
            drive()
            await Timer(1, "ns")
            bits = [str(pin.value) for pin in outputs]
            seen.add(tuple(bits if bits[1] == "1" else bits[:2]))
        assert len(seen) == 1, f"cycle {cycle()}: within the cycle ready, valid, start, count, last were {sorted(seen)}"
        states.add((bits[0], bits[1], bits[1] == "1" and bits[4] == "1"))
    # with MAX_KEYS = KEYS_PER_BLOCK every block is a last one
    lasts = {True, longest == keys_per_block}
    assert states == {("1", "0", False), *itertools.product("10", "1", lasts)}


@cocotb.test()
async def reset_drops_the_tiles(dut: Any) -> None:
    """A reset ends the running tile and forgets the one that waits; the tile after it begins at its beginning."""
    keys_per_block = int(dut.KEYS_PER_BLOCK.value)
    keys = min(4 * keys_per_block - 1, int(dut.MAX_KEYS.value))
    edge, runs = RisingEdge(dut.clk), runs_of(SINK_DIAGONAL, keys, keys_per_block)
    dut.s_tile_keys.value, dut.s_tile_schedule.value = keys, SINK_DIAGONAL
    dut.s_tile_valid.value = dut.m_blk_ready.value = 0
    start_clock(dut)
    start_watchdog(500)

    def state() -> tuple[str, ...]:
        return tuple(str(pin.value) for pin in (dut.m_blk_valid, dut.s_tile_ready))

    async def reset_and_look() -> None:
        await reset(dut)
        for _ in range(3):
            assert state() == ("0", "1"), "the reset left a tile"
            await edge

    await reset_and_look()
    for inside, given in itertools.product((1, 2), range(len(runs))):
        await edge
        dut.s_tile_valid.value = 1
        for _ in range(inside):
            await edge
        dut.s_tile_valid.value, dut.m_blk_ready.value = 0, 1
        for start, count in runs[:given]:
            await edge
            assert (int(dut.m_blk_start.value), int(dut.m_blk_count.value)) == (start, count), "not the tile's beginning"
        dut.m_blk_ready.value = 0
        await edge
        assert state() == ("1", str(2 - inside))
        coverage.sample_reset(inside)
        await reset_and_look()
