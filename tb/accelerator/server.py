"""The accelerator's RTL as something that answers calls: one simulation, in a process of its own, serves all of them.

Calls and answers go through a socket (``multiprocessing.connection``) to ``bench_server.py``. A thread starts the simulation and
waits for its end; whatever ends it, the socket ends too, so that nobody waits for an answer that cannot come.
"""

from __future__ import annotations

import os
import pickle
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy as np

from models.errors import FcimError
from models.system.call import Call
from models.system.config import SystemConfig
from models.system.descriptor import Status
from models.system.layout import lay_out
from scripts.flow.processes import Ended, shown
from scripts.flow.simulator import BenchFailed, BenchResult, RunOptions, run_bench
from tb.accelerator.run import TOP, Pace, cycle_budget, simulation

BENCH = "tb.accelerator.bench_server"
PACE = Pace()
LONGEST_ADDRESS = 100   # bytes of the path of a socket; where it would be longer, it lies in the system's temporary folder
LEAST_ROOM = 1 << 20    # bytes of memory, so that short runs share a build


class SimulationFailed(Exception):
    """The RTL, or its simulation, did what it must not do; the message is one line."""


@dataclass(frozen=True)
class Answer:
    """``O`` int16 ``[query heads, tokens, head_dim]`` of a call, and its cycles from the accelerator's own counter."""

    out: np.ndarray
    cycles: int


@dataclass
class _Run:
    """The simulation in its thread: how it ended."""

    result: BenchResult | None = None
    error: BaseException | None = None
    thread: threading.Thread = field(init=False)

    def start(self, address: str, parameters: dict[str, int], options: RunOptions) -> None:
        def work() -> None:
            try:
                self.result = run_bench(TOP, BENCH, parameters, options)
            except BaseException as error:      # whoever waits for an answer tells it
                self.error = error
            finally:
                with suppress(OSError):         # if the bench never came, somebody still waits for it
                    Client(address).close()

        self.thread = threading.Thread(target=work, name="simulation", daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Wait for it.

        Raises:
            FcimError: no simulator, or a build that failed. SimulationFailed: the bench failed.
        """
        self.thread.join()
        if isinstance(self.error, BenchFailed):
            found = self.error.result
            why = found.failures[0].removeprefix("serve: ") if found.failures else "the simulator died"
            raise SimulationFailed(f"the simulation of the accelerator failed: {why}; its log is {shown(found.log)}")
        if isinstance(self.error, FcimError):
            raise FcimError(str(self.error).splitlines()[0])
        if self.error is not None and not isinstance(self.error, Ended):
            raise self.error


@dataclass
class Server:
    """A simulation that waits for calls."""

    system: SystemConfig
    line: Connection
    run: _Run

    def send(self, call: Call) -> None:
        """Order a call; the next thing to do is :meth:`receive`, but meanwhile the simulation runs.

        Raises:
            SimulationFailed: it has ended.
        """
        try:
            self.line.send_bytes(pickle.dumps((call, cycle_budget(self.system, call.stream_keys(self.system)))))
        except OSError:
            self._ended()

    def receive(self) -> Answer:
        """The answer to the call that was sent.

        Raises:
            SimulationFailed: there is none, since the simulation ended or the accelerator refused the call.
        """
        try:
            status, cycles, out = pickle.loads(self.line.recv_bytes())
        except (EOFError, OSError):
            self._ended()
        if status:
            raise SimulationFailed(f"the accelerator ended a call with status {status}: {Status(status).meaning}")
        return Answer(out, cycles)

    def _ended(self) -> None:
        self.run.end()
        raise SimulationFailed("the simulation of the accelerator ended before its time")


def _room(system: SystemConfig, largest: Sequence[Call]) -> int:
    return max(LEAST_ROOM, max(lay_out(system, call, 0, 0).o.end for call in largest) + (1 << 16))


@contextmanager
def served(system: SystemConfig, largest: Sequence[Call], options: RunOptions, folder: Path) -> Iterator[Server]:
    """The accelerator ``system``, built if need be, with memory for the ``largest`` calls of each kind that will come; the socket
    lies in ``folder``.

    Raises:
        FcimError: a call does not fit the accelerator, no simulator, or the build failed. SimulationFailed: it ended badly.
    """
    by_block = options.sim == "verilator" and options.sources is None and system.engines > 1
    parameters, options = simulation(system, _room(system, largest), 2, options, by_block)
    address = str(folder / "calls")
    with Listener(address if len(os.fsencode(address)) <= LONGEST_ADDRESS else None, "AF_UNIX") as listener:
        run = _Run()
        run.start(listener.address, parameters, replace(
            options, extra_env={**options.extra_env, "ACCELERATOR_ADDRESS": listener.address}))
        with listener.accept() as line:
            server = Server(system, line, run)
            try:
                line.send_bytes(pickle.dumps((system, PACE)))
            except OSError:
                server._ended()
            yield server
            with suppress(OSError):
                line.send_bytes(pickle.dumps(None))
        run.end()
    if run.result is not None:      # its folder stays only where it failed
        _remove(run.result.log.parent)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.lock").unlink(missing_ok=True)
