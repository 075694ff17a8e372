"""Samples the scaled scores, references, probabilities and sums of a tile."""

from __future__ import annotations

import numpy as np

from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, HardwareConfig
from models.hardware.tile import TileJob
from scripts.flow.coverage.model import Coverage
from tb.coverage.bins import cut_off, digitise
from tb.coverage.engine_walk import Walk

_LIMIT = -nx.MASKED - 1
_OCTAVE = 1 << Z_FRAC
# lowest, negative, 0, positive, highest; clamping is told apart afterwards
_Z_STARTS = (-_LIMIT, -_LIMIT + 1, 0, 1, _LIMIT)
_FIRST_STARTS = (-512, -511, 0, 1, 511)


def sample_softmax(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    """All number rules from the score to the row sum."""
    _scaling(cov, tile, walk)
    _references(cov, cfg, tile, walk)
    _maxima(cov, walk)
    _probabilities(cov, cfg, tile, walk)
    _sums(cov, cfg, walk)


def _scaling(cov: Coverage, tile: TileJob, walk: Walk) -> None:
    keys = walk.visible.shape[1]
    z = walk.z.reshape(len(walk.z), -1)[:, :keys]
    cov.sample_counts("scale.z", np.where(walk.saturated, np.where(z > 0, 6, 0), digitise(z, _Z_STARTS) + 1)[walk.visible])
    cov.sample("scale.clamped", "visible", int((walk.saturated & walk.visible).sum()))
    cov.sample("scale.clamped", "hidden", int((walk.saturated & ~walk.visible).sum()))
    top = tile.q.shape[1] << 14
    cov.sample_counts("scale.score", digitise(walk.score, (-top, -top + (top >> 7) + 1, 0, 1, top)))
    if tile.shift:
        low = walk.product & ((1 << tile.shift) - 1)
        cov.sample_counts("scale.rounding", (walk.product >= 0).astype(np.int64), cut_off(low, tile.shift))


def _references(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    seen = walk.sight > 0
    again = seen & walk.known
    beyond = walk.over[again] - tile.tau
    cov.sample_counts("reference.lazy", np.full(len(beyond), tile.tau), np.clip(beyond, -2, 2) + 2)
    cov.sample_counts("reference.first", digitise(walk.reference[seen & ~walk.known], _FIRST_STARTS))
    starts = (0, 1, 2, 8, cfg.sum_bits, cfg.sum_bits + 1, cfg.acc_bits, cfg.acc_bits + 1, 63, 64, 65)
    cov.sample_counts("reference.moved_by", digitise(walk.amount[again], starts))
    moved = (walk.amount > 0).sum(0)
    cov.sample_counts("reference.rows_moved", np.where(moved == 0, 0, np.where(
        moved == len(seen), 3, np.where(moved == 1, 1, 2))))
    cov.sample_counts("reference.moves_of_row", np.minimum((walk.amount > 0).sum(1), 3))


def _maxima(cov: Coverage, walk: Walk) -> None:
    zmax, (rows, blocks, _) = walk.zmax, walk.z.shape
    sighted = np.flatnonzero((zmax != nx.MASKED).any(1))
    best = zmax[sighted].argmax(1)
    cov.sample_counts("reference.max_block", np.zeros_like(best) if blocks == 1 else
                      np.where(best == 0, 1, np.where(best == blocks - 1, 3, 2)))
    where, sizes = walk.z.argmax(2), np.broadcast_to(walk.sizes, (rows, blocks))
    key = np.where(sizes == 1, 0, np.where(where == 0, 1, np.where(where == sizes - 1, 3, 2)))
    cov.sample_counts("reference.max_key", key[walk.sight > 0])
    first = (zmax[sighted] != nx.MASKED).argmax(1)
    start, top = zmax[sighted, first] >> Z_FRAC, zmax[sighted].max(1) >> Z_FRAC
    cov.sample_counts("reference.after_first", np.where(best == first, 0, np.where(start == top, 1, 2)))


def _probabilities(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    shown = walk.z != nx.MASKED
    p, d = walk.p[shown], (walk.z - (walk.reference[..., None] << Z_FRAC))[shown]
    shift = 17 - cfg.prob_bits + tile.tau - (d >> Z_FRAC)
    cov.sample_counts("exp.shift", np.minimum(shift, 18) - 1)
    fraction = d & (_OCTAVE - 1)
    cov.sample_counts("exp.segment", (fraction >> nx.EXP2_LOW_BITS)[p > 0])
    largest = (1 << cfg.prob_bits) - 1
    cov.sample_counts("exp.value", np.where(p == 0, 1, np.where(p == largest, 5, np.where(d == 0, 4, np.where(p == 1, 2, 3)))))
    cov.sample("exp.value", "0, masked", int(walk.sizes.sum()) * len(walk.z) - len(p))
    if cfg.prob_bits in (8, 9) and (p == largest).any():
        # the mantissa from which rounding reaches 2**PROB_BITS
        top = (p == largest) & (shift == 17 - cfg.prob_bits)
        mantissa = nx.EXP2_KNOTS.numpy()[fraction[top] >> nx.EXP2_LOW_BITS]
        low = fraction[top] & ((1 << nx.EXP2_LOW_BITS) - 1)
        chord = nx.EXP2_KNOTS.numpy()[(fraction[top] >> nx.EXP2_LOW_BITS) + 1] - mantissa
        mantissa = mantissa + ((chord * low + 16) >> nx.EXP2_LOW_BITS)
        s = 17 - cfg.prob_bits
        cov.sample("exp.clamped", f"{cfg.prob_bits} bits", int(((mantissa + (1 << s >> 1)) >> s > largest).sum()))
    any_p, any_seen = walk.p.any((0, 2)), (walk.sight > 0).any(0)
    cov.sample_counts("exp.zero_block", np.where(any_p, 0, np.where(any_seen, 2, 1)))


def _sums(cov: Coverage, cfg: HardwareConfig, walk: Walk) -> None:
    moved = walk.amount > 0
    before, shift = walk.before[moved], np.minimum(walk.amount[moved], nx.MAX_SHIFT)
    kind = cut_off(before & ((np.int64(1) << shift) - 1), shift)
    rest = (before >> (shift - 1)) + 1 >> 1
    cov.sample_counts("sum.rescaled", np.where((rest == 0) & (before > 0), 4, kind))
    total = walk.row_sum
    cov.sample_counts("sum.bits", digitise(total, (0, 1, 1 << (cfg.prob_bits - 1), 1 << (cfg.sum_bits - 1))))
