"""Paths through the ready of blocks."""

from __future__ import annotations

import pytest

from scripts.flow.gates.netlist import netlist_of
from scripts.synth.libraries import choose
from scripts.synth.ready import chains, of_block

CHILD = of_block({("m_ready", "s_ready"): 20.0, ("s_valid", "m_valid"): 20.0})
BUFFER = "BUFx2_ASAP7_75t_R"


def cell(kind: str, pins: dict[str, list[int | str]]) -> dict:
    """An instance as yosys writes it."""
    return {"type": kind, "connections": pins}


def module(middle: dict[str, dict]) -> dict:
    """Two blocks, the first's ready at net 10, the second's at the output; ``middle`` leads from net 10 to net 11."""
    ports = {"m_ready": ("input", [3]), "s_ready": ("output", [12]), "clk": ("input", [2])}
    cells = {"u_last": cell("fcim_child", {"m_ready": [3], "s_ready": [10], "s_valid": ["0"], "m_valid": [20]}),
             "u_first": cell("fcim_child", {"m_ready": [11], "s_ready": [12], "s_valid": [20], "m_valid": [21]}), **middle}
    return {"modules": {"m": {"ports": {name: {"direction": way, "bits": bits} for name, (way, bits) in ports.items()},
                              "cells": cells, "netnames": {}}}}


@pytest.mark.parametrize(("middle", "longest"), [
    (cell(BUFFER, {"A": [10], "Y": [11]}), 2),
    (cell("DFFHQNx1_ASAP7_75t_R", {"CLK": [2], "D": [10], "QN": [11]}), 1),
], ids=["gate", "register"])
def test_a_chain_of_two_is_found_unless_a_register_parts_it(middle: dict, longest: int) -> None:
    arcs, found = chains(netlist_of(module({"u": middle}), "m"), choose("asap7").cells, {"fcim_child": CHILD})
    both = ("u_last.s_ready", "u_first.s_ready")
    assert len(found) == longest and set(found) <= set(both)
    assert arcs == ({("m_ready", "s_ready"): both} if longest == 2 else {})


def test_what_is_within_a_part_counts_around_it() -> None:
    cells = choose("asap7").cells
    arcs, _ = chains(netlist_of(module({"u": cell(BUFFER, {"A": [10], "Y": [11]})}), "m"), cells, {"fcim_child": CHILD})
    ports = {"a": {"direction": "input", "bits": [3]}, "s_ready": {"direction": "output", "bits": [4]}}
    outer = {"modules": {"o": {"ports": ports, "netnames": {}, "cells": {"u_m": cell("m", {"m_ready": [3], "s_ready": [4]})}}}}
    found, longest = chains(netlist_of(outer, "o"), cells, {"m": arcs})
    assert longest == found["a", "s_ready"] == ("u_m/u_last.s_ready", "u_m/u_first.s_ready")
