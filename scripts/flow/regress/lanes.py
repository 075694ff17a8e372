"""When which job ran, as a picture: a lane per worker, a bar per job."""

from __future__ import annotations

from html import escape

from scripts.flow.regress.console import duration
from scripts.flow.regress.record import FAILED, NOT_RUN, PASSED, TIMEOUT, WORDS, Record

WIDTH, LANE, GAP, AXIS = 1060, 18, 5, 22
LABEL = 70
COLOURS = {PASSED: "#58b384", FAILED: "#b3261e", TIMEOUT: "#e07b39", NOT_RUN: "#cbd2d9"}
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
MARKS = 9


def lanes(record: Record) -> str:
    """The SVG, or "" before anything ran."""
    jobs = [job for job in record.ran_jobs() if job.start is not None and job.slot is not None]
    end = max([record.wall_seconds, *(job.start + job.seconds for job in jobs)], default=0.0)
    if not jobs or end <= 0:
        return ""
    slots = 1 + max(job.slot for job in jobs)
    height = slots * (LANE + GAP) + AXIS
    scale = (WIDTH - LABEL - 10) / end
    step = next((s for s in STEPS if end / s <= MARKS), STEPS[-1])
    parts = []
    for mark in range(0, int(end) + 1, step):
        x = LABEL + mark * scale
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - AXIS}" stroke="#e4e7eb"/>'
                     f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{_mark(mark)}</text>')
    for slot in range(slots):
        y = slot * (LANE + GAP)
        parts.append(f'<text x="0" y="{y + 13}">worker {slot + 1}</text>')
    for job in jobs:
        x, width = LABEL + job.start * scale, max(job.seconds * scale - 0.6, 1.0)
        title = escape(f"{job.id}: {WORDS[job.status]}, {duration(job.seconds)}")
        parts.append(f'<rect x="{x:.1f}" y="{job.slot * (LANE + GAP)}" width="{width:.1f}" height="{LANE}" rx="2" '
                     f'fill="{COLOURS[job.status]}"><title>{title}</title></rect>')
    return (f'<svg class="lanes" viewBox="0 0 {WIDTH} {height}" font-size="11" fill="#616e7c" role="img" '
            f'aria-label="when each job ran">{"".join(parts)}</svg>')


def _mark(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else duration(seconds)
