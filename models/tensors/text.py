"""Text that every machine has: the Python standard library's own sources, and the prose of Python's own help.

The sources train the fixture model; on held-out files its attention tensors are captured. Files are split by a hash of their
path, so that the split does not depend on the order of a directory listing. The prose is split in the same way, by topic: one
side for a loss, the other for what is known before (statistics of a calibration).
"""

from __future__ import annotations

import hashlib
import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from models.errors import FcimError

CODE, PROSE = "code", "prose"
KINDS = {CODE: "held-out sources of the Python standard library", PROSE: "reference prose of Python's own help"}
"""The kinds of text that there are, and what each is."""

HELD_OUT_SHARE = 0.05
PROSE_HELD_OUT_SHARE = 0.75     # nothing is trained on prose, and a calibration needs little
_SKIP = {"test", "tests", "idlelib", "lib2to3", "site-packages", "__pycache__", "ensurepip", "turtledemo"}


def stdlib_files() -> list[Path]:
    """Every ``.py`` file of the running interpreter's standard library, tests and third-party left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = []
    for folder, below, names in os.walk(root):
        below[:] = set(below) - _SKIP   # not even looked into: third-party packages may be many
        files += [Path(folder, name) for name in names if name.endswith(".py")]
    return sorted(files, key=lambda p: p.relative_to(root).as_posix())


def _share(name: str) -> float:
    """A number from 0 to 1 that depends on nothing but the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def is_held_out(path: Path) -> bool:
    """Whether a standard-library file belongs to the held-out share (never trained on)."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return _share(path.relative_to(root).as_posix()) < HELD_OUT_SHARE


def _sources(held_out: bool) -> Iterator[bytes]:
    return (p.read_bytes() for p in stdlib_files() if is_held_out(p) is held_out)


def load_corpus(held_out: bool) -> list[bytes]:
    """The sources of one side of the split, one ``bytes`` object per file, in path order."""
    return list(_sources(held_out))


def load_prose(held_out: bool) -> list[str]:
    """The topics of one side of the prose's split, in the order of their names.

    The help repeats whole sections under several names. A paragraph that an earlier topic had, of either side, is left out: so no
    passage is scored twice, and none is known before.

    Raises:
        FcimError: this Python comes without the text of its help.
    """
    try:
        from pydoc_data.topics import topics  # late: some distributions pack it apart
    except ImportError:
        raise FcimError("this Python comes without pydoc_data, the text of its help, which is the prose to run on;"
                        " install it or give TEXT=") from None
    seen: set[str] = set()
    kept: list[str] = []
    for name in sorted(topics):
        paragraphs = []
        for paragraph in topics[name].split("\n\n"):
            words = " ".join(paragraph.split())
            if words not in seen:
                paragraphs.append(paragraph)
            seen.add(words)
        if paragraphs and (_share(name) < PROSE_HELD_OUT_SHARE) is held_out:
            kept.append("\n\n".join(paragraphs))
    return kept


def default_text(n_bytes: int, kind: str = CODE) -> str:
    """At least ``n_bytes`` of held-out text of a kind (fewer only if the whole held-out share is shorter)."""
    pieces: list[str] = []
    size = 0
    for data in _sources(held_out=True) if kind == CODE else (f"{topic}\n\n".encode() for topic in load_prose(held_out=True)):
        pieces.append(data.decode("utf-8", errors="replace"))
        size += len(data)
        if size >= n_bytes:
            break
    return "".join(pieces)
