"""Clock, reset, cycle numbers and the cycle budget of a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.task import Task
from cocotb.triggers import ClockCycles, RisingEdge, Timer
from cocotb.utils import get_sim_time

PERIOD_NS = 10


def cycle() -> int:
    """Number of the clock edge that has just happened; the same for every caller at that edge."""
    return int(get_sim_time("ns")) // PERIOD_NS


def start_clock(dut: Any) -> None:
    """Start ``dut.clk``. The clock is made inside the simulator interface, which is four times faster under Icarus."""
    Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start()


async def reset(dut: Any, cycles: int = 1, quiet: Sequence[str] = ()) -> None:
    """Hold the synchronous, active-low ``rst_n`` for ``cycles`` edges and let one more pass after it.

    One edge is all that a design is promised: what is not reset by it, and what moves from there on, has to be harmless.
    ``quiet`` names outputs that must be 0 in the first cycle after it, which lies before the edge that this returns at.

    Raises:
        AssertionError: one of them is not.
    """
    dut.rst_n.value = 0
    begin = get_sim_time()
    await RisingEdge(dut.clk)
    if get_sim_time() == begin:     # the clock has begun with this edge, which came before the pin changed
        await RisingEdge(dut.clk)
    await ClockCycles(dut.clk, cycles - 1)
    dut.rst_n.value = 1
    await ClockCycles(dut.clk, 1)
    for name in quiet:
        bits = str(getattr(dut, name).value)
        assert set(bits) == {"0"}, f"{name} is {bits} in the first cycle after a reset"


def start_watchdog(budget: int, describe: Callable[[], str] = lambda: "") -> Task[None]:
    """Fail the test ``budget`` cycles from now unless the returned task is cancelled first.

    ``describe()`` says what the test was waiting for; it is called only when the budget is exceeded.
    """

    async def watch() -> None:
        await Timer(budget * PERIOD_NS, "ns")
        waiting = describe()
        raise AssertionError(f"cycle budget of {budget} exceeded" + (f"; {waiting}" if waiting else ""))

    return cocotb.start_soon(watch())
