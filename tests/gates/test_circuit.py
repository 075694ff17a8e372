"""Functions, energies and toggles of netlists that are small enough to be counted by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from scripts.flow.gates.cells import load
from scripts.flow.gates.circuit import INTERNAL, LOADS, Circuit
from scripts.flow.gates.energies import Behaviours, load_behaviours
from scripts.flow.gates.functions import evaluate, parse, pins_of
from scripts.flow.gates.liberty import read
from scripts.flow.gates.netlist import Netlist
from scripts.flow.sources import ROOT
from tests.gates.power_library import LIBRARY
from tests.gates.test_timing import netlist

FUNCTIONS = {
    "A": lambda a, b, c: a, "!A": lambda a, b, c: not a, "A'": lambda a, b, c: not a, "A B + C": lambda a, b, c: a and b or c,
    "A * !B + !A * B": lambda a, b, c: a != b, "!(A * B)": lambda a, b, c: not (a and b), "(A | B) & C'": lambda a, b, c:
    (a or b) and not c, "A ^ B ^ C": lambda a, b, c: (a + b + c) % 2, "A * B ^ C": lambda a, b, c: a and b != c,
    "(A B)' C": lambda a, b, c: not (a and b) and c, "A + 1": lambda a, b, c: True, "(!A * B) + (A * 0)": lambda a, b, c:
    not a and b,
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("lib") / "power.lib"
    path.write_text(LIBRARY)
    return path


@pytest.mark.parametrize("text", FUNCTIONS)
def test_functions_give_their_truth_tables(text: str) -> None:
    rows = list(itertools.product((0, 1), repeat=3))
    values = {name: np.array([sum(row[i] << n for n, row in enumerate(rows))], np.uint8) for i, name in enumerate("ABC")}
    found = int(evaluate(parse(text), values)[0])
    assert [found >> n & 1 for n in range(8)] == [int(bool(FUNCTIONS[text](*row))) for row in rows]
    assert set(pins_of(parse(text))) == set(text) & set("ABC")


@pytest.mark.parametrize("text", ["", "A +", "(A", "A)", "A ? B", "!", "+ A", "2"])
def test_what_is_no_function_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(FcimError, match="give another Liberty file") as raised:
        parse(text)
    assert "\n" not in str(raised.value)


def test_energies_are_means_of_edges_and_of_supply_and_ground(file: Path) -> None:
    found = load_behaviours(file, 0.0)
    inv, nand = found.cells["INV"], found.cells["NAND2"]
    assert (found.volt, inv.leakage, inv.energy("Y", 5.0)) == (2.0, 5.0, 3.0)
    assert nand.energy("Y", 0.0) == ((6 + 10) / 2 + 4) / 2
    assert nand.energy("Y", 2.5) == ((6 + 10) / 2 + 4 + 2.5) / 2
    assert nand.energy("Y", 99.0) == nand.energy("Y", 10.0)       # level beyond the table
    assert nand.passive == {"A": 0.5}
    file_of_slew = file.with_name("slew.lib")
    file_of_slew.write_text(LIBRARY.replace('values ("0.25, 0.25")', 'values ("0.25, 2.25")'))
    assert load_behaviours(file_of_slew, 50.0).cells["NAND2"].passive == {"A": (1.25 + 0.75) / 2}


@pytest.mark.parametrize(("old", "new", "said"), [
    ("nom_voltage : 2;", "", "is not complete .KeyError at 'nom_voltage'"),
    ("internal_power", "other", "has no internal energies"), ("(1, ff)", "(1, oz)", "is not complete")])
def test_a_library_without_what_energies_need_is_refused_in_one_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x.lib").write_text(LIBRARY.replace(old, new))
    with pytest.raises(FcimError, match=said) as raised:
        load_behaviours(tmp_path / "x.lib", 0.0)
    assert "\n" not in str(raised.value)


def circuit(file: Path, found: Netlist, **more: object) -> Circuit:
    return Circuit(found, load(file), behaviours(file), **more)     # type: ignore[arg-type]


def behaviours(file: Path) -> Behaviours:
    return load_behaviours(file, 0.0)


TWO = netlist({"a": ("input", [3]), "b": ("input", [4]), "y": ("output", [6])},
              {"i": ("INV", {"A": [3], "Y": [5]}), "n": ("NAND2", {"A": [5], "B": [4], "Y": [6]})})


def stimulus(**bits: str) -> dict[str, np.ndarray]:
    """A port of one bit by its values in the cycles, in one lane."""
    return {name: np.array([int(x) for x in text], np.uint8).reshape(-1, 1, 1) for name, text in bits.items()}


def test_two_gates_by_hand(file: Path) -> None:
    found = circuit(file, TWO).run(stimulus(a="0110", b="1110"), outputs=True)
    # a 0 to 1: a, the inverter's output and y move; nothing moves in the third cycle; a and b fall in the last: a, n, b, not y
    loads = [0, 2 * 1 + 2 * 2 + 0, 0, 2 * 1 + 2 * 2 + 2 * 3]
    internal = [0, 3 + 0.5 + ((6 + 10) / 2 + 4) / 2, 0, 3 + 0.5]
    assert found.energy[:, LOADS, 0].tolist() == loads
    assert found.energy[:, INTERNAL, 0].tolist() == internal
    assert found.outputs["y"][:, 0, 0].tolist() == [0, 1, 1, 1]
    assert found.nets == {3: 2, 4: 1, 5: 2, 6: 1}
    assert found.toggles == {"input": 3, "INV": 2, "NAND2": 1}


def test_lanes_are_streams_of_their_own(file: Path) -> None:
    rng = np.random.default_rng(1)
    many = {name: rng.integers(0, 2, (20, 1, 70)).astype(np.uint8) for name in "ab"}
    together = circuit(file, TWO).run(many, outputs=True)
    for lane in (0, 63, 64, 69):
        alone = circuit(file, TWO).run({name: x[:, :, lane:lane + 1] for name, x in many.items()}, outputs=True)
        assert np.array_equal(alone.energy[:, :, 0], together.energy[:, :, lane])
        assert np.array_equal(alone.outputs["y"][:, :, 0], together.outputs["y"][:, :, lane])
    assert together.nets[3] == int((many["a"][1:] != many["a"][:-1]).sum())


def test_flip_flops_take_what_was_there_before_the_edge_and_their_clock_counts_apart(file: Path) -> None:
    toggle = netlist({"clk": ("input", [2]), "e": ("input", [3]), "q": ("output", [4]), "qn": ("output", [6]),
                      "i": ("output", [7])},
                     {"x": ("XOR2", {"A": [3], "B": [4], "Y": [5]}), "q_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [5], "Q": [4]}),
                      "g.qn_q[3]$_DFF_P_": ("DFFN", {"CLK": [2], "D": [4], "QN": [6]}),
                      "i_q$_DFF_P_": ("DFFI", {"CLK": [2], "D": [3], "QN": [7]})})
    found = circuit(file, toggle)
    assert [(r.name, r.clock_energy) for r in found.registers] == [("q_q", 2 * 1.5 + 4), ("g.qn_q[3]", 4.0),
                                                                      ("i_q", 4.0)]
    ran = found.run(stimulus(e="11101"), outputs=True)
    assert ran.outputs["q"][:, 0, 0].tolist() == [0, 1, 0, 1, 1]
    assert ran.outputs["qn"][:, 0, 0].tolist() == [0, 1, 0, 1, 0]
    assert ran.outputs["i"][:, 0, 0].tolist() == [1, 0, 0, 0, 1]
    # q with two pins behind it, the XOR and its pin, qn, i
    assert ran.energy[1].sum() == pytest.approx(7 + 2 * (2 + 1) + 1 + 2 * 1 + 7 + 7)


def test_what_reaches_a_shared_register_is_shared_and_a_net_is_paid_by_its_pins(file: Path) -> None:
    cells = {"i": ("INV", {"A": [3], "Y": [5]}), "j": ("INV", {"A": [5], "Y": [7]}),
             "own_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [7], "Q": [8]}),
             "all_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [5], "Q": [9]})}
    both = netlist({"clk": ("input", [2]), "a": ("input", [3])}, cells)
    found = circuit(file, both, group_of=lambda name: int(name == "all_q"))
    assert found.groups == 2
    ran = found.run(stimulus(a="01"))
    own, shared = ran.energy[1, :2, 0].tolist(), ran.energy[1, 2:, 0].tolist()
    assert shared == [2 * 1 + 2 * 1, 3 + 7]     # the pin of i, the shared register's D; i itself, the register that took its 1
    assert own == [2 * 1 + 2 * 1, 3]            # the pin of j, the own register's D; j itself


def test_a_flip_flop_whose_reset_is_tied_is_one_without(file: Path) -> None:
    tied = netlist({"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [6])},
                   {"r": ("DFFR", {"CLK": [2], "D": [3], "R": ["0"], "Q": [6]})})
    assert circuit(file, tied).run(stimulus(a="0110"), outputs=True).outputs["y"][:, 0, 0].tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("cells", "said"), [
    ({"r": ("DFFR", {"CLK": [2], "D": [3], "R": [3], "Q": [6]})}, "DFFR is no flip-flop of data and a rising clock edge alone"),
    ({"r": ("DFFR", {"CLK": [2], "D": [3], "R": ["1"], "Q": [6]})}, "DFFR is no flip-flop of data and a rising clock edge alone"),
    ({"r": ("NOR9", {"A": [3], "Y": [6]})}, "an instance of NOR9"),
    ({"i": ("INV", {"A": [6], "Y": [7]}), "j": ("INV", {"A": [7], "Y": [6]})}, "form a loop")])
def test_what_cannot_run_is_refused_in_one_line(cells: dict, said: str, file: Path) -> None:
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [6])}
    with pytest.raises(FcimError, match=said) as raised:
        circuit(file, netlist(ports, cells))
    assert "\n" not in str(raised.value)


def test_a_stimulus_that_does_not_fit_is_a_mistake(file: Path) -> None:
    with pytest.raises(ValueError, match="port b of 1 bits"):
        circuit(file, TWO).run(stimulus(a="01"))


def test_supply_and_ground_of_the_shipped_library_are_one_charge() -> None:
    """Over a rise and a fall the two tables of an arc agree, so that their mean is an energy and their sum is twice that."""
    ratios = []
    for cell in read(ROOT / "syn" / "lib" / "asap7_rvt_tt.lib").all("cell"):
        for pin in cell.all("pin"):
            sums: dict[tuple[str, str], float] = {}
            for power in pin.all("internal_power"):
                values = [float(x) for table in power.groups for row in table.list_of("values") for x in row.split(",")]
                sums[power.values.get("related_pin", ""), power.values["related_pg_pin"]] = sum(values)
            ratios += [sums[arc, "VSS"] / x for (arc, rail), x in sums.items() if rail == "VDD" and arc]
    assert len(ratios) > 200 and np.median(ratios) == pytest.approx(1, abs=0.01)
    assert np.percentile(ratios, 5) > 0.95 and np.percentile(ratios, 95) < 1.05
