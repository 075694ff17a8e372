"""Results of several files: all of one run, or all of another, and nothing of a run that failed."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts import bench_sim
from scripts.flow.files import check_writable, replaced
from scripts.flow.processes import locked

NAMES = ("a.txt", "b.txt", "sometimes.txt")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def write(folder: Path, run: int, names: tuple[str, ...] = NAMES) -> None:
    with replaced(folder, NAMES) as new:
        for name in names:
            (new / name).write_text(str(run))


def test_files_are_replaced_together_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    write(tmp_path, 1)
    write(tmp_path, 2, NAMES[:2])
    assert contents(tmp_path) == {"other": "other", "a.txt": "2", "b.txt": "2"}


def test_a_run_that_fails_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(OSError, match="full"), replaced(tmp_path, NAMES) as new:
        (new / "a.txt").write_text("2")
        raise OSError("full")
    assert contents(tmp_path) == dict.fromkeys(NAMES, "1")


def test_runs_that_end_together_do_not_mix(tmp_path: Path) -> None:
    """Many times, since what is to be excluded is a matter of luck."""
    def many(run: int) -> None:
        for _ in range(40):
            write(tmp_path, run)

    threads = [threading.Thread(target=many, args=(run,)) for run in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(contents(tmp_path).values())) == 1 and set(contents(tmp_path)) == set(NAMES)


def test_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FcimError, match=r"^OUT = .*/file cannot be written \(.*\); name another folder$"):
        check_writable(tmp_path / "file")


def test_two_benchmarks_do_not_measure_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_sim, "RESULT", tmp_path / "bench-sim.json")
    monkeypatch.setattr(sys, "argv", ["bench_sim", "--tokens", "16"])
    said = "another bench-sim is writing to .*; wait for its end: two"
    with locked(tmp_path, "bench-sim"), pytest.raises(FcimError, match=said):
        bench_sim.main()
