"""AXI writer: the memory after every kind of command, the bus against the protocol, errors, stop, reset, full rate."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from tb.axi_writer import coverage
from tb.axi_writer.agents import Writer
from tb.common.axi import Pace
from tb.common.bursts import DECERR, PAGE, SLVERR, Command, corners, random_commands
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern

MEMORY_LATENCY = 2      # cycles from a burst's last beat to its answer that the memory takes by itself


def pace_of(pattern: str) -> Pace:
    """A memory that is quick, or pauses, or is far away and wants addresses first, or is slow and wants beats first."""
    return {"none": Pace(), "gaps": Pace((0, 12), stalls=True), "backpressure": Pace((5, 60), order="address first", ahead=4),
            "both": Pace((0, 30), interval=2, stalls=True, order="data first")}[pattern]


@cocotb.test()
@each_pattern()
async def writes(dut: Any, pattern: str) -> None:
    """Corners and random commands with all kinds of strobes, against quick and slow memories, beats late and early."""
    writer = Writer(dut, pattern, pace_of(pattern))
    coverage.sample_parameters(writer.width, writer.rules.most)
    async with writer.bench as bench:
        await writer.write([*corners(writer.width, writer.rules.most), *random_commands(rng("commands"), 12, writer.width)])
    writer.finish()
    assert writer.rules.monitor.offers[0] - bench.monitors["s_cmd"].cycles[0] == 4, "an address comes 4 cycles after its command"
    taken, out = bench.monitors["s_data"].cycles, writer.out.offers
    assert len(taken) == len(out) and out[0] - taken[0] == 1, "a beat is on the bus in the cycle after it was taken"


@cocotb.test()
async def beats_do_not_wait_for_addresses(dut: Any) -> None:
    """A burst's beats go out while its address waits, and addresses go out without beats."""
    writer = Writer(dut, "none", Pace(order="data first"))
    beats = min(writer.rules.most, 8)
    async with writer.bench:
        await writer.write([Command(0x9000, beats)])
        writer.guard([Command(0xA000, beats)])
        await writer.commands.send([Command(0xA000, beats).as_beat()])
        await ClockCycles(dut.clk, 20)
        assert str(dut.m_axi_awvalid.value) == "1", "the address waits for beats"
        writer.beats.append(writer.beats_of(Command(0xA000, beats)))
    writer.finish()
    assert writer.addressed[0] > writer.arrivals[0]
    first = writer.rules.monitor.offers[0]
    assert writer.out.offers[0] - first == 2, "the first beat is on the bus 2 cycles after its address"


@cocotb.test()
@cocotb.parametrize(more=[0, 1])
async def full_rate(dut: Any, more: int) -> None:
    """A beat per cycle while answers come as fast as the header says, and not with a cycle more."""
    width, outstanding = int(dut.DATA_BITS.value), int(dut.OUTSTANDING.value)
    burst = min(int(dut.MAX_BURST.value), PAGE * 8 // width)
    latency = more + max((outstanding - 1) * burst - 3, MEMORY_LATENCY)
    keeps_up = (outstanding - 1) * burst - 3 >= latency
    writer = Writer(dut, "none", Pace((latency - MEMORY_LATENCY,) * 2))
    async with writer.bench:
        await writer.write([Command(0x10_0000, (latency // burst + 12) * burst)])
    writer.finish()
    measured = writer.replies.cycles[0] - writer.arrivals[0]
    assert measured == latency, f"the memory's latency is {measured}, not {latency}: the bench is wrong"
    pauses = int((np.diff(writer.out.cycles) > 1).sum())
    assert (pauses == 0) == keeps_up, f"{pauses} pauses in {len(writer.out.cycles)} beats with {latency} cycles of latency"


@cocotb.test()
async def errors(dut: Any) -> None:
    """done tells of every burst of its command; the flags rise and stay, the first address is kept, clear lowers the flags."""
    answers = {1: SLVERR, 2: DECERR, 5: SLVERR, 6: DECERR, 10: SLVERR, 11: SLVERR, 13: DECERR}
    writer = Writer(dut, "none", Pace((3, 9)), answers)
    rows, edge = 3, RisingEdge(dut.clk)
    pages = rng("pages").integers(1, (1 << 52) - 8, 6).tolist()
    todo = [Command(page * PAGE + (number + 1) * writer.width, 1, rows, PAGE) for number, page in enumerate(pages)]

    def address(burst: int) -> int:
        return todo[burst // rows].address + burst % rows * todo[0].stride

    async def look(number: int, flags: tuple[str, str], first: int | None) -> None:
        for burst in range(rows * number, rows * (number + 1)):
            if burst in answers:
                writer.rules.error_comes(answers[burst])
        await writer.write([todo[number]])
        await edge
        assert writer.rules.flags() == flags, f"after command {number} the flags are {writer.rules.flags()}"
        if first is not None:
            got = int(dut.error_address.value)
            assert got == address(first), f"the first error is at {address(first):#x}, error_address is {got:#x}"

    async with writer.bench:
        await look(0, ("1", "1"), 1)        # the second and the third of its bursts fail
        await look(1, ("1", "1"), 1)        # the third alone
        dut.clear.value = 1
        await edge
        dut.clear.value = 0
        await edge
        await edge
        assert writer.rules.flags() == ("0", "0"), "clear does not lower the flags"
        await look(2, ("0", "1"), 6)        # the first alone
        dut.clear.value = 1
        cocotb.start_soon(writer.write([todo[3]]))      # 10 and 11: clear until the very cycle of an error
        while dut.m_axi_bvalid.value == 0 or dut.m_axi_bresp.value == 0:
            await edge
        dut.clear.value = 0
        await edge
        writer.rules.error_comes(SLVERR, cleared=True)
        assert writer.rules.flags() == ("1", "0") and int(dut.error_address.value) == address(10), "an error was lost to clear"
        while writer.done.pending():
            await edge
        await look(4, ("1", "1"), 10)
        await look(5, ("1", "1"), 10)       # none: the command before it leaves nothing behind
    writer.finish()


@cocotb.test()
@cocotb.parametrize(stalled=[cocotb.Param(value=False, name="no"), cocotb.Param(value=True, name="yes")])
async def stop(dut: Any, stalled: bool) -> None:
    """Stopped at any moment: bursts are filled up without strobes, nothing more is written, the next command is as ever."""
    writer = Writer(dut, "both" if stalled else "none", Pace((3, 25), stalls=stalled))
    draw = rng("moments")
    burst = min(writer.rules.most, 8)
    async with writer.bench as bench:
        sent = 0

        async def finish_up() -> None:
            """Beats that were queued for stopped commands fill another one."""
            nonlocal sent
            left = sent - len(bench.monitors["s_data"].beats) + 3
            command = Command(int(draw.integers(1, 1 << 40)) * PAGE, left)
            writer.guard([command])
            writer.commands.append([command.as_beat()])
            writer.beats.append(writer.beats_of(Command(0, 3)))
            sent += 3
            await writer.commands.drain()
            await writer.beats.drain()
            while writer.done.pending():
                await RisingEdge(dut.clk)

        later = [*draw.integers(8, 60, 8 if stalled else 16).tolist(), *draw.integers(30, 90, 8 if stalled else 32).tolist()]
        for moment in [*range(8), *later]:
            command = Command(int(draw.integers(1, 1 << 40)) * PAGE, 5 * burst + 1)
            given = int(draw.integers(5 * burst + 2))       # fewer beats than it wants
            writer.guard([command])
            writer.commands.append([command.as_beat()])
            if given:
                writer.beats.append(writer.beats_of(Command(0, given)))
            sent += given
            await writer.commands.drain()
            await ClockCycles(dut.clk, moment)
            await writer.stop(pulse=bool(draw.integers(2)))
            writer.check_memory()
            await finish_up()
        await ClockCycles(dut.clk, 10)
        await writer.stop()
        await finish_up()
    writer.finish()


@cocotb.test()
async def stop_with_the_last_answer(dut: Any) -> None:
    """The answer that ends a command comes in the very cycle in which ``stop`` rises: there is no ``done``."""
    writer = Writer(dut, "none", Pace((5, 10)))
    draw, edge = rng("rows"), RisingEdge(dut.clk)
    async with writer.bench:
        for _ in range(6):
            command = Command(int(draw.integers(1, 1 << 40)) * PAGE, int(draw.integers(1, min(writer.rules.most, 4) + 1)))
            writer.append([command])
            while dut.m_axi_bvalid.value != 1:
                await edge
                await Timer(1, "ns")        # the answer is there and not yet taken
            await writer.stop()
            writer.check_memory()
        await writer.write([Command(PAGE, 2)])
    writer.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset drops all; the bus is reset with it, and what comes next is written as ever."""
    writer = Writer(dut, "none", Pace((10, 20)), {0: DECERR})
    draw = rng("commands")
    async with writer.bench:
        for moment in (0, 7, 9, 14, 22, 30):
            todo = random_commands(draw, 3, writer.width)
            writer.append(todo[:1])
            await writer.commands.drain()
            await writer.beats.drain()
            await ClockCycles(dut.clk, moment)
            coverage.sample_reset(bool(writer.rules.outstanding))
            dut.rst_n.value = 0
            await RisingEdge(dut.clk)
            await RisingEdge(dut.clk)
            writer.forget()
            assert str(dut.idle.value) == "1" and writer.rules.flags() == ("0", "0") and str(dut.m_axi_awvalid.value) == "0"
            await reset(dut)
            # what a reset's bursts had written is not known
            writer.wanted.segs = {page: bytearray(data) for page, data in writer.memory.segs.items()}
            await writer.write(todo[1:])
    writer.finish()
