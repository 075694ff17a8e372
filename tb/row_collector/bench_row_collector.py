"""Row collector: every row comes out once with its engine's number, and of those that wait the right one goes first."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from tb.common.bench import Bench
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.row_collector import coverage

TILES, ROWS = 6, 7      # of each engine; rows of a tile at most


class Engines:
    """Engines that offer rows, each in its own time, and what the collector must do with them."""

    def __init__(self, dut: Any, pattern: str) -> None:
        self.dut, self.draw = dut, rng("rows")
        self.count, self.width = int(dut.ENGINES.value), int(dut.WIDTH.value)
        self.rows: list[deque[int]] = [deque() for _ in range(self.count)]
        for queue in self.rows:
            for _ in range(TILES):
                size = int(self.draw.integers(1, ROWS + 1))
                queue.extend(int.from_bytes(self.draw.bytes(self.width // 8 + 1), "little") % (1 << self.width - 1)
                             | (row == size - 1) << self.width - 1 for row in range(size))
        self.idle = 0.6 if pattern in ("gaps", "both") else 0.0
        self.offered = [False] * self.count
        self.order = list(range(self.count))        # who goes before whom: the first of these that has a row
        self.bench = Bench(dut, pattern)
        self.board = self.bench.output("m_o", ("engine", "data"))
        dut.s_o_valid.value = dut.s_o_data.value = 0

    def _drive(self) -> None:
        for engine, queue in enumerate(self.rows):
            self.offered[engine] = bool(queue) and (self.offered[engine] or self.draw.random() >= self.idle)
        self.dut.s_o_valid.value = sum(offer << e for e, offer in enumerate(self.offered))
        self.dut.s_o_data.value = sum(self.rows[e][0] << e * self.width for e, offer in enumerate(self.offered) if offer)

    async def run(self) -> None:
        """Offer all rows; returns when the last one is taken."""
        edge, fall, dut = RisingEdge(self.dut.clk), FallingEdge(self.dut.clk), self.dut
        while any(self.rows):
            await fall
            self._drive()
            await edge
            valid, ready = int(dut.s_o_valid.value), int(dut.s_o_ready.value)
            open_ = dut.m_o_valid.value == 0 or dut.m_o_ready.value == 1
            waiting = [e for e in self.order if valid >> e & 1]
            want = 1 << waiting[0] if waiting and open_ else 0
            assert ready & valid == want, f"rows of engines {ready & valid:b} are taken, the order is {waiting}"
            if want:
                engine = waiting[0]
                row = self.rows[engine].popleft()
                last = bool(row >> self.width - 1)
                coverage.sample_row(engine, waiting, last)
                self.board.expect([{"engine": engine, "data": row}])
                self.offered[engine] = False
                if last:
                    self.order.remove(engine)
                    self.order.append(engine)
        await fall
        self._drive()


@cocotb.test()
@each_pattern()
async def rows(dut: Any, pattern: str) -> None:
    """Engines with tiles of one row to several; whose tile ended longest ago goes first."""
    engines = Engines(dut, pattern)
    async with engines.bench:
        await engines.run()
    if pattern == "none":
        taken = engines.bench.monitors["m_o"].cycles
        assert taken[-1] - taken[0] == len(taken) - 1, "a row per cycle"
