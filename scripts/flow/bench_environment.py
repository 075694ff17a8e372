"""The environment of a simulator and of its build: what is on a list, and nothing else that the caller's shell may hold.

Variables of cocotb, Python or a bench that happen to be set would otherwise choose tests, resolve X or take asserts out, and
turn a failing design green.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache

from models.place import BUILD
from scripts.flow import strays
from scripts.flow.sources import ROOT

# Where programs, libraries and temporary files are; language; the compiler cache; threads of NumPy; the mark of the run.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TZ", "LANG", "TMPDIR", "TMP", "TEMP", "LD_LIBRARY_PATH",
             "LD_PRELOAD", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "CONDA_PREFIX", "VIRTUAL_ENV",
             "OBJCACHE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", strays.VARIABLE,
             # what cocotb says in its log, not what it does
             "COCOTB_LOG_LEVEL", "COCOTB_REDUCED_LOG_FMT", "COCOTB_SCHEDULER_DEBUG", "GPI_LOG_LEVEL")
INHERITED_PREFIXES = ("LC_", "CCACHE_", "NIX_")
COMPILERS = ("g++", "c++", "clang++")
_one_at_a_time = threading.Lock()   # the environment belongs to the whole process


def is_inherited(name: str) -> bool:
    """Whether a simulator gets the variable from the caller."""
    return name in INHERITED or name.startswith(INHERITED_PREFIXES)


def _answer(*command: str) -> str:
    """What a program prints; "" if it cannot be run."""
    try:
        environment = {**os.environ, "LC_ALL": "C"}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> list[str]:
    """The processor's features."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            found = re.search(r"^(?:flags|Features)\s*:(.*)$", file.read(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).split() if found else [platform.processor()]


@cache
def machine() -> str:
    """Twelve digits that change with the processor's features and the compiler: ``-march=native`` runs nowhere else."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), "")
    parts = [platform.machine(), *sorted(set(_processor()))]
    if compiler:
        parts += [_answer(compiler, "--version"), _answer(compiler, "-march=native", "-Q", "--help=target")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def compiler_cache() -> dict[str, str]:
    """Variables of a compiler cache, if there is one; without them, what Verilator's own library costs is paid in every build.

    The cache takes ``-march=native`` literally, so its entries carry :func:`machine` in their names.
    """
    if not shutil.which("ccache"):
        return {}
    folder = {} if "CCACHE_DIR" in os.environ else {"CCACHE_DIR": str(BUILD / "ccache")}
    return {"OBJCACHE": os.environ.get("OBJCACHE", "ccache"), "CCACHE_NAMESPACE": machine(), **folder}


def _python_path() -> list[str]:
    """Where the simulator's Python looks: the project first, and what the caller's PYTHONPATH names last."""
    given = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    own = [p for p in sys.path if p and os.path.abspath(p) not in given]
    return list(dict.fromkeys([str(ROOT), *own, *given]))


@contextlib.contextmanager
def own_environment() -> Iterator[None]:
    """Inside, the process's environment and ``sys.path`` are those that a simulator and its build get; one thread at a time."""
    with _one_at_a_time:
        path, before = list(sys.path), dict(os.environ)
        given = compiler_cache()
        sys.path[:] = _python_path()
        for name in before:
            if not is_inherited(name):
                del os.environ[name]
        os.environ.update(given)
        try:
            yield
        finally:
            for name in given:
                os.environ.pop(name, None)
            os.environ.update(before)
            sys.path[:] = path
