"""Text that every machine has: the Python standard library's own sources.

Used to train the fixture model and, on held-out files, to capture its attention tensors. Files are
split by a hash of their path, so that the split does not depend on the order of a directory listing.
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

HELD_OUT_SHARE = 0.05
_SKIP = {"test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__", "ensurepip", "turtledemo"}


def stdlib_files() -> list[Path]:
    """Every ``.py`` file of the running interpreter's standard library, tests and third-party left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = []
    for folder, below, names in os.walk(root):
        below[:] = set(below) - _SKIP   # not even looked into: third-party packages may be many
        files += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(files, key=lambda p: p.relative_to(root).as_posix())


def is_held_out(path: Path) -> bool:
    """Whether a standard-library file belongs to the held-out share (never trained on)."""
    root = Path(sysconfig.get_paths()["stdlib"])
    digest = hashlib.sha256(path.relative_to(root).as_posix().encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < HELD_OUT_SHARE


def _sources(held_out: bool) -> Iterator[bytes]:
    return (p.read_bytes() for p in stdlib_files() if is_held_out(p) is held_out)


def load_corpus(held_out: bool) -> list[bytes]:
    """The sources of one side of the split, one ``bytes`` object per file, in path order."""
    return list(_sources(held_out))


def default_text(n_bytes: int) -> str:
    """At least ``n_bytes`` of held-out source text (fewer only if the whole held-out share is shorter)."""
    pieces: list[str] = []
    size = 0
    for data in _sources(held_out=True):
        pieces.append(data.decode("utf-8", errors="replace"))
        size += len(data)
        if size >= n_bytes:
            break
    return "".join(pieces)
