"""The history as one HTML page: per group what changed last, plots over the runs, and a table of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.flow.coverage.results import percent
from scripts.flow.history.changes import Group, cycles_by_job
from scripts.flow.history.store import Run
from scripts.flow.html import render
from scripts.flow.regress.console import duration
from scripts.flow.regress.page import STEPS as SECONDS

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = ("#2f6fb0", "#b3261e", "#2f8f5b", "#c77700", "#7b4fa3", "#3e4c59")
# of a plot, in pixels: all of it, and what lies around its lines
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 210, 92, 32, 12, 30
STEPS = (1, 2, 5, 10)
LEAST = 0.1                 # between two marks of a percentage, which is shown with one decimal
MARKS, COMMITS = 5, 6       # at most, on the two axes
LEAST_SHARE = 0.005         # percent, below which 0.00 would be shown
COLUMNS = 8                 # runs beside one another in the table of cycles


def ticks(low: float, high: float, steps: Sequence[float] = ()) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, about :data:`MARKS` of them, ``steps`` apart if they can be."""
    raw = (high - low) / (MARKS - 1) or 1.0
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(s for s in (*steps, *(s * size for s in STEPS)) if s >= raw * (1 - 1e-9))
    first = math.floor(low / step + 1e-9)
    return [round(i * step, 9) for i in range(first, math.ceil(high / step - 1e-9) + 1)]


@dataclass(frozen=True)
class Plot:
    """One or more lines over the complete runs of a group, oldest on the left.

    ``series`` has a value for each of ``runs`` under each line's name, None where there is none; ``text`` writes one. The axis
    goes from 0, with ``most`` from just below the values to that, with ``near`` from just below to just above them, in whole
    numbers; ``steps`` are those that its numbers prefer.
    """

    title: str
    runs: Sequence[Run]
    series: Mapping[str, Sequence[float | None]]
    text: Callable[[float], str]
    most: float | None = None
    near: bool = False
    steps: Sequence[float] = ()

    @property
    def values(self) -> list[float]:
        """All values."""
        return [value for line in self.series.values() for value in line if value is not None]

    @property
    def marks(self) -> list[float]:
        """The numbers of the upright axis."""
        if self.near:
            return ticks(min(self.values), max(*self.values, min(self.values) + MARKS - 1))
        if self.most is None:
            return ticks(0.0, max(self.values) or 1.0, self.steps)
        return ticks(min(*self.values, self.most - LEAST * (MARKS - 1)), self.most)

    def x(self, i: int) -> float:
        """Where run ``i`` lies."""
        room = WIDTH - LEFT - RIGHT
        return round(LEFT + room * (i / (len(self.runs) - 1) if len(self.runs) > 1 else 0.5), 1)

    def y(self, value: float) -> float:
        """Where a value lies."""
        low, high = self.marks[0], self.marks[-1]
        return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value - low) / (high - low), 1)

    def points(self, name: str) -> list[tuple[float, float, str]]:
        """x, y and what a mouse that rests there is told."""
        return [(self.x(i), self.y(value), f"{run.short_commit}, {day(run)}: {name + ' ' if len(self.series) > 1 else ''}"
                 f"{self.text(value)}")
                for i, (run, value) in enumerate(zip(self.runs, self.series[name], strict=True)) if value is not None]

    def commits(self) -> list[tuple[float, str]]:
        """Commits below the plot, as many as have room."""
        every = max(1, math.ceil(len(self.runs) / COMMITS))
        return [(self.x(i), self.runs[i].short_commit) for i in range(len(self.runs) - 1, -1, -every)]

    def coloured(self) -> list[tuple[str, str]]:
        """Each line's name and colour."""
        return [(name, COLOURS[i % len(COLOURS)]) for i, name in enumerate(self.series)]


def day(run: Run) -> str:
    """``2026-01-31 14:05``, UTC."""
    return f"{run.when:%Y-%m-%d %H:%M}"


def coverage_names(runs: Sequence[Run]) -> list[str]:
    """The coverage numbers of any of the runs."""
    return list(dict.fromkeys(name for run in runs for name in run.coverage or {}))


def coverage_of(run: Run, name: str) -> float | None:
    """A coverage number in percent, None where nothing was collected."""
    return ((run.coverage or {}).get(name) or {}).get("percent")


def is_below(run: Run, name: str) -> bool:
    """Whether a coverage number is below its floor."""
    floor = ((run.coverage or {}).get(name) or {}).get("floor")
    return floor is not None and (coverage_of(run, name) or 0.0) < floor


def plots(group: Group) -> list[Plot]:
    """The plots of a group; none before a run was complete."""
    runs = group.complete[::-1]
    machines = list(dict.fromkeys(run.machine_name for run in runs))
    names = coverage_names(runs)
    found = [
        Plot("Passed", runs, {"passed": [run.pass_rate for run in runs]}, percent, 100.0),
        Plot("Coverage", runs, {name: [coverage_of(run, name) for run in runs] for name in names}, percent, 100.0),
        Plot("Time", runs, {name: [run.seconds if run.machine_name == name else None for run in runs] for name in machines},
             duration, steps=SECONDS),
        Plot("Simulated cycles", runs, {"cycles": [float(run.cycles) or None for run in runs]}, lambda v: f"{v:,.0f}",
             near=True),
    ]
    return [plot for plot in found if plot.values]


def figure(value: int | float | str | None) -> str:
    """A figure, exactly as it was told; thousands apart."""
    return "\N{EN DASH}" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def step(before: int | float | str | None, after: int | float | str | None) -> str:
    """``+12 (+0.4 %)`` between two numbers; nothing where one of them is none."""
    if not isinstance(before, int | float) or not isinstance(after, int | float):
        return ""
    delta = after - before
    text = f"{delta:+,}" if isinstance(delta, int) else f"{delta:+.6g}"
    share = 100 * delta / before if before else 0.0
    return f"{text} ({share:+.2f} %)" if abs(share) >= LEAST_SHARE else text


def render_page(groups: Sequence[Group], damaged: Sequence[str], path: str) -> str:
    """The whole page.

    Args:
        groups: the groups of the history.
        damaged: a line about each line that was left out.
        path: the history's file, as it is shown.
    """
    return render(
        TEMPLATES, "history.html.j2", groups=groups, damaged=damaged, path=path, plots=plots, percent=percent, duration=duration,
        day=day, coverage_names=coverage_names, coverage_of=coverage_of, is_below=is_below, figure=figure,
        step=step, cycles_by_job=cycles_by_job, columns=COLUMNS, width=WIDTH, height=HEIGHT, left=LEFT, right=RIGHT,
        bottom=BOTTOM)
