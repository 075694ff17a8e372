"""The command: options, what is refused, and the steps of a regression."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FcimError
from scripts.flow.arguments import Parser
from scripts.flow.processes import Stop, locked, shown
from scripts.flow.regress import page
from scripts.flow.regress.again import last_run, what_again
from scripts.flow.regress.console import duration, make_display, summary
from scripts.flow.regress.durations import record_durations, recorded_durations
from scripts.flow.regress.entries import Entry, read_entries
from scripts.flow.regress.estimate import Estimate
from scripts.flow.regress.plan import PlannedJob, select_jobs
from scripts.flow.regress.pool import JOBS_FOLDER, Options, Pool
from scripts.flow.regress.record import FILE, Record, old_durations, planned_record
from scripts.flow.regress.reports import write_reports
from scripts.flow.seeds import choose_seed
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.flow.variables import check_may_write

LIST = ROOT / "tb" / "workloads" / "regression.yaml"
FOLDER = ROOT / "build" / "regress"
ONE_FOLDER = "test"     # below the folder: what ran apart, so that the record of the whole regression stays
BASES = (FOLDER, FOLDER / ONE_FOLDER, ROOT / "build" / "coverage" / "regress")  # where the last run may have been


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser("regress", "Run the regression: many jobs, one verdict.", jobs=os.cpu_count() or 1)
    parser.add_argument("--file", type=Path, default=LIST, help="the list of entries (default: tb/workloads/regression.yaml)")
    parser.add_argument("--timeout-scale", type=_scale, default=1.0, help="multiplies every time-out, for slow machines")
    parser.add_argument("--coverage", type=Path, help="collect coverage data in this folder")
    parser.add_argument("--rerun", action="store_true",
                        help="repeat what failed in the last run, with its seeds, with waves, and run what it did not come to")
    parser.add_argument("--record-durations", action="store_true",
                        help="take over what the last run's jobs took into tb/workloads/durations.json, and stop")
    return parser.parse_args(arguments)


def _scale(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1e6:
            return float(text)
    raise FcimError(f"--timeout-scale {text!r} is illegal; use a number above 0")


def _tags(text: str | None) -> list[str]:
    return [tag.strip() for tag in (text or "").split(",") if tag.strip()]


def command(path: Path, seed: int, test: str | None, **more: str | None) -> str:
    """The line that runs something of this regression again: ``make regress`` unless the list at ``path`` is another one."""
    given = {"test": test, "seed": None if more.get("rerun") else str(seed), **more}
    given = {name: value for name, value in given.items() if value}
    if path == LIST:
        target = "rerun" if given.pop("rerun", None) else "regress"
        return " ".join([f"make {target}", *(f"{name.upper()}={_quoted(value)}" for name, value in given.items())])
    flags = {name: value for name, value in given.items() if name not in ("rerun", "waves")}
    return " ".join([".venv/bin/python -m scripts.regress", f"--file {shlex.quote(shown(path))}",
                     *(f"--{name} {_quoted(value)}" for name, value in flags.items()),
                     *(f"--{name}" for name in ("rerun", "waves") if given.get(name))])


def _quoted(text: str) -> str:
    return text if text.isalnum() else "'" + text.replace("'", "'\\''") + "'"


@dataclass(frozen=True)
class Chosen:
    """What to run: jobs of the ``list`` with the master ``seed``, reports in ``out``; ``waved`` are the ids of those that write
    waveforms, ``said`` what the user should know first.
    """

    list: Path
    entries: list[Entry]
    seed: int
    jobs: list[PlannedJob]
    out: Path
    waved: frozenset[str]
    said: str = ""


def choose(args: argparse.Namespace) -> Chosen:
    """The jobs to run, those of the last run or new ones."""
    if args.rerun:
        return _choose_again(args)
    path = args.file.resolve()
    entries = read_entries(path)
    seed = choose_seed(args.seed)
    jobs = select_jobs(entries, seed, _tags(args.tags), (args.test or "").strip() or None, args.iterations, args.sim)
    out = args.out.resolve() if args.out else FOLDER / ONE_FOLDER if args.test else FOLDER
    return Chosen(path, entries, seed, jobs, out, frozenset(job.id for job in jobs if args.waves))


def _choose_again(args: argparse.Namespace) -> Chosen:
    """What failed, with waveforms, and what did not run."""
    for name in ("seed", "tags", "test", "iterations", "sim"):
        if getattr(args, name) is not None:
            raise FcimError(f"--rerun repeats what failed as it was; leave out {name.upper()}")
    again = what_again([args.out.resolve()] if args.out else BASES)
    path = ROOT / again.last.file if args.file == LIST else args.file.resolve()
    entries = read_entries(path)
    jobs, left = again.jobs(entries), set(again.left)
    return Chosen(path, entries, again.last.seed, jobs, again.out, frozenset(job.id for job in jobs if job.id not in left),
                  again.said())


def jobs_table(jobs: Sequence[PlannedJob], estimate: Estimate) -> Table:
    """A line per job: how long it will take, and may take."""
    table = Table([Column("job", text=True, key=True), Column("about"), Column("at most"), Column("tags", text=True, rank=1)])
    for job in jobs:
        table.add(job.id, duration(estimate.seconds(job)), duration(job.entry.timeout), ",".join(job.entry.tags))
    return table


def print_list(jobs: Sequence[PlannedJob], entries: Sequence[Entry], estimate: Estimate, workers: int) -> None:
    """What would run, and what would not."""
    jobs_table(jobs, estimate).show()
    left = [entry.name for entry in entries if all(job.entry is not entry for job in jobs)]
    print(f"{len(jobs)} jobs, about {duration(estimate.left(jobs, [], workers))} with {workers} at a time")
    if left:
        say(f"not selected: {', '.join(left)}")


def make_record(args: argparse.Namespace, chosen: Chosen, workers: int, durations: dict[str, float]) -> Record:
    """The record before anything ran."""
    path, seed, jobs = chosen.list, chosen.seed, chosen.jobs
    records = [planned_record(job, command(path, seed, job.id), round(job.entry.timeout * args.timeout_scale, 3)) for job in jobs]
    versions: dict[str, str] = {}
    for sim in dict.fromkeys(job.sim for job in jobs):
        versions |= tool_versions(sim)
    again = {"tags": args.tags, "iterations": args.iterations and str(args.iterations), "sim": args.sim,
             "waves": "1" if args.waves else None}
    # with the folder, since another run may be the last one by then
    base = chosen.out.parent if args.rerun else chosen.out
    rerun = command(path, seed, None, rerun="1", out=shown(base))
    whole = rerun if args.rerun else command(path, seed, args.test, **again)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Record(seed, shown(path), whole, started, workers, records, rerun, versions=versions, git=git_state(),
                  durations=durations, coverage=args.coverage is not None)


def check_folder(out: Path) -> None:
    """Whether the job folders in ``out`` may be removed: only a regression's own.

    Raises:
        FcimError: there is a folder of that name and no record beside it.
    """
    if (out / JOBS_FOLDER).exists() and not (out / FILE).is_file():
        raise FcimError(f"{shown(out)} holds a folder '{JOBS_FOLDER}' that is not of a regression; choose another OUT")


def run(args: argparse.Namespace, chosen: Chosen, estimate: Estimate, durations: dict[str, float]) -> int:
    """Run the jobs and report; gives the exit code."""
    jobs, out, workers = chosen.jobs, chosen.out, args.jobs
    check_may_write(ROOT / "build", None)   # builds lie there whatever OUT is
    for sim in dict.fromkeys(job.sim for job in jobs):
        require_simulator(sim)
    coverage = args.coverage.resolve() if args.coverage else None
    record = make_record(args, chosen, workers, durations)
    stop = Stop()
    with locked(out, "regression", chosen=True), stop.on_signals():
        check_folder(out)
        if coverage is not None:
            coverage.mkdir(parents=True, exist_ok=True)
        write_reports(record, out)      # first, so that the reports never speak of logs that are gone
        shutil.rmtree(out / JOBS_FOLDER, ignore_errors=True)
        display = make_display(record, out, stop)
        options = Options(out, workers, chosen.waved, args.fail_fast, coverage)
        try:
            Pool(jobs, record, options, estimate, display, write_reports, stop).run()
        finally:
            display.close()
    with contextlib.suppress(OSError):      # nobody reads any more; the reports and the exit code say it all
        for line in summary(record, out, page.FILE):
            say(line)
    if record.passed:
        return 0
    return 128 + stop.signal if stop.signal else 1


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse_args(arguments)
    if args.record_durations:
        return record_durations(last_run([args.out.resolve()] if args.out else BASES), read_entries(args.file.resolve()))
    workers = args.jobs
    chosen = choose(args)
    jobs = chosen.jobs
    durations = old_durations(chosen.out.parent / FILE) | old_durations(chosen.out / FILE)
    estimate = Estimate(durations, recorded_durations(args.coverage is not None))
    if args.list:
        print_list(jobs, chosen.entries, estimate, workers)
        return 0
    if chosen.said:
        print(chosen.said)
    left = duration(estimate.left(jobs, [], workers))
    print(f"{len(jobs)} job{'s' * (len(jobs) != 1)}, {workers} at a time, about {left}; seed {chosen.seed}", flush=True)
    return run(args, chosen, estimate, durations)
