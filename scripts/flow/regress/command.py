"""The command: options, what is refused, what a rerun repeats, and the steps of a regression.

It knows no project: :class:`Project` says where the list of entries is and how the command is started.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import shlex
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FcimError
from scripts.flow.arguments import Parser
from scripts.flow.history import store
from scripts.flow.processes import Stop, locked, shown
from scripts.flow.regress import page
from scripts.flow.regress.console import duration, make_display, summary
from scripts.flow.regress.durations import Durations, Estimate
from scripts.flow.regress.entries import Entry, read_entries
from scripts.flow.regress.launch import Launcher, parse_launch
from scripts.flow.regress.place import LEASE_S, LEAST_LEASE_S, Here, Place
from scripts.flow.regress.pool import JOBS_FOLDER, Options, Pool
from scripts.flow.regress.record import FILE, NOT_RUN, Record, load_record, old_durations, planned_record
from scripts.flow.regress.reports import write_reports
from scripts.flow.regress.selection import PlannedJob, failed_jobs, select_jobs
from scripts.flow.seeds import choose_seed
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table, say
from scripts.flow.tool_versions import git_state, tool_versions
from scripts.flow.variables import check_may_write

FOLDER = ROOT / "build" / "regress"
ONE_FOLDER = "test"     # below the folder: what ran apart, so that the record of the whole regression stays
JOBS = 2                # at a time, on this machine
RERUN_FOLDER = "rerun"  # below a run's folder: its record stays
BASES = (FOLDER, FOLDER / ONE_FOLDER, ROOT / "build" / "coverage" / "regress")  # where the last run may have been


@dataclass(frozen=True)
class Project:
    """What the runner must know of a project: the file of its ``entries``, the file of the ``durations`` of their jobs, and the
    ``module`` by which Python starts its command, for lists that ``make`` does not know.
    """

    entries: Path
    durations: Path
    module: str

    def command(self, path: Path, seed: int, test: str | None, **more: str | None) -> str:
        """The line that runs something of a regression again: ``make regress`` unless the list at ``path`` is another one."""
        given = {"test": test, "seed": None if more.get("rerun") else str(seed), **more}
        given = {name: value for name, value in given.items() if value}
        if path == self.entries:
            target = "rerun" if given.pop("rerun", None) else "regress"
            return " ".join([f"make {target}", *(f"{name.upper()}={_quoted(value)}" for name, value in given.items())])
        flags = {name: value for name, value in given.items() if name not in ("rerun", "waves")}
        return " ".join([f".venv/bin/python -m {self.module}", f"--file {shlex.quote(shown(path))}",
                         *(f"--{name} {_quoted(value)}" for name, value in flags.items()),
                         *(f"--{name}" for name in ("rerun", "waves") if given.get(name))])


def parse_args(project: Project, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser("regress", "Run the regression: many jobs, one verdict.")
    parser.add_argument("--file", type=Path, default=project.entries,
                        help=f"the list of entries (default: {shown(project.entries)})")
    parser.add_argument("--timeout-scale", type=_scale, default=1.0, help="multiplies every time-out, for slow machines")
    parser.add_argument("--lease", type=_lease, default=LEASE_S,
                        help=f"seconds without a sign of the runner after which jobs elsewhere end (default: {LEASE_S:g})")
    parser.add_argument("--coverage", type=Path, help="collect coverage data in this folder")
    parser.add_argument("--rerun", action="store_true",
                        help="repeat what failed in the last run, with its seeds, with waves, and run what it did not come to")
    parser.add_argument("--record-durations", action="store_true",
                        help=f"take over what the last run's jobs took into {shown(project.durations)}, and stop")
    args = parser.parse_args(arguments)
    if args.farm and args.launch:
        raise FcimError("FARM and LAUNCH are both given; give one of them")
    return args


def _scale(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < 1e6:
            return float(text)
    raise FcimError(f"--timeout-scale {text!r} is illegal; use a number above 0")


def _lease(text: str) -> float:
    with contextlib.suppress(ValueError):
        if LEAST_LEASE_S <= float(text) < 1e6:
            return float(text)
    raise FcimError(f"--lease {text!r} is illegal; use seconds, {LEAST_LEASE_S:g} or more")


def _tags(text: str | None) -> list[str]:
    return [tag.strip() for tag in (text or "").split(",") if tag.strip()]


def _quoted(text: str) -> str:
    return text if text.isalnum() else "'" + text.replace("'", "'\\''") + "'"


@dataclass(frozen=True)
class Rerun:
    """What to repeat: the ``last`` run in ``base``, what failed in it (``bad``) and what of it did not run (``left``)."""

    base: Path
    last: Record
    bad: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def out(self) -> Path:
        """Where the rerun's reports go."""
        return self.base / RERUN_FOLDER

    def jobs(self, entries: Sequence[Entry]) -> list[PlannedJob]:
        """The jobs with their seeds.

        Raises:
            FcimError: the list has one of them no more.
        """
        return failed_jobs(entries, [*self.bad, *self.left], self.last.seed)

    def note(self) -> str:
        """One line for the user."""
        parts = [f"{len(self.bad)} that failed"] * bool(self.bad) + [f"{len(self.left)} that did not run"] * bool(self.left)
        return f"again: {' and '.join(parts)} of the run of {self.last.started} ({shown(self.base)})"


def last_run(bases: Sequence[Path]) -> Path:
    """The folder of the run that ended last, among ``bases`` and their reruns.

    Raises:
        FcimError: there was none.
    """
    places = [place for base in bases for place in (base, base / RERUN_FOLDER) if (place / FILE).is_file()]
    if not places:
        raise FcimError(f"there is no record of a regression in {shown(bases[0])}; run one first (make regress)")
    return max(places, key=lambda place: (place / FILE).stat().st_mtime_ns)


def find_rerun(bases: Sequence[Path]) -> Rerun:
    """What of the last run failed or did not run.

    Raises:
        FcimError: there was no run, it is still under way, or all of it passed.
    """
    place = last_run(bases)
    last = load_record(place / FILE)
    base = place.parent if place.name == RERUN_FOLDER else place
    if last.state == "running":     # or killed: then nobody holds the lock
        with locked(place, "regression"):
            pass
    bad = tuple(job.id for job in last.bad())
    left = tuple(job.id for job in last.ran_jobs() if job.status == NOT_RUN)
    if not bad and not left:
        raise FcimError(f"nothing to run again: no job failed in {shown(place / FILE)} ({last.verdict()})")
    return Rerun(base, last, bad, left)


@dataclass(frozen=True)
class Chosen:
    """What to run: jobs of the ``list`` with the master ``seed``, reports in ``out``; ``waved`` are the ids of those that write
    waveforms, ``note`` a line for the user to begin with.
    """

    list: Path
    entries: list[Entry]
    seed: int
    jobs: list[PlannedJob]
    out: Path
    waved: frozenset[str]
    note: str = ""


def choose(project: Project, args: argparse.Namespace) -> Chosen:
    """The jobs to run, those of the last run or new ones."""
    if args.rerun:
        return _choose_again(project, args)
    path = args.file.resolve()
    entries = read_entries(path)
    seed = choose_seed(args.seed)
    jobs = select_jobs(entries, seed, _tags(args.tags), (args.test or "").strip() or None, args.iterations, args.sim)
    out = args.out.resolve() if args.out else FOLDER / ONE_FOLDER if args.test else FOLDER
    return Chosen(path, entries, seed, jobs, out, frozenset(job.id for job in jobs if args.waves))


def _choose_again(project: Project, args: argparse.Namespace) -> Chosen:
    """What failed, with waveforms, and what did not run."""
    for name in ("seed", "tags", "test", "iterations", "sim"):
        if getattr(args, name) is not None:
            raise FcimError(f"--rerun repeats what failed as it was; leave out {name.upper()}")
    rerun = find_rerun([args.out.resolve()] if args.out else BASES)
    path = ROOT / rerun.last.file if args.file == project.entries else args.file.resolve()
    entries = read_entries(path)
    jobs, left = rerun.jobs(entries), set(rerun.left)
    return Chosen(path, entries, rerun.last.seed, jobs, rerun.out, frozenset(job.id for job in jobs if job.id not in left),
                  rerun.note())


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


def make_record(project: Project, args: argparse.Namespace, chosen: Chosen, durations: dict[str, float], workers: int) -> Record:
    """The record before anything ran."""
    path, seed, jobs = chosen.list, chosen.seed, chosen.jobs
    records = [planned_record(job, project.command(path, seed, job.id), round(job.entry.timeout * args.timeout_scale, 3))
               for job in jobs]
    versions: dict[str, str] = {}
    for sim in dict.fromkeys(job.sim for job in jobs):
        versions |= tool_versions(sim)
    again = {"tags": args.tags, "iterations": args.iterations and str(args.iterations), "sim": args.sim,
             "waves": "1" if args.waves else None}
    # with the folder, since another run may be the last one by then
    base = chosen.out.parent if args.rerun else chosen.out
    rerun = project.command(path, seed, None, rerun="1", out=shown(base))
    whole = rerun if args.rerun else project.command(path, seed, args.test, **again)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    selection = {"tags": sorted(_tags(args.tags)), "test": (args.test or "").strip() or None, "iterations": args.iterations,
                 "sim": args.sim, "waves": bool(args.waves)}
    return Record(seed, shown(path), whole, started, workers, records, rerun, versions=versions, git=git_state(),
                  durations=durations, coverage=args.coverage is not None, selection=selection)


def check_folder(out: Path) -> None:
    """Whether the job folders in ``out`` may be removed: only a regression's own.

    Raises:
        FcimError: there is a folder of that name and no record beside it.
    """
    if (out / JOBS_FOLDER).exists() and not (out / FILE).is_file():
        raise FcimError(f"{shown(out)} holds a folder '{JOBS_FOLDER}' that is not of a regression; choose another OUT")


def remember(project: Project, args: argparse.Namespace, chosen: Chosen, record: Record) -> Path | None:
    """Add the run to the history and give the history's file; None where it is not added.

    A rerun is a part of a run that stands there already, and a coverage run is added by who starts it, with its coverage.
    """
    path = None if args.rerun or args.coverage else store.place(args.history, chosen.list == project.entries.resolve())
    return path if store.remember(path, record) else None


@contextlib.contextmanager
def opened_place(args: argparse.Namespace, sims: Sequence[str]) -> Iterator[Place]:
    """Where the jobs run, which need these simulators: workers of a farm, machines behind a prefix, or here.

    Raises:
        FcimError: there is no such place, or a simulator is missing.
    """
    for sim in sims:
        require_simulator(sim)
    if args.farm:
        from scripts.flow.regress.farm import Farm  # late: few need it

        place: Place = Farm(args.farm, sims, args.jobs, args.lease)
    elif args.launch:
        place = Launcher(parse_launch(args.launch), args.jobs or JOBS, args.lease)
    else:
        place = Here(args.jobs or JOBS)
    try:
        yield place
    finally:
        place.close()


def run(project: Project, args: argparse.Namespace, chosen: Chosen, record: Record, estimate: Estimate, place: Place) -> int:
    """Run the jobs and report; gives the exit code."""
    jobs, out = chosen.jobs, chosen.out
    coverage = args.coverage.resolve() if args.coverage else None
    stop = Stop()
    with locked(out, "regression", chosen=True), stop.on_signals():
        check_folder(out)
        if coverage is not None:
            coverage.mkdir(parents=True, exist_ok=True)
        write_reports(record, out)      # first, so that the reports never speak of logs that are gone
        shutil.rmtree(out / JOBS_FOLDER, ignore_errors=True)
        display = make_display(record, out, stop)
        options = Options(out, chosen.waved, args.fail_fast, coverage)
        try:
            Pool(jobs, record, options, place, estimate, display, write_reports, stop).run()
        finally:
            display.close()
    history = remember(project, args, chosen, record)
    with contextlib.suppress(OSError):      # nobody reads any more; the reports and the exit code say it all
        for line in [*summary(record, out, page.FILE), *([f"history {shown(history)} (make history)"] if history else [])]:
            say(line)
    if record.passed:
        return 0
    return 128 + stop.signal if stop.signal else 1


def main(project: Project, arguments: Sequence[str] | None = None) -> int:
    """The command of ``project`` with these arguments, by default those of the process; gives the exit code.

    Raises:
        FcimError: anything the user can get wrong, in one line.
    """
    args = parse_args(project, arguments)
    known = Durations(project.durations)
    if args.record_durations:
        known.record_jobs(last_run([args.out.resolve()] if args.out else BASES), read_entries(args.file.resolve()))
        return 0
    chosen = choose(project, args)
    jobs = chosen.jobs
    durations = old_durations(chosen.out.parent / FILE) | old_durations(chosen.out / FILE)
    estimate = Estimate(durations, known.jobs(args.coverage is not None))
    if args.list:
        print_list(jobs, chosen.entries, estimate, args.jobs or JOBS)
        return 0
    if chosen.note:
        print(chosen.note)
    check_may_write(ROOT / "build", None)   # builds lie there whatever OUT is
    with opened_place(args, list(dict.fromkeys(job.sim for job in jobs))) as place:
        left = duration(estimate.left(jobs, [], place.workers))
        print(f"{len(jobs)} job{'s' * (len(jobs) != 1)}, {place.workers} at a time, about {left}; seed {chosen.seed}", flush=True)
        record = make_record(project, args, chosen, durations, place.workers)
        return run(project, args, chosen, record, estimate, place)
