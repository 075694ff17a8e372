"""A slice's gates on its streams: what comes out, what it costs per operation, and how that goes with the operands' set bits."""

from __future__ import annotations

import json
import lzma
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import FcimError
from models.hardware.config import EngineConfig
from scripts.flow.gates.circuit import INTERNAL, LOADS, Activity, Circuit
from scripts.flow.gates.energies import Behaviours
from scripts.flow.gates.netlist import netlist_of
from scripts.power.rows import Part, measure_rows
from scripts.power.streams import Kind, Stream
from scripts.synth.libraries import Chosen

SWEPT = "swept"         # the source of operands that no model brings
GIGAHERTZ = 1.0         # for leakage, which lasts for a cycle
POINTS = 160            # of a plot, for each source


@dataclass(frozen=True)
class Cost:
    """fJ of an operation on one source of operands.

    ``loads``: of nets; ``internal``: of cells; ``clock``: clock pins of registers that work in every cycle; ``cell_clock``: of
    those that hold cells, which no clock gate stops here; ``leakage`` at :data:`GIGAHERTZ`. ``operands``: mean set bits.
    """

    source: str
    operations: int
    loads: float
    internal: float
    clock: float
    cell_clock: float
    leakage: float
    operands: dict[str, float]

    @property
    def toggles(self) -> float:
        """What transitions cost: nets and cells, without the clock."""
        return self.loads + self.internal

    @property
    def total(self) -> float:
        """Transitions and the clock pins of what works."""
        return self.toggles + self.clock


@dataclass(frozen=True)
class Fit:
    """fJ of an operation's transitions as the sum of terms of its operands' set bits, by least squares over windows.

    ``coefficients``: of the terms, "1" the constant, "k" the set bits of k, "k*q" a product; ``errors``: their standard errors;
    ``residual``: root mean square of what is left, fJ; ``explained``: what is not left of the windows' variance (R^2);
    ``ranges``: least and most set bits of each operand, outside of which it says nothing.
    """

    coefficients: dict[str, float]
    errors: dict[str, float]
    residual: float
    explained: float
    windows: int
    ranges: dict[str, tuple[float, float]]

    def at(self, operands: Mapping[str, float]) -> float:
        """The energy at these set bits."""
        return sum(x * math.prod(operands[name] for name in term.split("*") if name != "1")
                   for term, x in self.coefficients.items())


@dataclass(frozen=True)
class Measured:
    """A block: costs by source; a fit over the models' operands and one over swept ones, which has squares too; points of a plot
    ``(set bits of each operand ..., fJ)`` by source; transitions of each kind of cell; how many bits of outputs were checked;
    ``area`` of its cells in um2; what an array costs with some of its rows in use."""

    name: str
    operation: str
    slice: dict[str, int]
    cells: int
    registers: int
    costs: tuple[Cost, ...]
    fit: Fit
    swept: Fit | None
    points: dict[str, list[tuple[float, ...]]]
    toggles: dict[str, int]
    checked: int
    area: float
    parts: tuple[Part, ...] = ()


def fit(energy: np.ndarray, operands: Mapping[str, np.ndarray], squares: bool = False) -> Fit:
    """Least squares with a constant and a slope for each operand; ``squares``: with their squares and products too."""
    names = list(operands)
    terms = ["1", *names]
    if squares:
        terms += [f"{a}*{b}" for place, a in enumerate(names) for b in names[place:]]
    matrix = np.stack([math.prod((operands[name] for name in term.split("*") if name != "1"), start=np.ones(len(energy)))
                       for term in terms], 1)
    found, *_ = np.linalg.lstsq(matrix, energy, rcond=None)
    left = energy - matrix @ found
    spread = float(((energy - energy.mean()) ** 2).sum())
    variance = float((left**2).sum()) / max(1, len(energy) - len(terms))
    errors = np.sqrt(np.clip(np.diag(np.linalg.pinv(matrix.T @ matrix)) * variance, 0, None))
    return Fit(dict(zip(terms, map(float, found))), dict(zip(terms, map(float, errors))), float(np.sqrt((left**2).mean())),
               1 - float((left**2).sum()) / spread if spread else 1.0, len(energy),
               {name: (float(x.min()), float(x.max())) for name, x in operands.items()})


def check(stream: Stream, activity: Activity, name: str) -> int:
    """How many bits came out, all of them as they should.

    Raises:
        FcimError: one did not.
    """
    count = 0
    for port, (when, bits) in stream.expected.items():
        wrong = activity.outputs[port][when] != bits
        count += bits.size
        if wrong.any():
            raise FcimError(f"{name}: {int(wrong.sum())} of {bits.size} bits of {port} differ between gates and models, first in "
                            f"cycle {int(when[np.argwhere(wrong)[0][0]])}; see make regress TAGS=smoke for the RTL")
    return count


def measure(kind: Kind, cfg: EngineConfig, place: Path, library: Chosen, behaviours: Behaviours, stream: Stream,
            sources: Sequence[str]) -> Measured:
    """Run the gates in the folder ``place``; ``sources``: of each lane of the stream where its operands come from.

    Raises:
        FcimError: gates give other values than the models, or have cells that cannot be run.
    """
    with lzma.open(place / "netlist.json.xz", "rt") as file:
        netlist = netlist_of(json.load(file), kind.top)
    shared, cells = re.compile(kind.shared), re.compile(kind.cells)
    circuit = Circuit(netlist, library.cells, behaviours, lambda name: int(bool(shared.match(name))))
    activity = circuit.run(stream.stimulus, True)
    checked = check(stream, activity, kind.name)
    share = kind.share(cfg)
    windows = len(stream.valid)
    spans = activity.energy[stream.first:stream.first + windows * stream.length]
    sums = spans.reshape(windows, stream.length, *spans.shape[1:]).sum(1, dtype=np.float64) / stream.operations
    parts = sums[:, :2].copy()
    if circuit.groups > 1:
        parts += sums[:, 2:4] / share
    clock = {False: 0.0, True: 0.0}
    for register in circuit.registers:
        clock[bool(cells.match(register.name))] += register.clock_energy / (share if shared.match(register.name) else 1.0)
    per = stream.length / stream.operations
    leakage = circuit.leakage / GIGAHERTZ * 1e-3 * per
    costs, points, names = [], {}, np.array(sources)
    energy = parts.sum(1)
    for source in dict.fromkeys(sources):
        chosen = stream.valid & (names == source)[None, :]
        costs.append(Cost(source, int(chosen.sum() * stream.operations), float(parts[:, LOADS][chosen].mean()),
                          float(parts[:, INTERNAL][chosen].mean()), clock[False] * per, clock[True] * per, leakage,
                          {name: float(x[chosen].mean()) for name, x in stream.operands.items()}))
        rows = np.stack([*(x[chosen] for x in stream.operands.values()), energy[chosen]], 1)
        points[source] = [tuple(round(float(x), 4) for x in row) for row in rows[::max(1, len(rows) // POINTS)]]
    real, all_swept = stream.valid & (names != SWEPT)[None, :], stream.valid & (names == SWEPT)[None, :]

    def fitted(chosen: np.ndarray, squares: bool) -> Fit:
        return fit(energy[chosen], {name: x[chosen] for name, x in stream.operands.items()}, squares)

    return Measured(kind.name, kind.operation, kind.slice_of(cfg), len(netlist.instances), len(circuit.registers), tuple(costs),
                    fitted(real, False), fitted(all_swept, True) if all_swept.any() else None, points, activity.toggles, checked,
                    sum(library.cells.cells[instance.kind].area for instance in netlist.instances),
                    measure_rows(kind, cfg, circuit, stream))
