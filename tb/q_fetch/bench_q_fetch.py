"""Fetching Q: every command of calls and tiles in order, idle exactly while none is to come, the rate."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge

from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.q_fetch import coverage
from tb.q_fetch.model import Call, Sizes

TILE_FIELDS = ("engine", "head", "q_head", "tile", "token", "tokens")
FETCH_FIELDS = ("kind", "engine", "head", "pos", "last", *COMMAND_FIELDS)
CALLS, TILES = 8, 6


class Fetch:
    """The block with its streams; calls and accepted tiles add their commands to what is expected."""

    def __init__(self, dut: Any, pattern: str) -> None:
        self.dut = dut
        engines, rows, head_dim, max_keys, bits = (
            int(getattr(dut, name).value) for name in ("ENGINES", "ROWS", "HEAD_DIM", "MAX_KEYS", "DATA_BITS"))
        self.sizes = Sizes(engines, rows, head_dim, max_keys, bits // 8)
        self.bench = Bench(dut, pattern, budget=40_000)
        self.source = self.bench.input("s_tile", TILE_FIELDS, self._accepted)
        self.board = self.bench.output("m_fetch", FETCH_FIELDS)
        self.call: Call | None = None
        self.begun: list[int] = []      # cycles in which calls began
        dut.start.value = 0
        self._drive(Call(0, 1, 1, 0, 0, 0, 0, 0, 0))

    def _drive(self, call: Call) -> None:
        for name, value in asdict(call).items():
            getattr(self.dut, f"call_{name}").value = value

    def _accepted(self, tile: Beat) -> None:
        assert self.call is not None, "a tile is taken before the call begins"
        coverage.sample_tile(self.call, self.sizes, tile)
        self.board.expect(self.call.commands(tile, self.sizes))

    async def watch_idle(self) -> None:
        """``idle`` is high exactly while nothing is awaited."""
        while True:
            await FallingEdge(self.dut.clk)
            if self.dut.rst_n.value == 1 and self.dut.start.value == 0:
                assert str(self.dut.idle.value) == str(int(not self.board.pending())), f"idle is wrong at cycle {cycle()}"

    async def start(self, call: Call, tiles: list[Beat], ahead: bool) -> None:
        """Begin a call; ``ahead``: its first tile may be offered in the same cycle."""
        edge = RisingEdge(self.dut.clk)
        self._drive(call)
        await edge
        if ahead:
            self.source.append(tiles)
            await edge
        self.call = None
        self.dut.start.value = 1
        await edge
        coverage.sample_start(call, self.sizes, self.dut.s_tile_valid.value == 1)
        self.dut.start.value = 0
        self.call = call
        self.begun.append(cycle())
        self.board.expect([call.shifts(self.sizes)])
        if not ahead:
            self.source.append(tiles)

    async def run(self, call: Call, tiles: list[Beat], ahead: bool) -> None:
        """A whole call."""
        await self.start(call, tiles, ahead)
        await self.source.drain()
        while self.board.pending():
            await RisingEdge(self.dut.clk)
        await RisingEdge(self.dut.clk)


@cocotb.test()
@each_pattern()
async def calls(dut: Any, pattern: str) -> None:
    """Random calls of random tiles; while nobody waits, the header's latency and rate."""
    fetch = Fetch(dut, pattern)
    draw = rng("calls")
    async with fetch.bench as bench:
        cocotb.start_soon(fetch.watch_idle())
        for number in range(CALLS):
            call = Call.draw(draw, fetch.sizes)
            await fetch.run(call, call.tiles(draw, fetch.sizes, TILES), bool(number % 2))
    if pattern == "none":
        fetched, tiles = bench.monitors["m_fetch"], bench.monitors["s_tile"]
        kinds = np.array([beat["kind"] for beat in fetched.beats])
        offers, taken = np.array(fetched.offers), np.array(tiles.cycles)
        assert (offers[kinds == 0] - fetch.begun == 4).all(), "the first command comes 4 cycles after start"
        assert (offers[kinds == 1] - taken == 4).all(), "the first command comes 4 cycles after its tile"
        steps = np.diff(taken) - [beat["tokens"] + 2 for beat in tiles.beats[:-1]]
        assert (np.delete(steps, np.arange(TILES - 1, len(steps), TILES)) == 0).all(), "a tile of t tokens takes t + 2 cycles"
