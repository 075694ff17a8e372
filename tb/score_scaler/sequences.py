"""Sequences of tiles for ``fcim_score_scaler`` and ``fcim_online_softmax``: row tables and columns of inner products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.hardware.config import V_MULT_BITS
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.stream import Beat

V_MULT_ONE = (1 << V_MULT_BITS) - 1    # a value as it is
SPREADS = (9, 12, 16, 20)  # log2 of the spread of the scaled scores: flat to often saturated


@dataclass
class TileStimulus:
    """One tile: rows as ``(pos, mult, sum)``, keys as ``(scores of the rows, ksum, pos, mult)``.

    ``v_mult``: the multipliers of all keys' values; without it they are drawn with the columns.
    """

    rows: list[tuple[int, int, int]]
    keys: list[tuple[list[int], int, int, int]]
    shift: int
    tau: int = 0
    fused: bool = False
    skip: bool = False
    v_mult: list[int] | None = None
    octaves: int = 0
    partial: bool = False

    def beats(self, size: Geometry, bank: int, g: np.random.Generator) -> list[Beat]:
        """The columns. Rows that are not used carry noise."""
        beats, v_mult = [], draw_v_mult(g, len(self.keys)) if self.v_mult is None else self.v_mult
        for j, (scores, ksum, pos, mult) in enumerate(self.keys):
            u = [s + 128 * (ksum + row[2]) for s, row in zip(scores, self.rows, strict=True)]
            assert min(u) >= 0 and max(u) < 2**size.ip_bits, "the stimulus is not a legal inner product"
            noise = g.integers(0, 2**size.ip_bits, size.rows - len(u)).tolist()
            beats.append({"data": pack([*u, *noise], size.ip_bits), "ksum": ksum, "pos": pos, "mult": mult,
                          "v_mult": v_mult[j], "bank": bank, "last": int(j == len(self.keys) - 1)})
        return beats


def draw_v_mult(g: np.random.Generator, keys: int) -> list[int]:
    """Multipliers of a tile's values: all as they are, as in one tile of four; any; the ends of the range."""
    kind = int(g.integers(0, 4))
    return ([V_MULT_ONE] * keys if kind == 0 else g.choice([0, V_MULT_ONE], keys).tolist() if kind == 1 else
            g.integers(0, V_MULT_ONE + 1, keys).tolist())


def offsets(g: np.random.Generator, size: Geometry, rows: int, keys: int) -> tuple[list[int], list[int]]:
    """Sums of Q's rows and of K's rows with which any score is a legal inner product."""
    dim = size.head_dim
    return g.integers(-8 * dim, 8 * dim + 1, rows).tolist(), g.integers(136 * dim, 200 * dim, keys).tolist()


def random_tile(g: np.random.Generator, size: Geometry, rows: int, keys: int, tau: int = 0,
                spread: int | None = None) -> TileStimulus:
    """Random scores of a random (or the given) spread, multipliers of random width, positions of all kinds."""
    sums, ksums = offsets(g, size, rows, keys)
    bits, spread = int(g.integers(2, 17)), int(g.choice(SPREADS)) if spread is None else spread
    scores = g.integers(-size.score_limit, size.score_limit + 1, (keys, rows)) >> g.integers(0, 12, (keys, rows))
    shift = min(max(12 + size.head_dim.bit_length() + 2 * bits - 1 - spread, 0), 63)
    top = min(2 * keys, size.padding - 1)
    q_pos, k_pos = g.integers(0, top + 1, rows), g.integers(0, top + 1, keys)
    k_pos[g.integers(0, 8, keys) == 0] = size.padding
    if not g.integers(0, 4):
        q_pos[:] = top  # all but padding is visible
    return TileStimulus([*zip(q_pos.tolist(), g.integers(0, 2**bits, rows).tolist(), sums)],
                        [*zip(scores.tolist(), ksums, k_pos.tolist(), g.integers(0, 2**bits, keys).tolist())], shift, tau)
