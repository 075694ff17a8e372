"""Small pieces of the regression's page."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from scripts.flow.regress.console import word
from scripts.flow.regress.record import BAD, STATUSES, WORDS, JobRecord


def css_class(status: str) -> str:
    """The class of a status in the page's style."""
    return status.replace(" ", "")


def pill(job: JobRecord) -> str:
    """What became of a job, as a coloured mark."""
    return f'<span class="pill {css_class(job.status)}">{word(job)}</span>'


def _link(path: str | None, text: str) -> str:
    return f'<a href="{quote(path)}">{text}</a>' if path else ""


def links(job: JobRecord) -> str:
    """To the job's logs and waveform, as far as there are any."""
    return _link(job.log, "log") + _link(job.bench_log, "bench") + _link(job.waves, "waves")


def stack(jobs: Sequence[JobRecord]) -> str:
    """Shares of the outcomes as one bar."""
    parts = [(status, sum(job.status == status for job in jobs)) for status in STATUSES]
    return '<div class="stack">' + "".join(f'<i class="{css_class(s)}" style="flex:{n}"></i>' for s, n in parts if n) + "</div>"


def counts(jobs: Sequence[JobRecord]) -> str:
    """``5 of 6 passed, 1 failed``; what is bad stands out."""
    passed = sum(job.status == STATUSES[0] for job in jobs)
    text = [f"{passed} of {len(jobs)} passed"]
    for status in STATUSES[1:]:
        if n := sum(job.status == status for job in jobs):
            text.append(f"<b>{n} {WORDS[status]}</b>" if status in BAD else f"{n} {WORDS[status]}")
    return ", ".join(text)
