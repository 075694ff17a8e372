"""The list of Verilog files, seeds, and the search for unseeded random numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow import sources
from scripts.flow.seeds import choose_seed, draw_seed, parse_seed
from scripts.flow.sources import ROOT, include_folders, rtl_files
from scripts.lint import find_unseeded


def test_list_names_every_verilog_file_once() -> None:
    assert sorted(rtl_files()) == sorted((ROOT / "rtl").rglob("*.v"))


def test_list_names_every_folder_of_headers() -> None:
    assert sorted(include_folders()) == sorted({path.parent for path in (ROOT / "rtl").rglob("*.vh")})


@pytest.mark.parametrize(("text", "message"), [
    (None, "fusioncim.f is missing"),
    ("// nothing\n\n", "names no file"),
    ("rtl/no_such_file.v // comment\n", "names rtl/no_such_file.v, which does not exist"),
    ("+incdir+rtl/nowhere\n", "names the folder rtl/nowhere, which does not exist"),
])
def test_bad_list_is_one_line(text: str | None, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.f"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(sources, "FILE_LIST", path)
    with pytest.raises(FcimError, match=message) as caught:
        include_folders()
        rtl_files()
    assert "\n" not in str(caught.value)


def test_seed_comes_from_argument_then_environment_then_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED", "41")
    assert (choose_seed(7), choose_seed()) == (7, 41)
    monkeypatch.setenv("SEED", "")
    assert choose_seed() != choose_seed()
    assert 0 <= draw_seed() < 2**32
    for bad in ("-1", "x", "1.5"):
        with pytest.raises(FcimError, match="is not a seed"):
            parse_seed(bad)


@pytest.mark.parametrize(("line", "found"), [
    ("np.random.seed(1)", True), ("x = np.random.rand(3)", True), ("import random", True), ("from random import choice", True),
    ("from numpy.random import normal", True), ("g = np.random.default_rng()", True), ("g = default_rng(None)", True),
    ("g = np.random.default_rng(seed)", False), ("from numpy.random import default_rng", False),
    ("g: np.random.Generator = default_rng([seed, 1])", False), ("x = g.integers(3)", False), ("x = (", True),
])
def test_unseeded_numbers_are_found(line: str, found: bool, tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(f"import numpy as np\n{line}\n")
    assert [text.split(":")[1] for text in find_unseeded(path, tmp_path)] == (["2"] if found else [])
