"""Histories made by hand, for the tests of what is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.flow.history import store
from scripts.flow.history.store import REGRESSION, JobResult, Run

SELECTION = {"tags": [], "test": None, "iterations": None, "sim": None, "waves": False}


def job(status: str = "passed", seconds: float = 10.0, seed: int = 1, **metrics: int | float | str) -> JobResult:
    """A job's line."""
    return JobResult(status, seconds * 1.5, seconds, seed, metrics)


def totals(jobs: Mapping[str, JobResult]) -> dict[str, int]:
    """What follows from the jobs."""
    real = [result.status for name, result in jobs.items() if not name.endswith("@agreement")]
    return {**{status.replace(" ", "_"): real.count(status) for status in ("passed", "failed", "timeout", "skipped", "not run")},
            "jobs": len(real), "pairs_differing": len(jobs) - len(real)}


def made(day: int, jobs: Mapping[str, JobResult], **other: Any) -> Run:
    """A run of some day in May, with what these jobs give."""
    counts = totals(jobs)
    bad = counts["failed"] + counts["timeout"] + counts["pairs_differing"]
    state = "finished" if not counts["not_run"] else "interrupted"
    given = {"kind": REGRESSION, "date": f"2026-05-{day:02}T12:00:00+00:00", "commit": f"{day:02}abcdef" * 5, "dirty": False,
             "machine": {"name": "desk", "processor": "p", "cores": 2}, "versions": {"verilator": "5.0"}, "seed": 7,
             "list": "tb/some.yaml", "selection": SELECTION, "workers": 2, "state": state, "passed": not bad,
             "seconds": 100.0 + day, "totals": counts, "jobs": dict(jobs), "coverage": None}
    return Run(**given | other)


def covered(line: int, functional: int) -> dict[str, dict[str, Any]]:
    """Totals of a coverage report, of 1,000 points each."""
    return {name: {"hit": hit, "total": 1000, "excluded": 3, "percent": hit / 10, "floor": 99.0}
            for name, hit in (("line", line), ("functional", functional))}


def written(path: Path, *runs: Run) -> Path:
    """A history of these runs."""
    for run in runs:
        store.append(path, run)
    return path
