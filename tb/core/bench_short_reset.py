"""Resets the engine for one edge at many moments of a run, and then waits: nothing of it may be counted or come out later.

Environment: ENGINE_STREAMS (input .npz) of tiles whose maxima rise with every block, see :mod:`tb.core.bench_core`.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from models.hardware.interface import CORE
from tb.common.clock import reset, start_clock
from tb.common.rng import rng
from tb.common.stalls import always
from tb.common.stream import StreamSink, StreamSource
from tb.core.agents import config_of, let_go, load_beats, read_counters

RESETS = 40
SETTLE_CYCLES = 20  # longer than what a path between two blocks takes


@cocotb.test()
async def one_edge_ends_everything(dut: Any) -> None:
    """Counters stay at 0 and no output is valid after an edge with ``rst_n`` low."""
    streams, generator, cfg = np.load(os.environ["ENGINE_STREAMS"]), rng("short reset"), config_of(dut)
    inward, outward = ([stream for stream in CORE.values() if stream.inward == side] for side in (True, False))
    beats = {stream.name: load_beats(streams, stream.name) for stream in inward}
    first, longest = 4 * cfg.block_cycles, len(beats["k"]) * cfg.cycles_per_key
    dut.clear.value = 0
    start_clock(dut)
    await reset(dut)
    rescaled = 0
    for number in range(RESETS):
        sources = [StreamSource(dut, stream.port, stream.names) for stream in inward]
        sinks = [StreamSink(dut, stream.port, always()) for stream in outward]
        for stream, source in zip(inward, sources, strict=True):
            source.append(beats[stream.name])
        cycles = int(generator.integers(first, longest))
        await ClockCycles(dut.clk, cycles)
        rescaled += read_counters(dut)["rescaled_rows"]
        let_go(dut, sources, sinks)
        dut.rst_n.value = 0
        await ClockCycles(dut.clk, 1)
        dut.rst_n.value = 1
        await ClockCycles(dut.clk, SETTLE_CYCLES)
        left = {name: value for name, value in read_counters(dut).items() if value}
        assert not left, f"counted after a reset {cycles} cycles into run {number}: {left}"
        assert dut.error_v_count.value == 0
        for stream in outward:
            assert getattr(dut, f"{stream.port}_valid").value == 0, stream.name
    assert rescaled > RESETS * cfg.rows, "runs in which hardly a maximum rises show nothing"
