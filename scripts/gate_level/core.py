"""A workload of the regression: the gates of the core, all of the engine but what asks for keys, at the smallest legal size.

Compared as the RTL is: every bit, every counter, the cycle of every handshake. Registers and memories begin unknown in Icarus.

Parameters: ``tiles``, the number of them.
"""

from __future__ import annotations

from models.hardware.config import EngineConfig
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions
from scripts.gate_level.blocks import ENGINE, FOLDER, missing
from scripts.synth.netlists import netlist
from tb.core.checker import describe
from tb.core.run import run_core
from tb.core.sequences import flagged, random_tiles
from tb.workloads.engine import digest, generator

CONFIG = EngineConfig("smallest", **{key: ENGINE[name] for key, name in EngineConfig.PARAMETERS.items() if name in ENGINE})
TOP = "fcim_core"


def run(job: Job) -> Outcome:
    """One simulation, without pauses and with them."""
    why = missing()
    if why:
        return Outcome(False, skipped=why)
    gates = netlist(TOP, CONFIG.verilog_parameters(), FOLDER)
    metrics: dict[str, int | float | str] = {"cells": gates.cells, "flip-flops": gates.flops}
    numbers = generator(job)
    tiles = flagged(numbers, random_tiles(CONFIG, numbers, int(job.parameters["tiles"])))
    try:
        runs = run_core(CONFIG, tiles, ("none", "both"), RunOptions(
            sim=job.sim, seed=job.seed, waves=job.waves, sources=gates.files, build_root="build/gates", repeat=job.repeat))
    except BenchFailed as failure:
        return Outcome(False, str(failure), metrics, log=failure.result.log, waves=failure.result.waves)
    wrong = "\n".join(describe(run, []) for run in runs if not run.ok)
    metrics |= {"cycles": sum(run.counters["cycles"] for run in runs), "tiles": len(tiles) * len(runs)}
    return Outcome(not wrong, wrong, metrics, digest(runs), waves=runs[0].waves, tests=len(runs))
