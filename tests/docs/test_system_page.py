"""The accelerator's instance in ``docs/system.md``: Verilog takes it as it stands there, with wires as wide as the page says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.system.config import load_system
from scripts.flow import module_head
from scripts.flow.module_head import Port, fixed_of, parameters_of, ports_of
from scripts.flow.sources import ROOT, rtl_files

TEMPLATE = re.search(r"^```verilog\n(fcim_accelerator #\(.*?)^```$", (ROOT / "docs" / "system.md").read_text(), re.M | re.S)[1]
PIN = re.compile(r"\.(\w+)\((\w+)\),? +// (?:input|output)(?: \[(.*)\])?$", re.MULTILINE)


def compiled(template: str, folder: Path) -> str:
    """What Icarus has to say of a design with a small accelerator put in as ``template`` does it; "" if nothing."""
    text = template
    for name, value in load_system("tiny").verilog_parameters().items():
        text, count = re.subn(rf"(\.{name}\()\d+\)", rf"\g<1>{value})", text)
        assert count == 1, name
    values = {**load_system("tiny").verilog_parameters()}
    wires = "".join(f"wire [{width or '0:0'}] {name};\n" for _, name, width in PIN.findall(template))
    parameters = "".join(f"localparam {name} = {value};\n" for name, value in values.items())
    (folder / "my_chip.v").write_text(f"`default_nettype none\nmodule my_chip;\n{parameters}{wires}{text}endmodule\n")
    command = ["iverilog", "-g2012", "-Wall", "-Wno-timescale", "-s", "my_chip", "-t", "null", "-f", "fusioncim.f",
               str(folder / "my_chip.v")]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def test_the_instance_is_taken(tmp_path: Path) -> None:
    assert len(PIN.findall(TEMPLATE)) == len(ports_of("fcim_accelerator")) == len(set(PIN.findall(TEMPLATE)))
    assert compiled(TEMPLATE, tmp_path) == ""


@pytest.mark.parametrize(("old", "new"), [
    (".m_axi_bid(m_axi_bid),", ""), (".irq(irq)", ".interrupt(irq)"), ("input [11:0]", "input [12:0]"),
    ("output [DATA_BITS/8-1:0]", "output")])
def test_a_wrong_instance_is_not(old: str, new: str, tmp_path: Path) -> None:
    assert old in TEMPLATE
    assert compiled(TEMPLATE.replace(old, new), tmp_path)


def test_the_instance_has_the_defaults() -> None:
    given = {name: int(value) for name, value in re.findall(r"\.([A-Z_]+)\((\d+)\)", TEMPLATE)}
    optional = {EngineConfig.PARAMETERS[key]: 0 for key in EngineConfig.OPTIONAL}
    assert given == optional | load_system("default").verilog_parameters()


@pytest.mark.parametrize("top", ["fcim_core", "fcim_engine", "fcim_accelerator", "fcim_axi_reader", "fcim_axi_writer"])
def test_every_port_is_read(top: str) -> None:
    (path,) = (path for path in rtl_files() if path.stem == top)
    head = path.read_text().partition("\n) (\n")[2].partition("\n);\n")[0]
    names = [words[-1].rstrip(",") for line in head.splitlines() if (words := line.split("//")[0].split())]
    assert [port.name for port in ports_of(top)] == names and len(names) > 20


def test_what_a_head_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "fcim_x.v"
    file.write_text("module fcim_x #(\n    parameter  ROWS = 4,   // rows\n    localparam BITS = 3\n) (\n    input  wire clk,\n"
                    "    // a bus\n    output wire signed [2*ROWS-1:0] a,   // data\n    input  wire [7:0] b\n);\nendmodule\n")
    monkeypatch.setattr(module_head, "rtl_files", lambda: [file])
    assert parameters_of("fcim_x") == {"ROWS": (4, "rows")} and fixed_of("fcim_x") == {"BITS": 3}
    assert ports_of("fcim_x") == [Port("", "input", "1", "clk"), Port("a bus", "output", "2*ROWS", "a"),
                                  Port("a bus", "input", "8", "b")]
    file.write_text(file.read_text().replace("input  wire clk", "inout  wire clk"))
    with pytest.raises(FcimError, match=r"no port of one line: inout  wire clk,"):
        ports_of("fcim_x")
    with pytest.raises(FcimError, match="fusioncim.f has no fcim_y.v"):
        parameters_of("fcim_y")
