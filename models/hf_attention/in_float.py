"""The same attention in float: with the tiles and key blocks of the hardware, or simply PyTorch's."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.hardware.config import HardwareConfig
from models.hardware.schedules import TileOptions
from models.hf_attention.tiles import pack, plan_tiles, unpack


def tiled_attention(cfg: HardwareConfig, options: TileOptions, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Online softmax in float64 over the tiles and key blocks that the hardware would use, without quantisation.

    ``q [Hkv, G, Tq, D]``, ``k`` and ``v`` ``[Hkv, n, D]``; gives ``[Hkv, G, Tq, D]``. It shares the packing and the order of the
    keys with the integer algorithm, and nothing else.
    """
    heads, group, tokens, _ = q.shape
    plan = plan_tiles(cfg, options.schedule, group, tokens, k.shape[1], k.device)
    packed = pack(q.double() * scale, plan)
    maximum = torch.full(packed.shape[:3], -torch.inf, dtype=torch.float64, device=k.device)
    total = torch.zeros_like(maximum)
    acc = torch.zeros_like(packed)
    for block, first in enumerate(plan.first_tile):
        keys = plan.block_keys(block)
        index = keys.clamp(min=0)
        score = packed[first:] @ k.double()[:, index].transpose(0, 1).transpose(-1, -2)
        visible = (keys[:, None] <= plan.positions[first:, :, None]) & (keys[:, None] >= 0)
        score = score.masked_fill(~visible[:, None], -torch.inf)
        larger = torch.maximum(maximum[first:], score.amax(-1))
        safe = larger.clamp(min=torch.finfo(torch.float64).min)     # of a row that has seen no key
        p, kept = (score - safe[..., None]).exp(), (maximum[first:] - safe).exp()
        total[first:] = total[first:] * kept + p.sum(-1)
        acc[first:] = acc[first:] * kept[..., None] + p @ v.double()[:, index].transpose(0, 1)
        maximum[first:] = larger
    return unpack(acc / total.clamp(min=torch.finfo(torch.float64).tiny)[..., None], group, tokens)


def torch_attention(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """PyTorch's own, of the last ``Tq`` positions: ``q [H, Tq, D]``, ``k`` and ``v`` ``[Hkv, n, D]``; gives ``[H, Tq, D]``."""
    tokens, keys = q.shape[1], k.shape[1]
    mask = None
    if 1 < tokens < keys:
        mask = torch.ones(tokens, keys, dtype=torch.bool, device=q.device).tril(keys - tokens)
    return scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask, is_causal=tokens == keys, scale=scale,
                                        enable_gqa=True)[0]
