"""Durations in the repository: what is taken over from a run, what an estimate makes of them, and that all jobs have one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.flow.regress import durations
from scripts.flow.regress.cli import LIST
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.plan import select_jobs
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import entry, environment, load, regress, write_list


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository's file is another one here."""
    path = tmp_path / "durations.json"
    monkeypatch.setattr(durations, "DURATIONS", path)
    return path


def test_what_passed_is_taken_over_and_what_left_the_list_goes(tmp_path: Path, file: Path) -> None:
    path = write_list(tmp_path, entry("mix", "pass", "fail"))
    assert regress(path).returncode == 1
    file.write_text(json.dumps({"jobs": {"gone#0@icarus": 3, "mix[do=old]#0@icarus": 4}, "tests": {"tb/x.py": 5}}))
    assert durations.record_durations(tmp_path / "out", read_entries(path)) == 0
    data = json.loads(file.read_text())
    passed = next(job for job in load(path)["jobs"] if job["status"] == "passed")
    assert data["jobs"] == {"mix[do=old]#0@icarus": 4, "mix[do=pass]#0@icarus": round(passed["cpu_seconds"], 3)}
    assert data["tests"] == {"tb/x.py": 5} and data["coverage"] == {}


def test_coverage_runs_have_durations_of_their_own(file: Path) -> None:
    file.write_text(json.dumps({"jobs": {"a": 2, "b": 4}, "coverage": {"a": 6}}))
    assert durations.recorded_durations(False) == {"a": 2, "b": 4}
    assert durations.recorded_durations(True) == {"a": 6, "b": 12}


@pytest.mark.parametrize("text", [None, "", "[]", '{"jobs": {"a": "soon"}}'])
def test_without_the_file_there_is_no_estimate_and_no_error(text: str | None, file: Path) -> None:
    if text is not None:
        file.write_text(text)
    assert durations.recorded_durations(True) == {} and durations.recorded_tests() == {}


def test_tests_by_their_files(file: Path) -> None:
    assert durations.tests_left(["tb/a.py::x"], 1) is None
    assert durations.record_tests({"conftest.py::x": 2.0, "conftest.py::y": 4.0, "tb/__init__.py::z": 9.0}) == 2
    assert durations.tests_left(["conftest.py::x", "conftest.py::y[1]", "tb/new.py::z"], 2) == (3 + 3 + 6) / 2
    assert durations.tests_left(["conftest.py::x", "tb/new.py::z"], 2) is None, "most of it would be a guess"


def test_pytest_says_beforehand_how_long_and_takes_it_over(tmp_path: Path, file: Path) -> None:
    """With workers and without."""
    ini = "[tool.pytest.ini_options]\naddopts = ['--import-mode=importlib', '-p', 'scripts.flow.pytest_plugin']\n"
    (tmp_path / "pyproject.toml").write_text(ini)
    (tmp_path / "test_it.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    file.write_text(json.dumps({"tests": {"test_it.py": 30}}))
    code = ("import sys, pathlib, pytest\nfrom scripts.flow.regress import durations\n"
            "durations.DURATIONS = pathlib.Path(sys.argv[1])\nsys.exit(pytest.main(sys.argv[2:]))")
    for more, said in ((["-n", "2"], "2 tests, about 30.0 s, 2 at a time"),
                       (["-n", "0", "--record-durations"], "2 tests, about 1:00, 1 at a time")):
        done = subprocess.run([sys.executable, "-c", code, str(file), *more], cwd=tmp_path, capture_output=True, text=True,
                              check=False, env=environment(PYTHONPATH=str(ROOT)))
        assert done.returncode == 0 and done.stdout.count(said) == 1, done.stdout + done.stderr
    assert "durations of 1 file taken into" in done.stdout
    assert json.loads(file.read_text())["tests"]["test_it.py"] < 5


def test_the_repository_knows_its_jobs() -> None:
    """Every entry of the list has a recorded job, and nothing is recorded of what the list does not have."""
    entries = read_entries(LIST)
    jobs = {job.id: job.entry.name for job in select_jobs(entries, 1, tags=sorted({tag for e in entries for tag in e.tags}))}
    recorded = durations.recorded_durations(False)
    assert recorded.keys() <= jobs.keys()
    assert {e.name for e in entries if "nightly" not in e.tags} <= {jobs[name] for name in recorded}
    assert all((ROOT / name).is_file() for name in durations.recorded_tests())
