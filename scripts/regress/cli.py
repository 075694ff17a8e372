"""The command: options, what is refused, and the steps of a regression."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.errors import FcimError
from scripts.arguments import Parser
from scripts.regress import page
from scripts.regress.console import duration, make_display, shown, summary
from scripts.regress.entries import Entry, read_entries
from scripts.regress.estimate import Estimate
from scripts.regress.plan import PlannedJob, failed_jobs, select_jobs
from scripts.regress.pool import JOBS_FOLDER, Options, Pool
from scripts.regress.process import Stop
from scripts.regress.record import FILE, Record, load_record, old_durations, planned_record
from scripts.regress.reports import write_reports
from scripts.rtl_list import ROOT
from scripts.seeds import choose_seed
from scripts.sim_environment import git_state, tool_versions
from scripts.simulate import require_simulator

LIST = ROOT / "tb" / "regression" / "regression.yaml"
FOLDER = ROOT / "build" / "regress"
ONE_FOLDER, AGAIN_FOLDER = "test", "rerun"  # below the folder: what ran apart, so that the record of the whole regression stays
INTERRUPTED = 130


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser("regress", "Run the regression: many jobs, one verdict.", jobs=os.cpu_count() or 1)
    parser.add_argument("--file", type=Path, default=LIST, help="the list of entries (default: tb/regression/regression.yaml)")
    parser.add_argument("--timeout-scale", type=_scale, default=1.0, help="multiplies every time-out, for slow machines")
    parser.add_argument("--coverage", type=Path, help="collect coverage data in this folder")
    parser.add_argument("--rerun", action="store_true",
                        help="repeat what failed in the last record, with its seeds, with waves")
    return parser.parse_args(arguments)


def _scale(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1e6:
            return float(text)
    raise FcimError(f"--timeout-scale {text!r} is illegal; use a number above 0")


def _tags(text: str | None) -> list[str]:
    return [tag.strip() for tag in (text or "").split(",") if tag.strip()]


def command(args: argparse.Namespace, seed: int, test: str | None, **more: str | None) -> str:
    """The line that runs something of this regression again: ``make regress`` unless the list is another one."""
    given = {"test": test, "seed": None if more.get("rerun") else str(seed), **more}
    given = {name: value for name, value in given.items() if value}
    if args.file.resolve() == LIST:
        target = "rerun" if given.pop("rerun", None) else "regress"
        return " ".join([f"make {target}", *(f"{name.upper()}={_quoted(value)}" for name, value in given.items())])
    flags = {name: value for name, value in given.items() if name not in ("rerun", "waves")}
    return " ".join([".venv/bin/python -m scripts.regress", f"--file {shlex.quote(shown(args.file.resolve()))}",
                     *(f"--{name} {_quoted(value)}" for name, value in flags.items()),
                     *(f"--{name}" for name in ("rerun", "waves") if given.get(name))])


def _quoted(text: str) -> str:
    return text if text.isalnum() else "'" + text.replace("'", "'\\''") + "'"


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Only one regression at a time writes to ``out``.

    Raises:
        FcimError: there is another one, or the folder cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("w")
    except OSError as error:
        raise FcimError(f"cannot write to {shown(out)} ({error.strerror}); choose another OUT") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FcimError(f"another regression is writing to {shown(out)}; wait for its end or choose another OUT") from None
        yield


def choose_jobs(args: argparse.Namespace, entries: Sequence[Entry], base: Path) -> tuple[int, list[PlannedJob]]:
    """The master seed, and the jobs to run."""
    if not args.rerun:
        seed = choose_seed(args.seed)
        return seed, select_jobs(entries, seed, _tags(args.tags), (args.test or "").strip() or None,
                                 args.iterations, args.sim)
    for name in ("seed", "tags", "test", "iterations", "sim"):
        if getattr(args, name) is not None:
            raise FcimError(f"--rerun repeats what failed as it was; leave out {name.upper()}")
    last = load_record(base / FILE)
    bad = [job.id for job in last.bad()]
    if not bad:
        raise FcimError(f"nothing to run again: no job failed in {shown(base / FILE)} ({last.verdict()})")
    return last.seed, failed_jobs(entries, bad, last.seed)


def print_list(jobs: Sequence[PlannedJob], entries: Sequence[Entry], estimate: Estimate, workers: int) -> None:
    """What would run, and what would not."""
    width = max(len(job.id) for job in jobs)
    for job in jobs:
        expected, limit = duration(estimate.seconds(job)), duration(job.entry.timeout)
        print(f"{job.id:<{width}}  about {expected:>7}, at most {limit:>7}  {','.join(job.entry.tags)}")
    left = [entry.name for entry in entries if all(job.entry is not entry for job in jobs)]
    print(f"{len(jobs)} jobs, about {duration(estimate.left(jobs, [], workers))} with {workers} at a time")
    if left:
        print(f"not selected: {', '.join(left)}")


def make_record(args: argparse.Namespace, jobs: Sequence[PlannedJob], seed: int, workers: int,
                durations: dict[str, float]) -> Record:
    """The record before anything ran."""
    records = [planned_record(job, command(args, seed, job.id), round(job.entry.timeout * args.timeout_scale, 3)) for job in jobs]
    versions: dict[str, str] = {}
    for sim in dict.fromkeys(job.sim for job in jobs):
        versions |= tool_versions(sim)
    again = {"tags": args.tags, "iterations": args.iterations and str(args.iterations), "sim": args.sim,
             "waves": "1" if args.waves else None}
    whole = command(args, seed, None, rerun="1") if args.rerun else command(args, seed, args.test, **again)
    place = shown(args.out.resolve()) if args.out else None
    rerun = "" if args.rerun or args.test else command(args, seed, None, rerun="1", out=place)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Record(seed, shown(args.file.resolve()), whole, started, workers, records, rerun, versions=versions, git=git_state(),
                  durations=durations)


def check_folder(out: Path) -> None:
    """Whether the job folders in ``out`` may be removed: only a regression's own.

    Raises:
        FcimError: there is a folder of that name and no record beside it.
    """
    if (out / JOBS_FOLDER).exists() and not (out / FILE).is_file():
        raise FcimError(f"{shown(out)} holds a folder '{JOBS_FOLDER}' that is not of a regression; choose another OUT")


def run(args: argparse.Namespace, jobs: Sequence[PlannedJob], seed: int, out: Path, estimate: Estimate,
        durations: dict[str, float]) -> int:
    """Run the jobs and report; gives the exit code."""
    workers = args.jobs
    for sim in dict.fromkeys(job.sim for job in jobs):
        require_simulator(sim)
    coverage = args.coverage.resolve() if args.coverage else None
    record = make_record(args, jobs, seed, workers, durations)
    stop = Stop()
    with locked(out), stop.on_signals():
        check_folder(out)
        if coverage is not None:
            coverage.mkdir(parents=True, exist_ok=True)
        write_reports(record, out)      # first, so that the reports never speak of logs that are gone
        shutil.rmtree(out / JOBS_FOLDER, ignore_errors=True)
        display = make_display(record, out, stop)
        options = Options(out, workers, args.waves or args.rerun, args.fail_fast, coverage)
        try:
            Pool(jobs, record, options, estimate, display, write_reports, stop).run()
        finally:
            display.close()
    with contextlib.suppress(OSError):      # nobody reads any more; the reports and the exit code say it all
        print("\n".join(summary(record, out, page.FILE)), flush=True)
    if record.passed:
        return 0
    return INTERRUPTED if stop.reason and not stop.reason.startswith("stopped") else 1


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse_args(arguments)
    base = (args.out or FOLDER).resolve()
    workers = args.jobs
    entries = read_entries(args.file.resolve())
    seed, jobs = choose_jobs(args, entries, base)
    out = base / AGAIN_FOLDER if args.rerun else base / ONE_FOLDER if args.test and not args.out else base
    durations = old_durations(base / FILE) | old_durations(out / FILE)
    estimate = Estimate(durations)
    if args.list:
        print_list(jobs, entries, estimate, workers)
        return 0
    left = duration(estimate.left(jobs, [], workers))
    print(f"{len(jobs)} job{'s' * (len(jobs) != 1)}, {workers} at a time, about {left}; seed {seed}", flush=True)
    return run(args, jobs, seed, out, estimate, durations)
