"""The one exception that a user's mistake raises, and the wrapper that turns it into one clear line."""

from __future__ import annotations

import errno
import os
import select
import sys
from collections.abc import Callable

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130
EXIT_NOBODY_READS = 141     # what a program that SIGPIPE ends gives to the shell
# what a machine refuses, not what a program got wrong
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


class FcimError(Exception):
    """A mistake in the input. The message is one line: what is wrong and how to mend it."""


def note(line: str) -> None:
    """Tell the user on stderr what was decided for them; the command goes on."""
    print(f"note: {line}", file=sys.stderr, flush=True)


def run_cli(main: Callable[[], int]) -> None:
    """Run a command's ``main`` and exit with its code.

    One line and exit code 2 for an :class:`FcimError` and for what the machine refuses (a read-only folder, a full disk);
    130 after an interruption; 141, silently, where nobody reads the output any more. What else goes wrong is a fault of the
    program and keeps its traceback.
    """
    settle_streams()
    try:
        if sys.flags.optimize:
            raise FcimError("PYTHONOPTIMIZE (or python -O) leaves out the checks that this project relies on; unset it")
        code = main()
        sys.stdout.flush()
    except FcimError as error:
        code = _refuse(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        if not _nobody_reads(sys.stdout):
            raise
        code = EXIT_NOBODY_READS
    except SystemExit as stop:
        if not isinstance(stop.__context__, BrokenPipeError):   # rich turns a closed pipe into an exit with 1
            raise
        code = EXIT_NOBODY_READS
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        code = _refuse(refusal(error))
    if code in (EXIT_NOBODY_READS, EXIT_BAD_INPUT):
        _silence(sys.stdout)
    sys.exit(code)


def refusal(error: OSError) -> str:
    """What the machine refused, as one line with what can be done about it."""
    reason = os.strerror(error.errno or 0)
    if error.filename is None:
        return f"cannot write the output ({reason}); make room, or let it go somewhere else"
    path = os.path.abspath(os.fsdecode(error.filename))
    where = os.path.relpath(path) if path.startswith(os.getcwd() + os.sep) else path
    mend = "make room there" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "change its permissions"
    return f"cannot use {where} ({reason}); {mend}, or work in a copy of the project elsewhere"


def settle_streams() -> None:
    """Make the three standard streams usable: one that is closed goes nowhere, a character without a code becomes a ?."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number, so this one; without it the first file to be opened would get the output
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _refuse(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return EXIT_BAD_INPUT


def _nobody_reads(stream: object) -> bool:
    """Whether the reader of a pipe is gone."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except (OSError, ValueError, AttributeError):
        return False


def _silence(stream: object) -> None:
    """Let go what is still to be written, which Python would try again at its end."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
