"""What kind of attention a model has: sink, previous-token, local and induction mass of every head.

A schedule for the online softmax can only be judged on attention that has the structure of a trained
model, so these figures are printed for any checkpoint and stored with the fixture model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

LOCAL_WINDOW = 16


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
