"""Bench of ``fcim_divider``: quotients, order, latency and the enable, against the specification's formula.

``quotient = sat16(sign(acc) * floor((|acc| * 512 + sum) / (2 * sum)))``; 0 and ``out_zero`` where the sum is 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.spec import divide
from tb.divider import coverage

LATENCY = 18
Item = tuple[list[int], int]  # accumulators of all lanes, divisor


class Divider:
    """Feeds items, one per enabled cycle at most, and compares what comes out; counts enabled cycles for the latency."""

    def __init__(self, dut: Any, enables: Iterator[bool], valids: Iterator[bool]) -> None:
        self.dut, self.enables, self.valids = dut, enables, valids
        self.lanes = int(dut.LANES.value)
        self.acc_bits, self.sum_bits = int(dut.ACC_BITS.value), int(dut.SUM_BITS.value)
        self.waiting: deque[tuple[Item, int]] = deque()
        self.enabled = self.compared = self.stopped = 0
        self.garbage = rng("garbage")
        self._before: list[str] | None = None  # outputs of the last cycle if the enable was low in it

    def drive(self, item: Item | None) -> None:
        """An item, or numbers that must not be taken."""
        if item is None:
            low, high = -(1 << (self.acc_bits - 1)), 1 << (self.acc_bits - 1)
            item = self.garbage.integers(low, high, self.lanes).tolist(), int(self.garbage.integers(0, 1 << self.sum_bits))
        self.dut.in_acc.value = pack(np.array(item[0], dtype=np.int64), self.acc_bits)
        self.dut.in_sum.value = item[1]

    async def cycle(self, item: Item | None, valid: bool, enable: bool) -> None:
        self.drive(item)
        self.dut.in_valid.value, self.dut.enable.value = int(valid), int(enable)
        await RisingEdge(self.dut.clk)
        outputs = [str(s.value) for s in (self.dut.out_valid, self.dut.out_quotient, self.dut.out_zero)]
        assert outputs[0] in ("0", "1"), f"out_valid is {outputs[0]}"
        if self._before is not None:
            # What the stages hold before the first item reached them is nobody's business.
            same = outputs == self._before if outputs[0] == "1" else self._before[0] == "0"
            assert same, "an output changed after a cycle in which the enable was low"
        self._before = None if enable else outputs
        if not enable:
            self.stopped += 1
            coverage.sample_stop(outputs[0] == "1", bool(self.waiting), valid)
            return
        self.enabled += 1
        if outputs[0] == "1":
            assert set(outputs[1] + outputs[2]) <= {"0", "1"}, f"result {self.compared} holds X"
            self._compare(int(outputs[1], 2), int(outputs[2], 2))
        if valid and item is not None:
            self.waiting.append((item, self.enabled))

    def _compare(self, quotients: int, zero: int) -> None:
        assert self.waiting, "a result came that nobody asked for"
        (accs, total), since = self.waiting.popleft()
        coverage.sample_item(accs, total, self.acc_bits, self.sum_bits)
        got = unpack(quotients, self.lanes, 16, signed=True).tolist()
        for lane, acc in enumerate(accs):
            want = divide(acc, total)
            assert got[lane] == want, f"result {self.compared} lane {lane}: {acc} / {total} gave {got[lane]}, expected {want}"
        assert zero == (total == 0), f"result {self.compared}: out_zero is {zero} for the divisor {total}"
        latency = self.enabled - since
        assert latency == LATENCY, f"result {self.compared}: {latency} enabled cycles, expected {LATENCY}"
        self.compared += 1

    async def run(self, items: list[Item]) -> None:
        """All items in and all results out, then some cycles more in which nothing may come."""
        todo = deque(items)
        while todo:
            enable, valid = next(self.enables), next(self.valids)
            if enable and valid:
                await self.cycle(todo.popleft(), True, True)
            else:  # a valid without the enable must not be taken either
                await self.cycle(None, not enable, enable)
        idle = 0
        while idle < 3 * LATENCY:
            enable = next(self.enables)
            idle += enable
            await self.cycle(None, False, enable)
        assert not self.waiting, f"{len(self.waiting)} results did not come"


def always() -> Iterator[bool]:
    """True for ever."""
    while True:
        yield True


def often(generator: np.random.Generator, rate: float) -> Iterator[bool]:
    """True with probability ``rate``, in runs: half of the decisions are kept for a few cycles."""
    while True:
        value = bool(generator.random() < rate)
        yield from [value] * int(generator.integers(1, 5))


def bound(divider: Divider, total: int) -> int:
    """The largest magnitude for the divisor: the unit's header promises exact results below 256 times it; and ACC_BITS."""
    most = (1 << (divider.acc_bits - 1)) - 1
    return min(most, 256 * total - 1) if total else most


def draw_items(divider: Divider, generator: np.random.Generator, count: int) -> list[Item]:
    """Divisors of every size; accumulators at halves, beside halves, at saturation, at the ends and between."""
    items = []
    top = (1 << divider.sum_bits) - 1
    for i in range(count):
        bits = int(generator.integers(1, divider.sum_bits + 1))
        total = (0, 1, 2, 3, top, top - 1, 256, 512, *8 * [int(generator.integers(1 << (bits - 1), 1 << bits))])[i % 16]
        most = bound(divider, total)
        accs = []
        for kind in generator.integers(0, 6, divider.lanes):
            # (2 * quotient + 1) * total / 512 lies half-way between two quotients: just below and just above it.
            half = (2 * int(generator.integers(0, 32769)) + 1) * total // 512
            size = (half, half + 1, 128 * total + int(generator.integers(-2, 3)), most, 0,
                    int(generator.integers(0, most + 1)))[kind]
            size = min(max(size, 0), most)
            # The negative end of the range is one further out.
            lowest = -size - (size == most < 256 * total - 1)
            accs.append((size, lowest)[int(generator.integers(0, 2))])
        items.append((accs, total))
    return items


def exact_halves(divider: Divider, generator: np.random.Generator, count: int) -> tuple[list[Item], list[list[int]]]:
    """Quotients that end in exactly one half, ``(2 * q + 1) / 2``, both signs; and what they round to, away from zero."""
    items, rounded = [], []
    for _ in range(count):
        factor = int(generator.integers(1, 1 << int(generator.integers(1, divider.sum_bits - 8))))
        most = min(32766, (((1 << (divider.acc_bits - 1)) - 1) // factor - 1) // 2)
        quotients = generator.integers(0, most + 1, divider.lanes).tolist()
        signs = (1 - 2 * generator.integers(0, 2, divider.lanes)).tolist()
        items.append(([s * (2 * q + 1) * factor for s, q in zip(signs, quotients, strict=True)], 512 * factor))
        rounded.append([s * (q + 1) for s, q in zip(signs, quotients, strict=True)])
    return items, rounded


async def start(dut: Any, enables: Iterator[bool], valids: Iterator[bool]) -> Divider:
    """Clock and reset, with the inputs at rest."""
    dut.enable.value = dut.in_valid.value = 0
    start_clock(dut)
    start_watchdog(20_000)
    divider = Divider(dut, enables, valids)
    divider.drive(None)
    await reset(dut)
    return divider


@cocotb.test()
async def quotients_at_full_rate(dut: Any) -> None:
    """One item per cycle, all kinds of divisors and accumulators."""
    divider = await start(dut, always(), always())
    items = draw_items(divider, rng("items"), 400)
    await divider.run(items)
    assert divider.compared == 400 and divider.stopped == 0


@cocotb.test()
async def exact_halves_round_away_from_zero(dut: Any) -> None:
    """Both signs; what they round to is known without a division."""
    divider = await start(dut, always(), always())
    items, rounded = exact_halves(divider, rng("halves"), 200)
    assert [[divide(acc, total) for acc in accs] for accs, total in items] == rounded
    await divider.run(items)
    assert divider.compared == 200


@cocotb.test()
async def enable_stops_every_stage(dut: Any) -> None:
    """The enable falls at random and items come with gaps: nothing is lost, doubled or changed; stopped cycles do not count."""
    divider = await start(dut, often(rng("enable"), 0.5), often(rng("valid"), 0.6))
    await divider.run(draw_items(divider, rng("items"), 300))
    assert divider.compared == 300 and divider.stopped > 100


@cocotb.test()
async def divisor_zero_gives_zero(dut: Any) -> None:
    """Whatever the accumulators hold; neighbours with other divisors keep theirs."""
    divider = await start(dut, always(), always())
    items = draw_items(divider, rng("items"), 100)
    items = [(accs, 0 if i % 3 else total) for i, (accs, total) in enumerate(items)]
    await divider.run(items)
    assert divider.compared == 100


@cocotb.test()
async def reset_empties_the_stages(dut: Any) -> None:
    """Items in flight at a reset do not come out after it."""
    divider = await start(dut, always(), always())
    for item in draw_items(divider, rng("lost"), LATENCY // 2):
        await divider.cycle(item, True, True)
    coverage.sample_reset(len(divider.waiting))
    divider.waiting.clear()
    dut.in_valid.value = 0
    await reset(dut)
    await divider.run(draw_items(divider, rng("kept"), 20))
    assert divider.compared == 20
