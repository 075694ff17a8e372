"""Bench of ``fcim_score_lanes``: a new key in every cycle, its scaled scores three cycles later. There is no handshake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.hardware.config import MULT_BITS, Z_BITS
from tb.common import spec
from tb.common.clock import start_clock, start_watchdog
from tb.common.geometry import OCTAVE, Geometry
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.score_lanes import coverage
from tb.score_lanes.sequences import edge_cycle, random_cycle

LATENCY = 3
CYCLES = 900


def drive(dut: Any, c: dict[str, Any], size: Geometry) -> None:
    """Put one cycle on the pins; a row's entry is {position, multiplier, sum}."""
    mask = 2**size.ksum_bits - 1
    entries = [(p << MULT_BITS | m) << size.ksum_bits | (s & mask) for p, m, s in zip(c["pos"], c["mult"], c["q_sum"])]
    width = size.pos_bits + MULT_BITS + size.ksum_bits
    dut.entries.value = sum(e << (i * width) for i, e in enumerate(entries))
    dut.u.value = pack(c["u"], size.ip_bits)
    dut.used.value = pack([int(x) for x in c["used"]], 1)
    for name in ("ksum", "k_pos", "k_mult", "shift"):
        getattr(dut, name).value = c[name]


def expected(c: dict[str, Any], z_max: int) -> tuple[list[int], list[int]]:
    """``z``, of which ``z_max`` is the largest, and ``saturated`` of every lane."""
    z, saturated = [], []
    for used, pos, mult, s in zip(c["used"], c["pos"], c["mult"], c["score"]):
        seen = spec.visible(used, c["k_pos"], pos)
        value, clamped = spec.scale(s, mult, c["k_mult"], c["shift"], z_max)
        z.append(value if seen else spec.MASKED)
        saturated.append(int(seen and clamped))
    return z, saturated


async def run(dut: Any, make: Callable[[np.random.Generator, Geometry, int], dict[str, Any]]) -> dict[str, int]:
    """Feed :data:`CYCLES` keys at full rate and check every lane; returns how often each case was met."""
    size, g = Geometry(dut), rng("stimulus")
    headroom = int(dut.HEADROOM.value) if hasattr(dut, "HEADROOM") else 0      # gates lack parameters that they were not given
    z_max = spec.Z_MAX - headroom * OCTAVE
    start_clock(dut)
    start_watchdog(CYCLES + 20)
    edge = RisingEdge(dut.clk)
    met = dict.fromkeys(("saturated", "masked", "top", "bottom", "compared"), 0)
    waiting: list[tuple[list[int], list[int]]] = []
    await edge
    for i in range(CYCLES + LATENCY):
        if i < CYCLES:
            cycle = make(g, size, z_max)
            drive(dut, cycle, size)
            waiting.append(expected(cycle, z_max))
            coverage.sample_cycle(cycle["score"], cycle["mult"], cycle["k_mult"], cycle["shift"], cycle["pos"],
                                          cycle["k_pos"], cycle["used"], size.padding, z_max)
        await edge
        if i < LATENCY:
            continue
        z, saturated = waiting[i - LATENCY]
        bits = str(dut.z.value), str(dut.saturated.value)
        assert set(bits[0] + bits[1]) <= {"0", "1"}, f"cycle {i}: z is {bits[0]}, saturated {bits[1]}"
        got = unpack(int(bits[0], 2), size.lanes, Z_BITS, signed=True).tolist()
        assert got == z, f"cycle {i - LATENCY}: z got {got} expected {z}"
        got = unpack(int(bits[1], 2), size.lanes, 1).tolist()
        assert got == saturated, f"cycle {i - LATENCY}: saturated got {got} expected {saturated}, z is {z}"
        met["compared"] += 1
        met["saturated"] += sum(saturated)
        met["masked"] += z.count(spec.MASKED)
        met["top"] += sum(value == z_max and not s for value, s in zip(z, saturated))
        met["bottom"] += sum(value == spec.Z_MIN and not s for value, s in zip(z, saturated))
    assert met["compared"] == CYCLES
    return met


@cocotb.test()
async def random_keys(dut: Any) -> None:
    """Any operands, multipliers, shifts and positions."""
    met = await run(dut, random_cycle)
    assert met["saturated"] and met["masked"], f"the stimulus misses a case: {met}"


@cocotb.test()
async def ends_of_the_range(dut: Any) -> None:
    """Scores that land on, just inside and just outside the range of z, and on halves."""
    met = await run(dut, edge_cycle)
    assert met["saturated"] and met["top"] and met["bottom"], f"the stimulus misses a case: {met}"
