"""What every command that starts processes needs: to end without a trace however it ends, and to keep apart from its like.

:func:`of_its_own` is what a command's ``main`` puts around its work. :class:`Stop` is for commands that end in order on a signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from multiprocessing import resource_tracker
from pathlib import Path

from models.errors import FcimError
from models.place import PLACE
from scripts.flow import strays

LOCK = ".lock"
ELSEWHERE = "work in a copy of the project that you may write to"
PR_SET_PDEATHSIG = 1    # of Linux
FOLDERS = "run-"        # how the folders of runs begin
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "terminal closed"}
WORK = "FCIM_WORK"      # in the environment: the folder of the run, for what is written there for a moment


class Ended(BaseException):
    """A signal ended this command's work; :func:`of_its_own` turns it into the exit code."""

    def __init__(self, number: int) -> None:
        super().__init__(SIGNALS[signal.Signals(number)])
        self.code = 128 + number


_ending: Ended | None = None


def shown(path: Path) -> str:
    """A path as the user would type it, in a checkout from its root."""
    return str(path.relative_to(PLACE) if path.is_relative_to(PLACE) else path)


def new_mark() -> str:
    """A mark that no other run has."""
    return f"{os.getpid()}.{time.time_ns()}"


def with_mark(mark: str) -> str:
    """The value of ``strays.VARIABLE`` for a process that belongs to ``mark`` and to all that this process belongs to."""
    outer = os.environ.get(strays.VARIABLE)
    return f"{outer}/{mark}" if outer else mark


def _resource_tracker() -> int | None:
    """The process that keeps multiprocessing's accounts; it ends with this one, and Python complains if it is gone before."""
    return getattr(resource_tracker._resource_tracker, "_pid", None)


@contextlib.contextmanager
def guard(mark: str, *folders: Path) -> Iterator[None]:
    """While inside, a small process waits for this one's death, even by SIGKILL.

    Then it kills all that belongs to ``mark`` or its parts ``mark-...`` and removes ``folders``.
    """
    read_end, write_end = os.pipe()
    process = subprocess.Popen([sys.executable, "-I", "-S", strays.__file__, mark, *map(str, folders)], stdin=read_end,
                               start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(read_end)
    message = b"done"
    try:
        yield
    except BaseException:
        message = str(_resource_tracker() or 0).encode()
        raise
    finally:
        with contextlib.suppress(OSError):
            os.write(write_end, message)
        os.close(write_end)
        process.wait()


def end_with_make() -> None:
    """If make started this process, its death, even by SIGKILL, is SIGTERM for this one, which would else go on alone."""
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Stop:
    """Set by Ctrl-C, SIGTERM, SIGHUP or a closed output; the run looks at it and ends in order."""

    def __init__(self) -> None:
        self.reason = ""
        self.signal: int | None = None

    def request(self, reason: str, number: int | None = None) -> None:
        """Ask the run to end; the first reason stays, with the signal that it came by."""
        if not self.reason:
            self.reason, self.signal = reason, number

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """While inside, those signals set the reason and do nothing else."""
        end_with_make()
        before = {number: signal.signal(number, lambda n, _: self.request(SIGNALS[signal.Signals(n)], n)) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def check_not_ending() -> None:
    """To be called before a process is started: a signal may have come meanwhile, in another thread.

    Raises:
        Ended: a signal has ended this command's work.
    """
    if _ending is not None:
        raise _ending


def _kill(mark: str) -> None:
    """Kill all that belongs to ``mark``, except multiprocessing's resource tracker."""
    strays.kill_marked(mark, spared=_resource_tracker())


@contextlib.contextmanager
def _ended_by_signals(mark: str) -> Iterator[None]:
    """While inside, the first signal kills what belongs to ``mark`` and unwinds; a second one ends the process at once."""
    def end(number: int, _: object) -> None:
        global _ending
        if _ending is not None:
            os._exit(_ending.code)      # the guard cleans up
        _ending = Ended(number)
        _kill(mark)
        raise _ending

    global _ending
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    end_with_make()
    before = {number: signal.signal(number, end) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _ending = None


@contextlib.contextmanager
def _new_folder(parent: Path) -> Iterator[Path]:
    """A fresh folder in ``parent``, removed at the end; those of runs that were killed with their guard are removed first."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        place = os.open(parent, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX)
            for old in parent.glob(f"{FOLDERS}*"):
                with contextlib.suppress(OSError), _locked_folder(old):
                    shutil.rmtree(old, ignore_errors=True)
            folder = Path(tempfile.mkdtemp(dir=parent, prefix=FOLDERS))
            held = os.open(folder, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_EX)
        finally:
            os.close(place)
    except OSError as error:
        raise FcimError(f"cannot write to {shown(parent)} ({error.strerror}); {ELSEWHERE}") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


@contextlib.contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    """Only where nobody else holds the folder's lock, which ends with its holder; else OSError."""
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(place)


@contextlib.contextmanager
def _variables(given: Mapping[str, str]) -> Iterator[None]:
    """While inside, the environment holds these."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def of_its_own(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` for this run alone, and processes that end with it.

    Whatever this process starts while inside is killed, and the folder removed, when it leaves by an exception, by Ctrl-C, by
    SIGTERM or SIGHUP (exit code 128 + the signal's number), or is killed by SIGKILL. Move out of the folder what is to stay.
    FCIM_WORK of the environment names the folder. It is an absolute path, since simulators run elsewhere.

    Raises:
        FcimError: ``parent`` cannot be written.
    """
    mark = new_mark()
    with (_new_folder(parent.absolute()) as folder, guard(mark, folder), _ended_by_signals(mark),
          _variables({strays.VARIABLE: with_mark(mark), WORK: str(folder)})):
        try:
            yield folder
        except BaseException as error:
            _kill(mark)
            if not isinstance(error, Ended):
                raise
            with contextlib.suppress(OSError, ValueError):      # nobody may read any more
                print(error, file=sys.stderr, flush=True)
            raise SystemExit(error.code) from None


@contextlib.contextmanager
def locked(folder: Path, what: str, remedy: str = "", chosen: bool = False) -> Iterator[None]:
    """Only one ``what`` at a time writes to ``folder``; the lock ends with its holder, however that ends.

    ``chosen``: the folder is what OUT names, so that another one is a way out; ``remedy`` is said instead of "wait for its end".

    The file of the lock stays: who removes all else in the folder must keep :data:`LOCK`.

    Raises:
        FcimError: there is another one, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("w")
    except OSError as error:
        way_out = "choose another OUT" if chosen else ELSEWHERE
        raise FcimError(f"cannot write to {shown(folder)} ({error.strerror}); {way_out}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            remedy = remedy or ("wait for its end or choose another OUT" if chosen else "wait for its end")
            raise FcimError(f"another {what} is writing to {shown(folder)}; {remedy}") from None
        yield
