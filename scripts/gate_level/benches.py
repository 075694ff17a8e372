"""A workload of the regression: a block's own bench on its gates.

Icarus begins with every register unknown and gates that hand X on, so that a block which depends on an initial value fails;
Verilator begins with random values.

Parameters: ``block``.
"""

from __future__ import annotations

from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from scripts.gate_level.blocks import block_of, missing


def run(job: Job) -> Outcome:
    """One bench."""
    block, why = block_of(job), missing()
    if why:
        return Outcome(False, skipped=why)
    gates = block.gates()
    metrics: dict[str, int | float | str] = {"cells": gates.cells, "flip-flops": gates.flops}
    try:
        result = run_bench(block.top, block.bench, block.parameters, RunOptions(
            sim=job.sim, seed=job.seed, waves=job.waves, sources=gates.files, testcase=block.tests, build_root="build/gates",
            repeat=job.repeat))
    except BenchFailed as failure:
        return Outcome(False, str(failure), metrics, log=failure.result.log, waves=failure.result.waves)
    return Outcome(True, metrics=metrics | {"tests passed": result.passed}, tests=result.passed, log=result.log,
                   waves=result.waves)
