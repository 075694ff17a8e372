"""Key blocks for ``fcim_block_exponential``: scores, running maxima and rescale amounts that a judgement may give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from models.hardware.config import V_MULT_BITS
from tb.common import spec
from tb.common.geometry import OCTAVE, Geometry

ROW_MAXIMA = (-512, 511, 0, -1)
V_MULT_ONE = (1 << V_MULT_BITS) - 1    # a value as it is


@dataclass
class BlockStimulus:
    """Scores ``z[key][row]``, ``row_max[row]`` (None: X, as of a row that has seen no key), ``shift[row]``, ``v_mult[key]``."""

    z: list[list[int]]
    row_max: list[int | None]
    shift: list[int]
    v_mult: list[int]
    tau: int
    buf: int
    bank: int = 0
    first: bool = True
    last: bool = True

    @property
    def keys(self) -> int:
        """Keys of the block."""
        return len(self.z)


def distances(g: np.random.Generator, tau: int, prob_bits: int) -> list[int | None]:
    """Scores as steps from m, one of each kind: masked, largest, 1.0, below, last octave, below, any, far below."""
    last = (tau - prob_bits) * OCTAVE
    return [None, (tau + 1) * OCTAVE - 1, 0, -1, last, last - 1, int(g.integers(last, (tau + 1) * OCTAVE)),
            int(g.integers(-1023 * OCTAVE, last))]


def score(row_max: int, distance: int | None) -> int:
    """The score at a distance from the running maximum, clamped as scores are."""
    return spec.MASKED if distance is None else min(max(row_max * OCTAVE + distance, spec.Z_MIN), spec.Z_MAX)


def draw_shift(g: np.random.Generator, size: Geometry) -> list[int]:
    """Rescale amounts of all rows: none, small, about the width of a sum, any, the largest."""
    return [(0, 0, 0, 1, int(g.integers(2, 8)), size.sum_bits + int(g.integers(-1, 2)), int(g.integers(64)), 63)[kind]
            for kind in g.integers(0, 8, size.rows).tolist()]


def draw_v_mult(g: np.random.Generator, keys: int) -> list[int]:
    """Multipliers of a block's values: of each key any, or one of the ends; or the same for all, most often as they are."""
    kind, one = int(g.integers(6)), int(g.choice([0, int(g.integers(1, V_MULT_ONE)), V_MULT_ONE, V_MULT_ONE]))
    return g.integers(0, V_MULT_ONE + 1, keys).tolist() if kind < 2 else g.choice([0, V_MULT_ONE], keys).tolist() if kind < 4 \
        else [one] * keys


def draw_block(g: np.random.Generator, size: Geometry, keys: int, tau: int) -> BlockStimulus:
    """Every kind of score in turn, from a random one on; rows that see none of the keys."""
    offset, blind = int(g.integers(8)), g.integers(0, 6, size.rows) == 0
    row_max: list[int | None] = [int(g.choice([*ROW_MAXIMA, int(g.integers(-512, 512))])) for _ in range(size.rows)]
    z = []
    for key in range(keys):
        kinds = distances(g, tau, size.prob_bits)
        z.append([spec.MASKED if blind[row] else score(int(m or 0), kinds[(offset + key + row) % len(kinds)])
                  for row, m in enumerate(row_max)])
    for row in np.flatnonzero(blind).tolist():
        row_max[row] = None if g.integers(0, 2) else row_max[row]
    return BlockStimulus(z, row_max, draw_shift(g, size), draw_v_mult(g, keys), tau, int(g.integers(4)))


def plain_block(g: np.random.Generator, size: Geometry, keys: int, distance: Sequence[int | None],
                shift: Sequence[int], tau: int = 0) -> BlockStimulus:
    """Row r has ``distance[r]`` in every key, and ``shift[r]``; values as they are, running maxima far from both ends."""
    row_max: list[int | None] = g.integers(-200, 200, size.rows).tolist()
    z = [[score(int(m or 0), d) for m, d in zip(row_max, distance, strict=True)] for _ in range(keys)]
    return BlockStimulus(z, row_max, list(shift), [V_MULT_ONE] * keys, tau, int(g.integers(3)))


def tile_of(blocks: list[BlockStimulus], bank: int) -> list[BlockStimulus]:
    """The blocks as one tile in ``bank``."""
    for i, block in enumerate(blocks):
        block.bank, block.first, block.last = bank, i == 0, i == len(blocks) - 1
    return blocks


def draw_tiles(g: np.random.Generator, size: Geometry, lengths: Sequence[Sequence[int]]) -> list[list[BlockStimulus]]:
    """A tile per entry of ``lengths`` (keys of its blocks) that is legal, in banks in turn; every threshold in turn."""
    number = count(int(g.integers(size.tau_max + 1)))
    legal = [keys for keys in lengths if sum(keys) <= size.max_keys]
    return [tile_of([draw_block(g, size, n, next(number) % (size.tau_max + 1)) for n in keys], i % 2)
            for i, keys in enumerate(legal)]


def interleaved(g: np.random.Generator, tiles: list[list[BlockStimulus]]) -> list[BlockStimulus]:
    """All blocks; those of each bank keep their order, the two banks take turns at random."""
    left = [[block for tile in tiles for block in tile if block.bank == bank] for bank in (0, 1)]
    out = []
    while left[0] or left[1]:
        bank = int(g.integers(2))
        out.append(left[bank if left[bank] else 1 - bank].pop(0))
    return out
