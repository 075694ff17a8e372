"""Bench of ``fcim_normalizer``: values, flags, order, release of the banks, latency and rate, with and without backpressure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from tb.common.bench import Bench
from tb.common.clock import cycle, reset
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import sink_stalls
from tb.common.stream import StreamMonitor, StreamSink
from tb.normalizer import coverage
from tb.normalizer.agents import BankBfm
from tb.normalizer.sequences import Tile, draw_tile

ROW, CHUNK = ("data", "empty", "last"), ("acc", "sum", "max", "last")
FIRST_PART = 21  # cycles from a row's first read to its first part
PATTERNS = [cocotb.Param(value=name, name=name) for name in ("none", "backpressure")]


class Drain:
    """The bench with both output streams, and the banks. ``slow``: chunks are taken at this rhythm whatever the pattern."""

    def __init__(self, dut: Any, pattern: str, slow: tuple[int, int] | None = None) -> None:
        self.bench, self.size = Bench(dut, pattern, budget=30_000), Geometry(dut)
        self.rows: Scoreboard = self.bench.output("m_o", ROW, lanes={"data": (16, True)})
        self.chunks = Scoreboard("m_part", CHUNK, {"acc": (self.size.acc_bits, True)})
        self.bench.scoreboards["m_part"] = (self.chunks, 1)
        self.bench.monitors["m_part"] = StreamMonitor(dut, "m_part", CHUNK, self.chunks.got)
        StreamSink(dut, "m_part", repeat(slow) if slow else sink_stalls(pattern, rng("stalls m_part")))
        self.banks = BankBfm(dut)
        cocotb.start_soon(self.banks.run())

    def tile(self, rows: int, empty: float, partial: bool) -> Tile:
        """A random tile, see :func:`draw_tile`."""
        tile = draw_tile(self.bench.rng, rows, self.size.head_dim, self.size.sum_bits, empty)
        tile.partial = partial
        return tile

    async def finish(self, tile: Tile, wait: int) -> None:
        """A done pulse for the tile after ``wait`` cycles, whose rows or chunks must leave."""
        await self.banks.finish(tile, wait)
        if tile.partial:
            self.chunks.expect(tile.chunks(self.size))
        else:
            self.rows.expect(tile.beats())

    def check(self, tiles: Sequence[Tile]) -> None:
        """Every row and chunk of the tiles was compared, and every bank given back."""
        rows = {kind: sum(tile.rows for tile in tiles if tile.partial == kind) for kind in (False, True)}
        assert (self.rows.compared, self.chunks.compared) == (rows[False], rows[True] * self.size.cpk)
        assert self.banks.releases == len(tiles)


def check_rate(drain: Drain, tiles: Sequence[Tile]) -> None:
    """Without backpressure a row leaves every CYCLES_PER_KEY cycles, each the same time after its first read; a chunk of a
    partial tile in the cycle after its read, one per cycle."""
    cycles = {kind: iter(drain.bench.monitors[port].cycles) for kind, port in ((False, "m_o"), (True, "m_part"))}
    cpk = drain.size.cpk
    for number, tile in enumerate(tiles):
        left = [next(cycles[tile.partial]) for _ in range(tile.rows * (cpk if tile.partial else 1))]
        first = [tile.first_read[row] for row in range(tile.rows)]
        want = ([edge + chunk + 1 for edge in first for chunk in range(cpk)] if tile.partial else
                [edge + FIRST_PART + cpk - 1 for edge in first])
        assert left == want, f"tile {number}: left in cycles {left}, expected {want}"
        steps = {b - a for a, b in zip(first, first[1:], strict=False)}
        assert steps <= {cpk}, f"tile {number}: rows are read {sorted(steps)} cycles apart, expected {cpk}"


@cocotb.test()
@cocotb.parametrize(pattern=PATTERNS)
async def tiles_of_any_size(dut: Any, pattern: str) -> None:
    """1 to ROWS rows, some empty, some tiles partial; the next tile is done while one is read, or long after."""
    drain, rows = Drain(dut, pattern), int(dut.ROWS.value)
    g = drain.bench.rng
    sizes = [1, rows, rows, 1, 1, 1, *g.integers(1, rows + 1, 1 if rows > 16 else 5).tolist()]
    partial = [False, False, True, False, True, True, *g.integers(0, 2, len(sizes) - 6).astype(bool).tolist()]
    tiles = [drain.tile(*shape) for shape in zip(sizes, [0.2] * len(sizes), partial, strict=True)]
    async with drain.bench:
        for number, tile in enumerate(tiles):
            # 8 cycles are the shortest block, so done pulses are never closer; partial tiles 2 and 4 come at once behind rows
            later = int(g.integers(0, 2)) * int(g.integers(0, 2 * rows * drain.size.cpk))
            await drain.finish(tile, 8 + (0 if number in (2, 4) else later))
    drain.check(tiles)
    if pattern == "none":
        check_rate(drain, tiles)


@cocotb.test()
@cocotb.parametrize(pattern=PATTERNS)
async def every_row_empty(dut: Any, pattern: str) -> None:
    """Zeros and the flag, whatever the accumulators hold; the rows of the tile after it are not touched. Of a partial tile they
    leave as they are."""
    drain = Drain(dut, pattern)
    tiles = [drain.tile(2, empty, partial) for empty, partial in ((1.0, False), (0.0, False), (1.0, True), (0.0, False))]
    for tile in (tiles[0], tiles[2]):
        tile.acc = [[1 - 2 * (i % 2)] * drain.size.head_dim for i in range(2)]
    async with drain.bench:
        for tile in tiles:
            await drain.finish(tile, 8)
    assert [beat["empty"] for beat in drain.bench.monitors["m_o"].beats] == [1, 1, 0, 0, 0, 0]
    drain.check(tiles)


@cocotb.test()
async def rows_between_slow_chunks(dut: Any) -> None:
    """A tile of one row behind a partial one, and another partial one that is finished before that row is read."""
    drain = Drain(dut, "none", slow=(1, 40))
    tiles = [drain.tile(1, 0.0, number % 2 == 0) for number in range(7)]
    async with drain.bench:
        for tile in tiles:
            await drain.finish(tile, 8)
    drain.check(tiles)


@cocotb.test()
@cocotb.parametrize(partial=[False, True])
async def reset_drops_a_tile(dut: Any, partial: bool) -> None:
    """Rows or chunks on their way at a reset do not come out after it; the next tile is read at once, from its first row on."""
    drain = Drain(dut, "none")
    lost = drain.tile(int(dut.ROWS.value), 0.0, partial)
    kept = [drain.tile(3, 0.0, flag) for flag in (True, False)]
    async with drain.bench:
        await drain.banks.finish(lost, 0)
        await ClockCycles(dut.clk, 3 if partial else FIRST_PART // 2)
        assert lost.reads and not drain.bench.monitors["m_o"].beats
        coverage.sample_reset(partial)
        await reset(dut)
        drain.banks.reset()
        came = len(drain.bench.monitors["m_part"].beats)
        drain.chunks.expect(lost.chunks(drain.size)[:came])
        await drain.finish(kept[0], 0)
        done = cycle()
        await drain.finish(kept[1], 0)
    assert came > 0 if partial else came == 0
    assert kept[0].first_read[0] == done + 1
    drain.chunks.compared -= came
    drain.check(kept)
