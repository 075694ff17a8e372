"""The record of a regression: what was planned, what came of it, and whether it passed. Its JSON form is ``regress.json``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.regress.selection import AGREEMENT, PlannedJob

SCHEMA = 1      # raised when a key changes its meaning or goes away
FILE = "regress.json"
PASSED, FAILED, TIMEOUT, SKIPPED, NOT_RUN = "passed", "failed", "timeout", "skipped", "not run"
STATUSES = (PASSED, FAILED, TIMEOUT, SKIPPED, NOT_RUN)
BAD = (FAILED, TIMEOUT)
WORDS = {PASSED: "passed", FAILED: "failed", TIMEOUT: "timed out", SKIPPED: "skipped", NOT_RUN: "not run"}

LATER = ("coverage", "selection")      # keys that records of before do not have

UNDER_WAY = "was under way when this was written"


@dataclass
class JobRecord:
    """One job. Paths count from the record's own folder; ``start`` is in seconds from the regression's start, ``slot`` the
    place among those under way at a time, ``worker`` the machine that it ran on if that is not the runner's own.
    """

    id: str
    name: str
    module: str
    purpose: str
    tags: list[str]
    config: str | None
    parameters: dict[str, Any]
    iteration: int
    sim: str
    seed: int
    timeout: float
    repeat: str
    status: str = NOT_RUN
    message: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_mib: float = 0.0
    start: float | None = None
    slot: int | None = None
    worker: str | None = None
    tests: int = 0
    metrics: dict[str, int | float | str] = field(default_factory=dict)
    digest: str | None = None
    log: str | None = None
    bench_log: str | None = None
    waves: str | None = None

    @property
    def base(self) -> str:
        """The id without the simulator."""
        return self.id.rpartition("@")[0]

    @property
    def shown_parameters(self) -> str:
        """Configuration and parameters on one line."""
        chosen = {"config": self.config, **self.parameters} if self.config else self.parameters
        return " ".join(f"{name}={value}" for name, value in chosen.items()) or "none"

    @property
    def first_line(self) -> str:
        """The message's first line."""
        return next(iter(self.message.splitlines()), "")


def planned_record(job: PlannedJob, repeat: str, timeout: float) -> JobRecord:
    """The record of a job that did not run yet."""
    entry = job.entry
    return JobRecord(job.id, entry.name, entry.module, entry.purpose, list(entry.tags), job.config, dict(job.parameters),
                     job.iteration, job.sim, job.seed, timeout, repeat)


@dataclass
class Record:
    """The whole regression.

    ``state`` is "running" (also after a kill that left no time to say so), "finished", or why it ended early. ``jobs`` holds a
    record per job, and one more per pair of simulators that disagreed (``sim`` is "agreement" there); ``pairs`` counts the
    compared pairs; ``durations`` holds the seconds of each job's last pass, also of jobs that were not selected this time;
    ``coverage`` says that the builds had coverage counters; ``selection`` what of the list was chosen: tags, test, iterations,
    simulator, waveforms.
    """

    seed: int
    file: str
    command: str
    started: str
    workers: int
    jobs: list[JobRecord]
    rerun: str = ""
    state: str = "running"
    wall_seconds: float = 0.0
    pairs: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    coverage: bool = False
    selection: dict[str, Any] = field(default_factory=dict)

    def count(self, *statuses: str) -> int:
        """How many jobs have one of the statuses; disagreements are no jobs, see :meth:`disagreements`."""
        return sum(job.status in statuses for job in self.ran_jobs())

    def ran_jobs(self) -> list[JobRecord]:
        """The jobs themselves."""
        return [job for job in self.jobs if job.sim != AGREEMENT]

    def disagreements(self) -> list[JobRecord]:
        """One failed record per pair of simulators whose results differ."""
        return [job for job in self.jobs if job.sim == AGREEMENT]

    def bad(self) -> list[JobRecord]:
        """All that failed or timed out, disagreements included."""
        return [job for job in self.jobs if job.status in BAD]

    def skipped(self) -> dict[str, int]:
        """Why jobs could not run here, and how many each."""
        return dict(Counter(job.first_line for job in self.ran_jobs() if job.status == SKIPPED))

    @property
    def complete(self) -> bool:
        """Every planned job ran to its end, or could not run here."""
        return self.state == "finished" and not self.count(NOT_RUN)

    @property
    def passed(self) -> bool:
        """Complete, and everything passed that could run here: at least one job."""
        return self.complete and self.count(PASSED) > 0 and all(job.status in (PASSED, SKIPPED) for job in self.jobs)

    def verdict(self) -> str:
        """``PASS: ...``, ``FAIL: ...`` or ``INCOMPLETE: ...`` with the counts."""
        total, parts = len(self.ran_jobs()), []
        for status in STATUSES:
            if (n := self.count(status)) or status == PASSED:
                parts.append(f"{n:,} {'of ' + format(total, ',') + ' jobs ' if status == PASSED else ''}{WORDS[status]}")
        if n := len(self.disagreements()):
            parts.append(f"{n:,} of {self.pairs:,} pairs of simulators disagree")
        elif self.pairs:
            parts.append(f"simulators agree in all {self.pairs:,} comparisons" if self.pairs > 1 else "simulators agree")
        if self.state not in ("running", "finished"):
            parts.append(self.state)
        word = "PASS" if self.passed else "FAIL" if self.bad() else "INCOMPLETE"
        return f"{word}: {', '.join(parts)}"

    def totals(self) -> dict[str, Any]:
        """The counts that the reports show."""
        jobs = self.ran_jobs()
        return {
            "jobs": len(jobs),
            **{status.replace(" ", "_"): self.count(status) for status in STATUSES},
            "pairs_compared": self.pairs,
            "pairs_differing": len(self.disagreements()),
            "tests": sum(job.tests for job in jobs),
            "job_seconds": round(sum(job.seconds for job in jobs), 3),
            "cpu_seconds": round(sum(job.cpu_seconds for job in jobs), 3),
        }

    def as_json(self) -> str:
        """The JSON form, a line per job: it is written often, and indented JSON costs ten times as much."""
        data = {
            "schema": SCHEMA,
            "passed": self.passed,
            "verdict": self.verdict(),
            "totals": self.totals(),
            **{f.name: getattr(self, f.name) for f in fields(self) if f.name != "jobs"},
        }
        head = json.dumps(data, indent=1, allow_nan=False).removesuffix("\n}")
        jobs = ",\n".join(f"  {json.dumps(vars(job), allow_nan=False)}" for job in self.jobs)
        return f'{head},\n "jobs": [\n{jobs}\n ]\n}}\n'


def load_record(path: Path) -> Record:
    """The record that a regression wrote.

    Raises:
        FcimError: the file is missing, or is no such record.
    """
    try:
        data = json.loads(path.read_text())
        if data["schema"] != SCHEMA:
            raise FcimError(f"{path} has schema {data['schema']}, this runner writes {SCHEMA}; run the regression again")
        jobs = [JobRecord(**job) for job in data["jobs"]]
        given = {f.name: data[f.name] for f in fields(Record) if f.name != "jobs" and (f.name in data or f.name not in LATER)}
        return Record(**given, jobs=jobs)
    except FileNotFoundError:
        raise FcimError(f"there is no record of a regression at {path}; run one first (make regress)") from None
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise FcimError(
            f"{path} is no record of a regression ({type(error).__name__}: {error}); run one again (make regress)"
        ) from None


def old_durations(path: Path) -> dict[str, float]:
    """Seconds of each job in the last record; {} where there is none that can be read."""
    try:
        durations = json.loads(path.read_text())["durations"]
        return {str(job): float(seconds) for job, seconds in durations.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def compare(jobs: Sequence[JobRecord]) -> str | None:
    """Whether jobs that differ only in the simulator gave the same, as a message of what is wrong, or None."""
    silent = [job.sim for job in jobs if job.digest is None]
    if silent:
        return f"nothing to compare: no digest from {' and '.join(silent)}"
    if len({job.digest for job in jobs}) > 1:
        return "\n".join(["the simulators disagree", *(f"{job.sim}: {job.digest}" for job in jobs), *_other_metrics(jobs)])
    return None


def _other_metrics(jobs: Sequence[JobRecord]) -> list[str]:
    """``name: value on one, value on the other`` of each metric that differs: the first hint at what is wrong."""
    names = dict.fromkeys(name for job in jobs for name in job.metrics)
    return [f"{name}: " + ", ".join(f"{job.metrics.get(name)} on {job.sim}" for job in jobs)
            for name in names if len({str(job.metrics.get(name)) for job in jobs}) > 1]


def disagreement(jobs: Sequence[JobRecord], message: str, repeat: str) -> JobRecord:
    """The extra failed record of a pair."""
    return replace(jobs[0], id=f"{jobs[0].base}@{AGREEMENT}", sim=AGREEMENT, repeat=repeat, status=FAILED, message=message,
                   seconds=0.0, cpu_seconds=0.0, peak_mib=0.0, start=None, slot=None, worker=None, tests=0, metrics={},
                   digest=None, log=None, bench_log=None, waves=None)
