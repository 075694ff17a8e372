"""A regression in the terminal: a live view, or a line per job where the output is no terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scripts.flow.processes import Stop, shown
from scripts.flow.regress.record import BAD, FAILED, NOT_RUN, PASSED, SKIPPED, TIMEOUT, UNDER_WAY, WORDS, JobRecord, Record
from scripts.flow.regress.selection import AGREEMENT

MESSAGE_LINES = 6
SHOWN_RUNNING = 8
SHOWN_FAILURES = 20
STYLES = {PASSED: "green", FAILED: "bold red", TIMEOUT: "bold red", SKIPPED: "yellow", NOT_RUN: "yellow"}


def duration(seconds: float) -> str:
    """``4.2 s``, ``3:07`` (minutes) or ``1:02:33`` (hours)."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def word(job: JobRecord) -> str:
    """What became of a job, in a word or two."""
    if job.status == NOT_RUN and job.message == UNDER_WAY:
        return "under way"
    return "disagree" if job.sim == AGREEMENT else WORDS[job.status]


def failure_lines(job: JobRecord, out: Path) -> list[str]:
    """All that is needed to go after a failure: what, why, where, and the one command that repeats it."""
    message = job.message.splitlines() or ["no message"]
    more = [f"... {len(message) - MESSAGE_LINES} more lines"] if len(message) > MESSAGE_LINES + 1 else message[MESSAGE_LINES:]
    rows = [("seed", str(job.seed)), ("parameters", job.shown_parameters)]
    rows += [(("message", "")[i > 0], line) for i, line in enumerate([*message[:MESSAGE_LINES], *more])]
    files = (("log", job.log), ("bench log", job.bench_log), ("waves", job.waves))
    rows += [(name, shown(out / path)) for name, path in files if path]
    return [f"  {name:<10} {text}" for name, text in (*rows, ("repeat", job.repeat))]


class Plain:
    """A line when a job ends, in files, pipes and CI logs."""

    def __init__(self, record: Record, out: Path, stop: Stop) -> None:
        self.record, self.out, self.stop = record, out, stop
        self.begun, self.left = time.monotonic(), 0.0

    def say(self, *lines: str) -> None:
        """Print; where the reader is gone (``| head``) the run ends in order."""
        try:
            print("\n".join(lines), flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())    # or Python complains when it ends
            self.stop.request("output closed", signal.SIGPIPE)

    def started(self, job: JobRecord) -> None:
        """Nothing: a line at the end of each job will do."""

    def ended(self, job: JobRecord) -> None:
        """One line, and after a failure what repeats it."""
        done = len(self.record.ran_jobs()) - self.record.count(NOT_RUN)
        total = len(self.record.ran_jobs())
        self.say(f"[{done:>{len(str(total))}}/{total}] {word(job):<9} {duration(job.seconds):>7}  {job.id}",
                 *([f"  {job.first_line}"] if job.status == SKIPPED else []),
                 *(failure_lines(job, self.out) if job.status in BAD else []))

    def tick(self, left: float) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Fancy:
    """Counts, a bar, the running jobs and what is left, redrawn in place; failures scroll by above."""

    def __init__(self, record: Record, out: Path, stop: Stop, console: Console) -> None:
        self.record, self.out, self.stop, self.console = record, out, stop, console
        self.begun, self.left = time.monotonic(), 0.0
        self.running: dict[str, float] = {}
        self.live = Live(console=console, get_renderable=self.view, refresh_per_second=4, transient=True)
        self.live.start()

    def view(self) -> Group:
        """What stands at the bottom of the terminal now."""
        record, total = self.record, len(self.record.ran_jobs())
        done = total - record.count(NOT_RUN)
        line = Table.grid(padding=(0, 2))
        bad = record.count(*BAD) + len(record.disagreements())
        left = f"about {duration(self.left)} left" if self.left >= 1 else ""
        colour = "red" if bad else "green"
        bar = ProgressBar(total=total, completed=done, width=24, complete_style=colour, finished_style=colour)
        texts = [Text(f"{record.count(PASSED)} passed", "green"), Text(f"{bad} failed", "bold red" if bad else "dim"),
                 Text(duration(time.monotonic() - self.begun), "dim"), Text(left, "dim")]
        line.add_row(bar, f"{done}/{total}", *texts)
        now, running = time.monotonic(), list(self.running.items())
        rows = [Text(f"  {duration(now - begun):>7}  {job}", "dim", no_wrap=True, overflow="ellipsis")
                for job, begun in running[:SHOWN_RUNNING]]
        if len(running) > SHOWN_RUNNING:
            rows.append(Text(f"           and {len(running) - SHOWN_RUNNING} more", "dim"))
        return Group(line, *rows)

    def started(self, job: JobRecord) -> None:
        """The job joins the running ones."""
        self.running[job.id] = time.monotonic()

    def ended(self, job: JobRecord) -> None:
        """Passed jobs only count; others are printed with what repeats them."""
        self.running.pop(job.id, None)
        if job.status not in BAD:
            return
        try:
            self.console.print(Text(f"{word(job)}  {job.id}", STYLES[job.status]), soft_wrap=True)
            for line in failure_lines(job, self.out):
                self.console.print(Text(line), soft_wrap=True)
        except OSError:     # the terminal is gone
            self.stop.request("output closed", signal.SIGPIPE)

    def tick(self, left: float) -> None:
        """Takes the estimate; the view is redrawn by itself."""
        self.left = left

    def close(self) -> None:
        """Remove the view."""
        with contextlib.suppress(OSError):
            self.live.stop()


def make_display(record: Record, out: Path, stop: Stop, file: TextIO | None = None) -> Plain | Fancy:
    """The view that fits the output."""
    console = Console(file=file or sys.stdout, highlight=False)
    return Fancy(record, out, stop, console) if console.is_terminal and not console.is_dumb_terminal else Plain(record, out, stop)


def summary(record: Record, out: Path, page: str) -> list[str]:
    """The last lines of a run: failures by one line each, the verdict, and where to read on."""
    lines = []
    bad = record.bad()
    for job in bad[:SHOWN_FAILURES]:
        lines.append(f"  {word(job):<9}  {job.id}  {job.first_line}")
    if len(bad) > SHOWN_FAILURES:
        lines.append(f"  and {len(bad) - SHOWN_FAILURES} more")
    lines += [f"  skipped    {count:,}: {why}" for why, count in record.skipped().items()]
    lines.append(f"{record.verdict()}; {duration(record.wall_seconds)}, seed {record.seed}")
    lines.append(f"report  {shown(out / page)}")
    if record.rerun and (bad or record.count(NOT_RUN)):
        lines.append(f"again   {record.rerun}")
    return lines
