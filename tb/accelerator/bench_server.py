"""Attention calls through ``fcim_accelerator`` with its memory, as they come from another process: see ``server.py``.

Environment: ACCELERATOR_ADDRESS, the socket where the other process listens.
"""

from __future__ import annotations

import os
import pickle
from multiprocessing.connection import Client
from typing import Any

import cocotb

from models.system.driver import PAGE, Accelerator, CallFailed
from models.system.layout import attention
from tb.accelerator.bus import SimulatedBus
from tb.common.clock import reset, start_clock, start_watchdog


@cocotb.test()
async def serve(dut: Any) -> None:
    """First the system and the memory's pace, then call after call with its budget of cycles, until None comes."""
    with Client(os.environ["ACCELERATOR_ADDRESS"]) as line:
        system, pace = pickle.loads(line.recv_bytes())
        bus = SimulatedBus(dut)
        dut.latency.value, dut.rate_beats.value, dut.rate_cycles.value = pace.latency, pace.rate_beats, pace.rate_cycles
        start_clock(dut)
        await reset(dut)
        accelerator = Accelerator(bus, system, PAGE)
        await accelerator.start()
        # between calls nothing waits but this process, and no cycle passes
        while (order := pickle.loads(line.recv_bytes())) is not None:
            call, budget = order
            watchdog = start_watchdog(budget)
            await accelerator.write("control", enable=1, clear_counters=1)
            status, out = 0, None
            try:
                out = (await attention(accelerator, call)).numpy()
            except CallFailed as failed:
                status = int(failed.status)
            cycles = await accelerator.counter("cycles")
            watchdog.cancel()
            line.send_bytes(pickle.dumps((status, cycles, out)))
        assert dut.broken.value == 0, "the rules of AXI4 were broken"
