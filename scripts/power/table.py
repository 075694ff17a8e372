"""Energies as tables in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

from scripts.flow.tables import Column, Table, say
from scripts.power.measure import SWEPT, Cost, Fit, Measured
from scripts.power.published import HIGH, LOW, MACROS, NAND2_PIN, NODE, TYPICAL, VOLT, scaled
from scripts.synth.libraries import Chosen

COSTS = (Column("operation", text=True, key=True), Column("operands of", text=True), Column("fJ"), Column("nets"),
         Column("cells"), Column("clock"), Column("clock of memory cells", rank=2), Column("leakage at 1 GHz", rank=3),
         Column("mean set bits", text=True, rank=1))
FITS = (Column("operation", text=True, key=True), Column("fJ of transitions", text=True), Column("residual fJ"), Column("R2"),
        Column("between", text=True, rank=1))
PUBLISHED = (Column("digital compute-in-memory, 8 by 8 bits", text=True, key=True), Column("nm"), Column("TOPS/W"),
             Column("fJ/MAC"))
WINDOWS = {"ip_array": "key", "op_array": "slice of V"}     # that an array is measured over
ROWS = (Column("rows in use", text=True, key=True), Column("rows"), Column("fJ"), Column("transitions"), Column("clock"),
        Column("of all rows"))
LEFT_OUT = ("Not in it: wires, the clock tree, glitches, SRAM macros, what drives a block's inputs from outside; the clock pins "
            "of registers that hold cells and leakage are listed apart.")


def femtojoule(x: float) -> str:
    """A figure with what digits it can have."""
    return f"{x:,.0f}" if x >= 1000 else f"{x:,.1f}" if x >= 10 else f"{x:.2f}"


def cost_cells(block: Measured, cost: Cost) -> tuple[str, ...]:
    """A row of :data:`COSTS`."""
    bits = ", ".join(f"{name} {x:.2f}" for name, x in cost.operands.items())
    return (block.operation, cost.source, femtojoule(cost.total), femtojoule(cost.loads), femtojoule(cost.internal),
            femtojoule(cost.clock), femtojoule(cost.cell_clock) if cost.cell_clock else "", femtojoule(cost.leakage), bits)


def formula(fit: Fit) -> str:
    """The fit as a sum."""
    text = ""
    for term, x in fit.coefficients.items():
        size = f"{abs(x):.4g}" + ("" if term == "1" else f" {term.replace('*', ' ')}")
        text += (("-" if x < 0 else "") if not text else (" - " if x < 0 else " + ")) + size
    return text


def fit_cells(block: Measured, fit: Fit, swept: bool = False) -> tuple[str, ...]:
    """A row of :data:`FITS`."""
    ranges = ", ".join(f"{name} {low:.1f} to {high:.1f}" for name, (low, high) in fit.ranges.items())
    return (block.operation + (f", {SWEPT} bits" if swept else ""), formula(fit), femtojoule(fit.residual),
            f"{fit.explained:.2f}", ranges)


def row_cells(block: Measured) -> list[tuple[str, ...]]:
    """The rows of :data:`ROWS` of a block, none of one that is no array."""
    return [(f"{block.name}, a {WINDOWS[block.name]}", str(part.rows), femtojoule(part.total), femtojoule(part.transitions),
             femtojoule(part.clock), f"{part.total / block.parts[-1].total:.1%}") for part in block.parts]


def beside(library: Chosen, volt: float) -> str:
    """The published range, and what this library's supply makes of it."""
    low, middle, high = (scaled(x, volt) for x in (LOW, TYPICAL, HIGH))
    text = (f"Published: {LOW:.0f} to {HIGH:.0f} fJ a MAC in {NODE} nm at about {VOLT:g} V, typically {TYPICAL:.0f}, with memory "
            f"and wires. At {volt:g} V the same capacitances take {low:.0f} to {high:.0f} fJ, typically {middle:.0f}.")
    cell = library.cells.cells.get(library.settings.nand2)
    if cell is None:
        return text
    pin = sum(cell.inputs.values()) / len(cell.inputs)
    return text + (f" Nothing is taken off for smaller transistors: a pin of the library's NAND2 has {pin:.2f} fF, one of a "
                   f"model of {NODE} nm {NAND2_PIN:g} fF.")


def show(blocks: Sequence[Measured], title: str, library: Chosen, volt: float, file: IO[str] | None = None) -> None:
    """Costs, fits, what others publish, what is not in it."""
    table = Table(COSTS, title)
    for block in blocks:
        for cost in block.costs:
            if cost.source != SWEPT:
                table.add(*cost_cells(block, cost), last=cost is [c for c in block.costs if c.source != SWEPT][-1])
    table.show(file)
    say("", file)
    fits = Table(FITS)
    for block in blocks:
        fits.add(*fit_cells(block, block.fit))
        if block.swept:
            fits.add(*fit_cells(block, block.swept, True))
    fits.show(file)
    say("", file)
    parts = Table(ROWS)
    for cells in (cells for block in blocks for cells in row_cells(block)):
        parts.add(*cells)
    if parts.rows:
        parts.show(file)
        say("", file)
    published = Table(PUBLISHED)
    for macro in MACROS:
        published.add(macro.where, str(macro.node), macro.tops_per_watt, macro.femtojoule)
    published.show(file)
    say(beside(library, volt), file)
    say(LEFT_OUT, file)
