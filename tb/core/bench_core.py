"""Drives recorded streams through ``fcim_core`` and records all that its ports saw.

The model is run afterwards, on the beats that the monitors saw, by :mod:`tb.core.checker`; so nothing here knows the
right answer. Environment: ENGINE_STREAMS (input .npz), ENGINE_RECORD (output .npz, one per pattern), ENGINE_PATTERNS,
ENGINE_BUDGET (cycles), ENGINE_PROGRESS (optional file that holds the number of keys taken so far), ENGINE_SLOW (optional
JSON: ``{stream: [on, off]}`` cycles that replace the pattern's pauses of that stream), ENGINE_WATCH (optional: count on the
pins what the counters claim), ENGINE_ON_DEMAND (optional: a block's values are sent once its request is taken, not before).
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.hardware.interface import CORE
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.stream import StreamMonitor, StreamSink, StreamSource
from tb.core.agents import (
    PortWatch,
    Progress,
    accepted,
    beat_arrays,
    config_of,
    each_engine_pattern,
    load_beats,
    read_counters,
    save_record,
    stalls,
    time_arrays,
    values_on_demand,
)
from tb.core.played import outputs_due

SETTLE_CYCLES = 40


async def record_run(dut: Any, pattern: str, before: Callable[[Any], Awaitable[None]] | None = None) -> None:
    """Send everything, wait for all rows and chunks, then a little longer for what should not come; write the record.

    ``before(dut)`` runs first and may leave the engine in any state; a reset follows it.
    """
    streams = np.load(os.environ["ENGINE_STREAMS"])
    cfg = config_of(dut)
    dut.clear.value = 0
    start_clock(dut)
    if before is not None:
        await before(dut)
    sources, monitors = {}, {}
    progress = Progress(os.environ.get("ENGINE_PROGRESS"))
    for name, stream in CORE.items():
        if stream.inward:
            sources[name] = StreamSource(dut, stream.port, stream.names, stalls(name, pattern))
        else:
            StreamSink(dut, stream.port, stalls(name, pattern))
        monitors[name] = StreamMonitor(dut, stream.port, stream.names, progress.count_key if name == "k" else None)
    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), lambda: accepted(monitors))
    await reset(dut)
    watch = PortWatch(dut) if os.environ.get("ENGINE_WATCH") else None
    due = outputs_due(streams, cfg)
    for name, source in sources.items():
        if name == "v" and os.environ.get("ENGINE_ON_DEMAND"):
            monitors["decision"].add_callback(values_on_demand(streams, source, cfg.keys_per_block))
        else:
            source.append(load_beats(streams, name))
    edge = RisingEdge(dut.clk)
    while any(len(monitors[name].beats) < count for name, count in due.items()):
        await edge
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    record: dict[str, Any] = {"counters": np.array([*read_counters(dut).values()], dtype=np.int64),
                              "error_v_count": int(dut.error_v_count.value), "end_cycle": cycle()}
    for name, stream in CORE.items():
        record |= beat_arrays(stream, monitors[name].beats, cfg)
    record |= time_arrays(monitors)
    if watch is not None:
        record |= {f"pins_{name}": count for name, count in watch.counts.items()}
    save_record(record, pattern)


@cocotb.test()
@each_engine_pattern
async def run_streams(dut: Any, pattern: str) -> None:
    """One run from reset."""
    await record_run(dut, pattern)
