"""Bench of ``fcim_exp2``: a new set of lanes in every cycle, each result one cycle later. There is no handshake."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.hardware.config import ROW_MAX_BITS, Z_BITS
from tb.common import spec
from tb.common.clock import start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.rng import rng
from tb.exp2 import coverage

Element = tuple[int, int, int]  # z, row_max, tau
LOWEST, HIGHEST = -(2 ** (ROW_MAX_BITS - 1)), 2 ** (ROW_MAX_BITS - 1) - 1


def below_zero(prob_bits: int) -> int:
    """Octaves below 1.0 at which a probability has surely vanished, and one more."""
    return prob_bits + 3


def explain(got: str, elements: list[Element], prob_bits: int) -> str:
    """What is wrong with the lanes that came for ``elements``."""
    for lane, element in enumerate(elements):
        bits = got[len(got) - (lane + 1) * prob_bits : len(got) - lane * prob_bits]
        want = spec.probability(*element, prob_bits)
        if set(bits) - {"0", "1"} or int(bits, 2) != want:
            shown = bits if set(bits) - {"0", "1"} else int(bits, 2)
            return f"lane {lane}: p got {shown} expected {want} for (z, row_max, tau) {element}"
    return "lanes beyond the last"


async def run(dut: Any, elements: list[Element]) -> int:
    """Feed the elements in random order at full rate and check every result; returns how many were compared.

    Elements of one tau fill the lanes of a cycle; tau changes from one cycle to the next.
    """
    size = Geometry(dut)
    lanes, prob_bits = size.lanes, size.prob_bits
    g = rng("order")
    cycles: list[list[Element]] = []
    for tau in {e[2] for e in elements}:
        of_tau = [e for e in elements if e[2] == tau]
        of_tau = [of_tau[i] for i in g.permutation(len(of_tau))]
        of_tau += of_tau[: -len(of_tau) % lanes]
        cycles += [of_tau[i : i + lanes] for i in range(0, len(of_tau), lanes)]
    cycles = [cycles[i] for i in g.permutation(len(cycles))]
    words = [(pack([e[0] for e in lane], Z_BITS), pack([e[1] for e in lane], ROW_MAX_BITS), lane[0][2]) for lane in cycles]
    # A probability that is too wide for its lane makes the comparison fail, as it must.
    expected = ["".join(format(spec.probability(*e, prob_bits), f"0{prob_bits}b") for e in reversed(lane)) for lane in cycles]

    coverage.sample_elements(elements, prob_bits)

    start_clock(dut)
    start_watchdog(len(cycles) + 20)
    edge = RisingEdge(dut.clk)
    z, row_max, tau_port, out = dut.z, dut.row_max, dut.tau, dut.p
    compared = 0
    await edge
    for i in range(len(cycles) + 1):
        if i < len(cycles):
            z.value, row_max.value, tau_port.value = words[i]
        await edge
        if i > 0:
            got = str(out.value)
            assert got == expected[i - 1], explain(got, cycles[i - 1], prob_bits)
            compared += lanes
    return compared


def with_row_max(g: np.random.Generator, d: int, tau: int) -> Element:
    """An element at distance ``d`` from a random running maximum from which it can be reached."""
    low = max(LOWEST, -((d - spec.Z_MIN) >> spec.Z_FRAC))
    high = min(HIGHEST, (spec.Z_MAX - d) >> spec.Z_FRAC)
    m = int(g.integers(low, high + 1))
    return d + (m << spec.Z_FRAC), m, tau


@cocotb.test()
async def every_fraction(dut: Any) -> None:
    """All 1024 fractions at every exponent from the largest legal one until nothing is left; three taus, one for one lane."""
    size, g = Geometry(dut), rng("running maxima")
    prob_bits, top = size.prob_bits, size.tau_max
    middle = int(g.integers(1, top))
    taus = (middle,) if size.lanes == 1 else (0, middle, top)
    elements = [with_row_max(g, d, tau) for tau in taus
                for d in range((tau - below_zero(prob_bits)) << spec.Z_FRAC, (tau + 1) << spec.Z_FRAC)]
    assert await run(dut, elements) >= 1024 * len(taus) * (below_zero(prob_bits) + 1)


@cocotb.test()
async def every_tau(dut: Any) -> None:
    """Every tau: the masked code gives 0 at every running maximum, and so does all that lies far below it, to both ends."""
    size, g = Geometry(dut), rng("running maxima")
    prob_bits, taus = size.prob_bits, range(size.tau_max + 1)
    elements = [(spec.MASKED, m, tau) for tau in taus for m in (*range(LOWEST, LOWEST + 4), -1, 0, 1, HIGHEST)]
    elements += [(spec.MASKED, m, 0) for m in range(LOWEST, HIGHEST + 1)]
    elements += [(z, m, tau) for tau in taus for z in (spec.Z_MIN, spec.Z_MIN + 1, -(2**18), -1, 0, 1)
                 for m in (LOWEST, -200, -16, -1, 0, 1, 16, 200, HIGHEST) if z - (m << spec.Z_FRAC) < (tau + 1) << spec.Z_FRAC]
    elements += [(spec.Z_MAX, m, tau) for tau in taus for m in range(HIGHEST - tau, HIGHEST + 1)]
    for tau in taus:
        near = range((tau - below_zero(prob_bits)) << spec.Z_FRAC, (tau + 1) << spec.Z_FRAC, 61)
        far = g.integers(spec.Z_MIN - (HIGHEST << spec.Z_FRAC), (tau + 1) << spec.Z_FRAC, 200).tolist()
        elements += [with_row_max(g, d, tau) for d in (*near, *far)]
    assert await run(dut, elements) >= 3000
