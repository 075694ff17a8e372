"""Query tiles whose keys lie in a memory, and the arrays that describe them to the bench."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.hardware.config import EngineConfig
from models.hardware.schedules import SCHEDULES, blocks, key_order
from models.hardware.tile import QuantisedGroup, TileJob
from models.hardware.tiling import build_tiles
from tb.core.transactions import stream_arrays


@dataclass(frozen=True)
class Fetch:
    """A query tile with its keys in the order in which the engine meets them, and the schedule that gives this order.

    Key ``order[i]`` of the tile's memory is the i-th key of its stream.
    """

    tile: TileJob
    schedule: str

    def order(self, cfg: EngineConfig) -> torch.Tensor:
        """Numbers of the keys in the order of the stream, int64 ``[n]``."""
        return key_order(self.schedule, len(self.tile.k), cfg.keys_per_block)

    def blocks(self, cfg: EngineConfig) -> list[tuple[int, int]]:
        """The key blocks in the order of the stream, as ``(start, count)``."""
        return blocks(self.schedule, len(self.tile.k), cfg.keys_per_block)

    def memory(self, cfg: EngineConfig) -> dict[str, np.ndarray]:
        """Keys and values in the memory's order: ``k``, ``v`` int8 ``[n, D]``, ``pos``, ``mult``, ``v_mult`` int64 ``[n]``."""
        place = torch.argsort(self.order(cfg))
        parts = {"k": self.tile.k, "v": self.tile.v, "pos": self.tile.k_pos, "mult": self.tile.k_mult, "v_mult": self.tile.v_mult}
        return {name: part[place].numpy() for name, part in parts.items()}


def fetched(tiles: Sequence[TileJob], schedules: Sequence[str] = SCHEDULES) -> list[Fetch]:
    """Tiles whose streams are as they are, with the schedules in turn: the memory's order then follows from both."""
    return [Fetch(tile, schedules[i % len(schedules)]) for i, tile in enumerate(tiles)]


def attention_tiles(cfg: EngineConfig, group: QuantisedGroup, schedule: str, tau: int = 0, fused: bool = False,
                    skip: bool = False) -> list[Fetch]:
    """The tiles of one KV head, cut as the models cut them."""
    return [Fetch(tile, schedule) for tile in build_tiles(cfg, group, tau, schedule, fused, skip)]


def fetch_arrays(cfg: EngineConfig, fetches: Sequence[Fetch]) -> dict[str, np.ndarray]:
    """What the bench sends and what its memories hold: ``q_*`` and ``tile_*`` streams, ``mem_k_*`` and ``mem_v_*`` words."""
    memories = [fetch.memory(cfg) for fetch in fetches]

    def cat(name: str) -> np.ndarray:
        return np.concatenate([memory[name] for memory in memories])

    rows = {name: part for name, part in stream_arrays([fetch.tile for fetch in fetches]).items() if name.startswith("q_")}
    return {**rows, "tile_keys": np.array([len(fetch.tile.k) for fetch in fetches]),
            "tile_schedule": np.array([SCHEDULES.index(fetch.schedule) for fetch in fetches]),
            "mem_k_data": cat("k"), "mem_k_pos": cat("pos"), "mem_k_mult": cat("mult"), "mem_k_v_mult": cat("v_mult"),
            "mem_v_data": cat("v")}
