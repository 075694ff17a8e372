"""Figures of ``make power``: energies of operations by source, and the fits over set bits."""

from __future__ import annotations

from scripts.figures.pages import Piece
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table

PAGE = "docs/power.md"
PARTS = ("total", "loads", "internal", "clock", "cell_clock", "leakage")
SHARE = 0.02        # what another version of a tool may change


def figure(value: float) -> str:
    """An energy, with what digits it can have."""
    spec = ",.0f" if value >= 100 else ".1f" if value >= 10 else ".2f"
    return near(value, spec, max(SHARE * abs(value), 0.01))


def _costs(data: Data) -> Piece:
    rows = []
    for block in data["blocks"].values():
        for cost in block["costs"]:
            if cost["source"] != "swept":
                bits = ", ".join(f"{name} {near(x, '.1f', 0.1)}" for name, x in cost["operands"].items())
                parts = [figure(cost[part]) if cost[part] else "" for part in PARTS]
                rows.append([block["operation"], cost["source"], *parts, bits])
    columns = ("operation", "operands of", "fJ", "nets", "cells", "clock", "clock of memory cells", "leakage at 1 GHz",
               "mean set bits")
    return Piece(PAGE, table(columns, rows, 2), "power-operations")


def _sum(coefficients: dict[str, float]) -> str:
    """A fit's terms, the constant first."""
    text = ""
    for term, x in coefficients.items():
        sign = ("-" if x < 0 else "") if not text else (" - " if x < 0 else " + ")
        size = abs(x)
        figure = near(size, ",.0f" if size >= 100 else ".1f" if size >= 10 else ".2f", max(0.1 * size, 0.05))
        text += sign + figure + ("" if term == "1" else f" {term.replace('*', '·')}")
    return text


def _fits(data: Data) -> Piece:
    rows = []
    for block in data["blocks"].values():
        for name, fit in (("models", block["fit"]), ("swept bits", block["swept"])):
            if fit:
                ranges = ", ".join(f"{operand} {near(low, '.1f', 0.3)} to {near(high, '.1f', 0.3)}"
                                   for operand, (low, high) in fit["ranges"].items())
                rows.append([block["operation"], name, _sum(fit["coefficients"]), figure(fit["residual"]),
                             near(fit["explained"], ".2f", 0.05), ranges])
    columns = ("operation", "operands of", "fJ of transitions", "residual", "R²", "between")
    return Piece(PAGE, table(columns, rows, 3), "power-fits")


def _rows(data: Data) -> Piece:
    rows = []
    for name, operation in (("ip_array", "IP-CIM, a key"), ("op_array", "OP-CIM, a slice of V")):
        parts = data["blocks"][name]["parts"]
        rows += [[operation, exact(part["rows"]), *(figure(part[key] / 1000) for key in ("total", "transitions", "clock")),
                  near(100 * part["total"] / parts[-1]["total"], ".1f", 0.2) + " %"] for part in parts]
    return Piece(PAGE, table(("array", "rows in use", "pJ", "transitions", "clock", "of all rows"), rows), "power-rows")


def power(data: Data) -> list[Piece]:
    """The tables of a report, and the size of the slices."""
    cells = sum(block["cells"] for block in data["blocks"].values())
    text = f"The slices have {near(cells / 1000, ',.0f', SHARE * cells / 1000)} thousand cells together, and"
    checked = sum(block["checked"] for block in data["blocks"].values())
    text += f" {exact(checked)} bits of their outputs were compared with the golden model's: none differs."
    return [_costs(data), _fits(data), _rows(data), Piece(PAGE, text, "power-size")]
