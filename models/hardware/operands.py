"""What is done to Q, K and V before they become 8-bit codes, so that few of their bits are spent on outliers.

All of it is free in the engine: scores stay what they were, up to a constant per row, and a key's multiplier comes with the key.
Every function gives a row the same bits alone and among others, on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import V_MULT_BITS

MULTIPLIERS = 1 << V_MULT_BITS
QUANTILE_PERCENT = 98
"""Of the magnitudes of a channel of V: what lies above it is left to the multipliers of its keys. See `make precision`."""

STRETCHES = tuple(1 + n / 100 for n in range(11))
"""By how much more than its largest magnitude needs a row's scale is tried to reach, where scales are fitted."""

BEYOND = 1 - 2.0**-20   # a value that exceeds its range by less than this is rounded into it


@dataclass(frozen=True, kw_only=True)
class OperandOptions:
    """How Q, K and V are prepared for 8 bits.

    ``smooth_k``: subtract from K its mean, channel by channel. Every score of a row moves by the same amount, which the softmax
    does not see. ``balance``: multiply each channel of Q, and divide that of K, by a factor that makes both equally large.
    ``rotate``: multiply Q and K by a Hadamard matrix, which spreads a strong channel over all; the number of channels must be a
    power of two, so heads are padded first and the padded channels take part. ``v_mult``: give every key a multiplier for its
    values and choose the scales of V's channels so that one token cannot spoil them; off, a channel's scale is that of its
    largest value. ``fit_scales``: of each query and each key try scales up to a tenth above that of its largest magnitude, and
    take the one whose rounding moves the scores least, as the second moments of the other side say.
    """

    smooth_k: bool = True
    balance: bool = True
    rotate: bool = True
    v_mult: bool = True
    fit_scales: bool = False


ALL = OperandOptions()
"""What every command takes unless it is told otherwise."""

PLAIN = OperandOptions(smooth_k=False, balance=False, rotate=False, v_mult=False)
"""Q, K and V as they are."""


def divided(x: Tensor, by: float) -> Tensor:
    """``x / by``, rounded once on every device: CUDA multiplies by the reciprocal of a number that is no tensor of its own."""
    return x / torch.full((), by, dtype=x.dtype, device=x.device)


def mean_over(x: Tensor, dim: int) -> Tensor:
    """The mean by sums of two in a fixed order: a device's own sum has an order, and so roundings, of its own."""
    count = x.shape[dim]
    total = x
    while (length := total.shape[dim]) > 1:
        half = length // 2
        sums = total.narrow(dim, 0, half) + total.narrow(dim, half, half)
        total = torch.cat([sums, total.narrow(dim, 2 * half, length % 2)], dim)
    return divided(total.squeeze(dim), count)


def turned(x: Tensor) -> Tensor:
    """``x [..., D]`` times Sylvester's orthonormal Hadamard matrix.

    By sums of two, whose order is fixed: a matrix product has another on every device and for other numbers of rows.

    Raises:
        FcimError: D is no power of two.
    """
    size = x.shape[-1]
    if size & (size - 1):
        raise FcimError(f"heads of {size} channels cannot be rotated, which takes a power of two; pad them with "
                        "models.tensors.fit.fit_tensors or set rotate=False")
    parts = x.unsqueeze(-1)
    while parts.shape[-2] > 1:      # [..., pairs, 2, done] to [..., pairs, 2 done], as the matrix is put together
        first, second = parts.unflatten(-2, (-1, 2)).unbind(-2)
        parts = torch.cat([first + second, first - second], -1)
    return divided(parts.flatten(-2), size**0.5)


def balance_factors(q_max: Tensor, k_max: Tensor) -> Tensor:
    """Factors ``[..., D]`` on Q, and divisors of K, for which both have equal largest magnitudes; 1 where one of these is 0."""
    there = (q_max > 0) & (k_max > 0)
    return torch.where(there, k_max.sqrt() / torch.where(there, q_max, 1.0).sqrt(), 1.0)


def prepared(q: Tensor, k: Tensor, mean: Tensor | None, factors: Tensor | None, rotate: bool) -> tuple[Tensor, Tensor]:
    """Q and K less its mean, balanced, rotated: ``q [..., G, Tq, D]``, ``k [..., n, D]``, mean and factors ``[..., D]``."""
    if mean is not None:
        k = k - mean.unsqueeze(-2)
    if factors is not None:
        q, k = q * factors[..., None, None, :], k / factors.unsqueeze(-2)
    return (turned(q), turned(k)) if rotate else (q, k)


def value_multipliers(v: Tensor, ranges: Tensor) -> Tensor:
    """Every key's smallest multiplier, int64 ``[..., n]``, with which its values ``v [..., n, D]`` fit their channels' ranges.

    ``ranges [..., D]``: the largest magnitudes that the channels' scales can express; a multiplier m makes (m + 1) / 16 of it.
    """
    some = ranges.unsqueeze(-2)
    need = torch.where(some > 0, v.abs() / torch.where(some > 0, some, 1.0), 0.0).amax(-1)
    return ((need * (MULTIPLIERS * BEYOND)).ceil() - 1).clamp(0, MULTIPLIERS - 1).long()


def _steps(ranges: Tensor, multipliers: Tensor) -> Tensor:
    """Mean square of the steps that these make, in any unit: ``ranges [..., D]``, ``multipliers [..., n]``; gives ``[...]``."""
    return mean_over(ranges.square(), -1) * mean_over((multipliers.double() + 1).square(), -1)


def value_ranges(v: Tensor) -> Tensor:
    """Ranges ``[..., D]`` of the channels of ``v [..., n, D]`` (float64), for :func:`value_multipliers`; no value exceeds them.

    A channel's range is made so that :data:`QUANTILE_PERCENT` of its values would share one multiplier, and is then cut down to
    what the multipliers leave of it. Where the largest magnitudes make finer steps, as in a channel that is mostly 0, they are
    taken instead.
    """
    size = v.abs()
    largest, keys = size.amax(-2), v.shape[-2]
    usual = size.sort(-2).values.select(-2, (keys - 1) * QUANTILE_PERCENT // 100)
    usual = torch.where(usual > 0, usual, largest)
    safe = torch.where(usual > 0, usual, 1.0)
    wide = usual * (size / safe.unsqueeze(-2)).amax((-2, -1), keepdim=True).squeeze(-1)
    multipliers = value_multipliers(v, wide)
    fitting = (size * (MULTIPLIERS / (multipliers.double() + 1)).unsqueeze(-1)).amax(-2)
    finer = _steps(fitting, multipliers) < _steps(largest, value_multipliers(v, largest))
    return torch.where(finer.unsqueeze(-1), fitting, largest)


def _in_parts(x: Tensor, parts: int) -> Tensor:
    """``x [..., n, D]`` in whole parts of its largest magnitude."""
    largest = x.abs().amax((-2, -1), keepdim=True)
    return (x / torch.where(largest > 0, largest, 1.0) * parts).round()


def second_moment(x: Tensor) -> Tensor:
    """Products of every two channels of ``x [..., n, D]`` (float64), summed over its rows, up to a factor: ``[..., D, D]``.

    Of whole numbers of 12 bits, so that the sums are exact, whatever the order in which a device adds.
    """
    whole = _in_parts(x, 1 << 12)
    return whole.transpose(-2, -1) @ whole


def error_weights(moment: Tensor, rotate: bool) -> Tensor:
    """What an error of one side's codes is worth by the other side's :func:`second_moment`, which was taken before rotating:
    whole numbers ``[..., D, D]`` of 14 bits, up to a factor."""
    return _in_parts(turned(turned(moment).transpose(-2, -1)) if rotate else moment, 1 << 14)


def fitted_units(x: Tensor, units: Tensor, unit: float, limit: int, weights: Tensor,
                 snapped: Callable[[Tensor], Tensor]) -> Tensor:
    """Scales of the rows ``x [..., n, D]``, in units, ``[..., n]``: those of :data:`STRETCHES` that move scores least.

    An error e of a row's codes adds ``e . k`` to its scores, whose mean square is ``e W e`` by the second moments W of the other
    side. Errors are taken in 64ths of a step and W in whole numbers, so that every device finds the same scale.

    Args:
        units: the least that the largest magnitudes need, ``[..., n]``; times ``1 / unit`` they are scales.
        limit: the largest code. weights: of :func:`error_weights`, to be broadcast. snapped: rounds units up to what there is.
    """
    best, least = units, torch.full_like(units, torch.inf)
    for stretch in STRETCHES:
        tried = snapped(units * stretch)
        scale = divided(tried, unit)
        steps = x / torch.where(scale > 0, scale, 1.0).unsqueeze(-1)
        error = ((steps - steps.round().clamp(-limit, limit)) * 64).round()
        moved = ((error @ weights) * error).sum(-1) * scale.square()
        best, least = torch.where(moved < least, tried, best), torch.minimum(moved, least)
    return best
