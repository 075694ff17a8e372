"""Figures of ``make encodings``: what each encoding of the streamed operand costs, and what it goes along with."""

from __future__ import annotations

from scripts.figures.pages import Piece
from scripts.figures.power import PAGE, SHARE, figure
from scripts.figures.reports import Data
from scripts.figures.text import exact, near, table
from scripts.studies.encodings.table import OPERANDS, against, spread


def _share(value: float, within: float) -> str:
    return near(100 * value, "+.1f", 100 * within) + " %"


def _energies(arrays: Data) -> Piece:
    rows = []
    for name, array in arrays.items():
        for cost in array["costs"]:
            of = cost["operands"]
            rows.append([array["operation"], array["encoding"], cost["source"], near(of["digits"], ".2f", 0.05),
                         near(of["changes"], ".2f", 0.05), near(of["bits"], ".1f", 0.2) if "bits" in of else "",
                         *(figure(cost[part]) for part in ("total", "loads", "internal", "clock")),
                         _share(against(arrays, name, "total", cost["source"]), SHARE / 2)])
    columns = ("operation", "streamed operand", "operands of", "set digits", "changes", "bits changed", "fJ", "nets", "cells",
               "clock", "against offset binary")
    return Piece(PAGE, table(columns, rows, 3), "encodings")


def _cells(arrays: Data) -> Piece:
    rows = [[array["operation"], array["encoding"], near(array["cells"], ",", SHARE * array["cells"]),
             near(array["area"], ",.0f", SHARE * array["area"]), exact(array["registers"]),
             _share(against(arrays, name, "area"), SHARE / 2),
             *("" if array["explained"][operand] is None else near(array["explained"][operand], ".2f", 0.05)
               for operand in OPERANDS)] for name, array in arrays.items()]
    columns = ("operation", "streamed operand", "cells", "um²", "flip-flops", "area against offset binary",
               "R², set digits", "R², changes", "R², bits changed")
    return Piece(PAGE, table(columns, rows, 2), "encodings-cells")


def encodings(data: Data) -> list[Piece]:
    """The tables of a report, and what energy goes along with."""
    (bit, most_bit), (digit, most_digit) = (spread(data["arrays"], operand) for operand in ("bits", "digits"))
    text = (f"Over all arrays for K, a bit that changes where the trees begin comes with {near(bit, '.1f', 0.2)} to "
            f"{near(most_bit, '.1f', 0.2)} fJ of a MAC's transitions, a set digit with {near(digit, '.1f', 0.5)} to "
            f"{near(most_digit, '.1f', 0.5)} fJ.")
    return [_energies(data["arrays"]), _cells(data["arrays"]), Piece(PAGE, text, "encodings-spread")]
