"""Coverpoints of scaled scores, running maxima, probabilities and row sums. Sampled from a run's record."""

from __future__ import annotations

import numpy as np

from models.hardware import numerics as nx
from models.hardware.config import V_MULT_BITS, Z_FRAC, EngineConfig
from models.hardware.tile import V_MULT_ONE, TileJob
from scripts.flow.coverage.functional import CoverGroup, CoverPoint
from tb.common.coverage import CUT_OFF, ROUNDING_AXES, cut_off, digitise, numbers
from tb.core.coverage.internals import Internals

SCALING = (
    CoverPoint("scale.shift", "fcim_score_scaler", "Shifts of scaled scores",
               ("0", "1", "2 to 20", "21 to 40", "41 to 62", "63")),
    *(CoverPoint(f"scale.{name}_mult", "fcim_score_lanes", f"Multipliers of {what}, all 16 bits unsigned",
                 ("0", "1", "2 to 32767", "32768 to 65534", "65535")) for name, what in (("q", "rows"), ("k", "keys"))),
    CoverPoint("scale.score", "fcim_score_lanes", "Inner products, the largest and smallest possible among them",
               ("smallest: -128 by 127", "negative", "0", "positive", "largest: -128 by -128")),
    CoverPoint("scale.z", "fcim_score_lanes", "Scaled scores of visible elements against the ends of their range",
               ("clamped below", "lowest", "negative", "0", "positive", "highest", "clamped above")),
    CoverPoint("scale.clamped", "fcim_score_lanes", "Clamped scores count only where a row sees the key", ("visible", "hidden")),
    CoverPoint("scale.rounding", "fcim_score_lanes", "What a shift of 1 or more cuts off, for both signs; halves round up",
               axes=ROUNDING_AXES),
)

REFERENCE = (
    CoverPoint("maximum.lazy", "fcim_online_softmax",
               "For every tau: a block's candidate just below, at, just above the running maximum plus tau, and far above; only "
               "from one above on it moves",
               axes=(("tau", numbers(*range(9))), ("candidate", ("far below", "1 below", "at", "1 above", "far above")))),
    CoverPoint("maximum.first", "fcim_online_softmax", "The running maximum that a row's first visible block sets",
               ("lowest: -512", "negative", "0", "positive", "highest: 511")),
    CoverPoint("maximum.moved_by", "fcim_online_softmax", "Rescale amounts against the widths of sums, accumulators and shift",
               ("0", "1", "2 to 7", "8 to below the sum's width", "the sum's width", "between the widths",
                "the accumulator's width", "up to 62", "63", "64", "65 or more")),
    CoverPoint("maximum.rows_moved", "fcim_online_softmax", "Rows of a tile that one block rescales",
               ("none", "one", "some", "all")),
    CoverPoint("maximum.moves_of_row", "fcim_online_softmax", "Rescales of a row over its tile", ("0", "1", "2", "3 or more")),
    CoverPoint("maximum.max_block", "fcim_online_softmax", "The block that holds a row's maximum",
               ("only", "first", "middle", "last")),
    CoverPoint("maximum.max_key", "fcim_online_softmax", "The key of a block that holds the block's maximum of a row",
               ("only", "first", "middle", "last")),
    CoverPoint("maximum.after_first", "fcim_online_softmax", "A row's maximum against that of its first block",
               ("the same block", "the same octave", "higher octave")),
)

PROBABILITIES = (
    CoverPoint("exp.shift", "fcim_exp2", "Right shift of the mantissa and two zeros, of every visible element",
               (*numbers(*range(1, 20)), "20 or more")),
    CoverPoint("exp.segment", "fcim_exp2", "Chord of the exponential, for elements whose probability is not 0",
               numbers(*range(32))),
    CoverPoint("exp.value", "fcim_exp2", "Probabilities",
               ("0, masked", "0, too small", "1", "between", "1.0: at the maximum", "largest code")),
    CoverPoint("exp.clamped", "fcim_exp2", "Narrow probabilities whose rounding reaches 2**PROB_BITS are clamped",
               ("8 bits", "9 bits")),
    CoverPoint("exp.v_mult", "fcim_block_exponential", "Multipliers of the values of blocks that run, and whether these rescale",
               axes=(("multiplier", ("0", "1 to 14", "15")), ("in its block", ("with others", "alone")),
                     ("block", ("rescales", "does not")))),
    CoverPoint("exp.weighed", "fcim_block_exponential",
               "What the rounding cuts off a probability times its value's multiplier", CUT_OFF),
    CoverPoint("exp.zero_block", "fcim_online_softmax", "Blocks whose probabilities are all 0, and why",
               ("not zero", "nothing visible", "all too small")),
    CoverPoint("sum.rescaled", "fcim_online_softmax", "What a rescale leaves of a row sum, and how it rounds",
               ("exact", "rounded down", "a half, rounded up", "rounded up", "rounded to 0")),
    CoverPoint("sum.bits", "fcim_online_softmax", "Width of a row's final sum, up to its bound",
               ("0", "less than PROB_BITS", "PROB_BITS or more", "SUM_BITS, all there are")),
)

COVERPOINTS: tuple[CoverPoint, ...] = (*SCALING, *REFERENCE, *PROBABILITIES)

_LIMIT = -nx.MASKED - 1
_OCTAVE = 1 << Z_FRAC
# lowest, negative, 0, positive, highest; clamping is told apart afterwards
_Z_STARTS = (-_LIMIT, -_LIMIT + 1, 0, 1, _LIMIT)
_FIRST_STARTS = (-512, -511, 0, 1, 511)
_SHIFT_STARTS = (0, 1, 2, 21, 41, 63)
_MULT_STARTS = (0, 1, 2, 32768, 65535)


def sample_softmax(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    """All number rules from the score to the row sum."""
    _scaling(cov, tile, inner)
    _row_maxima(cov, cfg, tile, inner)
    _maxima(cov, inner)
    _probabilities(cov, cfg, tile, inner)
    _weights(cov, cfg, tile, inner)
    _sums(cov, cfg, inner)


def _scaling(cov: CoverGroup, tile: TileJob, inner: Internals) -> None:
    cov.sample_array("scale.shift", digitise(np.array([tile.shift]), _SHIFT_STARTS))
    cov.sample_array("scale.q_mult", digitise(tile.q_mult.numpy(), _MULT_STARTS))
    cov.sample_array("scale.k_mult", digitise(tile.k_mult.numpy(), _MULT_STARTS))
    keys = inner.visible.shape[1]
    z = inner.z.reshape(len(inner.z), -1)[:, :keys]
    cov.sample_array("scale.z", np.where(inner.saturated, np.where(z > 0, 6, 0), digitise(z, _Z_STARTS) + 1)[inner.visible])
    cov.sample("scale.clamped", "visible", int((inner.saturated & inner.visible).sum()))
    cov.sample("scale.clamped", "hidden", int((inner.saturated & ~inner.visible).sum()))
    top = tile.q.shape[1] << 14
    cov.sample_array("scale.score", digitise(inner.score, (-top, -top + (top >> 7) + 1, 0, 1, top)))
    if tile.shift:
        low = inner.product & ((1 << tile.shift) - 1)
        cov.sample_array("scale.rounding", (inner.product >= 0).astype(np.int64), cut_off(low, tile.shift))


def _row_maxima(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    seen = inner.visible_keys > 0
    again = seen & inner.known
    beyond = inner.over[again] - tile.tau
    cov.sample_array("maximum.lazy", np.full(len(beyond), tile.tau), np.clip(beyond, -2, 2) + 2)
    cov.sample_array("maximum.first", digitise(inner.row_max[seen & ~inner.known], _FIRST_STARTS))
    starts = (0, 1, 2, 8, cfg.sum_bits, cfg.sum_bits + 1, cfg.acc_bits, cfg.acc_bits + 1, 63, 64, 65)
    cov.sample_array("maximum.moved_by", digitise(inner.amount[again], starts))
    moved = (inner.amount > 0).sum(0)
    cov.sample_array("maximum.rows_moved", np.where(moved == 0, 0, np.where(
        moved == len(seen), 3, np.where(moved == 1, 1, 2))))
    cov.sample_array("maximum.moves_of_row", np.minimum((inner.amount > 0).sum(1), 3))


def _maxima(cov: CoverGroup, inner: Internals) -> None:
    zmax, (rows, blocks, _) = inner.zmax, inner.z.shape
    seeing = np.flatnonzero((zmax != nx.MASKED).any(1))
    best = zmax[seeing].argmax(1)
    cov.sample_array("maximum.max_block", np.zeros_like(best) if blocks == 1 else
                      np.where(best == 0, 1, np.where(best == blocks - 1, 3, 2)))
    where, sizes = inner.z.argmax(2), np.broadcast_to(inner.sizes, (rows, blocks))
    key = np.where(sizes == 1, 0, np.where(where == 0, 1, np.where(where == sizes - 1, 3, 2)))
    cov.sample_array("maximum.max_key", key[inner.visible_keys > 0])
    first = (zmax[seeing] != nx.MASKED).argmax(1)
    start, top = zmax[seeing, first] >> Z_FRAC, zmax[seeing].max(1) >> Z_FRAC
    cov.sample_array("maximum.after_first", np.where(best == first, 0, np.where(start == top, 1, 2)))


def _probabilities(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    visible = inner.z != nx.MASKED
    shown = visible & (inner.ran | ~inner.lossy)[:, None]
    p, d = inner.p[shown], (inner.z - (inner.row_max[..., None] << Z_FRAC))[shown]
    shift = 19 - cfg.prob_bits + tile.tau - (d >> Z_FRAC)
    cov.sample_array("exp.shift", np.minimum(shift, 20) - 1)
    fraction = d & (_OCTAVE - 1)
    cov.sample_array("exp.segment", (fraction >> nx.EXP2_LOW_BITS)[p > 0])
    largest = (1 << cfg.prob_bits) - 1
    cov.sample_array("exp.value", np.where(p == 0, 1, np.where(p == largest, 5, np.where(d == 0, 4, np.where(p == 1, 2, 3)))))
    cov.sample("exp.value", "0, masked", int(inner.sizes.sum()) * len(inner.z) - int(visible.sum()))
    if cfg.prob_bits in (8, 9) and (p == largest).any():
        # the mantissa from which rounding reaches 2**PROB_BITS
        top = (p == largest) & (shift == 19 - cfg.prob_bits)
        mantissa = nx.EXP2_KNOTS.numpy()[fraction[top] >> nx.EXP2_LOW_BITS]
        low = fraction[top] & ((1 << nx.EXP2_LOW_BITS) - 1)
        chord = nx.EXP2_KNOTS.numpy()[(fraction[top] >> nx.EXP2_LOW_BITS) + 1] - mantissa
        mantissa = mantissa + ((chord * low + 16) >> nx.EXP2_LOW_BITS)
        s = 19 - cfg.prob_bits
        cov.sample("exp.clamped", f"{cfg.prob_bits} bits", int(((4 * mantissa + (1 << s >> 1)) >> s > largest).sum()))
    any_p, any_seen = inner.p.any((0, 2)), (inner.visible_keys > 0).any(0)
    cov.sample_array("exp.zero_block", np.where(any_p, 0, np.where(any_seen, 2, 1)))


def _weights(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    v_mult = tile.v_mult.numpy()
    for block in np.flatnonzero(inner.ran):
        part = v_mult[block * cfg.keys_per_block:][:inner.sizes[block]]
        kinds = digitise(part, (0, 1, V_MULT_ONE))
        alone, still = int((part == part[0]).all()), int(not (inner.amount[:, block] > 0).any())
        cov.sample_array("exp.v_mult", kinds, np.full(len(part), alone), np.full(len(part), still))
        p = inner.p[:, block, :len(part)]
        cov.sample_array("exp.weighed", cut_off((p * (part + 1) & V_MULT_ONE)[p > 0], V_MULT_BITS))


def _sums(cov: CoverGroup, cfg: EngineConfig, inner: Internals) -> None:
    moved = inner.amount > 0
    before, shift = inner.before[moved], np.minimum(inner.amount[moved], nx.MAX_SHIFT)
    kind = cut_off(before & ((np.int64(1) << shift) - 1), shift)
    rest = (before >> (shift - 1)) + 1 >> 1
    cov.sample_array("sum.rescaled", np.where((rest == 0) & (before > 0), 4, kind))
    total = inner.row_sum
    cov.sample_array("sum.bits", digitise(total, (0, 1, 1 << (cfg.prob_bits - 1), 1 << (cfg.sum_bits - 1))))
