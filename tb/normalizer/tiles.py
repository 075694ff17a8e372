"""Stand-in for the accumulators and row sums in the bench of ``fcim_normalizer``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.pack import pack
from tb.common.rng import rng
from tb.common.spec import divide
from tb.common.stream import Beat
from tb.normalizer import coverage

BANKS = 2
# A bank is free again from its release on, and a tile takes at least this long from its first exponential to its done pulse.
SHORTEST_TILE = 16


@dataclass
class Tile:
    """Accumulators [rows][head_dim] and sums [rows] of one tile, and when the normaliser read it."""

    acc: list[list[int]]
    total: list[int]
    reads: set[tuple[int, int]] = field(default_factory=set)
    first_read: dict[int, int] = field(default_factory=dict)  # row -> clock edge
    released: int | None = None

    @property
    def rows(self) -> int:
        """Used rows."""
        return len(self.total)

    def beats(self) -> list[Beat]:
        """The rows of O that must leave."""
        return [{"data": pack([divide(a, total) for a in acc], 16), "empty": int(total == 0), "last": int(row == self.rows - 1)}
                for row, (acc, total) in enumerate(zip(self.acc, self.total, strict=True))]


def draw_tile(generator: np.random.Generator, rows: int, head_dim: int, sum_bits: int, empty: float) -> Tile:
    """A tile with sums of every size, a part ``empty`` of them 0.

    Rescales round a sum down by up to 1, so ``|acc|`` goes a little above 128 times the sum, and is not always 0 where that is.
    """
    accs, totals = [], []
    for _ in range(rows):
        total = 0 if generator.random() < empty else int(generator.integers(2, 1 << int(generator.integers(2, sum_bits + 1))))
        most = min(128 * total + 129, (1 << (sum_bits + 7)) - 1)
        acc = generator.integers(-most, most + 1, head_dim)
        accs.append(np.where(generator.integers(0, 8, head_dim) == 0, generator.choice([-most, most, 0]), acc).tolist())
        totals.append(total)
    return Tile(accs, totals)


class Banks:
    """Two banks with one read port: data one cycle later, held while ``rd_en`` is low; done pulses; releases.

    What nobody may use is garbage: a bank before its done pulse and from the cycle after its release on, its number of rows too.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.rows, self.head_dim = int(dut.ROWS.value), int(dut.HEAD_DIM.value)
        self.cpk = 8 // int(dut.BITS_PER_CYCLE.value)
        self.lanes, self.read_columns = self.rows // self.cpk, self.head_dim // self.cpk
        self.acc_bits, self.sum_bits = int(dut.ACC_BITS.value), int(dut.SUM_BITS.value)
        self.count_bits = self.rows.bit_length()
        self.tiles: list[Tile | None] = [None] * BANKS  # finished, not released
        self.free_from = [0] * BANKS
        self.releases = 0
        self.next_bank = 0
        self.garbage = rng("garbage")
        dut.done_valid.value = dut.done_bank.value = 0
        self._drive_rows()
        self._answer(None, 0, 0)

    def _drive_rows(self) -> None:
        counts = [tile.rows if tile else int(self.garbage.integers(0, self.rows + 1)) for tile in self.tiles]
        self.dut.bank_rows.value = pack(counts, self.count_bits)

    def _answer(self, tile: Tile | None, row: int, chunk: int) -> None:
        if tile is None:
            half = 1 << (self.acc_bits - 1)
            acc = self.garbage.integers(-half, half, self.read_columns).tolist()
            total = int(self.garbage.integers(1, 1 << self.sum_bits))
        else:
            acc, total = tile.acc[row][chunk * self.read_columns : (chunk + 1) * self.read_columns], tile.total[row]
        self.dut.rd_acc.value = pack(np.array(acc, dtype=np.int64), self.acc_bits)
        self.dut.rd_sum.value = total

    def _bits(self, name: str) -> int:
        text = str(getattr(self.dut, name).value)
        assert set(text) <= {"0", "1"}, f"{name} is {text}"
        return int(text, 2)

    def _read(self) -> None:
        if not self._bits("rd_en"):
            return
        bank, group, lane, chunk = (self._bits(f"rd_{name}") for name in ("bank", "group", "lane", "chunk"))
        row, tile = group * self.lanes + lane, self.tiles[bank]
        assert tile is not None, f"bank {bank} is read before its done pulse or after its release"
        legal = lane < self.lanes and row < tile.rows and chunk < self.cpk
        assert legal, f"read of row {row} chunk {chunk}; {tile.rows} rows are used"
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
            assert reads == tile.rows * self.cpk, f"bank {bank} was released after {reads} reads of {tile.rows} rows"
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
                if self.dut.m_o_valid.value == 1 and self.dut.m_o_ready.value == 0:
                    coverage.sample_stall(any(self.tiles))
                self._read()
                self._release()

    async def finish(self, tile: Tile, wait: int) -> None:
        """A done pulse for ``tile`` after ``wait`` cycles, later if its bank is not free before; the banks alternate."""
        edge, bank = RisingEdge(self.dut.clk), self.next_bank
        for _ in range(wait):
            await edge
        while self.tiles[bank] is not None or cycle() < self.free_from[bank]:
            await edge
        coverage.sample_tile(tile.total, self.rows, self.tiles[1 - bank] is not None)
        self.tiles[bank], self.next_bank = tile, 1 - bank
        self._drive_rows()
        self.dut.done_valid.value, self.dut.done_bank.value = 1, bank
        await edge
        self.dut.done_valid.value, self.dut.done_bank.value = 0, 1 - bank

    def forget(self) -> None:
        """As after a reset."""
        self.tiles, self.free_from, self.next_bank, self.releases = [None] * BANKS, [0] * BANKS, 0, 0
        self._drive_rows()
