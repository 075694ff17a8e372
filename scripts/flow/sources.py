"""The list of Verilog files: ``fusioncim.f`` is the only one."""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import FcimError
from models.place import ROOT

FILE_LIST = ROOT / "fusioncim.f"
INCLUDE = "+incdir+"
REPLACED = "FCIM_RTL"     # in the environment: a folder; what lies in it under the name of a listed file stands for that file


def _entries() -> list[str]:
    """What the list says, a line each; ``//`` starts a comment.

    Raises:
        FcimError: the list is missing.
    """
    if not FILE_LIST.is_file():
        raise FcimError("fusioncim.f is missing; restore it from version control")
    lines = (line.split("//")[0].strip() for line in FILE_LIST.read_text().splitlines())
    return [line for line in lines if line]


def replacements() -> Path | None:
    """The folder whose files stand for those of the list, which the environment names while a fault is tried; else None."""
    folder = os.environ.get(REPLACED)
    return Path(folder).resolve() if folder else None


def rtl_files() -> list[Path]:
    """The Verilog files of ``fusioncim.f``, in order; its paths are relative to the project root. See :func:`replacements`.

    Raises:
        FcimError: the list is missing, empty, or names a file that does not exist.
    """
    files = [ROOT / name for name in _entries() if not name.startswith("+")]
    if not files:
        raise FcimError("fusioncim.f names no file; add one path a line")
    for path in files:
        if not path.is_file():
            raise FcimError(f"fusioncim.f names {path.relative_to(ROOT)}, which does not exist; mend the list")
    folder = replacements()
    if folder is None:
        return files
    there = [folder / path.relative_to(ROOT) for path in files]
    return [new if new.is_file() else path for new, path in zip(there, files, strict=True)]


def include_folders() -> list[Path]:
    """The folders of ``fusioncim.f`` in which included headers lie (``+incdir+FOLDER``).

    Raises:
        FcimError: the list is missing, or names a folder that does not exist.
    """
    folders = [ROOT / name[len(INCLUDE):] for name in _entries() if name.startswith(INCLUDE)]
    for folder in folders:
        if not folder.is_dir():
            raise FcimError(f"fusioncim.f names the folder {folder.relative_to(ROOT)}, which does not exist; mend the list")
    return folders


def headers() -> list[Path]:
    """The files in these folders that others include."""
    return sorted(path for folder in include_folders() for path in folder.glob("*.vh"))
