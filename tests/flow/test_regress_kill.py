"""What the regression runner leaves behind when jobs hang and when it is stopped itself: no process, and a valid report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts.flow import strays
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import alive, by_id, command, entry, environment, load, regress, write_list

PATIENCE_S = 30


def wait_until(true: Callable[[], object], what: str, patience: float = PATIENCE_S) -> None:
    """Fail unless it becomes true soon."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def children(folder: Path) -> list[int]:
    """The processes that hanging jobs started: half of them in sessions of their own."""
    return [pid for file in folder.glob("out/**/children.json") if file.stat().st_size for pid in json.loads(file.read_text())]


def check_reports(folder: Path) -> None:
    """All three can be read, and none looks green."""
    record = json.loads((folder / "out" / "regress.json").read_text())
    assert not record["passed"]
    root = ElementTree.parse(folder / "out" / "junit.xml").getroot()
    assert int(root.get("errors")) + int(root.get("failures")) > 0
    page = (folder / "out" / "index.html").read_text()
    assert page.endswith("</html>\n") and "PASS" not in page


def test_time_out_kills_the_whole_tree(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=1.5), entry("good", "pass"))
    done = regress(path)
    assert done.returncode == 1 and "FAIL: 1 of 3 jobs passed, 2 timed out" in done.stdout
    jobs = by_id(load(path))
    for do in ("hang", "stubborn"):
        job = jobs[f"slow[do={do}]#0@icarus"]
        assert job["status"] == "timeout" and job["message"].splitlines()[0] == "timed out after 1.5 s"
        assert 1.5 <= job["seconds"] < 20
    assert "regress_workload.py" in jobs["slow[do=hang]#0@icarus"]["message"]     # where it stood
    assert len(children(tmp_path)) == 4 and not any(map(alive, children(tmp_path)))


def test_time_out_of_pytest_shows_the_test_and_where_it_stood(tmp_path: Path) -> None:
    (tmp_path / "test_slow.py").write_text("import time\ndef test_quick(): pass\ndef test_endless():\n    time.sleep(600)\n")
    path = write_list(tmp_path, {"name": "slow", "purpose": "hangs", "module": str(tmp_path / "test_slow.py"), "timeout": 3})
    assert regress(path).returncode == 1
    job, = load(path)["jobs"]
    log = (tmp_path / "out" / job["log"]).read_text()
    assert job["status"] == "timeout" and 'test_slow.py", line 4 in test_endless' in log
    assert "test_quick PASSED" in log and "::test_endless" in job["message"]


def test_what_a_job_leaves_behind_is_killed(tmp_path: Path) -> None:
    assert regress(write_list(tmp_path, entry("litter", "litter"))).returncode == 0
    assert len(children(tmp_path)) == 2 and not any(map(alive, children(tmp_path)))


def test_time_out_scale(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("slow", timeout=0.01, parameters={"do": ["pass"], "seconds": [2]}))
    assert regress(path).returncode == 1
    assert regress(path, "--timeout-scale", "30000").returncode == 0


@pytest.fixture
def under_way(tmp_path: Path) -> subprocess.Popen:
    """A runner with one job done, two hanging, and one that waits."""
    path = write_list(tmp_path, entry("good", "pass", weight=900),
                      entry("slow", "hang", "stubborn", timeout=600, weight=500), entry("late", "pass"))
    arguments = [*command(path), "--jobs", "2"]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               env=environment(), start_new_session=True)
    wait_until(lambda: len(children(tmp_path)) == 4, "both jobs hang")
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(("number", "state"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated"),
                                               (signal.SIGHUP, "terminal closed")])
def test_interruption(number: int, state: str, under_way: subprocess.Popen, tmp_path: Path) -> None:
    """Ctrl-C and its like: exit code 128 + signal, everything dead, and a report of what was finished."""
    under_way.send_signal(number)
    printed, _ = under_way.communicate(timeout=PATIENCE_S)
    assert under_way.returncode == 128 + number and f"INCOMPLETE: 1 of 4 jobs passed, 3 not run, {state}" in printed
    assert "Traceback" not in printed
    assert not any(map(alive, children(tmp_path)))
    record = load(tmp_path / "list.yaml")
    assert record["state"] == state and {job["status"] for job in record["jobs"]} == {"passed", "not run"}
    assert f"again   {record['rerun']}" in printed
    assert "Again: 3 that did not run" in (tmp_path / "out" / "index.html").read_text()
    check_reports(tmp_path)


def test_killed_runner(under_way: subprocess.Popen, tmp_path: Path) -> None:
    """Even SIGKILL leaves no process and a valid report of what was finished; the next run starts as if nothing had been."""
    under_way.kill()
    under_way.wait()
    wait_until(lambda: not any(map(alive, children(tmp_path))), "the jobs end with the runner")
    record = load(tmp_path / "list.yaml")
    assert record["state"] == "running" and record["totals"]["passed"] == 1 and record["totals"]["not_run"] == 3
    assert sum(job["message"].startswith("was under way") for job in record["jobs"]) == 2
    check_reports(tmp_path)
    path = write_list(tmp_path, entry("good", "pass"))
    assert regress(path).returncode == 0 and load(path)["totals"]["jobs"] == 1


def test_only_one_regression_writes_to_a_folder(under_way: subprocess.Popen, tmp_path: Path) -> None:
    done = regress(tmp_path / "list.yaml")
    assert done.returncode == 2 and "another regression is writing to" in done.stderr and done.stderr.count("\n") == 1
    assert under_way.poll() is None and all(map(alive, children(tmp_path)))


def test_reader_that_goes_away(tmp_path: Path) -> None:
    """As in ``make regress | head -1``: no traceback, no process, a valid report."""
    path = write_list(tmp_path, entry("good", "pass", iterations=9), entry("slow", "hang", weight=500))
    process = subprocess.Popen([*command(path), "--jobs", "2"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, env=environment())
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(PATIENCE_S) == 128 + signal.SIGPIPE and errors == ""
    assert load(path)["state"] == "output closed" and not any(map(alive, children(tmp_path)))
    process.stderr.close()


def test_fail_fast(tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("slow", "hang", weight=500), entry("bad", "fail", weight=400),
                      entry("good", "pass", iterations=3))
    done = regress(path, "--fail-fast", "--jobs", "2")
    record = load(path)
    assert done.returncode == 1 and record["state"] == "stopped after the first failure"
    assert record["totals"]["failed"] == 1 and record["totals"]["not_run"] >= 3 and not any(map(alive, children(tmp_path)))
    check_reports(tmp_path)


def test_marks_are_told_apart() -> None:
    """A job's mark is not that of another job whose number begins alike; a run's covers its jobs; nested ones are both found."""
    def start(mark: str) -> subprocess.Popen:
        return subprocess.Popen(["sleep", "600"], env={**os.environ, strays.VARIABLE: mark})

    run = f"{os.getpid()}.test"
    first, twelfth, nested = start(f"{run}-1"), start(f"{run}-12"), start(f"{run}-1/inner-3")
    processes = {first.pid, twelfth.pid, nested.pid}
    try:
        wait_until(lambda: set(strays.marked(run)) == processes, "all begin")
        assert set(strays.marked(f"{run}-1")) == {first.pid, nested.pid}
        assert strays.marked("inner") == [nested.pid] and strays.marked(f"{run}-2") == []
        assert strays.kill_marked(f"{run}-1") == 2 and twelfth.poll() is None
    finally:
        for process in (first, twelfth, nested):
            process.kill()
            process.wait()
