"""A key block as the softmax unit hands it to ``fcim_op_cim``, and the accumulators that it must leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tb.common.geometry import Geometry
from tb.common.operands import OFFSET


@dataclass
class Block:
    """One key block: ``p`` [n, rows] unsigned, ``v`` [n, head_dim] signed, ``shift`` [rows]; its tile uses the first ``rows``."""

    number: int
    tile: int
    first: bool
    last: bool
    p: np.ndarray
    v: np.ndarray
    shift: np.ndarray
    gap: int
    rows: int
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

    def bits(self, size: Geometry) -> np.ndarray:
        """Active bit-lines [slice, cycle of the slice]: ones of v' = v + 128 of the keys that the block has, MSB first."""
        planes = ((self.v[:, :, None] + OFFSET) >> np.arange(7, -1, -1)) & 1
        per_bit = planes.sum(axis=0).reshape(size.keys_per_block, size.columns, 8).sum(axis=1)
        return per_bit.reshape(size.keys_per_block, size.cpk, size.bits_per_cycle).sum(axis=2)

    def slice_bytes(self, size: Geometry, index: int) -> np.ndarray:
        """v' of a slice, [key * COLUMNS + column]; zero for keys that the block lacks."""
        out = np.zeros((size.keys_per_block, size.columns), dtype=np.int64)
        out[: self.keys] = self.v[:, index * size.columns : (index + 1) * size.columns] + OFFSET
        return out.reshape(-1)


def round_shift(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """To nearest, halves towards plus infinity; element by element. No overflow: |x| < 2**42 and s <= 63."""
    return (x + np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0)) >> s


def accumulate(old: np.ndarray, block: Block) -> np.ndarray:
    """``O := round_shift(O, shift) + sum_j p_ij v_jd``; O is 0 before a tile's first block."""
    if block.first:
        old = np.zeros_like(old)
    return round_shift(old, np.broadcast_to(block.shift[:, None], old.shape)) + block.p.T @ block.v
