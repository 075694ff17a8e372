"""Bench of ``fcim_fifo``: order, room for as many beats as it says, latency, rate, and what it says of itself in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.memory import coverage

BEATS = 300


@cocotb.test()
@each_pattern()
async def order(dut: Any, pattern: str) -> None:
    """All beats in their order; a beat per cycle where the memory is not full, and 2 cycles through an empty one."""
    bench = Bench(dut, pattern)
    board = bench.output("m")
    source = bench.input("s", callback=lambda beat: board.expect([beat]))
    bits = len(dut.s_data)
    async with bench:
        await source.send(int.from_bytes(bench.rng.bytes(bits // 8 + 1), "little") % (1 << bits) for _ in range(BEATS))
    taken, given = bench.monitors["s"].cycles, bench.monitors["m"].cycles
    assert given[0] - taken[0] >= 2 and bench.monitors["m"].offers[0] - taken[0] == 2, "a beat comes 2 cycles after it was taken"
    if pattern == "none" and int(dut.WORDS.value) >= 3:
        assert (np.diff(given) == 1).all(), "a beat moves in every cycle"


@cocotb.test()
async def what_it_says(dut: Any) -> None:
    """In every cycle: ready exactly while fewer than WORDS beats are inside, empty exactly while none is; a reset empties it."""
    words, draw, edge = int(dut.WORDS.value), rng("ports"), RisingEdge(dut.clk)
    inside, offered, rising = 0, 0, True
    start_clock(dut)
    start_watchdog(5000)
    dut.s_valid.value = dut.m_ready.value = dut.s_data.value = 0
    await reset(dut)
    for step in range(BEATS + 8 * words):
        valid, ready = int(draw.random() < (0.9 if rising else 0.3)), int(draw.random() < (0.3 if rising else 0.9))
        dut.s_valid.value, dut.m_ready.value = valid, ready
        dut.rst_n.value = int(step != BEATS // 2)
        await edge
        assert str(dut.s_ready.value) == str(int(inside < words)), f"cycle {cycle()}: s_ready with {inside} of {words} inside"
        assert str(dut.empty.value) == str(int(inside == 0)), f"cycle {cycle()}: empty with {inside} of {words} inside"
        offered = int(dut.m_valid.value)
        assert offered <= inside, f"cycle {cycle()}: a beat is offered, none is inside"
        coverage.sample_fifo(inside, words, bool(valid and inside < words), bool(offered and ready))
        inside += int(valid and inside < words) - int(offered and ready)
        rising = inside < words if rising else inside == 0
        if step == BEATS // 2:
            coverage.sample_fifo_reset(inside)
            inside = 0
