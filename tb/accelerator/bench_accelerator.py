"""Attention calls through ``fcim_accelerator`` with its memory, driven by the driver that software uses.

Environment: ACCELERATOR_JOB, a pickled :class:`tb.accelerator.job.Job`; ACCELERATOR_RECORD, where the record goes.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from models.hardware.interface import COUNTERS
from models.system.descriptor import Op, streamed
from models.system.driver import PAGE, Accelerator
from tb.accelerator import coverage
from tb.accelerator.bus import SimulatedBus, any_place
from tb.common.clock import cycle, reset, start_clock, start_watchdog


@cocotb.test()
async def run_calls(dut: Any) -> None:
    """All calls, one after the other or as many at once as the job says; what came of them into the record."""
    job = pickle.loads(Path(os.environ["ACCELERATOR_JOB"]).read_bytes())
    bus = SimulatedBus(dut, job.stalls, any_place(dut))
    dut.latency.value, dut.rate_beats.value, dut.rate_cycles.value = job.latency, job.rate_beats, job.rate_cycles
    start_clock(dut)
    start_watchdog(job.budget)
    await reset(dut)
    accelerator = Accelerator(bus, job.system, bus.place + PAGE)
    await accelerator.start()
    record: dict[str, Any] = {}
    for start in range(0, len(job.layouts), job.at_once):
        layouts = job.layouts[start : start + job.at_once]
        await accelerator.write("control", enable=1, clear_counters=1)
        before = [int(dut.beats_read.value), int(dut.beats_written.value)]
        jobs = []
        dut.guard.value = 0
        dut.sample_cycles.value = job.sample_cycles
        begin = cycle()
        for layout in layouts:
            jobs.append(await accelerator.submit(layout.moved))
            bus.guard([accelerator.words, *(one.layout.o for one in jobs)])
        for number, one in enumerate(jobs, start):
            record[f"status_{number}"] = int(await accelerator.wait(one))
            record[f"o_{number}"] = one.layout.output(await bus.read_memory(one.layout.o.base, one.layout.o.length))
        record[f"elapsed_{start}"] = cycle() - begin
        for name in ("cycles", "calls", "read_beats", "write_beats", "k_blocks", "v_blocks", "rows"):
            record[f"{name}_{start}"] = await accelerator.counter(name)
        record[f"beats_{start}"] = np.array([int(dut.beats_read.value), int(dut.beats_written.value)]) - before
        record[f"counters_{start}"] = np.array([await accelerator.engine_counters(e) for e in range(job.system.engines)])
        if job.system.engines == coverage.ENGINES and len(layouts) == 1:
            descriptor, counted = layouts[0].descriptor, record[f"counters_{start}"]
            kind = ("decode" if descriptor.op == Op.DECODE else
                    "streamed" if streamed(descriptor, job.system.limits) else "resident")
            coverage.sample_engines(kind, *(counted[:, COUNTERS.index(name)].tolist() for name in ("keys", "skipped_blocks")))
        record[f"errors_{start}"] = await accelerator.read("errors")
    dut.sample_cycles.value = 0
    assert dut.violation.value == 0, f"a byte was written at {int(dut.violation_address.value):#x}, where nothing may be"
    assert dut.broken.value == 0, "the rules of AXI4 were broken"
    np.savez(os.environ["ACCELERATOR_RECORD"], **record)
