"""What was measured, as JSON has it and as tables in the terminal, and what energy goes along with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from scripts.flow.tables import Column, Table
from scripts.power.measure import Measured
from scripts.power.table import femtojoule
from scripts.studies.encodings.arrays import KEYS, VALUES, VARIANTS

ENERGIES = (Column("operation", text=True, key=True), Column("encoding", text=True, key=True), Column("operands of", text=True),
            Column("set digits"), Column("changes"), Column("bits changed", rank=1), Column("fJ"), Column("nets", rank=1),
            Column("cells", rank=1), Column("clock", rank=1), Column("against offset binary"))
SIZES = (Column("operation", text=True, key=True), Column("encoding", text=True, key=True), Column("cells"), Column("um2"),
         Column("flip-flops"), Column("area against offset binary"), Column("R2, set digits"), Column("R2, changes"),
         Column("R2, bits changed"))
OPERANDS = ("digits", "changes", "bits")
Data = Mapping[str, Any]


def explained(block: Measured, operand: str) -> float | None:
    """How much of the variance of an array's transitions an operand explains by a line, over the windows of all sources that its
    plot has; None where that says nothing: of an operand that the array has not, and of one for products, whose windows differ
    by the probabilities."""
    if operand not in block.fit.ranges or VARIANTS[block.name].operation == VALUES:
        return None
    points = np.array([point for points in block.points.values() for point in points])
    x = points[:, list(block.fit.ranges).index(operand)]
    return float(np.corrcoef(x, points[:, -1])[0, 1] ** 2) if np.ptp(x) and np.ptp(points[:, -1]) else 0.0


def block_data(block: Measured) -> dict[str, Any]:
    """An array as JSON takes it."""
    variant = VARIANTS[block.name]
    costs = [{**asdict(cost), "total": cost.total, "toggles": cost.toggles} for cost in block.costs]
    return {"operation": variant.operation, "encoding": variant.title, "beside": variant.beside, "cells": block.cells,
            "area": block.area, "registers": block.registers, "checked": block.checked, "costs": costs,
            "explained": {operand: explained(block, operand) for operand in OPERANDS}}


def against(found: Data, name: str, what: str, source: str | None = None) -> float:
    """A cost's ``what`` on a source, or the array's own, less that of offset binary, as a share of that; 0 if there is none."""
    def figure(array: Data) -> float:
        return array[what] if source is None else next(cost[what] for cost in array["costs"] if cost["source"] == source)

    beside = found.get(found[name]["beside"])
    return figure(found[name]) / figure(beside) - 1 if beside else 0.0


def spread(found: Data, operand: str) -> tuple[float, float]:
    """Least and most fJ of a MAC's transitions for each of an operand, "bits" or "digits", over the IP-CIM's arrays."""
    each = [cost["toggles"] / cost["operands"][operand] for array in found.values() if array["operation"] == KEYS
            for cost in array["costs"]]
    return (min(each), max(each)) if each else (0.0, 0.0)


def said(found: Data) -> str:
    """Both in words."""
    (bit, most_bit), (digit, most_digit) = (spread(found, operand) for operand in ("bits", "digits"))
    return (f"a MAC's transitions: {bit:.1f} to {most_bit:.1f} fJ for each bit that changes where the trees begin, "
            f"{digit:.1f} to {most_digit:.1f} fJ for each set digit")


def energies(found: Data, title: str) -> Table:
    """A row for each array and source."""
    table = Table(ENERGIES, title)
    for name, array in found.items():
        for cost in array["costs"]:
            operands = cost["operands"]
            table.add(array["operation"], array["encoding"], cost["source"], f"{operands['digits']:.2f}",
                      f"{operands['changes']:.2f}", f"{operands['bits']:.1f}" if "bits" in operands else "",
                      *(femtojoule(cost[part]) for part in ("total", "loads", "internal", "clock")),
                      f"{against(found, name, 'total', cost['source']):+.1%}", last=cost is array["costs"][-1])
    return table


def sizes(found: Data) -> Table:
    """A row for each array: the cells of its slice."""
    table = Table(SIZES)
    for name, array in found.items():
        table.add(array["operation"], array["encoding"], f"{array['cells']:,}", f"{array['area']:,.0f}",
                  f"{array['registers']:,}", f"{against(found, name, 'area'):+.1%}",
                  *("" if array["explained"][operand] is None else f"{array['explained'][operand]:.2f}" for operand in OPERANDS))
    return table
