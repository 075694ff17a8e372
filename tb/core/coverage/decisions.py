"""Coverpoints of key blocks: their order, fused first steps, blocks that are skipped. Sampled from a run's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np

from models.hardware import numerics as nx
from models.hardware.config import Z_FRAC, EngineConfig
from models.hardware.interface import COUNTERS
from models.hardware.schedules import SCHEDULES, key_order
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.functional import SEPARATOR, CoverGroup, CoverPoint
from tb.common.coverage import FIRST_MAXIMUM, OCTAVES, Bins, digitise, numbers, octaves_bin, one_some_all
from tb.core.coverage.internals import Internals

ORDERS: Bins = (*SCHEDULES, "newest of two first", "newest of three first", "one block", "another order")
OF_THREE = "of three blocks sink_diagonal and diagonal_ascending are one order"
STALLS: Bins = ("none pauses", "inputs pause", "outputs wait", "both")
FIRST_STEP: Bins = ("one block", "fused")
MAY_SKIP: Bins = ("every block runs", "blocks may be skipped")
WHY_ZERO: Bins = ("nothing visible", "all too small", "below the octaves")
_SETS = "the block that sets a row's running maximum leaves that row a probability that is not 0"
BY_OCTAVES: Bins = ("counts", "all 0", "skipped", "runs without the flag")
_EXACT = "no probability is left beyond the exact limit"
_SHORT = "only a tile's last block is short"

SCHEDULE = (
    CoverPoint("schedule.order", "fcim_core",
               "Tiles whose keys come in the order of a schedule, seen from the keys' positions; two blocks, newest first, are "
               "all other schedules, three of them, the oldest next, are two",
               axes=(("order", ORDERS), ("last block", ("ragged", "whole")))),
    CoverPoint("schedule.blocks", "fcim_core", "Blocks of a tile in every schedule",
               axes=(("order", SCHEDULES), ("blocks", ("2 or 3", "4 to 15", "16 or more"))),
               illegal=dict.fromkeys(("sink_diagonal, 2 or 3", "diagonal_ascending, 2 or 3"), OF_THREE)),
    CoverPoint("schedule.flags", "fcim_core", "Every schedule with both first steps, with skipping and without",
               axes=(("order", SCHEDULES), ("first step", FIRST_STEP), ("blocks", MAY_SKIP))),
    CoverPoint("schedule.phase", "fcim_core", "Every schedule in prefill and in decoding, where all rows are of one token",
               axes=(("order", SCHEDULES), ("rows", ("several tokens", "one token")))),
    CoverPoint("schedule.stalls", "fcim_core", "Every schedule with streams that pause",
               axes=(("order", SCHEDULES), ("streams", STALLS))),
)

FUSED = (
    CoverPoint("fused.tile", "fcim_online_softmax",
               "Blocks of tiles with both first steps; a tile of one block has nothing to fuse",
               axes=(("first step", FIRST_STEP), ("blocks", ("one", "two, the second ragged", "two, whole", "more")))),
    CoverPoint("fused.second_block", "fcim_online_softmax",
               "Keys of the second block of a fused tile, ragged if it is the last one",
               axes=(("keys", ("one", "some", "all")), ("place", ("last", "more follow"))),
               illegal={"one, more follow": _SHORT, "some, more follow": _SHORT}),
    CoverPoint("fused.row", "fcim_row_max", "Where a row's first running maximum comes from", FIRST_MAXIMUM),
    CoverPoint("fused.saved", "fcim_row_max", "Rows that the second block would have rescaled if it had not been fused, for "
               "every tau", axes=(("tau", numbers(*range(9))), ("second block", ("would rescale", "would not")))),
)

SKIPPED = (
    CoverPoint("skip.block", "fcim_online_softmax", "Blocks that are skipped: their place in the tile, its first step, and why",
               axes=(("place", ("first", "middle", "last")), ("first step", FIRST_STEP), ("because", WHY_ZERO)),
               illegal=dict.fromkeys(("first, one block, all too small", "first, one block, below the octaves"), _SETS)),
    CoverPoint("skip.runs_though_zero", "fcim_online_softmax",
               "Blocks in which no score counts and that run all the same: the tile may not skip, or has no other block",
               axes=(("zero", WHY_ZERO), ("because", ("no flag", "no other block"))),
               illegal=dict.fromkeys(("all too small, no other block", "below the octaves, no other block"), _SETS)),
    CoverPoint("skip.share", "fcim_online_softmax", "Blocks that a tile of several skips",
               ("none", "one", "some", "all but one")),
    CoverPoint("skip.in_a_row", "fcim_online_softmax", "Neighbouring blocks that are skipped; there are three buffers of scores",
               ("1", "2", "3", "4 or more", "over a tile's end")),
    CoverPoint("skip.edge", "fcim_row_max", "The largest maximum of a block, over the rows, in octaves from the last one that "
               "counts", axes=(("tau", ("0", "1 to 7", "8")), ("maximum", (
                   "2 or more below", "1 below", "at", "1 above", "2 or more above")))),
    CoverPoint("skip.octaves", "fcim_row_max", "The tile's octaves against the exact limit, by what comes of a block",
               axes=(("octaves", OCTAVES), ("block", BY_OCTAVES)),
               illegal={SEPARATOR.join((octaves, block)): _EXACT for octaves in ("0", *OCTAVES[4:])
                        for block in BY_OCTAVES[2:]}),
    CoverPoint("skip.octaves_order", "fcim_online_softmax", "Blocks of some probability that are skipped, in every schedule",
               axes=(("order", SCHEDULES), ("first step", FIRST_STEP))),
    CoverPoint("skip.kept_by", "fcim_row_max", "Rows with a score that counts in a block of a tile that may skip",
               ("one of several", "some", "all")),
    CoverPoint("skip.changes", "fcim_online_softmax", "A tile's flags against those of the tile before",
               ("both the same", "other first step", "other skip", "both others")),
    CoverPoint("skip.stalls", "fcim_online_softmax",
               "Every tau with both first steps, with skipping and without, while streams pause",
               axes=(("tau", numbers(*range(9))), ("first step", FIRST_STEP), ("blocks", MAY_SKIP), ("streams", STALLS))),
)

COVERPOINTS: tuple[CoverPoint, ...] = (*SCHEDULE, *FUSED, *SKIPPED)

_TAU_STARTS = (0, 1, 8)     # bins of skip.edge


def _bin(*parts: str) -> str:
    return SEPARATOR.join(parts)


def stalls_seen(record: Mapping[str, np.ndarray]) -> str | None:
    """Which sides of the engine paused in a run, by its counters; None if the record has none."""
    if "counters" not in record:
        return None
    count = dict(zip(COUNTERS, np.asarray(record["counters"]).tolist(), strict=True))
    return STALLS[(count["stall_k"] > 0) + 2 * (count["stall_o"] + count["stall_decision"] > 0)]


def order_of(cfg: EngineConfig, tile: TileJob) -> str:
    """The schedule in whose order a tile's keys stand, as a bin of ``schedule.order``."""
    keys, per_block = tile.k.shape[0], cfg.keys_per_block
    fitting = [name for name in SCHEDULES if tile.k_pos.equal(key_order(name, keys, per_block))]
    if not fitting:
        return "another order"
    if len(fitting) == 1:
        return fitting[0]
    return "one block" if keys <= per_block else "newest of two first" if keys <= 2 * per_block else "newest of three first"


def sample_decisions(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals, stalls: str | None) -> None:
    """One tile; ``stalls`` is what :func:`stalls_seen` gives for its run."""
    first_step, may_skip = FIRST_STEP[tile.fused], MAY_SKIP[tile.skip]
    if stalls is not None:
        cov.sample("skip.stalls", _bin(str(tile.tau), first_step, may_skip, stalls))
    _schedule(cov, cfg, tile, inner, stalls)
    _first_step(cov, cfg, tile, inner)
    _zero_blocks(cov, tile, inner)
    _octaves(cov, cfg, tile, inner)
    _edges(cov, cfg, tile, inner)


def _schedule(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals, stalls: str | None) -> None:
    order = order_of(cfg, tile)
    cov.sample("schedule.order", _bin(order, "whole" if inner.sizes[-1] == cfg.keys_per_block else "ragged"))
    if order not in SCHEDULES:
        return
    count = len(inner.sizes)
    cov.sample("schedule.blocks", _bin(order, "2 or 3" if count < 4 else "4 to 15" if count < 16 else "16 or more"))
    cov.sample("schedule.flags", _bin(order, FIRST_STEP[tile.fused], MAY_SKIP[tile.skip]))
    cov.sample("schedule.phase", _bin(order, "one token" if len(tile.q_pos.unique()) == 1 else "several tokens"))
    if stalls is not None:
        cov.sample("schedule.stalls", _bin(order, stalls))


def _first_step(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    count, whole = len(inner.sizes), inner.sizes[-1] == cfg.keys_per_block
    blocks = "one" if count == 1 else "more" if count > 2 else "two, whole" if whole else "two, the second ragged"
    cov.sample("fused.tile", _bin(FIRST_STEP[tile.fused], blocks))
    if not tile.fused or count == 1:
        return
    cov.sample("fused.second_block", _bin(one_some_all(int(inner.sizes[1]), cfg.keys_per_block),
                                          "last" if count == 2 else "more follow"))
    first, second = inner.zmax[:, 0], inner.zmax[:, 1]
    sees = (first != nx.MASKED) + 2 * (second != nx.MASKED)         # 3: both
    larger = np.where(first > second, 0, np.where(second > first, 1, 2))
    cov.sample_array("fused.row", np.where(sees == 3, larger, np.array([5, 3, 4, 0])[sees]))
    moves = ((second >> Z_FRAC) - (first >> Z_FRAC) > tile.tau)[sees == 3]
    cov.sample_array("fused.saved", np.full(len(moves), tile.tau), np.where(moves, 0, 1))


def _zero_blocks(cov: CoverGroup, tile: TileJob, inner: Internals) -> None:
    ran, zero, lossy = inner.ran, inner.zero, inner.lossy
    hidden = ~(inner.visible_keys > 0).any(0)
    last = len(ran) - 1
    for block in np.flatnonzero(zero):
        why = WHY_ZERO[0 if hidden[block] else 2 if lossy[block] else 1]
        if ran[block]:
            cov.sample("skip.runs_though_zero", _bin(why, "no other block" if tile.skip else "no flag"))
        else:
            place = "first" if block == 0 else "last" if block == last else "middle"
            cov.sample("skip.block", _bin(place, FIRST_STEP[tile.fused], why))
    if tile.skip and last:
        left_out = int((~ran).sum())
        cov.sample("skip.share", "none" if not left_out else "all but one" if left_out == last else
                   "one" if left_out == 1 else "some")


def _octaves(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    octaves = octaves_bin(tile.octaves, cfg.prob_bits - tile.tau)
    for zero, lossy, ran in zip(inner.zero, inner.lossy, inner.ran, strict=True):
        block = "runs without the flag" if lossy and ran else "skipped" if lossy else "all 0" if zero else "counts"
        cov.sample("skip.octaves", _bin(octaves, block))
    order = order_of(cfg, tile)
    if order in SCHEDULES:
        cov.sample("skip.octaves_order", _bin(order, FIRST_STEP[tile.fused]), int((inner.lossy & ~inner.ran).sum()))


def _edges(cov: CoverGroup, cfg: EngineConfig, tile: TileJob, inner: Internals) -> None:
    octave = (inner.zmax >> Z_FRAC) - inner.row_max + nx.skip_span(tile.tau, cfg.prob_bits, tile.octaves)
    seen = inner.visible_keys > 0
    best = np.where(seen, octave, np.iinfo(np.int64).min).max(0)[seen.any(0)]
    tau = digitise(np.full(len(best), tile.tau), _TAU_STARTS)
    cov.sample_array("skip.edge", tau, np.clip(best, -2, 2) + 2)
    rows = (seen & (octave >= 0)).sum(0)
    if tile.skip:
        rows, every = rows[rows > 0], len(inner.p)
        cov.sample_array("skip.kept_by", np.where(rows == every, 2, np.where(rows == 1, 0, 1)))


def sample_neighbours(cov: CoverGroup, tiles: Sequence[TileJob], golden: Sequence[TileResult]) -> None:
    """What lies across the tiles of a run: changing flags, and blocks that are skipped one after another."""
    for before, tile in zip(tiles, tiles[1:]):
        other = (before.fused != tile.fused) + 2 * (before.skip != tile.skip)
        cov.sample_array("skip.changes", np.array([other]))
    skipped = np.concatenate([~result.ran.numpy() for result in golden])
    for is_skipped, run in groupby(skipped.tolist()):
        if is_skipped:
            count = len(list(run))
            cov.sample("skip.in_a_row", str(count) if count < 4 else "4 or more")
    ends = np.cumsum([len(result.ran) for result in golden])[:-1]
    cov.sample("skip.in_a_row", "over a tile's end", int((skipped[ends - 1] & skipped[ends]).sum()))
