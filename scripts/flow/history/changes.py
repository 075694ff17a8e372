"""Which runs may be compared, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scripts.flow.history.store import COVERAGE, CYCLES, Run
from scripts.flow.regress.record import BAD, PASSED
from scripts.flow.regress.selection import AGREEMENT

ABSENT = "not in the run"
SLOWER = 2.0            # times
LEAST_SECONDS = 1.0     # more, below which a job's time is mostly that of starting it
KEYS = ("tags", "test", "iterations", "sim", "waves")     # of a run's selection


class StatusChange(NamedTuple):
    """A job whose status differs."""

    job: str
    before: str
    after: str


class FigureChange(NamedTuple):
    """A figure that differs; None where a run does not tell it. ``same_seed``: the job had the same numbers in both runs."""

    job: str
    name: str
    before: int | float | str | None
    after: int | float | str | None
    same_seed: bool


class TimeChange(NamedTuple):
    """A job that takes longer; CPU seconds."""

    job: str
    before: float
    after: float


@dataclass(frozen=True)
class Changes:
    """What differs between two runs of a group, ``before`` and ``after``.

    ``broke``: jobs that are bad and were not; ``mended``: that were and pass; ``moved``: all other changes of a status, jobs that
    came or went among them. ``cycles``: every count of cycles that differs. ``figures``: what else differs in jobs that had the
    same seed, since another seed changes figures by itself. ``slower``: jobs that passed twice and took twice the CPU seconds.
    ``coverage``: numbers in percent, ``surroundings``: what the runs ran on and with.
    """

    before: Run
    after: Run
    broke: Sequence[StatusChange]
    mended: Sequence[StatusChange]
    moved: Sequence[StatusChange]
    cycles: Sequence[FigureChange]
    figures: Sequence[FigureChange]
    slower: Sequence[TimeChange]
    coverage: Sequence[tuple[str, float | None, float | None]]
    surroundings: Sequence[tuple[str, str, str]]

    def sentence(self) -> str:
        """The changes in one line."""
        def some(items: Sequence[object], one: str, many: str) -> list[str]:
            return [f"{len(items):,} {one if len(items) == 1 else many}"] if items else []

        apart = sum(not change.same_seed for change in self.cycles)
        parts = [*some(self.broke, "job broke", "jobs broke"), *some(self.mended, "was mended", "were mended"),
                 *some(self.moved, "came, went or changed otherwise", "came, went or changed otherwise"),
                 *some(self.cycles, "count of cycles differs", "counts of cycles differ")]
        if apart:
            parts[-1] += f" ({apart:,} with another seed)"
        parts += [*some(self.figures, "other figure differs", "other figures differ"),
                  *some(self.slower, "job takes twice as long", "jobs take twice as long"),
                  *some(self.coverage, "coverage number differs", "coverage numbers differ")]
        return ", ".join(parts) or "nothing changed"


def _status(run: Run, job: str) -> str:
    """A job's status; a pair of simulators stands in a run only if they disagreed."""
    if job in run.jobs:
        return run.jobs[job].status
    base, _, sim = job.rpartition("@")
    agreed = sim == AGREEMENT and any(other.rpartition("@")[0] == base for other in run.jobs)
    return PASSED if agreed else ABSENT


def _figures(before: Run, after: Run, wanted: Callable[[str], bool]) -> Iterator[FigureChange]:
    """Figures that differ, of jobs in both runs; what only one run tells counts where the job passed in both."""
    for job in before.jobs.keys() & after.jobs.keys():
        was, now = before.jobs[job], after.jobs[job]
        passed = was.status == now.status == PASSED
        names = was.metrics.keys() | now.metrics.keys() if passed else was.metrics.keys() & now.metrics.keys()
        for name in names:
            if wanted(name) and was.metrics.get(name) != now.metrics.get(name):
                yield FigureChange(job, name, was.metrics.get(name), now.metrics.get(name), was.seed == now.seed)


def _is_cycles(name: str) -> bool:
    return CYCLES in name.split()


def _coverage(before: Run, after: Run) -> Iterator[tuple[str, float | None, float | None]]:
    was, now = before.coverage or {}, after.coverage or {}
    for name in {**was, **now}:
        pair = [{key: side.get(name, {}).get(key) for key in ("hit", "total")} for side in (was, now)]
        if pair[0] != pair[1]:
            yield name, was.get(name, {}).get("percent"), now.get(name, {}).get("percent")


def _surroundings(before: Run, after: Run) -> Iterator[tuple[str, str, str]]:
    def of(run: Run) -> dict[str, str]:
        return {"commit": run.short_commit, "machine": run.machine_name, "seed": str(run.seed), "at a time": str(run.workers),
                **{str(tool): str(number) for tool, number in run.versions.items()}}

    was, now = of(before), of(after)
    for name in {**was, **now}:
        if was.get(name) != now.get(name):
            yield name, was.get(name, "none"), now.get(name, "none")


def compare(before: Run, after: Run) -> Changes:
    """What changed from one run of a group to another."""
    ids = {**before.jobs, **after.jobs}
    moves = [StatusChange(job, _status(before, job), _status(after, job)) for job in ids]
    moves = [move for move in moves if move.before != move.after]
    broke = [move for move in moves if move.after in BAD and move.before not in BAD]
    mended = [move for move in moves if move.before in BAD and move.after == PASSED]
    both = [job for job in ids if _status(before, job) == _status(after, job) == PASSED
            and job in before.jobs and job in after.jobs]
    slower = [TimeChange(job, before.jobs[job].cpu_seconds, after.jobs[job].cpu_seconds) for job in both]
    slower = [s for s in slower if s.after >= SLOWER * s.before and s.after - s.before >= LEAST_SECONDS]
    order = {job: i for i, job in enumerate(ids)}

    def sort(found: Iterator[FigureChange]) -> list[FigureChange]:
        return sorted(found, key=lambda change: (not change.same_seed, order[change.job], change.name))

    figures = _figures(before, after, lambda name: not _is_cycles(name))
    return Changes(
        before, after, broke, mended, [move for move in moves if move not in broke and move not in mended],
        sort(_figures(before, after, _is_cycles)), sort(change for change in figures if change.same_seed),
        sorted(slower, key=lambda change: change.before - change.after), list(_coverage(before, after)),
        list(_surroundings(before, after)))


# ---- groups
def _key(run: Run) -> tuple[object, ...]:
    """What runs must share to be compared."""
    return run.kind, run.list, *(str(run.selection.get(name)) for name in KEYS)


@dataclass(frozen=True)
class Group:
    """Runs of the same kind that chose the same of the same list, newest first."""

    runs: Sequence[Run]

    @property
    def name(self) -> str:
        """``regression TAGS=smoke``, or that it was a whole one."""
        run, given = self.runs[0], self.runs[0].selection
        tags = [] if run.kind == COVERAGE else given.get("tags") or []
        words = {"TAGS": ",".join(map(str, tags)), "TEST": given.get("test"), "ITERATIONS": given.get("iterations"),
                 "SIM": given.get("sim"), "WAVES": 1 if given.get("waves") else None}
        said = [f"{name}={value}" for name, value in words.items() if value]
        return " ".join([run.kind, *said]) if said else f"{run.kind}, whole"

    @property
    def is_whole(self) -> bool:
        """No job was named."""
        return not self.runs[0].selection.get("test")

    @property
    def complete(self) -> list[Run]:
        """The runs that may be compared, newest first."""
        return [run for run in self.runs if run.complete]

    @property
    def changes(self) -> Changes | None:
        """What changed between the last two that may be compared; None if there are no two."""
        complete = self.complete
        return compare(complete[1], complete[0]) if len(complete) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """The group for programs: runs without their jobs, which stand in the history itself."""
        runs = [{**{k: v for k, v in run.as_json().items() if k not in ("jobs", "schema")}, "complete": run.complete,
                 "pass_rate": run.pass_rate, CYCLES: run.cycles} for run in self.runs]
        changes = self.changes
        return {"name": self.name, "runs": runs, "changes": None if changes is None else {
            "before": {"date": changes.before.date, "commit": changes.before.commit},
            "after": {"date": changes.after.date, "commit": changes.after.commit},
            **{name: [item._asdict() for item in getattr(changes, name)]
               for name in ("broke", "mended", "moved", "cycles", "figures", "slower")},
            "coverage": [{"name": name, "before": was, "after": now} for name, was, now in changes.coverage],
            "surroundings": [{"name": name, "before": was, "after": now} for name, was, now in changes.surroundings]}}


def groups_of(runs: Sequence[Run]) -> list[Group]:
    """The groups of a history: those of which no job was named first, of each sort the one that ran last first."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(_key(run), []).append(run)
    groups = [Group(sorted(runs, key=lambda run: run.when)[::-1]) for runs in found.values()]
    groups.sort(key=lambda group: group.runs[0].when, reverse=True)
    return sorted(groups, key=lambda group: not group.is_whole)


def cycles_by_job(group: Group, columns: int) -> tuple[list[Run], Mapping[str, list[int | None]]]:
    """The last runs, oldest first, and for each job whose cycles differ among them its counts in these."""
    runs = group.complete[:columns][::-1]
    found: dict[str, list[int | None]] = {}
    for job in dict.fromkeys(job for run in runs for job in run.jobs):
        values = [run.jobs[job].metrics.get(CYCLES) if job in run.jobs else None for run in runs]
        counts = [value if isinstance(value, int) else None for value in values]
        if len({count for count in counts if count is not None}) > 1:
            found[job] = counts
    return runs, found
