"""RTL with deliberate faults, to show that a bench notices them. The files of ``rtl/`` are never changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from scripts.flow.sources import ROOT, rtl_files


def mutated_sources(tmp_path: Path, file: str, old: str, new: str) -> list[Path]:
    """The files of ``fusioncim.f`` with one fault, see :func:`faulty_sources`."""
    return faulty_sources(tmp_path, [(file, old, new)])


def faulty_sources(tmp_path: Path, faults: Iterable[tuple[str, str, str]]) -> list[Path]:
    """The files of ``fusioncim.f``, those with faults replaced by copies in ``tmp_path`` in which ``old`` reads ``new``.

    The headers beside a file are copied with it, so that its include lines still find them. Give ``run_bench`` a
    ``build_root`` below ``tmp_path`` too: the copies' paths are new in each run, and so would be its build.

    Args:
        faults: ``(file, old, new)``: path from the project root, as in ``fusioncim.f``, and text that occurs exactly once in it.

    Raises:
        AssertionError: ``old`` does not occur exactly once (the RTL has changed: choose another fault), ``new`` changes
            nothing, or the file is not in the list.
    """
    files, folder = rtl_files(), tmp_path / "mutant"
    folder.mkdir(exist_ok=True)
    texts: dict[Path, str] = {}
    for file, old, new in faults:
        source = ROOT / file
        assert source in files, f"{file} is not in fusioncim.f"
        text = texts.get(source) or source.read_text()
        count = text.count(old)
        assert count == 1, f"the fault's place occurs {count} times in {file}, not once: {old!r}"
        assert old != new, f"the fault changes nothing: {old!r}"
        texts[source] = text.replace(old, new)
    for source, text in texts.items():
        for header in source.parent.glob("*.vh"):
            shutil.copy(header, folder)
        (folder / source.name).write_text(text)
    return [folder / path.name if path in texts else path for path in files]


def check_fault(folder: Path, fault: tuple[str, str, str], message: str, top: str, bench: str, parameters: Mapping[str, int],
                options: RunOptions) -> None:
    """``bench`` must fail on RTL with ``fault``, for a reason that matches ``message``.

    Args:
        folder: where the faulty copy and its build go.
        fault: file, old text and new text, see :func:`faulty_sources`.
        options: the seed, and by ``testcase`` the tests of the bench that must find it.
    """
    options = replace(options, sources=faulty_sources(folder, [fault]), build_root=folder / "build")
    with pytest.raises(BenchFailed, match=message):
        run_bench(top, bench, parameters, options)
