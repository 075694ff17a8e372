"""Random tiles of random shapes: rows, keys, orders, padding, thresholds and kinds of scores, under every stall pattern.

Among them is one tile for each class of a last block: one key, few, more than half, all but one, all; and to four of them come
one in which any blocks vanish.

Parameters: ``tiles``; ``fused`` and ``skip`` (0, 1, or ``mixed``: drawn for each tile, the default); for jobs without a
configuration ``point``, the number of a parameter set of the sweep in :mod:`tb.core.configs`.
"""

from __future__ import annotations

from models.hardware.config import EngineConfig
from scripts.flow.regress.job import Job, Outcome
from tb.common.stalls import PATTERNS
from tb.core.configs import SWEEP
from tb.core.sequences import random_tile, random_tiles
from tb.workloads.engine import configuration, generator, run_tiles
from tb.workloads.order import flagged, some_vanish


def chosen(job: Job) -> EngineConfig:
    """The job's configuration, or the sweep's parameter set."""
    return SWEEP[int(job.parameters["point"])] if "point" in job.parameters else configuration(job)


def run(job: Job) -> Outcome:
    """So many random tiles in one simulation, and the ones with a given number of keys."""
    cfg, numbers = chosen(job), generator(job)
    block = cfg.keys_per_block
    tiles = random_tiles(cfg, numbers, int(job.parameters["tiles"]))
    tiles += [random_tile(cfg, numbers, keys=keys) for keys in (1, 2, block // 2 + 1, block - 1, block)]
    tiles = flagged(job.parameters, generator(job, "flags"), some_vanish(cfg, numbers, tiles))
    return run_tiles(job, cfg, tiles, PATTERNS)[0]
