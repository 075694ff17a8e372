"""Tiles for ``fcim_merge``: the parts that take part, and what each of them has of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.spec import Row

LOWEST, HIGHEST = -512, 511     # running maxima
LEAST_SUM = 32                  # of a row that has seen a key: more than there are parts, which the header's Numbers ask for
FULL_ROWS = 0.1         # share of rows of which all parts have as much as fits, where sums are cut
DISTANCES = (0, 1, 2, 31, 32, 62, 63, 64, 65, 127, 128, 512, HIGHEST - LOWEST)
MAXIMA = ("equal", "near", "around the largest shift", "anywhere", "ends")


@dataclass(frozen=True)
class Chunk:
    """One beat of a part: the accumulators of some columns of a row, with the row's denominator and running maximum."""

    acc: tuple[int, ...]
    total: int
    maximum: int
    last: bool
    acc_bits: int

    @cached_property
    def word(self) -> int:
        """The accumulators as they go over the pins."""
        return pack(list(self.acc), self.acc_bits)


@dataclass
class Tile:
    """``rows[part][row]`` for every part that takes part."""

    rows: dict[int, list[Row]]

    @property
    def parts(self) -> int:
        """The mask of the parts."""
        return sum(1 << part for part in self.rows)

    @property
    def count(self) -> int:
        """Rows of the tile."""
        return len(next(iter(self.rows.values())))

    def chunks(self, part: int, size: Geometry) -> list[Chunk]:
        """The beats of a part."""
        found, width = [], size.read_columns
        for number, row in enumerate(self.rows[part]):
            for chunk in range(size.cpk):
                last = number == self.count - 1 and chunk == size.cpk - 1
                acc = tuple(row.acc[chunk * width:(chunk + 1) * width])
                found.append(Chunk(acc, row.total, LOWEST if row.m is None else row.m, last, size.acc_bits))
        return found


def draw_maxima(generator: np.random.Generator, kind: str, count: int) -> list[int]:
    """Running maxima of one row in ``count`` parts."""
    if kind == "equal":
        return [int(generator.integers(LOWEST, HIGHEST + 1))] * count
    if kind == "ends":
        return generator.choice([LOWEST, LOWEST + 1, HIGHEST - 1, HIGHEST], count).tolist()
    if kind == "anywhere":
        return generator.integers(LOWEST, HIGHEST + 1, count).tolist()
    top = int(generator.integers(LOWEST + 80, HIGHEST + 1))
    below = generator.integers(0, 8, count) if kind == "near" else generator.choice([0, 31, 32, 62, 63, 64, 65, 79], count)
    return (top - below + int(below.min())).tolist()


def draw_accumulators(generator: np.random.Generator, size: Geometry, total: int, shift: int) -> list[int]:
    """Accumulators that go with a denominator: of any size, at its bounds, at halves that ``shift`` rounds and beside them."""
    most = min(128 * total + 129, (1 << (size.acc_bits - 1)) - 1)
    acc = generator.integers(-most, most + 1, size.head_dim)
    acc = np.where(generator.integers(0, 8, size.head_dim) == 0, generator.choice([-most, most, 0, 1, -1], size.head_dim), acc)
    if 0 < shift < most.bit_length():
        half = ((acc >> shift) << shift) + (1 << (shift - 1)) + generator.integers(-1, 2, size.head_dim)
        acc = np.where((generator.integers(0, 3, size.head_dim) == 0) & (abs(half) <= most), half, acc)
    return acc.tolist()


def draw_row(generator: np.random.Generator, size: Geometry, count: int, kind: str, empty: float) -> list[Row]:
    """One row in ``count`` parts: together at most what MAX_KEYS keys make of it, each at most what a sum holds; a share
    ``empty`` of them has seen no key."""
    budget = size.max_keys * ((1 << size.prob_bits) - 1)
    shares = generator.dirichlet([0.3] * count)
    if getattr(size, "sum_cut", 0) and generator.random() < FULL_ROWS:
        total = min((1 << size.sum_bits) - 1, budget // count)
        return [Row(0, total, draw_accumulators(generator, size, total, 0)) for _ in range(count)]
    maxima = draw_maxima(generator, kind, count)
    rows = []
    for share, maximum in zip(shares.tolist(), maxima, strict=True):
        most = min(max(int(share * (budget - count * LEAST_SUM)), LEAST_SUM), (1 << size.sum_bits) - 1)
        if generator.random() < empty:
            rows.append(Row(None, 0, [0] * size.head_dim))
            continue
        small = int(generator.integers(LEAST_SUM, min(most, 1 << int(generator.integers(6, size.sum_bits + 1))) + 1))
        total = most if generator.random() < 0.25 else small
        rows.append(Row(maximum, total, draw_accumulators(generator, size, total, max(maxima) - maximum)))
    return rows


def draw_tile(generator: np.random.Generator, size: Geometry, parts: Sequence[int], rows: int, empty: float = 0.15) -> Tile:
    """A tile of ``rows`` rows; each row takes a kind of :data:`MAXIMA`, and now and then no part of a row has seen a key."""
    tile: dict[int, list[Row]] = {part: [] for part in parts}
    for _ in range(rows):
        kind = MAXIMA[int(generator.integers(len(MAXIMA)))]
        chance = 1.0 if empty and generator.random() < 0.1 else empty
        for part, row in zip(parts, draw_row(generator, size, len(parts), kind, chance), strict=True):
            tile[part].append(row)
    return Tile(tile)


def apart(generator: np.random.Generator, size: Geometry, higher: int, lower: int, distances: Sequence[int]) -> Tile:
    """A tile of two parts, a row for each distance between their maxima; both have seen keys, half of them each."""
    tile: dict[int, list[Row]] = {higher: [], lower: []}
    for distance in distances:
        top = int(generator.integers(LOWEST + distance, HIGHEST + 1))
        total = min(size.max_keys // 2 * ((1 << size.prob_bits) - 1), (1 << size.sum_bits) - 1)
        for part, maximum in ((higher, top), (lower, top - distance)):
            tile[part].append(Row(maximum, total, draw_accumulators(generator, size, total, top - maximum)))
    return Tile(tile)


def draw_parts(generator: np.random.Generator, parts: int) -> list[int]:
    """Which parts take part: one, all, or some."""
    kind = int(generator.integers(4))
    count = 1 if kind == 0 else parts if kind == 1 else int(generator.integers(1, parts + 1))
    return sorted(generator.choice(parts, count, replace=False).tolist())


