"""Make the cell library of ``syn/lib`` from the files of ASAP7: one library of the cells that synthesis may choose.

    python -m scripts.synth.reduce_liberty OUTPUT INPUT ...

The inputs are Liberty files, plain or compressed with xz, of one library cut into parts. What goes is named in the output's
header: cells that ``syn/libraries.yaml`` excludes, tables that neither timing nor energy needs, and conditions (``when``): of
several delays of an arc the largest stays at each point of its table, of several energies the mean.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.errors import FcimError, run_cli
from scripts.flow.files import write_atomic
from scripts.flow.gates.liberty import Group, read, text_of
from scripts.synth.libraries import all_settings, excluded

DELAYS = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
SETUP = ("rise_constraint", "fall_constraint")
ENERGIES = ("rise_power", "fall_power")
TIMING_TYPES = ("combinational", "rising_edge", "setup_rising")
UNITS = ("time_unit", "voltage_unit", "current_unit", "leakage_power_unit", "pulling_resistance_unit")
KEPT = (*UNITS, "delay_model", "nom_process", "nom_temperature", "nom_voltage", "default_max_transition", *(
    f"{what}_threshold_pct_{edge}" for what in ("input", "output", "slew_lower", "slew_upper") for edge in ("fall", "rise")),
    "slew_derate_from_library")
PIN = ("direction", "clock", "function", "capacitance", "rise_capacitance", "fall_capacitance", "max_capacitance")
WHAT = """/*
Reduced from the library files of ASAP7 (7.5-track, RVT, typical, NLDM) by: python -m scripts.synth.reduce_liberty
Left out: {cells} of {all} cells, pins of supply, driver waveforms, hold and pulse widths, leakage by state.
Merged: delays and setup times of an arc under several conditions into their largest, energies into their mean.
Numbers have {digits} digits. The parts were:
{parts}

{licence}
*/
"""
DIGITS = 4


def _numbers(table: Group) -> np.ndarray:
    return np.array([[float(x) for x in row.split(",")] for row in table.list_of("values")])


def _row(numbers: Sequence[float] | np.ndarray) -> str:
    return ",".join(f"{x:.{DIGITS}g}" for x in numbers)


def _merged(tables: list[Group], how: str) -> Group:
    """One table for several of the same axes: ``max`` or ``mean`` at each point.

    Raises:
        FcimError: their axes differ.
    """
    first = tables[0]
    axes = [(key, values) for key, values in first.lists if key != "values"]
    same = [t for t in tables if [(k, v) for k, v in t.lists if k != "values"] == axes]
    if len(same) != len(tables):
        scalars = [t for t in tables if t not in same]
        if any(_numbers(t).any() for t in scalars):     # a table that is one 0 counts where a mean is taken
            raise FcimError(f"tables of one arc have different axes ({first.kind}); this library needs another reduction")
    values = np.stack([np.broadcast_to(_numbers(t), _numbers(first).shape) for t in tables])
    result = values.max(axis=0) if how == "max" else values.mean(axis=0)
    lists = [(key, tuple(_row([float(x) for x in axis.split(",")]) for axis in found)) for key, found in axes]
    return Group(first.kind, first.arguments, {}, [*lists, ("values", tuple(map(_row, result)))])


def _arcs(groups: list[Group], keys: tuple[str, ...], kinds: tuple[str, ...], how: str) -> list[Group]:
    """One group for each combination of ``keys``, with its merged tables."""
    by_key: dict[tuple[str, ...], list[Group]] = {}
    for group in groups:
        by_key.setdefault(tuple(group.values.get(key, "") for key in keys), []).append(group)
    found = []
    for key, same in by_key.items():
        arc = Group(same[0].kind, (), {name: value for name, value in zip(keys, key, strict=True) if value})
        for kind in kinds:
            tables = [t for group in same for t in group.all(kind)]
            tables.sort(key=lambda t: -len(t.lists))      # one with axes first
            if tables:
                arc.groups.append(_merged(tables, how))
        found.append(arc)
    return found


def reduced_cell(cell: Group) -> Group:
    """A cell with its area, mean leakage, function, and one timing and one energy per arc."""
    found = Group("cell", cell.arguments, {k: v for k, v in cell.values.items() if k == "area"})
    leakage = [x for x in cell.all("leakage_power") if "when" not in x.values]
    found.values["cell_leakage_power"] = f"{sum(float(x.values['value']) for x in leakage):.{DIGITS}g}"
    found.groups += [Group(x.kind, x.arguments, dict(x.values)) for x in cell.all("ff")]
    for pin in cell.all("pin"):
        kept = Group("pin", pin.arguments, {k: pin.values[k] for k in PIN if k in pin.values})
        timing = [t for t in pin.all("timing") if t.values.get("timing_type", "combinational") in TIMING_TYPES]
        kept.groups += _arcs(timing, ("related_pin", "timing_sense", "timing_type"), (*DELAYS, *SETUP), "max")
        kept.groups += _arcs(list(pin.all("internal_power")), ("related_pin", "related_pg_pin"), ENERGIES, "mean")
        found.groups.append(kept)
    return found


def reduced(parts: Sequence[Group], dont_use: Sequence[str]) -> Group:
    """One library of the parts' cells that ``dont_use`` does not name, in the order of their names."""
    first = parts[0]
    found = Group("library", ("asap7_rvt_tt",), {k: first.values[k] for k in KEPT if k in first.values},
                  [x for x in first.lists if x[0] in ("capacitive_load_unit", "voltage_map")])
    templates: dict[str, Group] = {}
    for part in parts:
        templates.update({x.name: x for x in part.all("lu_table_template", "power_lut_template")})
    cells = sorted((c for part in parts for c in part.all("cell") if not excluded(c.name, dont_use)), key=lambda c: c.name)
    found.groups = [*templates.values(), *map(reduced_cell, cells)]
    return found


def main() -> int:
    """Read, reduce, write."""
    if len(sys.argv) < 3:
        raise FcimError("no files; write: python -m scripts.synth.reduce_liberty OUTPUT INPUT ...")
    output, inputs = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
    parts = [read(path) for path in inputs]
    library = reduced(parts, all_settings()["asap7"].dont_use)
    cells, everything = len(list(library.all("cell"))), sum(len(list(part.all("cell"))) for part in parts)
    licence = (output.parent / "ASAP7-LICENSE.txt").read_text().strip().removeprefix("/*").removesuffix("*/").strip()
    header = WHAT.format(cells=everything - cells, all=everything, digits=DIGITS, licence=licence,
                         parts="\n".join(f"  {part.name}" for part in parts))
    write_atomic(output, header + text_of(library))
    print(f"{output}: {cells} of {everything} cells, {output.stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    run_cli(main)
