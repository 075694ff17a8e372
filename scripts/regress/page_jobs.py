"""The jobs of the regression's page: a table per entry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from scripts.regress.console import duration
from scripts.regress.page_parts import counts, css_class, links, pill, stack
from scripts.regress.plan import AGREEMENT
from scripts.regress.record import BAD, JobRecord

NUMERIC, BAD_ROW = ' class="num"', ' class="bad"'


def number(value: int | float | str, largest: float) -> str:
    """A metric for people: thousands apart, fractions with four digits of the column's ``largest`` value."""
    if isinstance(value, float):
        size = math.floor(math.log10(largest)) if largest > 0 else 0
        return f"{value:,.{3 - size}f}" if -4 < size <= 3 else f"{value:,.0f}" if size > 3 else f"{value:.3e}"
    return f"{value:,}" if isinstance(value, int) else value


@dataclass(frozen=True)
class _Columns:
    """What one entry's table shows beside the common columns."""

    config: bool
    parameters: list[str]
    iteration: bool
    metrics: dict[str, float]       # with the largest magnitude
    longest: float

    @classmethod
    def of(cls, jobs: Sequence[JobRecord]) -> _Columns:
        metrics: dict[str, float] = {}
        for name, value in (item for job in jobs for item in job.metrics.items()):
            metrics[name] = max(metrics.get(name, 0.0), 0.0 if isinstance(value, str) else abs(value))
        return cls(any(job.config for job in jobs), list(dict.fromkeys(key for job in jobs for key in job.parameters)),
                   any(job.iteration for job in jobs), metrics, max(job.seconds for job in jobs))

    def head(self) -> str:
        """The header's cells."""
        texts = ["status", *(["configuration"] if self.config else []), *self.parameters]
        numbers = ["iteration"] if self.iteration else []
        right = [f'<th class="num">{escape(text)}</th>' for text in (*numbers, "seed", "time", *self.metrics)]
        right.insert(len(numbers), "<th>simulator</th>")
        return "".join([*(f"<th>{escape(text)}</th>" for text in texts), *right, "<th></th>"])

    def row(self, job: JobRecord, failure: int | None) -> str:
        """One job; ``failure`` is the number of its card."""
        share = 100 * job.seconds / self.longest if self.longest else 0
        cells = [f"<td>{pill(job)}</td>", *([f"<td>{escape(job.config or '')}</td>"] if self.config else [])]
        cells += [f'<td class="name">{escape(str(job.parameters.get(name, "")))}</td>' for name in self.parameters]
        cells += [f'<td class="num">{job.iteration}</td>'] if self.iteration else []
        bar = f'<div class="rail"><span class="bar {css_class(job.status)}" style="width:{share:.0f}%"></span></div>'
        time = f"{duration(job.seconds)}{bar}" if job.seconds else ""
        cells.append(f'<td>{"both" if job.sim == AGREEMENT else escape(job.sim)}</td><td class="num mono">{job.seed}</td>'
                     f'<td><div class="time">{time}</div></td>')
        for name, largest in self.metrics.items():
            value = job.metrics.get(name, "")
            cells.append(f'<td{"" if isinstance(value, str) else NUMERIC}>{escape(number(value, largest))}</td>')
        why = f'<a href="#failure-{failure}">why</a>' if failure is not None else ""
        return f'<tr{BAD_ROW if job.status in BAD else ""}>{"".join(cells)}<td>{why}{links(job)}</td></tr>'


def entry_table(name: str, jobs: Sequence[JobRecord], failures: dict[str, int], opened: bool) -> str:
    """One entry's jobs with columns for its own parameters and metrics."""
    columns = _Columns.of(jobs)
    rows = "".join(columns.row(job, failures.get(job.id)) for job in jobs)
    return (f'<details class="entry" id="entry-{name}"{" open" if opened else ""}><summary><b>{name}</b>'
            f'<span class="grow">{escape(jobs[0].purpose)}</span>{stack(jobs)}<span class="count">{counts(jobs)}</span></summary>'
            f'<div class="scroll"><table><thead><tr>{columns.head()}</tr></thead><tbody>{rows}</tbody></table></div></details>')
