"""The attention function itself: batches, padding, caches and grouped heads around the engine's integer algorithm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup
from models.hf_attention.kernel import Skipped, integer_attention
from models.hf_attention.positions import tokens_there
from models.hf_attention.quantiser import quantise_sequence
from models.hf_attention.settings import Settings, attention_modules, refuse_unknown, settings_of
from models.hf_attention.statistics import layer_statistics
from models.hf_attention.tiles import tiled_attention, torch_attention
from models.tensors.fit import pad_channels

Compute = Callable[[EngineConfig, TileOptions, list[QuantisedGroup]], Tensor]
OBSERVER = "fcim_observer"
"""Attribute of a module: called with ``(layer, q [H, Tq, D], k, v [Hkv, n, D], scale, out [H, Tq, D])`` of every sequence."""
_SKIPPED = "fcim_skipped"
_COMPUTE = "fcim_compute"


@contextmanager
def observed(model: nn.Module, observer: Callable[..., None]) -> Iterator[None]:
    """Call ``observer`` after every attention of every sequence meanwhile; see :data:`OBSERVER` for its arguments."""
    with _on_modules(model, OBSERVER, observer):
        yield


@contextmanager
def counted(model: nn.Module) -> Iterator[Skipped]:
    """What all layers skip meanwhile, if their tiles do."""
    found = Skipped()
    with _on_modules(model, _SKIPPED, found):
        yield found


@contextmanager
def computed_by(model: nn.Module, compute: Compute) -> Iterator[None]:
    """Let ``compute`` meanwhile give what :func:`models.hf_attention.kernel.integer_attention` would, in every layer."""
    with _on_modules(model, _COMPUTE, compute):
        yield


@contextmanager
def _on_modules(model: nn.Module, attribute: str, value: object) -> Iterator[None]:
    modules = attention_modules(model).values()
    for module in modules:
        setattr(module, attribute, value)
    try:
        yield
    finally:
        for module in modules:
            delattr(module, attribute)


def operands(module: nn.Module, settings: Settings, q: Tensor, k: Tensor, v: Tensor, scale: float) -> list[QuantisedGroup]:
    """What the engine gets for one sequence of a layer, one group per KV head; ``q [H, Tq, D]``, ``k``, ``v`` ``[Hkv, n, D]``.

    The operands have the hardware's ``head_dim``: heads of fewer channels are padded with zeros.
    """
    choice, dim = settings.quantisation, settings.hardware_for(q.shape[-1]).head_dim
    q, k, v = (pad_channels(x.double(), dim) for x in (q, k, v))
    known = settings.statistics.get(module.layer_idx)
    if known is None:
        return quantise_sequence(q, k, v, scale, choice, layer_statistics([(q, k, v)], choice))
    return quantise_sequence(q, k, v, scale, choice, known.to(q.device).fitted(dim))


def _sequence(module: nn.Module, settings: Settings, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """One sequence without padding: ``[H, Tq, D]`` in the dtype of ``q``."""
    if settings.layers is not None and module.layer_idx not in settings.layers:
        return torch_attention(q, k, v, scale)
    cfg = settings.hardware_for(q.shape[-1])
    if k.shape[1] > cfg.max_keys:
        raise FcimError(f"{k.shape[1]} keys exceed max_keys = {cfg.max_keys} of configuration '{cfg.name}'; "
                        "use a shorter text or another CONFIG")
    groups = operands(module, settings, q, k, v, scale) if settings.quantise else []
    by_group = q.reshape(k.shape[0], -1, *q.shape[1:])
    options = [settings.options_of(module.layer_idx, kv) for kv in range(len(k))]
    out = torch.empty(by_group.shape, dtype=torch.float32 if settings.quantise else torch.float64, device=q.device)
    compute: Compute = getattr(module, _COMPUTE, None) or partial(integer_attention, skipped=getattr(module, _SKIPPED, None))
    for same in dict.fromkeys(options):     # KV heads of equal options are computed together
        heads = [kv for kv, own in enumerate(options) if own == same]
        if settings.quantise:
            found = compute(cfg, same, [groups[kv] for kv in heads])
            out[heads] = found[..., :q.shape[-1]]
        else:
            out[heads] = tiled_attention(cfg, same, by_group[heads], k[heads], v[heads], scale)
    return out.reshape(q.shape).to(q.dtype)


@torch.compiler.disable
def fusioncim_attention(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                        scaling: float | None = None, dropout: float = 0.0, **arguments: Any) -> tuple[Tensor, None]:
    """Attention as the hardware computes it, in the form that transformers asks for.

    Args:
        query: ``[B, H, Tq, D]``. key, value: ``[B, Hkv, n, D]``, past ones included.
        attention_mask: from :func:`models.hf_attention.positions.position_mask`.
        scaling: softmax scale (default: ``D ** -0.5``).

    Returns:
        ``[B, Tq, H, D]`` in the dtype of ``query``, 0 for padding; no weights, which the hardware never has as a whole.

    Raises:
        FcimError: a feature that the hardware lacks, values that are not finite, or shapes that do not fit.
    """
    refuse_unknown(module, dropout, arguments)
    if query.shape[1] % key.shape[1] or value.shape != key.shape or query.shape[-1] != key.shape[-1]:
        raise FcimError(f"queries {list(query.shape)}, keys {list(key.shape)} and values {list(value.shape)} are not heads of "
                        "one size, shared evenly, which the hardware takes; use another attention implementation for this model")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _WithoutGradient.apply(query, key, value, module, attention_mask, scale), None


class _WithoutGradient(torch.autograd.Function):
    """A training step that goes through the hardware's roundings is refused, instead of leaving layers out in silence."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, module: nn.Module, mask: Tensor | None,
                scale: float) -> Tensor:
        # a lower precision that autocast chooses would not hold the integers
        with torch.autocast(query.device.type, enabled=False):
            return _batch(module, query, key, value, mask, scale)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> None:
        raise FcimError("the hardware's attention has no gradient; train with another attention implementation")


def _batch(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """``[B, Tq, H, D]``, sequence by sequence, each without its padding."""
    settings = settings_of(module)
    out = torch.zeros_like(query)
    observer: Callable[..., None] | None = getattr(module, OBSERVER, None)
    for row in range(query.shape[0]):
        keys, queries = tokens_there(mask, row, query.shape[2], key.shape[2], query.device)
        if not len(queries):
            continue
        q, k, v = query[row][:, queries], key[row][:, keys], value[row][:, keys]
        result = _sequence(module, settings, q, k, v, scale)
        out[row][:, queries] = result
        if observer is not None:
            observer(module.layer_idx, q, k, v, scale, result)
    return out.transpose(1, 2).contiguous()
