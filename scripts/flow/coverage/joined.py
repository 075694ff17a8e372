"""Joins the functional coverage and the verification plan to the code coverage: their numbers and their pages."""

from __future__ import annotations

from pathlib import Path

from scripts.flow.coverage.functional import functional_counts, read_functional
from scripts.flow.coverage.functional_page import write_functional_page
from scripts.flow.coverage.model import SUFFIX, CoverGroup
from scripts.flow.coverage.plan import load_plan
from scripts.flow.coverage.plan_page import write_plan_page
from scripts.flow.coverage.results import Tally


def functional_of(data: Path, empty: CoverGroup) -> CoverGroup | None:
    """The functional coverage of all runs in ``data``; None if no run left any. ``empty`` knows the points.

    Raises:
        FcimError: a file is damaged, or older than the coverpoints.
    """
    return read_functional(data, empty) if data.is_dir() and any(data.glob(f"*{SUFFIX}")) else None


def functional_tally(coverage: CoverGroup | None) -> Tally | None:
    """Its bins as a number like the others."""
    return None if coverage is None else Tally(*functional_counts(coverage))


def write_pages(out: Path, coverage: CoverGroup | None, regress: Path | None) -> list[tuple[str, str]]:
    """Write the pages of points and plan if there is functional coverage; text and address of each.

    Raises:
        FcimError: the plan or the regression's record cannot be read, or ``out`` cannot be written.
    """
    if coverage is None:
        return []
    plan = load_plan()
    pages = [("functional coverage", write_functional_page(out, coverage)),
             ("verification plan", write_plan_page(out, plan, coverage, regress))]
    return [(text, path.relative_to(out).as_posix()) for text, path in pages]
