"""The bench of one Verilog module as a job of the regression."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions, run_bench


def run_block(job: Job, block: str, parameters: Mapping[str, int]) -> Outcome:
    """``tb/<block>`` on ``fcim_<block>`` with these parameters, in the job's simulator and with its seed."""
    try:
        result = run_bench(f"fcim_{block}", f"tb.{block}.bench_{block}", parameters,
                           RunOptions(sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat))
    except BenchFailed as failure:
        return Outcome(False, str(failure), parameters, log=failure.result.log, waves=failure.result.waves)
    return Outcome(True, metrics=parameters, tests=result.passed, log=result.log, waves=result.waves)
