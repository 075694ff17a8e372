"""Sequences for ``fcim_divider``: items, and when the enable and a valid are high."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tb.common.geometry import Geometry

Item = tuple[list[int], int]  # accumulators of all lanes, divisor


def always() -> Iterator[bool]:
    """True for ever."""
    while True:
        yield True


def often(generator: np.random.Generator, rate: float) -> Iterator[bool]:
    """True with probability ``rate``, in runs: half of the decisions are kept for a few cycles."""
    while True:
        value = bool(generator.random() < rate)
        yield from [value] * int(generator.integers(1, 5))


def bound(size: Geometry, total: int) -> int:
    """The largest magnitude for the divisor: the unit's header promises exact results below 256 times it; and ACC_BITS."""
    most = (1 << (size.acc_bits - 1)) - 1
    return min(most, 256 * total - 1) if total else most


def draw_items(size: Geometry, generator: np.random.Generator, count: int) -> list[Item]:
    """Divisors of every size; accumulators at halves, beside halves, at saturation, at the ends and between."""
    items = []
    top = (1 << size.sum_bits) - 1
    for i in range(count):
        bits = int(generator.integers(1, size.sum_bits + 1))
        total = (0, 1, 2, 3, top, top - 1, 256, 512, *8 * [int(generator.integers(1 << (bits - 1), 1 << bits))])[i % 16]
        most = bound(size, total)
        accs = []
        for kind in generator.integers(0, 6, size.lanes):
            # (2 * quotient + 1) * total / 512 lies half-way between two quotients: just below and just above it.
            half = (2 * int(generator.integers(0, 32769)) + 1) * total // 512
            magnitude = (half, half + 1, 128 * total + int(generator.integers(-2, 3)), most, 0,
                         int(generator.integers(0, most + 1)))[kind]
            magnitude = min(max(magnitude, 0), most)
            # The negative end of the range is one further out.
            lowest = -magnitude - (magnitude == most < 256 * total - 1)
            accs.append((magnitude, lowest)[int(generator.integers(0, 2))])
        items.append((accs, total))
    return items


def exact_halves(size: Geometry, generator: np.random.Generator, count: int) -> tuple[list[Item], list[list[int]]]:
    """Quotients that end in exactly one half, ``(2 * q + 1) / 2``, both signs; and what they round to, away from zero."""
    items, rounded = [], []
    for _ in range(count):
        factor = int(generator.integers(1, 1 << int(generator.integers(1, size.sum_bits - 8))))
        most = min(32766, (((1 << (size.acc_bits - 1)) - 1) // factor - 1) // 2)
        quotients = generator.integers(0, most + 1, size.lanes).tolist()
        signs = (1 - 2 * generator.integers(0, 2, size.lanes)).tolist()
        items.append(([s * (2 * q + 1) * factor for s, q in zip(signs, quotients, strict=True)], 512 * factor))
        rounded.append([s * (q + 1) for s, q in zip(signs, quotients, strict=True)])
    return items, rounded
