"""The top's flags and ``clear``: memories whose ``last`` is wrong, and counters that go back to 0.

Environment: ENGINE_STREAMS, as in :mod:`tb.engine.bench_engine`; the first tile has three key blocks at least.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.stream import Beat
from tb.core.agents import read_counters
from tb.engine import coverage
from tb.engine.agents import EngineAgents, Memory

BUDGET = 20_000
QUIET = 400     # cycles in which nothing more moves


class Marked(deque[tuple[int, Beat]]):
    """Words that are due; that of a given number gets a ``last`` that it should not have."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def append(self, due: tuple[int, Beat]) -> None:
        """The next word."""
        at, beat = due
        super().append((at, {**beat, "last": 1} if self.number == 0 else beat))
        self.number -= 1


async def start(dut: Any) -> EngineAgents:
    """A run from reset, under way."""
    dut.clear.value = 0
    start_clock(dut)
    start_watchdog(BUDGET)
    around = EngineAgents(dut, np.load(os.environ["ENGINE_STREAMS"]), "none", "status")
    await reset(dut)
    return around


async def flags_after(dut: Any, memory: Memory, around: EngineAgents, number: int) -> tuple[int, int]:
    """``(error_order, error_v_count)`` once nothing moves any more, the memory's word ``number`` being wrongly the last."""
    memory.due = Marked(number)
    await around.send()
    await ClockCycles(dut.clk, QUIET)
    flags = int(dut.error_order.value), int(dut.error_v_count.value)
    around.stop()
    await reset(dut)
    await RisingEdge(dut.clk)
    assert (dut.error_order.value, dut.error_v_count.value) == (0, 0), "a reset leaves a flag up"
    return flags


@cocotb.test()
@cocotb.parametrize(block=[0, 1])
async def a_key_that_ends_its_tile_too_early(dut: Any, block: int) -> None:
    """The engine's last block is not the one whose request says so."""
    around = await start(dut)
    per_block = int(dut.KEYS_PER_BLOCK.value)
    flags = await flags_after(dut, around.memories[0], around, (block + 1) * per_block - 1)
    assert flags[0] == 1, "error_order is not up"
    coverage.sample_flags(*flags)


@cocotb.test()
async def a_value_that_ends_its_tile_too_early(dut: Any) -> None:
    """The requests are right, the values are not: that is the engine's flag."""
    around = await start(dut)
    flags = await flags_after(dut, around.memories[1], around, int(dut.KEYS_PER_BLOCK.value) - 1)
    assert flags == (0, 1), f"error_order, error_v_count are {flags}"
    coverage.sample_flags(*flags)


@cocotb.test()
async def clear(dut: Any) -> None:
    """All counters go to 0 in one cycle, and a run of right streams leaves no flag."""
    around = await start(dut)
    await around.send()
    edge = RisingEdge(dut.clk)
    tiles = len(around.tiles)
    while tiles:
        await edge
        tiles -= dut.tile_done.value == 1
    await ClockCycles(dut.clk, 2)
    assert read_counters(dut)["cycles"] > 0 and (dut.error_order.value, dut.error_v_count.value) == (0, 0)
    dut.clear.value = 1
    await edge
    dut.clear.value = 0
    await ClockCycles(dut.clk, 2)
    assert not any(read_counters(dut).values()), "clear leaves a counter"
    coverage.sample_flags(0, 0)
