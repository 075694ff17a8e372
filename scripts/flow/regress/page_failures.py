"""The failures of the regression's page, those alike together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from scripts.flow.regress.console import duration
from scripts.flow.regress.page_parts import css_class, links, pill
from scripts.flow.regress.record import NOT_RUN, JobRecord, Record


def _failure(job: JobRecord, index: int) -> str:
    """One failure's card."""
    about = [f"seed {job.seed}", f"parameters: {job.shown_parameters}", *([duration(job.seconds)] if job.seconds else [])]
    spans = "".join(f"<span>{escape(text)}</span>" for text in about)
    return (f'<div class="failure {css_class(job.status)}" id="failure-{index}"><h3>{pill(job)}{escape(job.id)}</h3>'
            f'<p class="small">{spans}{links(job)}</p>'
            f'<pre class="message">{escape(job.message)}</pre><pre class="command">{escape(job.repeat)}</pre></div>')


def alike(jobs: Sequence[JobRecord]) -> list[list[JobRecord]]:
    """Failures whose first lines differ in nothing but numbers: most likely one cause. The largest group first."""
    groups: dict[tuple[str, str], list[JobRecord]] = {}
    for job in jobs:
        groups.setdefault((job.status, re.sub(r"[0-9][0-9a-f,.]*", "0", job.first_line)), []).append(job)
    return sorted(groups.values(), key=len, reverse=True)


def failures(record: Record) -> str:
    """One failure of each kind in full, the others of its kind folded away below it; and what runs again what is not green."""
    bad, left = record.bad(), record.count(NOT_RUN)
    again = ""
    if record.rerun and (bad or (left and record.state != "running")):
        what = [*(["all that failed, with waveforms"] if bad else []), *([f"{left:,} that did not run"] if left else [])]
        again = f'<h3>Again: {" and ".join(what)}</h3><pre class="command">{escape(record.rerun)}</pre>'
    if not bad:
        return f"<section>{again}</section>" if again else ""
    index = {job.id: i for i, job in enumerate(bad)}
    groups, body = alike(bad), []
    for group in groups:
        cards = [_failure(job, index[job.id]) for job in group]
        body.append(cards[0])
        if cards[1:]:
            more = f"<summary>{len(cards) - 1} more with this message</summary>"
            body.append(f'<details class="more">{more}{"".join(cards[1:])}</details>')
    kinds = f"{len(bad)} failures with {len(groups)} different messages, numbers aside" if len(bad) > 1 else ""
    return f'<section><h2>Failures</h2><p class="small">{kinds}</p>{"".join(body)}{again}</section>'
