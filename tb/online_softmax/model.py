"""What ``fcim_online_softmax`` must give, block by block, from the columns and row tables that the pins carried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.hardware.config import SHIFT_BITS
from tb.common import spec
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.stream import Beat
from tb.score_scaler.model import ColumnModel, ScaledColumn


@dataclass
class ExpectedBlock:
    """One key block: its port values, the words of its writes, its counts, and the cycles of its columns.

    ``run`` counts the blocks that run, None if this one is skipped; ``opens`` marks its tile's first block, ``first`` the
    first one of it that runs; ``joint``: it is judged with the block after it.
    """

    number: int
    run: int | None
    bank: int
    tile: int
    keys: int
    opens: bool
    first: bool
    last: bool
    joint: bool
    writes: dict[tuple[int, int], int]  # (key, pass): word
    shift: int
    p_sum: int
    rescaled: int
    amount: int
    zero: bool
    lossy: bool     # zero, though a probability is not 0
    accepts: list[int]

    @property
    def slot(self) -> int:
        """Of a block that runs."""
        assert self.run is not None
        return self.run & 1

    @property
    def request(self) -> Beat:
        """The decision on the block."""
        return {"skip": int(self.run is None), "last": int(self.last), "bank": self.bank, "zero": int(self.zero)}

    @property
    def beat(self) -> Beat:
        """The hand-over of a block that runs to the OP-CIM."""
        return {"slot": self.slot, "last_key": self.keys - 1, "first": int(self.first), "last": int(self.last), "bank": self.bank}


@dataclass
class FinishedTile:
    """Row sums and last running maxima of the used rows of a tile, -512 of a row that has seen no key."""

    bank: int
    sums: list[int]
    maxima: list[int]
    partial: bool


class SoftmaxModel:
    """Feed :meth:`column` with accepted columns; ``blocks``, ``running`` and ``tiles`` grow, and ``on_block`` is called."""

    def __init__(self, size: Geometry, on_block: Callable[[ExpectedBlock], None]) -> None:
        self.size, self.on_block = size, on_block
        self.columns = ColumnModel(size)
        self.blocks: list[ExpectedBlock] = []
        self.running: list[ExpectedBlock] = []
        self.tiles: list[FinishedTile] = []
        self.saturations = 0
        self._rows: list[spec.Row] = []
        self._pending: list[ScaledColumn] = []
        self._waiting: list[ScaledColumn] | None = None     # a fused tile's first block
        self._fresh, self._ran = True, False                # the next block opens a tile; a block of the tile has run

    def column(self, beat: Beat, cycle: int) -> None:
        """Take an accepted column."""
        column = self.columns.accept(beat, cycle)
        self.saturations += sum(column.saturated)
        self._pending.append(column)
        if not column.end:
            return
        block, self._pending = self._pending, []
        opens, self._fresh = self._fresh, column.last
        if opens:
            self._rows, self._ran = [spec.Row() for _ in range(self.size.rows)], False
        if opens and self.columns.tables[column.bank].fused and not column.last:
            self._waiting = block
        elif self._waiting is not None:
            first, self._waiting = self._waiting, None
            for row, z in zip(self._rows, zip(*(c.z for c in first + block), strict=True), strict=True):
                row.m = spec.new_row_max(None, z, 0)[0]
            self._finish_block(first, opens=True, joint=True)
            self._finish_block(block, opens=False)
        else:
            self._finish_block(block, opens)

    def _finish_block(self, columns: list[ScaledColumn], opens: bool, joint: bool = False) -> None:
        size, last = self.size, columns[-1]
        table = self.columns.tables[last.bank]
        may_skip = table.skip and (self._ran or not last.last)
        step = spec.block_step(self._rows, list(zip(*(c.z for c in columns), strict=True)), table.tau, size.prob_bits,
                               [c.v_mult for c in columns], table.octaves, may_skip)
        skip = may_skip and step.zero
        writes = {}
        for key in range(0 if skip else len(columns)):
            p = [row[key] for row in step.p]
            for g in range(size.cpk):
                writes[key, g] = pack(p[g * size.lanes : (g + 1) * size.lanes], size.prob_bits)
        block = ExpectedBlock(len(self.blocks), None if skip else len(self.running), last.bank, len(self.tiles), len(columns),
                              opens, not self._ran, last.last, joint, writes, pack(step.shift, SHIFT_BITS),
                              pack(step.p_sum, size.block_sum_bits), step.rescaled, step.amount,
                              step.zero, step.zero and any(step.p_sum), [c.cycle for c in columns])
        self.blocks.append(block)
        if not skip:
            self._ran = True
            self.running.append(block)
        if last.last:
            rows = self._rows[: len(table.rows)]
            self.tiles.append(FinishedTile(last.bank, [row.total for row in rows],
                                           [spec.LOWEST_ROW_MAX if row.m is None else row.m for row in rows], table.partial))
        self.on_block(block)
