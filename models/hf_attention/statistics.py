"""What a running system knows of a layer's tensors before it sees a text: figures from a calibration text."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from models.hardware.operands import OperandOptions, balance_factors, mean_over, prepared, second_moment, turned, value_ranges
from models.tensors.fit import pad_channels


@dataclass(frozen=True)
class LayerStatistics:
    """Of one layer, float64.

    ``k_mean`` ``[Hkv, D]``: mean of the keys as they are. ``factors`` ``[Hkv, D]``: of the channels of Q, divisors of those of K,
    1 where these are not balanced. ``q_max`` ``[H]``, ``k_max`` ``[Hkv]``: largest magnitude of a head, after smoothing,
    balancing and rotation where these are on. ``v_max`` ``[Hkv, D]``: largest magnitude of a channel; ``v_range`` ``[Hkv, D]``:
    what its scale reaches where keys have multipliers for their values. ``q_moment``, ``k_moment`` ``[Hkv, D, D]``: second
    moments of the channels, balanced where these are but not rotated, of K less its mean. ``prepared``: whether K was smoothed,
    and Q and K balanced and rotated.
    """

    k_mean: Tensor
    factors: Tensor
    q_max: Tensor
    k_max: Tensor
    v_max: Tensor
    v_range: Tensor
    q_moment: Tensor
    k_moment: Tensor
    prepared: tuple[bool, bool, bool]

    def fitted(self, head_dim: int) -> LayerStatistics:
        """The same for ``head_dim`` channels, of which those beyond the model's are 0."""
        found = {f: pad_channels(getattr(self, f)[..., :head_dim], head_dim) for f in ("k_mean", "factors", "v_max", "v_range")}
        found["factors"] = torch.where(found["factors"] > 0, found["factors"], 1.0)
        for f in ("q_moment", "k_moment"):
            part = getattr(self, f)[..., :head_dim, :head_dim]
            found[f] = pad_channels(pad_channels(part, head_dim).transpose(-2, -1), head_dim)   # they are symmetric
        return replace(self, **found)

    def to(self, device: torch.device) -> LayerStatistics:
        """The same on another device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "prepared"})

    def with_room(self, v_room: float) -> LayerStatistics:
        """The same for values of V that may be ``v_room`` times as large."""
        return replace(self, v_max=v_room * self.v_max, v_range=v_room * self.v_range)


def preparation(choice: OperandOptions) -> tuple[bool, bool, bool]:
    """What of a choice the statistics depend on."""
    return choice.smooth_k, choice.balance, choice.rotate


def layer_statistics(sequences: list[tuple[Tensor, Tensor, Tensor]], choice: OperandOptions) -> LayerStatistics:
    """Statistics of sequences of one layer: each ``q [H, Tq, D]``, ``k`` and ``v`` ``[Hkv, n, D]``, float64; at least one."""
    kv_heads = sequences[0][1].shape[0]
    sequences = [(q.reshape(kv_heads, -1, *q.shape[1:]), k, v) for q, k, v in sequences]
    mean = mean_over(torch.cat([k for _, k, _ in sequences], 1), 1)
    centre = mean if choice.smooth_k else torch.zeros_like(mean)

    def largest(parts: list[Tensor], over: tuple[int, ...]) -> Tensor:
        return torch.stack([part.abs().amax(over) for part in parts]).amax(0)

    factors = torch.ones_like(mean)
    if choice.balance:
        factors = balance_factors(largest([q for q, _, _ in sequences], (1, 2)),
                                  largest([k - centre[:, None] for _, k, _ in sequences], (1,)))
    ready = [prepared(q, k, centre, factors, False) for q, k, _ in sequences]
    moments = [second_moment(x) for x in (torch.cat([q.flatten(1, 2) for q, _ in ready], 1),
                                          torch.cat([k for _, k in ready], 1) + (centre - mean).div(factors).unsqueeze(1))]
    if choice.rotate:
        ready = [(turned(q), turned(k)) for q, k in ready]
    v = torch.cat([v for _, _, v in sequences], 1)
    return LayerStatistics(
        mean, factors, largest([q for q, _ in ready], (2, 3)).flatten(), largest([k for _, k in ready], (1, 2)),
        v.abs().amax(1), value_ranges(v), *moments, preparation(choice))
