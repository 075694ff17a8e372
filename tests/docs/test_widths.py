"""The widths that ``docs/hardware.md`` lists are those of the elaborated RTL, and its pictures use names of that table."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from models.hardware.config import EngineConfig, load_config
from scripts.figures.memories import HARDWARE, evaluate
from scripts.figures.widths import WIDTHS, names
from scripts.flow.sources import ROOT

CONFIGURATIONS = {"default": load_config("default"), "tiny": load_config("tiny"),
                  "byte": EngineConfig(rows=8, head_dim=32, bits_per_cycle=8, keys_per_block=16, prob_bits=8, max_keys=64)}


def elaborated(cfg: EngineConfig, out: Path) -> dict[tuple[str, str], int]:
    """Module and name to value of every parameter and width of every port of the engine, as Icarus elaborates it."""
    parameters = [f"-Pfcim_engine.{name}={value}" for name, value in cfg.verilog_parameters().items()]
    subprocess.run(["iverilog", "-g2012", "-s", "fcim_engine", *parameters, "-o", str(out), "-f", "fusioncim.f"],
                   cwd=ROOT, check=True)
    found, here = {}, ""
    for line in out.read_text().splitlines():
        if scope := re.match(r'S_\w+ \.scope (\w+), "\w+[^"]*" "(\w+)', line):
            here = scope[2] if scope[1] == "module" else ""
        elif port := re.match(r'    \.port_info \d+ /\w+ (\d+) "(\w+)";', line):
            found[here, port[2]] = int(port[1])
        elif value := re.match(r'P_\w+ \.param/l "(\w+)" .*\+C4<([01]+)>;', line):
            found[here, value[1]] = int(value[2], 2)
    return found


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_widths_are_those_of_the_rtl(name: str, tmp_path: Path) -> None:
    found, known = elaborated(CONFIGURATIONS[name], tmp_path / "engine.vvp"), names(CONFIGURATIONS[name])
    assert {(w.module, w.name): found.get((w.module, w.name)) for w in WIDTHS} \
        == {(w.module, w.name): evaluate(w.bits, known) for w in WIDTHS}


def test_the_pictures_use_names_of_the_tables() -> None:
    pictures = re.findall(r"^```(?:text|mermaid)\n(.+?)^```$", (ROOT / HARDWARE).read_text(), re.M | re.S)
    assert len(pictures) >= 7
    used = set(re.findall(r"\b[A-Z][A-Z0-9_]*[A-Z]\b", " ".join(pictures))) - {"CIM", "IP", "OP", "AND", "LR"}
    assert used and used <= set(names(load_config("default")))
