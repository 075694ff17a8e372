"""What became of a job: its process's end and the outcome that it wrote must agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.flow.processes import shown
from scripts.flow.regress.process import Exit
from scripts.flow.regress.pytest_job import ended
from scripts.flow.regress.record import FAILED, NOT_RUN, PASSED, TIMEOUT, WORDS, JobRecord
from scripts.flow.regress.worker import OUTCOME_FILE

LOG = "log.txt"
HEADER = ("job     ", "seed    ", "repeat  ")     # what the runner puts in front of a job's output
TAIL_LINES, BENCH_LINES = 15, 60
TAIL_BYTES = 32_768
STACK = "Current thread 0x"     # how faulthandler begins
STACK_LINES, FRAMES = 200, 8
MESSAGE_CHARS = 8_000


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
            return {key: data[key] for key in ("passed", "message", "metrics", "digest", "tests", "log", "waves")}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _with_tail(problem: str, folder: Path) -> str:
    """The problem and the log's end, which after a time-out or a crash shows where Python stood."""
    tail = [line for line in log_tail(folder / LOG, STACK_LINES) if line.strip() and not line.startswith(HEADER)]
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
    elif outcome["passed"] and end.code == 0:
        job.status, job.message = PASSED, outcome["message"]
    else:
        job.status = FAILED
        late = [f"the job's process ended with {ended(end.code)} after its tests"] if end.code else []
        job.message = "\n".join([*late, *([] if outcome["passed"] and late else [outcome["message"]])])
    job.message = job.message[:MESSAGE_CHARS]
