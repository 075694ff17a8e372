"""Every block of every tile, and both handshakes of ``fcim_key_scheduler`` in every cycle."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.stream import Beat
from tb.key_scheduler import coverage
from tb.key_scheduler.model import Run, runs_of

CYCLES_PER_BEAT = 10    # for the budget: the slowest stall pattern needs a third of it
Tile = tuple[int, int]  # keys, schedule


class Checker:
    """Both handshakes against the tiles inside, the running one first, each with the runs that are still to come of it."""

    def __init__(self, dut: Any, pattern: str, tiles: list[Tile]) -> None:
        """``tiles``: what the test will send."""
        self.dut, self.given = dut, tiles
        size = Geometry(dut)
        self.most, self.max_keys = size.keys_per_block, size.max_keys
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
