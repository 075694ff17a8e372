"""The list of Verilog files: ``rtl/files.f`` is the only one."""

from __future__ import annotations

from pathlib import Path

from models.errors import FcimError

ROOT = Path(__file__).resolve().parents[1]
FILE_LIST = ROOT / "rtl" / "files.f"


def rtl_files() -> list[Path]:
    """The Verilog files of ``rtl/files.f``, in order; ``//`` starts a comment, paths are relative to the project root.

    Raises:
        FcimError: the list is missing, empty, or names a file that does not exist.
    """
    if not FILE_LIST.is_file():
        raise FcimError("rtl/files.f is missing; restore it from version control")
    names = [line.split("//")[0].strip() for line in FILE_LIST.read_text().splitlines()]
    files = [ROOT / name for name in names if name]
    if not files:
        raise FcimError("rtl/files.f names no file; add one path a line")
    for path in files:
        if not path.is_file():
            raise FcimError(f"rtl/files.f names {path.relative_to(ROOT)}, which does not exist; mend the list")
    return files
