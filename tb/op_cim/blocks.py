"""Key blocks as the softmax unit hands them to ``fcim_op_cim``, and the accumulators that they must give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MIN_BYTE = -128
STYLES = ("mixed", "largest", "smallest")


@dataclass(frozen=True)
class Sizes:
    """Parameters of the unit and what docs/engine.md derives from them."""

    rows: int
    head_dim: int
    bits_per_cycle: int
    keys_per_block: int
    prob_bits: int
    max_keys: int

    @classmethod
    def of(cls, dut: Any) -> Sizes:
        """The parameters with which ``dut`` was built."""
        names = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS")
        return cls(*(int(getattr(dut, name).value) for name in names))

    @property
    def cpk(self) -> int:
        """CYCLES_PER_KEY; also the number of groups of rows."""
        return 8 // self.bits_per_cycle

    @property
    def lanes(self) -> int:
        """Rows of a group."""
        return self.rows // self.cpk

    @property
    def columns(self) -> int:
        """Columns of O in a slice."""
        return self.head_dim // self.keys_per_block

    @property
    def block_cycles(self) -> int:
        """Cycles between two blocks."""
        return self.keys_per_block * self.cpk

    @property
    def read_columns(self) -> int:
        """Accumulators of one read."""
        return self.head_dim // self.cpk

    @property
    def sum_bits(self) -> int:
        """BSUM_BITS."""
        return self.prob_bits + (self.keys_per_block - 1).bit_length()

    @property
    def acc_bits(self) -> int:
        """ACC_BITS."""
        return self.prob_bits + (self.max_keys - 1).bit_length() + 8


@dataclass
class Block:
    """One key block: ``p`` [n, rows] unsigned, ``v`` [n, head_dim] signed, ``shift`` [rows]."""

    number: int
    tile: int
    first: bool
    last: bool
    p: np.ndarray
    v: np.ndarray
    shift: np.ndarray
    gap: int
    after: np.ndarray | None = None  # the tile's accumulators [rows, head_dim] after this block

    @property
    def keys(self) -> int:
        """Keys of the block."""
        return len(self.p)

    @property
    def slot(self) -> int:
        """Buffer that its probabilities take: they alternate."""
        return self.number % 2

    @property
    def bank(self) -> int:
        """Accumulators of its tile: they alternate."""
        return self.tile % 2

    def bits(self, size: Sizes) -> np.ndarray:
        """Active bit-lines [slice, cycle of the slice]: ones of v' = v + 128 of the keys that the block has, MSB first."""
        planes = ((self.v[:, :, None] + 128) >> np.arange(7, -1, -1)) & 1
        per_bit = planes.sum(axis=0).reshape(size.keys_per_block, size.columns, 8).sum(axis=1)
        return per_bit.reshape(size.keys_per_block, size.cpk, size.bits_per_cycle).sum(axis=2)

    def slice_bytes(self, size: Sizes, index: int) -> np.ndarray:
        """v' of a slice, [key * COLUMNS + column]; zero for keys that the block lacks."""
        out = np.zeros((size.keys_per_block, size.columns), dtype=np.int64)
        out[: self.keys] = self.v[:, index * size.columns : (index + 1) * size.columns] + 128
        return out.reshape(-1)


def round_shift(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """To nearest, halves towards plus infinity; element by element. No overflow: |x| < 2**40 and s <= 63."""
    return (x + np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0)) >> s


def accumulate(old: np.ndarray, block: Block) -> np.ndarray:
    """``O := round_shift(O, shift) + sum_j p_ij v_jd``; O is 0 before a tile's first block."""
    if block.first:
        old = np.zeros_like(old)
    return round_shift(old, np.broadcast_to(block.shift[:, None], old.shape)) + block.p.T @ block.v


def draw_p(generator: np.random.Generator, size: Sizes, keys: int, style: str) -> np.ndarray:
    """Probabilities [keys, rows]; "mixed" has rows of zeros, of maxima and of every magnitude."""
    top = (1 << size.prob_bits) - 1
    if style != "mixed":
        return np.full((keys, size.rows), top)
    p = generator.integers(0, top + 1, (keys, size.rows)) >> generator.integers(0, size.prob_bits + 1, (keys, size.rows))
    kind = generator.integers(0, 8, size.rows)
    p[:, kind == 0] = 0
    p[:, kind == 1] = top
    return p


def draw_v(generator: np.random.Generator, size: Sizes, keys: int, style: str) -> np.ndarray:
    """Values [keys, head_dim]; "largest" is 127 and "smallest" -128 everywhere."""
    if style != "mixed":
        return np.full((keys, size.head_dim), 127 if style == "largest" else MIN_BYTE)
    v = generator.integers(-128, 128, (keys, size.head_dim))
    return np.where(generator.integers(0, 4, v.shape) == 0, generator.choice([MIN_BYTE, -1, 0, 127], v.shape), v)


def draw_shift(generator: np.random.Generator, size: Sizes) -> np.ndarray:
    """Shifts [rows]: 0, 1, small, any, and 63, which leaves 0."""
    kind = generator.integers(0, 6, size.rows)
    choices = [np.zeros(size.rows, dtype=np.int64), np.zeros(size.rows, dtype=np.int64), np.ones(size.rows, dtype=np.int64),
               generator.integers(1, 8, size.rows), generator.integers(0, 64, size.rows), np.full(size.rows, 63)]
    return np.choose(kind, choices)


def draw_blocks(generator: np.random.Generator, size: Sizes, lengths: list[int], style: str, *, full: bool,
                gaps: bool) -> list[Block]:
    """Blocks of one tile per entry of ``lengths`` (blocks of the tile), with the accumulators that each must leave.

    Args:
        style: "mixed", or "largest" or "smallest" for the ends of the accumulators' range, then without rescales.
        full: every block has all its keys; else the number is drawn, ends included.
        gaps: random idle cycles before a block.
    """
    blocks: list[Block] = []
    for tile, length in enumerate(lengths):
        acc = np.zeros((size.rows, size.head_dim), dtype=np.int64)
        for i in range(length):
            drawn = int(generator.choice([1, size.keys_per_block, int(generator.integers(1, size.keys_per_block + 1))]))
            keys = size.keys_per_block if full else drawn
            shift = draw_shift(generator, size) if style == "mixed" else np.zeros(size.rows, dtype=np.int64)
            gap = int(generator.integers(0, 3) * generator.integers(0, 2 * size.cpk * size.keys_per_block)) if gaps else 0
            block = Block(len(blocks), tile, i == 0, i == length - 1, draw_p(generator, size, keys, style),
                          draw_v(generator, size, keys, style), shift, gap)
            acc = block.after = accumulate(acc, block)
            blocks.append(block)
        keys_seen = sum(b.keys for b in blocks if b.tile == tile)
        assert keys_seen <= size.max_keys, f"a tile of {keys_seen} keys is illegal for MAX_KEYS = {size.max_keys}"
    return blocks
