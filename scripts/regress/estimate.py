"""How long jobs take: for their order (long ones first) and for what is left."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean

from scripts.regress.plan import PlannedJob

UNKNOWN_S = 10.0


class Estimate:
    """Expected seconds of jobs: measured last time, else the entry's weight, else the mean of the entry's jobs, else of all."""

    def __init__(self, durations: Mapping[str, float]) -> None:
        self._known: dict[str, float] = {}
        self._entries: dict[str, list[float]] = {}
        for job_id, seconds in durations.items():
            self.learn(job_id, seconds)

    def learn(self, job_id: str, seconds: float) -> None:
        """What a job took."""
        self._known[job_id] = seconds
        self._entries.setdefault(re.split(r"[\[#]", job_id)[0], []).append(seconds)

    def seconds(self, job: PlannedJob) -> float:
        """What the job will take."""
        if job.id in self._known:
            return self._known[job.id]
        if job.entry.weight is not None:
            return job.entry.weight
        known = self._entries.get(job.entry.name) or list(itertools.chain.from_iterable(self._entries.values()))
        return min(fmean(known) if known else UNKNOWN_S, job.entry.timeout)

    def long_first(self, jobs: Iterable[PlannedJob]) -> list[PlannedJob]:
        """So that no long job is left to the end, where the other workers would wait for it; equal ones keep their order."""
        return sorted(jobs, key=lambda job: -self.seconds(job))

    def left(self, waiting: Collection[PlannedJob], running: Sequence[tuple[PlannedJob, float]], workers: int) -> float:
        """Seconds until all is done, where ``running`` says how long each job is under way."""
        rest = [max(self.seconds(job) - elapsed, 0.0) for job, elapsed in running]
        queue = [self.seconds(job) for job in waiting]
        return max([*rest, *queue, (sum(rest) + sum(queue)) / workers])
