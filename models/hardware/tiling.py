"""How attention is cut into query tiles and key streams, and how the tiles' outputs become a tensor again."""

from __future__ import annotations

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import OUT_FRAC, EngineConfig
from models.hardware.schedules import key_order
from models.hardware.tile import QuantisedGroup, TileJob, TileResult


def tokens_per_tile(cfg: EngineConfig, group: int) -> int:
    """Tokens whose ``group`` query heads fit one tile.

    Raises:
        FcimError: the group is larger than a tile.
    """
    if not 1 <= group <= cfg.rows:
        raise FcimError(f"{group} query heads on one KV head do not fit {cfg.rows} rows; "
                        "choose a CONFIG with more rows or fewer HEADS")
    return cfg.rows // group


def build_tiles(cfg: EngineConfig, group: QuantisedGroup, tau: int = 0, schedule: str = "natural", fused: bool = False,
                skip: bool = False, octaves: int = 0) -> list[TileJob]:
    """The tiles of one KV head in token order, each with the keys up to the last one that causality shows it.

    Rows are (token, query head): all heads of the group share the key stream, whose order is the schedule's.

    Raises:
        FcimError: the group or its keys do not fit the configuration, ``tau`` is illegal, or there is no such schedule.
    """
    heads, tokens, head_dim = group.q.shape
    step = tokens_per_tile(cfg, heads)
    cfg.check_tau(tau)
    tiles = []
    for first in range(0, tokens, step):
        span = slice(first, min(first + step, tokens))
        count = span.stop - span.start
        keys = int(group.q_pos[span].max()) + 1
        if keys > cfg.max_keys:
            raise FcimError(f"{keys} keys exceed max_keys = {cfg.max_keys} of configuration '{cfg.name}'; "
                            "use fewer TOKENS or another CONFIG")
        order = key_order(schedule, keys, cfg.keys_per_block)
        tiles.append(TileJob(
            q=group.q[:, span].transpose(0, 1).reshape(count * heads, head_dim),
            q_mult=group.q_mult[:, span].transpose(0, 1).reshape(-1),
            q_pos=group.q_pos[span].repeat_interleave(heads),
            k=group.k[order], v=group.v[order], k_mult=group.k_mult[order], k_pos=order,
            shift=group.shift, tau=tau, fused=fused, skip=skip, octaves=octaves, v_mult=group.v_mult[order],
        ))
    return tiles


def assemble(group: QuantisedGroup, results: list[TileResult]) -> Tensor:
    """Dequantised output ``float32 [G, Tq, D]`` from the results of :func:`build_tiles`' tiles, in the same order."""
    heads, tokens, head_dim = group.q.shape
    rows = torch.cat([r.out for r in results]).reshape(tokens, heads, head_dim).transpose(0, 1)
    # in float64, where a step of a very small scale is still a normal number; the product is exact there and rounded once
    return (rows.double() * (group.v_scale.double() / (1 << OUT_FRAC))).float()


def ideal_cycles(cfg: EngineConfig, tiles: list[TileJob]) -> int:
    """Keys that causality shows any row of each tile, times the cycles per key: the bound that no engine beats."""
    return cfg.cycles_per_key * sum(int((t.k_pos <= t.q_pos.max()).sum()) for t in tiles)
