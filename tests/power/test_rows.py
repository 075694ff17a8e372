"""What the arrays cost while a tile uses some of their rows: little more than these rows' share."""

from __future__ import annotations

import json
import lzma
import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.hardware.config import load_config
from scripts.flow.gates import yosys
from scripts.flow.gates.circuit import Circuit
from scripts.flow.gates.energies import load_behaviours
from scripts.flow.gates.netlist import netlist_of
from scripts.flow.gates.readers import read_command
from scripts.power.operands import swept
from scripts.power.rows import measure_rows
from scripts.power.streams import BLOCKS, KINDS
from scripts.synth.elaborate import elaborate_module
from scripts.synth.libraries import choose
from scripts.synth.netlists import flat

# 64 rows, of fewer cells than there are at ``default``
SMALL = {"ip_array": replace(load_config("default"), name="few-elements", head_dim=32),
         "op_array": replace(load_config("default"), name="few-keys", head_dim=64, keys_per_block=8, prob_bits=12)}
HALF_SET = 12           # of the pairs of shares of set bits: half of all in both


@pytest.mark.parametrize(("top", "parameters"), [
    ("fcim_ip_row", {"HEAD_DIM": 16, "BITS_PER_CYCLE": 1}),
    ("fcim_op_row", {"COLUMNS": 2, "BITS_PER_CYCLE": 1, "KEYS_PER_BLOCK": 8, "PROB_BITS": 8}),
])
def test_every_register_of_a_row_has_an_enable(top: str, parameters: dict[str, int], tmp_path: Path) -> None:
    """So that a synthesizer can put a clock gate in front of it."""
    yosys.require()
    yosys.run(f"{read_command('slang', top, parameters)}proc\nopt -full\ntee -o {tmp_path}/free.txt select -list t:$dff t:$sdff\n"
              f"tee -o {tmp_path}/all.txt select -list t:$*dff*\n", tmp_path, "enables")
    assert (tmp_path / "free.txt").read_text().split() == [] and (tmp_path / "all.txt").read_text().count("\n") > 3


@pytest.mark.parametrize("name", SMALL)
def test_a_tile_of_4_rows_costs_at_most_8_percent_of_one_of_64(name: str, tmp_path: Path) -> None:
    """Four rows are 6.25 %. Energy of all nets, cells and enabled clock pins, from the gates' activity on random bits."""
    yosys.require()
    cfg, kind, library = SMALL[name], KINDS[name], choose("asap7")
    blocks = elaborate_module(kind.top, kind.slice_of(cfg), tmp_path / "rtl")
    with lzma.open(flat(kind.top, blocks, library, tmp_path / "gates") / "netlist.json.xz", "rt") as file:
        netlist = netlist_of(json.load(file), kind.top)
    shared = re.compile(kind.shared)
    circuit = Circuit(netlist, library.cells, load_behaviours(library.file, library.settings.slew),
                      lambda register: int(bool(shared.match(register))))
    for pattern, _ in kind.enables:
        assert any(re.match(pattern, register.name) for register in circuit.registers), f"no register is called {pattern}"
    parts = {part.rows: part for part in measure_rows(kind, cfg, circuit, kind.stream(cfg, swept(cfg, BLOCKS)[HALF_SET:][:1]))}
    assert list(parts) == [1, 4, 16, 64]
    for rows, part in parts.items():
        assert part.total > rows / 64 * parts[64].total * 0.9
        assert part.clock > 0 and part.total == part.transitions + part.clock
    assert parts[4].total <= 0.08 * parts[64].total
