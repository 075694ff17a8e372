"""Durations in the repository: what is taken over from a run, what an estimate makes of them, and that all jobs have one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.flow.regress.durations import Durations
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.selection import select_jobs
from scripts.flow.sources import ROOT
from tb.workloads import DURATIONS, LIST
from tests.flow.regress_lists import entry, environment, load, regress, write_list


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of durations that is not there yet."""
    return tmp_path / "durations.json"


def test_what_passed_is_taken_over_and_what_left_the_list_goes(tmp_path: Path, file: Path) -> None:
    path = write_list(tmp_path, entry("mix", "pass", "fail"))
    assert regress(path).returncode == 1
    file.write_text(json.dumps({"jobs": {"gone#0@icarus": 3, "mix[do=old]#0@icarus": 4}, "tests": {"tb/x.py": 5}}))
    Durations(file).record_jobs(tmp_path / "out", read_entries(path))
    data = json.loads(file.read_text())
    passed = next(job for job in load(path)["jobs"] if job["status"] == "passed")
    assert data["jobs"] == {"mix[do=old]#0@icarus": 4, "mix[do=pass]#0@icarus": round(passed["cpu_seconds"], 3)}
    assert data["tests"] == {"tb/x.py": 5} and data["coverage"] == {}


def test_coverage_runs_have_durations_of_their_own(file: Path) -> None:
    file.write_text(json.dumps({"jobs": {"a": 2, "b": 4}, "coverage": {"a": 6}}))
    assert Durations(file).jobs(False) == {"a": 2, "b": 4}
    assert Durations(file).jobs(True) == {"a": 6, "b": 12}


@pytest.mark.parametrize("text", [None, "", "[]", '{"jobs": {"a": "soon"}}'])
def test_without_the_file_there_is_no_estimate_and_no_error(text: str | None, file: Path) -> None:
    if text is not None:
        file.write_text(text)
    assert Durations(file).jobs(True) == {} and Durations(file).tests() == {}


def test_tests_by_their_files(file: Path) -> None:
    assert Durations(file).tests_left(["tb/a.py::x"], 1) is None
    assert Durations(file).record_tests({"conftest.py::x": 2.0, "conftest.py::y": 4.0, "tb/__init__.py::z": 9.0}) == 2
    assert Durations(file).tests_left(["conftest.py::x", "conftest.py::y[1]", "tb/new.py::z"], 2) == (3 + 3 + 6) / 2
    assert Durations(file).tests_left(["conftest.py::x", "tb/new.py::z"], 2) is None, "most of it would be a guess"


def test_pytest_says_beforehand_how_long_and_takes_it_over(tmp_path: Path, file: Path) -> None:
    """With workers and without."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib']\n")
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    file.write_text(json.dumps({"tests": {"test_it.py": 30}}))
    for more, said in ((["-n", "2"], "2 tests, about 30.0 s, 2 at a time"),
                       (["-n", "0", "--record-durations"], "2 tests, about 1:00, 1 at a time")):
        command = [sys.executable, "-m", "pytest", "-p", "scripts.flow.pytest_plugin", f"--durations-file={file}", *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False,
                              env=environment(PYTHONPATH=str(ROOT)))
        assert done.returncode == 0 and done.stdout.count(said) == 1, done.stdout + done.stderr
    assert "durations of 1 file taken into" in done.stdout
    assert json.loads(file.read_text())["tests"]["test_it.py"] < 5


def test_the_repository_knows_its_jobs() -> None:
    """Every entry of the list has a recorded job, and nothing is recorded of what the list does not have."""
    entries = read_entries(LIST)
    jobs = {job.id: job.entry.name for job in select_jobs(entries, 1, tags=sorted({tag for e in entries for tag in e.tags}))}
    recorded = Durations(DURATIONS).jobs(False)
    assert recorded.keys() <= jobs.keys()
    assert {e.name for e in entries if "nightly" not in e.tags} <= {jobs[name] for name in recorded}
    assert all((ROOT / name).is_file() for name in Durations(DURATIONS).tests())
