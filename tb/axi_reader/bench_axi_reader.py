"""AXI reader: every beat of every command against a memory, the bus against the protocol, errors, stop, reset, full rate."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.axi_reader import coverage
from tb.axi_reader.agents import Reader
from tb.common.axi import Pace
from tb.common.bursts import DECERR, PAGE, SLVERR, Command, corners, random_commands
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern

MEMORY_LATENCY = 1      # cycles from an address to its first beat that the memory takes by itself; one more from rest


def pace_of(pattern: str) -> Pace:
    """A memory that is as quick as can be, or pauses, or is far away, or is slow."""
    return {"none": Pace(), "gaps": Pace((0, 12), stalls=True), "backpressure": Pace((5, 60)),
            "both": Pace((0, 30), interval=2, stalls=True, ahead=2)}[pattern]


@cocotb.test()
@each_pattern()
async def reads(dut: Any, pattern: str) -> None:
    """Corners and random commands, every beat of them, with quick and slow memories and takers."""
    reader = Reader(dut, pattern, pace_of(pattern))
    coverage.sample_parameters(reader.width, reader.rules.most)
    extra = random_commands(rng("commands"), 12, reader.width)
    async with reader.bench:
        await reader.read([*corners(reader.width, reader.rules.most), *extra])
    reader.finish()
    assert len(reader.given.beats) == reader.commanded
    monitors = reader.bench.monitors
    assert reader.rules.monitor.offers[0] - monitors["s_cmd"].cycles[0] == 4, "the first address comes 4 cycles after its command"
    assert reader.given.offers[0] - reader.beats.cycles[0] == 2, "the first beat comes 2 cycles after it was read"


@cocotb.test()
@cocotb.parametrize(more=[0, 1])
async def full_rate(dut: Any, more: int) -> None:
    """A beat per cycle up to the latency that the header names, and not with a cycle more."""
    width, outstanding, buffer = (int(getattr(dut, name).value) for name in ("DATA_BITS", "OUTSTANDING", "BUFFER_BEATS"))
    burst = min(int(dut.MAX_BURST.value), PAGE * 8 // width)
    latency = more + max(min((outstanding - 1) * burst - 1, buffer - burst - 3), MEMORY_LATENCY)
    keeps_up = (outstanding - 1) * burst >= latency + 1 and buffer - burst >= latency + 3
    reader = Reader(dut, "none", Pace((latency - MEMORY_LATENCY,) * 2))
    async with reader.bench:
        await reader.read([Command(0x10_0000, (latency // burst + 12) * burst)])
    reader.finish()
    cycles = reader.beats.cycles
    measured = cycles[0] - reader.rules.monitor.cycles[0]
    assert measured == latency + 1, f"the memory's latency from rest is {measured}, not {latency + 1}: the bench is wrong"
    pauses = int((np.diff(cycles) > 1).sum())
    assert (pauses == 0) == keeps_up, f"{pauses} pauses in {len(cycles)} beats with {latency} cycles of latency"


@cocotb.test()
async def errors(dut: Any) -> None:
    """Beats of bursts that fail are marked, the flags rise and stay, the first address is kept, clear lowers the flags."""
    answers = {1: SLVERR, 3: SLVERR, 4: DECERR, 6: DECERR, 7: SLVERR, 9: SLVERR, 10: SLVERR}
    reader = Reader(dut, "none", Pace((5, 5)), answers)
    pages = rng("pages").integers(1, 1 << 52, 12).tolist()
    rows = [Command(page * PAGE + number * reader.width, min(reader.rules.most, 3)) for number, page in enumerate(pages)]
    edge = RisingEdge(dut.clk)

    async def look(number: int, flags: tuple[str, str], first: int | None) -> None:
        if number in answers:
            reader.rules.error_comes(answers[number])
        await reader.read([rows[number]])
        await edge
        assert reader.rules.flags() == flags, f"after burst {number} the flags are {reader.rules.flags()}"
        if first is not None:
            got = int(dut.error_address.value)
            assert got == rows[first].address, f"the first error is at {rows[first].address:#x}, error_address is {got:#x}"

    async def clear() -> None:
        dut.clear.value = 1
        await edge
        dut.clear.value = 0
        await edge
        await edge
        assert reader.rules.flags() == ("0", "0"), "clear does not lower the flags"

    async with reader.bench:
        await look(0, ("0", "0"), None)
        await look(1, ("1", "0"), 1)
        await look(2, ("1", "0"), 1)
        await look(3, ("1", "0"), 1)
        await look(4, ("1", "1"), 1)
        await clear()
        await look(5, ("0", "0"), None)
        await look(6, ("0", "1"), 6)
        await look(7, ("1", "1"), 6)
        await clear()
        await look(8, ("0", "0"), None)
        # two bursts fail one behind the other while clear is high, the last time in the cycle of an error: that one stays
        cocotb.start_soon(reader.read(rows[9:11]))
        dut.clear.value = 1
        for _ in range(2):
            await edge
            while not (dut.m_axi_rvalid.value == 1 and dut.m_axi_rlast.value == 1):
                await edge
        dut.clear.value = 0
        await edge
        reader.rules.error_comes(SLVERR, cleared=True)
        assert reader.rules.flags() == ("1", "0"), "an error was lost to clear"
        assert int(dut.error_address.value) == rows[10].address, "the first error is another one"
        await look(11, ("1", "0"), 10)
    reader.finish()


@cocotb.test()
@cocotb.parametrize(stalled=[cocotb.Param(value=False, name="no"), cocotb.Param(value=True, name="yes")])
async def stop(dut: Any, stalled: bool) -> None:
    """Stopped at any moment: the bus comes to its end, all is dropped, and the next commands are read as ever."""
    pattern = "both" if stalled else "none"
    reader = Reader(dut, pattern, Pace((3, 25), stalls=stalled))
    draw = rng("moments")
    burst = min(reader.rules.most, 8)
    async with reader.bench:
        for moment in [0, 1, 2, 3, 4, 5, 6, *draw.integers(7, 60, 8 if stalled else 16).tolist()]:
            base = int(draw.integers(1, 1 << 40)) * PAGE
            todo = [Command(base, 5 * burst + 1), Command(base + PAGE - reader.width, 3, 4, PAGE)]
            reader.fill(todo)
            reader.source.append([todo[0].as_beat()])
            await reader.source.drain()
            await ClockCycles(dut.clk, moment)
            await reader.stop(pulse=bool(draw.integers(2)))
            await reader.read([todo[1]])
        await ClockCycles(dut.clk, 10)
        await reader.stop()
        await reader.read(random_commands(draw, 5, reader.width))
    reader.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset drops all; the bus is reset with it, and what comes next is read as ever."""
    reader = Reader(dut, "none", Pace((10, 20)), {0: DECERR})
    draw = rng("commands")
    async with reader.bench:
        for moment in (0, 9, 14, 22, 30):
            todo = random_commands(draw, 3, reader.width)
            reader.fill(todo)
            reader.source.append([todo[0].as_beat()])
            await reader.source.drain()
            await ClockCycles(dut.clk, moment)
            coverage.sample_reset(bool(reader.rules.outstanding))
            dut.rst_n.value = 0
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            reader.forget()
            reader.resets += 1
            assert str(dut.idle.value) == "1" and reader.rules.flags() == ("0", "0") and str(dut.m_axi_arvalid.value) == "0"
            await reset(dut)
            await reader.read(todo[1:])
    reader.finish()
