"""What kind of attention a model has: sink, previous-token, local and induction mass of every head.

A schedule for the online softmax can only be judged on attention that has the structure of a trained
model, so these figures are printed for any checkpoint and stored with the fixture model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.tensors.token_ids import token_ids

if TYPE_CHECKING:
    from models.tensors.checkpoint import Checkpoint, Probe

LOCAL_WINDOW = 16
PERIOD, REPEATS, BATCH, SEED = 64, 4, 4, 1
MIN_TOKENS = 4 * LOCAL_WINDOW  # the first 2 * LOCAL_WINDOW queries are not counted
# a head is marked with a kind when its mean mass there is above this
THRESHOLDS = {"sink": 0.2, "previous": 0.3, "local": 0.5, "induction": 0.3}
# what a head is called if it passes several thresholds of :data:`THRESHOLDS`: the first that is found
_NAMES = ("sink", "induction", "previous", "local")


@dataclass(frozen=True)
class HeadStats:
    """Mean attention mass of one head (0 to 1), averaged over queries.

    ``sink``: on the first token. ``previous``: on the token before. ``local``: on the last
    ``LOCAL_WINDOW`` tokens, itself included. ``induction``: on the token that followed the earlier
    occurrence of the current one, in random text that repeats. ``entropy``: bits.
    """

    layer: int
    head: int
    sink: float
    previous: float
    local: float
    induction: float
    entropy: float

    def as_dict(self) -> dict[str, float]:
        """The figures as a plain dict, rounded for a report."""
        return {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}


@torch.no_grad()
def attention_maps(model: nn.Module, ids: Tensor) -> list[Tensor]:
    """Attention probabilities of every layer for ``ids [B, T]``: a list of ``[B, Hq, T, T]``.

    The model must run eager attention, since only that returns its weights.
    """
    out = model(input_ids=ids, output_attentions=True, use_cache=False)
    return list(out.attentions)


def _text_mass(maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Per head: sink, previous, local mass and entropy of ``maps [B, H, T, T]``.

    The first ``2 * LOCAL_WINDOW`` queries are left out: there, first and previous token coincide.
    """
    length = maps.shape[-1]
    queries = torch.arange(2 * LOCAL_WINDOW, length, device=maps.device)
    rows = maps[:, :, queries]
    sink = rows[..., 0].mean((0, 2))
    index = (queries - 1).view(1, 1, -1, 1).expand(*rows.shape[:3], 1)
    previous = rows.gather(-1, index).mean((0, 2, 3))
    offset = queries.view(-1, 1) - torch.arange(length, device=maps.device)
    near = (offset >= 0) & (offset < LOCAL_WINDOW)
    local = (rows * near).sum(-1).mean((0, 2))
    entropy = -(rows * rows.clamp_min(1e-30).log2()).sum(-1).mean((0, 2))
    return sink, previous, local, entropy


def _induction_mass(maps: Tensor, period: int) -> Tensor:
    """Per head: mass on the successor of the earlier occurrence, ``maps [B, H, T, T]``.

    Position 0 may be the begin-of-text token; any two positions after it that are ``period`` apart hold the same token.
    """
    length = maps.shape[-1]
    queries = torch.arange(1 + period, length, device=maps.device)
    index = (queries - period + 1).view(1, 1, -1, 1).expand(*maps.shape[:2], -1, 1)
    return maps[:, :, queries].gather(-1, index).mean((0, 2, 3))


def repeated_random(batch: int, period: int, repeats: int, low: int, high: int, bos: int | None,
                    generator: torch.Generator) -> Tensor:
    """Ids ``[batch, (bos) + period * repeats]``: random tokens of ``[low, high)``, the same span repeated."""
    span = torch.randint(low, high, (batch, period), generator=generator)
    ids = span.repeat(1, repeats)
    if bos is not None:
        ids = torch.cat([torch.full((batch, 1), bos), ids], dim=1)
    return ids


def head_statistics(model: nn.Module, text_ids: Tensor, repeated_ids: Tensor, period: int) -> list[HeadStats]:
    """Statistics of every head.

    Args:
        model: a causal LM with eager attention.
        text_ids: ``[B, T]`` ids of real text, as the tokenizer begins it.
        repeated_ids: ``[B, (1 +) n * period]`` ids from :func:`repeated_random`.
        period: the length of the repeated span.
    """
    result = []
    induction = [_induction_mass(m.float(), period) for m in attention_maps(model, repeated_ids)]
    for layer, maps in enumerate(attention_maps(model, text_ids)):
        sink, previous, local, entropy = _text_mass(maps.float())
        for head in range(maps.shape[1]):
            result.append(HeadStats(layer, head, sink[head].item(), previous[head].item(),
                                    local[head].item(), induction[layer][head].item(), entropy[head].item()))
    return result


def kinds(stats: HeadStats) -> list[str]:
    """The kinds whose threshold this head passes."""
    return [kind for kind, limit in THRESHOLDS.items() if getattr(stats, kind) > limit]


def _probabilities(probe: Probe) -> Tensor:
    """Causal attention probabilities ``[B, Hq, T, T]`` of a layer."""
    length = probe.q.shape[2]
    keys = probe.k.repeat_interleave(probe.q.shape[1] // probe.k.shape[1], dim=1)
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    scores = probe.q @ keys.transpose(2, 3) * probe.scale
    return scores.masked_fill(later, float("-inf")).softmax(-1)


class _WalkedLayer:
    """Stands in for a model of one layer whose attention is known already; tells its sequences apart by their shape."""

    def __init__(self, probes: list[Probe]):
        self._maps = {(p.q.shape[0], p.q.shape[2]): _probabilities(p) for p in probes}

    def __call__(self, input_ids: Tensor, **_: bool) -> SimpleNamespace:
        return SimpleNamespace(attentions=[self._maps[tuple(input_ids.shape)]])


def checkpoint_stats(model: Checkpoint, text_ids: Tensor) -> Iterator[HeadStats]:
    """Statistics of every head, layer by layer, with one layer in memory at a time.

    Args:
        model: the checkpoint.
        text_ids: int64 ``[T]``, as the tokenizer begins it, T at least ``MIN_TOKENS``.
    """
    generator = torch.Generator().manual_seed(SEED)
    repeated = repeated_random(BATCH, PERIOD, REPEATS, 0, model.tokenizer.ordinary, model.tokenizer.bos, generator)
    sequences = [text_ids[None], repeated]
    for layer, probes in model.walk(sequences):
        for stats in head_statistics(_WalkedLayer(probes), *sequences, PERIOD):
            yield replace(stats, layer=layer)


def kind_of(passed: list[str]) -> str:
    """One kind from those that a head passes; a head without a kind is diffuse."""
    return next((kind for kind in _NAMES if kind in passed), "diffuse")


def head_kinds(model: Checkpoint, text: str | None, tokens: int) -> dict[str, str]:
    """The kind of every head, ``{"L0H0": "local", ...}``, from that many tokens of the text and from repeated random text."""
    taken = token_ids(model.tokenizer, text, tokens, model.config.vocab_size, model.config.max_position_embeddings)
    return {f"L{s.layer}H{s.head}": kind_of(kinds(s)) for s in checkpoint_stats(model, taken.ids)}
