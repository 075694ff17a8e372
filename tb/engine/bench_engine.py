"""Drives query tiles into ``fcim_engine``, answers its requests from memories, and records all that its ports saw.

The record is that of :mod:`tb.core.bench_core` (the engine's requests are seen inside) and, as ``tile_*``, ``kreq_*`` and
``vreq_*``, the further streams. Environment beside that bench's: FETCH_WAIT (JSON: ``{"k": [least, most], "v": ...}`` cycles
that a memory waits), FETCH_BEFORE (cycles that a first run gets before a reset ends it, 0 for none), FETCH_HOLD (cycles by
which the first row of Q is late).
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.hardware.interface import CORE, ENGINE
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.coverage import enabled
from tb.common.rng import rng
from tb.common.stream import StreamMonitor
from tb.core.agents import (
    PortWatch,
    accepted,
    beat_arrays,
    config_of,
    each_engine_pattern,
    read_counters,
    save_record,
    time_arrays,
)
from tb.core.bench_core import SETTLE_CYCLES
from tb.core.played import outputs_due
from tb.engine import coverage
from tb.engine.agents import EngineAgents, EnginePins


async def interrupted(dut: Any, streams: Any, pattern: str, longest: int) -> None:
    """A run that a reset ends at most ``longest`` cycles after its first request for keys."""
    around = EngineAgents(dut, streams, pattern, "interrupted")
    await reset(dut)
    await around.send()
    cycles = int(rng("interrupted").integers(longest // 2, longest + 1))
    patience = 1000     # a memory may refuse its first request for a while
    while around.memories[0].tile < 0:
        assert patience, "nothing was going on"
        patience -= 1
        await ClockCycles(dut.clk, 1)
    await ClockCycles(dut.clk, cycles)
    dut._log.info(f"reset {cycles} cycles after the first request for keys was taken")
    coverage.sample_reset(around.memories[1].tile >= 0)
    around.stop()


async def sample(dut: Any) -> None:
    """What each cycle shows, for the functional coverage."""
    edge = RisingEdge(dut.clk)
    while True:
        await edge
        if dut.rst_n.value == 1:
            coverage.sample_cycle({key: (getattr(dut, f"{key}_valid").value == 1, getattr(dut, f"{key}_ready").value == 1)
                                   for key in coverage.STREAMS})


@cocotb.test()
@each_engine_pattern
async def run_tiles(dut: Any, pattern: str) -> None:
    """Send everything, wait for all rows and chunks, then a little longer for what should not come; write the record."""
    streams = np.load(os.environ["ENGINE_STREAMS"])
    cfg = config_of(dut)
    dut.clear.value = 0
    start_clock(dut)
    if before := int(os.environ.get("FETCH_BEFORE", "0")):
        await interrupted(dut, streams, pattern, before)
    around = EngineAgents(dut, streams, pattern, "run")
    monitors = {name: StreamMonitor(dut, stream.port, stream.names) for name, stream in ENGINE.items()}
    monitors["decision"] = StreamMonitor(dut, "decision", CORE["decision"].names)      # a wire inside the top
    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), lambda: accepted(monitors))
    await reset(dut)
    watch = PortWatch(EnginePins(dut))
    if enabled:
        cocotb.start_soon(sample(dut))
    await around.send()
    edge = RisingEdge(dut.clk)
    due = outputs_due(streams, cfg)
    while any(len(monitors[name].beats) < count for name, count in due.items()):
        await edge
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    record: dict[str, Any] = {"counters": np.array([*read_counters(dut).values()], dtype=np.int64), "end_cycle": cycle(),
                              "error_v_count": int(dut.error_v_count.value), "error_order": int(dut.error_order.value),
                              "left_over": sum(len(memory.due) for memory in around.memories)}
    for name, stream in (CORE | ENGINE).items():
        record |= beat_arrays(stream, monitors[name].beats, cfg)
    record |= time_arrays(monitors)
    record |= {f"pins_{name}": count for name, count in watch.counts.items()}
    coverage.sample_run(monitors["tile"].beats, monitors["q"].beats, monitors["decision"].beats, cfg.keys_per_block,
                        int(dut.BLOCKS_AHEAD.value))
    save_record(record, pattern)
