"""Statistics of a model's layers from a calibration text, which a running system has before it serves another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import FcimError
from models.hf_attention.forward import observed
from models.hf_attention.settings import Settings, attention_modules, configure, settings_of
from models.hf_attention.statistics import layer_statistics
from models.tensors.fit import pad_channels

V_ROOM = 1.25
"""How much larger than in the calibration text a channel of V may be before it saturates: `make precision` shows the choice."""


@torch.no_grad()
def calibrate(model: nn.Module, input_ids: Tensor, v_room: float = V_ROOM, **forward: Any) -> Settings:
    """Run the model once in float on ``input_ids [B, T]`` and keep its layers' statistics in its settings.

    ``v_room``: room above the largest values of V. ``forward``: more arguments of the model, such as an attention mask. The Q, K
    and V of all sequences are held until the end of it.

    Raises:
        FcimError: what :func:`configure` raises, or no token is there.
    """
    modules = attention_modules(model)
    wanted = replace(settings_of(next(iter(modules.values()))), statistics={})
    choice, before = wanted.quantisation, model.config._attn_implementation
    seen: dict[int, list[tuple[Tensor, Tensor, Tensor]]] = {layer: [] for layer in modules}

    def note(layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float, out: Tensor) -> None:
        dim = wanted.hardware_for(q.shape[-1]).head_dim
        seen[layer].append((pad_channels(q, dim), pad_channels(k, dim), pad_channels(v, dim)))

    configure(model, wanted, layers=frozenset())
    try:
        model.set_attn_implementation("fusioncim")
        with observed(model, note):
            model(input_ids=input_ids, use_cache=False, **forward)
    finally:
        configure(model, wanted)
        model.set_attn_implementation(before)
    if not all(seen.values()):
        raise FcimError("the calibration text has no tokens; give input_ids that are not all padding")
    found = {layer: layer_statistics([(q.double(), k.double(), v.double()) for q, k, v in parts], choice)
             for layer, parts in seen.items()}
    return configure(model, wanted, statistics={layer: x.with_room(v_room) for layer, x in found.items()})
