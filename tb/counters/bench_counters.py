"""Performance counters: random increments and clears, compared in every cycle; widths and the top of a counter."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.hardware.config import COUNTER_BITS
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.pack import pack
from tb.common.rng import rng
from tb.counters import coverage

CYCLES = 250


class Counters:
    """The pins and their model: after each edge the counters hold what the cycle before it added to them."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.edge = dut, RisingEdge(dut.clk)
        assert len(dut.counters) % COUNTER_BITS == 0, f"{len(dut.counters)} bits are no whole number of counters"
        self.count = len(dut.counters) // COUNTER_BITS
        self.bits = len(dut.increments) // self.count
        self.values = [0] * self.count
        self.compared = 0

    async def start(self) -> None:
        """Reset, with an increment on the pins, which must not be counted."""
        start_clock(self.dut)
        start_watchdog(2 * CYCLES)
        self.dut.clear.value = 0
        self.dut.increments.value = (1 << len(self.dut.increments)) - 1
        self.dut.rst_n.value = 0
        await self.edge
        await self.edge
        coverage.sample_reset()
        self.dut.increments.value = 0
        await reset(self.dut, quiet=("counters",))

    async def step(self, increments: list[int], clear: int = 0) -> None:
        """One cycle with these inputs, and the comparison of the outputs that were there during it."""
        self.dut.increments.value, self.dut.clear.value = pack(np.array(increments, dtype=object), self.bits), clear
        await self.edge
        got = int(self.dut.counters.value)
        expected = pack(np.array(self.values, dtype=object), COUNTER_BITS)
        assert got == expected, f"cycle {self.compared}: {got:#x}, expected {self.values}"
        self.compared += 1
        coverage.sample_step(self.values, increments, clear, self.bits, COUNTER_BITS)
        self.values = [0 if clear else (v + i) % (1 << COUNTER_BITS) for v, i in zip(self.values, increments, strict=True)]

    def random(self, generator: np.random.Generator) -> list[int]:
        """Increments of all sizes, zero and the largest among them."""
        values = [int.from_bytes(generator.bytes(8), "little") % (1 << self.bits) for _ in range(self.count)]
        kinds = generator.integers(0, 4, self.count)
        return [0 if k == 0 else (1 << self.bits) - 1 if k == 1 else v >> int(generator.integers(0, self.bits))
                for k, v in zip(kinds, values, strict=True)]


@cocotb.test()
async def counts_every_cycle(dut: Any) -> None:
    """Random increments in every cycle; now and then a clear, which wins over the increments of its cycle."""
    counters, draw = Counters(dut), rng("stimulus")
    await counters.start()
    clears = 0
    for _ in range(CYCLES):
        clear = int(draw.integers(0, 40) == 0)
        clears += clear
        await counters.step(counters.random(draw), clear)
    await counters.step([0] * counters.count)
    assert counters.compared == CYCLES + 1 and clears > 0


@cocotb.test()
async def counters_are_apart(dut: Any) -> None:
    """One counter at a time, with the largest increment; the others stand still."""
    counters = Counters(dut)
    await counters.start()
    for lane in range(counters.count):
        await counters.step([(1 << counters.bits) - 1 if i == lane else 0 for i in range(counters.count)])
    await counters.step([0] * counters.count)
    assert counters.values == [(1 << counters.bits) - 1] * counters.count


@cocotb.test()
async def long_counts(dut: Any) -> None:
    """The largest increment for long: carries pass from bit to bit, and from the top of a counter into nothing."""
    counters = Counters(dut)
    await counters.start()
    for _ in range(CYCLES):
        await counters.step([(1 << counters.bits) - 1] * counters.count)
    top = CYCLES * ((1 << counters.bits) - 1)
    assert counters.values == [top % (1 << COUNTER_BITS)] * counters.count
    await counters.step([0] * counters.count, clear=1)
    await counters.step([0] * counters.count)
