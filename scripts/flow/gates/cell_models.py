"""Verilog models of a Liberty library's cells, for simulation and proof: the functions of the outputs, and the flip-flops.

They are pessimistic about the unknown: plain expressions and registers without an initial value, so that what depends on an X is
X, the output of a multiplexer whose select is unknown too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from models.errors import FcimError
from scripts.flow.gates.liberty import Group, read

_TOKEN = re.compile(r"\s*([A-Za-z_]\w*|[01]|[!'^&*|+()])")
_STORES = ("latch", "statetable", "ff_bank", "latch_bank")


class _Expression:
    """One pass over a Liberty function: inversion first, then exclusive or, and, or; names side by side are an and."""

    def __init__(self, text: str) -> None:
        self.tokens, at = [], 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise ValueError(text)
            self.tokens.append(found[1])
            at = found.end()
        self.text, self.tokens = text, [*self.tokens, ""]

    def verilog(self) -> str:
        """The whole of it."""
        found = self._chain(("|", "+"), " | ", self._and)
        if self.tokens != [""]:
            raise ValueError(self.text)
        return found

    def _and(self) -> str:
        terms = [self._exclusive()]
        while self.tokens[0] and self.tokens[0] not in "|+)":
            if self.tokens[0] in "&*":
                self.tokens.pop(0)
            terms.append(self._exclusive())
        return _joined(terms, " & ")

    def _exclusive(self) -> str:
        return self._chain(("^",), " ^ ", self._atom)

    def _chain(self, marks: tuple[str, ...], operator: str, part: Callable[[], str]) -> str:
        terms = [part()]
        while self.tokens[0] in marks:
            self.tokens.pop(0)
            terms.append(part())
        return _joined(terms, operator)

    def _atom(self) -> str:
        token = self.tokens.pop(0)
        if token == "!":
            found = f"~{self._atom()}"
        elif token == "(":
            found = self._chain(("|", "+"), " | ", self._and)
            if self.tokens.pop(0) != ")":
                raise ValueError(self.text)
        elif token and token not in "'^&*|+)":
            found = f"1'b{token}" if token in "01" else token
        else:
            raise ValueError(self.text)
        while self.tokens[0] == "'":
            self.tokens.pop(0)
            found = f"~{found}"
        return found


def _joined(terms: list[str], operator: str) -> str:
    return terms[0] if len(terms) == 1 else f"({operator.join(terms)})"


def expression(text: str) -> str:
    """A Liberty function as a Verilog expression.

    Raises:
        ValueError: it is none.
    """
    return _Expression(text).verilog()


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
        except (KeyError, ValueError) as error:
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
    lines += [f"    assign {name} = {expression(pin.values['function'])};" for name, pin in pins.items()
              if pin.values["direction"] == "output"]
    return "\n".join([*lines, "endmodule\n"])


def _flip_flop(store: Group) -> list[str]:
    """State and its complement; clear and preset together leave it unknown until the next edge, whatever the library says."""
    state, inverse = store.arguments
    edges, body = [], f"{state} <= {expression(store.values['next_state'])};"
    lines = [f"    wire {state}_clock = {expression(store.values['clocked_on'])};"]
    given = [(name, value) for name, value in (("preset", "1'b1"), ("clear", "1'b0")) if name in store.values]
    for name, value in given:
        lines.append(f"    wire {state}_{name} = {expression(store.values[name])};")
        edges.append(f" or posedge {state}_{name}")
        body = f"if ({state}_{name}) {state} <= {value}; else {body}"
    if len(given) == 2:
        body = f"if ({state}_preset & {state}_clear) {state} <= 1'bx; else {body}"
    return [*lines, f"    reg {state};", f"    wire {inverse} = ~{state};",
            f"    always @(posedge {state}_clock{''.join(edges)}) {body}"]
