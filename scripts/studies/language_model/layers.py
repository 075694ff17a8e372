"""How far each layer's attention is from float attention on the very same tensors, while the model runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.hf_attention.in_float import torch_attention
from models.quality.metrics import HeadMetrics, compare_heads


@dataclass
class LayerDistances:
    """Called as an observer; keeps one list of head metrics per layer and sequence, of the first ``sequences`` of each layer."""

    sequences: int
    found: dict[int, list[list[HeadMetrics]]] = field(default_factory=dict)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        mine = self.found.setdefault(layer, [])
        if len(mine) < self.sequences:
            mine.append(compare_heads(out.float().cpu(), torch_attention(q.float(), k.float(), v.float(), scale).cpu()))

    def mean(self, layer: int, name: str) -> float:
        """Mean of a metric over heads and sequences."""
        return float(torch.tensor([getattr(m, name) for heads in self.found[layer] for m in heads], dtype=torch.float64).mean())

    def worst(self, layer: int, name: str) -> float:
        """The smallest of a metric over heads and sequences."""
        return min(getattr(m, name) for heads in self.found[layer] for m in heads)
