"""The scaled scores of one KV head's tiles, computed once for all schedules, and the maxima of their key blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from models.hardware.schedules import blocks, key_order
from models.hardware.tile import QuantisedGroup, TileJob
from models.hardware.tiling import build_tiles

HIDDEN = -(1 << 30)     # scaled score of a key that a row does not see: further below every running maximum than any visible
CELL = 8                # keys of a cell, the smallest block


@dataclass
class GroupScores:
    """The tiles of one KV head.

    ``pieces`` holds the head's queries as they are cut into tiles: one piece for a prefill, one a decode step.
    ``tiles``: keys in natural order; ``z``: int32 ``[R, n]`` of each tile, HIDDEN where a row does not see a key;
    ``cells``: maxima of ``z`` over cells of as many keys as divide both :data:`CELL` and n, int32 ``[n / cell, R]``.
    """

    pieces: list[QuantisedGroup]
    tiles: list[TileJob]
    z: list[np.ndarray]
    cells: list[np.ndarray]
    saturations: list[int]

    @property
    def heads(self) -> int:
        """Query heads on the KV head; row r of a tile belongs to head ``r % heads``."""
        return self.pieces[0].q.shape[0]

    @property
    def rows(self) -> np.ndarray:
        """Rows of each tile, int64 ``[tiles]``."""
        return np.array([z.shape[0] for z in self.z])

    @property
    def keys(self) -> np.ndarray:
        """Keys of each tile, int64 ``[tiles]``."""
        return np.array([z.shape[1] for z in self.z])

    @property
    def longest(self) -> TileJob:
        """The tile with the most keys; a key's position is its index there."""
        return max(self.tiles, key=lambda tile: tile.k.shape[0])


def group_scores(cfg: EngineConfig, pieces: list[QuantisedGroup]) -> GroupScores:
    """Tiles and scaled scores of one KV head."""
    found = GroupScores(pieces, [tile for piece in pieces for tile in build_tiles(cfg, piece)], [], [], [])
    for tile in found.tiles:
        score = (tile.q.float() @ tile.k.float().T).long()
        z, clamped = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift)
        visible = tile.k_pos <= tile.q_pos[:, None]
        z = torch.where(visible, z, HIDDEN).to(torch.int32)
        cell = math.gcd(z.shape[1], CELL)
        found.z.append(z.numpy())
        found.cells.append(z.view(z.shape[0], -1, cell).amax(-1).T.contiguous().numpy())
        found.saturations.append(int((clamped & visible).sum()))
    return found


@lru_cache(maxsize=4096)
def _order(schedule: str, keys: int, keys_per_block: int) -> np.ndarray:
    return key_order(schedule, keys, keys_per_block).numpy()


def block_maxima(scores: GroupScores, schedule: str, keys_per_block: int) -> np.ndarray:
    """Maxima of the scaled scores, int32 ``[B, tiles, R]``, blocks in the order of the stream.

    Blocks of every schedule begin and end at multiples of what divides both their size and the tile's keys, so whole cells
    are taken. R and B are the largest of any tile; what a tile does not have is HIDDEN, which changes nothing further on.
    """
    rows, keys = int(scores.rows.max()), int(scores.keys.max())
    maxima = np.full((-(-keys // keys_per_block), len(scores.z), rows), HIDDEN, dtype=np.int32)
    for tile, (z, cells) in enumerate(zip(scores.z, scores.cells, strict=True)):
        height, per_block = z.shape[0], keys_per_block * len(cells) // z.shape[1]
        count = -(-len(cells) // per_block)
        ordered = cells if schedule == "natural" else cells[_order(schedule, len(cells), per_block)]
        if len(cells) % per_block:
            ordered = np.concatenate([ordered, np.full((count * per_block - len(cells), height), HIDDEN, dtype=np.int32)])
        maxima[:count, tile, :height] = ordered.reshape(count, per_block, height).max(1)
    return maxima


@lru_cache(maxsize=64)
def block_spans(schedule: str, keys: tuple[int, ...], keys_per_block: int) -> tuple[np.ndarray, np.ndarray]:
    """First key and number of keys of each block of tiles with that many keys: int64 ``[B, tiles]``, 0 keys where none is."""
    shape = -(-max(keys) // keys_per_block), len(keys)
    starts, counts = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for tile, n in enumerate(keys):
        found = np.array(blocks(schedule, n, keys_per_block))
        starts[:len(found), tile], counts[:len(found), tile] = found.T
    return starts, counts


def ones_of_blocks(x: Tensor, starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Set bits of the offset-binary codes of keys or values ``x`` int8 ``[n, D]`` in each block, int64, shaped as the spans."""
    table = np.array([code.bit_count() for code in range(256)])
    before = np.concatenate([[0], table[x.numpy().astype(np.int64) + 128].sum(-1).cumsum()])
    return before[starts + counts] - before[starts]
