"""Samples when things happened in an engine run, from the record of its monitors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from models.hardware.config import HardwareConfig
from models.hardware.tile import TileJob, TileResult
from scripts.flow.coverage.model import Coverage
from tb.coverage.catalogue_flow import COUNTERS, STAGES
from tb.coverage.engine_pace import PACED, sample_pace

Record = Mapping[str, np.ndarray]
# where a state word of the record has what
_STREAM_BITS = {"q": 0, "k": 2, "v": 4, "o": 6, "req": 15}
_STAGE_BIT, _TILES_BIT = 8, 13
_IP, _WAIT, _EXP, _OP, _READ = range(len(STAGES))
_MOVES = 3


def sample_flow(cov: Coverage, cfg: HardwareConfig, tiles: Sequence[TileJob], golden: Sequence[TileResult],
                record: Record) -> None:
    """Handshakes, overlap, pace and counters of a run; what the record lacks is left out."""
    cov.sample("engine.tiles_of_run", str(len(tiles)) if len(tiles) < 4 else "4 or more")
    if "state_counts" in record:
        _states(cov, np.asarray(record["state_counts"], dtype=np.int64).reshape(-1, 2))
    if "counters" in record:
        cov.sample_counts("engine.counter", np.arange(len(COUNTERS)), weights=np.asarray(record["counters"]) > 0)
    if all(f"{name}_cycle" in record for name in PACED):
        at = {name: np.asarray(record[f"{name}_cycle"], dtype=np.int64) for name in PACED}
        sample_pace(cov, cfg, tiles, [result.ran.numpy() for result in golden], at)


def _states(cov: Coverage, counts: np.ndarray) -> None:
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
        cov.sample_counts(f"stream.{name}", handshake[:, None], which, weights=weights)
        moves[name] = handshake == _MOVES
    cov.sample_counts("overlap.tiles", in_flight[:, None], which, weights=weights)
    on = stage.astype(bool)
    together = ((_IP, _EXP), (_IP, _OP), (_IP, _READ), (_EXP, _OP), (_EXP, _READ), (_OP, _READ), (_IP, _EXP, _OP),
                (_IP, _EXP, _OP, _READ))
    for point, kinds in (("overlap.stages", [on[:, list(stages)].all(1) for stages in together]),
                         ("overlap.load", [moves["q"] & on[:, s] for s in (_IP, _EXP, _OP, _READ)]),
                         ("overlap.send", [moves["o"] & on[:, s] for s in (_IP, _EXP, _OP, _READ)])):
        cov.sample_counts(point, np.arange(len(kinds)), weights=np.array([cycles[kind].sum() for kind in kinds]))
