"""Jobs behind a prefix, ``LAUNCH='srun -n1'``, on machines that share the project's folder: beside the job runs a keeper, which
starts it, measures it, and ends it when the runner asks for that or is no more.

The launcher's own word is not trusted with that: the runner rewrites a file every second, and takes a job's order away when
the job is to end. A keeper that finds the order gone, or the file as it was for the order's ``lease``, ends its job: shared file
systems show a file that is opened anew as it is, but may be slow.

    python scripts/flow/regress/launch.py FOLDER        the keeper of the job in FOLDER
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import shlex
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":      # whatever folder a launcher starts it in
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from models.errors import FcimError, run_cli  # noqa: E402
from scripts.flow.files import write_atomic  # noqa: E402
from scripts.flow.processes import Stop, guard  # noqa: E402
from scripts.flow.regress.place import BEAT_S, LEASE_S, Task, keep, start_here  # noqa: E402
from scripts.flow.regress.process import GRACE_S, Exit, JobProcess  # noqa: E402

ORDER, END, BEAT = "order.json", "end.json", ".beat"


def parse_launch(text: str) -> list[str]:
    """The words of LAUNCH.

    Raises:
        FcimError: it is no command, or its program is not there.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise FcimError(f"LAUNCH = '{text}' is no command ({str(error).lower()}); write it as for a shell") from None
    if not words:
        raise FcimError("LAUNCH is blank; give a command such as 'srun -n1', or leave it out")
    if shutil.which(words[0]) is None:
        raise FcimError(f"LAUNCH = '{text}': there is no program '{words[0]}'; install it or give its path")
    return words


class Launched:
    """A job behind the prefix."""

    def __init__(self, task: Task, prefix: list[str], lease: float) -> None:
        """Raises:
            FcimError: the launcher cannot be started, or the order not be written.
        """
        self.log, self._folder, self._stopped, self._stop_at = task.log, task.folder, "", math.inf
        self.worker: str | None = None
        self._patience = lease + 2 * GRACE_S    # in which the keeper ends its job; then the launcher itself is stopped
        order = {"mark": task.mark, "environment": dict(task.environment), "timeout": task.timeout,
                 "coverage": str(task.coverage) if task.coverage else None, "lease": lease}
        write_atomic(task.folder / ORDER, json.dumps(order))
        keeper = [*prefix, sys.executable, str(Path(__file__).resolve()), str(task.folder)]
        self._process = JobProcess(keeper, task.log, task.mark, {}, math.inf)   # it may have to wait for a machine

    @property
    def seconds(self) -> float:
        """Wall time so far, that in a queue included."""
        return self._process.seconds

    def stop(self, why: str) -> None:
        """Take the order away; the keeper notices."""
        if not self._stopped:
            self._stopped, self._stop_at = why, time.monotonic() + self._patience
            (self._folder / ORDER).unlink(missing_ok=True)

    def poll(self) -> Exit | None:
        """As the keeper says it, if it came to that."""
        end = self._process.poll()
        if end is None:
            if time.monotonic() > self._stop_at:
                self._process.stop(self._stopped)
            return None
        (self._folder / ORDER).unlink(missing_ok=True)
        try:
            found = json.loads((self._folder / END).read_text())
            self.worker, kept = str(found["worker"]), Exit(**found["end"])
        except (OSError, ValueError, TypeError, KeyError):
            return dataclasses.replace(end, stopped=self._stopped or end.stopped)
        return dataclasses.replace(kept, stopped=self._stopped if self._stopped and kept.stopped else kept.stopped)


class Launcher:
    """Machines that share this folder, reached through a prefix; ``workers`` jobs at a time."""

    problem = ""

    def __init__(self, prefix: list[str], workers: int, lease: float = LEASE_S) -> None:
        self.workers, self._prefix, self._lease = workers, prefix, lease
        self._ended = threading.Event()
        self._beats: threading.Thread | None = None

    def free(self) -> bool:
        """The launcher queues what is too much."""
        return True

    def start(self, task: Task) -> Launched:
        """Behind the prefix."""
        if self._beats is None:
            beat = task.folder.parent / BEAT
            write_atomic(beat, "0")
            self._beats = threading.Thread(target=self._beat, args=(beat,), daemon=True)
            self._beats.start()
        return Launched(task, self._prefix, self._lease)

    def _beat(self, file: Path) -> None:
        count = 0
        while not self._ended.wait(BEAT_S):
            count += 1
            with contextlib.suppress(FcimError):    # a full disk; the keepers will tell if it lasts
                write_atomic(file, str(count))

    def close(self) -> None:
        """No more beats."""
        self._ended.set()


def no_more(folder: Path, stop: Stop, lease: float) -> Callable[[], str]:
    """What says why the job of ``folder`` is wanted no more, "" while it is."""
    seen: list[object] = ["", time.monotonic(), 0.0]

    def unwanted() -> str:
        if stop.reason:
            return stop.reason
        text, changed, looked = seen
        if (now := time.monotonic()) < looked + BEAT_S / 2:
            return ""
        seen[2] = now
        if not (folder / ORDER).is_file():
            return "the runner ended it"
        with contextlib.suppress(OSError):
            if (new := (folder.parent / BEAT).read_text()) != text:
                seen[0], seen[1] = new, now
                return ""
        return "the runner is gone" if now > changed + lease else ""

    return unwanted


def main() -> int:
    """The keeper: runs the job of the folder that the command line names, and writes how it ended."""
    folder = Path(sys.argv[1]).resolve()
    stop = Stop()
    try:
        order = json.loads((folder / ORDER).read_text())
    except FileNotFoundError:       # it waited in a queue, and is wanted no more
        return 0
    task = Task(folder, f"{socket.gethostname()}.{order['mark']}", order["environment"], order["timeout"],
                Path(order["coverage"]) if order["coverage"] else None)
    with stop.on_signals(), guard(task.mark):
        end = keep(start_here(task), no_more(folder, stop, order["lease"]))
    write_atomic(folder / END, json.dumps({"end": dataclasses.asdict(end), "worker": socket.gethostname()}))
    return 0


if __name__ == "__main__":
    run_cli(main)
