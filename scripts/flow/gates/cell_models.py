"""Verilog models of a Liberty library's cells, for simulation and proof: the functions of the outputs, and the flip-flops.

They are pessimistic about the unknown: plain expressions and registers without an initial value, so that what depends on an X is
X, the output of a multiplexer whose select is unknown too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from models.errors import FcimError
from scripts.flow.gates.functions import Tree, parse
from scripts.flow.gates.liberty import Group, read

_OPERATORS = {"and": "&", "or": "|", "xor": "^"}
_STORES = ("latch", "statetable", "ff_bank", "latch_bank")


def expression(tree: Tree) -> str:
    """A function as a Verilog expression."""
    if tree[0] == "pin":
        return tree[1]
    if tree[0] == "constant":
        return f"1'b{tree[1]}"
    if tree[0] == "not":
        return f"~{expression(tree[1])}"
    return f"({expression(tree[1])} {_OPERATORS[tree[0]]} {expression(tree[2])})"


def verilog_models(file: Path, names: Iterable[str]) -> str:
    """A module for each of these cells of a Liberty file.

    Raises:
        FcimError: the file is no Liberty, lacks one of the cells, or one is neither combinational nor a flip-flop.
    """
    cells = {group.name: group for group in read(file).all("cell")}
    texts = ["// Cells of a Liberty library, made from their functions.\n`default_nettype none\n"]
    for name in sorted(set(names)):
        if name not in cells:
            raise FcimError(f"{file} has no cell {name}; give the library that the netlist was made for")
        try:
            texts.append(_module(cells[name]))
        except (KeyError, ValueError, FcimError) as error:
            raise FcimError(f"cell {name} of {file} has no model ({error}); keep it out of netlists with dont_use") from None
    return "\n".join([*texts, "`default_nettype wire\n"])


def _module(cell: Group) -> str:
    if any(cell.all(*_STORES)):
        raise ValueError("it stores, and is no flip-flop")
    pins = {pin.name: pin for pin in cell.all("pin") if pin.values.get("direction") in ("input", "output")}
    ports = ", ".join(f"{pin.values['direction']} wire {name}" for name, pin in pins.items())
    lines = [f"module {cell.name} ({ports});"]
    for store in cell.all("ff"):
        lines += _flip_flop(store)
    lines += [f"    assign {name} = {expression(parse(pin.values['function']))};" for name, pin in pins.items()
              if pin.values["direction"] == "output"]
    return "\n".join([*lines, "endmodule\n"])


def _flip_flop(store: Group) -> list[str]:
    """State and its complement; clear and preset together leave it unknown until the next edge, whatever the library says."""
    state, inverse = store.arguments
    edges, body = [], f"{state} <= {expression(parse(store.values['next_state']))};"
    lines = [f"    wire {state}_clock = {expression(parse(store.values['clocked_on']))};"]
    given = [(name, value) for name, value in (("preset", "1'b1"), ("clear", "1'b0")) if name in store.values]
    for name, value in given:
        lines.append(f"    wire {state}_{name} = {expression(parse(store.values[name]))};")
        edges.append(f" or posedge {state}_{name}")
        body = f"if ({state}_{name}) {state} <= {value}; else {body}"
    if len(given) == 2:
        body = f"if ({state}_preset & {state}_clear) {state} <= 1'bx; else {body}"
    return [*lines, f"    reg {state};", f"    wire {inverse} = ~{state};",
            f"    always @(posedge {state}_clock{''.join(edges)}) {body}"]
