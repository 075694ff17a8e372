"""Jobs on the workers of a Dask scheduler, ``FARM=tcp://HOST:PORT``: each worker has its own clone and runs one job at a time.

Dask carries orders there and bytes back, and no more is left to it. A job is bound to one worker, so that the runner knows
which one died with it and nothing runs twice; what ends jobs is in ``farm_worker``.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import tarfile
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow.processes import new_mark
from scripts.flow.regress import farm_worker
from scripts.flow.regress.job import JOB_FILE
from scripts.flow.regress.place import BEAT_S, LEASE_S, Task
from scripts.flow.regress.process import GRACE_S, WORKER, Exit
from scripts.flow.sources import ROOT
from scripts.flow.tables import say

CONNECT_S = 10.0
CHECK_S = 120.0             # in which a worker has to say what it has
ALONE_S = 60.0              # without any worker
RESOURCE = "job"
START = "start it in its clone: .venv/bin/dask worker {address} --nworkers 1 --nthreads 1 --resources job=1"
INSTALL = ".venv/bin/python -m pip install 'distributed>=2026.8.0'"
# A worker finds the project in the folder that it was started in, however it was started.
FIND = "import os, sys\nif os.getcwd() not in sys.path: sys.path.insert(0, os.getcwd())"


def _distributed() -> Any:
    """The package, silent: what it would log, the runner says in one line.

    Raises:
        FcimError: it is not installed.
    """
    try:
        import distributed
    except ImportError:
        raise FcimError(f"FARM needs the Python package 'distributed'; install it here and on the workers: {INSTALL}") from None
    for name in ("distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return distributed


@dataclass(frozen=True)
class Worker:
    """One process of Dask: its address, a text that no other process has (see :func:`process_id`), its host."""

    address: str
    id: str
    host: str

    def __str__(self) -> str:
        return f"{self.address} on {self.host}" if self.host not in self.address else self.address


def difference(theirs: object, ours: dict[str, str]) -> str:
    """Why a worker with that state cannot take part, "" if it can."""
    if isinstance(theirs, FcimError):
        return str(theirs)
    if theirs is None:
        return f"it did not answer within {CHECK_S:g} s"
    if not isinstance(theirs, dict):
        return f"it has no clone of this project ({type(theirs).__name__}: {theirs})"
    for name, own in ours.items():
        if theirs.get(name) != own:
            return f"its {name} is {theirs.get(name)}, here {own}; bring both to the same state and start it anew"
    return ""


class Farm:
    """The workers of one scheduler. A thread tells them which jobs are wanted and sees which of them are there; another one
    checks those that come.
    """

    def __init__(self, address: str, sims: Sequence[str], jobs: int | None = None, lease: float = LEASE_S) -> None:
        """Connect, and check the workers that are there.

        Args:
            address: of the scheduler.
            sims: simulators that the workers need.
            jobs: the most jobs at a time; None means as many as there are workers.
            lease: seconds without an answer after which the scheduler is gone, and without a sign of this after which jobs end.

        Raises:
            FcimError: ``distributed`` is missing, no scheduler answers, no worker is there, or one is no good.
        """
        distributed = _distributed()
        self.problem, self._address, self._sims, self._jobs = "", address, list(sims), jobs
        self.lease = lease
        self._answer = lease / 3        # in which a scheduler that is well answers
        self._ours = farm_worker.state(self._sims)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")     # of other versions; the check says so if it matters
                self._client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False, name="fusioncim")
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise FcimError(f"no scheduler answers at FARM = {address} ({reason}); start one: .venv/bin/dask scheduler") from None
        self._lease = f"fusioncim-{new_mark()}"
        self._variable = distributed.Variable(self._lease, client=self._client)
        self._present: dict[str, Worker] = {}
        self._offered: dict[str, float] = {}        # ``job`` resources by id
        self._checked: dict[str, str] = {}          # by id: what is wrong, or ""
        self._busy: dict[str, str] = {}             # by id: the job's key
        self._wanted: set[str] = set()
        self._numbers, self._beats = itertools.count(), itertools.count()
        self._telling = threading.Lock()
        self._alive_at = self._peopled_at = time.monotonic()
        self._ended, self._wake = threading.Event(), threading.Event()
        try:
            self._beat()
            if not self._present:
                raise FcimError(f"the scheduler at {address} has no worker; {START.format(address=address)}")
            if reasons := self._check():
                raise FcimError(reasons[0] + (f" ({len(reasons) - 1} more)" if reasons[1:] else ""))
        except BaseException:
            self._client.close()
            raise
        for work in (self._keep_beating, self._keep_checking):
            threading.Thread(target=work, daemon=True).start()

    @property
    def workers(self) -> int:
        """How many jobs at a time."""
        return max(1, min(len(self._good()), self._jobs or len(self._good())))

    def _good(self) -> list[Worker]:
        return [worker for worker in list(self._present.values()) if self._checked.get(worker.id) == ""]

    def _tell(self) -> None:
        """Which jobs are wanted; of two threads that tell it, the later one knows better."""
        with self._telling:
            self._variable.set([next(self._beats), sorted(self._wanted)], callback_timeout=self._answer)

    def _beat(self) -> None:
        """Tell which jobs are wanted, and see who is there."""
        self._tell()
        found = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=self._answer)["workers"]
        present = [(Worker(address, farm_worker.process_id(address, info["local_directory"]), str(info.get("host", ""))), info)
                   for address, info in found.items()]
        self._offered = {worker.id: info.get("resources", {}).get(RESOURCE, 0) for worker, info in present}
        self._present = {worker.id: worker for worker, _ in present}
        self._alive_at = time.monotonic()
        if self._good() or not self._checked:
            self._peopled_at = self._alive_at

    def _keep_beating(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(BEAT_S)
            self._wake.clear()
            try:
                self._beat()
            except Exception:   # of Dask, of its connection, of Tornado
                self._ended.wait(BEAT_S)
            if self._ended.is_set():
                return
            if self._client.status != "running" or time.monotonic() > self._alive_at + self.lease:
                self.gone()
            elif time.monotonic() > self._peopled_at + ALONE_S:
                self.problem = self.problem or f"no worker is left at {self._address}"

    def gone(self) -> None:
        """The scheduler is no more, or knows this runner no more."""
        self.problem = self.problem or f"the scheduler at {self._address} is gone"

    def _check(self) -> list[str]:
        """Ask the workers that came; a line for each that is no good."""
        new = {worker.address: worker for worker in list(self._present.values()) if worker.id not in self._checked}
        if not new:
            return []
        answers = self._ask(list(new))
        lines = []
        for address, worker in new.items():
            wrong = difference(answers.get(address), self._ours)
            if not wrong and self._offered.get(worker.id, 0) < 1:
                wrong = f"it offers no '{RESOURCE}'; {START.format(address=self._address)}"
            self._checked[worker.id] = wrong
            lines += [f"the worker {worker} cannot take part: {wrong}"] if wrong else []
        return lines

    def _ask(self, places: list[str]) -> dict[str, object]:
        """What the workers at these addresses say of themselves, or what went wrong there; those that are silent are left out."""
        answers: dict[str, object] = {}

        def ask() -> None:
            with contextlib.suppress(Exception):    # of Dask, of its connection: no answer
                self._client.run(exec, FIND, workers=places, on_error="ignore")
                answers.update(self._client.run(farm_worker.state, self._sims, workers=places, on_error="return"))

        thread = threading.Thread(target=ask, daemon=True)      # a worker that hangs would keep this one
        thread.start()
        thread.join(CHECK_S)
        return dict(answers)

    def _keep_checking(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                for line in self._check():
                    say(f"note: {line}")
            except Exception:       # the worker or the scheduler went away meanwhile; the beats tell
                continue

    def free(self) -> bool:
        """Whether a worker has nothing to do."""
        return any(worker.id not in self._busy for worker in self._good())

    def there(self, worker: Worker) -> bool:
        """Whether the scheduler still knows that very process."""
        return worker.id in self._present

    def start(self, task: Task) -> FarmJob:
        """On a free worker.

        Raises:
            FcimError: the job's log cannot be written.
        """
        worker = next(worker for worker in self._good() if worker.id not in self._busy)
        key = f"{self._lease}-{next(self._numbers)}"
        order = {"job": (task.folder / JOB_FILE).read_text(), "environment": dict(task.environment), "timeout": task.timeout,
                 "coverage": task.coverage is not None, "lease": self.lease}
        try:
            with task.log.open("a") as log:
                log.write(f"{WORKER}{worker}\n")
        except OSError as error:
            raise FcimError(f"cannot write {task.log} ({error.strerror}); choose another OUT") from None
        self._busy[worker.id] = key
        self._wanted.add(key)
        with contextlib.suppress(Exception):    # of Dask, of its connection; the beats tell
            self._tell()        # before the task is there, since what is not wanted ends
        future = self._client.submit(farm_worker.run, worker.id, self._lease, key, order, key=key, pure=False, retries=0,
                                     workers=[worker.address], allow_other_workers=False, resources={RESOURCE: 1})
        return FarmJob(self, task, worker, key, future)

    def unwant(self, key: str) -> None:
        """The job is to end."""
        self._wanted.discard(key)
        self._wake.set()

    def ended(self, job: FarmJob) -> None:
        """The job is over; its worker may have another one."""
        self.unwant(job.key)
        if self._busy.get(job.process.id) == job.key:
            del self._busy[job.process.id]
        with contextlib.suppress(Exception):        # where the scheduler is gone there is nothing to let go
            job.future.release()

    def close(self) -> None:
        """Disconnect; jobs that are still under way end by themselves."""
        self._ended.set()
        self._wake.set()
        with contextlib.suppress(Exception):        # as above
            self._variable.delete()
            self._client.close(timeout=GRACE_S)


class FarmJob:
    """A job on a worker."""

    def __init__(self, farm: Farm, task: Task, worker: Worker, key: str, future: Any) -> None:
        self.log, self.worker, self.key, self.future = task.log, str(worker), key, future
        self.process = worker
        self._farm, self._task, self._begun = farm, task, time.monotonic()
        self._stopped, self._give_up = "", float("inf")
        self._fetching = False
        self._end: Exit | None = None
        self._error: FcimError | None = None

    @property
    def seconds(self) -> float:
        """Wall time since it was sent."""
        return time.monotonic() - self._begun

    def stop(self, why: str) -> None:
        """Say that it is wanted no more."""
        if not self._stopped:
            # in this time it has come back, or its worker is given up
            self._stopped, self._give_up = why, time.monotonic() + self._farm.lease + 3 * GRACE_S
            self._farm.unwant(self.key)

    def poll(self) -> Exit | None:
        """How it ended, with its files in place; of a worker that died only that.

        Raises:
            FcimError: the files cannot be written.
        """
        if self._error is not None:
            raise self._error
        end = self._end or self._without_files()
        if end is not None:
            self._farm.ended(self)
        return end

    def _without_files(self) -> Exit | None:
        """How it ended if nothing of it can come any more; else None, and what is there to come is fetched."""
        status = self.future.status
        if self._farm.problem:      # for which the pool stops all jobs
            return self._lost(self._stopped) if self._stopped else None
        if not self._farm.there(self.process):
            return self._lost(f"the worker {self.worker} died with this job")
        if time.monotonic() > self._give_up:
            return self._lost(f"the worker {self.worker} did not end this job")
        if status in ("cancelled", "lost"):     # what Dask makes of all futures when it loses the scheduler
            self._farm.gone()
            return None
        if status == "error":
            error = self.future.exception(timeout=GRACE_S)
            return self._lost(f"the worker {self.worker} failed ({type(error).__name__}: {error})")
        if status == "finished" and not self._fetching:
            self._fetching = True
            threading.Thread(target=self._fetch, daemon=True).start()
        return None

    def _lost(self, why: str) -> Exit:
        return Exit(-9, self._stopped or why, self.seconds, 0.0, 0.0)

    def _fetch(self) -> None:
        """Get the bytes and put them where a job of this machine would have left them."""
        try:
            found = self.future.result()
        except Exception as error:      # of Dask: the worker died in between; if it did not, this is said
            time.sleep(2 * BEAT_S)
            if self._farm.problem:
                return
            self._end = self._lost(f"the worker {self.worker} lost the result ({type(error).__name__}: {error})")
            return
        if "refused" in found:
            self._end = self._lost(f"the worker {self.worker} died with this job")
            return
        try:
            with self.log.open("ab") as log:
                log.write(found["log"])
            unpack(found["job"], self._task.folder)
            if self._task.coverage is not None:
                unpack(found["coverage"], self._task.coverage)
                rename(self._task.coverage, found["root"])
        except OSError as error:
            self._error = FcimError(f"cannot write {self._task.folder} ({error.strerror}); choose another OUT")
            return
        end = Exit(**found["end"])
        self._end = replace(end, stopped=self._stopped) if self._stopped and end.stopped else end


def unpack(archive: bytes, folder: Path) -> None:
    """Write what :func:`farm_worker.packed` gave into ``folder``; a link that leads out of it stays away.

    Raises:
        OSError: it cannot be written.
    """
    def inside(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        try:
            return tarfile.data_filter(member, path)
        except tarfile.FilterError:
            return None

    if archive:
        folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as content:
            content.extractall(folder, filter=inside)


def rename(folder: Path, root: str) -> None:
    """In Verilator's coverage data below ``folder``: the sources' names as they are here, not below ``root``.

    Raises:
        OSError: it cannot be written.
    """
    if root != str(ROOT):
        for path in folder.rglob("*.dat"):
            path.write_bytes(path.read_bytes().replace(f"{root}/".encode(), f"{ROOT}/".encode()))
