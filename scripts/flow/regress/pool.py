"""Runs the jobs: several at a time, wherever its place starts them, with the record rewritten whenever one ends."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import FcimError
from scripts.flow.processes import Stop, guard, new_mark
from scripts.flow.regress.durations import Estimate
from scripts.flow.regress.job import JOB_FILE, LOG, is_pytest_path
from scripts.flow.regress.place import POLL_S, Place, Running, Task
from scripts.flow.regress.process import HEADER, ending, settle
from scripts.flow.regress.record import NOT_RUN, PASSED, UNDER_WAY, JobRecord, Record, compare, disagreement
from scripts.flow.regress.selection import PlannedJob

JOBS_FOLDER = "jobs"


@dataclass(frozen=True)
class Options:
    """How to run: ``waved`` the ids of the jobs that write waveforms; ``coverage`` the folder of the coverage data, in which each
    job has its own; ``out`` the regression's folder.
    """

    out: Path
    waved: frozenset[str] = frozenset()
    fail_fast: bool = False
    coverage: Path | None = None


class Display(Protocol):
    """Shows a run to the user."""

    def started(self, job: JobRecord) -> None:
        """A job began."""

    def ended(self, job: JobRecord) -> None:
        """A job ended, or a pair of simulators was found to disagree."""

    def tick(self, left: float) -> None:
        """Called often, with the estimated seconds that are left."""


class Writer(Protocol):
    """Writes the reports of a record."""

    def __call__(self, record: Record, out: Path) -> None: ...


@dataclass
class _Started:
    planned: PlannedJob
    record: JobRecord
    process: Running
    slot: int


class Pool:
    """One regression under way."""

    def __init__(self, jobs: Sequence[PlannedJob], record: Record, options: Options, place: Place, estimate: Estimate,
                 display: Display, write: Writer, stop: Stop) -> None:
        self.record, self.options, self.place, self.estimate = record, options, place, estimate
        self.display, self.write, self.stop = display, write, stop
        self._records = {job.id: job for job in record.jobs}
        self._waiting = deque(estimate.long_first(jobs))
        self._running: list[_Started] = []
        self._begun = time.monotonic()
        self._mark, self._numbers = new_mark(), itertools.count()
        self._left, self._left_at = 0.0, -math.inf

    def run(self) -> None:
        """Run all jobs, or until the stop is requested; the record says how far it came. No process is left in any case."""
        self._save()
        with guard(self._mark):
            try:
                while (self._waiting or self._running) and not self.stop.reason:
                    if self._poll() | self._start():
                        self._save()
                    if self.place.problem:
                        self.stop.request(self.place.problem)
                    self.display.tick(self._seconds_left())
                    time.sleep(POLL_S)
            except BaseException as error:
                self.stop.request(f"stopped by an error of the runner ({type(error).__name__})")
                self._end_all()
                with contextlib.suppress(FcimError):    # what stopped the run may be that nothing can be written
                    self._save()
                raise
            self._end_all()
            self._save()

    def _start(self) -> bool:
        """Fill the free slots; whether any job began."""
        before = len(self._waiting)
        while self._waiting and len(self._running) < self.place.workers and self.place.free() and not self.stop.reason:
            planned = self._waiting.popleft()
            record = self._records[planned.id]
            slot = min(set(range(len(self._running) + 1)) - {r.slot for r in self._running})
            record.slot, record.start, record.message = slot, round(time.monotonic() - self._begun, 3), UNDER_WAY
            process = self._launch(planned, record)
            record.worker = process.worker
            self._running.append(_Started(planned, record, process, slot))
            self.display.started(record)
        return len(self._waiting) < before

    def _launch(self, planned: PlannedJob, record: JobRecord) -> Running:
        out, options = self.options.out, self.options
        folder = out / JOBS_FOLDER / planned.folder_name
        record.log = f"{JOBS_FOLDER}/{planned.folder_name}/{LOG}"
        given = {name: getattr(record, name) for name in ("module", "name", "config", "parameters", "seed", "sim", "repeat")}
        head = "".join(f"{name}{value}\n" for name, value in zip(HEADER, (record.id, record.seed, record.repeat), strict=True))
        try:
            folder.mkdir(parents=True)
            (folder / JOB_FILE).write_text(json.dumps({**given, "waves": record.id in options.waved}, indent=1))
            (folder / LOG).write_text(f"{head}\n")
        except OSError as error:
            raise FcimError(f"cannot write {folder} ({error.strerror}); choose another OUT") from None
        environment = {"SIM": record.sim, "SEED": str(record.seed), "WAVES": str(int(record.id in options.waved))}
        coverage = options.coverage / planned.folder_name if options.coverage is not None else None
        return self.place.start(Task(folder, f"{self._mark}-{next(self._numbers)}", environment, record.timeout, coverage))

    def _poll(self) -> bool:
        """Whether any job ended."""
        ended = [self._ended(running) for running in list(self._running)]
        if self.options.fail_fast and self.record.bad():
            self.stop.request("stopped after the first failure")
        return any(ended)

    def _ended(self, running: _Started, interrupted: bool = False) -> bool:
        """Whether the job ended; then it is settled and shown."""
        end = running.process.poll()
        if end is None:
            return False
        job, log = running.record, running.process.log
        job.worker = running.process.worker
        settle(job, end, log.parent, self.options.out, interrupted and bool(end.stopped))
        with log.open("a") as file:
            file.write(ending(job, self.options.out))
        self._running.remove(running)
        if job.status == PASSED:        # a failure may come early or late, and says little of the next run
            self.estimate.learn(running.planned, job.seconds)
            self.record.durations[job.id] = job.seconds
        if job.status != NOT_RUN:
            self.display.ended(job)
        self._compare_simulators(job)
        return True

    def _compare_simulators(self, job: JobRecord) -> None:
        """Once all jobs that differ only in the simulator passed, their digests must be equal; pytest gives none."""
        same = [other for other in self.record.ran_jobs() if other.base == job.base]
        if len(same) < 2 or any(other.status != PASSED for other in same) or is_pytest_path(job.module):
            return
        self.record.pairs += 1
        problem = compare(same)
        if problem is not None:
            extra = disagreement(same, problem, job.repeat.replace(job.id, job.base))
            self.record.jobs.append(extra)
            self.display.ended(extra)

    def _end_all(self) -> None:
        """Stop what still runs and wait for it: a few seconds at most."""
        for running in self._running:
            running.process.stop(self.stop.reason or "stopped")
        while self._running:
            for running in list(self._running):
                self._ended(running, interrupted=True)
            time.sleep(POLL_S)
        self.record.state = self.stop.reason if self.record.count(NOT_RUN) else "finished"

    def _seconds_left(self) -> float:
        """The estimate, made anew once a second."""
        if (now := time.monotonic()) > self._left_at + 1:
            running = [(r.planned, r.process.seconds) for r in self._running]
            self._left, self._left_at = self.estimate.left(self._waiting, running, self.place.workers), now
        return self._left

    def _save(self) -> None:
        self.record.wall_seconds = round(time.monotonic() - self._begun, 3)
        self.write(self.record, self.options.out)
