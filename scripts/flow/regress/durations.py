"""How long jobs and tests take: what the repository knows of it, and the estimate for a job's place in line and for what is left.

The file holds CPU seconds of one machine, see ``recorded_on`` there.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from models.errors import FcimError
from scripts.flow.files import write_atomic
from scripts.flow.processes import shown
from scripts.flow.regress.entries import Entry
from scripts.flow.regress.record import FILE, PASSED, load_record
from scripts.flow.regress.selection import JOB_ID, PlannedJob
from scripts.flow.sources import ROOT

JOBS, COVERAGE, TESTS = "jobs", "coverage", "tests"     # jobs, the same with coverage counters, and a test of each file
UNKNOWN_S = 10.0    # where nothing is known of any job
PRIOR_S = 20.0      # seconds of jobs as expected that what a run shows is weighed against


class Durations:
    """The file of durations at ``path``; one that is missing or cannot be read knows nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text())
            return {name: {str(k): float(v) for k, v in data.get(name, {}).items()} for name in (JOBS, COVERAGE, TESTS)}
        except (OSError, ValueError, TypeError, AttributeError):
            return {JOBS: {}, COVERAGE: {}, TESTS: {}}

    def jobs(self, coverage: bool) -> dict[str, float]:
        """CPU seconds of each job; where only those without coverage counters are known, as many times as the others take."""
        data = self._read()
        plain, counted = data[JOBS], data[COVERAGE]
        if not coverage:
            return plain
        both = [name for name in counted if plain.get(name)]
        factor = sum(counted[name] for name in both) / sum(plain[name] for name in both) if both else 1.0
        return {name: seconds * factor for name, seconds in plain.items()} | counted

    def tests(self) -> dict[str, float]:
        """Seconds of a test, by its file."""
        return self._read()[TESTS]

    def tests_left(self, ids: Sequence[str], workers: int) -> float | None:
        """Seconds that tests (node ids) will take, ``workers`` at a time; None where of most of them nothing is known."""
        known = self.tests()
        files = [node.partition("::")[0] for node in ids]
        if 2 * sum(file in known for file in files) <= len(files):
            return None
        mean = fmean(known.values())
        return sum(known.get(file, mean) for file in files) / workers

    def record_tests(self, seconds: Mapping[str, float]) -> int:
        """Take over what tests (node ids) took; gives how many files they are from.

        Raises:
            FcimError: the file cannot be written.
        """
        files: dict[str, list[float]] = {}
        for node, taken in seconds.items():
            files.setdefault(node.partition("::")[0], []).append(taken)
        self._update(TESTS, {file: fmean(all_of_it) for file, all_of_it in files.items()},
                     [file for file in self.tests() if (ROOT / file).is_file()])
        return len(files)

    def record_jobs(self, folder: Path, entries: Sequence[Entry]) -> None:
        """Take over what the jobs took that passed in the run of ``folder``, and say so.

        Raises:
            FcimError: no record, or nothing passed in it, or the file cannot be written.
        """
        record = load_record(folder / FILE)
        names = {entry.name for entry in entries}
        taken = {job.id: job.cpu_seconds for job in record.ran_jobs() if job.status == PASSED and job.name in names}
        if not taken:
            raise FcimError(f"{shown(folder / FILE)} has no job of this list that passed; run the regression first")
        part = COVERAGE if record.coverage else JOBS
        known = [name for name in self._read()[part] if (found := JOB_ID.fullmatch(name)) and found["name"] in names]
        self._update(part, taken, known)
        print(f"{len(taken)} durations taken from {shown(folder / FILE)} into {shown(self.path)}, part '{part}'")

    def _update(self, part: str, durations: Mapping[str, float], keep: Sequence[str]) -> None:
        """Put ``durations`` into one part of the file; of what stands there, the names in ``keep`` stay."""
        data = self._read()
        new = {name: round(seconds, 3) for name, seconds in {**data[part], **durations}.items()
               if name in keep or name in durations}
        data[part] = dict(sorted(new.items()))
        text = json.dumps({"recorded_on": f"{platform.machine()}, {os.cpu_count()} cores", **data}, indent=1)
        write_atomic(self.path, text + "\n")


class Estimate:
    """Expected seconds of jobs: measured here last time, else recorded in the repository and scaled by how this machine
    compares, else the entry's weight, else the mean of the entry's jobs, else of all. What the jobs of this run took scales it.
    """

    def __init__(self, measured: Mapping[str, float], recorded: Mapping[str, float] | None = None) -> None:
        recorded = recorded or {}
        both = [name for name in measured if name in recorded]
        machine = sum(measured[name] for name in both) / sum(recorded[name] for name in both) if both else 1.0
        self._known = {name: seconds * machine for name, seconds in recorded.items()} | dict(measured)
        self._ended: dict[str, float] = {}
        self._taken = self._expected = PRIOR_S

    def learn(self, job: PlannedJob, seconds: float) -> None:
        """What a job of this run took."""
        self._expected += self._before(job)
        self._taken += seconds
        self._ended[job.id] = seconds

    def _before(self, job: PlannedJob) -> float:
        """What was expected of a job before this run."""
        if job.id in self._known:
            return self._known[job.id]
        if job.entry.weight is not None:
            return job.entry.weight
        alike = [seconds for name, seconds in self._known.items() if re.split(r"[\[#]", name)[0] == job.entry.name]
        known = alike or list(self._known.values())
        return min(fmean(known) if known else UNKNOWN_S, job.entry.timeout)

    def seconds(self, job: PlannedJob) -> float:
        """What the job will take."""
        if job.id in self._ended:
            return self._ended[job.id]
        return self._before(job) * self._taken / self._expected

    def long_first(self, jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
        """So that no long job is left to the end, where the other workers would wait for it; equal ones keep their order."""
        return sorted(jobs, key=lambda job: -self.seconds(job))

    def left(self, waiting: Collection[PlannedJob], running: Sequence[tuple[PlannedJob, float]], workers: int) -> float:
        """Seconds until all is done, where ``running`` says how long each job is under way."""
        rest = [max(self.seconds(job) - elapsed, 0.0) for job, elapsed in running]
        queue = [self.seconds(job) for job in waiting]
        return max([*rest, *queue, (sum(rest) + sum(queue)) / workers])
