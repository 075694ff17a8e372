"""Bench of ``fcim_merge``: values, flags, who is taken when, tiles back to back, ends that disagree, resets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from tb.common.bench import Bench
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.spec import divide
from tb.common.stalls import each_pattern
from tb.merge import coverage
from tb.merge.agents import PartSources
from tb.merge.model import FIRST_ROW, Model
from tb.merge.sequences import DISTANCES, Tile, apart, draw_parts, draw_tile

FIELDS = ("data", "empty", "last")
NO_BACKPRESSURE = ("none", "gaps")


def flag(dut: Any) -> int:
    """The error flag."""
    value = str(dut.error_parts.value)
    assert value in "01", f"error_parts is {value}"
    return int(value)


class MergeBench:
    """The bench with its streams, its sources of parts and its model."""

    def __init__(self, dut: Any, pattern: str = "none", minimum: int = 1, budget: int = 60_000) -> None:
        self.dut, self.size, self.parts = dut, Geometry(dut), int(dut.PARTS.value)
        self.bench = Bench(dut, pattern, budget=budget)
        self.rng = self.bench.rng
        self.board: Scoreboard = self.bench.output("m_o", FIELDS, lanes={"data": (16, True)}, minimum=minimum)
        self.model = Model(self.size, self.parts, pattern in NO_BACKPRESSURE, self.board.expect)
        self.masks = self.bench.input("s_merge", ("parts",), self.model.tile)
        self.sources = PartSources(dut, self.size, pattern, self.model.chunk)
        cocotb.start_soon(self.sources.run())
        cocotb.start_soon(self._watch())
        coverage.sample_config(self.parts)

    async def _watch(self) -> None:
        """What waits behind a row that is not taken."""
        edge, rows = RisingEdge(self.dut.clk), self.bench.monitors["m_o"].beats
        while True:
            await edge
            if self.dut.rst_n.value == 1 and self.dut.m_o_valid.value == 1 and self.dut.m_o_ready.value == 0:
                inside = len(self.model.due) - len(rows) > 1 or bool(self.model.row)
                coverage.sample_stall(inside, bool(self.dut.s_part_valid.value) and not bool(self.dut.s_part_ready.value))

    def offer(self, tile: Tile) -> None:
        """Queue a tile: its mask, and the chunks of its parts."""
        self.masks.append([{"parts": tile.parts}])
        for part in tile.rows:
            self.sources.append(part, tile.chunks(part, self.size))

    async def done(self) -> None:
        """Everything that was offered has been taken, and every row has come."""
        await self.masks.drain()
        await self.sources.drain()
        while self.board.pending():
            await RisingEdge(self.dut.clk)

    def draw(self, parts: Sequence[int], rows: int, empty: float = 0.15) -> Tile:
        """A random tile."""
        return draw_tile(self.rng, self.size, parts, rows, empty)


def masks(bench: MergeBench) -> list[list[int]]:
    """Each part alone, all, random ones, and pairs of tiles that share all, some or no parts."""
    every = list(range(bench.parts))
    cut = bench.parts // 2
    return [every, *([part] for part in every), every, every[:cut], every[cut:], every, every[1:], every[:-1],
            *(draw_parts(bench.rng, bench.parts) for _ in range(5))]


@cocotb.test()
@each_pattern()
async def tiles(dut: Any, pattern: str) -> None:
    """Tiles of any parts back to back: every row, and who is taken when; without back-pressure rows leave on time."""
    bench = MergeBench(dut, pattern, minimum=20)
    async with bench.bench:
        for parts in masks(bench):
            bench.offer(bench.draw(parts, int(bench.rng.integers(1, 4 if bench.parts < 8 else 3))))
        await bench.done()
        assert not flag(dut), "the flag is up though all parts ended together"
    if pattern in NO_BACKPRESSURE:
        offers, due = bench.bench.monitors["m_o"].offers, bench.model.due
        wrong = [(row, got - want) for row, (got, want) in enumerate(zip(offers, due, strict=True)) if got != want]
        assert not wrong, f"rows come late: (row, cycles) {wrong[:4]}"


@cocotb.test()
async def chunk_after_chunk(dut: Any) -> None:
    """Parts that are always there are taken one after the other, with one cycle between chunks, also from tile to tile."""
    bench = MergeBench(dut)
    every = list(range(bench.parts))
    async with bench.bench:
        for parts in ([0], [0], every, every, [bench.parts - 1], every[:2]):
            bench.offer(bench.draw(parts, 2))
        await bench.done()
    steps = [(later - sooner, count) for (sooner, count), (later, _) in zip(bench.model.chunks, bench.model.chunks[1:])]
    assert len(steps) == 12 * bench.size.cpk - 1
    assert all(step == count + 1 for step, count in steps), f"(cycles to the next chunk, parts) of each chunk: {steps}"


@cocotb.test()
async def every_distance(dut: Any) -> None:
    """Maxima of two parts that lie any distance apart, either one above, up to the ends of the range."""
    bench = MergeBench(dut, minimum=2 * len(DISTANCES))
    async with bench.bench:
        for higher in (0, bench.parts - 1):
            bench.offer(apart(bench.rng, bench.size, higher, bench.parts - 1 - higher, DISTANCES))
        await bench.done()


@cocotb.test()
async def rows_that_wait(dut: Any) -> None:
    """Chunks that come as closely as they can, those of one part, lose nothing while rows are taken now and then."""
    bench = MergeBench(dut, "backpressure", minimum=4 * 48)
    async with bench.bench:
        for part in (0, bench.parts - 1) * 4:
            bench.offer(bench.draw([part], 24))
        await bench.done()


@cocotb.test()
async def one_part_is_divided_as_it_is(dut: Any) -> None:
    """A tile of one part gives that engine's quotients, whatever the maximum is."""
    bench = MergeBench(dut, minimum=6)
    tile = bench.draw([bench.parts - 1], 6, empty=0.0)
    async with bench.bench:
        bench.offer(tile)
        await bench.done()
    got = [beat["data"] for beat in bench.bench.monitors["m_o"].beats]
    want = [sum((divide(o, row.total) & 0xFFFF) << (16 * i) for i, o in enumerate(row.acc)) for row in tile.rows[bench.parts - 1]]
    assert got == want


@cocotb.test()
async def readies_depend_on_registers_only(dut: Any) -> None:
    """Within a cycle neither valid nor m_o_ready moves s_merge_ready or s_part_ready."""
    bench = MergeBench(dut, "both")
    edge, seen = RisingEdge(dut.clk), set()

    def readies() -> tuple[str, str]:
        return str(dut.s_merge_ready.value), str(dut.s_part_ready.value)

    async with bench.bench:
        for parts in masks(bench)[:6]:
            bench.offer(bench.draw(parts, 4))
        for _ in range(120 * bench.size.cpk):
            await edge
            await Timer(1, "ns")
            before = readies()
            seen.add(before[1])
            driven = {name: getattr(dut, name).value for name in ("s_merge_valid", "s_part_valid", "m_o_ready")}
            for name, value in driven.items():
                handle = getattr(dut, name)
                for other in (0, (1 << len(handle)) - 1):
                    handle.value = other
                    await Timer(1, "ns")
                    assert readies() == before, f"{name} moves a ready within a cycle"
                handle.value = value
                await Timer(1, "ns")
        await bench.done()
    assert len(seen) > 2


def cases(parts: int, cpk: int) -> Iterator[tuple[str, dict[int, dict[int, bool]], bool]]:
    """Tiles of two rows: how they end, what ``last`` of a part's chunk is instead, and whether that is an error."""
    end = 2 * cpk - 1
    yield "together", {}, False
    yield "no part", {}, True
    for part in sorted({0, parts // 2, parts - 1}):
        yield "one too early", {part: {cpk - 1: True}}, True
        yield "one too late", {part: {end: False}}, True
    if cpk > 1:
        yield "within a row", {part: {0: True} for part in range(parts)}, True


@cocotb.test()
async def ends_that_disagree_are_noticed(dut: Any) -> None:
    """A part that ends before or after the others, and an end within a row, raise the flag, which stays up until a reset."""
    size, parts = Geometry(dut), int(dut.PARTS.value)
    generator = rng("tiles")
    sources = PartSources(dut, size, "none", lambda *_: None)
    start_clock(dut)
    start_watchdog(60_000)
    cocotb.start_soon(sources.run())
    every = (1 << parts) - 1
    dut.s_merge_valid.value, dut.s_merge_parts.value, dut.m_o_ready.value = 0, every, 1
    for how, odd, wrong in cases(parts, size.cpk):
        await reset(dut)
        assert flag(dut) == 0, "a reset does not lower the flag"
        tile = draw_tile(generator, size, range(parts), 2)
        for part in tile.rows if how != "no part" else ():
            chunks = tile.chunks(part, size)
            for number, last in odd.get(part, {}).items():
                chunks[number] = replace(chunks[number], last=last)
            sources.append(part, chunks)
        dut.s_merge_valid.value, dut.s_merge_parts.value = 1, 0 if how == "no part" else every
        await RisingEdge(dut.clk)
        dut.s_merge_valid.value, dut.s_merge_parts.value = 0, every
        await ClockCycles(dut.clk, 2 * size.cpk * (parts + 1) + FIRST_ROW)
        assert flag(dut) == wrong, f"{how}: error_parts is {flag(dut)}"
        assert how != "no part" or dut.s_merge_ready.value == 1, "a tile without a part is not dropped"
        coverage.sample_error(how)
        sources.clear()
        for part in tile.rows:
            sources.append(part, tile.chunks(part, size))
        dut.s_merge_valid.value = 1
        await ClockCycles(dut.clk, 2 * size.cpk * (parts + 1) + FIRST_ROW)
        dut.s_merge_valid.value = 0
        assert flag(dut) == wrong, f"{how}, then a good tile: error_parts is {flag(dut)}"
        sources.clear()


@cocotb.test()
async def reset_drops_what_is_inside(dut: Any) -> None:
    """A tile without a chunk, chunks of which some parts are taken, rows in the divider: nothing of them comes after a reset."""
    bench = MergeBench(dut)
    every = list(range(bench.parts))
    waits = {"a tile without a chunk": 1, "chunks half taken": 3,
             "rows on their way": bench.size.cpk * (bench.parts + 1) + FIRST_ROW // 2}
    async with bench.bench:
        for number, (found, wait) in enumerate(waits.items()):
            bench.model.expect = lambda _: None
            lost, kept = bench.draw(every, 3), bench.draw([0, bench.parts - 1], 2)
            if number:
                bench.offer(lost)
            else:
                bench.masks.append([{"parts": lost.parts}])
            await bench.masks.drain()
            await ClockCycles(dut.clk, wait)
            assert len(bench.bench.monitors["m_o"].beats) == number * kept.count
            coverage.sample_reset(found)
            dut.rst_n.value = 0
            await RisingEdge(dut.clk)
            bench.model.reset()
            bench.sources.clear()
            await reset(dut)
            await ClockCycles(dut.clk, 2 * FIRST_ROW)
            bench.model.expect = bench.board.expect
            bench.offer(kept)
            await bench.done()
    assert bench.board.compared == len(waits) * 2
