"""Samples the shapes of tiles and what comes out of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.model import Coverage
from tb.coverage.bins import digitise
from tb.coverage.catalogue_data import BLOCKS

_GROUPS = (1, 2, 3, 4, 8, 16)         # bins of tile.rows_at_a_position; the last bin is any other number
_BLOCK_STARTS = (1, 2, 3, 4, 16, 64)
_SHIFT_STARTS = (0, 1, 2, 21, 41, 63)
_OUT_STARTS = (-32768, -32767, 0, 1, 32767)
_MULT_STARTS = (0, 1, 2, 32768, 65535)


def sample_tiles(cov: Coverage, cfg: HardwareConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult]) -> None:
    """Shapes, positions and parameters of every tile of a run, its outputs, and its neighbours."""
    for number, (tile, result) in enumerate(zip(tiles, golden)):
        _shape(cov, cfg, tile)
        _parameters(cov, tile)
        if number >= 2:
            rows, before = tile.q.shape[0], tiles[number - 2].q.shape[0]
            cov.sample("tile.rows_after", "fewer" if rows < before else "more" if rows > before else "as many")
        if number >= 1:
            other = tiles[number - 1].tau != tile.tau, tiles[number - 1].shift != tile.shift
            cov.sample_counts("tile.tau_changes", np.array([other[0] + 2 * other[1]]))
        _outputs(cov, result)
    empty = np.concatenate([result.empty.numpy() for result in golden])
    cov.sample_counts("out.row", empty.astype(np.int64))
    cov.sample("out.row", "empty after not empty", int((empty[1:] & ~empty[:-1]).sum()))
    cov.sample("out.row", "not empty after empty", int((~empty[1:] & empty[:-1]).sum()))


def _shape(cov: Coverage, cfg: HardwareConfig, tile: TileJob) -> None:
    rows, keys, per_block = tile.q.shape[0], tile.k.shape[0], cfg.keys_per_block
    cov.sample("tile.rows", "one" if rows == 1 else "all" if rows == cfg.rows else
               "all but one" if rows == cfg.rows - 1 else "some")
    cov.sample("tile.keys", "1" if keys == 1 else "less than a block" if keys < per_block else "a block" if keys == per_block else
               "a block and one" if keys == per_block + 1 else "more, ragged" if keys % per_block else "more, whole blocks")
    cov.sample_counts("tile.blocks", digitise(np.array([-(-keys // per_block)]), _BLOCK_STARTS))
    last = (keys - 1) % per_block + 1
    starts = np.array([1, 2, per_block // 2 + 1, per_block - 1, per_block])
    cov.sample_counts("tile.last_block", np.array([BLOCKS.index(str(per_block))]), digitise(np.array([last]), starts))
    if per_block == 8:
        cov.sample("tile.last_block_of_8", str(last))
    ends = np.flatnonzero(np.append(np.diff(tile.q_pos.numpy()) != 0, True))
    sizes = np.diff(ends, prepend=-1)
    place = np.searchsorted(_GROUPS, sizes)
    known = np.isin(sizes, _GROUPS)
    cov.sample_counts("tile.rows_at_a_position", np.where(known, place, len(_GROUPS)))
    real = tile.k_pos.numpy()[tile.k_pos.numpy() != cfg.padding_pos]
    steps = np.diff(real)
    cov.sample("tile.order", "one position" if not steps.any() else "rising" if (steps > 0).all() else
               "falling" if (steps < 0).all() else "any")


def _parameters(cov: Coverage, tile: TileJob) -> None:
    cov.sample("tile.tau", str(tile.tau))
    cov.sample_counts("scale.shift", digitise(np.array([tile.shift]), _SHIFT_STARTS))
    cov.sample_counts("scale.q_mult", digitise(tile.q_mult.numpy(), _MULT_STARTS))
    cov.sample_counts("scale.k_mult", digitise(tile.k_mult.numpy(), _MULT_STARTS))


def _outputs(cov: Coverage, result: TileResult) -> None:
    out = result.out.numpy()[~result.empty.numpy()]
    cov.sample_counts("out.value", digitise(out, _OUT_STARTS))
