"""Small lists for the tests of the regression runner, and the runner as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from scripts.flow.sources import ROOT
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


def command(path: Path, *arguments: str) -> list[str]:
    """The runner's command on that list, with its reports in ``out`` beside it."""
    out = path.parent / "out"
    return [sys.executable, "-m", "scripts.regress", "--file", str(path), "--out", str(out), "--jobs", "4", *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment without what an outer run put there."""
    return {**{k: v for k, v in os.environ.items() if k not in NAMES}, **more}


def regress(path: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(command(path, *arguments), cwd=ROOT, text=True, capture_output=True, check=False,
                          env=environment(**more))


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
