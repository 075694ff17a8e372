"""The helper that makes faulty copies of the RTL."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.sources import ROOT, rtl_files
from tb.common.mutation import faulty_sources, mutated_sources

FILE = "rtl/softmax/fcim_exp2.v"


def test_only_the_copy_differs(tmp_path: Path) -> None:
    original = (ROOT / FILE).read_text()
    sources = mutated_sources(tmp_path, FILE, "module fcim_exp2 ", "module fcim_exp3 ")
    changed = [(old, new) for old, new in zip(rtl_files(), sources, strict=True) if old != new]
    assert [(old, new.parent.parent) for old, new in changed] == [(ROOT / FILE, tmp_path)]
    assert changed[0][1].read_text() == original.replace("module fcim_exp2 ", "module fcim_exp3 ")
    assert (ROOT / FILE).read_text() == original
    assert {path.name for path in (ROOT / FILE).parent.glob("*.vh")} <= {path.name for path in changed[0][1].parent.iterdir()}


def test_several_faults(tmp_path: Path) -> None:
    """Two in one file, one in another."""
    other = "rtl/core/fcim_counters.v"
    sources = faulty_sources(tmp_path, [(FILE, "module fcim_exp2 ", "module a "), (other, "module fcim_counters ", "module b "),
                                        (FILE, "\nendmodule", "\nend")])
    changed = {old: new.read_text() for old, new in zip(rtl_files(), sources, strict=True) if old != new}
    exp2, counters = (ROOT / FILE).read_text(), (ROOT / other).read_text()
    assert changed == {ROOT / FILE: exp2.replace("module fcim_exp2 ", "module a ").replace("\nendmodule", "\nend"),
                       ROOT / other: counters.replace("module fcim_counters ", "module b ")}


@pytest.mark.parametrize(("file", "old", "new", "message"), [
    (FILE, "no such text", "x", "occurs 0 times"),
    (FILE, "input  wire", "x", "times in rtl/softmax/fcim_exp2.v, not once"),
    (FILE, "module fcim_exp2 ", "module fcim_exp2 ", "changes nothing"),
    ("rtl/no_such_file.v", "a", "b", "is not in fusioncim.f"),
])
def test_a_fault_that_is_none_is_refused(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        mutated_sources(tmp_path, file, old, new)
