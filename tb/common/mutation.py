"""RTL with one deliberate fault, to show that a bench notices it. The files of ``rtl/`` are never changed."""

from __future__ import annotations

import shutil
from pathlib import Path

from scripts.rtl_list import ROOT, rtl_files


def mutated_sources(tmp_path: Path, file: str, old: str, new: str) -> list[Path]:
    """The files of ``rtl/files.f`` with ``file`` replaced by a copy in ``tmp_path`` in which ``old`` reads ``new``.

    The headers beside the file are copied with it, so that its include lines still find them. Give ``run_bench`` a
    ``build_root`` below ``tmp_path`` too: the copy's path is new in each run, and so would be its build.

    Args:
        file: path from the project root, as in ``rtl/files.f``.
        old: text that occurs exactly once in the file.

    Raises:
        AssertionError: ``old`` does not occur exactly once (the RTL has changed: choose another fault), ``new`` changes
            nothing, or the file is not in the list.
    """
    source = ROOT / file
    files = rtl_files()
    assert source in files, f"{file} is not in rtl/files.f"
    text = source.read_text()
    count = text.count(old)
    assert count == 1, f"the fault's place occurs {count} times in {file}, not once: {old!r}"
    assert old != new, f"the fault changes nothing: {old!r}"
    folder = tmp_path / "mutant"
    folder.mkdir(exist_ok=True)
    for header in source.parent.glob("*.vh"):
        shutil.copy(header, folder)
    copy = folder / source.name
    copy.write_text(text.replace(old, new))
    return [copy if path == source else path for path in files]
