"""``python -m scripts.coverage``: merge the coverage data of all runs, write the site, hold the numbers against their floors."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path

from models.errors import FcimError, run_cli
from scripts.flow.arguments import Parser
from scripts.flow.coverage.floors import write_floors
from scripts.flow.coverage.functional import functional_problems
from scripts.flow.coverage.joined import functional_of, functional_tally, write_pages
from scripts.flow.coverage.output import write_site
from scripts.flow.coverage.page_parts import percent
from scripts.flow.coverage.results import Results, collect
from scripts.flow.regress.page import FILE as PAGE
from scripts.flow.regress.record import NOT_RUN, Record, load_record
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tables import Column, Table
from scripts.flow.tool_versions import git_state, tool_versions
from tb.coverage import new_coverage

EXCLUSIONS, FLOORS = ROOT / "tb" / "coverage" / "exclusions.yaml", ROOT / "tb" / "coverage" / "floors.yaml"
SHOWN_JOBS = 5


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(None, "Merge the coverage data of all runs, write the site, hold the numbers against their floors.")
    parser.add_argument("--data", type=Path, default=ROOT / "build" / "coverage" / "data", help="folder of the runs' data")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "coverage", help="folder to write to")
    parser.add_argument("--regress", type=Path, help="record of the regression, for the verification plan's page")
    parser.add_argument("--design", type=Path, default=ROOT / "rtl", help="folder of the Verilog files that count")
    parser.add_argument("--exclusions", type=Path, default=EXCLUSIONS, help="YAML file of excluded points")
    parser.add_argument("--floors", type=Path, default=FLOORS, help="YAML file of the numbers' floors")
    parser.add_argument("--update-floors", action="store_true", help="raise the floors to what was reached; never lower one")
    return parser.parse_args(arguments)


def numbers_table(results: Results) -> Table:
    """A line per number: what was reached, its floor, and what follows from the two."""
    table = Table([Column("coverage", text=True), Column("hit"), Column("of"), Column("reached"), Column("floor"),
                   Column("", text=True)])
    percents, below, raised = results.percents(), results.below(), results.floors.raised(results.percents())
    totals = results.totals()
    for name, floor in results.floors.values.items():
        value = totals.get(name)
        reached = (f"{value.hit:,}", f"{value.total:,}") if value else ("-", "-")
        verdict = f"BELOW by {below[name]:.2f}" if name in below else f"may rise to {raised[name]:.1f}" if name in raised else ""
        table.add(name, *reached, percent(percents[name]), f"{floor:.1f}", verdict if value else "nothing collected")
    return table


def _update(path: Path, results: Results) -> None:
    new = results.floors.raised(results.percents())
    if new:
        write_floors(path, new)
    print("floors raised: " + ", ".join(f"{name} to {value:.1f}" for name, value in new.items()) if new else "no floor can rise")


def job_problems(record: Record) -> list[str]:
    """What of the regression did not pass: its coverage is missing, and a report that says nothing of it would look green."""
    if record.passed:
        return []
    left = [*record.bad(), *(job for job in record.ran_jobs() if job.status == NOT_RUN)]
    names = ", ".join(job.id for job in left[:SHOWN_JOBS]) + (f" and {len(left) - SHOWN_JOBS} more" if left[SHOWN_JOBS:] else "")
    return [f"the jobs did not all pass ({record.verdict()}), and what did not pass counts for nothing here: {names}"]


def job_links(record: Path, out: Path) -> list[tuple[str, str]]:
    """The regression's page, if it lies below the report's folder."""
    page = record.resolve().parent / PAGE
    inside = page.is_file() and page.is_relative_to(out.resolve())
    return [("the jobs", page.relative_to(out.resolve()).as_posix())] if inside else []


def main(arguments: list[str] | None = None) -> int:
    """Write the report; 1 if a number is below its floor or something else is wrong."""
    options = _arguments(arguments)
    if options.regress is not None and not options.regress.is_file():
        raise FcimError(f"there is no record {options.regress}; run: make coverage")
    functional = functional_of(options.data, new_coverage())
    results = collect(options.data, options.design, options.exclusions, options.floors, functional_tally(functional))
    results.problems += functional_problems(functional) if functional is not None else []
    links = write_pages(options.out, functional, options.regress)
    if options.regress is not None:
        record = load_record(options.regress)
        results.problems += job_problems(record)
        links += job_links(options.regress, options.out)
    with contextlib.suppress(FcimError):    # puts the project's own Verilator on the path, if it is there
        require_simulator("verilator")
    versions = tool_versions("verilator")
    state = git_state() | {name: versions[name] for name in ("verilator", "cocotb", "python")}
    page = write_site(options.out, results, links, state, options.design.resolve().parent)
    numbers_table(results).show()
    for kind, texts in (("problem", results.problems), ("warning", results.warnings)):
        for text in texts:
            print(f"{kind}: {text}")
    if options.update_floors:
        _update(options.floors, results)
    print(f"report: {page}")
    return 0 if results.ok else 1


if __name__ == "__main__":
    run_cli(main)
