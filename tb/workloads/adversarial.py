"""Score patterns that are worst for an online softmax, exact to the last bit, under every stall pattern.

Parameters: ``tau``; ``schedule``, in whose order the pattern's keys are taken (default natural: as they stand); ``fused`` and
``skip`` (0, 1, or ``mixed``: drawn for each tile, the default). Each pattern is one tile of ``BLOCKS`` blocks; the numbers that
a pattern leaves open come from the seed.
"""

from __future__ import annotations

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.tile import TileJob
from scripts.flow.regress.job import Job, Outcome
from tb.common.stalls import PATTERNS
from tb.core.sequences import UNIT, blocks, exact_tile
from tb.workloads.engine import configuration, generator, run_tiles
from tb.workloads.order import flagged, reordered, schedule_of

BLOCKS = 12
REACH = 24 * UNIT        # within what scores of head_dim 32 can express


def maxima(tau: int, numbers: np.random.Generator) -> dict[str, list[int]]:
    """The maximum of each block, by name of the pattern."""
    steps = np.arange(BLOCKS)
    edge = (tau + 1) * UNIT
    return {
        "always rising": (steps * UNIT + 1).tolist(),
        "rising by one step of the score": steps.tolist(),
        "rising just to the threshold": (steps * tau * UNIT).tolist() if tau <= 2 else (steps % 2 * tau * UNIT).tolist(),
        "one above the threshold": [0, *([edge, edge + tau * UNIT, edge + tau * UNIT + 1] * BLOCKS)[:BLOCKS - 1]],
        "falling": (-steps * UNIT).tolist(),
        "saw": np.where(steps % 2, REACH // 2, -REACH // 2).tolist(),
        "rising saw": (steps * UNIT + np.where(steps % 2, 6 * UNIT, 0)).tolist(),
        "one peak at the end": [0] * (BLOCKS - 1) + [REACH],
        "one peak first": [REACH] + [0] * (BLOCKS - 1),
        "equal": [0] * BLOCKS,
        "random": numbers.integers(-REACH, REACH, BLOCKS).tolist(),
        "random walk": np.clip(numbers.integers(-2 * UNIT, 2 * UNIT, BLOCKS).cumsum(), -REACH, REACH).tolist(),
    }


def tiles(cfg: EngineConfig, tau: int, numbers: np.random.Generator) -> dict[str, TileJob]:
    """A tile per pattern; every other one lacks a part of its last block."""
    result = {}
    for i, (name, tops) in enumerate(maxima(tau, numbers).items()):
        z = blocks(cfg, tops, at=int(numbers.integers(cfg.keys_per_block)))
        if i % 2:
            z = z[:len(z) - int(numbers.integers(1, cfg.keys_per_block))]
        result[name] = exact_tile(cfg, numbers, z, tau=tau)
    return result


def run(job: Job) -> Outcome:
    """All patterns in one simulation."""
    cfg = configuration(job)
    schedule = schedule_of(job.parameters, "natural")
    jobs = {name: reordered(cfg, tile, schedule) for name, tile in tiles(cfg, int(job.parameters["tau"]), generator(job)).items()}
    jobs = dict(zip(jobs, flagged(job.parameters, generator(job, "flags"), list(jobs.values()))))
    return run_tiles(job, cfg, jobs, PATTERNS)[0]
