"""Every rounding, truncation and saturation of the engine, one named function each.

All take and give int64 tensors, but for the table of probabilities, which serves code with many scores at once. The RTL has a
function or module for each; ``docs/numbers.md`` holds the formulas.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from models.hardware.config import OUT_BITS, OUT_FRAC, SHIFT_BITS, V_MULT_BITS, Z_BITS, Z_FRAC

_CPU = torch.device("cpu")
EXP2_INDEX_BITS = 5
EXP2_LOW_BITS = Z_FRAC - EXP2_INDEX_BITS
MANT_FRAC = 16
PROB_SHIFT_ZERO = MANT_FRAC + 2  # from this shift on, a rounded probability is 0
MASKED = -(1 << (Z_BITS - 1))
Z_MAX = -MASKED - 1
LOWEST_ROW_MAX = MASKED >> Z_FRAC   # of a row that has seen no key
MAX_SHIFT = (1 << SHIFT_BITS) - 1

# T[i] = floor(2^(16 + i/32) + 1/2): knots of 2^f on [0, 1], 16 fraction bits
EXP2_KNOTS = torch.tensor([int(2.0 ** (MANT_FRAC + i / 32) + 0.5) for i in range(33)], dtype=torch.int64)


def round_shift(x: Tensor, shift: Tensor | int) -> Tensor:
    """``x / 2**shift`` rounded to nearest, halves towards plus infinity; ``shift`` 0 to 63."""
    shift = torch.as_tensor(shift, dtype=torch.int64)
    # in two steps, so that neither the half nor the sum can leave 64 bits
    floor = x >> torch.clamp(shift - 1, min=0)
    return torch.where(shift > 0, (floor + 1) >> 1, floor)


def scale_score(score: Tensor, q_mult: Tensor, k_mult: Tensor, shift: int, z_max: int = Z_MAX) -> tuple[Tensor, Tensor]:
    """Scores to base-2 logarithms: ``(z, saturated)``.

    Args:
        score: exact inner products ``[..., R, n]``.
        q_mult: ``[..., R]``, unsigned 16 bits. k_mult: ``[..., n]``, unsigned 16 bits.
        shift: 0 to 63. z_max: the largest there is, see :attr:`models.hardware.config.EngineConfig.z_max`.
    """
    z = round_shift(score * (q_mult.unsqueeze(-1) * k_mult.unsqueeze(-2)), shift)
    clamped = z.clamp(-Z_MAX, z_max)
    return clamped, clamped != z


def row_max_candidate(zmax: Tensor) -> Tensor:
    """The running maximum that a block's maximum asks for: its floor in log2 units."""
    return zmax >> Z_FRAC


def exp2_mantissa(fraction: Tensor) -> Tensor:
    """``2**(fraction / 1024)`` for ``fraction`` 0 to 1023, 16 fraction bits: 32 chords."""
    index = fraction >> EXP2_LOW_BITS
    low = fraction & ((1 << EXP2_LOW_BITS) - 1)
    base = EXP2_KNOTS[index]
    return base + round_shift((EXP2_KNOTS[index + 1] - base) * low, EXP2_LOW_BITS)


def probability(z: Tensor, row_max: Tensor, tau: int, prob_bits: int) -> Tensor:
    """``2**(z - row_max)`` with 1.0 = ``2**(prob_bits - 1 - tau)``; 0 where ``z`` is MASKED.

    With 8 or 9 bits the largest fractions would round up to ``2**prob_bits``; they are clamped below it.
    """
    d = z - (row_max << Z_FRAC)
    shift = MANT_FRAC - (prob_bits - 1) + tau - (d >> Z_FRAC)
    mantissa = exp2_mantissa(d & ((1 << Z_FRAC) - 1))
    # two bits more than 16 make a shift of 0 or of one to the left
    p = round_shift(mantissa << 2, shift.clamp(max=PROB_SHIFT_ZERO) + 2).clamp(max=(1 << prob_bits) - 1)
    return torch.where(z == MASKED, torch.zeros_like(p), p)


def scale_probability(p: Tensor, v_mult: Tensor) -> Tensor:
    """``p * (v_mult + 1) / 16`` rounded to nearest: a probability as the accumulators take it.

    Args:
        p: ``[..., R, n]``. v_mult: scale of each key's value, ``[..., n]``, 0 to 15; 15 changes nothing.
    """
    return round_shift(p * (v_mult.unsqueeze(-2) + 1), V_MULT_BITS)


def skip_span(tau: int, prob_bits: int, octaves: int) -> int:
    """Octaves below the running maximum from which on a score counts as nothing when a block is judged.

    ``octaves`` 0, or more than there are, stands for the exact limit: what lies below it has probabilities of 0.
    """
    exact = prob_bits - tau
    return min(octaves, exact) if octaves else exact


def lowest_distance(tau: int, prob_bits: int) -> int:
    """The largest distance from the running maximum, in units of z, whose probability is 0; so is that of every one below it."""
    return ((tau - prob_bits) << Z_FRAC) - 1


@lru_cache
def probability_table(tau: int, prob_bits: int, device: torch.device = _CPU) -> Tensor:
    """Probabilities by distance from the running maximum in units of z, float64 ``[n]``; shared by all callers:
    not to be changed.

    Entry i is that of the distance ``lowest_distance(tau, prob_bits) + i``. A caller clamps the index: entry 0 stands for
    all smaller distances (and for hidden scores), the last for the largest that a threshold of ``tau`` leaves,
    ``((tau + 1) << Z_FRAC) - 1``.
    """
    distances = torch.arange(lowest_distance(tau, prob_bits), (tau + 1) << Z_FRAC, device=_CPU)
    return probability(distances, torch.tensor(0, device=_CPU), tau, prob_bits).double().to(device)


def block_bound(zmax: Tensor, row_max: Tensor, tau: int, prob_bits: int, keys_per_block: int) -> Tensor:
    """At least what a block adds to a row sum: ``keys_per_block`` times the least power of two that no probability of the row in
    the block exceeds; 0 where all of them are 0.

    Args:
        zmax: the row's largest scaled score in the block, MASKED where it sees none of its keys. row_max: its running maximum.
    """
    exponent = row_max_candidate(zmax) - row_max + prob_bits - tau
    return torch.where((zmax != MASKED) & (exponent >= 0), keys_per_block << exponent.clamp(min=0), torch.zeros_like(zmax))


def ceil_shift(x: Tensor, shift: Tensor) -> Tensor:
    """``x / 2**shift`` rounded up: at least :func:`round_shift` of anything up to ``x``."""
    return -(-x >> shift)


def clamp_rescale(amount: Tensor) -> Tensor:
    """A rescale amount as the shift field carries it."""
    return amount.clamp(max=MAX_SHIFT)


def normalise(acc: Tensor, row_sum: Tensor) -> Tensor:
    """``round(acc * 2**8 / row_sum)``, halves away from zero, saturated to 16 bits; 0 where ``row_sum`` is 0.

    Args:
        acc: ``[..., R, D]``. row_sum: ``[..., R]``, not negative.
    """
    divisor = row_sum.clamp(min=1).unsqueeze(-1)
    magnitude = ((acc.abs() << (OUT_FRAC + 1)) + divisor) // (2 * divisor)
    top = 1 << (OUT_BITS - 1)
    out = torch.where(acc < 0, -magnitude.clamp(max=top), magnitude.clamp(max=top - 1))
    return torch.where(row_sum.unsqueeze(-1) == 0, torch.zeros_like(out), out)
