"""Samples what was decided of a tile's key blocks: their order, fused first steps, blocks that were skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, HardwareConfig
from models.hardware.schedules import key_order
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.model import SEPARATOR, Coverage
from tb.coverage.bins import digitise, one_some_all
from tb.coverage.catalogue_decisions import FIRST_STEP, MAY_SKIP, SCHEDULES, STALLS, WHY_ZERO
from tb.coverage.catalogue_flow import COUNTERS
from tb.coverage.engine_walk import Walk

_TAU_STARTS = (0, 1, 8)     # bins of skip.edge


def _bin(*parts: str) -> str:
    return SEPARATOR.join(parts)


def stalls_seen(record: Mapping[str, np.ndarray]) -> str | None:
    """Which sides of the engine paused in a run, by its counters; None if the record has none."""
    if "counters" not in record:
        return None
    count = dict(zip(COUNTERS, np.asarray(record["counters"]).tolist(), strict=True))
    return STALLS[(count["stall_k"] > 0) + 2 * (count["stall_o"] + count["stall_req"] > 0)]


def order_of(cfg: HardwareConfig, tile: TileJob) -> str:
    """The schedule in whose order a tile's keys stand, as a bin of ``schedule.order``."""
    keys, per_block = tile.k.shape[0], cfg.keys_per_block
    fitting = [name for name in SCHEDULES if tile.k_pos.equal(key_order(name, keys, per_block))]
    if not fitting:
        return "another order"
    return "one block" if keys <= per_block else "newest of two first" if len(fitting) > 1 else fitting[0]


def sample_decisions(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk, stalls: str | None) -> None:
    """One tile; ``stalls`` is what :func:`stalls_seen` gives for its run."""
    first_step, may_skip = FIRST_STEP[tile.fused], MAY_SKIP[tile.skip]
    if stalls is not None:
        cov.sample("skip.stalls", _bin(str(tile.tau), first_step, may_skip, stalls))
    _schedule(cov, cfg, tile, walk, stalls)
    _first_step(cov, cfg, tile, walk)
    _zero_blocks(cov, tile, walk)
    _edges(cov, cfg, tile, walk)


def _schedule(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk, stalls: str | None) -> None:
    order = order_of(cfg, tile)
    cov.sample("schedule.order", _bin(order, "whole" if walk.sizes[-1] == cfg.keys_per_block else "ragged"))
    if order not in SCHEDULES:
        return
    count = len(walk.sizes)
    cov.sample("schedule.blocks", _bin(order, "2 or 3" if count < 4 else "4 to 15" if count < 16 else "16 or more"))
    cov.sample("schedule.flags", _bin(order, FIRST_STEP[tile.fused], MAY_SKIP[tile.skip]))
    cov.sample("schedule.phase", _bin(order, "one token" if len(tile.q_pos.unique()) == 1 else "several tokens"))
    if stalls is not None:
        cov.sample("schedule.stalls", _bin(order, stalls))


def _first_step(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    count, whole = len(walk.sizes), walk.sizes[-1] == cfg.keys_per_block
    blocks = "one" if count == 1 else "more" if count > 2 else "two, whole" if whole else "two, the second ragged"
    cov.sample("fused.tile", _bin(FIRST_STEP[tile.fused], blocks))
    if not tile.fused or count == 1:
        return
    cov.sample("fused.second_block", _bin(one_some_all(int(walk.sizes[1]), cfg.keys_per_block),
                                          "last" if count == 2 else "more follow"))
    first, second = walk.zmax[:, 0], walk.zmax[:, 1]
    sees = (first != nx.MASKED) + 2 * (second != nx.MASKED)         # 3: both
    larger = np.where(first > second, 0, np.where(second > first, 1, 2))
    cov.sample_counts("fused.row", np.where(sees == 3, larger, np.array([5, 3, 4, 0])[sees]))
    moves = ((second >> Z_FRAC) - (first >> Z_FRAC) > tile.tau)[sees == 3]
    cov.sample_counts("fused.saved", np.full(len(moves), tile.tau), np.where(moves, 0, 1))


def _zero_blocks(cov: Coverage, tile: TileJob, walk: Walk) -> None:
    ran, zero = walk.ran(tile.skip), walk.zero
    hidden = ~(walk.sight > 0).any(0)
    last = len(ran) - 1
    for block in np.flatnonzero(zero):
        why = WHY_ZERO[not hidden[block]]
        if ran[block]:
            cov.sample("skip.runs_though_zero", _bin(why, "no other block" if tile.skip else "no flag"))
        else:
            place = "first" if block == 0 else "last" if block == last else "middle"
            cov.sample("skip.block", _bin(place, FIRST_STEP[tile.fused], why))
    if tile.skip and last:
        left_out = int((~ran).sum())
        cov.sample("skip.share", "none" if not left_out else "all but one" if left_out == last else
                   "one" if left_out == 1 else "some")


def _edges(cov: Coverage, cfg: HardwareConfig, tile: TileJob, walk: Walk) -> None:
    octave = (walk.zmax >> Z_FRAC) - walk.reference + cfg.prob_bits - tile.tau
    seen = walk.sight > 0
    best = np.where(seen, octave, np.iinfo(np.int64).min).max(0)[seen.any(0)]
    tau = digitise(np.full(len(best), tile.tau), _TAU_STARTS)
    cov.sample_counts("skip.edge", tau, np.clip(best, -2, 2) + 2)
    rows = walk.p.any(2).sum(0)
    if tile.skip:
        rows, every = rows[rows > 0], len(walk.p)
        cov.sample_counts("skip.kept_by", np.where(rows == every, 2, np.where(rows == 1, 0, 1)))


def sample_neighbours(cov: Coverage, tiles: Sequence[TileJob], golden: Sequence[TileResult]) -> None:
    """What lies across the tiles of a run: changing flags, and blocks that are skipped one after another."""
    for before, tile in zip(tiles, tiles[1:]):
        other = (before.fused != tile.fused) + 2 * (before.skip != tile.skip)
        cov.sample_counts("skip.changes", np.array([other]))
    skipped = np.concatenate([~result.ran.numpy() for result in golden])
    for is_skipped, run in groupby(skipped.tolist()):
        if is_skipped:
            count = len(list(run))
            cov.sample("skip.in_a_row", str(count) if count < 4 else "4 or more")
    ends = np.cumsum([len(result.ran) for result in golden])[:-1]
    cov.sample("skip.in_a_row", "over a tile's end", int((skipped[ends - 1] & skipped[ends]).sum()))
