"""Coverpoints of time: streams, overlap, pace, requests, counters. Sampled from a run's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.interface import COUNTERS
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.functional import CoverGroup, CoverPoint
from tb.core.coverage.decisions import MAY_SKIP

HANDSHAKES = ("neither", "valid waits", "ready waits", "moves")         # number: 2 * ready + valid
STAGES = ("IP-CIM", "column waits", "exponentials", "OP-CIM", "read-out")
PHASES = (*STAGES, "all at rest")
NEXT_KEY = ("of the block", "of the next block", "of the next tile")
IN_FLIGHT = ("0", "1", "2", "3 or more")
STREAMS = (("q", "s_q", "fcim_q_loader"), ("k", "s_k", "fcim_ip_cim"), ("v", "s_v", "fcim_v_buffer"),
           ("o", "m_o", "fcim_normalizer"), ("part", "m_part", "fcim_normalizer"),
           ("decision", "m_decision", "fcim_online_softmax"))
_STANDS = "the read-out stands while a finished row or a chunk is not taken (docs/streams.md, stall_o)"
_EMPTY = "what works in the engine belongs to a tile in flight"

STREAM_STATES = tuple(
    CoverPoint(f"stream.{name}", block, f"Every handshake of {port} while each stage of the engine works, and while all rest",
               axes=(("handshake", HANDSHAKES), ("engine", PHASES)),
               illegal={"valid waits, read-out": _STANDS} if name in ("o", "part") else {})
    for name, port, block in STREAMS)

REQUESTS = (
    CoverPoint("decision.kind", "fcim_online_softmax", "What becomes of blocks, tile's last ones and others",
               axes=(("block", ("runs", "skipped")), ("place", ("more follow", "last")))),
    CoverPoint("decision.pace", "fcim_online_softmax", "A decision in the first cycle that the block before it leaves, or later",
               axes=(("block before", ("ran", "skipped")), ("comes", ("sooner", "at full rate", "later"))),
               illegal={"*, sooner": "a block is decided when the one before it has had its exponentials, or a cycle after it is "
                        "skipped"}),
    CoverPoint("decision.value", "fcim_v_buffer", "A value against the decision on its block, in tiles that may skip and others",
               axes=(("blocks", MAY_SKIP), ("comes", ("before it", "with it or right after", "from the second cycle on")))),
)

COVERPOINTS: tuple[CoverPoint, ...] = (
    *STREAM_STATES,
    *REQUESTS,
    CoverPoint("overlap.stages", "fcim_core", "Stages that work in the same cycle",
               ("IP-CIM and exponentials", "IP-CIM and OP-CIM", "IP-CIM and read-out", "exponentials and OP-CIM",
                "exponentials and read-out", "OP-CIM and read-out", "IP-CIM, exponentials and OP-CIM", "all four")),
    CoverPoint("overlap.load", "fcim_core", "Rows of Q move while a stage works",
               ("IP-CIM", "exponentials", "OP-CIM", "read-out")),
    CoverPoint("overlap.send", "fcim_core", "Rows of O move while a stage works",
               ("IP-CIM", "exponentials", "OP-CIM", "read-out")),
    CoverPoint("overlap.tiles", "fcim_core", "Tiles in flight while each stage works",
               axes=(("tiles", IN_FLIGHT), ("engine", PHASES)), illegal={f"0, {stage}": _EMPTY for stage in STAGES}),
    CoverPoint("pace.keys", "fcim_ip_cim",
               "Keys follow each other every CYCLES_PER_KEY cycles or later: in a block, from block to block, from tile to tile",
               axes=(("next key", NEXT_KEY), ("comes", ("at full rate", "later")))),
    CoverPoint("pace.keys_skipping", "fcim_ip_cim", "The same in tiles of which blocks are skipped: keys keep their pace",
               axes=(("next key", NEXT_KEY), ("comes", ("at full rate", "later")))),
    CoverPoint("pace.rows", "fcim_normalizer",
               "Rows of O follow each other every CYCLES_PER_KEY cycles or not: in a tile, from tile to tile",
               axes=(("next row", ("of the tile", "of the next tile")), ("comes", ("sooner", "at full rate", "later"))),
               illegal={"*, sooner": "the divider gives a row per CYCLES_PER_KEY cycles and stands while one is not taken"}),
    CoverPoint("pace.q", "fcim_q_loader", "Rows of Q follow each other in every cycle or later: in a tile, from tile to tile",
               axes=(("next row", ("of the tile", "of the next tile")), ("comes", ("at full rate", "later")))),
    CoverPoint("pace.q_ahead", "fcim_q_loader", "A tile's Q is complete before or after the last key of the tile before it",
               ("before", "after")),
    CoverPoint("pace.values", "fcim_v_buffer",
               "A value against the key that it belongs to, in tiles with every value and in others",
               axes=(("values", ("all", "some are skipped")),
                     ("comes", ("a block or more before", "before", "in the same cycle", "after", "a block or more after")))),
    CoverPoint("core.tile_done", "fcim_core",
               "tile_done, with a tile's last output: of a tile of one row, of several, and with the next tile's first row "
               "following in its own next slot",
               ("tile of one row", "tile of several rows", "another tile follows at full rate", "last of the run")),
    CoverPoint("core.tiles_of_run", "fcim_core", "Tiles of one run: banks alternate and are used again",
               ("1", "2", "3", "4 or more")),
    CoverPoint("core.counter", "fcim_counters", "The counter moved in a run", COUNTERS),
)

Record = Mapping[str, np.ndarray]
PACED = ("q", "k", "v", "o", "part", "decision")
# where a state word of the record has what
_STREAM_BITS = {"q": 0, "k": 2, "v": 4, "o": 6, "decision": 15, "part": 17}
_STAGE_BIT, _TILES_BIT = 8, 13
_IP, _WAIT, _EXP, _OP, _READ = range(len(STAGES))
_MOVES = 3


def sample_flow(cov: CoverGroup, cfg: EngineConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult],
                record: Record) -> None:
    """Handshakes, overlap, pace and counters of a run; what the record lacks is left out."""
    cov.sample("core.tiles_of_run", str(len(tiles)) if len(tiles) < 4 else "4 or more")
    if "state_counts" in record:
        _states(cov, np.asarray(record["state_counts"], dtype=np.int64).reshape(-1, 2))
    if "counters" in record:
        cov.sample_array("core.counter", np.arange(len(COUNTERS)), weights=np.asarray(record["counters"]) > 0)
    if all(f"{name}_cycle" in record for name in PACED):
        at = {name: np.asarray(record[f"{name}_cycle"], dtype=np.int64) for name in PACED}
        sample_pace(cov, cfg, tiles, [result.ran.numpy() for result in golden], at)


def _states(cov: CoverGroup, counts: np.ndarray) -> None:
    """State words ``[n]`` and cycles spent in each ``[n]``."""
    word, cycles = counts[:, 0], counts[:, 1]
    stage = (word[:, None] >> (_STAGE_BIT + np.arange(len(STAGES)))) & 1       # [n, stages]
    phases = np.concatenate([stage, (stage.sum(1) == 0)[:, None]], axis=1)     # ... and all at rest
    in_flight = (word >> _TILES_BIT) & 3
    which = np.arange(phases.shape[1])[None, :]
    weights = phases * cycles[:, None]
    moves = {}
    for name, bit in _STREAM_BITS.items():
        handshake = (word >> bit) & 3
        cov.sample_array(f"stream.{name}", handshake[:, None], which, weights=weights)
        moves[name] = handshake == _MOVES
    cov.sample_array("overlap.tiles", in_flight[:, None], which, weights=weights)
    on = stage.astype(bool)
    together = ((_IP, _EXP), (_IP, _OP), (_IP, _READ), (_EXP, _OP), (_EXP, _READ), (_OP, _READ), (_IP, _EXP, _OP),
                (_IP, _EXP, _OP, _READ))
    for point, kinds in (("overlap.stages", [on[:, list(stages)].all(1) for stages in together]),
                         ("overlap.load", [moves["q"] & on[:, s] for s in (_IP, _EXP, _OP, _READ)]),
                         ("overlap.send", [moves["o"] & on[:, s] for s in (_IP, _EXP, _OP, _READ)])):
        cov.sample_array(point, np.arange(len(kinds)), weights=np.array([cycles[kind].sum() for kind in kinds]))


# ---- pace
@dataclass
class _Shape:
    """How rows, keys and blocks of a run belong together; one number per row, key or block of the whole run.

    ``rows``, ``keys`` of each tile, ``partial`` or not; ``tile_of_row``, ``tile_of_key``, ``key_in_tile``, ``block_of_key``; of
    each block ``size``, ``ran`` and ``last`` (of its tile); ``sent``: the key's value is streamed.
    """

    rows: np.ndarray
    keys: np.ndarray
    partial: np.ndarray
    tile_of_row: np.ndarray
    tile_of_key: np.ndarray
    key_in_tile: np.ndarray
    block_of_key: np.ndarray
    size: np.ndarray
    ran: np.ndarray
    last: np.ndarray
    sent: np.ndarray

    def fits(self, at: Mapping[str, np.ndarray], cycles_per_key: int) -> bool:
        """Every stream has as many beats as the tiles ask for."""
        undivided = self.rows[self.partial].sum()
        due = {"q": self.rows.sum(), "k": self.keys.sum(), "v": self.sent.sum(), "o": self.rows.sum() - undivided,
               "part": undivided * cycles_per_key, "decision": len(self.ran)}
        return all(len(at[name]) == count for name, count in due.items())


def _shape(cfg: EngineConfig, tiles: Sequence[TileJob], ran: Sequence[np.ndarray]) -> _Shape:
    rows, keys = (np.array([getattr(tile, name).shape[0] for tile in tiles]) for name in ("q", "k"))
    blocks = np.array([len(r) for r in ran])
    tile_of_key = np.repeat(np.arange(len(tiles)), keys)
    key_in_tile = np.arange(len(tile_of_key)) - (np.cumsum(keys) - keys)[tile_of_key]
    block_of_key = (np.cumsum(blocks) - blocks)[tile_of_key] + key_in_tile // cfg.keys_per_block
    all_ran = np.concatenate(ran).astype(bool)
    last = np.zeros(len(all_ran), dtype=bool)
    last[np.cumsum(blocks) - 1] = True
    return _Shape(rows, keys, np.array([tile.partial for tile in tiles]), np.repeat(np.arange(len(tiles)), rows), tile_of_key,
                  key_in_tile, block_of_key, np.bincount(block_of_key), all_ran, last, all_ran[block_of_key])


def sample_pace(cov: CoverGroup, cfg: EngineConfig, tiles: Sequence[TileJob], ran: Sequence[np.ndarray],
                at: Mapping[str, np.ndarray]) -> None:
    """Sample a run.

    Args:
        ran: of each tile which blocks run, bool ``[blocks]``.
        at: per stream of :data:`PACED` the cycle of every beat.
    """
    shape = _shape(cfg, tiles, ran)
    if not shape.fits(at, cfg.cycles_per_key):
        return      # a run whose streams disagree has no pace
    _rows(cov, cfg, shape, at)
    _keys(cov, cfg, shape, ran, at)
    _values(cov, cfg, shape, tiles, ran, at)
    _requests(cov, cfg, shape, at["decision"])


def _rows(cov: CoverGroup, cfg: EngineConfig, shape: _Shape, at: Mapping[str, np.ndarray]) -> None:
    cpk = cfg.cycles_per_key
    other = (np.diff(shape.tile_of_row) > 0).astype(np.int64)
    divided = ~shape.partial[shape.tile_of_row]
    other_out, step = (np.diff(shape.tile_of_row[divided]) > 0).astype(np.int64), np.diff(at["o"])
    cov.sample_array("pace.rows", other_out, np.where(step < cpk, 0, np.where(step == cpk, 1, 2)))
    cov.sample_array("pace.q", other, (np.diff(at["q"]) > 1).astype(np.int64))
    last_row, last_key = np.cumsum(shape.rows) - 1, np.cumsum(shape.keys) - 1
    cov.sample_array("pace.q_ahead", (at["q"][last_row[1:]] > at["k"][last_key[:-1]]).astype(np.int64))
    cov.sample_array("core.tile_done", (shape.rows > 1).astype(np.int64))
    cov.sample("core.tile_done", "another tile follows at full rate", int((step[other_out > 0] == cpk).sum()))
    cov.sample("core.tile_done", "last of the run")


def _keys(cov: CoverGroup, cfg: EngineConfig, shape: _Shape, ran: Sequence[np.ndarray], at: Mapping[str, np.ndarray]) -> None:
    next_tile = np.diff(shape.tile_of_key) > 0
    where = np.where(next_tile, 2, np.where(shape.key_in_tile[1:] % cfg.keys_per_block == 0, 1, 0))
    late = (np.diff(at["k"]) > cfg.cycles_per_key).astype(np.int64)
    cov.sample_array("pace.keys", where, late)
    skips = np.array([not r.all() for r in ran])[shape.tile_of_key[:-1]]
    cov.sample_array("pace.keys_skipping", where[skips], late[skips])


def _values(cov: CoverGroup, cfg: EngineConfig, shape: _Shape, tiles: Sequence[TileJob], ran: Sequence[np.ndarray],
            at: Mapping[str, np.ndarray]) -> None:
    tile = shape.tile_of_key[shape.sent]
    late = at["v"] - at["k"][shape.sent]
    skips = np.array([int(not r.all()) for r in ran])
    cov.sample_array("pace.values", skips[tile], np.where(late <= -cfg.block_cycles, 0, np.where(late < 0, 1, np.where(
        late == 0, 2, np.where(late < cfg.block_cycles, 3, 4)))))
    after = at["v"] - at["decision"][shape.block_of_key[shape.sent]]
    may_skip = np.array([int(t.skip) for t in tiles])
    cov.sample_array("decision.value", may_skip[tile], np.where(after < 0, 0, np.where(after < 2, 1, 2)))


def _requests(cov: CoverGroup, cfg: EngineConfig, shape: _Shape, taken: np.ndarray) -> None:
    skipped = (~shape.ran).astype(np.int64)
    cov.sample_array("decision.kind", skipped, shape.last.astype(np.int64))
    due = np.where(shape.ran, shape.size * cfg.cycles_per_key, 1)[:-1]
    step = np.diff(taken)
    cov.sample_array("decision.pace", skipped[:-1], np.where(step < due, 0, np.where(step == due, 1, 2)))
