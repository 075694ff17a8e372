"""Small lists for the tests of the regression runner, and the runner in this process or as one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml

from models.errors import run_cli
from scripts import regress as runner
from scripts.flow.strays import VARIABLE

WORKLOAD = "tests.flow.regress_workload"
NAMES = ("SEED", "SIM", "WAVES", VARIABLE, "FCIM_COVERAGE")     # of a regression that these tests may be a job of


def entry(name: str, *do: str, **keys: Any) -> dict[str, Any]:
    """An entry whose jobs behave as ``do`` says, one job each."""
    return {"name": name, "purpose": f"Jobs called {name}", "module": WORKLOAD, "parameters": {"do": list(do)},
            "simulators": ["icarus"], "timeout": 60, **keys}


def write_list(folder: Path, *entries: dict[str, Any]) -> Path:
    """The list as a file."""
    path = folder / "list.yaml"
    path.write_text(yaml.safe_dump(list(entries), sort_keys=False))
    return path


def arguments(path: Path, *more: str) -> list[str]:
    """The runner's arguments for that list, with its reports in ``out`` beside it."""
    return ["--file", str(path), "--out", str(path.parent / "out"), "--jobs", "4", *more]


def command(path: Path, *more: str) -> list[str]:
    """The runner's command with those arguments, for a process of its own."""
    return [sys.executable, "-m", "scripts.regress", *arguments(path, *more)]


def environment(**more: str) -> dict[str, str]:
    """The environment without what an outer run put there."""
    return {**{k: v for k, v in os.environ.items() if k not in NAMES}, **more}


def regress(path: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, in this process, which has loaded what it needs; its jobs are processes as always."""
    out, errors = io.StringIO(), io.StringIO()
    given = environment(**variables)
    with (mock.patch.dict(os.environ, given, clear=True), redirect_stdout(out), redirect_stderr(errors),
          pytest.raises(SystemExit) as stop):
        run_cli(lambda: runner.main(arguments(path, *more)))
    return subprocess.CompletedProcess(more, stop.value.code, out.getvalue(), errors.getvalue())


def load(path: Path, below: str = "") -> dict[str, Any]:
    """The record that the runner wrote for the list at ``path``."""
    return json.loads((path.parent / "out" / below / "regress.json").read_text())


def by_id(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The record's jobs; an id that stands there twice is an error."""
    jobs = {job["id"]: job for job in record["jobs"]}
    assert len(jobs) == len(record["jobs"])
    return jobs


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
