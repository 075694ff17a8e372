"""Sequences of keys for ``fcim_score_lanes``: one cycle of all lanes at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.hardware.config import MULT_BITS
from tb.common import spec
from tb.common.geometry import Geometry


def column(g: np.random.Generator, size: Geometry) -> dict[str, Any]:
    """Inner products of random operands; one key or row in four is constant, most often -128 or 127: the largest sums."""
    def vector() -> np.ndarray:
        if g.integers(0, 4):
            return g.integers(-128, 128, size.head_dim)
        return np.full(size.head_dim, g.choice([-128, 127, -128, 127, 0, int(g.integers(-128, 128))]))

    k, q = vector(), [vector() for _ in range(size.lanes)]
    return {"u": [int((r + 128) @ (k + 128)) for r in q], "ksum": int((k + 128).sum()), "q_sum": [int(r.sum()) for r in q],
            "score": [spec.score(r.tolist(), k.tolist()) for r in q]}


def random_cycle(g: np.random.Generator, size: Geometry, z_max: int) -> dict[str, Any]:
    """Multipliers and a shift that spread z over anything from one octave to far beyond ``z_max``; positions close together."""
    c = column(g, size)
    bits = int(g.integers(1, MULT_BITS + 1))
    mult = [int(x) for x in g.integers(0, 2**bits, size.lanes + 1)]
    centre = 14 + (size.head_dim.bit_length() - 1) // 2 + 2 * bits - int(g.integers(6, 24))
    k_pos = int(g.integers(0, size.padding))
    near = np.clip(k_pos + g.integers(-2, 3, size.lanes), 0, size.padding - 1)
    pos = [int(x) if g.integers(0, 3) else int(g.integers(0, size.padding)) for x in near]
    if not g.integers(0, 10):
        k_pos = size.padding
    return {**c, "k_pos": k_pos, "k_mult": mult[-1], "pos": pos, "mult": mult[:-1],
            "used": (g.integers(0, 8, size.lanes) > 0).tolist(),
            "shift": int(g.integers(0, 64)) if not g.integers(0, 8) else min(max(centre, 0), 63)}


def edge_lane(g: np.random.Generator, limit: int, k_mult: int, shift: int, z_max: int) -> tuple[int, int]:
    """A score and a multiplier that bring z to an end of its range, to a neighbour of it, or to a half."""
    step = 1 << shift
    if g.integers(0, 3):
        sign = int(g.choice([1, -1]))
        end = z_max + 1 if sign > 0 else 2**19
        target = sign * ((end - int(g.integers(-1, 3))) * step + int(g.integers(-1, 2)) * (step >> 1))
    else:
        target = (2 * int(g.integers(-9, 9)) + 1) * step >> 1
    if k_mult >= 2**15:  # of large numbers the products lie close enough
        s = int(g.integers(limit // 2, limit)) * (1 if target > 0 else -1)
        return s, min(max(target // (s * k_mult), 0), 2**16 - 1)
    mult = int(g.choice([1, 2, 3, 4, 256]))
    return min(max(target // (mult * k_mult), -limit), limit), mult


def edge_cycle(g: np.random.Generator, size: Geometry, z_max: int) -> dict[str, Any]:
    """Every row visible; z lands on both ends of its range, one step beside them, and on halves that must round up."""
    limit = size.head_dim << 14
    k_mult, shift = int(g.choice([1, 2, 4, 512])), int(g.integers(0, 10))
    if g.integers(0, 2):
        k_mult, shift = int(g.integers(2**15, 2**16)), 25 + size.head_dim.bit_length() - 1
    ksum = 128 * size.head_dim + int(g.integers(-9, 10))
    scores, mults = zip(*(edge_lane(g, limit, k_mult, shift, z_max) for _ in range(size.lanes)), strict=True)
    sums = g.integers(-9, 10, size.lanes).tolist()
    u = [s + 128 * (ksum + qs) for s, qs in zip(scores, sums)]
    clipped = [min(max(x, 0), 2**size.ip_bits - 1) for x in u]
    scores = [c - 128 * (ksum + qs) for c, qs in zip(clipped, sums)]
    return {"u": clipped, "ksum": ksum, "q_sum": sums, "score": scores, "k_pos": 3, "k_mult": k_mult, "pos": [3] * size.lanes,
            "mult": list(mults), "used": [True] * size.lanes, "shift": shift}
