"""BFM of the accumulators, row sums and maxima that ``fcim_normalizer`` reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.rng import rng
from tb.normalizer import coverage
from tb.normalizer.sequences import Tile

BANKS = 2
# A bank is free again from its release on, and a tile takes at least this long from its first exponential to its done pulse.
SHORTEST_TILE = 16


class BankBfm:
    """Two banks with one read port: data one cycle later, held while ``rd_en`` is low; done pulses; releases.

    What may not be used is garbage: a bank before its done pulse and from the cycle after its release on, its number of rows too.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.size = Geometry(dut)
        self.tiles: list[Tile | None] = [None] * BANKS  # finished, not released
        self.free_from = [0] * BANKS
        self.releases = 0
        self.rows_left = 0      # rows that were read to be divided and have not been taken
        self.next_bank = 0
        self.garbage = rng("garbage")
        dut.done_valid.value = dut.done_bank.value = 0
        self._drive_rows()
        self._answer(None, 0, 0)

    def _drive_rows(self) -> None:
        counts = [tile.rows if tile else int(self.garbage.integers(0, self.size.rows + 1)) for tile in self.tiles]
        self.dut.bank_rows.value = pack(counts, self.size.rows.bit_length())
        flags = [tile.partial if tile else int(self.garbage.integers(0, 2)) for tile in self.tiles]
        self.dut.bank_partial.value = pack(flags, 1)

    def _answer(self, tile: Tile | None, row: int, chunk: int) -> None:
        width = self.size.read_columns
        if tile is None:
            half = 1 << (self.size.acc_bits - 1)
            acc = self.garbage.integers(-half, half, width).tolist()
            total, row_max = int(self.garbage.integers(1, 1 << self.size.sum_bits)), int(self.garbage.integers(-512, 512))
        else:
            acc, total = tile.acc[row][chunk * width : (chunk + 1) * width], tile.total[row]
            row_max = tile.row_max[row]
        self.dut.rd_acc.value = pack(np.array(acc, dtype=np.int64), self.size.acc_bits)
        self.dut.rd_sum.value, self.dut.rd_max.value = total, row_max & 1023

    def _bits(self, name: str) -> int:
        text = str(getattr(self.dut, name).value)
        assert set(text) <= {"0", "1"}, f"{name} is {text}"
        return int(text, 2)

    def _read(self) -> None:
        if not self._bits("rd_en"):
            return
        bank, pass_, lane, chunk = (self._bits(f"rd_{name}") for name in ("bank", "pass", "lane", "chunk"))
        row, tile = pass_ * self.size.lanes + lane, self.tiles[bank]
        assert tile is not None, f"bank {bank} is read before its done pulse or after its release"
        legal = lane < self.size.lanes and row < tile.rows and chunk < self.size.cpk
        assert legal, f"read of row {row} chunk {chunk}; {tile.rows} rows are used"
        assert not (tile.partial and self.rows_left), f"a partial tile is read while {self.rows_left} rows are on their way"
        self.rows_left += not tile.partial and chunk == self.size.cpk - 1
        tile.reads.add((row, chunk))
        tile.first_read.setdefault(row, cycle())
        self._answer(tile, row, chunk)

    def _release(self) -> None:
        pulses = self._bits("bank_release")
        for bank in range(BANKS):
            if not pulses >> bank & 1:
                continue
            tile = self.tiles[bank]
            assert tile is not None, f"bank {bank} was released though it holds no finished tile"
            reads = len(tile.reads)
            assert reads == tile.rows * self.size.cpk, f"bank {bank} was released after {reads} reads of {tile.rows} rows"
            tile.released, self.tiles[bank], self.free_from[bank] = cycle(), None, cycle() + SHORTEST_TILE
            coverage.sample_release(bank)
            self.releases += 1
            self._drive_rows()

    async def run(self) -> None:
        """Serve reads and take releases for ever."""
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            if self.dut.rst_n.value == 1:
                for stream, valid, ready in (("row", self.dut.m_o_valid, self.dut.m_o_ready),
                                             ("chunk", self.dut.m_part_valid, self.dut.m_part_ready)):
                    if valid.value == 1 and ready.value == 0:
                        coverage.sample_stall(stream, any(self.tiles))
                self._read()
                self._release()
                self.rows_left -= self.dut.m_o_valid.value == 1 and self.dut.m_o_ready.value == 1

    async def finish(self, tile: Tile, wait: int) -> None:
        """A done pulse for ``tile`` after ``wait`` cycles, later if its bank is not free before; the banks alternate."""
        edge, bank = RisingEdge(self.dut.clk), self.next_bank
        for _ in range(wait):
            await edge
        while self.tiles[bank] is not None or cycle() < self.free_from[bank]:
            await edge
        coverage.sample_tile(tile.total, self.size.rows, self.tiles[1 - bank] is not None)
        if tile.partial:
            coverage.sample_partial(self.rows_left)
        self.tiles[bank], self.next_bank = tile, 1 - bank
        self._drive_rows()
        self.dut.done_valid.value, self.dut.done_bank.value = 1, bank
        await edge
        self.dut.done_valid.value, self.dut.done_bank.value = 0, 1 - bank

    def reset(self) -> None:
        """As after a reset."""
        self.tiles, self.free_from, self.next_bank, self.releases = [None] * BANKS, [0] * BANKS, 0, 0
        self.rows_left = 0
        self._drive_rows()
