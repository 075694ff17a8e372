"""Regressions on other machines, which are this one here: workers of a Dask scheduler with clones of their own, and a launcher.

Whatever dies in the middle (a job, a worker, the scheduler, the runner), no process of a job is left, and the record says it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.regress import farm, farm_worker, launch
from scripts.flow.regress.launch import parse_launch
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import alive, by_id, command, entry, environment, load, regress, write_list

PATIENCE_S = 90
JOBS_S = 600.0      # a time-out that no job of these tests comes to
# What must be the same wherever a job ran.
RESULTS = ("status", "message", "tests", "metrics", "digest", "bench_log", "waves", "seed")

with_dask = pytest.mark.skipif(importlib.util.find_spec("distributed") is None,
                               reason=f"the Python package 'distributed' is not installed ({farm.INSTALL})")


def wait_until(true: Callable[[], object], what: str, patience: float = PATIENCE_S) -> None:
    """Fail unless it becomes true soon."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def children(folder: Path) -> list[int]:
    """The processes that hanging jobs started below ``folder``, in their own group and out of it."""
    found = []
    for file in folder.glob("**/children.json"):
        try:
            found += json.loads(file.read_text())
        except (OSError, ValueError):       # written or removed just now
            continue
    return found


def clone(place: Path) -> Path:
    """The project as it is here, new files and changes included, at ``place``: a clone at the same commit."""
    subprocess.run(["git", "clone", "-q", "--shared", str(ROOT), str(place)], check=True, capture_output=True)
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run(["git", "checkout", "-q", "--detach", revision], cwd=place, check=True, capture_output=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=place, check=True, capture_output=True, text=True).stdout
    for name in listed.split("\0")[:-1]:
        if not (ROOT / name).exists():
            (place / name).unlink()
    for path in farm_worker._files():
        target = place / path.relative_to(ROOT)
        if path.is_file() and not (target.is_file() and target.read_bytes() == path.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target)
    return place


@dataclass
class Cluster:
    """A scheduler and its workers, in ``folder``; each worker in a clone."""

    folder: Path
    clones: list[Path]
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return json.loads((self.folder / "scheduler.json").read_text())["address"]

    def start(self, name: str, program: str, *words: str, place: Path = ROOT) -> None:
        """One of its processes."""
        log = (self.folder / f"{name}.log").open("w")
        more = ["--scheduler-file", str(self.folder / "scheduler.json"), *words, "--no-dashboard"]
        self.processes[name] = subprocess.Popen([sys.executable, "-m", f"distributed.cli.{program}", *more], cwd=place,
                                                stdout=log, stderr=subprocess.STDOUT, env=environment(), start_new_session=True)
        log.close()

    def worker(self, name: str, place: Path, *words: str) -> None:
        """A worker that is started in ``place``; without a nanny, so that one that is killed stays dead."""
        self.start(name, "dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--memory-limit", "0",
                   *(words or ("--resources", "job=1")), place=place)

    def registered(self, name: str) -> bool:
        """Whether the worker has found the scheduler."""
        return "Registered to" in (self.folder / f"{name}.log").read_text()

    def kill(self) -> None:
        """All that is left of it."""
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two of them."""
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("no clone can be made of what is no repository")
    folder = tmp_path_factory.mktemp("clones")
    return [clone(folder / name) for name in ("one", "two")]


@pytest.fixture
def cluster(tmp_path: Path, clones: list[Path]) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    (tmp_path / "dask").mkdir()
    found = Cluster(tmp_path / "dask", clones)
    found.start("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    try:
        wait_until((found.folder / "scheduler.json").is_file, "the scheduler starts")
        for name, place in zip(("one", "two"), clones, strict=True):
            found.worker(name, place)
        wait_until(lambda: all(map(found.registered, ("one", "two"))), "the workers start")
        yield found
    finally:
        found.kill()


def runner(path: Path, *more: str) -> subprocess.Popen:
    """The runner as a process of its own."""
    return subprocess.Popen(command(path, *more), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            env=environment(), start_new_session=True)


def left(clones: list[Path]) -> list[Path]:
    """Folders of jobs that were not removed."""
    return [path for place in clones for path in place.glob("build/farm/run-*")]


@with_dask
def test_the_same_as_here(cluster: Cluster, tmp_path: Path) -> None:
    """Outcomes, digests, logs, waves of jobs in two clones are those of a run in this one, and where that leaves them."""
    entries = (entry("good", "pass", iterations=3), entry("bad", "fail", "raise", "crash", "litter"), entry("kept", "files"))
    records = {}
    for name, more in (("here", ()), ("farm", ("--farm", cluster.address))):
        (tmp_path / name).mkdir()
        path = write_list(tmp_path / name, *entries)
        arguments = [*command(path, "--seed", "5", *more)]
        if more:        # as many as there are workers
            arguments = [word for word in arguments if word not in ("--jobs", "4")]
        done = subprocess.run(arguments, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 1 and done.stderr == "", done.stdout + done.stderr
        records[name] = by_id(load(path))
    assert "8 jobs, 2 at a time" in done.stdout
    assert records["here"].keys() == records["farm"].keys()
    for job, here in records["here"].items():
        there = records["farm"][job]
        same = [name for name in RESULTS if name != "message" or here["status"] == "passed"]
        assert [there[name] for name in same] == [here[name] for name in same]
        assert there["message"].splitlines()[:1] == here["message"].splitlines()[:1] and there["cpu_seconds"] > 0
        place = (tmp_path / "farm" / "out" / there["log"]).parent
        names = {path.name for path in (tmp_path / "here" / "out" / here["log"]).parent.iterdir()}
        assert {path.name for path in place.iterdir()} == names
        assert (place / "log.txt").read_text().splitlines()[4].startswith("worker  tcp://127.0.0.1:")
    assert len({(tmp_path / "farm" / "out" / job["log"]).read_text().splitlines()[4] for job in records["farm"].values()}) == 2
    kept = records["farm"]["kept[do=files]#0@icarus"]
    assert (tmp_path / "farm" / "out" / kept["waves"]).read_text() == "fst\n"
    assert len(children(tmp_path / "farm")) == 2 and not any(map(alive, children(tmp_path / "farm")))
    assert left(cluster.clones) == []


@with_dask
def test_coverage_data_comes_back_with_the_names_of_this_clone(cluster: Cluster, tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("covered", "coverage"))
    done = regress(path, "--farm", cluster.address, "--coverage", str(tmp_path / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    (data,) = (tmp_path / "data").glob("*/runs/x.dat")
    assert data.read_text() == f"\x01f\x02{ROOT}/rtl/x.v\x01"


@with_dask
def test_time_out(cluster: Cluster, tmp_path: Path) -> None:
    """Measured on the worker; the log says where the job stood, and its worker takes the next one."""
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=2), entry("good", "pass", iterations=4))
    done = regress(path, "--farm", cluster.address)
    assert done.returncode == 1 and "FAIL: 4 of 6 jobs passed, 2 timed out" in done.stdout, done.stdout + done.stderr
    job = by_id(load(path))["slow[do=hang]#0@icarus"]
    assert job["message"].startswith("timed out after 2 s") and "regress_workload.py" in job["message"]
    assert len(children(tmp_path / "out")) == 4 and not any(map(alive, children(tmp_path / "out")))


@with_dask
def test_a_dead_worker_fails_its_job_once(cluster: Cluster, tmp_path: Path) -> None:
    """It is named, the other jobs go on on the other worker, and its own job's processes are dead."""
    path = write_list(tmp_path, entry("slow", "hang", timeout=JOBS_S, weight=900), entry("good", "pass", iterations=5))
    process = runner(path, "--farm", cluster.address)
    wait_until(lambda: len(found := sum(map(children, cluster.clones), [])) == 2 and found, "the job hangs")
    started = sum(map(children, cluster.clones), [])
    (name,) = [name for name, place in zip(("one", "two"), cluster.clones, strict=True) if children(place)]
    cluster.processes[name].kill()
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and "FAIL: 5 of 6 jobs passed, 1 failed" in printed, printed
    jobs = by_id(load(path))
    assert jobs["slow[do=hang]#0@icarus"]["message"].splitlines()[0].endswith("died with this job")
    assert "the worker tcp://127.0.0.1:" in jobs["slow[do=hang]#0@icarus"]["message"]
    wait_until(lambda: not any(map(alive, started)), "the job's processes end with the worker", 20)
    time.sleep(2)
    assert left(cluster.clones) == []       # nor was it tried again


@pytest.fixture
def under_way(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A runner whose two jobs hang on the workers, with the processes that the jobs started."""
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=JOBS_S, weight=900), entry("late", "pass"))
    process = runner(path, "--farm", cluster.address)
    try:
        wait_until(lambda: len(sum(map(children, cluster.clones), [])) == 4, "both jobs hang")
        yield process, sum(map(children, cluster.clones), [])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@with_dask
def test_interruption(under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster, tmp_path: Path) -> None:
    """Ctrl-C: everything is dead when the runner is, and the workers are free for the next run."""
    process, started = under_way
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert not any(map(alive, started))
    assert process.returncode == 128 + signal.SIGINT and "INCOMPLETE: 0 of 3 jobs passed, 3 not run, interrupted" in printed
    assert "Traceback" not in printed and left(cluster.clones) == []
    again = write_list(tmp_path, entry("good", "pass", iterations=3))
    assert regress(again, "--farm", cluster.address).returncode == 0


@with_dask
def test_killed_runner(under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster) -> None:
    process, started = under_way
    process.kill()
    wait_until(lambda: not any(map(alive, started)), "the jobs end with the runner", farm_worker.LEASE_S + 30)
    wait_until(lambda: left(cluster.clones) == [], "their folders are removed")


@with_dask
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_dead_scheduler(number: int, under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster, tmp_path: Path) -> None:
    """Gone, or so ill that it answers nothing: the jobs end, and so does the runner, with a record that says why."""
    process, started = under_way
    cluster.processes["scheduler"].send_signal(number)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1 and f"the scheduler at {cluster.address} is gone" in printed, printed
    assert "Traceback" not in printed and load(tmp_path / "list.yaml")["totals"]["not_run"] == 3
    wait_until(lambda: not any(map(alive, started)), "the jobs end with the scheduler", farm_worker.LEASE_S + 30)


@with_dask
def test_who_cannot_take_part(cluster: Cluster, tmp_path: Path) -> None:
    """A worker with other sources, without the project, without the resource: one line, and nothing runs."""
    path = write_list(tmp_path, entry("good", "pass"))
    file = cluster.clones[0] / "models" / "errors.py"
    text = file.read_text()
    file.write_text(text + "# changed\n")
    try:
        done = regress(path, "--farm", cluster.address)
    finally:
        file.write_text(text)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
    assert "cannot take part: its sources is " in done.stderr
    for name, place, words, why in (
            ("three", tmp_path, ("--resources", "job=1"), "No module named 'scripts'"),
            ("four", cluster.clones[0], ("--resources", "gpu=1"), "it offers no 'job'; start it in its clone: ")):
        cluster.worker(name, place, *words)
        wait_until(lambda name=name: cluster.registered(name), "the worker starts")
        done = regress(path, "--farm", cluster.address)
        assert done.returncode == 2 and "cannot take part: " in done.stderr and done.stderr.count("\n") == 1
        assert why in done.stderr
        cluster.processes[name].kill()
        cluster.processes[name].wait()
        wait_until(lambda: regress(path, "--farm", cluster.address).returncode == 0, "the worker is gone", 20)


@with_dask
def test_a_worker_that_comes_later_takes_part(cluster: Cluster, clones: list[Path], tmp_path: Path) -> None:
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=JOBS_S, weight=900), entry("late", "pass"))
    process = runner(path, "--farm", cluster.address)
    try:
        wait_until(lambda: len(sum(map(children, clones), [])) >= 4, "both jobs hang")
        cluster.worker("three", clones[0])
        wait_until(lambda: load(path)["totals"]["passed"] == 1, "the third job runs on the third worker")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


@with_dask
def test_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(farm, "CONNECT_S", 1)
    done = regress(write_list(tmp_path, entry("good", "pass")), "--farm", "tcp://127.0.0.1:9")
    assert done.returncode == 2 and done.stderr.startswith("error: no scheduler answers at FARM = tcp://127.0.0.1:9 (")
    assert done.stderr.count("\n") == 1 and "start one: .venv/bin/dask scheduler" in done.stderr


def test_without_dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = regress(write_list(tmp_path, entry("good", "pass")), "--farm", "tcp://127.0.0.1:9")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "FARM needs the Python package 'distributed'; install it here and on the workers: .venv/bin/python -m" in done.stderr


def test_digest_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes with a content and with a name, and not with what is ignored."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(farm_worker, "ROOT", tmp_path)
    (tmp_path / ".gitignore").write_text("build/\n")
    (tmp_path / "a.v").write_text("module a;\n")
    digests = [farm_worker.sources_digest()]
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "log").write_text("x")
    assert farm_worker.sources_digest() == digests[0]
    (tmp_path / "a.v").write_text("module b;\n")
    digests.append(farm_worker.sources_digest())
    (tmp_path / "a.v").rename(tmp_path / "b.v")
    digests.append(farm_worker.sources_digest())
    assert len(set(digests)) == 3


def test_nothing_is_written_outside_the_jobs_folder(tmp_path: Path) -> None:
    """A link that leads out of it stays away, whoever made it; all else arrives."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "runs").mkdir(parents=True)
    (source / "runs" / "log").write_text("text")
    (source / "runs" / "same").symlink_to("log")
    (source / "out").symlink_to(tmp_path)
    farm.unpack(farm_worker.packed(source), target)
    assert (target / "runs" / "same").read_text() == "text" and not (target / "out").is_symlink()
    assert farm_worker.packed(tmp_path / "none") == b"" and not (tmp_path / "none").exists()


# A launcher with which a job is out of the runner's reach, as on another machine: no signal reaches it, nor the guard's mark.
AFAR = """#!/bin/sh
env -u FCIM_JOB setsid "$@" &
trap '' TERM INT
wait $!
"""


@pytest.fixture
def afar(tmp_path: Path) -> str:
    """That launcher."""
    path = tmp_path / "afar"
    path.write_text(AFAR)
    path.chmod(0o755)
    return str(path)


def test_behind_a_launcher(afar: str, tmp_path: Path) -> None:
    """Outcomes as without; the time is the job's own, and a time-out ends all of it."""
    path = write_list(tmp_path, entry("good", "pass", iterations=2), entry("bad", "fail", "crash"), entry("kept", "files"),
                      entry("slow", "stubborn", timeout=3))
    done = regress(path, "--launch", f"{afar} nice -n 1")
    assert done.returncode == 1 and "FAIL: 3 of 6 jobs passed, 2 failed, 1 timed out" in done.stdout, done.stdout + done.stderr
    jobs = by_id(load(path))
    assert jobs["bad[do=fail]#0@icarus"]["message"].startswith("out[3] is 5")
    assert "ended with signal 11 (SIGSEGV)" in jobs["bad[do=crash]#0@icarus"]["message"]
    assert jobs["slow[do=stubborn]#0@icarus"]["message"].startswith("timed out after 3 s")
    assert all(job["cpu_seconds"] > 0.05 and job["peak_mib"] > 5 for job in jobs.values() if job["name"] == "good")
    assert (tmp_path / "out" / jobs["kept[do=files]#0@icarus"]["waves"]).is_file()
    assert len(children(tmp_path)) == 2 and not any(map(alive, children(tmp_path)))


def test_a_launcher_that_fails(tmp_path: Path) -> None:
    """Its own words are in the message."""
    path = write_list(tmp_path, entry("good", "pass"))
    assert regress(path, "--launch", "ls --no-such-option").returncode == 1
    (job,) = load(path)["jobs"]
    assert job["status"] == "failed" and "unrecognized option" in job["message"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_end_of_the_runner_behind_a_launcher(number: int, afar: str, tmp_path: Path) -> None:
    """Nothing reaches the jobs but the files of the shared folder, and yet they end."""
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=JOBS_S))
    process = runner(path, "--launch", afar)
    try:
        wait_until(lambda: len(children(tmp_path)) == 4, "both jobs hang")
        process.send_signal(number)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
        if number == signal.SIGINT:
            assert not any(map(alive, children(tmp_path))) and load(path)["totals"]["not_run"] == 2
        wait_until(lambda: not any(map(alive, children(tmp_path))), "the jobs end with the runner", launch.LEASE_S + 30)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("text", "message"), [("srun '", "is no command"), ("  ", "is blank"), ("no-such -n1", "there is no")])
def test_launchers_that_are_none(text: str, message: str) -> None:
    with pytest.raises(FcimError, match=message):
        parse_launch(text)
    assert parse_launch("env -i 'A B=1'") == ["env", "-i", "A B=1"] and os.path.isabs(shutil.which("env"))
