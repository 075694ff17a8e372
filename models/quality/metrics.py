"""How far an attention output is from its reference, per head and over heads. Everything is computed in float64."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import torch
from torch import Tensor

from models.errors import FcimError

LARGER_IS_BETTER = ("cosine", "sqnr_db")


@dataclass(frozen=True)
class HeadMetrics:
    """Distance of an output ``x`` from its reference ``r``, sums over all tokens and channels of a head.

    * ``cosine``: ``sum(x r) / sqrt(sum(x^2) sum(r^2))``, -1 to 1; 1 if both are zero, 0 if one is.
    * ``relative_l1``: ``sum|x - r| / sum|r|``; for a zero reference 0 if x is zero too, else infinite.
    * ``sqnr_db``: ``10 log10(sum(r^2) / sum((x - r)^2))`` in dB; infinite if x equals r, minus infinite if only r is zero.
    * ``max_abs``: ``max|x - r|``, in units of the output.
    * ``rmse``: ``sqrt(mean((x - r)^2))``, in units of the output.
    """

    cosine: float
    relative_l1: float
    sqnr_db: float
    max_abs: float
    rmse: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


def _ratio(numerator: float, denominator: float) -> float:
    """``numerator / denominator`` for values >= 0, with 0 / 0 = 0 and x / 0 = infinity."""
    if denominator == 0.0:
        return 0.0 if numerator == 0.0 else math.inf
    return numerator / denominator


def _sqnr_db(noise_ratio: float) -> float:
    if noise_ratio == 0.0:
        return math.inf
    return -math.inf if math.isinf(noise_ratio) else -10.0 * math.log10(noise_ratio)


def compare(x: Tensor, reference: Tensor) -> HeadMetrics:
    """The metrics of one head (any shape, the same for both).

    Raises:
        FcimError: shapes differ, the tensors are empty, or a value is not finite.
    """
    if x.shape != reference.shape or x.numel() == 0:
        raise FcimError(f"cannot compare {list(x.shape)} with a reference of {list(reference.shape)}; give two of one shape")
    x, reference = x.double(), reference.double()
    if not (torch.isfinite(x).all() and torch.isfinite(reference).all()):
        raise FcimError("cannot compare outputs that hold NaN or infinity; look for the first such value in the tensors")
    # a common factor keeps the squares of very small and very large values inside float64
    unit = max(x.abs().max().item(), reference.abs().max().item()) or 1.0
    a, r = x / unit, reference / unit
    error = a - r
    noise, power, signal = error.square().sum().item(), a.square().sum().item(), r.square().sum().item()
    if power == 0.0 or signal == 0.0:
        cosine = 1.0 if power == signal else 0.0
    else:
        cosine = max(-1.0, min(1.0, (a * r).sum().item() / math.sqrt(power) / math.sqrt(signal)))
    return HeadMetrics(
        cosine=cosine, relative_l1=_ratio(error.abs().sum().item(), r.abs().sum().item()),
        sqnr_db=_sqnr_db(_ratio(noise, signal)), max_abs=error.abs().max().item() * unit,
        rmse=math.sqrt(noise / x.numel()) * unit)


def compare_heads(x: Tensor, reference: Tensor) -> list[HeadMetrics]:
    """The metrics of every head of ``x [H, ...]`` against ``reference [H, ...]``."""
    if x.shape != reference.shape or x.ndim < 2:
        raise FcimError(f"cannot compare {list(x.shape)} with a reference of {list(reference.shape)}; give two of one shape")
    return [compare(a, r) for a, r in zip(x, reference, strict=True)]


@dataclass(frozen=True)
class MetricsSummary:
    """Over heads: the plain mean of each metric (SQNR: of its dB values) and its worst head's value."""

    heads: int
    mean: HeadMetrics
    worst: HeadMetrics

    def as_dict(self) -> dict[str, object]:
        """Nested plain dicts."""
        return asdict(self)


def summarise(heads: Sequence[HeadMetrics]) -> MetricsSummary:
    """Mean and worst of ``heads``; the worst of every metric is taken on its own, so it may mix heads.

    Raises:
        FcimError: no heads.
    """
    if not heads:
        raise FcimError("no heads to summarise; select at least one")
    mean, worst = {}, {}
    for name in (f.name for f in fields(HeadMetrics)):
        values = [getattr(h, name) for h in heads]
        mean[name] = sum(values) / len(values)
        worst[name] = min(values) if name in LARGER_IS_BETTER else max(values)
    return MetricsSummary(len(heads), HeadMetrics(**mean), HeadMetrics(**worst))
