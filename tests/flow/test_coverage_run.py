"""``make coverage`` as a whole: one exit code for jobs and report, and a folder with nothing of another run in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.coverage import run
from scripts.flow.coverage.functional import CoverGroup
from scripts.flow.coverage.results import Inputs
from scripts.flow.processes import LOCK, locked
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import entry, environment, write_list

PATIENCE_S = 30


@pytest.mark.parametrize(("jobs", "report", "code"), [(0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1), (2, 0, 2), (143, 0, 143)])
def test_jobs_and_report_have_one_exit_code(jobs: int, report: int, code: int, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    def regress(arguments: list[str]) -> int:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "bench_x-0-0.dat").write_text("")
        assert arguments[:2] == ["--seed", "5"] and "coverage" in arguments
        return jobs

    reported = []
    monkeypatch.setattr(run, "regress", regress)

    def write(inputs: Inputs, empty: CoverGroup, out: Path) -> bool:
        reported.append((inputs.data, inputs.record, out))
        return not report

    monkeypatch.setattr(run, "report", write)
    assert run.main(["--out", str(tmp_path), "--seed", "5"]) == code
    assert reported == [(tmp_path / "data", tmp_path / "regress" / "regress.json", tmp_path)] * (jobs <= 1)


def test_nothing_of_the_run_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    for name in ("index.html", "data/bench_old-0-0.dat"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr(run, "regress", lambda arguments: 1)
    assert run.main(["--out", str(tmp_path)]) == 1
    assert "no coverage report: no job that passed left data" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "scripts.coverage.run", "--out", str(folder / "out"), "--file", str(folder / "list.yaml")]


def test_second_run_is_refused_and_leaves_the_first_alone(tmp_path: Path) -> None:
    (tmp_path / "out" / "data").mkdir(parents=True)
    (tmp_path / "out" / "data" / "bench_x-0-0.dat").write_text("of the first")
    with locked(tmp_path / "out", "coverage run"):
        done = subprocess.run(command(tmp_path), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: another coverage run is writing to {tmp_path}/out; wait for its end\n"
    assert (tmp_path / "out" / "data" / "bench_x-0-0.dat").is_file()


def test_terminated_run_says_so(tmp_path: Path) -> None:
    write_list(tmp_path, entry("slow", "hang", tags=["coverage"]))
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    end = time.monotonic() + PATIENCE_S
    while not list(tmp_path.glob("out/regress/jobs/*/children.json")):
        assert process.poll() is None and time.monotonic() < end, "the job begins"
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    printed, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 128 + signal.SIGTERM and errors == ""
    assert "no coverage report: the jobs did not run to their end" in printed and not (tmp_path / "out" / "index.html").exists()
