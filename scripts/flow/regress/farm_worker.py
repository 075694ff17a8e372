"""What of ``FARM=`` happens on a worker of Dask: whether it has the runner's sources and tools, and a job from its order to the
bytes that it left.

Dask does not end what a task started: not when it is cancelled, nor when the scheduler or the client is gone. Hence the job is
watched here. A variable of the scheduler, which the runner sets every second, holds a number and the jobs that it wants; a job
that is not among them, or a number that stays as it was for the order's ``lease``, ends the job.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import platform
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.place import BUILD, CHECKOUT
from scripts.flow.processes import guard, new_mark
from scripts.flow.regress.job import JOB_FILE, LOG
from scripts.flow.regress.place import BEAT_S, Task, keep, start_here
from scripts.flow.simulator import require_simulator
from scripts.flow.sources import ROOT
from scripts.flow.tool_versions import git_state, tool_versions

FOLDER, PREFIX = BUILD / "farm", "order-"    # of a worker: the jobs under way, a folder each
LEFT_OUT = {"__pycache__", "build"}     # of an installed copy, which has no version control


def _files() -> list[Path]:
    """All files of the project that may shape a result: those of version control, new ones included, but for ignored ones."""
    if not CHECKOUT:
        return sorted(path for path in ROOT.rglob("*") if path.is_file() and not LEFT_OUT & set(path.relative_to(ROOT).parts))
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            capture_output=True).stdout
    return sorted(ROOT / os.fsdecode(name) for name in set(listed.split(b"\0")) - {b""})


def sources_digest() -> str:
    """Twelve digits of the names and contents of all the project's files."""
    digest = hashlib.sha256()
    for path in _files():
        if path.is_file():      # else deleted, and not yet so in version control
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(ROOT).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()[:12]


def state(sims: Sequence[str]) -> dict[str, str]:
    """What must be the same wherever jobs of one regression run: commit, sources, and the versions of the tools.

    Raises:
        FcimError: a simulator is missing.
    """
    for sim in sims:
        require_simulator(sim)
    versions: dict[str, str] = {}
    for sim in sims:
        versions |= tool_versions(sim)
    return {"commit": git_state()["revision"][:12], "sources": sources_digest(), **versions, "python": platform.python_version()}


class Lease:
    """Whether the runner still wants a job, looked at by a thread, since a scheduler that is gone may let it wait."""

    def __init__(self, variable: Any, key: str, seconds: float) -> None:
        self._variable, self._key, self._length = variable, key, seconds
        self._beat: object = None
        self._seen, self._wanted, self._ended = time.monotonic(), True, False
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while not self._ended:
            try:
                beat, wanted = self._variable.get(timeout=self._length, callback_timeout=self._length / 3)
            except Exception:       # of Dask, of its connection, of Tornado: no answer is no beat
                beat, wanted = self._beat, ()
            if beat != self._beat:
                self._beat, self._seen, self._wanted = beat, time.monotonic(), self._key in wanted
            time.sleep(BEAT_S / 2)

    def lost(self) -> str:
        """Why the job is wanted no more, "" while it is."""
        if not self._wanted:
            return "the runner ended it"
        return "the runner or the scheduler is gone" if time.monotonic() > self._seen + self._length else ""

    def end(self) -> None:
        """Look no more."""
        self._ended = True


def process_id(address: str, folder: str) -> str:
    """What tells a worker from one that came up anew at its address: each has a scratch ``folder`` of its own."""
    return f"{address} {folder}"


def packed(folder: Path) -> bytes:
    """A folder's content as an archive; nothing where there is none."""
    if not folder.is_dir():
        return b""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return file.getvalue()


def run(worker_id: str, lease: str, key: str, order: dict[str, Any]) -> dict[str, Any]:
    """The task: the job of ``order`` in a folder of its own; gives its end, its files as bytes, and the root here.

    Does nothing if this is another worker than the runner chose: Dask starts a task again whose worker died.
    """
    from distributed import Variable, get_client, get_worker  # late: an extra

    worker = get_worker()
    if process_id(worker.address, worker.local_directory) != worker_id:
        return {"refused": "its worker died"}
    watch = Lease(Variable(lease, client=get_client()), key, order["lease"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    mark = f"{socket.gethostname()}.{new_mark()}"

    def unwanted() -> str:
        return watch.lost() or ("" if worker.status.name in ("running", "paused") else "its worker is closing")

    try:
        with tempfile.TemporaryDirectory(dir=FOLDER, prefix=PREFIX) as place, guard(mark, Path(place)):
            folder, coverage = Path(place) / "job", Path(place) / "coverage"
            folder.mkdir()
            (folder / JOB_FILE).write_text(order["job"])
            task = Task(folder, mark, order["environment"], order["timeout"], coverage if order["coverage"] else None)
            end = keep(start_here(task), unwanted)
            log = (folder / LOG).read_bytes()
            (folder / LOG).unlink()
            return {"end": dataclasses.asdict(end), "log": log, "job": packed(folder), "coverage": packed(coverage),
                    "root": str(ROOT)}
    finally:
        watch.end()
