"""Heads of any size on the engine's sizes: which configuration takes them, and what is done so that they fit it.

Zeros in channels that a head does not have change no score and give outputs of 0 there, so smaller heads run padded. A rotation
of Q and K goes over all channels, the padded ones too; without one the bits are those of an engine of the heads' own size.
Larger heads do not fit; only the fixture model's, which are there to be tried, may be cut to their first channels.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import EngineConfig, config_names, load_config
from models.tensors.attention_tensors import AttentionTensors

PREFERRED = ("default", "head64", "tiny")   # of configurations of one head_dim, these before others


@cache
def choose_config(name: str | None, head_dim: int, cut: bool = False) -> EngineConfig:
    """The named configuration, or the shipped one with the smallest head_dim that ``head_dim`` channels fit, looked up once.

    ``cut``: a named one may be smaller, see :func:`fit_tensors`.

    Raises:
        FcimError: there is no such configuration, or the heads are larger.
    """
    if name:
        cfg = load_config(name)
        if cfg.head_dim < head_dim and not cut:
            raise FcimError(f"the heads have head_dim {head_dim}, configuration '{cfg.name}' takes up to {cfg.head_dim}; "
                            "choose another CONFIG or leave it out")
        return cfg
    names = [*PREFERRED, *(n for n in config_names() if n not in PREFERRED)]
    known = [load_config(n) for n in names]
    fitting = [cfg for cfg in known if cfg.head_dim >= head_dim]
    if not fitting:
        largest = max(cfg.head_dim for cfg in known)
        raise FcimError(f"the heads have head_dim {head_dim}, and the engine takes up to {largest}; use a model with smaller "
                        "heads")
    return min(fitting, key=lambda cfg: cfg.head_dim)   # the first of equals


def fit_note(head_dim: int, cfg: EngineConfig) -> str:
    """What is done to heads of ``head_dim`` on this configuration, for people; empty if nothing is."""
    if head_dim == cfg.head_dim:
        return ""
    if head_dim < cfg.head_dim:
        return (f"the heads have head_dim {head_dim} and run on configuration {cfg.name} padded with zeros to {cfg.head_dim} "
                "channels, which changes no score")
    return (f"the heads have head_dim {head_dim}: configuration {cfg.name} gets the first {cfg.head_dim} channels of each, which "
            "is another attention than the model's")


def pad_channels(x: Tensor, head_dim: int) -> Tensor:
    """``x [..., d]`` with zeros behind its last channel, ``[..., head_dim]``; itself if nothing is missing."""
    missing = head_dim - x.shape[-1]
    return torch.nn.functional.pad(x, (0, missing)) if missing else x


def fit_tensors(tensors: AttentionTensors, cfg: EngineConfig) -> AttentionTensors:
    """The tensors with ``cfg.head_dim`` channels: padded with zeros and with their own softmax scale, or the first channels with
    the scale that goes with so many."""
    dim = cfg.head_dim
    if tensors.q.shape[-1] <= dim:
        return replace(tensors, **{name: pad_channels(getattr(tensors, name), dim) for name in "qkv"})
    return replace(tensors, **{name: getattr(tensors, name)[..., :dim] for name in "qkv"}, scale=dim**-0.5)
