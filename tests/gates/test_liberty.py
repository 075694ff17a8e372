"""The reader of Liberty files, and the cells that are made of what it reads."""

from __future__ import annotations

import lzma
from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from scripts.flow.gates.cells import FALL, RISE, Table, Tables, load
from scripts.flow.gates.liberty import read, text_of
from tests.gates.small_library import LIBRARY


def written(folder: Path, text: str, name: str = "small.lib") -> Path:
    """A file with this text."""
    (folder / name).write_text(text)
    return folder / name


def test_values_lists_and_groups_are_read(tmp_path: Path) -> None:
    tree = read(written(tmp_path, LIBRARY))
    assert tree.name == "small" and tree.values["time_unit"] == "1ps" and tree.list_of("capacitive_load_unit") == ("1", "ff")
    assert [cell.name for cell in tree.all("cell")] == ["INV", "BUF", "NAND2", "DFF"]
    nand = list(tree.all("cell"))[2]
    assert [pin.values.get("function") for pin in nand.all("pin")] == [None, None, "!(A*B)"]


def test_what_is_written_reads_the_same(tmp_path: Path) -> None:
    tree = read(written(tmp_path, LIBRARY))
    assert read(written(tmp_path, text_of(tree), "again.lib")) == tree


def test_continued_lines_comments_and_missing_semicolons(tmp_path: Path) -> None:
    text = 'library (x) {\n // one\n a : 1\n b : "two words" ;\n values ( \\\n "1, 2", \\\n "3, 4" \\\n );\n g () { }\n}\n'
    tree = read(written(tmp_path, text))
    assert tree.values == {"a": "1", "b": "two words"} and tree.list_of("values") == ("1, 2", "3, 4")
    assert [group.kind for group in tree.groups] == ["g"]


def test_a_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "small.lib.xz"
    path.write_bytes(lzma.compress(LIBRARY.encode()))
    assert read(path) == read(written(tmp_path, LIBRARY))


@pytest.mark.parametrize(("text", "said"), [
    ("module x; endmodule", "line 1"), ("library (x) {\n a : 1;\n", "the end of the file"), ("cell (x) { }", "holds a cell"),
    ('library (x) { a : "open; }', "quotation mark"), ("", "the end of the file"), ("library (x) { ( }", "'('"),
])
def test_what_is_no_liberty_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FcimError, match="give a Liberty file") as raised:
        read(written(tmp_path, text))
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_not_compressed(tmp_path: Path) -> None:
    for path in (tmp_path / "none.lib", written(tmp_path, "no", "x.lib.xz")):
        with pytest.raises(FcimError, match="cannot be read"):
            read(path)


def test_cells_have_areas_loads_and_arcs(tmp_path: Path) -> None:
    cells = load(written(tmp_path, LIBRARY)).cells
    assert cells["NAND2"].inputs == {"A": 2.0, "B": 3.0} and cells["NAND2"].outputs == ("Y",) and cells["NAND2"].area == 2
    assert {(a.source, a.source_edge, a.target_edge) for a in cells["INV"].arcs} == {("A", RISE, FALL), ("A", FALL, RISE)}
    assert {(a.source, a.source_edge, a.target_edge) for a in cells["BUF"].arcs} == {("A", RISE, RISE), ("A", FALL, FALL)}
    assert {(a.kind, a.target, a.target_edge) for a in cells["DFF"].arcs} == {
        (kind, pin, edge) for kind, pin in (("launch", "Q"), ("setup", "D")) for edge in (RISE, FALL)}
    assert cells["DFF"].clock == "CLK" and cells["INV"].clock is None


def test_units_are_ps_and_ff(tmp_path: Path) -> None:
    slow = LIBRARY.replace('"1ps"', '"1ns"').replace("(1, ff)", "(1, pf)")
    cell = load(written(tmp_path, slow)).cells["INV"]
    assert cell.inputs["A"] == 1000.0
    assert cell.arcs[0].delay.values[0, 0] == 10_000.0 and list(cell.arcs[0].delay.second) == [0.0, 100_000.0]


def test_an_incomplete_library_is_refused(tmp_path: Path) -> None:
    for gone in ('time_unit : "1ps";', "area : 1;", "capacitive_load_unit (1, ff);"):
        with pytest.raises(FcimError, match="not complete"):
            load(written(tmp_path, LIBRARY.replace(gone, "")))


def test_tables_are_bilinear_and_go_straight_on() -> None:
    plane = Table(np.array([0.0, 10.0, 30.0]), np.array([0.0, 1.0]), np.array([[0.0, 1.0], [10.0, 11.0], [30.0, 31.0]]))
    flat = Table(np.zeros(1), np.zeros(1), np.array([[7.0]]))
    line = Table(np.zeros(1), np.array([0.0, 2.0, 4.0]), np.array([[0.0, 2.0, 8.0]]))
    tables = Tables([plane, flat, line])
    x, y = np.array([5.0, 20.0, 60.0, 3.0, 9.0, 9.0]), np.array([0.5, 0.0, 3.0, 8.0, 1.0, 5.0])
    assert tables.at(np.array([0, 0, 0, 1, 2, 2]), x, y).tolist() == pytest.approx([5.5, 20.0, 63.0, 7.0, 1.0, 11.0])


def test_the_axes_of_a_table_may_be_exchanged(tmp_path: Path) -> None:
    other = LIBRARY.replace("variable_1 : input_net_transition", "variable_1 : total_output_net_capacitance", 1).replace(
        "variable_2 : total_output_net_capacitance", "variable_2 : input_net_transition", 1)
    plain, turned = (load(written(tmp_path, text)).cells["INV"].arcs[0].delay for text in (LIBRARY, other))
    assert turned.values.tolist() == plain.values.T.tolist()
