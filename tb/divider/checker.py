"""Drives ``fcim_divider`` cycle by cycle and checks quotients, order, latency and the enable.

``quotient = sat16(sign(acc) * floor((|acc| * 512 + sum) / (2 * sum)))``; 0 and ``out_zero`` where the sum is 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.geometry import Geometry
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.spec import divide
from tb.divider import coverage
from tb.divider.sequences import Item

LATENCY = 18


class Checker:
    """Feeds items, one per enabled cycle at most, and compares what comes out; counts enabled cycles for the latency."""

    def __init__(self, dut: Any, enables: Iterator[bool], valids: Iterator[bool]) -> None:
        self.dut, self.enables, self.valids = dut, enables, valids
        self.size = Geometry(dut)
        self.waiting: deque[tuple[Item, int]] = deque()
        self.enabled = self.compared = self.stopped = 0
        self.garbage = rng("garbage")
        self._before: list[str] | None = None  # outputs of the last cycle if the enable was low in it

    def drive(self, item: Item | None) -> None:
        """An item, or numbers that must not be taken."""
        if item is None:
            half, top = 1 << (self.size.acc_bits - 1), 1 << self.size.sum_bits
            item = self.garbage.integers(-half, half, self.size.lanes).tolist(), int(self.garbage.integers(0, top))
        self.dut.in_acc.value = pack(np.array(item[0], dtype=np.int64), self.size.acc_bits)
        self.dut.in_sum.value = item[1]

    async def cycle(self, item: Item | None, valid: bool, enable: bool) -> None:
        self.drive(item)
        self.dut.in_valid.value, self.dut.enable.value = int(valid), int(enable)
        await RisingEdge(self.dut.clk)
        outputs = [str(s.value) for s in (self.dut.out_valid, self.dut.out_quotient, self.dut.out_zero)]
        assert outputs[0] in ("0", "1"), f"out_valid is {outputs[0]}"
        if self._before is not None:
            # What the stages hold before the first item has reached them does not count.
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
        assert self.waiting, "a result came without an item"
        (accs, total), since = self.waiting.popleft()
        coverage.sample_item(accs, total, self.size.acc_bits, self.size.sum_bits)
        got = unpack(quotients, self.size.lanes, 16, signed=True).tolist()
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
