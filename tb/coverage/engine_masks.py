"""Samples which keys a tile's rows see."""

from __future__ import annotations

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.tile import TileJob
from scripts.flow.coverage.model import Coverage
from tb.coverage.engine_walk import Walk


def _share(count: np.ndarray, full: np.ndarray | int) -> np.ndarray:
    """Bin numbers of none, one, some, all but one, all."""
    return np.where(count == 0, 0, np.where(count == full, 4, np.where(count == 1, 1, np.where(count == full - 1, 3, 2))))


def sample_masks(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    """Visibility of a tile's keys by block, by row and by position."""
    sight, sizes = walk.sight, walk.sizes
    cov.sample_counts("mask.block", np.where(sizes == 1, np.where(sight > 0, 5, 6), _share(sight, sizes)))
    seen = walk.visible.sum(1)
    keys = walk.visible.shape[1]
    cov.sample_counts("mask.row", np.where(seen == 0, 0, np.where(seen == keys, 3, np.where(seen == 1, 1, 2))))
    blind = int((seen == 0).sum())
    cov.sample("mask.rows_without_key", "none" if not blind else "all" if blind == len(seen) else "some")
    first, last = np.argmax(sight > 0, axis=1), sight.shape[1] - 1
    cov.sample_counts("mask.first_seen", np.where(seen == 0, 4, np.where(last == 0, 0, np.where(
        first == 0, 1, np.where(first == last, 3, 2)))))
    cov.sample_counts("mask.gap", ((sight == 0) & walk.known).any(1).astype(np.int64))
    _positions(cov, cfg, tile)


def _positions(cov: Coverage, cfg: HardwareConfig, tile: TileJob) -> None:
    padding, q_pos, k_pos = cfg.padding_pos, tile.q_pos.numpy(), tile.k_pos.numpy()
    hidden = k_pos == padding
    distance = np.clip(k_pos[~hidden][None, :] - q_pos[:, None], -2, 2) + 2
    cov.sample_counts("mask.distance", distance)
    cov.sample("mask.distance", "padding", int(hidden.sum()) * len(q_pos))
    cov.sample_counts("mask.row_position", np.where(q_pos == 0, 0, np.where(q_pos == padding - 1, 2, 1)))
    cov.sample_counts("mask.key_position", np.where(k_pos == 0, 0, np.where(hidden, 3, np.where(k_pos == padding - 1, 2, 1))))
    if len(k_pos) == 1:
        return
    blocks = [hidden[start:start + cfg.keys_per_block].all() for start in range(0, len(k_pos), cfg.keys_per_block)]
    cov.sample("mask.padding", "first key", int(hidden[0]))
    cov.sample("mask.padding", "inside", int(hidden[1:-1].sum()))
    cov.sample("mask.padding", "last key", int(hidden[-1]))
    cov.sample("mask.padding", "a whole block", sum(blocks) if not all(blocks) else 0)
    cov.sample("mask.padding", "every key", int(all(blocks)))
