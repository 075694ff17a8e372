"""From float attention tensors to what the engine takes: 8-bit operands, 16-bit multipliers and one shift per group.

Q has a scale per row (token and head), K per key, V per channel, of which a key's 4-bit multiplier takes a part. What is done to
Q, K and V before: :mod:`models.hardware.operands`. The multipliers of rows and keys carry the scale of a score into the engine's
fixed-point logarithm:

    q_mult_i * k_mult_j / 2^shift  =  q_scale_i * k_scale_j * softmax_scale * log2(e) * 2^Z_FRAC

This holds exactly, not nearly: every scale is first rounded up to the next value that a 16-bit multiplier can express,
and the row is quantised with that scale. A group whose rows differ by a factor of 1000 has multipliers of 6 bits for
its small rows; a rounded multiplier would then be wrong by 1 %, a rounded scale costs such a row 1 % of its resolution.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import MULT_BITS, SHIFT_BITS, Z_FRAC
from models.hardware.operands import (
    ALL,
    MULTIPLIERS,
    STRETCHES,
    OperandOptions,
    balance_factors,
    error_weights,
    fitted_units,
    mean_over,
    prepared,
    second_moment,
    value_multipliers,
    value_ranges,
)
from models.hardware.tile import V_MULT_ONE, QuantisedGroup
from models.quality.reference import check_shapes

if TYPE_CHECKING:
    from models.tensors.attention_tensors import AttentionTensors

QMAX = 127  # symmetric: -128 is legal in the engine but never produced here
SHIFT_MAX = (1 << SHIFT_BITS) - 1
MULT_MAX = (1 << MULT_BITS) - 1


def query_heads_of_groups(kv_of_head: list[int]) -> list[list[int]]:
    """The query heads of every group that :func:`quantise` returns, in its order (KV heads without any are left out)."""
    return [[h for h, owner in enumerate(kv_of_head) if owner == kv] for kv in sorted(set(kv_of_head))]


def score_factor(scale: float) -> float:
    """What one unit of a float score (before the softmax scale) is in units of the scaled score ``z``."""
    return scale * math.log2(math.e) * (1 << Z_FRAC)


def _exponent(largest: float) -> int:
    """The exponent e for which ``ceil(largest * 2^e)`` uses all bits of a multiplier and no more."""
    exponent = MULT_BITS - math.frexp(largest)[1]  # largest * 2^exponent is in [2^15, 2^16)
    return exponent - 1 if math.ceil(math.ldexp(largest, exponent)) > MULT_MAX else exponent


def multiplier_exponents(q_largest: float, k_largest: float) -> tuple[int, int]:
    """Exponents of the multipliers of rows and keys; their sum is the shift, 0 to 63.

    Raises:
        FcimError: even a shift of 0 is too much: the scores are beyond what 16-bit multipliers reach.
    """
    if not math.isfinite(q_largest):
        raise FcimError("q times the softmax scale is beyond float64; scale q or the softmax scale down")
    if q_largest == 0.0 or k_largest == 0.0:
        # every score is 0 whatever the multipliers of the other side are, so these need not mean anything
        q_exp = _exponent(q_largest) if q_largest else -_exponent(k_largest) if k_largest else 0
        return q_exp, -q_exp
    q_exp, k_exp = _exponent(q_largest), _exponent(k_largest)
    if q_exp + k_exp < 0:
        raise FcimError(f"scores are too large for the engine: one step of q times one step of k is worth "
                        f"{q_largest * k_largest:.3g} / 2^{Z_FRAC} in log2 units; scale q or k down")
    excess = max(0, q_exp + k_exp - SHIFT_MAX)
    # Beyond a shift of 63 every possible score rounds to z = 0, so giving up multiplier bits loses nothing.
    return q_exp - (excess - excess // 2), k_exp - excess // 2


def snap_scale(scale: Tensor, exponent: int) -> tuple[Tensor, Tensor]:
    """Multipliers (int64) and the scales (float64) that they stand for: ``scale`` rounded up, 0 stays 0."""
    # a power of two as a Python float: torch.ldexp would take it through float32 and overflow from 2^128 on
    mult = torch.where(scale > 0, (scale * 2.0**exponent).ceil().clamp(min=1), 0.0)
    return mult.long(), mult * 2.0**-exponent


def to_codes(x: Tensor, scale: Tensor, limit: int = QMAX) -> Tensor:
    """``round(x / scale)`` clamped to ``+-limit``, as int8; a scale of 0 gives 0. ``scale`` broadcasts against ``x``."""
    safe = torch.where(scale > 0, scale, 1.0)
    return torch.where(scale > 0, (x / safe).round().clamp(-limit, limit), 0.0).to(torch.int8)


def value_scales(v_scale: Tensor, v_mult: Tensor) -> Tensor:
    """What one step of each value's code is worth, float64 ``[..., n, D]``: ``v_scale [..., D]`` times ``(v_mult + 1) / 16``."""
    return v_scale.double().unsqueeze(-2) * ((v_mult.double() + 1) / MULTIPLIERS).unsqueeze(-1)


def prepared_group(q: Tensor, k: Tensor, choice: OperandOptions) -> tuple[Tensor, Tensor]:
    """The float64 ``q [G, Tq, D]`` and ``k [Tk, D]`` of one KV head that are rounded to codes: of the same scores, up to a
    constant per row."""
    q, k = q.double(), k.double()
    mean = k.mean(0) if choice.smooth_k else None
    centred = k if mean is None else k - mean
    factors = balance_factors(q.abs().amax((0, 1)), centred.abs().amax(0)) if choice.balance else None
    return prepared(q, k, mean, factors, choice.rotate)


def _quantise_group(q: Tensor, k: Tensor, v: Tensor, scale: float, choice: OperandOptions) -> QuantisedGroup:
    """One KV head: ``q [G, Tq, D]``, ``k``, ``v [Tk, D]``."""
    q, k = prepared_group(q, k, choice)
    v = v.double()
    factor = score_factor(scale)
    q_unit, k_unit = q.abs().amax(-1) / QMAX * factor, k.abs().amax(-1) / QMAX
    reach = STRETCHES[-1] if choice.fit_scales else 1.0
    q_exp, k_exp = multiplier_exponents(q_unit.max().item() * reach, k_unit.max().item() * reach)
    if choice.fit_scales:
        of_q, of_k = (error_weights(second_moment(x), False) for x in (q.flatten(0, 1), k - mean_over(k, 0)))
        q_unit = fitted_units(q, q_unit, factor, QMAX, of_k, lambda units: snap_scale(units, q_exp)[1])
        k_unit = fitted_units(k, k_unit, 1.0, QMAX, of_q, lambda units: snap_scale(units, k_exp)[1])
    q_mult, q_unit = snap_scale(q_unit, q_exp)
    k_mult, k_scale = snap_scale(k_unit, k_exp)
    q_scale = q_unit / factor
    ranges = value_ranges(v) if choice.v_mult else v.abs().amax(0)
    v_scale = (ranges / QMAX).float()  # float32 first, so that dequantising uses the very same scale
    tq, tk = q.shape[1], k.shape[0]
    v_mult = value_multipliers(v, v_scale.double() * QMAX) if choice.v_mult else torch.full((tk,), V_MULT_ONE)
    return QuantisedGroup(
        q=to_codes(q, q_scale[..., None]), q_mult=q_mult, q_pos=torch.arange(tk - tq, tk),
        k=to_codes(k, k_scale[:, None]), k_mult=k_mult, v=to_codes(v, value_scales(v_scale, v_mult)), v_scale=v_scale,
        shift=q_exp + k_exp, q_scale=q_scale, k_scale=k_scale, v_mult=v_mult)


def quantise(tensors: AttentionTensors, choice: OperandOptions = ALL) -> list[QuantisedGroup]:
    """One :class:`QuantisedGroup` per KV head that has query heads, in the order of :func:`query_heads_of_groups`.

    Args:
        tensors: float q ``[H, Tq, D]``, k and v ``[Hkv, Tk, D]``, softmax scale, KV head of every query head.
        choice: what is done to them first, head by head and from these tensors alone.

    Rows, keys and channels of zeros get operand, scale and multiplier 0. Scores beyond +-512 in log2 units saturate
    in the engine, which counts them; they are not an error here.

    Raises:
        FcimError: shapes do not fit, a value is not finite, the scores are too large for the multipliers, or D is no power of
            two and the choice is to rotate.
    """
    q, k, v = tensors.q, tensors.k, tensors.v
    check_shapes(q, k, v, tensors.kv_of_head)
    for name, x in (("q", q), ("k", k), ("v", v)):
        if not torch.isfinite(x).all():
            raise FcimError(f"{name} holds NaN or infinity; capture the tensors again")
    if not (math.isfinite(tensors.scale) and tensors.scale > 0):
        raise FcimError(f"the softmax scale is {tensors.scale}; it must be a positive number such as head_dim ** -0.5")
    return [_quantise_group(q[heads], k[kv], v[kv], tensors.scale, choice)
            for heads in query_heads_of_groups(tensors.kv_of_head) for kv in [tensors.kv_of_head[heads[0]]]]


def dequantise(group: QuantisedGroup) -> tuple[Tensor, Tensor, Tensor]:
    """Float32 ``q [G, Tq, D]``, ``k [Tk, D]``, ``v [Tk, D]`` that the 8-bit operands stand for.

    ``q`` and ``k`` stay as they were prepared, which changes scores by a constant per row only. Float attention on these has the
    error of the 8-bit operands and none of the engine's.

    Raises:
        FcimError: the group has no float scales (it was not made by :func:`quantise`).
    """
    if group.q_scale is None or group.k_scale is None:
        raise FcimError("this group has no q_scale and k_scale; make it with models.hardware.quantise.quantise")
    return ((group.q * group.q_scale[..., None]).float(), (group.k * group.k_scale[:, None]).float(),
            (group.v * value_scales(group.v_scale, group.v_mult)).float())
