"""What a running system knows of a layer's tensors before it sees a text: figures from a calibration text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.tensors.fit import pad_channels


@dataclass(frozen=True)
class LayerStatistics:
    """Of one layer, float64.

    ``k_mean`` ``[Hkv, D]``: mean of the keys as they are. ``q_max`` ``[H]``, ``k_max`` ``[Hkv]``: largest magnitude of a head,
    after smoothing and rotation where these are on. ``v_max`` ``[Hkv, D]``: largest magnitude of a channel.
    """

    k_mean: Tensor
    q_max: Tensor
    k_max: Tensor
    v_max: Tensor
    smooth_k: bool
    rotate: bool

    def fitted(self, head_dim: int) -> LayerStatistics:
        """The same for ``head_dim`` channels, of which those beyond the model's are 0."""
        return replace(self, **{f: pad_channels(getattr(self, f)[..., :head_dim], head_dim) for f in ("k_mean", "v_max")})

    def to(self, device: torch.device) -> LayerStatistics:
        """The same on another device."""
        return replace(self, **{f: getattr(self, f).to(device) for f in ("k_mean", "q_max", "k_max", "v_max")})


def turned(x: Tensor) -> Tensor:
    """``x [..., D]`` times Sylvester's orthonormal Hadamard matrix, D a power of two.

    By sums of two, whose order is fixed: a matrix product has another on every device and for other numbers of rows.
    """
    size = x.shape[-1]
    parts = x.unsqueeze(-1)
    while parts.shape[-2] > 1:      # [..., pairs, 2, done] to [..., pairs, 2 done], as the matrix is put together
        first, second = parts.unflatten(-2, (-1, 2)).unbind(-2)
        parts = torch.cat([first + second, first - second], -1)
    return divided(parts.flatten(-2), size**0.5)


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


def layer_statistics(sequences: list[tuple[Tensor, Tensor, Tensor]], smooth_k: bool, rotate: bool) -> LayerStatistics:
    """Statistics of sequences of one layer: each ``q [H, Tq, D]``, ``k`` and ``v`` ``[Hkv, n, D]``, float64; at least one."""
    mean = mean_over(torch.cat([k for _, k, _ in sequences], 1), 1)
    centre = mean[:, None] if smooth_k else torch.zeros_like(mean[:, None])
    turn = turned if rotate else lambda x: x

    def largest(parts: list[Tensor]) -> Tensor:
        return torch.stack([part.abs().amax((1, 2)) for part in parts]).amax(0)

    return LayerStatistics(
        mean, largest([turn(q) for q, _, _ in sequences]), largest([turn(k - centre) for _, k, _ in sequences]),
        torch.stack([v.abs().amax(1) for _, _, v in sequences]).amax(0), smooth_k, rotate)
