"""What a command leaves behind when it is stopped or killed: no process and no folder; and what two at a time share: nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.processes import locked, of_its_own
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import alive, environment

PATIENCE_S = 30
# A command as all are: a child, one in a session of its own, a pool's worker, and a thread that starts one child after another.
COMMAND = """
import json, multiprocessing, os, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from models.errors import run_cli
from scripts.flow.processes import check_not_ending, of_its_own

locks = []     # what lives until Python ends is accounted for until then, by a process of multiprocessing's

def start(apart):
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=apart)

def endless():
    while True:
        check_not_ending()
        start(False).wait()

def main():
    with of_its_own(Path(sys.argv[1])) as folder:
        ids = [start(apart).pid for apart in (False, True)]
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool, ThreadPoolExecutor(1) as beside:
            beside.submit(endless)
            ids.append(pool.submit(os.getpid).result())
            locks.append(multiprocessing.get_context("spawn").Lock())
            (folder / "children.json").write_text(json.dumps(ids))
            (folder / "children.json").rename(folder / "ready.json")
            pool.submit(time.sleep, 600).result()

if __name__ == "__main__":
    run_cli(main)
"""


@pytest.fixture(params=["python"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """Such a command under way, started by Python or by make, and the processes that it started."""
    program = tmp_path / "command.py"
    program.write_text(COMMAND)
    arguments = [sys.executable, str(program), str(tmp_path / "work")]
    if request.param == "make":
        (tmp_path / "Makefile").write_text(f"SHELL := /bin/bash\nall:\n\t@{' '.join(arguments)}\n")
        arguments = ["make", "-f", str(tmp_path / "Makefile")]
    process = subprocess.Popen(arguments, cwd=ROOT, text=True, stderr=subprocess.PIPE, env=environment(PYTHONPATH=str(ROOT)),
                               start_new_session=True)
    end = time.monotonic() + PATIENCE_S
    while not (found := list(tmp_path.glob("work/run-*/ready.json"))):
        assert process.poll() is None and time.monotonic() < end, "it begins"
        time.sleep(0.05)
    yield process, json.loads(found[0].read_text())
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stderr.close()


def check_nothing_left(children: list[int], folder: Path) -> None:
    """All of them end soon, and the work's folder goes."""
    end = time.monotonic() + PATIENCE_S
    while any(map(alive, children)) or list(folder.glob("work/*")):
        assert time.monotonic() < end, f"left: {[p for p in children if alive(p)]}, {list(folder.glob('work/*'))}"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_a_command(number: int, command: tuple[subprocess.Popen[str], list[int]], tmp_path: Path) -> None:
    process, children = command
    assert all(map(alive, children))
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    check_nothing_left(children, tmp_path)


@pytest.mark.parametrize("command", ["make"], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_outlives_make(number: int, command: tuple[subprocess.Popen[str], list[int]], tmp_path: Path) -> None:
    """As when a CI job is cancelled."""
    process, children = command
    process.send_signal(number)
    process.wait(PATIENCE_S)
    check_nothing_left(children, tmp_path)


def test_the_folder_of_a_relative_path_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulator runs in a folder of its own and opens what lies in this one."""
    monkeypatch.chdir(tmp_path)
    with of_its_own(Path("out")) as folder:
        assert folder.is_absolute() and Path(os.environ["FCIM_WORK"]) == folder and folder.parent == tmp_path / "out"


def test_every_run_has_a_folder_of_its_own(tmp_path: Path) -> None:
    with of_its_own(tmp_path) as one, of_its_own(tmp_path) as other:
        (one / "result").write_text("1")
        assert one != other and not list(other.iterdir())
    assert not list(tmp_path.iterdir())


def test_folders_of_dead_runs_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "run-dead").mkdir()
    (tmp_path / "results").mkdir()
    with of_its_own(tmp_path) as living, of_its_own(tmp_path):
        assert living.is_dir() and not (tmp_path / "run-dead").exists() and (tmp_path / "results").is_dir()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such thing"), of_its_own(tmp_path):
        child = subprocess.Popen(["sleep", "600"])
        raise ValueError("no such thing")
    assert child.wait(PATIENCE_S) == -signal.SIGKILL and not list(tmp_path.iterdir())


def test_lock_is_one_line_and_ends_with_its_holder(tmp_path: Path) -> None:
    for chosen, said in ((False, "wait for its end"), (True, "wait for its end or choose another OUT")):
        refused = pytest.raises(FcimError, match=rf"^another coverage run is writing to \S*; {said}$")
        with locked(tmp_path, "coverage run"), refused, locked(tmp_path, "coverage run", chosen=chosen):
            pass
    with locked(tmp_path, "coverage run"):
        pass


def test_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = r"^cannot write to \S*/file/work \(Not a directory\); "
    for scope, way_out in ((of_its_own(tmp_path / "file" / "work"), "work in a copy of the project that you may write to$"),
                           (locked(tmp_path / "file" / "work", "run"), "work in a copy of the project that you may write to$"),
                           (locked(tmp_path / "file" / "work", "run", chosen=True), "choose another OUT$")):
        with pytest.raises(FcimError, match=said + way_out), scope:
            pass
