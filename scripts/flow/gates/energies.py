"""What the cells of a Liberty library do and what it costs: functions, flip-flops, internal energies, leakage.

An internal energy of the library is that of a transition without the load's. Where it is given for the supply and for the ground
(``related_pg_pin``), each is the charge through that pin times the supply voltage, and over a rise and a fall both are the same
charge: their mean counts, not their sum. Tables are read at one transition time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import FcimError
from scripts.flow.gates.functions import Tree, parse
from scripts.flow.gates.liberty import Group, read

LOADS = ("total_output_net_capacitance", "equal_or_opposite_output_net_capacitance")
FORCES = ("clear", "preset")
EDGES = ("rise_power", "fall_power")
_FEMTO = {"ff": 1.0, "pf": 1e3}
_PICO = {"1ps": 1.0, "10ps": 10.0, "100ps": 100.0, "1ns": 1000.0}
_NANO = {"1pw": 1e-3, "10pw": 1e-2, "100pw": 0.1, "1nw": 1.0, "10nw": 10.0, "100nw": 100.0, "1uw": 1e3, "1mw": 1e6}


@dataclass(frozen=True)
class Curve:
    """An energy in fJ by load in fF, straight between its points and level beyond them."""

    loads: np.ndarray
    energies: np.ndarray

    def at(self, load: float) -> float:
        """The energy at a load."""
        return float(np.interp(load, self.loads, self.energies))


@dataclass(frozen=True)
class Flop:
    """A flip-flop: its clock pin, and what it takes at a rising edge. ``state`` and ``inverse`` are its names for both;
    ``forces``: when it is cleared or set."""

    clock: str
    next_state: Tree
    state: str
    inverse: str
    forces: tuple[Tree, ...] = ()


@dataclass(frozen=True)
class Behaviour:
    """A cell: ``functions`` of its outputs, of pins or of a flip-flop's state; energies of a transition, rise and fall averaged.

    ``switching``: of an output, the mean over its inputs' arcs; ``passive``: of an input by itself, fJ. ``leakage`` in nW.
    """

    functions: dict[str, Tree]
    flop: Flop | None
    switching: dict[str, tuple[Curve, ...]]
    passive: dict[str, float]
    leakage: float

    def energy(self, output: str, load: float) -> float:
        """The internal energy in fJ of a transition of an output that drives ``load`` fF."""
        arcs = self.switching.get(output, ())
        return sum(arc.at(load) for arc in arcs) / len(arcs) if arcs else 0.0


@dataclass(frozen=True)
class Behaviours:
    """Cells by name, and the supply in V."""

    volt: float
    cells: dict[str, Behaviour]


def load_behaviours(path: Path, slew: float) -> Behaviours:
    """What a Liberty file says of functions and energies, at transitions of ``slew`` ps.

    Raises:
        FcimError: it has no voltage or units that are not known, or none of its cells has internal energies.
    """
    tree = read(path)
    try:
        unit, values = tree.list_of("capacitive_load_unit"), tree.values
        farad, time = float(unit[0]) * _FEMTO[unit[1].lower()], _PICO[values["time_unit"].lower()]
        nano = _NANO[values.get("leakage_power_unit", "1nW").lower()]
        volt = float(values["nom_voltage"])
        templates = {t.name: t for t in tree.all("power_lut_template", "lu_table_template")}
        at = _Reader(templates, farad, time, slew)
        cells = {c.name: _behaviour(c, at, nano) for c in tree.all("cell")}
    except (KeyError, IndexError, ValueError) as error:
        raise FcimError(f"{path} is not complete ({type(error).__name__} at {error}); give another Liberty file") from None
    if not any(cell.switching for cell in cells.values()):
        raise FcimError(f"{path} has no internal energies (internal_power); give a Liberty file with power")
    return Behaviours(volt, cells)


@dataclass(frozen=True)
class _Reader:
    """What a table means: fF and ps of the file's units, an energy of capacitance times V^2, hence fJ."""

    templates: dict[str, Group]
    farad: float
    time: float
    slew: float

    def curve(self, table: Group) -> Curve:
        template = self.templates.get(table.name, Group(""))
        rows = [[float(x) for x in row.replace(",", " ").split()] for row in table.list_of("values")]
        values = np.array(rows) * self.farad
        axes = []
        for number in (1, 2):
            axis = table.list_of(f"index_{number}") or template.list_of(f"index_{number}")
            if axis and values.size > 1:
                load = template.values.get(f"variable_{number}", "") in LOADS
                points = np.array([float(x) for x in " ".join(axis).replace(",", " ").split()])
                axes.append((load, points * (self.farad if load else self.time)))
        if not axes:
            return Curve(np.zeros(1), values.reshape(-1)[:1])
        if len(axes) == 1:
            load, points = axes[0]
            return Curve(points, values.reshape(-1)) if load else Curve(np.zeros(1), np.array([np.interp(
                self.slew, points, values.reshape(-1))]))
        values = values.reshape(len(axes[0][1]), len(axes[1][1]))
        if axes[0][0]:
            axes, values = axes[::-1], values.T
        return Curve(axes[1][1], np.array([np.interp(self.slew, axes[0][1], column) for column in values.T]))

    def mean(self, groups: list[Group]) -> Curve | None:
        """The energy of a transition: mean of rise and fall, of supply and ground, of conditions."""
        by_rail: dict[str, list[Curve]] = {}
        for group in groups:
            for edge in EDGES:
                curves = by_rail.setdefault(group.values.get("related_pg_pin", ""), [])
                curves += [self.curve(table) for table in group.all(edge)]
            by_rail[group.values.get("related_pg_pin", "")] += [c for t in group.all("power") for c in [self.curve(t)] * 2]
        rails = [curves for curves in by_rail.values() if curves]
        if not rails:
            return None
        loads = max((c.loads for curves in rails for c in curves), key=len)
        energies = [np.mean([np.interp(loads, c.loads, c.energies) for c in curves], axis=0) for curves in rails]
        return Curve(loads, np.mean(energies, axis=0))


def _behaviour(cell: Group, at: _Reader, nano: float) -> Behaviour:
    functions, switching, passive = {}, {}, {}
    for pin in cell.all("pin"):
        by_source: dict[str, list[Group]] = {}
        for power in pin.all("internal_power"):
            by_source.setdefault(power.values.get("related_pin", ""), []).append(power)
        curves = {source: curve for source, groups in by_source.items() if (curve := at.mean(groups)) is not None}
        if pin.values.get("direction") == "output":
            if "function" in pin.values:
                functions[pin.name] = parse(pin.values["function"])
            arcs = tuple(curve for source, curve in curves.items() if source)
            if arcs:
                switching[pin.name] = arcs
        elif "" in curves:
            passive[pin.name] = curves[""].at(0.0)
    return Behaviour(functions, _flop(cell), switching, passive, nano * float(cell.values.get("cell_leakage_power", 0.0)))


def _flop(cell: Group) -> Flop | None:
    """The flip-flop of a cell; None where there is none, or one that is no simple one with a rising edge."""
    group = next(cell.all("ff"), None)
    if group is None or len(group.arguments) < 2:
        return None
    clock, forces = parse(group.values["clocked_on"]), tuple(parse(group.values[key]) for key in FORCES if key in group.values)
    return Flop(clock[1], parse(group.values["next_state"]), *group.arguments[:2], forces) if clock[0] == "pin" else None
