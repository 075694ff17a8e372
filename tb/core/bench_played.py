"""``fcim_core`` inside ``tb_core``: streams are played from files and recorded into files, so that Python only waits.

The same variables and the same record as :mod:`tb.core.bench_core`, except ENGINE_WATCH; beside it the record holds
``state_counts`` ``[n, 2]``, the states of the engine and the cycles spent in each (``tb/hdl/tb_core.v``), and the
``seconds`` that the simulator ran alone.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from models.hardware.interface import CORE
from tb.common.clock import PERIOD_NS, reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stalls import sink_stalls
from tb.core.agents import config_of, each_engine_pattern, read_counters, save_record, stalls
from tb.core.bench_core import SETTLE_CYCLES
from tb.core.played import beats_due, idle_cycles, missing, read_beats, read_ready, read_states, write_sink, write_source

PROGRESS_CYCLES = 2000


async def pulse(dut: Any, signal: Any) -> None:
    """``signal`` high for one cycle."""
    signal.value = 1
    await ClockCycles(dut.clk, 1)
    signal.value = 0
    await ClockCycles(dut.clk, 1)


async def report_progress(dut: Any, path: Path) -> None:
    """Write the number of accepted keys to ``path`` now and then."""
    while True:
        await Timer(PROGRESS_CYCLES * PERIOD_NS, "ns")
        path.write_text(str(int(dut.keys_in.value)))


@cocotb.test()
@each_engine_pattern
async def run_streams(dut: Any, pattern: str) -> None:
    """One run from reset."""
    streams = dict(np.load(os.environ["ENGINE_STREAMS"]))
    cfg = config_of(dut)
    due = beats_due(streams, cfg)
    for name, stream in CORE.items():
        if stream.inward:
            write_source(Path(f"{name}.bin"), stream, cfg, streams, idle_cycles(stalls(name, pattern), due[name]))
        else:
            write_sink(Path(f"{name}_ready.bin"), stalls(name, pattern) or sink_stalls("none", rng("unused")))

    dut.start.value = 0
    dut.finish.value = 0
    dut.rows_due.value, dut.chunks_due.value = due["o"], due["part"]
    start_clock(dut)
    counts = {"q": dut.q_in, "k": dut.keys_in, "v": dut.v_in, "o": dut.rows_out, "part": dut.chunks_out}

    def seen() -> dict[str, int]:
        return {name: int(handle.value) for name, handle in counts.items()}

    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), lambda: missing(seen(), due))
    await reset(dut)
    await pulse(dut, dut.start)
    if progress := os.environ.get("ENGINE_PROGRESS"):
        cocotb.start_soon(report_progress(dut, Path(progress)))
    began = time.process_time()
    await First(RisingEdge(dut.done), RisingEdge(dut.protocol_error))
    seconds = time.process_time() - began
    if dut.protocol_error.value == 0:
        await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    await pulse(dut, dut.finish)
    if dut.protocol_error.value != 0:
        raise AssertionError("a stream broke its protocol; the log's ERROR lines say which and when")
    accepted = seen()
    record: dict[str, Any] = {"counters": np.array([*read_counters(dut).values()]), "error_v_count": int(dut.error_v_count.value),
                              "end_cycle": int(dut.cycle.value), "state_counts": read_states(Path("states.bin")),
                              "seconds": seconds}
    for name, stream in CORE.items():
        record |= read_beats(Path(f"{name}_beats.bin"), stream, cfg)
        if not stream.inward:
            record |= read_ready(Path(f"{name}_beats.bin.ready"), name)
        if name in accepted and len(record[f"{name}_cycle"]) != accepted[name]:
            raise AssertionError(f"{name}_beats.bin holds {len(record[f'{name}_cycle'])} beats, {accepted[name]} were counted")
    save_record(record, pattern)
