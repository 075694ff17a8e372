"""``make power``: toggles as another simulator counts them, energies as numbers, and gates that are wrong are found out."""

from __future__ import annotations

import json
import lzma
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.errors import FcimError
from models.hardware.config import load_config
from models.tensors import packaged
from scripts.flow.gates import yosys
from scripts.flow.gates.cells import load
from scripts.flow.gates.circuit import Circuit
from scripts.flow.gates.energies import load_behaviours
from scripts.flow.gates.liberty import read
from scripts.flow.gates.netlist import Netlist, netlist_of
from scripts.flow.sources import ROOT
from scripts.power.measure import SWEPT, fit, measure
from scripts.power.operands import swept, walks
from scripts.power.run import Source, kinds_of, sources_of, streams_of
from scripts.power.streams import KINDS, Kind, Stream, bits, ones
from scripts.power.table import beside, femtojoule, formula
from scripts.synth.block import gates_key, synthesize
from scripts.synth.elaborate import elaborate_module
from scripts.synth.libraries import Chosen, Settings, choose
from tests.gates.power_library import LIBRARY
from tests.gates.test_timing import design

CFG = load_config("tiny")
KIND = KINDS["exp2"]


@pytest.fixture(scope="module")
def library() -> Chosen:
    return choose("asap7")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, library: Chosen) -> Path:
    """The gates of a slice of the exponentials."""
    yosys.require()
    folder = tmp_path_factory.mktemp("power")
    block = elaborate_module(KIND.top, KIND.slice_of(CFG), folder / "rtl")[KIND.top]
    synthesize(block, library, folder / gates_key(block, library))
    return folder / gates_key(block, library)


@pytest.fixture(scope="module")
def stream() -> tuple[Stream, list[str]]:
    """What they get in the fixture model's attention."""
    return streams_of(CFG, [Source("fixture", None)], ["exp2"], 96, lambda *_: None)["exp2"]


def netlist_at(place: Path) -> Netlist:
    with lzma.open(place / "netlist.json.xz", "rt") as file:
        return netlist_of(json.load(file), KIND.top)


def net(bit: int | str) -> str:
    """A net in Verilog."""
    return f"n[{bit}]" if isinstance(bit, int) else f"1'b{bit}"


def cell_models(library: Chosen, kinds: set[str]) -> Iterator[str]:
    """Verilog of cells from the functions in their Liberty file."""
    def verilog(function: str) -> str:
        assert "'" not in function
        return function.replace("*", "&").replace("+", "|").replace("!", "~")

    for cell in (c for c in read(library.file).all("cell") if c.name in kinds):
        pins = {pin.name: pin.values for pin in cell.all("pin")}
        lines = [f"module {cell.name}({', '.join(pins)});"]
        lines += [f"{values['direction']} {name};" for name, values in pins.items()]
        for flop in cell.all("ff"):
            state, inverse = flop.arguments
            lines += [f"reg {state} = 0; wire {inverse} = ~{state};",
                      f"always @(posedge {flop.values['clocked_on']}) {state} <= {verilog(flop.values['next_state'])};"]
        lines += [f"assign {name} = {verilog(values['function'])};" for name, values in pins.items() if "function" in values]
        yield "\n".join([*lines, "endmodule"])


def icarus(netlist: Netlist, library: Chosen, stimulus: dict[str, np.ndarray], folder: Path) -> dict[int, int]:
    """Transitions of every net as Icarus has them, between the ends of cycles; one lane."""
    nets = sorted({bit for i in netlist.instances for pins in i.pins.values() for bit in pins if isinstance(bit, int)})
    inputs = [port for port in netlist.ports if not port.output and port.name != "clk"]
    clock = next(port.bits[0] for port in netlist.ports if port.name == "clk")
    order = [(port.name, place, bit) for port in inputs for place, bit in enumerate(port.bits)]
    rows = np.stack([stimulus[name][:, place, 0] for name, place, _ in order], 1)
    (folder / "stimulus.txt").write_text("\n".join("".join(map(str, row[::-1])) for row in rows) + "\n")
    cells = "\n".join(f"{i.kind} u{number} ({', '.join(f'.{pin}({net(b[0])})' for pin, b in i.pins.items() if b)});"
                      for number, i in enumerate(netlist.instances))
    drives = "\n".join(f"assign n[{bit}] = now[{place}];" for place, (*_, bit) in enumerate(order) if isinstance(bit, int))
    (folder / "top.v").write_text("\n".join(cell_models(library, {i.kind for i in netlist.instances})) + f"""
module top;
wire [{max(nets)}:0] n; reg clk = 0; reg [{len(order) - 1}:0] now; reg [{len(order) - 1}:0] all [0:{len(rows) - 1}];
assign n[{clock}] = clk;
{drives}
{cells}
integer i;
initial begin
  $readmemb("stimulus.txt", all);
  for (i = 0; i < {len(rows)}; i = i + 1) begin
    now = all[i]; #5; $display("%b", n); clk = 1; #1; clk = 0;
  end
end
endmodule
""")
    subprocess.run(["iverilog", "-g2005", "-o", "top.vvp", "top.v"], cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "top.vvp"], cwd=folder, check=True, text=True, capture_output=True)
    values = np.array([[line[max(nets) - bit] for bit in nets] for line in done.stdout.split()])
    assert len(values) == len(rows) and not set(np.unique(values)) - {"0", "1"}
    return dict(zip(nets, (values[1:] != values[:-1]).sum(0).tolist())) | {clock: 0}


def test_toggles_are_those_of_another_simulator(place: Path, library: Chosen, stream: tuple[Stream, list[str]],
                                                tmp_path: Path) -> None:
    one = {port: x[:60, :, :1] for port, x in stream[0].stimulus.items()}
    netlist = netlist_at(place)
    found = Circuit(netlist, library.cells, load_behaviours(library.file, 20.0)).run(one)
    other = icarus(netlist, library, one, tmp_path)
    assert found.nets == {bit: count for bit, count in other.items() if bit in found.nets}
    assert set(other) - set(found.nets) == {next(port.bits[0] for port in netlist.ports if port.name == "clk")}
    assert sum(found.nets.values()) == sum(found.toggles.values()) > 5000


def test_a_slice_on_real_operands(place: Path, library: Chosen, stream: tuple[Stream, list[str]]) -> None:
    found = measure(KIND, CFG, place, library, load_behaviours(library.file, 20.0), *stream)
    cost, = found.costs
    assert found.checked == stream[0].expected["p"][1].size
    assert 20 < cost.total < 2000 and cost.total == cost.loads + cost.internal + cost.clock
    assert set(cost.operands) == {"z", "p"} and 0 < cost.operands["p"] < CFG.prob_bits
    assert cost.operations == stream[0].valid.sum() * 8
    at_mean = found.fit.at(cost.operands)
    assert at_mean == pytest.approx(cost.toggles, rel=1e-6)       # least squares goes through the mean


def test_what_slices_share_is_charged_by_the_slice_and_the_clock_of_cells_stays_apart(tmp_path: Path) -> None:
    file = tmp_path / "power.lib"
    file.write_text(LIBRARY)
    chosen, behaviours = Chosen(file, load(file), Settings("power")), load_behaviours(file, 0.0)
    module = design({"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [8])}, {
        "i": ("INV", {"A": [3], "Y": [5]}), "j": ("INV", {"A": [5], "Y": [7]}),
        "own_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [7], "Q": [8]}), "all_q$_DFF_P_": ("DFF", {"CLK": [2], "D": [5], "Q": [9]})})
    with lzma.open(tmp_path / "netlist.json.xz", "wt") as place:
        json.dump({"modules": {"m": module}}, place)
    a = np.random.default_rng(1).integers(0, 2, (13, 1, 2)).astype(np.uint8)
    stream = Stream({"a": a}, 1, 4, 8.0, {"a": a[1:].reshape(3, 4, 2).mean(1)}, {"y": (np.arange(1, 13), a[:-1])},
                    np.ones((3, 2), bool))
    kind = Kind("m", "m", "step", lambda cfg: {}, lambda cfg: 4.0, lambda cfg, tiles: stream, ("a",), "all_q", "own_q")
    found = measure(kind, CFG, tmp_path, chosen, behaviours, stream, ["one", "two"])
    ran = Circuit(netlist_of({"modules": {"m": module}}, "m"), chosen.cells, behaviours, lambda name: int(name == "all_q")).run(
        stream.stimulus)
    for lane, cost in enumerate(found.costs):
        loads, internal, shared_loads, shared_internal = ran.energy[1:, :, lane].sum(0) / (3 * 8)
        assert (cost.source, cost.operations) == (("one", "two")[lane], 24)
        assert cost.loads == pytest.approx(loads + shared_loads / 4)
        assert cost.internal == pytest.approx(internal + shared_internal / 4)
        assert cost.cell_clock == pytest.approx(7.0 * 4 / 8) and cost.clock == pytest.approx(7.0 / 4 * 4 / 8)
        assert cost.leakage == pytest.approx((5 + 5) * 1e-3 * 4 / 8)


def test_gates_that_give_other_values_are_found_out(place: Path, library: Chosen, stream: tuple[Stream, list[str]],
                                                    tmp_path: Path) -> None:
    with lzma.open(place / "netlist.json.xz", "rt") as file:
        design = json.load(file)
    module = design["modules"][KIND.top]
    cell = next(c for c in module["cells"].values() if c["type"].startswith("AND2"))
    cell["type"] = cell["type"].replace("AND2", "OR2")
    with lzma.open(tmp_path / "netlist.json.xz", "wt") as file:
        json.dump(design, file)
    with pytest.raises(FcimError, match="exp2: [0-9]+ of [0-9]+ bits of p differ between gates and models") as raised:
        measure(KIND, CFG, tmp_path, library, load_behaviours(library.file, 20.0), *stream)
    assert "\n" not in str(raised.value)


def test_operands_of_sums_that_are_cut() -> None:
    """They are those of the golden model, which raises rows; else walks are refused."""
    whole, cut = (next(walks(replace(CFG, sum_cut=bits), None, 96, 4, 1)) for bits in (0, 6))
    assert (cut.row_max >= whole.row_max).all() and (cut.row_max > whole.row_max).any()


def test_models_of_fewer_channels_stand_beside_others() -> None:
    cfg = load_config("default")
    whole, other = walks(cfg, None, 96, 4, 2)
    other = replace(other, channels=64)
    for name in ("op_array", "acc_update", "divider"):
        found = KINDS[name].stream(cfg, [whole, other])
        all_valid, some = found.valid.T
        # of the slices of V those that have channels, of the cycles of a divider all
        assert some.mean() == pytest.approx(all_valid.mean() / (1 if name == "divider" else 2), rel=0.05), name


@pytest.mark.parametrize("config", ["tiny", "default"])
def test_streams_fit_the_ports_of_their_blocks(config: str) -> None:
    cfg = load_config(config)
    found = streams_of(cfg, [Source("fixture", None)], list(KINDS), 96, lambda *_: None)
    for name, (stream, lanes) in found.items():
        cycles, _, width = next(iter(stream.stimulus.values())).shape
        assert width == len(lanes) == stream.valid.shape[1], name
        assert all(x.shape[::2] == (cycles, width) for x in stream.stimulus.values()), name
        assert stream.first + stream.length * len(stream.valid) <= cycles, name
        assert set(KINDS[name].operands) == set(stream.operands), name
        assert all(x.shape == stream.valid.shape for x in stream.operands.values()), name
        assert all(when.max() < cycles for when, _ in stream.expected.values()), name
        assert (SWEPT in lanes) == name.endswith("_array")


def test_swept_operands_have_the_shares_of_bits_that_are_wanted() -> None:
    found = swept(CFG, 3)
    shares = {tuple(round(float(ones(x, width).mean()) / width, 1) for x, width in ((w.k + 128, 8), (w.weights, CFG.prob_bits)))
              for w in found}
    assert len(shares) == len(found) == 25
    assert np.array_equal(found[7].u, (found[7].q + 128) @ (found[7].k + 128).T)


def test_operands_that_miss_the_golden_model_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripts.power import operands

    right = operands.nx.normalise
    monkeypatch.setattr(operands, "nx", type("Changed", (), {**vars(operands.nx), "normalise": lambda a, s: right(a, s) + 1}))
    with pytest.raises(FcimError, match="do not lead to the golden model's output"):
        next(walks(CFG, None, 96, 4, 1))
    with pytest.raises(FcimError, match="16 tokens give no tile of 4 whole key blocks; use more TOKENS"):
        next(walks(CFG, None, 16, 4, 1))


def test_least_squares() -> None:
    rng = np.random.default_rng(1)
    k, q = rng.random(200) * 8, rng.random(200) * 8
    found = fit(3 + 2 * k - q, {"k": k, "q": q})
    assert found.coefficients == pytest.approx({"1": 3, "k": 2, "q": -1})
    assert (found.residual, found.explained) == pytest.approx((0, 1), abs=1e-9)
    found = fit(3 + 2 * k - q + k * q - k * k, {"k": k, "q": q}, True)
    assert found.coefficients == pytest.approx({"1": 3, "k": 2, "q": -1, "k*k": -1, "k*q": 1, "q*q": 0}, abs=1e-6)
    assert found.at({"k": 2, "q": 3}) == pytest.approx(3 + 4 - 3 + 6 - 4)
    noisy = fit(k + np.where(np.arange(200) % 2, 1.0, -1.0), {"k": k, "q": q})
    assert noisy.residual == pytest.approx(1, rel=0.05) and 0 < noisy.errors["k"] < 0.1 and noisy.explained < 0.95
    level = fit(k, {"k": k, "q": np.full(200, 4.0)})       # an operand that never changes
    assert level.at({"k": 5.0, "q": 4.0}) == pytest.approx(5)
    assert formula(noisy).startswith(f"{noisy.coefficients['1']:.4g}"[:1]) and re.search(r" [+-] [0-9.e-]+ q$", formula(noisy))


def test_bits_are_those_of_twos_complement() -> None:
    assert bits(np.array([-1, 5, -128]), 8).tolist() == [[1] * 8, [1, 0, 1, 0, 0, 0, 0, 0], [0] * 7 + [1]]
    assert ones(np.array([[255, 256], [-1, 0]]), 9).tolist() == [[8, 1], [9, 0]]


def test_which_blocks_and_which_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert kinds_of([]) == list(KINDS) and kinds_of(["fcim_exp2", "divider", "exp2"]) == ["exp2", "divider"]
    with pytest.raises(FcimError, match="TOP = 'exp3' is no block whose energy is measured; use ip_array, "):
        kinds_of(["exp3"])
    assert sources_of("a/b.gguf", None) == [Source("b.gguf", "a/b.gguf")]
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    fixture, model = sources_of(None, None)
    assert (fixture.name, fixture.missing, model.name) == ("fixture", "", "smollm2") and "MODEL=smollm2" in model.missing
    packaged.model_file("smollm2").parent.mkdir()
    packaged.model_file("smollm2").touch()
    assert not sources_of(None, None)[1].missing


def test_figures_beside_published_ones(library: Chosen) -> None:
    assert [femtojoule(x) for x in (0.126, 98.64, 1517.9)] == ["0.13", "98.6", "1,518"]
    assert "37 to 115 fJ" in beside(library, 0.7) and "At 0.7 V the same capacitances take 22 to 70 fJ" in beside(library, 0.7)


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.power", "--config=tiny", "--top=exp2", "--tokens=96", f"--out={tmp_path}",
               "--checkpoint=models/fixture"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout and "[2/2] exp2: fixture" in done.stdout and "R2" in done.stdout
    data = json.loads((tmp_path / "power.json").read_text())
    cost, = data["blocks"]["exp2"]["costs"]
    assert cost["total"] == cost["loads"] + cost["internal"] + cost["clock"] > 0
    assert set(data["blocks"]["exp2"]["fit"]["coefficients"]) == {"1", "z", "p"}
    assert data["command"].startswith("make power CONFIG=tiny TOP=exp2 CHECKPOINT=") and not data["faults"]
    page = (tmp_path / "index.html").read_text()
    assert "<polyline" in page and "PASS: FusionCIM energy" in page and page.count("<circle") > 20
