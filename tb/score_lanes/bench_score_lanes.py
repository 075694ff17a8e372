"""Bench of ``fcim_score_lanes``: a new key in every cycle, its scaled scores two cycles later. There is no handshake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common import spec
from tb.common.clock import start_clock, start_watchdog
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.score_lanes import coverage

LATENCY, Z_BITS, MULT_BITS = 2, 20, 16
CYCLES = 900


class Sizes:
    """Parameters of the device, and what follows from them."""

    def __init__(self, dut: Any) -> None:
        self.lanes, self.head_dim, self.pos_bits = (int(getattr(dut, p).value) for p in ("LANES", "HEAD_DIM", "POS_BITS"))
        log_dim = self.head_dim.bit_length() - 1
        self.lane, self.ksum_bits = 16 + log_dim, 8 + log_dim
        self.padding = 2**self.pos_bits - 1


def column(g: np.random.Generator, size: Sizes) -> dict[str, Any]:
    """Inner products of random operands; one key or row in four is constant, most often -128 or 127: the largest sums."""
    def vector() -> np.ndarray:
        if g.integers(0, 4):
            return g.integers(-128, 128, size.head_dim)
        return np.full(size.head_dim, g.choice([-128, 127, -128, 127, 0, int(g.integers(-128, 128))]))

    k, q = vector(), [vector() for _ in range(size.lanes)]
    return {"u": [int((r + 128) @ (k + 128)) for r in q], "ksum": int((k + 128).sum()), "q_sum": [int(r.sum()) for r in q],
            "score": [spec.score(r.tolist(), k.tolist()) for r in q]}


def random_cycle(g: np.random.Generator, size: Sizes) -> dict[str, Any]:
    """Multipliers and a shift that spread z over anything from one octave to far beyond saturation; positions close together."""
    c = column(g, size)
    bits = int(g.integers(1, MULT_BITS + 1))
    mult = [int(x) for x in g.integers(0, 2**bits, size.lanes + 1)]
    centre = 14 + (size.head_dim.bit_length() - 1) // 2 + 2 * bits - int(g.integers(6, 24))
    k_pos = int(g.integers(0, size.padding))
    near = np.clip(k_pos + g.integers(-2, 3, size.lanes), 0, size.padding - 1)
    pos = [int(x) if g.integers(0, 3) else int(g.integers(0, size.padding)) for x in near]
    if not g.integers(0, 10):
        k_pos = size.padding
    return {**c, "k_pos": k_pos, "k_mult": mult[-1], "pos": pos, "mult": mult[:-1],
            "used": (g.integers(0, 8, size.lanes) > 0).tolist(),
            "shift": int(g.integers(0, 64)) if not g.integers(0, 8) else min(max(centre, 0), 63)}


def edge_lane(g: np.random.Generator, limit: int, k_mult: int, shift: int) -> tuple[int, int]:
    """A score and a multiplier that bring z to an end of its range, to a neighbour of it, or to a half."""
    step = 1 << shift
    if g.integers(0, 3):
        target = int(g.choice([1, -1])) * ((2**19 - int(g.integers(-1, 3))) * step + int(g.integers(-1, 2)) * (step >> 1))
    else:
        target = (2 * int(g.integers(-9, 9)) + 1) * step >> 1
    if k_mult >= 2**15:  # of large numbers the products lie close enough
        s = int(g.integers(limit // 2, limit)) * (1 if target > 0 else -1)
        return s, min(max(target // (s * k_mult), 0), 2**16 - 1)
    mult = int(g.choice([1, 2, 3, 4, 256]))
    return min(max(target // (mult * k_mult), -limit), limit), mult


def edge_cycle(g: np.random.Generator, size: Sizes) -> dict[str, Any]:
    """Every row visible; z lands on both ends of its range, one step beside them, and on halves that must round up."""
    limit = size.head_dim << 14
    k_mult, shift = int(g.choice([1, 2, 4, 512])), int(g.integers(0, 10))
    if g.integers(0, 2):
        k_mult, shift = int(g.integers(2**15, 2**16)), 25 + size.head_dim.bit_length() - 1
    ksum = 128 * size.head_dim + int(g.integers(-9, 10))
    scores, mults = zip(*(edge_lane(g, limit, k_mult, shift) for _ in range(size.lanes)), strict=True)
    sums = g.integers(-9, 10, size.lanes).tolist()
    u = [s + 128 * (ksum + qs) for s, qs in zip(scores, sums)]
    clipped = [min(max(x, 0), 2**size.lane - 1) for x in u]
    scores = [c - 128 * (ksum + qs) for c, qs in zip(clipped, sums)]
    return {"u": clipped, "ksum": ksum, "q_sum": sums, "score": scores, "k_pos": 3, "k_mult": k_mult, "pos": [3] * size.lanes,
            "mult": list(mults), "used": [True] * size.lanes, "shift": shift}


def drive(dut: Any, c: dict[str, Any], size: Sizes) -> None:
    """Put one cycle on the pins; a row's entry is {position, multiplier, sum}."""
    mask = 2**size.ksum_bits - 1
    entries = [(p << MULT_BITS | m) << size.ksum_bits | (s & mask) for p, m, s in zip(c["pos"], c["mult"], c["q_sum"])]
    width = size.pos_bits + MULT_BITS + size.ksum_bits
    dut.entries.value = sum(e << (i * width) for i, e in enumerate(entries))
    dut.u.value = pack(c["u"], size.lane)
    dut.used.value = pack([int(x) for x in c["used"]], 1)
    for name in ("ksum", "k_pos", "k_mult", "shift"):
        getattr(dut, name).value = c[name]


def expected(c: dict[str, Any]) -> tuple[list[int], list[int]]:
    """``z`` and ``saturated`` of every lane."""
    z, saturated = [], []
    for used, pos, mult, s in zip(c["used"], c["pos"], c["mult"], c["score"]):
        seen = spec.visible(used, c["k_pos"], pos)
        value, clamped = spec.scale(s, mult, c["k_mult"], c["shift"])
        z.append(value if seen else spec.MASKED)
        saturated.append(int(seen and clamped))
    return z, saturated


async def run(dut: Any, make: Callable[[np.random.Generator, Sizes], dict[str, Any]]) -> dict[str, int]:
    """Feed :data:`CYCLES` keys at full rate and check every lane; returns how often each case was met."""
    size, g = Sizes(dut), rng("stimulus")
    start_clock(dut)
    start_watchdog(CYCLES + 20)
    edge = RisingEdge(dut.clk)
    met = dict.fromkeys(("saturated", "masked", "top", "bottom", "compared"), 0)
    waiting: list[tuple[list[int], list[int]]] = []
    await edge
    for i in range(CYCLES + LATENCY):
        if i < CYCLES:
            cycle = make(g, size)
            drive(dut, cycle, size)
            waiting.append(expected(cycle))
            coverage.sample_cycle(cycle["score"], cycle["mult"], cycle["k_mult"], cycle["shift"], cycle["pos"],
                                          cycle["k_pos"], cycle["used"], size.padding)
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
        met["top"] += sum(value == spec.Z_MAX and not s for value, s in zip(z, saturated))
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
