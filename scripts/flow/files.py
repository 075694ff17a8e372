"""Writing files so that a reader never sees half of one, nor files of two runs side by side."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.errors import FcimError


def write_atomic(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` through a temporary file beside it; its folder is made if it is missing.

    Raises:
        FcimError: the folder or file cannot be written; ``path`` is then as it was.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8") as file:
            temporary = Path(file.name)
            file.write(text)
        temporary.chmod(0o644)  # the temporary file is private; the report is not
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise FcimError(f"cannot write {path} ({error.strerror or error}); choose a folder that you may write to") from None


def check_writable(folder: Path, name: str = "OUT") -> None:
    """Make ``folder`` if it is not there; called before the work, so that none is lost.

    Raises:
        FcimError: results cannot be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FcimError(f"{name} = {folder} cannot be written ({error.strerror}); name another folder") from None


@contextlib.contextmanager
def replaced(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """A folder to write into, whose files replace an earlier run's ``names`` in ``folder`` once all of them are there.

    Runs that end at the same time take turns, so that all files in ``folder`` are those of one of them.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as place:
        new = Path(place)
        yield new
        turn = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            for name in names:
                if not (new / name).exists():
                    (folder / name).unlink(missing_ok=True)
            for path in sorted(new.iterdir()):
                os.replace(path, folder / path.name)
        finally:
            os.close(turn)
