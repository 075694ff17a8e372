"""Samples the distances between handshakes of an engine run, from the cycle of every beat of every stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.tile import TileJob
from scripts.flow.coverage.model import Coverage

PACED = ("q", "k", "v", "o", "req")


@dataclass
class _Shape:
    """How rows, keys and blocks of a run belong together; one number per row, key or block of the whole run.

    ``rows``, ``keys`` of each tile; ``tile_of_row``, ``tile_of_key``, ``key_in_tile``, ``block_of_key``; of each block ``size``,
    ``ran`` and ``last`` (of its tile); ``sent``: the key's value is streamed.
    """

    rows: np.ndarray
    keys: np.ndarray
    tile_of_row: np.ndarray
    tile_of_key: np.ndarray
    key_in_tile: np.ndarray
    block_of_key: np.ndarray
    size: np.ndarray
    ran: np.ndarray
    last: np.ndarray
    sent: np.ndarray

    def fits(self, at: Mapping[str, np.ndarray]) -> bool:
        """Every stream has as many beats as the tiles ask for."""
        due = {"q": self.rows.sum(), "k": self.keys.sum(), "v": self.sent.sum(), "o": self.rows.sum(), "req": len(self.ran)}
        return all(len(at[name]) == count for name, count in due.items())


def _shape(cfg: HardwareConfig, tiles: Sequence[TileJob], ran: Sequence[np.ndarray]) -> _Shape:
    rows, keys = (np.array([getattr(tile, name).shape[0] for tile in tiles]) for name in ("q", "k"))
    blocks = np.array([len(r) for r in ran])
    tile_of_key = np.repeat(np.arange(len(tiles)), keys)
    key_in_tile = np.arange(len(tile_of_key)) - (np.cumsum(keys) - keys)[tile_of_key]
    block_of_key = (np.cumsum(blocks) - blocks)[tile_of_key] + key_in_tile // cfg.keys_per_block
    all_ran = np.concatenate(ran).astype(bool)
    last = np.zeros(len(all_ran), dtype=bool)
    last[np.cumsum(blocks) - 1] = True
    return _Shape(rows, keys, np.repeat(np.arange(len(tiles)), rows), tile_of_key, key_in_tile, block_of_key,
                  np.bincount(block_of_key), all_ran, last, all_ran[block_of_key])


def sample_pace(cov: Coverage, cfg: HardwareConfig, tiles: Sequence[TileJob], ran: Sequence[np.ndarray],
                at: Mapping[str, np.ndarray]) -> None:
    """Sample a run.

    Args:
        ran: of each tile which blocks run, bool ``[blocks]``.
        at: per stream of :data:`PACED` the cycle of every beat.
    """
    shape = _shape(cfg, tiles, ran)
    if not shape.fits(at):
        return      # a run whose streams disagree has no pace
    _rows(cov, cfg, shape, at)
    _keys(cov, cfg, shape, ran, at)
    _values(cov, cfg, shape, tiles, ran, at)
    _requests(cov, cfg, shape, at["req"])


def _rows(cov: Coverage, cfg: HardwareConfig, shape: _Shape, at: Mapping[str, np.ndarray]) -> None:
    cpk = cfg.cycles_per_key
    other = (np.diff(shape.tile_of_row) > 0).astype(np.int64)
    step = np.diff(at["o"])
    cov.sample_counts("pace.rows", other, np.where(step < cpk, 0, np.where(step == cpk, 1, 2)))
    cov.sample_counts("pace.q", other, (np.diff(at["q"]) > 1).astype(np.int64))
    last_row, last_key = np.cumsum(shape.rows) - 1, np.cumsum(shape.keys) - 1
    cov.sample_counts("pace.q_ahead", (at["q"][last_row[1:]] > at["k"][last_key[:-1]]).astype(np.int64))
    cov.sample_counts("engine.tile_done", (shape.rows > 1).astype(np.int64))
    cov.sample("engine.tile_done", "another tile follows at full rate", int((step[other > 0] == cpk).sum()))
    cov.sample("engine.tile_done", "last of the run")


def _keys(cov: Coverage, cfg: HardwareConfig, shape: _Shape, ran: Sequence[np.ndarray], at: Mapping[str, np.ndarray]) -> None:
    next_tile = np.diff(shape.tile_of_key) > 0
    where = np.where(next_tile, 2, np.where(shape.key_in_tile[1:] % cfg.keys_per_block == 0, 1, 0))
    late = (np.diff(at["k"]) > cfg.cycles_per_key).astype(np.int64)
    cov.sample_counts("pace.keys", where, late)
    skips = np.array([not r.all() for r in ran])[shape.tile_of_key[:-1]]
    cov.sample_counts("pace.keys_skipping", where[skips], late[skips])


def _values(cov: Coverage, cfg: HardwareConfig, shape: _Shape, tiles: Sequence[TileJob], ran: Sequence[np.ndarray],
            at: Mapping[str, np.ndarray]) -> None:
    tile = shape.tile_of_key[shape.sent]
    late = at["v"] - at["k"][shape.sent]
    skips = np.array([int(not r.all()) for r in ran])
    cov.sample_counts("pace.values", skips[tile], np.where(late <= -cfg.block_cycles, 0, np.where(late < 0, 1, np.where(
        late == 0, 2, np.where(late < cfg.block_cycles, 3, 4)))))
    after = at["v"] - at["req"][shape.block_of_key[shape.sent]]
    may_skip = np.array([int(t.skip) for t in tiles])
    cov.sample_counts("request.value", may_skip[tile], np.where(after < 0, 0, np.where(after < 2, 1, 2)))


def _requests(cov: Coverage, cfg: HardwareConfig, shape: _Shape, taken: np.ndarray) -> None:
    skipped = (~shape.ran).astype(np.int64)
    cov.sample_counts("request.kind", skipped, shape.last.astype(np.int64))
    due = np.where(shape.ran, shape.size * cfg.cycles_per_key, 1)[:-1]
    step = np.diff(taken)
    cov.sample_counts("request.pace", skipped[:-1], np.where(step < due, 0, np.where(step == due, 1, 2)))
