"""A small configuration and random heads that put the ablation through its cases."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.hardware.config import EngineConfig
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.sources import gaussian

CFG = EngineConfig("t", rows=32, head_dim=32, bits_per_cycle=4, keys_per_block=8, prob_bits=12, max_keys=256)


def tensors(seed: int, tokens: int = 75, sharpness: float = 4.0) -> AttentionTensors:
    """Random heads whose scores spread over many octaves, so that references move and blocks round to nothing."""
    plain = gaussian(tokens, seed, CFG.head_dim)
    return replace(plain, q=plain.q * sharpness)


def agreeing(seed: int) -> AttentionTensors:
    """Heads that agree on which keys matter, in waves: whole blocks of a tile round to nothing."""
    plain = gaussian(75, seed, CFG.head_dim)
    q, k = plain.q.clone(), plain.k.clone()
    q[..., 0] += 12
    k[..., 0] += 8 * torch.cos(torch.arange(75) / 6)
    return replace(plain, q=q, k=k)
