"""Tiles for ``fcim_normalizer``: accumulators, sums, and the rows of O that must leave."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tb.common.pack import pack
from tb.common.spec import divide
from tb.common.stream import Beat


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
