"""Sequences of key blocks for ``fcim_op_cim``, with the accumulators that each must leave."""

from __future__ import annotations

import numpy as np

from tb.common.geometry import Geometry
from tb.op_cim.model import Block, accumulate

MIN_BYTE = -128


def draw_p(generator: np.random.Generator, size: Geometry, keys: int, style: str) -> np.ndarray:
    """Probabilities [keys, rows]; "mixed" has rows of zeros, of maxima and of every magnitude."""
    top = (1 << size.prob_bits) - 1
    if style != "mixed":
        return np.full((keys, size.rows), top)
    p = generator.integers(0, top + 1, (keys, size.rows)) >> generator.integers(0, size.prob_bits + 1, (keys, size.rows))
    kind = generator.integers(0, 8, size.rows)
    p[:, kind == 0] = 0
    p[:, kind == 1] = top
    return p


def draw_v(generator: np.random.Generator, size: Geometry, keys: int, style: str) -> np.ndarray:
    """Values [keys, head_dim]; "largest" is 127 and "smallest" -128 everywhere."""
    if style != "mixed":
        return np.full((keys, size.head_dim), 127 if style == "largest" else MIN_BYTE)
    v = generator.integers(-128, 128, (keys, size.head_dim))
    return np.where(generator.integers(0, 4, v.shape) == 0, generator.choice([MIN_BYTE, -1, 0, 127], v.shape), v)


def draw_shift(generator: np.random.Generator, size: Geometry) -> np.ndarray:
    """Shifts [rows]: 0, 1, small, any, and 63, which leaves 0."""
    kind = generator.integers(0, 6, size.rows)
    choices = [np.zeros(size.rows, dtype=np.int64), np.zeros(size.rows, dtype=np.int64), np.ones(size.rows, dtype=np.int64),
               generator.integers(1, 8, size.rows), generator.integers(0, 64, size.rows), np.full(size.rows, 63)]
    return np.choose(kind, choices)


def draw_blocks(generator: np.random.Generator, size: Geometry, lengths: list[int], style: str, *, full: bool,
                gaps: bool, part: bool = False) -> list[Block]:
    """Blocks of one tile per entry of ``lengths`` (blocks of the tile), with the accumulators that each must leave.

    Args:
        style: "mixed", or "largest" or "smallest" for the ends of the accumulators' range, then without rescales.
        full: every block has all its keys; else the number is drawn, ends included, and the first tile of one block has one key.
        gaps: random idle cycles before a block.
        part: tiles use all of the rows, some, one, then some or all; the others have probabilities as well, which nobody reads.
    """
    blocks: list[Block] = []
    shortest = lengths.index(1) if 1 in lengths else None
    for tile, length in enumerate(lengths):
        acc = np.zeros((size.rows, size.head_dim), dtype=np.int64)
        some = int(generator.choice([size.lanes, generator.integers(2, size.rows)]))
        rows = (size.rows, some, 1, int(generator.choice([some, size.rows])))[tile % 4] if part else size.rows
        for i in range(length):
            drawn = int(generator.choice([1, size.keys_per_block, int(generator.integers(1, size.keys_per_block + 1))]))
            keys = size.keys_per_block if full else 1 if tile == shortest else drawn
            shift = draw_shift(generator, size) if style == "mixed" else np.zeros(size.rows, dtype=np.int64)
            gap = int(generator.integers(0, 3) * generator.integers(0, 2 * size.cpk * size.keys_per_block)) if gaps else 0
            block = Block(len(blocks), tile, i == 0, i == length - 1, draw_p(generator, size, keys, style),
                          draw_v(generator, size, keys, style), shift, gap, rows)
            acc = block.after = accumulate(acc, block)
            blocks.append(block)
        keys_seen = sum(b.keys for b in blocks if b.tile == tile)
        assert keys_seen <= size.max_keys, f"a tile of {keys_seen} keys is illegal for MAX_KEYS = {size.max_keys}"
    return blocks
