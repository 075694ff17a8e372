"""``make coverage``: the regression's jobs for coverage with counters built in, then the report; one exit code for both."""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path

from models.errors import FcimError, run_cli
from scripts.flow.arguments import Parser, flag, value_of
from scripts.flow.coverage.code_pages import SUMMARY
from scripts.flow.coverage.functional import SUFFIX as COVER_SUFFIX
from scripts.flow.coverage.report import report
from scripts.flow.history import store
from scripts.flow.processes import LOCK, locked, shown
from scripts.flow.regress.record import FILE, load_record
from scripts.flow.sources import ROOT
from scripts.flow.variables import rows_of
from scripts.regress import main as regress
from tb.coverage import INPUTS, new_coverage
from tb.workloads import LIST

FOLDER = ROOT / "build" / "coverage"
SLOWER = "4"        # time-outs with counters, against those without


def parse_args(arguments: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Where the report goes, and what the regression gets besides."""
    parser = Parser(None, "The regression's jobs for coverage with counters built in, then the report. Other options go to the "
                          "regression: see python -m scripts.regress --help.")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the report (default: build/coverage)")
    row = next(row for row in rows_of("coverage") if row.name == "HISTORY")
    parser.add_argument(flag(row.name), type=value_of(row.kind, row.name), help=row.meaning)
    return parser.parse_known_args(arguments)


def empty(folder: Path) -> None:
    """Remove the last run's report and data, so that nothing of them can be taken for this one's. The caller holds the lock.

    Raises:
        FcimError: something there cannot be removed.
    """
    for path in folder.iterdir():
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != LOCK:
                path.unlink()
        except OSError as error:
            raise FcimError(f"cannot remove {shown(path)} ({error.strerror}); remove it yourself") from None


def remember(given: str | None, out: Path, jobs: Path) -> None:
    """Add the run to the history, ``given`` by HISTORY or the project's, with its coverage if ``out`` has a report of it."""
    if not (jobs / FILE).is_file():
        return
    record, report_file = load_record(jobs / FILE), out / SUMMARY
    path = store.place(given, record.file == shown(LIST))
    totals = json.loads(report_file.read_text())["totals"] if report_file.is_file() else None
    if store.remember(path, record, totals) and path:
        print(f"history: {shown(path)} (make history)")


def main(arguments: list[str] | None = None) -> int:
    """0: all jobs passed and no floor is missed; 1: something of that is not so; 128 and more: a signal ended the jobs."""
    args, more = parse_args(arguments)
    out = args.out.resolve()
    data, jobs = out / "data", out / "regress"
    with locked(out, "coverage run"):
        empty(out)
        code = regress([*more, "--tags", "coverage", "--timeout-scale", SLOWER, "--out", str(jobs), "--coverage", str(data)])
        try:
            if code > 1:
                print(f"no coverage report: the jobs did not run to their end; {shown(jobs)} says how far they came")
                return code
            if not any(data.rglob("*.dat")) and not any(data.rglob(f"*{COVER_SUFFIX}")):
                print(f"no coverage report: no job that passed left data; {shown(jobs)} says why")
                return 1
            whole = report(replace(INPUTS, data=data, record=jobs / FILE), new_coverage(), out)
            return max(code, 0 if whole else 1)
        finally:
            remember(args.history, out, jobs)


if __name__ == "__main__":
    run_cli(main)
