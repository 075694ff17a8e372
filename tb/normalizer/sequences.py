"""Tiles for ``fcim_normalizer``: accumulators, sums, maxima, and the rows of O or the chunks that must leave."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.hardware.config import ROW_MAX_BITS
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.spec import divide
from tb.common.stream import Beat


@dataclass
class Tile:
    """Accumulators [rows][head_dim], sums and running maxima [rows] of one tile, and when the normaliser read it."""

    acc: list[list[int]]
    total: list[int]
    row_max: list[int]
    partial: bool = False
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


    def chunks(self, size: Geometry) -> list[Beat]:
        """The chunks that must leave if the tile is partial."""
        width, mask = size.read_columns, (1 << ROW_MAX_BITS) - 1
        return [{"acc": pack(acc[at : at + width], size.acc_bits), "sum": total, "max": row_max & mask,
                 "last": int(row == self.rows - 1 and at + width == size.head_dim)}
                for row, (acc, total, row_max) in enumerate(zip(self.acc, self.total, self.row_max, strict=True))
                for at in range(0, size.head_dim, width)]


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
    return Tile(accs, totals, generator.integers(-1 << ROW_MAX_BITS - 1, 1 << ROW_MAX_BITS - 1, rows).tolist())
