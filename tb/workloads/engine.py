"""Runs the tiles of a workload through the engine and turns what came back into an outcome of the regression."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig, load_config
from models.hardware.tile import TileJob
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions
from tb.common.stalls import PATTERNS
from tb.core.checker import EngineRun, describe
from tb.core.run import BENCHES, run_core


def generator(job: Job, name: str = "") -> np.random.Generator:
    """Random numbers that depend on the job's seed and ``name`` alone."""
    return np.random.default_rng([job.seed, *name.encode()])


def patterns(job: Job) -> tuple[str, ...]:
    """The stall patterns that the job's parameter ``pattern`` says: one, all of them for ``each``, by default none.

    Raises:
        FcimError: there is no such pattern.
    """
    name = str(job.parameters.get("pattern", "none"))
    if name not in (*PATTERNS, "each"):
        raise FcimError(f"pattern = '{name}' is illegal; use {', '.join(PATTERNS)} or each")
    return PATTERNS if name == "each" else (name,)


def configuration(job: Job) -> EngineConfig:
    """The configuration of the job; ``default`` if its entry names none."""
    return load_config(job.config or "default")


def digest(runs: Sequence[EngineRun]) -> str:
    """Depends on every output bit, every counter and the cycle of every handshake."""
    total = hashlib.sha256()
    for run in runs:
        total.update(run.out.numpy().tobytes() + run.empty.numpy().tobytes())
        total.update(repr((run.pattern, sorted(run.counters.items()), sorted(run.taken.items()))).encode())
    return total.hexdigest()[:16]


def run_tiles(job: Job, cfg: EngineConfig, tiles: Sequence[TileJob] | Mapping[str, TileJob],
              patterns: Sequence[str] = ("none",), slow: Mapping[str, tuple[int, int]] | None = None,
              ) -> tuple[Outcome, list[EngineRun]]:
    """The outcome of one simulation and its runs, one per pattern; no run if the bench itself failed."""
    torch.set_num_threads(1)
    names = list(tiles) if isinstance(tiles, Mapping) else []
    tiles = list(tiles.values()) if isinstance(tiles, Mapping) else list(tiles)
    try:
        runs = run_core(cfg, tiles, patterns, RunOptions(sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat),
                        slow=slow, bench=BENCHES["files"])
    except BenchFailed as failure:
        return Outcome(False, str(failure), log=failure.result.log, waves=failure.result.waves), []
    cycles = sum(run.counters["cycles"] for run in runs)
    metrics: dict[str, int | float | str] = {
        "cycles": cycles, "tiles": len(tiles) * len(runs), "rows": sum(len(tile.q) for tile in tiles) * len(runs),
        "mismatches": sum(int(run.mismatches.sum()) for run in runs),
    }
    wrong = "\n".join(describe(run, names) for run in runs if not run.ok)
    return Outcome(not wrong, wrong, metrics, digest(runs), waves=runs[0].waves, tests=len(runs)), runs
