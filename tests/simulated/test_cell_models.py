"""The models of a library's cells do in Icarus what the Liberty file says, and are never surer than that."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.gates.cell_models import expression, verilog_models
from scripts.flow.gates.functions import parse
from scripts.flow.gates.liberty import Group, read
from scripts.synth.libraries import FOLDER
from tests.gates.small_library import CELLS, LIBRARY, output, pin

ASAP7 = FOLDER / "lib" / "asap7_rvt_tt.lib"
BENCH = """module bench;
    {declarations}
    integer i, j, k;
    initial begin
{loops}    end
endmodule
"""
LOOP = """        for (i = 0; i < {count}; i = i + 1) begin
            k = i;
            for (j = 0; j < {inputs}; j = j + 1) begin
                {name}_i[j] = (k % 3 == 2) ? 1'bx : k % 3;
                k = k / 3;
            end
            #1 $display("{name} %b %b", {name}_i, {name}_o);
        end
"""
FLIP_FLOPS = """
cell (DFFN) { area : 1; ff (IQ, IQN) { clocked_on : "!CK"; next_state : "(S * D) + (!S * IQ)"; }
  pin (CK) { direction : input; clock : true; } pin (D) { direction : input; } pin (S) { direction : input; }
  pin (Q) { direction : output; function : IQ; } pin (QN) { direction : output; function : IQN; } }
cell (DFFSR) { area : 1; ff (IQ, IQN) { clocked_on : CK; next_state : D; clear : "!RN"; preset : S; }
  pin (CK) { direction : input; clock : true; } pin (D) { direction : input; } pin (RN) { direction : input; }
  pin (S) { direction : input; } pin (Q) { direction : output; function : IQ; } }
"""
STEPS = """module bench;
    reg ck = 1, d = 1, s = 1, rn = 1, set = 0;
    wire q, qn, r;
    DFFN a (.CK(ck), .D(d), .S(s), .Q(q), .QN(qn));
    DFFSR b (.CK(ck), .D(d), .RN(rn), .S(set), .Q(r));
    task show; #1 $display("%b%b%b", q, qn, r); endtask
    initial begin
        show;
        ck = 0; show;
        ck = 1; show;
        d = 0; show;
        ck = 0; show;
        s = 0; d = 1; ck = 1; show;
        ck = 0; show;
        rn = 0; show;
        set = 1; show;
        rn = 1; show;
        set = 0; d = 1'bx; ck = 1; show;
    end
endmodule
"""


def simulate(folder: Path, *texts: str) -> list[str]:
    """What the module ``bench`` prints."""
    for number, text in enumerate(texts):
        (folder / f"{number}.v").write_text(text)
    files = [str(number) + ".v" for number in range(len(texts))]
    subprocess.run(["iverilog", "-g2012", "-Wall", "-s", "bench", "-o", "bench.vvp", *files], cwd=folder, check=True)
    done = subprocess.run(["vvp", "-n", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.split("\n")[:-1]


def ports(cell: Group) -> tuple[list[str], list[Group]]:
    """Inputs, and outputs with a function."""
    pins = list(cell.all("pin"))
    return ([p.name for p in pins if p.values.get("direction") == "input"],
            [p for p in pins if p.values.get("direction") == "output"])


def value(function: str, pins: dict[str, int]) -> int:
    """A Liberty function of this library, which has ``!``, ``*``, ``+`` and parentheses, as Python understands it."""
    text = function.replace("!", " not ").replace("*", " and ").replace("+", " or ")
    return int(bool(eval(text, {"__builtins__": {}}, pins)))


def test_every_combinational_cell_does_what_its_function_says(tmp_path: Path) -> None:
    """For all inputs, each of them 0, 1 or unknown; where the model knows its output, no value of an unknown input changes it."""
    cells = {c.name: c for c in read(ASAP7).all("cell") if not any(c.all("ff", "latch", "statetable"))}
    declarations, loops = [], []
    for name, cell in cells.items():
        inputs, outputs = ports(cell)
        pins = [f".{pin}({name}_i[{i}])" for i, pin in enumerate(inputs)]
        pins += [f".{pin.name}({name}_o[{i}])" for i, pin in enumerate(outputs)]
        declarations.append(f"reg [{max(len(inputs), 1) - 1}:0] {name}_i; wire [{len(outputs) - 1}:0] {name}_o;"
                            f" {name} {name}_u ({', '.join(pins)});")
        loops.append(LOOP.format(name=name, inputs=len(inputs), count=3 ** len(inputs)))
    lines = simulate(tmp_path, BENCH.format(declarations="\n    ".join(declarations), loops="".join(loops)),
                     verilog_models(ASAP7, cells))
    assert len(lines) == sum(3 ** len(ports(cell)[0]) for cell in cells.values()) > 5_000
    for line in lines:
        name, given, got = line.split(" ")
        inputs, outputs = ports(cells[name])
        digits = dict(zip(inputs, reversed(given), strict=False))
        for pin_, bit in zip(outputs, reversed(got), strict=True):
            free = [i for i in inputs if digits[i] == "x"]
            possible = {value(pin_.values["function"], {i: int(d) for i, d in digits.items() if d != "x"} | dict(zip(free, bits)))
                        for bits in itertools.product((0, 1), repeat=len(free))}
            assert bit == "x" if len(possible) == 2 else bit in ("x", str(*possible)) if free else bit == str(*possible), line


def test_a_select_that_is_unknown_gives_an_unknown(tmp_path: Path) -> None:
    """Although both data inputs are 1: pessimistic, as expressions of gates are."""
    library = tmp_path / "mux.lib"
    library.write_text(LIBRARY.replace(CELLS[0], "cell (MUX) { area : 1;" + pin("A", 1) + pin("B", 1) + pin("S", 1)
                                       + output("Y", "(A*S) + (B*!S)") + "}"))
    bench = "module bench; wire y; MUX m (.A(1'b1), .B(1'b1), .S(1'bx), .Y(y)); initial #1 $display(\"%b\", y); endmodule\n"
    assert simulate(tmp_path, bench, verilog_models(library, ["MUX"])) == ["x"]


def test_flip_flops(tmp_path: Path) -> None:
    """Unknown until the first edge; a falling edge, an expression for the next state, preset, clear, and both, which is
    unknown, and stays so until the next edge."""
    library = tmp_path / "flops.lib"
    library.write_text(LIBRARY.rstrip().removesuffix("}") + FLIP_FLOPS + "}\n")
    assert simulate(tmp_path, STEPS, verilog_models(library, ["DFFN", "DFFSR"])) == [
        "xxx", "10x", "101", "101", "011", "011", "011", "010", "01x", "01x", "01x"]


@pytest.mark.parametrize(("function", "verilog"), [
    ("A", "A"), ("!A", "~A"), ("A'", "~A"), ("!(A B)'", "~~(A & B)"), ("A*B+C", "((A & B) | C)"), ("A&B|C", "((A & B) | C)"),
    ("A B + !C", "((A & B) | ~C)"), ("A ^ B C", "((A ^ B) & C)"), ("(A + B) (C + D)", "((A | B) & (C | D))"), ("1", "1'b1")])
def test_functions_as_verilog(function: str, verilog: str) -> None:
    assert expression(parse(function)) == verilog


def test_cells_without_a_model(tmp_path: Path) -> None:
    library = tmp_path / "some.lib"
    library.write_text(LIBRARY.replace(CELLS[0], "cell (LATCH) { area : 1; latch (IQ, IQN) { enable : G; data_in : D; } }"))
    with pytest.raises(FcimError, match="has no cell NOWHERE; give the library"):
        verilog_models(library, ["NOWHERE"])
    with pytest.raises(FcimError, match="cell LATCH of .* has no model .*dont_use"):
        verilog_models(library, ["LATCH"])
