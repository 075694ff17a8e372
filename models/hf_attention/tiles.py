"""Query rows packed into tiles as the engine holds them, the key blocks of each in the order of a schedule, and float attention
over them; beside it PyTorch's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from models.hardware.config import EngineConfig
from models.hardware.schedules import TileOptions, block_span, check_schedule
from models.hardware.tiling import tokens_per_tile


@dataclass(frozen=True)
class TilePlan:
    """The tiles of consecutive positions, the last of which is the last key's.

    ``step``: tokens per tile. ``positions`` int64 ``[C, R]``: of each row, -1 where the last tile has none. ``seen`` int64
    ``[C]``: keys that a tile's last row sees. ``first_tile[b]``: the first tile that has block b; tiles have more and more
    keys, so all from there on have it.
    """

    schedule: str
    size: int
    step: int
    positions: Tensor
    seen: Tensor
    first_tile: list[int]

    def block_keys(self, block: int) -> Tensor:
        """Keys of a block of the tiles that have it, int64 ``[C - first_tile, size]``, -1 behind a ragged end.

        One line for all tiles in natural order: there the blocks of all are the same but for ends that no row sees.
        """
        seen = self.seen[self.first_tile[block]:]
        starts, counts = block_span(self.schedule, block, seen[-1:] if self.schedule == "natural" else seen, self.size)
        offsets = torch.arange(self.size, device=seen.device)
        return torch.where(offsets < counts[:, None], starts[:, None] + offsets, -1)


def plan_tiles(cfg: EngineConfig, schedule: str, group: int, tokens: int, keys: int, device: torch.device) -> TilePlan:
    """The plan for ``tokens`` tokens of ``group`` query heads on a KV head; grows with the tokens and the blocks only.

    Raises:
        FcimError: the group does not fit a tile, or there is no such schedule.
    """
    check_schedule(schedule)
    step = tokens_per_tile(cfg, group)
    tiles = -(-tokens // step)
    of_token = torch.arange(tiles * step, device=device) + (keys - tokens)
    seen = of_token[step - 1::step].clamp(max=keys - 1) + 1
    of_token[tokens:] = -1
    counts = -(-seen // cfg.keys_per_block)
    first = torch.searchsorted(counts, torch.arange(int(counts[-1]), device=device), right=True).tolist()
    return TilePlan(schedule, cfg.keys_per_block, step, of_token.repeat_interleave(group).view(tiles, step * group), seen, first)


def pack(rows: Tensor, plan: TilePlan) -> Tensor:
    """``[N, G, T, ...]`` as ``[C, N, R, ...]``: row r of a tile is token ``r // G``, head ``r % G``; 0 where there is no row."""
    heads, group, tokens, *rest = rows.shape
    tiles = plan.positions.shape[0]
    padded = rows.new_zeros(heads, tiles * plan.step, group, *rest)
    padded[:, :tokens] = rows.transpose(1, 2)
    return padded.view(heads, tiles, plan.step * group, *rest).transpose(0, 1).contiguous()


def unpack(tiles: Tensor, group: int, tokens: int) -> Tensor:
    """The inverse of :func:`pack`."""
    count, heads, rows, *rest = tiles.shape
    by_token = tiles.transpose(0, 1).reshape(heads, count * rows // group, group, *rest)
    return by_token[:, :tokens].transpose(1, 2)


def tiled_attention(cfg: EngineConfig, options: TileOptions, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
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
