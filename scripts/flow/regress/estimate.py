"""How long jobs take: for their order (long ones first) and for what is left."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from statistics import fmean

from scripts.flow.regress.plan import PlannedJob

UNKNOWN_S = 10.0    # where nothing is known of any job
PRIOR_S = 20.0      # seconds of jobs as expected that what a run shows is weighed against


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
