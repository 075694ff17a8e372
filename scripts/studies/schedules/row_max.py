"""How the rows' integer running maxima move over the key blocks: all tiles of a KV head, many first steps and thresholds at once.

The golden model's rules, without its sums and accumulators: what is counted here is a function of the block maxima alone.
Running maxima fit 16 bits, which is what makes the walk over millions of (row, block, variant) cells quick.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from models.hardware import numerics as nx
from models.hardware.config import EngineConfig
from scripts.studies.schedules.settings import Variants

UNSEEN = -8192    # candidate of a block that shows a row no key: below every running maximum


@dataclass
class Moves:
    """What happened, for every variant ``a`` of ``(fused, tau)``.

    ``rescales`` int64 ``[A, tiles, R]`` of each row; ``amount`` int64 ``[A, tiles]``: sum of the rescale amounts; ``moved``
    bool ``[A, B, tiles]``: any row of the tile was rescaled in the block; ``margin`` int16 ``[A, B, tiles]``: how far, in
    octaves, the block's largest maximum lies above its row's running maximum; ``row_zero`` int64 ``[A]``: (row, block) pairs of
    probabilities that are all 0; ``row_max`` int16 ``[A, B, tiles, R]`` after each block for the kept variants. A row that
    has seen no key has the running maximum that its first key will give it.
    """

    rescales: np.ndarray
    amount: np.ndarray
    moved: np.ndarray
    margin: np.ndarray
    row_zero: np.ndarray
    row_max: dict[int, np.ndarray]


def _first_row_max(candidates: np.ndarray, fused: bool) -> np.ndarray:
    """What the first block with a visible key gives each row, int16 ``[N]``, from candidates ``[B, N]``; 0 if there is none."""
    seen = candidates if not fused or len(candidates) == 1 else np.concatenate([candidates[:2].max(0)[None], candidates[2:]])
    first = (seen != UNSEEN).argmax(0)
    row_max = np.take_along_axis(seen, first[None], 0)[0]
    return np.where(row_max == UNSEEN, 0, row_max)


def walk(cfg: EngineConfig, maxima: np.ndarray, rows: np.ndarray, keys: np.ndarray, variants: Variants,
         keep: tuple[int, ...] = ()) -> Moves:
    """Walk the key blocks.

    Args:
        maxima: from :func:`scripts.studies.schedules.scores.block_maxima`, for the block size of ``cfg``.
        rows, keys: of each tile, ``[tiles]``; keys must ascend, as tiles in token order have them.
        variants: ``(fused, tau)`` pairs. keep: the numbers of those whose running maxima are wanted.
    """
    count, tiles, height = maxima.shape
    candidates = np.maximum(maxima >> nx.Z_FRAC, UNSEEN).astype(np.int16).reshape(count, tiles * height)
    blocks = -(-keys // cfg.keys_per_block)
    tau = np.array([[t] for _, t in variants], dtype=np.int16)
    first = {fused: _first_row_max(candidates, fused) for fused in {f for f, _ in variants}}
    limit = np.stack([first[fused] for fused, _ in variants]) + tau     # a candidate above it moves the running maximum
    by_tile = (len(variants), tiles, height)
    began = limit.reshape(by_tile).sum(-1, dtype=np.int64)
    rescales = np.zeros(limit.shape, dtype=np.int64)
    moved = np.zeros((len(variants), count, tiles), dtype=bool)
    margin = np.full((len(variants), count, tiles), UNSEEN, dtype=np.int16)
    row_zero = np.zeros(len(variants), dtype=np.int64)
    kept = {a: np.empty((count, tiles * height), dtype=np.int16) for a in keep}
    for block in range(count):
        start = int(np.searchsorted(blocks, block, side="right"))  # tiles from here on have the block
        cut = start * height
        own, here = candidates[block, cut:], limit[:, cut:]
        which, row = (own > here).nonzero()
        here[which, row] = own[row] + tau[which, 0]
        rescales[which, cut + row] += 1
        moved[which, block, start + row // height] = True
        above = own - here + tau
        margin[:, block, start:] = torch.from_numpy(above).view(len(variants), -1, height).amax(-1).numpy()
        nothing = above < tau - cfg.prob_bits
        row_zero += [np.count_nonzero(of) for of in nothing]
        for a, row_max in kept.items():
            np.subtract(limit[a], tau[a], out=row_max[block])
    row_zero -= int(((height - rows) * blocks).sum())  # rows that a tile does not have round to nothing everywhere
    return Moves(rescales.reshape(by_tile), limit.reshape(by_tile).sum(-1, dtype=np.int64) - began, moved, margin, row_zero,
                 {a: row_max.reshape(count, tiles, height) for a, row_max in kept.items()})


def zero_blocks(moves: Moves, variant: int, tau: int, prob_bits: int, keys: np.ndarray, keys_per_block: int) -> np.ndarray:
    """Which blocks' probabilities are all 0 with that many bits, bool ``[B, tiles]``; a block that is not there is not."""
    there = np.arange(moves.margin.shape[1])[:, None] < -(-keys // keys_per_block)
    return (moves.margin[variant] < tau - prob_bits) & there


def blocks_that_run(zero: np.ndarray, keys: np.ndarray, keys_per_block: int) -> np.ndarray:
    """Which blocks a skipping tile runs, bool ``[B, tiles]``, from ``zero`` of one variant: its last one if no other has run."""
    blocks = -(-keys // keys_per_block)
    ran = (np.arange(zero.shape[0])[:, None] < blocks) & ~zero
    ran[blocks - 1, np.arange(len(blocks))] |= ~ran.any(0)
    return ran
