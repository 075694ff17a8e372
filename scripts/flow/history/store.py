"""The history: a file with one line of JSON for each regression and each coverage run that ended, oldest first.

It is only ever appended to, so that runs in several checkouts, on several machines, may share one. A line that cannot be read is
told and left out; none is ever changed.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from models.errors import FcimError
from scripts.flow.processes import shown
from scripts.flow.regress.record import FAILED, NOT_RUN, PASSED, STATUSES, TIMEOUT, Record
from scripts.flow.sources import ROOT

SCHEMA = 1      # raised when a key changes its meaning or goes away
FILE = ROOT / "build" / "history.jsonl"
REGRESSION, COVERAGE = "regression", "coverage"
KINDS = (REGRESSION, COVERAGE)
FINISHED = "finished"
CYCLES = "cycles"
TOTALS = ("jobs", *(status.replace(" ", "_") for status in STATUSES), "pairs_differing")


@dataclass(frozen=True)
class JobResult:
    """What became of one job: wall and CPU seconds, its own seed, and the figures that it told."""

    status: str
    seconds: float
    cpu_seconds: float
    seed: int
    metrics: Mapping[str, int | float | str]


@dataclass(frozen=True)
class Run:
    """One line of the history.

    ``date`` is that of the start, with its time zone; ``commit`` has 40 digits or is "none"; ``seconds`` are wall seconds of all
    jobs together; ``selection`` says what was chosen of ``list``; ``jobs`` are by id, a pair of simulators that disagreed among
    them; ``coverage`` has for each number ``hit``, ``total``, ``percent`` and, if there is one, its ``floor``; None if there is
    none.
    """

    kind: str
    date: str
    commit: str
    dirty: bool
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    seed: int
    list: str
    selection: Mapping[str, Any]
    workers: int
    state: str
    passed: bool
    seconds: float
    totals: Mapping[str, int | float]
    jobs: Mapping[str, JobResult]
    coverage: Mapping[str, Mapping[str, Any]] | None = None
    when: datetime.datetime = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "when", datetime.datetime.fromisoformat(self.date).astimezone(datetime.UTC))

    @property
    def complete(self) -> bool:
        """Every job that was chosen ran to its end, or could not run there."""
        return self.state == FINISHED and not self.totals["not_run"]

    @property
    def failed(self) -> int:
        """Jobs that failed or timed out, and pairs of simulators that disagreed."""
        return int(self.totals[FAILED] + self.totals[TIMEOUT] + self.totals["pairs_differing"])

    @property
    def pass_rate(self) -> float | None:
        """Percent passed of all that passed, failed or did not run; None if there was nothing."""
        all_ = self.totals[PASSED] + self.failed + self.totals["not_run"]
        return 100 * self.totals[PASSED] / all_ if all_ else None

    @property
    def cycles(self) -> int:
        """Simulated cycles of all jobs that tell theirs."""
        told = (job.metrics.get(CYCLES) for job in self.jobs.values())
        return sum(value for value in told if isinstance(value, int))

    @property
    def short_commit(self) -> str:
        """The first digits of the commit, with + where more than the commit was measured."""
        return f"{self.commit[:8]}{'+' if self.dirty else ''}"

    @property
    def machine_name(self) -> str:
        """What its owner calls the machine."""
        return str(self.machine.get("name", "unknown"))

    def as_json(self) -> dict[str, Any]:
        """The line as JSON takes it."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name != "jobs"}
        return {"schema": SCHEMA, **own, "jobs": {job: vars(result) for job, result in self.jobs.items()}}


def machine() -> dict[str, Any]:
    """What the runs of this machine have in common: its name, processor and number of cores."""
    processor = ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", text, re.MULTILINE)
        processor = found[1].strip() if found else ""
    return {"name": platform.node() or "unknown", "processor": processor or platform.processor() or platform.machine(),
            "cores": os.cpu_count() or 0}


def run_of(record: Record, coverage: Mapping[str, Any] | None = None) -> Run:
    """The line about a regression.

    Args:
        record: of a regression that ended.
        coverage: totals of a coverage run's report, where there is one.
    """
    totals = record.totals()
    return Run(
        kind=COVERAGE if record.coverage else REGRESSION, date=record.started, commit=str(record.git.get("revision", "none")),
        dirty=bool(record.git.get("dirty")), machine=machine(), versions=record.versions, seed=record.seed, list=record.file,
        selection=record.selection, workers=record.workers, state=record.state, passed=record.passed,
        seconds=record.wall_seconds, totals={name: totals[name] for name in TOTALS},
        jobs={job.id: JobResult(job.status, job.seconds, job.cpu_seconds, job.seed, job.metrics) for job in record.jobs},
        coverage=coverage)


def place(given: str | None, own_list: bool) -> Path | None:
    """The file of the history: ``given`` by HISTORY, else the project's for its own list; other lists have none."""
    return Path(given).absolute() if given else FILE if own_list else None


def remember(path: Path | None, record: Record, coverage: Mapping[str, Any] | None = None) -> bool:
    """Append the line about ``record`` to the history at ``path``; whether that was done.

    A run of which no job came to its end leaves none, and where ``path`` is None there is no history. What hinders it is one
    line on standard error: the run is over, and its verdict stays.
    """
    if path is None or record.count(NOT_RUN) == len(record.ran_jobs()):
        return False
    try:
        append(path, run_of(record, coverage))
    except FcimError as error:
        print(f"warning: {error}", file=sys.stderr, flush=True)
        return False
    return True


def append(path: Path, run: Run) -> None:
    """Append a line. Others that append at the same time wait; what follows a line that was cut short begins a new one.

    Raises:
        FcimError: it cannot be written; the file is then as it was.
    """
    line = json.dumps(run.as_json(), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line
            try:
                while line:
                    line = line[file.write(line):]
            except OSError:
                file.truncate(size)
                raise
    except OSError as error:
        raise FcimError(f"the history {shown(path)} does not tell of this run ({error.strerror or error}); make room, or choose "
                        "another HISTORY") from None


# ---- reading
def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _of(kind: type | tuple[type, ...], value: Any, name: str) -> Any:
    """``value`` if it is of the kind; true and false are no numbers."""
    if not isinstance(value, kind) or isinstance(value, bool) and kind is not bool:
        raise ValueError(f"{name} is {json.dumps(value)[:40]}")
    return value


NUMBER = (int, float)
KINDS_OF = {"kind": str, "date": str, "commit": str, "dirty": bool, "machine": dict, "versions": dict, "seed": int, "list": str,
            "selection": dict, "workers": int, "state": str, "passed": bool, "seconds": NUMBER, "totals": dict, "jobs": dict}


def _job(data: Any, name: str) -> JobResult:
    data = _of(dict, data, name)
    if data["status"] not in STATUSES:
        raise ValueError(f"{name} has the status {json.dumps(data['status'])[:40]}")
    seconds = {key: _of(NUMBER, data[key], key) for key in ("seconds", "cpu_seconds")}
    metrics = {key: _of((int, float, str), value, key) for key, value in _of(dict, data["metrics"], "metrics").items()}
    return JobResult(data["status"], seed=_of(int, data["seed"], "seed"), metrics=metrics, **seconds)


def _coverage(data: Any) -> dict[str, dict[str, Any]] | None:
    if data is None:
        return None
    for name, value in _of(dict, data, "coverage").items():
        for key in ("hit", "total"):
            _of(int, _of(dict, value, name)[key], key)
        for key in ("percent", "floor"):
            if value.get(key) is not None:
                _of(NUMBER, value[key], key)
    return data


def parse_line(line: bytes) -> Run:
    """The run that a line tells of.

    Raises:
        ValueError: it is none, or one of another version of this project; the message says why.
    """
    try:
        data = _of(dict, json.loads(line.decode(), parse_constant=_refuse_constant), "the line")
        if data["schema"] != SCHEMA:
            raise ValueError(f"it has schema {json.dumps(data['schema'])[:40]}, this version reads {SCHEMA}")
        given = {name: _of(kind, data[name], name) for name, kind in KINDS_OF.items()}
        if given["kind"] not in KINDS:
            raise ValueError(f"kind is {json.dumps(given['kind'])[:40]}")
        if datetime.datetime.fromisoformat(given["date"]).tzinfo is None:
            raise ValueError("date has no time zone")
        given["totals"] = {name: _of(NUMBER, given["totals"][name], name) for name in TOTALS}
        given["jobs"] = {name: _job(value, name) for name, value in given["jobs"].items()}
        return Run(**given, coverage=_coverage(data["coverage"]))
    except UnicodeDecodeError:
        raise ValueError("it is no text") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg}") from None
    except KeyError as error:
        raise ValueError(f"{error.args[0]} is missing") from None


def read(path: Path) -> tuple[list[Run], list[str]]:
    """All runs of a history, oldest first, and a line about each line that was left out; none if there is no file.

    Raises:
        FcimError: the file may not be read.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)    # a line that is just being written is waited for
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise FcimError(f"cannot read the history {shown(path)} ({error.strerror}); choose another HISTORY") from None
    runs: list[Run] = []
    damaged: list[str] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            runs.append(parse_line(line))
        except ValueError as error:
            damaged.append(f"line {number} of {shown(path)} is left out: {error}")
    return sorted(runs, key=lambda run: run.when), damaged
