"""The loss of a model on a text, window by window, and how far each layer is from float attention meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from models.hf_attention.settings import attention_modules
from models.hf_attention.tiles import torch_attention
from models.quality.metrics import HeadMetrics, compare_heads

BATCH = 4           # windows in one pass
BATCH_TOKENS = 4096 # at most in one pass, where a window alone is not longer
LOGITS = 512        # positions whose logits are held at once: those of 8192 tokens over 49152 words would be 1.6 GB
BLOCK = 128
"""Tokens over which differences of the loss are summed for their standard error.

Neighbours share their context, and so its errors: a few tokens apart the differences correlate by some hundredths, and nothing
can be told from 0 beyond some tens. Sums over blocks of this many are therefore as good as independent.
"""


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


def _batches(found: list[Window], size: int) -> Iterator[list[int]]:
    """Numbers of windows of equal shape, ``size`` at a time."""
    shapes: dict[tuple[int, int], list[int]] = {}
    for number, window in enumerate(found):
        shapes.setdefault((window.end - window.first, window.scored - window.first), []).append(number)
    for same in shapes.values():
        for first in range(0, len(same), size):
            yield same[first:first + size]


@contextmanager
def _each_layer(model: PreTrainedModel, advance: Callable[[float], None], tokens: Callable[[], int]) -> Iterator[None]:
    """Call ``advance`` after every attention, with that layer's share of ``tokens()``."""
    modules = attention_modules(model).values()
    hooks = [module.register_forward_hook(lambda *_: advance(tokens() / len(modules))) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def losses_of(model: PreTrainedModel, rows: Tensor, start: int, at_once: int = LOGITS) -> Tensor:
    """Loss in nats of the tokens from ``start`` on, float32 ``[B, T - start]``, of ``rows`` int64 ``[B, T]``.

    Args:
        at_once: positions of one row whose logits are in memory together.
    """
    hidden = model.base_model(input_ids=rows, use_cache=False).last_hidden_state
    head = model.get_output_embeddings()
    return torch.stack([
        torch.cat([cross_entropy(head(states).float(), wanted, reduction="none")
                   for states, wanted in zip(line[start - 1:-1].split(at_once), row[start:].split(at_once), strict=True)])
        for row, line in zip(rows, hidden, strict=True)])


@torch.no_grad()
def window_losses(model: PreTrainedModel, implementation: str, ids: Tensor, found: list[Window], batch: int = BATCH,
                  advance: Callable[[float], None] = lambda done: None) -> list[Tensor]:
    """Loss in nats of every scored token, float32, window by window.

    Args:
        implementation: name of the attention. batch: windows in one pass, fewer if they are long.
        advance: called with the number of tokens done since the last call, layer by layer; a token is done in all of them.
    """
    model.set_attn_implementation(implementation)
    losses: dict[int, Tensor] = {}
    running = 0
    with _each_layer(model, advance, lambda: running):
        for numbers in _batches(found, max(1, min(batch, BATCH_TOKENS // max(w.end - w.first for w in found)))):
            same = [found[number] for number in numbers]
            rows = torch.stack([ids[w.first:w.end] for w in same])
            running = rows.numel()
            losses |= zip(numbers, losses_of(model, rows, same[0].scored - same[0].first).cpu(), strict=True)
    return [losses[number] for number in range(len(found))]


def token_losses(model: PreTrainedModel, implementation: str, ids: Tensor, found: list[Window], batch: int = BATCH) -> Tensor:
    """The losses of :func:`window_losses` in one, float32 ``[scored tokens]``, in the order of the text."""
    return torch.cat(window_losses(model, implementation, ids, found, batch))


def standard_error(differences: list[Tensor], block: int = BLOCK) -> float | None:
    """Of the mean of all differences, each ``[scored tokens]`` of a window.

    A window's tokens are taken in blocks of ``block`` neighbours (the last may be shorter), whose sums are taken for
    independent: of ``n`` blocks, the root of ``n / (n - 1) * sum((block's sum - its tokens * mean)^2)``, over all tokens.
    None with fewer than two blocks.
    """
    blocks = [part.double() for window in differences for part in window.split(block)]
    tokens = sum(map(len, blocks))
    if len(blocks) < 2:
        return None
    mean = sum(part.sum().item() for part in blocks) / tokens
    squares = sum((part.sum().item() - len(part) * mean) ** 2 for part in blocks)
    return math.sqrt(len(blocks) / (len(blocks) - 1) * squares) / tokens


def bits_per_byte(nats_per_token: float, bytes_per_token: float) -> float:
    """``nats / ln 2 / bytes``."""
    return nats_per_token / math.log(2) / bytes_per_token


@dataclass
class LayerDistances:
    """Called as an observer; keeps one list of head metrics per layer and sequence, of the first ``sequences`` of each layer.

    ``seconds``, ``cpu_seconds``: what the comparisons took.
    """

    sequences: int
    found: dict[int, list[list[HeadMetrics]]] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        sequences = self.found.setdefault(layer, [])
        if len(sequences) < self.sequences:
            began, cpu_began = time.perf_counter(), time.process_time()
            sequences.append(compare_heads(out.float().cpu(), torch_attention(q.float(), k.float(), v.float(), scale).cpu()))
            self.seconds += time.perf_counter() - began
            self.cpu_seconds += time.process_time() - cpu_began

    def mean(self, layer: int, name: str) -> float:
        """Mean of a metric over heads and sequences."""
        return float(torch.tensor([getattr(m, name) for heads in self.found[layer] for m in heads], dtype=torch.float64).mean())

    def worst(self, layer: int, name: str) -> float:
        """The smallest of a metric over heads and sequences."""
        return min(getattr(m, name) for heads in self.found[layer] for m in heads)
