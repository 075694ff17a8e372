"""The loss of a model on a text, window by window, and how far each layer is from float attention meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from models.hf_attention.tiles import torch_attention
from models.quality.metrics import HeadMetrics, compare_heads

BATCH = 4           # windows in one pass


@dataclass(frozen=True)
class Window:
    """Tokens ``first`` to ``end - 1`` in one pass; the loss counts from token ``scored`` on."""

    first: int
    end: int
    scored: int


def windows(tokens: int, context: int, stride: int) -> list[Window]:
    """Windows of ``context`` tokens every ``stride`` tokens, so that every token but the first is scored once.

    The first window scores all its tokens; a later one those that no earlier one had, with the rest as context before them.
    """
    found = [Window(0, min(context, tokens), 1)]
    while found[-1].end < tokens:
        # a token is predicted from the one before it, so even windows without overlap share one token
        end = min(found[-1].end + min(stride, context - 1), tokens)
        first = max(0, end - context)
        found.append(Window(first, end, found[-1].end))
    return found


def _batches(found: list[Window], size: int) -> Iterator[list[Window]]:
    """Windows of equal shape, ``size`` at a time."""
    shapes: dict[tuple[int, int], list[Window]] = {}
    for window in found:
        shapes.setdefault((window.end - window.first, window.scored - window.first), []).append(window)
    for same in shapes.values():
        for first in range(0, len(same), size):
            yield same[first:first + size]


@torch.no_grad()
def token_losses(model: PreTrainedModel, implementation: str, ids: Tensor, found: list[Window], batch: int,
                 advance: Callable[[int], None] = lambda done: None) -> Tensor:
    """Loss in nats of every scored token, float32 ``[number of them]``, window after window as they were batched.

    Args:
        implementation: name of the attention. advance: called with the number of tokens done, batch by batch.
    """
    model.set_attn_implementation(implementation)
    losses = []
    for same in _batches(found, batch):
        rows = torch.stack([ids[w.first:w.end] for w in same])
        logits = model(input_ids=rows, use_cache=False).logits.float()
        start = same[0].scored - same[0].first
        for row, line in zip(rows, logits, strict=True):
            losses.append(cross_entropy(line[start - 1:-1], row[start:], reduction="none").cpu())
        advance(rows.numel())
    return torch.cat(losses)


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    """``nats / ln 2 / bytes``."""
    return nats_per_token / math.log(2) / bytes_per_token


@dataclass
class LayerDistances:
    """Called as an observer; keeps one list of head metrics per layer and sequence, of the first ``sequences`` of each layer."""

    sequences: int
    found: dict[int, list[list[HeadMetrics]]] = field(default_factory=dict)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        sequences = self.found.setdefault(layer, [])
        if len(sequences) < self.sequences:
            sequences.append(compare_heads(out.float().cpu(), torch_attention(q.float(), k.float(), v.float(), scale).cpu()))

    def mean(self, layer: int, name: str) -> float:
        """Mean of a metric over heads and sequences."""
        return float(torch.tensor([getattr(m, name) for heads in self.found[layer] for m in heads], dtype=torch.float64).mean())

    def worst(self, layer: int, name: str) -> float:
        """The smallest of a metric over heads and sequences."""
        return min(getattr(m, name) for heads in self.found[layer] for m in heads)
