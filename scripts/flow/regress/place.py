"""Where jobs run: what the pool asks of such a place, and this machine as one. Others are in ``launch`` and ``farm``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.flow.regress.job import JOB_FILE, LOG
from scripts.flow.regress.process import Exit, JobProcess

POLL_S = 0.05
# A runner gives jobs on other machines a sign every BEAT_S; without a new one for LEASE_S they end.
BEAT_S, LEASE_S, LEAST_LEASE_S = 1.0, 30.0, 3.0
COVERAGE = "FCIM_COVERAGE"      # in a job's environment: the folder for its coverage data


@dataclass(frozen=True)
class Task:
    """A job that is to start: its ``folder`` with its description and the head of its log, the ``mark`` of all its processes,
    what its ``environment`` holds besides, seconds that it may take, and the folder for its coverage data, or None.
    """

    folder: Path
    mark: str
    environment: Mapping[str, str]
    timeout: float
    coverage: Path | None = None

    @property
    def log(self) -> Path:
        """The job's log."""
        return self.folder / LOG


class Running(Protocol):
    """A job under way; :class:`JobProcess` is one. ``worker`` names the machine, None where it is this one or not known yet."""

    log: Path
    worker: str | None

    @property
    def seconds(self) -> float:
        """Wall time so far."""

    def stop(self, why: str) -> None:
        """Ask it to end."""

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs; once it ended nothing that it started is alive, and its files are in place."""


class Place(Protocol):
    """Starts jobs. ``problem`` says why no job can go on here, "" while all is well."""

    problem: str

    @property
    def workers(self) -> int:
        """How many jobs at a time."""

    def free(self) -> bool:
        """Whether another job can start now."""

    def start(self, task: Task) -> Running:
        """Start it.

        Raises:
            FcimError: it cannot be started.
        """

    def close(self) -> None:
        """Nothing runs any more; let go of what the place holds."""


def job_command(folder: Path) -> list[str]:
    """What runs the job of a folder."""
    return [sys.executable, "-m", "scripts.flow.regress.worker", str(folder / JOB_FILE)]


def start_here(task: Task) -> JobProcess:
    """The job as a process of this machine."""
    given = {**task.environment, **({COVERAGE: str(task.coverage)} if task.coverage else {})}
    return JobProcess(job_command(task.folder), task.log, task.mark, given, task.timeout)


def keep(process: JobProcess, unwanted: Callable[[], str]) -> Exit:
    """Wait for the end of a job that somebody on another machine wants; stop it when ``unwanted`` gives a reason."""
    while (end := process.poll()) is None:
        if why := unwanted():
            process.stop(why)
        time.sleep(POLL_S)
    return end


class Here:
    """This machine, ``workers`` jobs at a time."""

    problem = ""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def free(self) -> bool:
        """The pool counts by itself."""
        return True

    def start(self, task: Task) -> JobProcess:
        """A process of its own."""
        return start_here(task)

    def close(self) -> None:
        """Nothing is held."""
