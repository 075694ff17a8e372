"""Bench of ``fcim_acc_update`` against the specification's formula in plain integers; combinational, so no clock.

Per accumulator: ``round_shift(clear ? 0 : O, shift) + u - 128 * psum``. Where the sum would leave ACC_BITS, which the
specification rules out, the vector takes ``u = 128 * psum`` instead.
"""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer
from cocotb.types import LogicArray

from tb.acc_update import coverage
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.spec import round_shift

SHIFTS = 64


class Unit:
    """The widths of ``dut`` and one vector at a time through it."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.lanes, self.columns = int(dut.LANES.value), int(dut.COLUMNS.value)
        self.acc_bits, self.op_bits = int(dut.ACC_BITS.value), int(dut.OP_LANE.value)
        self.sum_bits, self.shift_bits = int(dut.BSUM_BITS.value), int(dut.SHIFT_BITS.value)
        self.low, self.high = -(1 << (self.acc_bits - 1)), (1 << (self.acc_bits - 1)) - 1
        self.cells = self.lanes * self.columns
        self.compared = 0

    def fits(self, value: int) -> bool:
        """``value`` is a signed number of ACC_BITS."""
        return self.low <= value <= self.high

    def max_psum(self) -> int:
        """The largest block sum whose ``255 * psum`` still fits into u."""
        return min(((1 << self.op_bits) - 1) // 255, (1 << self.sum_bits) - 1)

    async def apply(self, acc: list[int] | None, clear: int, shift: list[int], u: list[int], psum: list[int]) -> list[int]:
        """The results of one vector; cell ``column * LANES + lane``. ``acc`` None drives X on all accumulators."""
        width = self.cells * self.acc_bits
        self.dut.acc.value = LogicArray("X" * width) if acc is None else pack(np.array(acc, dtype=np.int64), self.acc_bits)
        self.dut.clear.value = clear
        self.dut.shift.value = pack(shift, self.shift_bits)
        self.dut.u.value = pack(u, self.op_bits)
        self.dut.psum.value = pack(psum, self.sum_bits)
        await Timer(1, "ns")
        text = str(self.dut.result.value)
        assert set(text) <= {"0", "1"}, f"the result holds X or Z (clear={clear})"
        return unpack(int(text, 2), self.cells, self.acc_bits, signed=True).tolist()

    async def check(self, acc: list[int] | None, clear: int, shift: list[int], u: list[int], psum: list[int],
                    expected: list[int] | None = None) -> None:
        """Apply and compare with ``expected``, by default the specification's formula."""
        got = await self.apply(acc, clear, shift, u, psum)
        coverage.sample_vector(acc, clear, shift, u, psum, self.acc_bits, self.max_psum())
        for cell in range(self.cells):
            lane = cell % self.lanes
            old = 0 if clear else acc[cell]  # type: ignore[index]
            want = round_shift(old, shift[lane]) + u[cell] - 128 * psum[lane] if expected is None else expected[cell]
            assert self.fits(want), "the bench made a vector that the specification rules out"
            assert got[cell] == want, (f"lane {lane} column {cell // self.lanes}: acc {old} shift {shift[lane]} clear {clear} "
                                       f"u {u[cell]} psum {psum[lane]}: got {got[cell]}, expected {want}")
            self.compared += 1

    def legal_u(self, generator: np.random.Generator, old: int, shift: int, psum: int) -> int:
        """A u for one cell: an end of its range, or between; 128 * psum where those leave ACC_BITS."""
        pick = int(generator.integers(0, 4))
        u = (0, 255 * psum, 128 * psum, int(generator.integers(0, 255 * psum + 1)))[pick]
        return u if self.fits(round_shift(old, shift) + u - 128 * psum) else 128 * psum


def edges(unit: Unit, shift: int) -> list[int]:
    """Accumulators at which a shift of ``shift`` rounds, carries or overflows."""
    half = (1 << shift) >> 1
    values = {unit.low, unit.low + 1, unit.high - 1, unit.high, -2, -1, 0, 1, 2}
    values |= {sign * (base + d) for sign in (-1, 1) for base in (half, 1 << shift, 3 * half) for d in (-1, 0, 1)}
    return sorted(v for v in values if unit.fits(v))


@cocotb.test()
async def every_shift_on_extreme_accumulators(dut: Any) -> None:
    """All 64 shifts in every lane, each on all edges; block sums of 0, their maximum and between."""
    unit, generator = Unit(dut), rng("extremes")
    vectors = 0
    for base in range(SHIFTS):
        shift = [(base + 11 * lane) % SHIFTS for lane in range(unit.lanes)]
        pools = [edges(unit, s) for s in shift]
        rounds = -(-max(map(len, pools)) // unit.columns)
        for turn in range(rounds):
            acc = [pools[cell % unit.lanes][(turn * unit.columns + cell // unit.lanes) % len(pools[cell % unit.lanes])]
                   for cell in range(unit.cells)]
            psum = [(0, unit.max_psum(), int(generator.integers(0, unit.max_psum() + 1)))[int(generator.integers(0, 3))]
                    for _ in range(unit.lanes)]
            u = [unit.legal_u(generator, acc[c], shift[c % unit.lanes], psum[c % unit.lanes]) for c in range(unit.cells)]
            await unit.check(acc, 0, shift, u, psum)
            vectors += 1
    assert vectors >= SHIFTS and unit.compared == vectors * unit.cells


@cocotb.test()
async def random_accumulators(dut: Any) -> None:
    """Accumulators of every magnitude with the shifts that matter to them; lanes and columns all differ."""
    unit, generator = Unit(dut), rng("random")
    for _ in range(150):
        size = generator.integers(1, unit.acc_bits, unit.cells)
        acc = [int(generator.integers(-(1 << int(s)), 1 << int(s))) for s in size]
        acc = [min(max(a, unit.low), unit.high) for a in acc]
        shift = [int(generator.integers(0, unit.acc_bits + 2)) for _ in range(unit.lanes)]
        psum = [int(generator.integers(0, unit.max_psum() + 1)) for _ in range(unit.lanes)]
        u = [unit.legal_u(generator, acc[c], shift[c % unit.lanes], psum[c % unit.lanes]) for c in range(unit.cells)]
        await unit.check(acc, 0, shift, u, psum)
    assert unit.compared == 150 * unit.cells


@cocotb.test()
async def clear_takes_every_accumulator_as_zero(dut: Any) -> None:
    """Whatever the accumulators hold, also X (they are not reset), and whatever the shift says."""
    unit, generator = Unit(dut), rng("clear")
    for turn in range(40):
        acc = None if turn % 2 else [(unit.low, unit.high, -1)[int(i)] for i in generator.integers(0, 3, unit.cells)]
        shift = [int(s) for s in generator.integers(0, SHIFTS, unit.lanes)]
        psum = [(unit.max_psum(), int(generator.integers(0, unit.max_psum() + 1)))[turn // 2 % 2] for _ in range(unit.lanes)]
        u = [unit.legal_u(generator, 0, 0, psum[c % unit.lanes]) for c in range(unit.cells)]
        await unit.check(acc, 1, shift, u, psum, [u[c] - 128 * psum[c % unit.lanes] for c in range(unit.cells)])
    assert unit.compared == 40 * unit.cells


@cocotb.test()
async def halves_round_towards_plus_infinity(dut: Any) -> None:
    """``(k + 1/2) * 2**s`` gives ``k + 1`` and one less gives ``k``, for negative k too."""
    unit, generator = Unit(dut), rng("halves")
    vectors = 0
    for shift in range(1, unit.acc_bits - 1):
        whole = 1 << (unit.acc_bits - 1 - shift)
        ks = [(-whole, whole - 1, -1, 0, int(generator.integers(-whole, whole)))[i % 5] for i in range(unit.cells)]
        for less in (0, 1):
            acc = [(k << shift) + (1 << (shift - 1)) - less for k in ks]
            zero = [0] * unit.lanes
            await unit.check(acc, 0, [shift] * unit.lanes, [0] * unit.cells, zero, [k + 1 - less for k in ks])
            vectors += 1
    assert vectors == 2 * (unit.acc_bits - 2) and unit.compared == vectors * unit.cells
