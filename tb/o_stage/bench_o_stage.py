"""Stage for rows of O: their order, its room, and when rows wait for others to go first."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat
from tb.o_stage import coverage

FIELDS = ("engine", "data", "last")
ROWS = 200


class Stage:
    """The design with its streams; every cycle's pins are held against what is inside."""

    def __init__(self, dut: Any, pattern: str) -> None:
        self.dut, self.draw = dut, rng("rows")
        self.room = int(dut.O_ROWS.value)
        self.slots, self.bits = int(dut.ENGINES.value) + 1, len(dut.s_o_data)
        self.bench = Bench(dut, pattern)
        self.source = self.bench.input("s_o", FIELDS, self._enters)
        self.board = self.bench.output("m_o", FIELDS)
        self.bench.monitors["m_o"].add_callback(self._leaves)
        self.entered: list[int] = []        # the cycle in which each row inside came
        dut.hold.value = 0
        cocotb.start_soon(self._watch())

    def rows(self, count: int) -> list[Beat]:
        """Any rows."""
        return [{"engine": int(self.draw.integers(self.slots)), "data": int.from_bytes(self.draw.bytes(self.bits // 8), "little"),
                 "last": int(self.draw.integers(2))} for _ in range(count)]

    def _enters(self, beat: Beat) -> None:
        self.board.expect([beat])
        self.entered.append(cycle())

    def _leaves(self, beat: Beat) -> None:
        self.left_at = cycle()
        self.entered.pop(0)

    async def _watch(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        offered_before = False
        self.left_at = 0
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            # what monitors learn at this edge shows in the cycle behind it
            now = cycle()
            inside = sum(at < now for at in self.entered) + (self.left_at == now)
            offered, taken = dut.m_o_valid.value == 1, dut.m_o_ready.value == 1
            assert str(dut.empty.value) == str(int(inside == 0)), f"empty is {dut.empty.value} with {inside} rows inside"
            assert str(dut.s_o_ready.value) == str(int(inside < self.room)), f"s_o_ready is wrong with {inside} rows inside"
            waits = dut.waits.value == 1
            assert not offered or waits, "a row is offered that does not wait"
            if waits:
                hold = dut.hold.value == 1
                must = not hold or inside > self.room // 2 or offered_before
                assert offered == must, f"m_o_valid is {int(offered)}: hold {int(hold)}, {inside} rows inside"
                coverage.sample_cycle(hold, inside, self.room, offered, offered_before)
            offered_before = offered and not taken


@cocotb.test()
@each_pattern()
async def rows(dut: Any, pattern: str) -> None:
    """Rows come as they like while others go first for a while, or not."""
    stage = Stage(dut, pattern)
    draw, edge = rng("hold"), RisingEdge(dut.clk)
    async with stage.bench:
        stage.source.append(stage.rows(ROWS))
        while len(stage.bench.monitors["m_o"].beats) < ROWS // 2:
            dut.hold.value = int(draw.integers(2))
            await ClockCycles(dut.clk, int(draw.integers(1, 40)))
        dut.hold.value = 0
        await stage.source.drain()
        await edge


@cocotb.test()
async def an_offer_stays(dut: Any) -> None:
    """Others go first in every other cycle or so: a row that was offered is offered until it is taken."""
    stage = Stage(dut, "backpressure")
    draw, edge = rng("hold"), RisingEdge(dut.clk)
    async with stage.bench:
        for row in stage.rows(ROWS):
            stage.source.append([row])
            for _ in range(4):      # there is room for more than half of the time
                dut.hold.value = int(draw.integers(2))
                await edge
        dut.hold.value = 0


@cocotb.test()
async def fills(dut: Any) -> None:
    """While others go first rows wait, until half of the room is taken; then one goes for each that comes."""
    stage = Stage(dut, "none")
    half, moved = stage.room // 2, stage.bench.monitors["m_o"].beats
    async with stage.bench:
        dut.hold.value = 1
        await stage.source.send(stage.rows(half))
        await ClockCycles(dut.clk, 20)
        assert not moved, "a row goes though there is room for it"
        assert str(dut.waits.value) == str(int(half > 0))
        await stage.source.send(stage.rows(3 * stage.room))
        await ClockCycles(dut.clk, 2 * stage.room + 20)
        assert len(moved) == 3 * stage.room, f"{half} rows have room, {len(moved)} of {half + 3 * stage.room} went"
        dut.hold.value = 0


@cocotb.test()
async def full_rate(dut: Any) -> None:
    """A row is offered 2 cycles after it came; a row comes and a row goes in every cycle if there is room for four."""
    stage = Stage(dut, "none")
    async with stage.bench:
        await stage.source.send(stage.rows(ROWS))
    offers, taken = stage.bench.monitors["m_o"].offers, stage.bench.monitors["s_o"].cycles
    assert offers[0] - taken[0] == 2, "a row is offered 2 cycles after it is accepted"
    if stage.room >= 4:
        assert offers[-1] - offers[0] == ROWS - 1, "a row per cycle"
