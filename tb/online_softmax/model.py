"""What ``fcim_online_softmax`` must give, block by block, from the columns and row tables that the pins carried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tb.common import spec
from tb.common.pack import pack
from tb.common.stream import Beat
from tb.score_scaler.columns import ColumnModel, ScaledColumn, Sizes

SHIFT_BITS = 6


@dataclass
class ExpectedBlock:
    """One key block: its port values, the words of its writes, its counts, and the cycles of its columns."""

    number: int
    slot: int
    bank: int
    tile: int
    keys: int
    first: bool
    last: bool
    writes: dict[tuple[int, int], int]  # (key, group): word
    shift: int
    p_sum: int
    rescaled: int
    amount: int
    zero: bool
    accepts: list[int]
    beat: Beat = field(default_factory=dict)


@dataclass
class FinishedTile:
    """Row sums of the used rows of a tile."""

    bank: int
    sums: list[int]


class SoftmaxModel:
    """Feed :meth:`column` with accepted columns; ``blocks`` and ``tiles`` grow, and ``on_block`` is called."""

    def __init__(self, size: Sizes, prob_bits: int, on_block: Callable[[ExpectedBlock], None]) -> None:
        self.size, self.prob_bits, self.on_block = size, prob_bits, on_block
        self.columns = ColumnModel(size)
        self.blocks: list[ExpectedBlock] = []
        self.tiles: list[FinishedTile] = []
        self.saturations = 0
        self._rows: list[spec.Row] = []
        self._pending: list[ScaledColumn] = []
        self._first = True

    def column(self, beat: Beat, cycle: int) -> None:
        """Take an accepted column."""
        column = self.columns.accept(beat, cycle)
        self.saturations += sum(column.saturated)
        self._pending.append(column)
        if column.end:
            self._finish_block(self._pending)
            self._pending = []

    def _finish_block(self, columns: list[ScaledColumn]) -> None:
        size, last = self.size, columns[-1]
        if self._first:
            self._rows = [spec.Row() for _ in range(size.rows)]
        table = self.columns.tables[last.bank]
        step = spec.block_step(self._rows, list(zip(*(c.z for c in columns), strict=True)), table.tau, self.prob_bits)
        writes = {}
        for key in range(len(columns)):
            p = [row[key] for row in step.p]
            for g in range(size.cpk):
                writes[key, g] = pack(p[g * size.lanes : (g + 1) * size.lanes], self.prob_bits)
        number = len(self.blocks)
        block = ExpectedBlock(number, number & 1, last.bank, len(self.tiles), len(columns), self._first, last.last, writes,
                              pack(step.shift, SHIFT_BITS), pack(step.p_sum, self.prob_bits + size.block.bit_length() - 1),
                              step.rescaled, step.amount, step.zero, [c.cycle for c in columns])
        block.beat = {"slot": block.slot, "last_key": block.keys - 1, "first": int(block.first), "last": int(block.last),
                      "bank": block.bank}
        self.blocks.append(block)
        self._first = last.last
        if last.last:
            self.tiles.append(FinishedTile(last.bank, [row.total for row in self._rows[: len(table.rows)]]))
        self.on_block(block)
