"""What jobs and tests take, kept in the repository for a first estimate: CPU seconds of one machine, see ``recorded_on``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from models.errors import FcimError
from scripts.flow.files import write_atomic
from scripts.flow.processes import shown
from scripts.flow.regress.entries import Entry
from scripts.flow.regress.plan import JOB_ID
from scripts.flow.regress.record import FILE, PASSED, load_record
from scripts.flow.sources import ROOT

DURATIONS = ROOT / "tb" / "workloads" / "durations.json"
JOBS, COVERAGE, TESTS = "jobs", "coverage", "tests"     # jobs, the same with coverage counters, and a test of each file


def _read() -> dict[str, Any]:
    try:
        data = json.loads(DURATIONS.read_text())
        return {name: {str(k): float(v) for k, v in data.get(name, {}).items()} for name in (JOBS, COVERAGE, TESTS)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {JOBS: {}, COVERAGE: {}, TESTS: {}}


def recorded_durations(coverage: bool) -> dict[str, float]:
    """CPU seconds of each job; where only those without coverage counters are known, as many times as the others take."""
    data = _read()
    plain, counted = data[JOBS], data[COVERAGE]
    if not coverage:
        return plain
    both = [name for name in counted if plain.get(name)]
    factor = sum(counted[name] for name in both) / sum(plain[name] for name in both) if both else 1.0
    return {name: seconds * factor for name, seconds in plain.items()} | counted


def recorded_tests() -> dict[str, float]:
    """Seconds of a test, by its file."""
    return _read()[TESTS]


def tests_left(ids: Sequence[str], workers: int) -> float | None:
    """Seconds that tests (node ids) will take, ``workers`` at a time; None where of most of them nothing is known."""
    known = recorded_tests()
    files = [node.partition("::")[0] for node in ids]
    if 2 * sum(file in known for file in files) <= len(files):
        return None
    mean = fmean(known.values())
    return sum(known.get(file, mean) for file in files) / workers


def record_tests(seconds: Mapping[str, float]) -> int:
    """Take over what tests (node ids) took; gives how many files they are from.

    Raises:
        FcimError: the file cannot be written.
    """
    files: dict[str, list[float]] = {}
    for node, taken in seconds.items():
        files.setdefault(node.partition("::")[0], []).append(taken)
    return update(TESTS, {file: fmean(all_of_it) for file, all_of_it in files.items()},
                  [file for file in recorded_tests() if (ROOT / file).is_file()])


def update(part: str, durations: Mapping[str, float], keep: Sequence[str]) -> int:
    """Put ``durations`` into one part of the file; of what stands there, the names in ``keep`` stay. Gives how many changed.

    Raises:
        FcimError: the file cannot be written.
    """
    data = _read()
    new = {name: round(seconds, 3) for name, seconds in {**data[part], **durations}.items() if name in keep or name in durations}
    data[part] = dict(sorted(new.items()))
    text = json.dumps({"recorded_on": f"{platform.machine()}, {os.cpu_count()} cores", **data}, indent=1)
    write_atomic(DURATIONS, text + "\n")
    return len(durations)


def record_durations(folder: Path, entries: Sequence[Entry]) -> int:
    """Take over what the jobs took that passed in the run of ``folder``; gives the exit code.

    Raises:
        FcimError: no record, or nothing passed in it.
    """
    record = load_record(folder / FILE)
    names = {entry.name for entry in entries}
    taken = {job.id: job.cpu_seconds for job in record.ran_jobs() if job.status == PASSED and job.name in names}
    if not taken:
        raise FcimError(f"{shown(folder / FILE)} has no job of this list that passed; run the regression first")
    part = COVERAGE if record.coverage else JOBS
    known = [name for name in _read()[part] if (found := JOB_ID.fullmatch(name)) and found["name"] in names]
    update(part, taken, known)
    print(f"{len(taken)} durations taken from {shown(folder / FILE)} into {shown(DURATIONS)}, part '{part}'")
    return 0
