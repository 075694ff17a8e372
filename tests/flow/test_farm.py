"""Regressions on other machines, which are this one here: workers of a Dask scheduler with clones of their own, and a launcher.

Whatever dies in the middle (a job, a worker, the scheduler, the runner), no process of a job is left, and the record says it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.regress import farm, farm_worker
from scripts.flow.regress.launch import parse_launch
from scripts.flow.sources import ROOT
from tests.flow.regress_lists import alive, by_id, command, entry, environment, load, regress, write_list

PATIENCE_S = 180
JOBS_S = 600.0      # a time-out that no job of these tests comes to
LEASE_S = 8.0       # what is used, 30 s, would only make them longer
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
        more = ["--scheduler-file", str(self.folder / "scheduler.json"), *words, "--no-dashboard"]
        with (self.folder / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen([sys.executable, "-m", f"distributed.cli.{program}", *more], cwd=place,
                                                    stdout=log, stderr=log, env=environment(), start_new_session=True)

    def worker(self, name: str, place: Path, *words: str) -> None:
        """A worker that is started in ``place``; without a nanny, so that one that is killed stays dead."""
        self.start(name, "dask_worker", "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--memory-limit", "0",
                   *(words or ("--resources", "job=1")), place=place)

    def wait_for(self, *names: str) -> None:
        """Until these workers have found the scheduler."""
        logs = [self.folder / f"{name}.log" for name in names]
        wait_until(lambda: all("Registered to" in log.read_text() for log in logs), "the workers start")

    def mend(self) -> None:
        """Make it what it was at first: a scheduler and the workers ``one`` and ``two``; only what is not there is started."""
        if "scheduler" not in self.processes:
            (self.folder / "scheduler.json").unlink(missing_ok=True)
            self.start("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", "0")
            wait_until((self.folder / "scheduler.json").is_file, "the scheduler starts")
        missing = [name for name in ("one", "two") if name not in self.processes]
        for name in missing:
            self.worker(name, self.clones[("one", "two").index(name)])
        self.wait_for(*missing)

    def kill(self, *names: str) -> None:
        """These of its processes; without names all."""
        for name in names or list(self.processes):
            process = self.processes.pop(name)
            process.kill()
            process.wait()

    def children(self) -> list[int]:
        """What hanging jobs on its workers have started."""
        return sum(map(children, self.clones), [])

    def left(self) -> list[Path]:
        """Folders of jobs that were not removed."""
        return [path for place in self.clones for path in (place / "build" / "farm").glob(f"{farm_worker.PREFIX}*")]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that the tests share; its processes start when one needs them."""
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("no clone can be made of what is no repository")
    folder = tmp_path_factory.mktemp("farm")
    (folder / "dask").mkdir()
    found = Cluster(folder / "dask", [clone(folder / name) for name in ("one", "two")])
    yield found
    found.kill()


@pytest.fixture
def cluster(standing: Cluster) -> Cluster:
    """A scheduler and two workers, with nothing to do."""
    standing.mend()
    assert not standing.left()
    return standing


def runner(path: Path, *more: str) -> subprocess.Popen:
    """The runner as a process of its own; what it prints goes to a file beside the list."""
    with (path.parent / "printed").open("w") as printed:
        return subprocess.Popen(command(path, *more), cwd=ROOT, stdout=printed, stderr=printed, env=environment(),
                                start_new_session=True)


def said(folder: Path) -> str:
    """What that runner has printed."""
    return (folder / "printed").read_text()


@with_dask
def test_the_same_as_here(cluster: Cluster, tmp_path: Path) -> None:
    """Outcomes, digests, logs, waves, coverage data of jobs in two clones are those of a run in this one, and where that leaves
    them. One that hangs is stopped by its worker meanwhile, and its log says where it stood.
    """
    entries = [entry("good", "pass", iterations=3), entry("kept", "files"), entry("bad", "fail", "raise", "crash", "litter"),
               entry("covered", "coverage")]
    slow = entry("slow", "hang", timeout=10, weight=900)
    records = {}
    for name, given, more in (("here", [], ()), ("farm", [slow], ("--farm", cluster.address, "--jobs", "9"))):
        (tmp_path / name).mkdir()
        path = write_list(tmp_path / name, *given, *entries)
        done = regress(path, "--seed", "5", "--coverage", str(tmp_path / name / "data"), *more)
        assert done.returncode == 1 and done.stderr == "", done.stdout + done.stderr
        records[name] = by_id(load(path))
    assert "10 jobs, 2 at a time" in done.stdout        # as many as there are workers
    hung = records["farm"].pop("slow[do=hang]#0@icarus")
    assert hung["status"] == "timeout" and hung["message"].startswith("timed out after 10 s")
    assert "regress_workload.py" in hung["message"]
    assert records["here"].keys() == records["farm"].keys()
    for job, here in records["here"].items():
        there = records["farm"][job]
        same = [name for name in RESULTS if name != "message" or here["status"] == "passed"]
        assert [there[name] for name in same] == [here[name] for name in same]
        assert there["message"].splitlines()[:1] == here["message"].splitlines()[:1] and there["cpu_seconds"] > 0
        place = (tmp_path / "farm" / "out" / there["log"]).parent
        names = {path.name for path in (tmp_path / "here" / "out" / here["log"]).parent.iterdir()}
        assert {path.name for path in place.iterdir()} == names
        assert (place / "log.txt").read_text().splitlines()[4] == f"worker  {there['worker']}" and here["worker"] is None
    workers = {job["worker"] for job in [hung, *records["farm"].values()]}
    assert len(workers) == 2 and all(worker.startswith("tcp://127.0.0.1:") for worker in workers)
    kept = records["farm"]["kept[do=files]#0@icarus"]
    assert (tmp_path / "farm" / "out" / kept["waves"]).read_text() == "fst\n"
    (data,) = (tmp_path / "farm" / "data").glob("*/runs/x.dat")
    assert data.read_text() == f"\x01f\x02{ROOT}/rtl/x.v\x01"      # with the names of this clone
    assert len(children(tmp_path / "farm" / "out")) == 4 and not any(map(alive, children(tmp_path / "farm")))
    assert cluster.left() == []


@pytest.fixture
def lease() -> float:
    """Of runs that have to wait for its end."""
    return LEASE_S


@pytest.fixture
def under_way(cluster: Cluster, lease: float, tmp_path: Path) -> Iterator[tuple[subprocess.Popen, list[int]]]:
    """A runner whose two jobs hang on the workers and whose other ones wait, with the processes that the two started."""
    hanging = entry("slow", "hang", "stubborn", timeout=JOBS_S, weight=900)
    path = write_list(tmp_path, hanging, entry("late", "pass", iterations=2))
    process = runner(path, "--farm", cluster.address, "--lease", f"{lease:g}")
    try:
        wait_until(lambda: len(cluster.children()) == 4, "both jobs hang")
        yield process, cluster.children()
    finally:
        process.kill()
        process.wait()


@with_dask
@pytest.mark.parametrize("lease", [30.0])
def test_workers_die_and_come(under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster, tmp_path: Path) -> None:
    """A job fails once with its worker, which it names. One that comes takes the jobs that wait, if it is good; else a line says
    why not, and nothing starts where such a worker is from the beginning. Ctrl-C ends all, and the workers are free again.
    """
    process, everything = under_way
    path, file = tmp_path / "list.yaml", cluster.clones[1] / "models" / "errors.py"
    started, text = children(cluster.clones[0]), file.read_text()
    cluster.kill("one")
    wait_until(lambda: load(path)["totals"]["failed"] == 1, "the job fails with its worker")
    wait_until(lambda: not any(map(alive, started)), "the job's processes end with the worker", 20)
    wait_until(lambda: len(cluster.left()) == 1, "its folder is removed", 20)
    (failed,) = [job for job in load(path)["jobs"] if job["status"] == "failed"]
    assert failed["message"].splitlines()[0] == f"the worker {failed['worker']} died with this job"
    assert failed["worker"].startswith("tcp://127.0.0.1:")
    try:
        file.write_text(text + "# changed\n")
        cluster.worker("elsewhere", tmp_path)
        cluster.worker("other", cluster.clones[0], "--resources", "gpu=1")
        cluster.worker("changed", cluster.clones[1])
        wait_until(lambda: said(tmp_path).count(" cannot take part: ") == 3, "the runner says who is no good")
    finally:
        file.write_text(text)
    for why in ("its sources is ", "No module named 'scripts'", "it offers no 'job'; start it in its clone: "):
        assert why in said(tmp_path), said(tmp_path)
    assert load(path)["totals"]["passed"] == 0
    cluster.mend()
    wait_until(lambda: load(path)["totals"]["passed"] == 2, "the jobs that waited run on the worker that came")
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE_S) == 128 + signal.SIGINT
    assert not any(map(alive, everything)) and cluster.left() == []
    assert "FAIL: 2 of 4 jobs passed, 1 failed, 1 not run, interrupted" in said(tmp_path) and "Traceback" not in said(tmp_path)

    (tmp_path / "again").mkdir()
    again = write_list(tmp_path / "again", entry("good", "pass", iterations=3))
    done = regress(again, "--farm", cluster.address)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and not (tmp_path / "again" / "out").exists()
    assert " cannot take part: " in done.stderr and done.stderr.endswith(" (1 more)\n")
    cluster.kill("elsewhere", "other", "changed")
    wait_until(lambda: regress(again, "--farm", cluster.address).returncode == 0, "those that are no good are gone", 30)


@with_dask
def test_killed_runner(under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster) -> None:
    process, started = under_way
    process.kill()
    wait_until(lambda: not any(map(alive, started)), "the jobs end with the runner", LEASE_S + 30)
    wait_until(lambda: cluster.left() == [], "their folders are removed")


@with_dask
@pytest.mark.sample(1)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_dead_scheduler(number: int, under_way: tuple[subprocess.Popen, list[int]], cluster: Cluster, tmp_path: Path) -> None:
    """Gone, or so ill that it answers nothing: the jobs end, and so does the runner, with a record that says why."""
    process, started = under_way
    try:
        cluster.processes["scheduler"].send_signal(number)
        assert process.wait(PATIENCE_S) == 1 and f"the scheduler at {cluster.address} is gone" in said(tmp_path), said(tmp_path)
        assert "Traceback" not in said(tmp_path) and load(tmp_path / "list.yaml")["totals"]["not_run"] == 4
        wait_until(lambda: not any(map(alive, started)), "the jobs end with the scheduler", LEASE_S + 30)
        wait_until(lambda: cluster.left() == [], "their folders are removed")
    finally:
        cluster.kill()


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
    assert {job["worker"] for job in jobs.values()} == {socket.gethostname()}
    assert all(job["cpu_seconds"] > 0.05 and job["peak_mib"] > 5 for job in jobs.values() if job["name"] == "good")
    assert (tmp_path / "out" / jobs["kept[do=files]#0@icarus"]["waves"]).is_file()
    assert len(children(tmp_path)) == 2 and not any(map(alive, children(tmp_path)))


def test_a_launcher_that_fails(tmp_path: Path) -> None:
    """Its own words are in the message."""
    path = write_list(tmp_path, entry("good", "pass"))
    assert regress(path, "--launch", "ls --no-such-option").returncode == 1
    (job,) = load(path)["jobs"]
    assert job["status"] == "failed" and "unrecognized option" in job["message"]


@pytest.mark.sample(1)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_end_of_the_runner_behind_a_launcher(number: int, afar: str, tmp_path: Path) -> None:
    """Nothing reaches the jobs but the files of the shared folder, and yet they end."""
    path = write_list(tmp_path, entry("slow", "hang", "stubborn", timeout=JOBS_S))
    process = runner(path, "--launch", afar, "--lease", f"{LEASE_S:g}")
    try:
        wait_until(lambda: len(children(tmp_path)) == 4, "both jobs hang")
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == (130 if number == signal.SIGINT else -signal.SIGKILL)
        if number == signal.SIGINT:
            assert not any(map(alive, children(tmp_path))) and load(path)["totals"]["not_run"] == 2
        wait_until(lambda: not any(map(alive, children(tmp_path))), "the jobs end with the runner", LEASE_S + 30)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(("text", "message"), [("srun '", "is no command"), ("  ", "is blank"), ("no-such -n1", "there is no")])
def test_launchers_that_are_none(text: str, message: str) -> None:
    with pytest.raises(FcimError, match=message):
        parse_launch(text)
    assert parse_launch("env -i 'A B=1'") == ["env", "-i", "A B=1"] and os.path.isabs(shutil.which("env"))
