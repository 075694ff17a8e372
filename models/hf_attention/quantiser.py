"""From a sequence's float Q, K, V to the engine's operands, so that no operand depends on what else is computed with it.

A query's and a key's codes, and the multiplier of a key's values, follow from that query or key alone and from statistics that
were fixed before, and not from how a text is split into prefill and decode or from its neighbours in a batch. The multipliers of
queries and keys share one exponent per KV head and call. It follows from the largest magnitudes of the statistics, with room for
four times as much; only rows beyond that change it. Should it change, it still changes no code of rows down to 1/256 of the
largest: scales are rounded up to 8 significant bits, which 16-bit multipliers then hold exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.operands import divided, error_weights, fitted_units, prepared, value_multipliers
from models.hardware.quantise import multiplier_exponents, score_factor, snap_scale, to_codes, value_scales
from models.hardware.tile import V_MULT_ONE, QuantisedGroup
from models.hf_attention.settings import Quantisation
from models.hf_attention.statistics import LayerStatistics

SCALE_BITS = 8
HEADROOM = 4    # how much larger than in the calibration text a row may be before the exponents move


def round_up(scale: Tensor) -> Tensor:
    """``scale`` (float64, not negative) rounded up to ``SCALE_BITS`` significant bits."""
    low = (1 << (53 - SCALE_BITS)) - 1  # of the 53 bits of a float64 the lower ones; a carry runs into the exponent
    return ((scale.contiguous().view(torch.int64) + low) & ~low).view(torch.float64)


def _limit(bits: int) -> int:
    return (1 << (bits - 1)) - 1


def _row_maxima(x: Tensor, grain: str, of_head: Tensor) -> Tensor:
    """The magnitudes that the scales of rows ``x [..., T, D]`` stand for, ``[..., T]``; ``of_head`` ``[...]``."""
    if grain == "token":
        return x.abs().amax(-1)
    largest = of_head if grain == "head" else of_head.amax().expand_as(of_head)
    return largest[..., None].expand(x.shape[:-1])


def _value_ranges(statistics: LayerStatistics, quantisation: Quantisation) -> Tensor:
    """The largest magnitudes ``[Hkv, D]`` that V's scales express."""
    if quantisation.v_grain == "channel":
        return statistics.v_range if quantisation.v_mult else statistics.v_max
    largest = statistics.v_max.amax(-1, keepdim=True) if quantisation.v_grain == "head" else statistics.v_max.amax()
    return largest.expand_as(statistics.v_max)


def quantise_sequence(q: Tensor, k: Tensor, v: Tensor, scale: float, quantisation: Quantisation,
                      statistics: LayerStatistics) -> list[QuantisedGroup]:
    """One :class:`QuantisedGroup` per KV head.

    Args:
        q: ``[H, Tq, D]``, the last ``Tq`` positions of the ``n`` keys. k, v: ``[Hkv, n, D]``; all float64.
        scale: softmax scale. statistics: of the layer; values that exceed them saturate.

    Raises:
        FcimError: a value is not finite, or the scores are too large for the multipliers.
    """
    for name, x in (("q", q), ("k", k), ("v", v)):
        if not torch.isfinite(x).all():
            raise FcimError(f"{name} holds NaN or infinity; the model or its input is broken")
    kv_heads, keys, head_dim = k.shape
    q = q.reshape(kv_heads, -1, q.shape[1], head_dim)  # query head h belongs to KV head h // group
    q_max = statistics.q_max.reshape(kv_heads, -1)
    q, k = prepared(q, k, statistics.k_mean if quantisation.smooth_k else None,
                    statistics.factors if quantisation.balance else None, quantisation.rotate)
    q_limit, k_limit, v_limit = (_limit(bits) for bits in (quantisation.q_bits, quantisation.k_bits, quantisation.v_bits))
    factor = score_factor(scale)
    q_units = divided(_row_maxima(q, quantisation.q_grain, q_max), q_limit) * factor
    k_units = divided(_row_maxima(k, quantisation.k_grain, statistics.k_max), k_limit)
    if quantisation.fit_scales and quantisation.q_grain == "token":
        of_k = error_weights(statistics.k_moment, quantisation.rotate).unsqueeze(1)
        q_units = fitted_units(q, q_units, factor, q_limit, of_k, round_up)
    if quantisation.fit_scales and quantisation.k_grain == "token":
        k_units = fitted_units(k, k_units, 1.0, k_limit, error_weights(statistics.q_moment, quantisation.rotate), round_up)
    q_units, k_units = round_up(q_units), round_up(k_units)
    v_scales = divided(_value_ranges(statistics, quantisation), v_limit).float()
    v_mults = torch.full(v.shape[:2], V_MULT_ONE, device=v.device)
    if quantisation.v_mult:
        v_mults = value_multipliers(v, v_scales.double() * v_limit)
    v_codes = to_codes(v, value_scales(v_scales, v_mults), v_limit)
    q_room = round_up(divided(HEADROOM * q_max.amax(1), q_limit) * factor)
    k_room = round_up(divided(HEADROOM * statistics.k_max, k_limit))
    largest = torch.stack([torch.maximum(q_units.amax((1, 2)), q_room), torch.maximum(k_units.amax(1), k_room)], 1).tolist()
    positions = torch.arange(keys - q.shape[2], keys, device=q.device)
    groups = []
    for head in range(kv_heads):
        q_exp, k_exp = multiplier_exponents(*largest[head])
        q_mult, q_unit = snap_scale(q_units[head], q_exp)
        k_mult, k_scale = snap_scale(k_units[head], k_exp)
        q_scale = divided(q_unit, factor)
        groups.append(QuantisedGroup(
            q=to_codes(q[head], q_scale[..., None], q_limit), q_mult=q_mult, q_pos=positions,
            k=to_codes(k[head], k_scale[:, None], k_limit), k_mult=k_mult,
            v=v_codes[head], v_scale=v_scales[head], shift=q_exp + k_exp, q_scale=q_scale, k_scale=k_scale,
            v_mult=v_mults[head]))
    return groups
