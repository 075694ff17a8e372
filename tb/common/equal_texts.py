"""Proofs by solver that the two texts of a macro's array are one machine, from registers that are 0 on.

Both are elaborated, made into one circuit that compares all outputs in every cycle, and given to the solver of yosys with any
inputs. What the arrays need of who drives them (``first`` in a walk's first step, ``last`` in its last) comes from a counter, a
walk has one key with one bank, which nobody writes meanwhile, and one choice of rows; inputs that have fewer values than their
bits could hold are cut to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.simulator import FAST_ARRAYS
from scripts.flow.sources import ROOT, include_folders, rtl_files

PROVED = "SAT proof finished - no model found: SUCCESS!"
DRIVEN = {"first": "steps == 0", "last": "steps == STEPS - 1"}
CUT = {"step": "steps_now", "load": "loads", "q_we": "q_we && (q_bank != bank || !steps_now && steps == 0)",
       "used": "steps == 0 ? used : chosen", "p_pass": "p_pass & STEPS - 1", "rd_pass": "rd_pass & STEPS - 1",
       # two bits of a cell and of an element: of all eight the solver would compare adders for hours
       "q_data": "q_data & {HEAD_DIM{8'h81}}", "load_data": "load_data & {HEAD_DIM{8'h81}}"}
_PORT = re.compile(r"^ {4}(input|output) +wire +(\[[^\]]+\])? *(\w+),?", re.M)


def driver(text: str, top: str) -> str:
    """A module ``walk`` around the array ``top`` of the file ``text``: its parameters and ports, but a counter for its walk."""
    header = text[text.index(f"module {top} #("):text.index(");\n") + 2]
    ports = _PORT.findall(header)
    shown = ",\n".join(f"    {way} wire {width} {name}" for way, width, name in ports if name not in DRIVEN)
    parameters = header[header.index("#("):header.index("\n) (") + 2]
    widths = {name: width for _, width, name in ports}
    own = re.findall(r"^ {4}parameter +(\w+)", header, re.M)
    kept = {"used": "    reg [ROWS-1:0] chosen;\n    wire steps_now = step;\n"
                    "    always @(posedge clk) if (steps == 0) chosen <= used;\n",
            "load": f"    reg {widths.get('load_bank', '')} bank;\n    reg there;\n    wire steps_now = step && there;\n"
                    "    wire loads = load && (steps_now ? steps == STEPS - 1 : steps == 0);\n"
                    "    always @(posedge clk) if (loads) {there, bank} <= {1'b1, load_bank};\n"
                    "        else if (steps_now && steps == STEPS - 1) there <= 1'b0;\n"}
    joined = ", ".join(f".{name}({(DRIVEN | CUT).get(name, name)})" for _, _, name in ports)
    return (f"module walk {parameters} (\n{shown}\n);\n    localparam STEPS = 8 / BITS_PER_CYCLE;\n    reg [2:0] steps;\n"
            "    always @(posedge clk) if (steps_now) steps <= steps == STEPS - 1 ? 0 : steps + 1;\n"
            f"{''.join(line for port, line in kept.items() if port in {name for *_, name in ports})}"
            f"    {top} #({', '.join(f'.{name}({name})' for name in own)}) u_array ({joined});\nendmodule\n")


def prove_equal(file: Path, parameters: Mapping[str, int], cycles: int, folder: Path) -> None:
    """Whatever comes in for ``cycles`` cycles, both texts of the array in ``file`` give the same.

    Raises:
        AssertionError: they do not. Skips the test where yosys is not installed.
    """
    yosys = pytest.importorskip("scripts.flow.gates.yosys", reason="nothing here starts yosys")
    try:
        yosys.require()
    except FcimError as missing:
        pytest.skip(str(missing))
    walk = folder / "walk.v"
    walk.write_text(driver(file.read_text(), file.stem))
    given = " ".join(f"-chparam {name} {value}" for name, value in parameters.items())
    script, rtl = "", " ".join([*(f"-I{place}" for place in include_folders()), *map(str, rtl_files())])
    for name, define in (("fast", FAST_ARRAYS), ("synthesized", "")):
        script += (f"read_verilog -sv -defer {define} {rtl} {walk}\nhierarchy -check -top walk {given}\nproc\nflatten\n"
                   f"memory -nordff\nopt -full\nrename -top {name}\ndesign -stash {name}\n")
    script += ("design -copy-from fast -as fast fast\ndesign -copy-from synthesized -as synthesized synthesized\n"
               "miter -equiv -flatten -make_assert fast synthesized miter\nhierarchy -top miter\nopt -full\n"
               f"sat -prove-asserts -set-init-zero -seq {cycles} miter\n")
    log = yosys.run(script, folder, "equal")
    assert PROVED in log, f"the two texts of {file.relative_to(ROOT)} differ at {dict(parameters)}; see {folder}/equal.log"
