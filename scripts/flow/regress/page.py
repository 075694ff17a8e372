"""The record as one HTML page: the verdict first, then every failure with what repeats it, then all jobs by entry."""

from __future__ import annotations

from html import escape
from pathlib import Path

from scripts.flow.html import document, facts, tile
from scripts.flow.regress.console import duration
from scripts.flow.regress.lanes import COLOURS, lanes
from scripts.flow.regress.page_failures import failures
from scripts.flow.regress.page_jobs import entry_table
from scripts.flow.regress.page_parts import stack
from scripts.flow.regress.plan import AGREEMENT
from scripts.flow.regress.record import BAD, FAILED, NOT_RUN, STATUSES, TIMEOUT, WORDS, JobRecord, Record

FILE = "index.html"
STYLE = (Path(__file__).parent / "page.css").read_text()
OPEN_JOBS = 80          # with more jobs, entries without failures are folded
VERDICT_CLASS = {"PASS": "pass", "FAIL": "fail", "INCOMPLETE": "unsure"}


def _tiles(record: Record) -> str:
    totals, jobs = record.totals(), record.ran_jobs()
    bad, wall = totals[FAILED] + totals[TIMEOUT], record.wall_seconds
    busy = 100 * totals["job_seconds"] / (wall * record.workers) if wall > 0 else 0.0
    note = ", ".join(f"{totals[s.replace(' ', '_')]} {WORDS[s]}" for s in STATUSES[1:] if totals[s.replace(" ", "_")])
    hours = totals["cpu_seconds"] / 3600
    tiles = [tile("Passed", f"{totals['passed']:,}", f"of {totals['jobs']:,} jobs"),
             tile("Failed", f"{bad:,}", note or "none timed out"),
             tile("Tests", f"{totals['tests']:,}", "in all jobs")]
    if totals["pairs_compared"]:
        same = totals["pairs_compared"] - totals["pairs_differing"]
        tiles.append(tile("Simulators agree", f"{same:,}", f"of {totals['pairs_compared']:,} pairs, bit for bit"))
    peak = max((job.peak_mib for job in jobs), default=0.0)
    cpu = f"{hours:.2f} h" if hours >= 0.1 else duration(totals["cpu_seconds"])
    tiles += [tile("Wall time", duration(wall), f"{record.workers} at a time, {min(busy, 100):.0f} % busy"),
              tile("CPU time", cpu, f"peak {peak:,.0f} MiB")]
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _overview(groups: dict[str, list[JobRecord]]) -> str:
    rows = []
    for name, jobs in groups.items():
        real = [job for job in jobs if job.sim != AGREEMENT]
        times = [job.seconds for job in real]
        total, longest = (duration(t) if t else "" for t in (sum(times), max(times, default=0.0)))
        n = {status: sum(job.status == status for job in jobs) for status in STATUSES}
        cells = "".join(f'<td class="num{" bad" if s in BAD and n[s] else ""}">{n[s] or ""}</td>' for s in STATUSES)
        rows.append(f'<tr><td class="name"><a href="#entry-{name}">{name}</a></td><td class="text">'
                    f"{escape(jobs[0].purpose)}</td><td>{stack(jobs)}</td>{cells}"
                    f'<td class="num">{sum(job.tests for job in real):,}</td><td class="num">{total}</td>'
                    f'<td class="num">{longest}</td></tr>')
    heads = "".join(f'<th class="num">{WORDS[s]}</th>' for s in STATUSES)
    return ('<div class="scroll"><table><thead><tr><th>entry</th><th>purpose</th><th></th>' + heads +
            '<th class="num">tests</th><th class="num">time</th><th class="num">longest</th></tr></thead>'
            f'<tbody>{"".join(rows)}</tbody></table></div>')


def _timeline(record: Record) -> str:
    picture = lanes(record)
    if not picture:
        return ""
    mark = '<span class="small"><i style="background:{}"></i>{}</span>'
    legend = "".join(mark.format(colour, WORDS[status]) for status, colour in COLOURS.items())
    return f'<section><h2>When they ran</h2>{picture}<div class="legend">{legend}</div></section>'


def _about(record: Record) -> str:
    dirty = " with uncommitted changes" if record.git.get("dirty") else ""
    run = [("seed", str(record.seed)), ("list", record.file), ("started", record.started), ("at a time", str(record.workers)),
           ("git revision", f"{record.git.get('revision', 'unknown')}{dirty}"), ("state", record.state)]
    columns = (("Run", run), ("Tool versions", record.versions.items()))
    boxes = "".join(f"<div><h3>{title}</h3>{facts(items)}</div>" for title, items in columns)
    return (f'<section><h2>Repeat this regression</h2><pre class="command">{escape(record.command)}</pre>'
            f'<div class="columns">{boxes}</div></section>')


def render_page(record: Record, out: Path) -> str:
    """The whole page; its links count from the record's folder ``out``."""
    verdict, _, text = record.verdict().partition(": ")
    places = {base: i for i, base in enumerate(dict.fromkeys(job.base for job in record.jobs))}
    groups: dict[str, list[JobRecord]] = {}
    for job in sorted(record.jobs, key=lambda job: places[job.base]):    # a disagreement stands with its jobs
        groups.setdefault(job.name, []).append(job)
    cards = {job.id: i for i, job in enumerate(record.bad())}
    few = len(record.jobs) <= OPEN_JOBS
    opened = {name: few or any(job.id in cards for job in jobs) for name, jobs in groups.items()}
    entries = "".join(entry_table(name, jobs, cards, opened[name]) for name, jobs in groups.items())
    done = len(record.ran_jobs()) - record.count(NOT_RUN)
    about = f"{len(record.ran_jobs()):,} jobs of {len(groups)} entries, each in a process of its own with a seed of its own."
    under_way = f" {done:,} had ended when this page was written." if record.state == "running" else ""
    return document(f"{verdict}: FusionCIM regression", "".join([
        f"<header><h1>FusionCIM regression</h1><p>{about}{under_way}</p></header>",
        f'<p class="verdict {VERDICT_CLASS[verdict]}"><strong>{verdict}</strong>{escape(text)}.</p>',
        _tiles(record), failures(record),
        f"<section><h2>Entries</h2>{_overview(groups)}</section>", _timeline(record),
        f'<h2 class="entries">Jobs</h2>{entries}', _about(record)]), STYLE)
