"""Every pin of ``fcim_v_buffer`` against a model in every cycle, and the driver of the port that reads its slices."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.operands import OFFSET
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.v_buffer import coverage


class Checker:
    """Pins and model of the buffer, and in place of the OP-CIM a reader that takes all slices of each block."""

    def __init__(self, dut: Any, pattern: str, blocks: int) -> None:
        """``blocks``: how many the test will send."""
        size = Geometry(dut)
        self.dut, self.slots = dut, int(dut.SLOTS.value)
        self.head_dim, self.keys, self.columns = size.head_dim, size.keys_per_block, size.columns
        assert (len(dut.s_v_data), 1 << len(dut.rd_slice)) == (8 * self.head_dim, self.keys)
        self.bench = Bench(dut, pattern, budget=30_000)
        self.source = self.bench.input("s_v", ("data", "last"))
        self.board = Scoreboard("slice", ("data",), {"data": (8, False)})
        self.bench.scoreboards["slice"] = (self.board, blocks * self.keys)
        self.slow = pattern in ("backpressure", "both")
        self.pauses = rng("reader")
        self.partial: list[np.ndarray] = []             # values of the block being written
        self.blocks: deque[tuple[np.ndarray, int]] = deque()    # complete blocks [keys, HEAD_DIM] with their last flags
        self.order: list[int] = []                      # slices of the oldest block still to be read
        self.answer_at = -1                             # cycle in which a slice comes
        self.wait = 4 * self.keys + 60 if self.slow else 0      # cycles until the reader goes on; at first the ring fills up
        self.popped = self.blocked = self.fullest = 0
        self.sizes: list[tuple[int, int]] = []          # (keys, last flag) of the blocks that were read
        self.hold = False                               # the reader does nothing
        self._port(0, 0, 0)

    def _port(self, read: int, number: int, pop: int) -> None:
        self.dut.rd.value, self.dut.rd_slice.value, self.dut.pop.value = read, number, pop

    def _check(self, now: int) -> None:
        """The outputs of the cycle that ends."""
        dut = self.dut
        ready, valid = str(dut.s_v_ready.value), str(dut.blk_valid.value)
        assert ready == str(int(len(self.blocks) < self.slots)), f"cycle {now}: ready is {ready} with {len(self.blocks)} blocks"
        assert valid == str(int(len(self.blocks) > 0)), f"cycle {now}: blk_valid is {valid} with {len(self.blocks)} blocks"
        if self.blocks:
            values, last = self.blocks[0]
            got = int(dut.blk_last_key.value), int(dut.blk_last.value)
            assert got == (len(values) - 1, last), f"cycle {now}: last key and last are {got}, not {(len(values) - 1, last)}"
        if self.answer_at == now:
            self.board.got({"data": int(dut.rd_data.value)})
        offered = dut.s_v_valid.value == 1
        ends = offered and ready == "1" and (dut.s_v_last.value == 1 or len(self.partial) == self.keys - 1)
        coverage.sample_cycle(self.slots, len(self.blocks), offered, dut.rd.value == 1, dut.pop.value == 1, ends)
        self.blocked += ready == "0" and offered
        self.fullest = max(self.fullest, len(self.blocks))

    def _read(self, now: int) -> None:
        """The request of the cycle that ends.

        Byte ``key * COLUMNS + column`` of its answer is element ``slice * COLUMNS + column`` of that key's value.
        """
        dut = self.dut
        if dut.rd.value == 1:
            values, last = self.blocks[0]
            first = int(dut.rd_slice.value) * self.columns
            coverage.sample_slice(int(dut.rd_slice.value), self.keys)
            slices = np.zeros((self.keys, self.columns), dtype=np.int64)
            slices[:len(values)] = values[:, first:first + self.columns] + OFFSET
            self.board.expect([{"data": pack(slices, 8)}])
            self.answer_at = now + 1
        if dut.pop.value == 1:
            values, last = self.blocks.popleft()
            self.sizes.append((len(values), last))

    def _accept(self) -> None:
        self.partial.append(unpack(int(self.dut.s_v_data.value), self.head_dim, 8, signed=True))
        last = int(self.dut.s_v_last.value)
        if last or len(self.partial) == self.keys:
            coverage.sample_block(len(self.partial), bool(last), self.keys)
            self.blocks.append((np.array(self.partial), last))
            self.partial = []

    def _drive(self) -> None:
        """The next cycle's request: all slices in random order, some of them twice, popped with the last one."""
        if self.wait > 0 or self.hold or not self.blocks:
            self.wait -= self.wait > 0
            # an idle port names a slice but must not be answered, and pop is low
            self._port(0, int(self.pauses.integers(0, self.keys)), 0)
            return
        if not self.order:
            self.order = self.pauses.permutation(self.keys).tolist()
        number = self.order.pop()
        if self.slow and self.pauses.integers(0, 6) == 0:
            self.wait = int(self.pauses.integers(1, 25))
        self._port(1, number, int(not self.order))

    async def watch(self) -> None:
        """Run the model beside the pins, cycle by cycle; the monitor beside it watches the protocol."""
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            self._check(cycle())
            self._read(cycle())
            if dut.s_v_valid.value == 1 and dut.s_v_ready.value == 1:
                self._accept()
            self._drive()

    def shapes(self, lengths: list[int]) -> list[tuple[int, int]]:
        """(keys, last flag) of the blocks of tiles of these lengths."""
        return [(min(self.keys, length - first), int(first + self.keys >= length))
                for length in lengths for first in range(0, length, self.keys)]
