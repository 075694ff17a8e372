"""Static timing on netlists whose longest paths can be added up by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.gates.cells import Library, load
from scripts.flow.gates.fanout import MOST, limit_fanout
from scripts.flow.gates.netlist import Netlist, netlist_of
from scripts.flow.gates.timing import Conditions, End, Model, analyse
from tests.gates.small_library import LIBRARY

AT = Conditions(slew=20.0, load=4.0)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    path: Path = tmp_path_factory.mktemp("lib") / "small.lib"
    path.write_text(LIBRARY)
    return load(path)


def design(ports: dict[str, tuple[str, list[int]]], cells: dict[str, tuple[str, dict[str, list[int]]]],
           nets: dict[str, list[int]] | None = None) -> dict:
    """A module as yosys writes it; ``nets`` are named beside the ports."""
    names = {name: bits for name, (_, bits) in ports.items()} | (nets or {})
    return {"ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
            "cells": {name: {"type": kind, "connections": pins} for name, (kind, pins) in cells.items()},
            "netnames": {name: {"hide_name": 0, "bits": bits} for name, bits in names.items()}}


def netlist(*args: dict) -> Netlist:
    """The module ``m``."""
    return netlist_of({"modules": {"m": design(*args)}}, "m")


PORTS = {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [9])}
PIPE = {"first_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [3], "Q": [4]}), "u1": ("INV", {"A": [4], "Y": [5]}),
        "u2": ("NAND2", {"A": [4], "B": [5], "Y": [6]}), "second_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [6], "Q": [9]})}


def test_the_longest_path_between_registers(library: Library) -> None:
    found = analyse(netlist(PORTS, PIPE), library, AT)
    # clock to Q 30 + load 3 (INV 1, NAND2.A 2); INV 10 + 3; NAND2.B 15 + 1; setup 5
    assert found.worst is not None and found.worst.ps == pytest.approx(33 + 13 + 16 + 5)
    assert (found.worst.start, found.worst.end, found.worst.kind) == ("first_q", "second_q", "register to register")
    assert found.inside == found.worst
    assert [(s.cell, s.ps) for s in found.worst.steps] == [("first_q", 33.0), ("INV", 46.0), ("NAND2", 62.0)]


def test_ports_as_their_parent_sees_them(library: Library) -> None:
    model = analyse(netlist(PORTS, PIPE), library, AT).model
    assert model.inputs == {"a": End(5.0, "first_q")} and model.outputs == {"y": End(34.0, "second_q")}
    assert model.loads == {"a": 1.0} and model.slews == {"y": 20.0} and model.through == {}


def test_a_path_through_gates_alone(library: Library) -> None:
    found = analyse(netlist({"a": ("input", [3, 4]), "y": ("output", [9])},
                            {"u": ("NAND2", {"A": [3], "B": [4], "Y": [9]})}), library, AT)
    assert found.model.through == {("a", "y"): pytest.approx(19.0)}
    assert found.worst is not None and (found.worst.start, found.worst.end, found.worst.kind) == ("a[1]", "y", "input to output")
    assert found.inside is None


def test_a_child_is_part_of_its_parents_paths(library: Library) -> None:
    child = Model({"o": End(100.0, "deep_q")}, {"i": End(50.0, "end_q")}, {("i", "o"): 200.0}, {"o": 20.0}, {"i": 7.0})
    cells = {"q$_DFF_P_": ("DFF", {"CLK": [2], "D": [6], "Q": [4]}), "u_child": ("child", {"i": [4], "o": [5]}),
             "u": ("INV", {"A": [5], "Y": [6]})}
    ports = {"clk": ("input", [2]), "y": ("output", [6])}
    found = analyse(netlist(ports, cells), library, AT, {"child": child})
    # Q 30 + 7, through the child 200, INV 10 + (D 1 + port 4), setup 5
    assert found.worst is not None and found.worst.ps == pytest.approx(37 + 200 + 15 + 5)
    assert (found.worst.start, found.worst.end) == ("q", "q")
    # into the child: 37 + 50; out of it: 100 + 15 + 5: both shorter, seen once the way through is gone
    alone = Model(child.outputs, child.inputs, {}, child.slews, child.loads)
    found = analyse(netlist(ports, cells), library, AT, {"child": alone})
    assert found.worst is not None and found.worst.ps == pytest.approx(120.0) and found.worst.start == "u_child/deep_q"
    assert found.model.outputs["y"].at == "u_child/deep_q"


def test_what_no_library_knows_is_refused(library: Library) -> None:
    with pytest.raises(FcimError, match="instance of nothing"):
        analyse(netlist(PORTS, {"u": ("nothing", {"A": [3], "Y": [9]})}), library, AT)


def test_a_loop_of_gates_is_refused(library: Library) -> None:
    loop = {"u1": ("INV", {"A": [5], "Y": [6]}), "u2": ("INV", {"A": [6], "Y": [5]})}
    with pytest.raises(FcimError, match="loop"):
        analyse(netlist({"y": ("output", [5])}, loop), library, AT)


def test_an_empty_module_has_no_path(library: Library) -> None:
    assert analyse(netlist({"clk": ("input", [2])}, {}), library, AT).worst is None


@pytest.mark.parametrize(("sinks", "buffers"), [(MOST, 0), (MOST + 1, 2), (MOST * MOST, MOST), (MOST * MOST + 1, MOST + 1 + 2)])
def test_no_net_drives_more_than_the_limit(library: Library, sinks: int, buffers: int) -> None:
    module = design({"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", list(range(10, 10 + sinks)))},
                    {f"u{i}": ("INV", {"A": [3], "Y": [10 + i]}) for i in range(sinks)})
    assert limit_fanout(module, library, library.cells["BUF"]) == buffers
    driven: dict[int, int] = {}
    for cell in module["cells"].values():
        driven[cell["connections"]["A"][0]] = driven.get(cell["connections"]["A"][0], 0) + 1
    assert max(driven.values()) <= MOST and len({cell["connections"]["Y"][0] for cell in module["cells"].values()}) == \
        len(module["cells"])
    assert analyse(netlist_of({"modules": {"m": module}}, "m"), library, AT).model.through.keys() == {("a", "y")}


def test_inputs_of_children_are_buffered_too(library: Library) -> None:
    module = design({"clk": ("input", [2]), "a": ("input", [3])}, {})
    module["cells"] = {f"u{i}": {"type": "fcim_child", "connections": {"a": [3, 3], "y": [10 + i], "clk": [2]},
                                 "port_directions": {"a": "input", "y": "output", "clk": "input"}} for i in range(MOST)}
    assert limit_fanout(module, library, library.cells["BUF"]) == 2
    assert {bit for i in range(MOST) for bit in module["cells"][f"u{i}"]["connections"]["a"]}.isdisjoint({3})
    assert all(module["cells"][f"u{i}"]["connections"] | {"a": 0} == {"a": 0, "y": [10 + i], "clk": [2]} for i in range(MOST))


def test_the_clock_is_not_buffered(library: Library) -> None:
    cells = {f"q{i}": ("DFF", {"CLK": [2], "D": [3 + i], "Q": [4 + i]}) for i in range(MOST + 5)}
    module = design({"clk": ("input", [2]), "d": ("input", [3])}, cells)
    assert limit_fanout(module, library, library.cells["BUF"]) == 0
