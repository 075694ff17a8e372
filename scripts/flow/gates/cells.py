"""The cells of a Liberty library: areas, pins, and delay tables as arrays that many arcs are looked up in at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from models.errors import FcimError
from scripts.flow.gates.liberty import Group, read

COMBINATIONAL = ("combinational", "combinational_rise", "combinational_fall")
LAUNCH, SETUP = ("rising_edge", "falling_edge"), ("setup_rising", "setup_falling")
RISE, FALL = 0, 1
_FEMTO = {"ff": 1.0, "pf": 1e3}
_PICO = {"1ps": 1.0, "10ps": 10.0, "100ps": 100.0, "1ns": 1000.0}
_EDGES = {"positive_unate": ((RISE, RISE), (FALL, FALL)), "negative_unate": ((RISE, FALL), (FALL, RISE))}
_BOTH = ((RISE, RISE), (RISE, FALL), (FALL, RISE), (FALL, FALL))


@dataclass(frozen=True)
class Table:
    """``values[i, j]`` at ``first[i]`` (transition of the input or of the data, ps) and ``second[j]`` (load in fF, or the
    transition of the clock in ps)."""

    first: np.ndarray
    second: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Arc:
    """From an edge of a pin to an edge of another; a setup arc has no ``slew`` and begins at the clock."""

    source: str
    target: str
    kind: str
    source_edge: int
    target_edge: int
    delay: Table
    slew: Table | None


@dataclass(frozen=True)
class Cell:
    """``area`` in um2, ``inputs`` with their capacitance in fF; ``clock`` is the pin that clocks a flip-flop or latch."""

    name: str
    area: float
    inputs: dict[str, float]
    outputs: tuple[str, ...]
    clock: str | None
    latch: bool
    arcs: tuple[Arc, ...] = field(repr=False)


@dataclass(frozen=True)
class Library:
    """Cells by name."""

    name: str
    cells: dict[str, Cell]

    @cached_property
    def areas(self) -> dict[str, float]:
        """The area of each cell, um2."""
        return {name: cell.area for name, cell in self.cells.items()}


def load(path: Path) -> Library:
    """The cells of a Liberty file.

    Raises:
        FcimError: it is no Liberty, has units that are not known, or a table that does not fit its axes.
    """
    tree = read(path)
    unit = tree.list_of("capacitive_load_unit")
    try:
        farad, time = float(unit[0]) * _FEMTO[unit[1].lower()], _PICO[tree.values["time_unit"].lower()]
        templates = {t.name: t for t in tree.all("lu_table_template")}
        return Library(tree.name, {c.name: _cell(c, templates, farad, time) for c in tree.all("cell")})
    except (KeyError, IndexError, ValueError) as error:
        raise FcimError(f"{path} is not complete ({type(error).__name__} at {error}); give another Liberty file") from None


def _cell(group: Group, templates: dict[str, Group], farad: float, time: float) -> Cell:
    inputs, outputs, clock, arcs = {}, [], None, []
    for pin in group.all("pin"):
        if pin.values.get("direction") == "input":
            inputs[pin.name] = farad * float(pin.values.get("capacitance", 0))
            clock = pin.name if pin.values.get("clock") == "true" else clock
        elif pin.values.get("direction") == "output":
            outputs.append(pin.name)
        for timing in pin.all("timing"):
            for source in timing.values.get("related_pin", "").split():
                arcs += _arcs(timing, source, pin.name, templates, farad, time)
    return Cell(group.name, float(group.values["area"]), inputs, tuple(outputs), clock, any(group.all("latch")), tuple(arcs))


def _arcs(timing: Group, source: str, target: str, templates: dict[str, Group], farad: float, time: float) -> list[Arc]:
    kind = timing.values.get("timing_type", "combinational")
    tables = {t.kind: _table(t, templates, farad, time) for t in timing.groups}
    if kind in SETUP:
        return [Arc(source, target, "setup", RISE, edge, tables[name], None)
                for edge, name in ((RISE, "rise_constraint"), (FALL, "fall_constraint")) if name in tables]
    if kind not in (*COMBINATIONAL, *LAUNCH):
        return []
    edges = _EDGES.get(timing.values.get("timing_sense", ""), _BOTH)
    if kind in LAUNCH:
        edges = ((RISE, RISE), (RISE, FALL))
    found, named = [], "launch" if kind in LAUNCH else "combinational"
    for begin, end in edges:
        word = "rise" if end == RISE else "fall"
        if f"cell_{word}" in tables and f"{word}_transition" in tables:
            found.append(Arc(source, target, named, begin, end, tables[f"cell_{word}"], tables[f"{word}_transition"]))
    return found


def _table(group: Group, templates: dict[str, Group], farad: float, time: float) -> Table:
    values = np.array([[float(x) for x in row.replace(",", " ").split()] for row in group.list_of("values")]) * time
    template = templates.get(group.name)
    if values.size == 1 or template is None:
        return Table(np.zeros(1), np.zeros(1), values.reshape(-1)[:1].reshape(1, 1))
    axes = []
    for number in (1, 2):
        axis = group.list_of(f"index_{number}") or template.list_of(f"index_{number}")
        meaning = template.values.get(f"variable_{number}", "")
        if axis:
            scale = farad if meaning == "total_output_net_capacitance" else time
            axes.append((meaning, scale * np.array([float(x) for x in " ".join(axis).replace(",", " ").split()])))
    if len(axes) == 1:
        one = values.reshape(-1, 1)
        load_only = axes[0][0] == "total_output_net_capacitance"
        return Table(np.zeros(1), axes[0][1], one.T) if load_only else Table(axes[0][1], np.zeros(1), one)
    values = values.reshape(len(axes[0][1]), len(axes[1][1]))
    if axes[0][0] in ("total_output_net_capacitance", "related_pin_transition"):
        return Table(axes[1][1], axes[0][1], values.T)
    return Table(axes[0][1], axes[1][1], values)


class Tables:
    """Tables of any sizes, looked up together: bilinear between their points, straight on beyond them."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._first = _padded([t.first for t in tables])
        self._second = _padded([t.second for t in tables])
        rows, columns = self._first.shape[1], self._second.shape[1]
        self._values = np.stack([_extended(_extended(t.values, self._first[i]).T, self._second[i]).T
                                 for i, t in enumerate(tables)]) if tables else np.zeros((0, rows, columns))

    def at(self, table: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The value of ``table[i]`` at (``first[i]``, ``second[i]``)."""
        i, u = _place(self._first[table], first)
        j, v = _place(self._second[table], second)
        a, b = self._values[table, i, j], self._values[table, i, j + 1]
        c, d = self._values[table, i + 1, j], self._values[table, i + 1, j + 1]
        return (a * (1 - v) + b * v) * (1 - u) + (c * (1 - v) + d * v) * u


def _padded(axes: Sequence[np.ndarray]) -> np.ndarray:
    """The axes as one array: short ones go on with their last step."""
    most = max([2, *(len(axis) for axis in axes)])
    found = np.empty((len(axes), most))
    for row, axis in zip(found, axes, strict=True):
        step = axis[-1] - axis[-2] if len(axis) > 1 else 1.0
        row[:] = np.concatenate([axis, axis[-1] + step * np.arange(1, most - len(axis) + 1)])
    return found


def _extended(values: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Rows for the points that padding added: straight on, or the same where there is one row only."""
    have = len(values)
    if have == len(axis):
        return values
    slope = (values[-1] - values[-2]) / (axis[have - 1] - axis[have - 2]) if have > 1 else 0 * values[-1]
    return np.concatenate([values, values[-1] + slope * (axis[have:, None] - axis[have - 1])])


def _place(axes: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The interval of each ``x`` in its axis, and how far in it ``x`` is (outside of 0 to 1 beyond the ends)."""
    i = np.clip((axes <= x[:, None]).sum(axis=1) - 1, 0, axes.shape[1] - 2)
    rows = np.arange(len(x))
    low = axes[rows, i]
    return i, (x - low) / (axes[rows, i + 1] - low)
