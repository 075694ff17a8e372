"""What a workload of the regression gets and gives: ``run(job: Job) -> Outcome`` in the module that an entry names.

Below them what the runner and a job's process must agree on: the files in a job's folder, and which entries pytest runs.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

JOB_FILE, OUTCOME_FILE, LOG = "job.json", "outcome.json", "log.txt"


@dataclass(frozen=True)
class Job:
    """One job, as its workload sees it.

    Attributes:
        name: the entry of the list.
        config: a configuration of ``config/``; None means that the workload decides.
        parameters: one value for each name under the entry's ``parameters``.
        seed: 32 bits; the only source of random numbers. The same on every simulator, another in every iteration.
        sim: "icarus" or "verilator".
        waves: write a waveform if possible, and name it in :attr:`Outcome.waves`.
        folder: exists, is empty and belongs to this job alone; files may stay in it.
        repeat: the command that repeats this job; pass it on to what prints failures.
    """

    name: str
    config: str | None
    parameters: Mapping[str, object]
    seed: int
    sim: str
    waves: bool
    folder: Path
    repeat: str


@dataclass
class Outcome:
    """What a workload found.

    A workload may also raise: an ``AssertionError`` or ``FcimError`` fails the job with its message, others with their type too.

    Attributes:
        message: why it failed; the first lines are printed, all of it is in the record.
        metrics: figures for the report, for example cycles.
        digest: text that depends on every bit of the results and on every cycle; jobs of one entry that differ in nothing but the
            simulator must give the same. None where nothing can be compared, which fails an entry with two simulators.
        log: a log beside the job's own, for example the simulator's.
        waves: the waveform.
        tests: how many checks or tests this stands for; 0 fails, as nothing ran.
        skipped: why nothing could run here, for example a model that cannot be had; such a job neither passes nor fails.
    """

    passed: bool
    message: str = ""
    metrics: dict[str, int | float | str] = field(default_factory=dict)
    digest: str | None = None
    log: Path | None = None
    waves: Path | None = None
    tests: int = 1
    skipped: str = ""


def is_pytest_path(module: str) -> bool:
    """Whether an entry's ``module`` is a path or node id of pytest and not a workload."""
    return "/" in module or "::" in module or module.endswith(".py")


def ended(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
