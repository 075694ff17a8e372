"""Query rows packed into tiles as the engine holds them, and the key blocks of each tile in the order of a schedule."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.hardware.config import HardwareConfig
from models.hardware.schedules import block_span, check_schedule
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


def plan_tiles(cfg: HardwareConfig, schedule: str, group: int, tokens: int, keys: int, device: torch.device) -> TilePlan:
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
