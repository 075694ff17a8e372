"""``clear``: between runs and in the middle of one. Environment: ENGINE_STREAMS (input .npz)."""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.hardware.interface import CORE
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.stalls import always
from tb.common.stream import StreamMonitor, StreamSink, StreamSource
from tb.core import coverage
from tb.core.agents import load_beats, read_counters
from tb.core.bench_core import SETTLE_CYCLES


class Engine:
    """The engine with its drivers and monitors."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.streams = dut, np.load(os.environ["ENGINE_STREAMS"])
        self.sources = {name: StreamSource(dut, s.port, s.names) for name, s in CORE.items() if s.inward}
        self.keys, self.out = (StreamMonitor(dut, CORE[name].port, CORE[name].names) for name in "ko")
        for stream in CORE.values():
            if not stream.inward:
                StreamSink(dut, stream.port, always())

    def send(self) -> None:
        """Queue the whole run."""
        for name, source in self.sources.items():
            source.append(load_beats(self.streams, name))

    async def rows(self, count: int) -> None:
        """Return when ``count`` rows have come in all."""
        while len(self.out.beats) < count:
            await RisingEdge(self.dut.clk)

    async def clear(self) -> int:
        """Pulse ``clear`` for one cycle; the cycle in which the engine saw it."""
        rows = len(self.streams["q_last"])
        coverage.sample_clear(bool(len(self.out.beats) % rows or len(self.keys.beats) % len(self.streams["k_last"])))
        self.dut.clear.value = 1
        await RisingEdge(self.dut.clk)      # from here on it is high
        self.dut.clear.value = 0
        await RisingEdge(self.dut.clk)      # the engine has seen it
        return cycle()


@cocotb.test()
async def clear_zeroes_the_counters(dut: Any) -> None:
    """After ``clear`` an equal run counts equal; a ``clear`` in the middle drops what came before it and harms nothing."""
    dut.clear.value = 0
    start_clock(dut)
    engine = Engine(dut)
    start_watchdog(20000, lambda: f"{len(engine.out.beats)} rows came")
    await reset(dut)
    assert not any(read_counters(dut).values()), "the reset leaves a counter"
    rows, keys = len(engine.streams["q_last"]), len(engine.streams["k_last"])

    engine.send()
    await engine.rows(rows)
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    first = read_counters(dut)
    assert any(first.values())
    assert read_counters(dut) == first, "a counter runs on although nothing is in flight"
    await engine.clear()
    await RisingEdge(dut.clk)
    assert not any(read_counters(dut).values()), "clear leaves a counter"

    engine.send()
    await engine.rows(2 * rows)
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    assert read_counters(dut) == first, "an equal run after clear counts otherwise"

    engine.send()
    while len(engine.keys.beats) < 2 * keys + keys // 2:
        await RisingEdge(dut.clk)
    cleared = await engine.clear()
    await engine.rows(3 * rows)
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    after = sum(c > cleared for c in engine.keys.cycles)
    assert 0 < after < keys
    assert read_counters(dut)["keys"] == after, "the counter of keys does not start at clear"
    assert [b["data"] for b in engine.out.beats[2 * rows:]] == [b["data"] for b in engine.out.beats[:rows]]
