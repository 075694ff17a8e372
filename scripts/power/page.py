"""The page of a measurement: energies, plots of them against the set bits that matter most, fits, what others publish."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.flow.html import render
from scripts.power.measure import SWEPT, Measured
from scripts.power.published import MACROS
from scripts.power.table import (
    COSTS,
    FITS,
    LEFT_OUT,
    PUBLISHED,
    ROWS,
    beside,
    cost_cells,
    femtojoule,
    fit_cells,
    row_cells,
)
from scripts.synth.libraries import Chosen

TEMPLATES = Path(__file__).parent / "templates"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 500.0, 260.0, 52.0, 36.0, 8.0
COLOURS = ("#1f6f8b", "#c8702a", "#4f8a3c", "#6b4c9a")
GREY = "#9aa5b1"
TICKS = 5


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that lie between."""
    rough = (high - low) / TICKS or 1.0
    unit = 10.0 ** np.floor(np.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough)
    return [round(float(x), 9) for x in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def plot(block: Measured) -> dict[str, Any]:
    """Points and the fit's line over the operand that moves the energy most, the others at their means."""
    names = list(block.fit.ranges)
    moves = {name: abs(block.fit.coefficients[name]) * (high - low) for name, (low, high) in block.fit.ranges.items()}
    if block.swept:     # over all that the operands could be
        moves = {name: float(np.ptp([block.swept.at({n: (x if n == name else np.mean(block.swept.ranges[n])) for n in names})
                                     for x in np.linspace(*block.swept.ranges[name], 9)])) for name in names}
    main = max(moves, key=lambda name: moves[name])
    place = names.index(main)
    everything = np.array([point for points in block.points.values() for point in points])
    reach = (*everything[:, place], *block.fit.ranges[main])    # the page has some of the points, the fit had all
    x_low, x_high, y_high = min(reach), max(reach), everything[:, -1].max() * 1.04
    x_high = x_high if x_high > x_low else x_low + 1

    def x(value: float) -> float:
        return LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - 8)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - value / y_high * (HEIGHT - BOTTOM - TOP)

    real = [c for c in block.costs if c.source != SWEPT]
    means = {name: float(np.mean([c.operands[name] for c in real])) for name in names}
    line = [(x(v), y(block.fit.at(means | {main: v}))) for v in block.fit.ranges[main]]
    sources = [(source, GREY if source == SWEPT else COLOURS[number % len(COLOURS)], points)
               for number, (source, points) in enumerate(block.points.items())]
    sources.sort(key=lambda item: item[0] != SWEPT)         # behind the others
    return {"operation": block.operation, "operand": main, "line": line,
            "xs": [(x(v), f"{v:g}") for v in _ticks(x_low, x_high)], "ys": [(y(v), f"{v:,g}") for v in _ticks(0.0, y_high)],
            "sources": [{"name": source, "colour": colour, "points": [(x(p[place]), y(p[-1])) for p in points]}
                        for source, colour, points in sources]}


def page(blocks: Sequence[Measured], faults: Sequence[str], skipped: Sequence[str], command: str, about: dict[str, str],
         library: Chosen, volt: float) -> str:
    """The HTML text."""
    costs = [cost_cells(block, cost) for block in blocks for cost in block.costs if cost.source != SWEPT]
    fits = [cells for block in blocks for cells in (fit_cells(block, block.fit), *(
        [fit_cells(block, block.swept, True)] if block.swept else []))]
    tiles = [(block.operation, f"{femtojoule(block.costs[0].total)} fJ",
              f"operands of {block.costs[0].source}, {femtojoule(block.costs[0].clock)} fJ of it at clock pins")
             for block in blocks]
    kinds = [(block.operation, block.cells, block.registers, f"{block.checked:,}", ", ".join(
        f"{kind.split('_')[0]} {count / sum(block.toggles.values()):.0%}" for kind, count in list(block.toggles.items())[:6]))
        for block in blocks]
    return render(TEMPLATES, "power.html.j2", tiles=tiles, costs=costs, fits=fits, kinds=kinds, plots=[plot(b) for b in blocks],
                  faults=list(faults), skipped=list(skipped), command=command, about=about, columns=COSTS, fit_columns=FITS,
                  row_columns=ROWS, parts=[cells for block in blocks for cells in row_cells(block)],
                  published_columns=PUBLISHED, macros=MACROS, beside=beside(library, volt), left_out=LEFT_OUT,
                  width=WIDTH, height=HEIGHT, left=LEFT, base=HEIGHT - BOTTOM)
