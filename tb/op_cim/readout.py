"""Stand-in for the normaliser in the bench of ``fcim_op_cim``: reads finished tiles row by row and compares them."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from tb.common.pack import pack, unpack
from tb.op_cim import coverage
from tb.op_cim.blocks import Block, Sizes


class Readout:
    """Takes finished tiles, reads each tile's rows in random order with random pauses, and frees its bank afterwards."""

    def __init__(self, dut: Any, size: Sizes, generator: np.random.Generator, pauses: bool) -> None:
        self.dut, self.size, self.generator, self.pauses = dut, size, generator, pauses
        self.complete: deque[Block] = deque()  # last blocks of tiles whose finish pulse came, oldest first
        self.todo: list[tuple[int, int]] = []  # (row, chunk) of the oldest that are still to be read
        self.expected: np.ndarray | None = None  # what rd_data must show now: the answer to the last read
        self.where = ""
        self.reads = self.rows_while_busy = 0

    def drive(self) -> tuple[int, int] | None:
        """Inputs of this cycle; returns the row and chunk that are read in it."""
        if self.complete and not self.todo:
            size = self.size
            rows = self.generator.permutation(size.rows)
            self.todo = [(int(row), chunk) for row in rows for chunk in range(size.cpk)]
        read = self.todo[-1] if self.todo and not (self.pauses and self.generator.integers(0, 3) == 0) else None
        group, lane = divmod(read[0] if read else int(self.generator.integers(0, self.size.rows)), self.size.lanes)
        chunk = read[1] if read else int(self.generator.integers(0, self.size.cpk))
        bank = self.complete[0].bank if read else int(self.generator.integers(0, 2))
        for handle, value in ((self.dut.rd_en, read is not None), (self.dut.rd_bank, bank), (self.dut.rd_group, group),
                              (self.dut.rd_lane, lane), (self.dut.rd_chunk, chunk)):
            handle.value = int(value)
        return read

    def look(self, read: tuple[int, int] | None, busy: bool) -> int | None:
        """Check the answer to the last read, which must stay until the next one; returns a bank that is now drained."""
        if self.expected is not None:
            text = str(self.dut.rd_data.value)
            assert set(text) <= {"0", "1"}, f"{self.where}: rd_data holds X"
            want = pack(self.expected, self.size.acc_bits)
            if int(text, 2) != want:
                got = unpack(int(text, 2), self.size.read_columns, self.size.acc_bits, signed=True)
                wrong = np.flatnonzero(got != self.expected)
                raise AssertionError(f"{self.where}: {len(wrong)} columns differ; column {wrong[0]} is {got[wrong[0]]}, expected "
                                     f"{self.expected[wrong[0]]}")
        coverage.sample_read(read is not None, busy, bool(self.todo))
        if read is None:
            return None
        tile, (row, chunk) = self.complete[0], read
        width = self.size.read_columns
        assert tile.after is not None
        self.expected = tile.after[row, chunk * width : (chunk + 1) * width]
        self.where = f"tile {tile.tile} row {row} chunk {chunk}"
        self.todo.pop()
        self.reads += 1
        self.rows_while_busy += busy
        if self.todo:
            return None
        return self.complete.popleft().bank
