"""Finds and kills what a run left behind, and, run as a program, does so for a command that died.

A run's processes are known by a mark in their environment, which children inherit whatever session or parent they end up with.
Needs nothing but the standard library, so that it starts at once: ``python -I -S strays.py MARK [FOLDER]`` waits for the end of
its standard input; "done" there means that the command ended by itself. Otherwise it kills, and removes FOLDER; a number there is
the one process that the command still needs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

VARIABLE = "FCIM_JOB"       # marks of the runs that a process belongs to, outermost first: a job may run a regression of its own
QUIET_ROUNDS = 3            # a process between fork and exec has no mark yet; look again
ROUND_S = 0.1
LIMIT_S = 10.0


def marked(mark: str) -> list[int]:
    """Ids of the living processes that belong to ``mark`` or to one of its parts ``mark-...``; none where there is no /proc."""
    found = []
    wanted, part = mark.encode(), mark.encode() + b"-"
    prefix = VARIABLE.encode() + b"="
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    for number in numbers:
        try:
            with open(f"/proc/{number}/environ", "rb") as file:
                environment = file.read()
        except OSError:     # gone meanwhile, or another user's
            continue
        for item in environment.split(b"\0"):
            if item.startswith(prefix):
                if any(m == wanted or m.startswith(part) for m in item[len(prefix):].split(b"/")):
                    found.append(int(number))
                break
    return [pid for pid in found if pid != os.getpid()]


def kill_marked(mark: str, quiet_rounds: int = 1, spared: int | None = None) -> int:
    """Kill all but ``spared`` until ``quiet_rounds`` looks in a row find nothing; gives how many processes were killed."""
    killed: set[int] = set()
    quiet, end = 0, time.monotonic() + LIMIT_S
    while quiet < quiet_rounds and time.monotonic() < end:
        found = [pid for pid in marked(mark) if pid != spared]
        quiet = 0 if found else quiet + 1
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
        if quiet < quiet_rounds:
            time.sleep(ROUND_S)
    return len(killed)


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if (message := sys.stdin.buffer.read()) != b"done":
        kill_marked(sys.argv[1], QUIET_ROUNDS, int(message or 0))
        for folder in sys.argv[2:]:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
