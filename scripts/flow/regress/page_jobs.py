"""The jobs of the regression's page: a table per entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from scripts.flow.regress.console import duration
from scripts.flow.regress.page_parts import counts, css_class, links, pill, stack
from scripts.flow.regress.plan import AGREEMENT
from scripts.flow.regress.record import BAD, JobRecord

NUMERIC, BAD_ROW = ' class="num"', ' class="bad"'
MOST_DIGITS = 9
WIDE_TABLE = ' class="wide"'
WIDE = 11       # with more columns, narrow ones


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


@dataclass(frozen=True)
class _Columns:
    """What one entry's table shows beside the common columns; ``common`` is what all jobs share and a line above it says."""

    config: bool
    parameters: list[str]
    iteration: bool
    metrics: dict[str, float]       # with the largest magnitude
    longest: float
    common: dict[str, str]
    one_sim: bool

    @classmethod
    def of(cls, jobs: Sequence[JobRecord]) -> _Columns:
        metrics: dict[str, float] = {}
        for name, value in (item for job in jobs for item in job.metrics.items()):
            metrics[name] = max(metrics.get(name, 0.0), 0.0 if isinstance(value, str) else abs(value))
        parameters = list(dict.fromkeys(key for job in jobs for key in job.parameters))
        first = jobs[0]

        def same(of: Callable[[JobRecord], object]) -> bool:
            # a column whose cells are all alike only pushes the others out of sight
            return len(jobs) > 1 and len({of(job) for job in jobs}) == 1

        one_sim, one_config = same(lambda job: job.sim), same(lambda job: job.config)
        fixed = [name for name in parameters if same(lambda job: job.parameters.get(name))]     # noqa: B023  called at once
        alike = [name for name in metrics if same(lambda job: job.metrics.get(name))]           # noqa: B023
        common = {"simulator": first.sim} if one_sim else {}
        common |= {"configuration": first.config} if one_config and first.config else {}
        common |= {name: str(first.parameters[name]) for name in fixed}
        common |= {name: number(first.metrics[name], metrics[name]) for name in alike}
        return cls(any(job.config for job in jobs) and not one_config, [p for p in parameters if p not in fixed],
                   any(job.iteration for job in jobs), {m: v for m, v in metrics.items() if m not in alike},
                   max(job.seconds for job in jobs), common, one_sim)

    def head(self) -> str:
        """The header's cells."""
        texts = ["status", "files", *(["configuration"] if self.config else []), *self.parameters]
        texts += [] if self.one_sim else ["simulator"]
        numbers = [*(["iteration"] if self.iteration else []), "seed", "time", *self.metrics]
        return "".join([*(f"<th>{escape(text)}</th>" for text in texts),
                        *(f'<th class="num">{escape(text)}</th>' for text in numbers)])

    def row(self, job: JobRecord, failure: int | None) -> str:
        """One job; ``failure`` is the number of its card. Status and links come first: no width of the window hides them."""
        share = 100 * job.seconds / self.longest if self.longest else 0
        why = f'<a href="#failure-{failure}">why</a>' if failure is not None else ""
        cells = [f"<td>{pill(job)}</td><td>{why}{links(job)}</td>"]
        cells += [f"<td>{escape(job.config or '')}</td>"] if self.config else []
        cells += [f'<td class="name">{escape(str(job.parameters.get(name, "")))}</td>' for name in self.parameters]
        if not self.one_sim:
            cells.append(f'<td>{"both" if job.sim == AGREEMENT else escape(job.sim)}</td>')
        cells += [f'<td class="num">{job.iteration}</td>'] if self.iteration else []
        bar = f'<div class="rail"><span class="bar {css_class(job.status)}" style="width:{share:.0f}%"></span></div>'
        time = f"{duration(job.seconds)}{bar}" if job.seconds else ""
        cells.append(f'<td class="num mono">{job.seed}</td><td><div class="time">{time}</div></td>')
        for name, largest in self.metrics.items():
            value = job.metrics.get(name, "")
            cells.append(f'<td{"" if isinstance(value, str) else NUMERIC}>{escape(number(value, largest))}</td>')
        return f'<tr{BAD_ROW if job.status in BAD else ""}>{"".join(cells)}</tr>'

    @property
    def wide(self) -> bool:
        """Many columns."""
        return 4 + self.config + self.iteration + (not self.one_sim) + len(self.parameters) + len(self.metrics) > WIDE

    def line(self) -> str:
        """What all jobs have in common."""
        shared = ", ".join(f"{name} <b>{escape(value)}</b>" for name, value in self.common.items())
        return f'<p class="shared">in all jobs: {shared}</p>' if shared else ""


def entry_table(name: str, jobs: Sequence[JobRecord], failures: dict[str, int], opened: bool) -> str:
    """One entry's jobs with columns for its own parameters and metrics."""
    columns = _Columns.of(jobs)
    rows = "".join(columns.row(job, failures.get(job.id)) for job in jobs)
    return (f'<details class="entry" id="entry-{name}"{" open" if opened else ""}><summary><b>{name}</b>'
            f'<span class="grow">{escape(jobs[0].purpose)}</span>{stack(jobs)}<span class="count">{counts(jobs)}</span></summary>'
            f'<div class="scroll">{columns.line()}<table{WIDE_TABLE if columns.wide else ""}>'
            f"<thead><tr>{columns.head()}</tr></thead><tbody>{rows}</tbody></table></div></details>")
