"""What the reduction of a library keeps, merges and leaves out, and the library of the project itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from scripts.flow.gates.cells import load
from scripts.flow.gates.liberty import Group, read
from scripts.synth.libraries import FOLDER, all_settings, excluded
from scripts.synth.reduce_liberty import reduced
from tests.gates.small_library import LIBRARY, tables

TWICE = "timing () {{ related_pin : A; timing_sense : positive_unate; when : {when}; {tables} }}"


def parts(folder: Path, *texts: str) -> list[Group]:
    """Each text as a library of its own."""
    found = []
    for number, text in enumerate(texts):
        (folder / f"{number}.lib").write_text(text)
        found.append(read(folder / f"{number}.lib"))
    return found


def cell(text: str) -> str:
    """A library of one cell with a pin A and this at its output Y."""
    head = LIBRARY[:LIBRARY.index("cell (INV)")]
    return (f"{head} cell (X) {{ area : 3; pin (A) {{ direction : input; capacitance : 1; }} "
            f"pin (Y) {{ direction : output; {text} }} }} }}")


def test_parts_become_one_library_without_the_cells_that_are_not_used(tmp_path: Path) -> None:
    found = reduced(parts(tmp_path, LIBRARY, cell("")), ["NAND*"])
    assert [group.name for group in found.all("cell")] == ["BUF", "DFF", "INV", "X"]


def test_of_several_delays_the_largest_stays(tmp_path: Path) -> None:
    text = cell(TWICE.format(when="B", tables=tables(10)) + TWICE.format(when='"!B"', tables=tables(12)))
    pins = next(reduced(parts(tmp_path, text), []).all("cell")).all("pin")
    arcs, = (list(pin.all("timing")) for pin in pins if pin.name == "Y")
    assert len(arcs) == 1 and "when" not in arcs[0].values
    assert next(arcs[0].all("cell_rise")).list_of("values") == ("12,112", "12,112")


def test_of_several_energies_the_mean_stays(tmp_path: Path) -> None:
    energy = 'internal_power () {{ related_pin : A; when : {when}; rise_power (t) {{ values ("{e}, {e}", "{e}, {e}"); }} }}'
    text = cell(energy.format(when="B", e=1) + energy.format(when='"!B"', e=4))
    pins = next(reduced(parts(tmp_path, text), []).all("cell")).all("pin")
    powers, = (list(pin.all("internal_power")) for pin in pins if pin.name == "Y")
    assert len(powers) == 1 and next(powers[0].all("rise_power")).list_of("values") == ("2.5,2.5", "2.5,2.5")


def test_axes_that_differ_are_refused(tmp_path: Path) -> None:
    other = tables(10).replace("(t) {", '(t) { index_1 ("0, 50");')
    text = cell(TWICE.format(when="B", tables=tables(10)) + TWICE.format(when='"!B"', tables=other))
    with pytest.raises(FcimError, match="different axes"):
        reduced(parts(tmp_path, text), [])


def test_the_projects_library_is_complete() -> None:
    settings = all_settings()["asap7"]
    assert settings.file is not None and settings.file.stat().st_size < 1.5e6
    library = load(settings.file)
    assert {settings.nand2, settings.buffer} <= set(library.cells)
    assert not [name for name in library.cells if excluded(name, settings.dont_use)]
    text = settings.file.read_text()
    assert (FOLDER / "lib" / "ASAP7-LICENSE.txt").read_text().split("*/")[0].split("/*")[1].strip() in text
    for name, found in library.cells.items():
        assert found.area > 0 and found.inputs and found.outputs, name
        kinds = {arc.kind for arc in found.arcs}
        assert kinds == ({"launch", "setup"} if found.clock else {"combinational"}), name
        assert all(np.all(arc.delay.values > 0) for arc in found.arcs if arc.kind != "setup"), name
