"""Burst splitter: the bursts of every kind of command, the rate at which they come, and what clear drops."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from tb.burst_splitter import coverage
from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS, Burst, Command, corners, random_commands
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import always, each_pattern
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource

FIELDS = ("address", "len", "last")


def as_beat(burst: Burst) -> Beat:
    """The beat of m_burst that says it."""
    return {"address": burst.address, "len": burst.beats - 1, "last": int(burst.last)}


class Splitter:
    """The block with its streams; each accepted command adds its bursts to what is expected."""

    def __init__(self, dut: Any, pattern: str = "none") -> None:
        self.dut, self.width, self.most = dut, int(dut.DATA_BITS.value) // 8, int(dut.MAX_BURST.value)
        self.bench = Bench(dut, pattern, budget=40_000)
        self.source = self.bench.input("s_cmd", COMMAND_FIELDS, self._accepted)
        self.board: Scoreboard = self.bench.output("m_burst", FIELDS)
        dut.clear.value = 0
        coverage.sample_parameters(self.width, self.most)

    def _accepted(self, beat: Beat) -> None:
        command = Command.from_beat(beat)
        coverage.sample_command(command, self.width)
        for burst in command.bursts(self.width, self.most):
            coverage.sample_burst(burst, self.width)
            self.board.expect([as_beat(burst)])


@cocotb.test()
@each_pattern()
async def commands(dut: Any, pattern: str) -> None:
    """All corners and random commands; while nobody waits, a burst per cycle wherever a command is there in time."""
    splitter = Splitter(dut, pattern)
    todo = [*corners(splitter.width, splitter.most), *random_commands(rng("commands"), 60, splitter.width)]
    async with splitter.bench as bench:
        await splitter.source.send(command.as_beat() for command in todo)
    assert str(dut.empty.value) == "1"
    if pattern == "none":
        counts = [len(list(command.bursts(splitter.width, splitter.most))) for command in todo]
        cycles = bench.monitors["m_burst"].cycles
        taken = bench.monitors["s_cmd"].cycles
        first = np.cumsum([0, *counts])[:-1]
        assert cycles[0] == taken[0] + 3, "the first burst comes 3 cycles after its command"
        assert (np.diff(taken) >= 2).all() and (np.diff(taken) == 2).any(), "a command per 2 cycles at most"
        for number, count in enumerate(counts):
            steps = np.diff(cycles[first[number]:first[number] + count])
            assert (steps == 1).all(), f"bursts of one command pause: {steps.tolist()}"
            if number and counts[number - 1] >= 2:
                assert cycles[first[number]] == cycles[first[number] - 1] + 1, "bursts pause between commands"


@cocotb.test()
async def large_commands(dut: Any) -> None:
    """The largest fields, and runs of more than 2**16 beats: their first bursts, after which they are cleared."""
    width, most = int(dut.DATA_BITS.value) // 8, int(dut.MAX_BURST.value)
    dut.clear.value = 0
    source = StreamSource(dut, "s_cmd", COMMAND_FIELDS)
    StreamSink(dut, "m_burst", always())
    monitor = StreamMonitor(dut, "m_burst", FIELDS)
    start_clock(dut)
    start_watchdog(10_000)
    await reset(dut)
    for command in (Command(0x8000_0000, 65535, 3, 1 << 40), Command(0xFFFF_0000_0000, 65535, 262143, 65535 * width),
                    Command(0x1000, 3, 262143, (1 << 52) + width), Command(0x4000 + width, 16, 8192, 16 * width)):
        seen = len(monitor.beats)
        await source.send([command.as_beat()])
        await ClockCycles(dut.clk, 300)
        got = monitor.beats[seen:]
        want = [as_beat(burst) for burst, _ in zip(command.bursts(width, most), got, strict=False)]
        assert len(got) > 250 and got == want, "the first bursts of a large command differ"
        monitor.watching = False
        dut.clear.value = 1
        await ClockCycles(dut.clk, 3)
        assert str(dut.m_burst_valid.value) == "0" and str(dut.empty.value) == "1", "clear leaves something"
        dut.clear.value = 0
        monitor.watching = True


@cocotb.test()
async def clear_drops_all(dut: Any) -> None:
    """With nothing, one and two commands inside: after a cycle of clear nothing is offered or taken, and then all is new."""
    splitter = Splitter(dut, "none")
    dut.m_burst_ready.value = 0
    edge = RisingEdge(dut.clk)
    async with splitter.bench as bench:
        monitor = bench.monitors["m_burst"]
        for inside in (0, 1, 2):
            monitor.watching = False
            dut.m_burst_ready.value = 0
            splitter.source.append(Command(0x3000, 2, 5, 0x10000).as_beat() for _ in range(inside))
            await splitter.source.drain()
            await ClockCycles(dut.clk, 5)
            assert str(dut.empty.value) == str(int(not inside)) and str(dut.m_burst_valid.value) == str(int(inside > 0))
            coverage.sample_clear(inside)
            dut.clear.value = 1
            await edge
            await Timer(1, "ns")
            for name, want in (("m_burst_valid", "0"), ("s_cmd_ready", "0"), ("empty", "1")):
                assert str(getattr(dut, name).value) == want, f"{name} is not {want} after clear"
            dut.clear.value = 0
            splitter.board.forget()
            await edge
            monitor.watching = True
            dut.m_burst_ready.value = 1
            await splitter.source.send([Command(0x7000 - splitter.width, 3).as_beat()])
            while splitter.board.pending():
                await edge
