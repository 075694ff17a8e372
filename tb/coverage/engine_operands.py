"""Samples the operands of a tile: values and bit-planes of Q, K and V."""

from __future__ import annotations

import numpy as np

from models.hardware.tile import TileJob
from scripts.flow.coverage.model import Coverage
from tb.coverage.bins import plane_states

# bin of operand.?_value by code v + 128
_VALUE_BIN = np.concatenate([[0], np.full(127, 1), [2], np.full(126, 3), [4]])


def sample_operands(cov: Coverage, tile: TileJob) -> None:
    """All elements of a tile's Q, K and V."""
    for name, tensor in (("q", tile.q), ("k", tile.k), ("v", tile.v)):
        codes = np.ascontiguousarray(tensor.numpy()).view(np.uint8) ^ np.uint8(0x80)
        histogram = np.bincount(codes.ravel(), minlength=256)
        cov.sample_counts(f"operand.{name}_value", _VALUE_BIN, weights=histogram)
        cov.sample_counts(f"operand.{name}_plane", *plane_states(codes))
