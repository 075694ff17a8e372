"""A job's process with all that it starts: begun in a session of its own, ended without a trace."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import FcimError
from scripts.flow import strays
from scripts.flow.processes import with_mark
from scripts.flow.sources import ROOT

GRACE_S = 2.0                   # between SIGTERM, on which Python prints where it stands, and SIGKILL
LOG_LIMIT = 256 * 2**20         # bytes; a job that logs in an endless loop must not fill the disk
# would reach makefiles, and take the asserts out of tests
DROPPED = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES", "PYTHONOPTIMIZE")


@dataclass(frozen=True)
class Exit:
    """How a job's process ended.

    ``code`` as subprocess gives it (negative: killed by that signal), ``stopped`` why the runner ended it ("" if it did not),
    ``seconds`` wall time, ``cpu_seconds`` of the process and the children it waited for, ``peak_mib`` memory of the largest.
    """

    code: int
    stopped: str
    seconds: float
    cpu_seconds: float
    peak_mib: float


def job_environment(mark: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job: the runner's own without make's and pytest's variables, the job's mark, and ``given``."""
    env = {k: v for k, v in os.environ.items() if k not in DROPPED and not k.startswith(("PYTEST_", "COV_CORE_"))}
    env |= {strays.VARIABLE: with_mark(mark), "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    env.setdefault("OMP_NUM_THREADS", "1")      # several jobs at a time: each with many threads would only wait for the others
    return env | dict(given)


class JobProcess:
    """A running job. Call :meth:`poll` often: it reaps, and it kills what does not end after :meth:`stop`."""

    def __init__(self, command: Sequence[str], log: Path, mark: str, environment: Mapping[str, str], timeout: float) -> None:
        """Start ``command`` in the project's root, with its output appended to ``log``.

        Raises:
            FcimError: no process can be started.
        """
        self.mark, self.log, self.timeout = mark, log, timeout
        self.stopped = ""
        self._kill_at = float("inf")
        self.begun = time.monotonic()
        try:
            with log.open("ab") as output:
                self._process = subprocess.Popen(
                    command,
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=job_environment(mark, environment),
                )
        except OSError as error:
            raise FcimError(f"cannot start a job's process ({error.strerror}); use a smaller JOBS") from None

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self.begun

    def stop(self, why: str) -> None:
        """Ask the whole group to end; :meth:`poll` kills it after a grace. The first reason stays, and an ended job's end."""
        if not self.stopped and not self._has_ended():
            self.stopped = why
            self._kill_at = time.monotonic() + GRACE_S
            self._signal(signal.SIGTERM)

    def poll(self) -> Exit | None:
        """How the job ended, or None while it runs. Once it ended, nothing that it started is alive."""
        if not self._has_ended():
            if self.seconds > self.timeout:
                self.stop(f"timed out after {self.timeout:g} s")
            elif self.log_size() > LOG_LIMIT:
                self.stop(f"wrote more than {LOG_LIMIT >> 20} MiB of log")
            if time.monotonic() > self._kill_at:
                self._signal(signal.SIGKILL)
            return None
        seconds = self.seconds
        self._signal(signal.SIGKILL)
        _, status, usage = os.wait4(self._process.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        strays.kill_marked(self.mark)
        return Exit(code, self.stopped, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def log_size(self) -> int:
        """Bytes of the log so far."""
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def _has_ended(self) -> bool:
        """Looks without reaping: while the leader is a zombie its number cannot belong to another group."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, number)
