"""The whole report: merges the data of all runs, writes the site, and says what is wrong."""

from __future__ import annotations

import contextlib
from pathlib import Path

from models.errors import FcimError
from scripts.flow.coverage.code_pages import write_site
from scripts.flow.coverage.functional import CoverGroup, read_bins, read_functional
from scripts.flow.coverage.functional_pages import FUNCTIONAL_PAGE, PLAN_PAGE, functional_page, plan_page
from scripts.flow.coverage.plan import Beside, load_plan, read_jobs, read_mutants, read_proofs
from scripts.flow.coverage.ranking import Ranking
from scripts.flow.coverage.results import Inputs, Results, Tally, collect, percent
from scripts.flow.coverage.rules import write_floors
from scripts.flow.files import write_atomic
from scripts.flow.regress.page import FILE as JOBS_PAGE
from scripts.flow.regress.record import NOT_RUN, Record, load_record
from scripts.flow.regress.selection import folder_name
from scripts.flow.simulator import require_simulator
from scripts.flow.tables import Column, Table
from scripts.flow.tool_versions import git_state, tool_versions

SHOWN_JOBS = 5


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


def job_problems(record: Record) -> list[str]:
    """What of the regression did not pass: its coverage is missing, and a report that says nothing of it would look green."""
    if record.passed:
        return []
    left = [*record.bad(), *(job for job in record.ran_jobs() if job.status == NOT_RUN)]
    names = ", ".join(job.id for job in left[:SHOWN_JOBS]) + (f" and {len(left) - SHOWN_JOBS} more" if left[SHOWN_JOBS:] else "")
    return [f"the jobs did not all pass ({record.verdict()}), and what did not pass counts for nothing here: {names}"]


def job_links(record: Path, out: Path) -> list[tuple[str, str]]:
    """The regression's page, if it lies below the report's folder."""
    page = record.resolve().parent / JOBS_PAGE
    inside = page.is_file() and page.is_relative_to(out.resolve())
    return [("the jobs", page.relative_to(out.resolve()).as_posix())] if inside else []


def write_functional_pages(out: Path, inputs: Inputs, group: CoverGroup, ranking: Ranking) -> list[tuple[str, str]]:
    """Write the pages of functional coverage and of the plan into ``out``; text and address of each.

    Raises:
        FcimError: the plan, the regression's record or a report of proofs or mutants cannot be read, or ``out`` cannot be
            written.
    """
    write_atomic(out / FUNCTIONAL_PAGE, functional_page(group, ranking))
    beside = Beside(read_proofs(inputs.proofs), read_mutants(inputs.mutants))
    write_atomic(out / PLAN_PAGE, plan_page(load_plan(inputs.plan), group, read_jobs(inputs.record), inputs.regression, beside))
    return [("functional coverage", FUNCTIONAL_PAGE), ("verification plan", PLAN_PAGE)]


def _raise_floors(path: Path, results: Results) -> None:
    new = results.floors.raised(results.percents())
    if new:
        write_floors(path, new)
    print("floors raised: " + ", ".join(f"{name} to {value:.1f}" for name, value in new.items()) if new else "no floor can rise")


def report(inputs: Inputs, empty: CoverGroup, out: Path, update_floors: bool = False) -> bool:
    """Write the report into ``out`` and print its numbers, problems and warnings; whether all is well.

    Args:
        empty: has every coverpoint, and no counts.
        update_floors: raise the floors to what was reached; none is ever lowered.

    Raises:
        FcimError: an input is missing or wrong, or ``out`` cannot be written.
    """
    if inputs.record is not None and not inputs.record.is_file():
        raise FcimError(f"there is no record {inputs.record}; run: make coverage")
    group = read_functional(inputs.data, empty)
    functional = None if group is None else Tally(group.score().hit, group.score().goals, group.left_out)
    record = None if inputs.record is None else load_record(inputs.record)
    jobs = {} if record is None else {folder_name(job.id): job for job in record.ran_jobs()}
    bins = {} if group is None else read_bins(inputs.data, group)
    results = collect(inputs.data, inputs.design, inputs.exclusions, inputs.floors, functional, jobs, bins)
    links = []
    if group is not None:
        results.problems += group.problems()
        links += write_functional_pages(out, inputs, group, results.ranking)
    if inputs.record is not None and record is not None:
        results.problems += job_problems(record)
        links += job_links(inputs.record, out)
    with contextlib.suppress(FcimError):    # puts the project's own Verilator on the path, if it is there
        require_simulator("verilator")
    versions = tool_versions("verilator")
    state = git_state() | {name: versions[name] for name in ("verilator", "cocotb", "python")}
    page = write_site(out, results, links, state, inputs.design.resolve().parent)
    numbers_table(results).show()
    for kind, texts in (("problem", results.problems), ("warning", results.warnings)):
        for text in texts:
            print(f"{kind}: {text}")
    if update_floors:
        _raise_floors(inputs.floors, results)
    print(f"report: {page}")
    return results.ok
