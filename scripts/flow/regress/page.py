"""The record as one HTML page: the verdict first, then every failure with what repeats it, then all jobs by entry."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.flow.html import render
from scripts.flow.regress.console import duration, word
from scripts.flow.regress.record import BAD, FAILED, NOT_RUN, PASSED, SKIPPED, STATUSES, TIMEOUT, WORDS, JobRecord, Record
from scripts.flow.regress.selection import AGREEMENT

FILE = "index.html"
TEMPLATES = Path(__file__).parent / "templates"
OPEN_JOBS = 80          # with more jobs, entries without failures are folded
VERDICT_CLASS = {"PASS": "pass", "FAIL": "fail", "INCOMPLETE": "unsure"}
MOST_DIGITS = 9
WIDE = 11               # with more columns, narrow ones
# of the picture of when jobs ran: pixels, and seconds between two marks of its axis
WIDTH, LANE, GAP, AXIS, LABEL = 1060, 18, 5, 22, 70
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
MARKS = 9
COLOURS = {PASSED: "#58b384", FAILED: "#b3261e", TIMEOUT: "#e07b39", SKIPPED: "#e3c565", NOT_RUN: "#cbd2d9"}


def number(value: int | float | str, largest: float) -> str:
    """A metric for people: thousands apart, fractions with four digits of the column's ``largest`` value; what is not quite 1,
    such as a cosine, is not shown as 1.
    """
    if isinstance(value, float):
        size = math.floor(math.log10(largest)) if largest > 0 else 0
        digits = 3 - size
        while abs(value) < 1 <= abs(round(value, digits)) and digits < MOST_DIGITS:
            digits += 1
        return f"{value:,.{digits}f}" if -4 < size <= 3 else f"{value:,.0f}" if size > 3 else f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) else value


def alike(jobs: Sequence[JobRecord]) -> list[list[JobRecord]]:
    """Failures whose first lines differ in nothing but numbers: most likely one cause. The largest group first."""
    groups: dict[tuple[str, str], list[JobRecord]] = {}
    for job in jobs:
        groups.setdefault((job.status, re.sub(r"[0-9][0-9a-f,.]*", "0", job.first_line)), []).append(job)
    return sorted(groups.values(), key=len, reverse=True)


def count_statuses(jobs: Sequence[JobRecord]) -> dict[str, int]:
    """How many jobs have each status."""
    return {status: sum(job.status == status for job in jobs) for status in STATUSES}


@dataclass
class EntryTable:
    """One entry's ``jobs``, and the columns that their table has beside the usual ones.

    ``metrics`` are named with their largest magnitude, ``longest`` is in seconds. ``common`` is what all jobs share, which a
    line above the table says: a column whose cells are all alike only pushes the others out of the window.
    """

    name: str
    jobs: list[JobRecord]
    config: bool = False
    sim: bool = True
    iteration: bool = False
    parameters: list[str] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    common: dict[str, str] = field(default_factory=dict)
    longest: float = 0.0

    def __post_init__(self) -> None:
        jobs, first = self.jobs, self.jobs[0]
        metrics: dict[str, float] = {}
        for name, value in (item for job in jobs for item in job.metrics.items()):
            metrics[name] = max(metrics.get(name, 0.0), 0.0 if isinstance(value, str) else abs(value))
        parameters = list(dict.fromkeys(key for job in jobs for key in job.parameters))

        def same(of: Callable[[JobRecord], object]) -> bool:
            return len(jobs) > 1 and len({of(job) for job in jobs}) == 1

        self.sim, one_config = not same(lambda job: job.sim), same(lambda job: job.config)
        fixed = [name for name in parameters if same(lambda job: job.parameters.get(name))]     # noqa: B023  called at once
        equal = [name for name in metrics if same(lambda job: job.metrics.get(name))]           # noqa: B023
        self.common |= {} if self.sim else {"simulator": first.sim}
        self.common |= {"configuration": first.config} if one_config and first.config else {}
        self.common |= {name: str(first.parameters[name]) for name in fixed}
        self.common |= {name: number(first.metrics[name], metrics[name]) for name in equal}
        self.config = any(job.config for job in jobs) and not one_config
        self.iteration = any(job.iteration for job in jobs)
        self.parameters = [name for name in parameters if name not in fixed]
        self.metrics = {name: largest for name, largest in metrics.items() if name not in equal}
        self.longest = max(job.seconds for job in jobs)

    @property
    def wide(self) -> bool:
        """Many columns."""
        return 4 + self.config + self.iteration + self.sim + len(self.parameters) + len(self.metrics) > WIDE

    @property
    def real_jobs(self) -> list[JobRecord]:
        """The jobs without the comparisons of simulators."""
        return [job for job in self.jobs if job.sim != AGREEMENT]


def entry_tables(record: Record) -> list[EntryTable]:
    """A table per entry; a disagreement stands with its jobs."""
    places = {base: i for i, base in enumerate(dict.fromkeys(job.base for job in record.jobs))}
    groups: dict[str, list[JobRecord]] = {}
    for job in sorted(record.jobs, key=lambda job: places[job.base]):
        groups.setdefault(job.name, []).append(job)
    return [EntryTable(name, jobs) for name, jobs in groups.items()]


class Lanes:
    """When which job ran, as a picture: a lane per worker, a bar per job. It has no ``jobs`` before anything ran.

    ``marks`` of the axis are (x, seconds); x and widths are in pixels.
    """

    def __init__(self, record: Record) -> None:
        self.jobs = [job for job in record.ran_jobs() if job.start is not None and job.slot is not None]
        end = max([record.wall_seconds, *(job.start + job.seconds for job in self.jobs)], default=0.0)
        if end <= 0:
            self.jobs = []
        self.slots = 1 + max((job.slot for job in self.jobs), default=-1)
        self.width, self.lane, self.step, self.axis = WIDTH, LANE, LANE + GAP, AXIS
        self.height = self.slots * self.step + AXIS
        self.scale = (WIDTH - LABEL - 10) / end if self.jobs else 0.0
        step = next((s for s in STEPS if end / s <= MARKS), STEPS[-1])
        self.marks = [(f"{self.x(second):.1f}", f"{second} s" if second < 60 else duration(second))
                      for second in range(0, int(end) + 1, step)]

    def x(self, second: float) -> float:
        """Where a second lies."""
        return LABEL + second * self.scale

    def bar(self, job: JobRecord) -> float:
        """How wide a job's bar is."""
        return max(job.seconds * self.scale - 0.6, 1.0)


def _tiles(record: Record) -> list[tuple[str, str, str]]:
    """The figures that a reader wants first: label, value, note."""
    totals, jobs = record.totals(), record.ran_jobs()
    bad, wall = totals[FAILED] + totals[TIMEOUT], record.wall_seconds
    busy = 100 * totals["job_seconds"] / (wall * record.workers) if wall > 0 else 0.0
    note = ", ".join(f"{totals[s.replace(' ', '_')]} {WORDS[s]}" for s in STATUSES[1:] if totals[s.replace(" ", "_")])
    hours = totals["cpu_seconds"] / 3600
    tiles = [("Passed", f"{totals['passed']:,}", f"of {totals['jobs']:,} jobs"),
             ("Failed", f"{bad:,}", note or "none timed out"),
             ("Tests", f"{totals['tests']:,}", "in all jobs")]
    if totals["pairs_compared"]:
        same = totals["pairs_compared"] - totals["pairs_differing"]
        tiles.append(("Simulators agree", f"{same:,}", f"of {totals['pairs_compared']:,} pairs, bit for bit"))
    peak = max((job.peak_mib for job in jobs), default=0.0)
    cpu = f"{hours:.2f} h" if hours >= 0.1 else duration(totals["cpu_seconds"])
    return [*tiles, ("Wall time", duration(wall), f"{record.workers} at a time, {min(busy, 100):.0f} % busy"),
            ("CPU time", cpu, f"peak {peak:,.0f} MiB")]


def _facts(record: Record) -> list[tuple[str, str]]:
    """What the run was."""
    dirty = " with uncommitted changes" if record.git.get("dirty") else ""
    return [("seed", str(record.seed)), ("list", record.file), ("started", record.started), ("at a time", str(record.workers)),
            ("git revision", f"{record.git.get('revision', 'unknown')}{dirty}"), ("state", record.state)]


def render_page(record: Record) -> str:
    """The whole page; its links count from the record's folder."""
    verdict, _, text = record.verdict().partition(": ")
    bad, tables, left = record.bad(), entry_tables(record), record.count(NOT_RUN)
    cards = {job.id: i for i, job in enumerate(bad)}
    few = len(record.jobs) <= OPEN_JOBS
    opened = {table.name for table in tables if few or any(job.id in cards for job in table.jobs)}
    left = left if record.state != "running" or bad else 0
    again = [*(["all that failed, with waveforms"] if bad else []), *([f"{left:,} that did not run"] if left else [])]
    return render(
        TEMPLATES, "regress.html.j2", record=record, verdict=verdict, text=text, verdict_class=VERDICT_CLASS[verdict],
        tables=tables, opened=opened, tiles=_tiles(record), cards=cards, groups=alike(bad), lanes=Lanes(record),
        again=" and ".join(again) if record.rerun else "", done=len(record.ran_jobs()) - record.count(NOT_RUN),
        run_facts=_facts(record), count_statuses=count_statuses, duration=duration, number=number, word=word, statuses=STATUSES,
        words=WORDS, bad_statuses=BAD, colours=COLOURS, agreement=AGREEMENT)
