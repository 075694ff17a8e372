"""A job's process with all that it starts: begun in a session of its own, ended without a trace; and what became of the job,
where the process's end and the outcome that it wrote must agree.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.flow import strays
from scripts.flow.processes import shown, with_mark
from scripts.flow.regress.job import LOG, OUTCOME_FILE, ended
from scripts.flow.regress.record import FAILED, NOT_RUN, PASSED, SKIPPED, TIMEOUT, WORDS, JobRecord
from scripts.flow.sources import ROOT

GRACE_S = 2.0                   # between SIGTERM, on which Python prints where it stands, and SIGKILL
LOG_LIMIT = 256 * 2**20         # bytes; a job that logs in an endless loop must not fill the disk
# would reach makefiles, and take the asserts out of tests
DROPPED = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES", "PYTHONOPTIMIZE")
HEADER = ("job     ", "seed    ", "repeat  ")     # what the runner puts in front of a job's output
WORKER = "worker  "             # the same, of a job on another machine
TAIL_LINES, BENCH_LINES = 15, 60
TAIL_BYTES = 32_768
STACK = "Current thread 0x"     # how faulthandler begins
STACK_LINES, FRAMES = 200, 8
MESSAGE_CHARS = 8_000


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

    worker: str | None = None

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


def log_tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log of any size."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]


def _outcome(folder: Path) -> dict[str, Any] | None:
    """What the job wrote; None if it wrote nothing sound."""
    try:
        data = json.loads((folder / OUTCOME_FILE).read_text())
        if isinstance(data["passed"], bool) and isinstance(data["metrics"], dict) and isinstance(data["message"], str):
            return {key: data[key] for key in ("passed", "message", "metrics", "digest", "tests", "log", "waves", "skipped")}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _with_tail(problem: str, folder: Path) -> str:
    """The problem and the log's end, which after a time-out or a crash shows where Python stood."""
    tail = [line for line in log_tail(folder / LOG, STACK_LINES) if line.strip() and not line.startswith((*HEADER, WORKER))]
    stacks = [i for i, line in enumerate(tail) if STACK in line]
    # A stack begins with where it stood; what follows is only how the job was started.
    tail = tail[max(0, stacks[-1] - FRAMES // 2):stacks[-1] + 1 + FRAMES] if stacks else tail[-TAIL_LINES:]
    return "\n".join([problem, *(["the log ends with", *(f"| {line}" for line in tail)] if tail else [])])


def ending(job: JobRecord, out: Path) -> str:
    """What the job's log ends with: what became of it, why, and the end of the bench's log, so that one file says it all."""
    lines = ["", f"--- {WORDS[job.status]} after {job.seconds:.1f} s"]
    lines += job.message.splitlines() if job.message else [f"{name}: {value}" for name, value in job.metrics.items()]
    if job.bench_log:
        bench = out / job.bench_log
        lines += [f"--- the bench's log is {shown(bench)}; it ends with", *log_tail(bench, BENCH_LINES)]
    return "\n".join([*lines, ""])


def settle(job: JobRecord, end: Exit, folder: Path, out: Path, interrupted: bool = False) -> None:
    """Put how the job ended into its record; ``folder`` is the job's, ``out`` the regression's."""
    job.seconds, job.cpu_seconds, job.peak_mib = round(end.seconds, 3), round(end.cpu_seconds, 3), round(end.peak_mib, 1)
    outcome = _outcome(folder)
    if outcome is not None:
        job.metrics, job.digest, job.tests = outcome["metrics"], outcome["digest"], outcome["tests"]
        prefix = folder.relative_to(out).as_posix()
        job.bench_log = f"{prefix}/{outcome['log']}" if outcome["log"] else None
        job.waves = f"{prefix}/{outcome['waves']}" if outcome["waves"] else None
    if interrupted:
        job.status, job.message = NOT_RUN, end.stopped
    elif end.stopped:
        job.status = TIMEOUT if end.stopped.startswith("timed out") else FAILED
        job.message = _with_tail(end.stopped, folder)
    elif outcome is None:
        job.status = FAILED
        job.message = _with_tail(f"the job's process ended with {ended(end.code)} and left no result", folder)
    elif outcome["skipped"] and end.code == 0:
        job.status, job.message = SKIPPED, outcome["skipped"]
    elif outcome["passed"] and end.code == 0:
        job.status, job.message = PASSED, outcome["message"]
    else:
        job.status = FAILED
        late = [f"the job's process ended with {ended(end.code)} after its tests"] if end.code else []
        job.message = "\n".join([*late, *([] if outcome["passed"] and late else [outcome["message"]])])
    job.message = job.message[:MESSAGE_CHARS]
