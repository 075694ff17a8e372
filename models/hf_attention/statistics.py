"""What a running system knows of a layer's tensors before it sees a text: figures from a calibration text."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.fit import pad_channels


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


def hadamard(size: int, device: torch.device | str = "cpu") -> Tensor:
    """Sylvester's orthonormal Hadamard matrix, float64 ``[size, size]``; ``size`` a power of two."""
    matrix = torch.ones(1, 1, dtype=torch.float64, device=device)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix / size**0.5


def layer_statistics(sequences: list[tuple[Tensor, Tensor, Tensor]], smooth_k: bool, rotate: bool) -> LayerStatistics:
    """Statistics of sequences of one layer: each ``q [H, Tq, D]``, ``k`` and ``v`` ``[Hkv, n, D]``, float64; at least one."""
    mean = torch.cat([k for _, k, _ in sequences], 1).mean(1)
    centre = mean[:, None] if smooth_k else torch.zeros_like(mean[:, None])
    turn = hadamard(mean.shape[-1], mean.device) if rotate else None

    def largest(parts: list[Tensor]) -> Tensor:
        return torch.stack([part.abs().amax((1, 2)) for part in parts]).amax(0)

    def turned(x: Tensor) -> Tensor:
        return x if turn is None else x @ turn

    return LayerStatistics(
        mean, largest([turned(q) for q, _, _ in sequences]), largest([turned(k - centre) for _, k, _ in sequences]),
        torch.stack([v.abs().amax(1) for _, _, v in sequences]).amax(0), smooth_k, rotate)
