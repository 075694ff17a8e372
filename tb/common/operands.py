"""Vectors of signed bytes, as rows of Q, keys and values are. The arrays hold them in offset binary: ``x + OFFSET``."""

from __future__ import annotations

import numpy as np

OFFSET = 128
EXTREMES = np.array([-128, -127, -1, 0, 1, 127])


def operands(generator: np.random.Generator, kind: str, count: int, length: int) -> np.ndarray:
    """Vectors [count, length] of one kind; the kinds of bits mean the bits of offset binary.

    Args:
        kind: "random"; "extremes", any of :data:`EXTREMES` in each place; "uniform", one of them throughout a vector;
            "planes", one bit-plane all ones; "onehot", a single one in the whole vector.
    """
    if kind == "random":
        return generator.integers(-128, 128, (count, length))
    if kind == "extremes":
        return generator.choice(EXTREMES, (count, length))
    if kind == "uniform":
        return np.repeat(EXTREMES[np.arange(count) % len(EXTREMES)], length).reshape(count, length)
    if kind == "planes":
        return np.repeat((1 << (np.arange(count) % 8)) - OFFSET, length).reshape(count, length)
    assert kind == "onehot", kind
    values = np.full((count, length), -OFFSET)
    values[np.arange(count), generator.permutation(count) % length] += 1 << (np.arange(count) % 8)
    return values


def mixed_operands(generator: np.random.Generator, count: int, length: int, uniform: int) -> np.ndarray:
    """Vectors [count, length]: random ones, a third of them of :data:`EXTREMES`, one in ``uniform`` of one value throughout."""
    data = generator.integers(-128, 128, (count, length))
    for row in np.flatnonzero(generator.integers(0, 3, count) == 0):
        data[row] = generator.choice(EXTREMES, length)
    for row in np.flatnonzero(generator.integers(0, uniform, count) == 0):
        data[row] = generator.choice(EXTREMES)
    return data
