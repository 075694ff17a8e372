"""Static timing of a mapped netlist: the longest paths between flip-flops and ports, from the library's tables.

The clock is ideal, wires have no load and no delay. Transitions are propagated first, the largest of a net's drivers, which
fixes the delay of every arc; then paths are sums. A child module or a memory in the netlist is a :class:`Model` of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from models.errors import FcimError
from scripts.flow.gates.cells import FALL, RISE, Library, Table, Tables
from scripts.flow.gates.netlist import Netlist

NEVER = -1e9
CLOCK = "clk"
UNNAMED = "a register that yosys made"
_OF_REGISTER = re.compile(r"\$_\w+_$")      # what yosys puts behind a flip-flop's name


class End(NamedTuple):
    """A time in ps and the register or port at the path's other end."""

    ps: float
    at: str


@dataclass(frozen=True)
class Model:
    """The timing of a module as its parent sees it, by ports: the worst of their bits.

    ``outputs``: clock to output; ``inputs``: input to a register, setup included; ``through``: input to output; ``slews`` of
    outputs in ps, ``loads`` of an input's bit in fF.
    """

    outputs: Mapping[str, End] = field(default_factory=dict)
    inputs: Mapping[str, End] = field(default_factory=dict)
    through: Mapping[tuple[str, str], float] = field(default_factory=dict)
    slews: Mapping[str, float] = field(default_factory=dict)
    loads: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One arc of a path: the cell's kind, the net it drives, the time there in ps."""

    cell: str
    net: str
    ps: float


@dataclass(frozen=True)
class Path:
    """The longest path: ``kind`` says what it begins and ends with, as in ``register to output``."""

    ps: float
    start: str
    end: str
    kind: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Timing:
    """What was found: the longest path of all, and of those from a register to one; None where there is none."""

    worst: Path | None
    inside: Path | None
    model: Model
    levels: int


@dataclass(frozen=True)
class Conditions:
    """Transition of the clock and of inputs in ps, load of an output in fF."""

    slew: float
    load: float


class _Graph:
    """Nodes are the two edges of each net, of each child's port, and of the clock; arcs have tables."""

    def __init__(self) -> None:
        self.index: dict[object, int] = {}
        self.labels: list[object] = []
        self.tables: list[Table] = []
        self.table_of: dict[int, int] = {}
        self.arcs: list[tuple[int, int, int, int, str]] = []      # from, to, delay, slew, cell
        self.ends: list[tuple[int, int, str]] = []              # node, setup table, name
        self.load: dict[int, float] = {}
        self.starts: list[tuple[int, str]] = []                 # of an arc from the clock: its number, the register

    def node(self, key: object, edge: int) -> int:
        found = self.index.get(key)
        if found is None:
            found = self.index[key] = 2 * len(self.labels)
            self.labels.append(key)
        return found + edge

    def table(self, table: Table) -> int:
        found = self.table_of.get(id(table))
        if found is None:
            found = self.table_of[id(table)] = len(self.tables)
            self.tables.append(table)
        return found

    def constant(self, value: float) -> int:
        self.tables.append(Table(np.zeros(1), np.zeros(1), np.full((1, 1), value)))
        return len(self.tables) - 1


def analyse(netlist: Netlist, library: Library, conditions: Conditions, children: Mapping[str, Model] | None = None,
            clock: str = CLOCK) -> Timing:
    """Time a netlist whose instances are cells of the library or ``children``.

    Raises:
        FcimError: an instance is neither, or gates form a loop.
    """
    graph = _Graph()
    children = children or {}
    registers = _build(graph, netlist, library, children)
    inputs = [p for p in netlist.ports if not p.output and p.name != clock]
    outputs = [p for p in netlist.ports if p.output]
    for port in outputs:
        for bit in port.bits:
            if isinstance(bit, int):
                graph.load[bit] = graph.load.get(bit, 0.0) + conditions.load
                graph.node(bit, RISE)
    for port in inputs:
        for bit in port.bits:
            if isinstance(bit, int):
                graph.node(bit, RISE)
    return _Solver(graph, conditions, registers).solve(netlist, inputs, outputs)


def _build(graph: _Graph, netlist: Netlist, library: Library, children: Mapping[str, Model]) -> list[str]:
    """All arcs and ends; the names of the registers, where a launching arc's cell is ``@number``."""
    registers: list[str] = []
    launch = graph.node(CLOCK, RISE)
    for instance in netlist.instances:
        cell = library.cells.get(instance.kind)
        if cell is None:
            model = children.get(instance.kind) or children.get(instance.name)
            if model is None:
                raise FcimError(f"{netlist.name} has an instance of {instance.kind}, which no library and no block is")
            _child(graph, instance.name, instance.pins, model, registers, launch)
            continue
        pins = {pin: bits[0] for pin, bits in instance.pins.items() if bits}
        for pin, farad in cell.inputs.items():
            bit = pins.get(pin)
            if isinstance(bit, int) and pin != cell.clock:
                graph.load[bit] = graph.load.get(bit, 0.0) + farad
        number, register = None, UNNAMED if instance.name.startswith("$") else _OF_REGISTER.sub("", instance.name)
        for arc in cell.arcs:
            source, target = pins.get(arc.source), pins.get(arc.target)
            if arc.kind == "setup":
                if isinstance(target, int):
                    graph.ends.append((graph.node(target, arc.target_edge), graph.table(arc.delay), register))
                continue
            if not isinstance(target, int):
                continue
            delay, slew = graph.table(arc.delay), graph.table(arc.slew)     # type: ignore[arg-type]
            if arc.kind == "launch":
                if number is None:
                    number = len(registers)
                    registers.append(register)
                graph.arcs.append((launch, graph.node(target, arc.target_edge), delay, slew, f"@{number}"))
            elif isinstance(source, int):
                graph.arcs.append((graph.node(source, arc.source_edge), graph.node(target, arc.target_edge), delay, slew,
                                   instance.kind))
    return registers


def _child(graph: _Graph, name: str, pins: Mapping[str, Sequence[int | str]], model: Model, registers: list[str],
           launch: int) -> None:
    """A child's ports as nodes: bits join in a port, so that its arcs are few."""
    nothing = graph.constant(0.0)
    same: dict[float, int] = {}

    def slew_of(port: str) -> int:
        value = model.slews.get(port, 0.0)
        if value not in same:
            same[value] = graph.constant(value)
        return same[value]

    sinks = {port for port, _ in model.through} | set(model.inputs)
    for port in sinks | set(model.loads):
        for bit in pins.get(port, ()):
            if isinstance(bit, int):
                graph.load[bit] = graph.load.get(bit, 0.0) + model.loads.get(port, 0.0)
                for edge in (RISE, FALL) if port in sinks else ():
                    graph.arcs.append((graph.node(bit, edge), graph.node((name, port), edge), nothing, nothing, ""))
    for port, end in model.inputs.items():
        if any(isinstance(bit, int) for bit in pins.get(port, ())):
            setup = graph.constant(end.ps)
            graph.ends += [(graph.node((name, port), edge), setup, f"{name}/{end.at}") for edge in (RISE, FALL)]
    for (source, target), ps in model.through.items():
        if any(isinstance(bit, int) for bit in pins.get(source, ())):
            delay = graph.constant(ps)
            graph.arcs += [(graph.node((name, source), edge), graph.node((name, target), edge), delay, slew_of(target), name)
                           for edge in (RISE, FALL)]
    for port, end in model.outputs.items():
        number = len(registers)
        registers.append(f"{name}/{end.at}")
        delay = graph.constant(end.ps)
        graph.arcs += [(launch, graph.node((name, port), edge), delay, slew_of(port), f"@{number}") for edge in (RISE, FALL)]
    for port in set(model.outputs) | {target for _, target in model.through}:
        for bit in pins.get(port, ()):
            if isinstance(bit, int):
                graph.arcs += [(graph.node((name, port), edge), graph.node(bit, edge), nothing, slew_of(port), "")
                               for edge in (RISE, FALL)]


class _Solver:
    """Arcs in the order of their levels, as arrays."""

    def __init__(self, graph: _Graph, conditions: Conditions, registers: list[str]) -> None:
        self.graph, self.conditions, self.registers = graph, conditions, registers
        self.nodes = 2 * len(graph.labels)
        self.tables = Tables(graph.tables)
        columns = list(zip(*graph.arcs)) or [(), (), (), (), ()]
        self.source, self.target, self.delay_table, self.slew_table = (np.array(c, dtype=np.int64) for c in columns[:4])
        self.cells = columns[4]
        loads = np.zeros(self.nodes)
        for bit, farad in graph.load.items():
            place = graph.index.get(bit)
            if place is not None:
                loads[place:place + 2] = farad
        self.loads = loads
        self._sort()

    def _sort(self) -> None:
        """Levels of nodes: longest number of arcs from a node that none drives."""
        level = np.zeros(self.nodes, dtype=np.int64)
        waiting = np.bincount(self.target, minlength=self.nodes)
        order = np.argsort(self.source, kind="stable")
        begins = np.searchsorted(self.source[order], np.arange(self.nodes + 1))
        ready, depth, seen = np.flatnonzero(waiting == 0), 0, 0
        while len(ready):
            level[ready] = depth
            seen += len(ready)
            counts = begins[ready + 1] - begins[ready]
            where = np.repeat(begins[ready] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())
            reached, times = np.unique(self.target[order[where]], return_counts=True)
            waiting[reached] -= times
            ready, depth = reached[waiting[reached] == 0], depth + 1
        if seen < self.nodes:
            label = self.graph.labels[int(np.flatnonzero(waiting > 0)[0]) // 2]
            raise FcimError(f"gates form a loop through net {label}; a path must end in a register")
        self.depth = depth
        by_level = np.lexsort((self.target, level[self.target])) if len(self.target) else np.zeros(0, dtype=np.int64)
        self.source, self.target = self.source[by_level], self.target[by_level]
        self.delay_table, self.slew_table = self.delay_table[by_level], self.slew_table[by_level]
        self.origin = by_level
        self.by_target = np.argsort(self.target, kind="stable")
        self.sorted_targets = self.target[self.by_target]
        self.cuts = np.searchsorted(level[self.target], np.arange(1, depth + 1))

    def _levels(self) -> Iterable[tuple[slice, np.ndarray, np.ndarray]]:
        """Per level its arcs, where each target's arcs begin among them, and the targets."""
        for begin, end in zip(self.cuts[:-1], self.cuts[1:]):
            if end > begin:
                targets = self.target[begin:end]
                first = np.flatnonzero(np.concatenate([[True], targets[1:] != targets[:-1]]))
                yield slice(begin, end), first, targets[first]

    def solve(self, netlist: Netlist, inputs: Sequence, outputs: Sequence) -> Timing:
        """Transitions, delays, then the longest paths from the clock and from each input port."""
        slews = np.full(self.nodes, self.conditions.slew)
        delays = np.zeros(len(self.source))
        levels = list(self._levels())
        for arcs, first, targets in levels:
            source, load = slews[self.source[arcs]], self.loads[self.target[arcs]]
            delays[arcs] = self.tables.at(self.delay_table[arcs], source, load)
            joined = self.slew_table[arcs]
            found = self.tables.at(joined, source, load)
            slews[targets] = np.maximum.reduceat(np.where(found > 0, found, source), first)
        times = np.full((self.nodes, 1 + len(inputs)), NEVER)
        if CLOCK in self.graph.index:
            times[self.graph.index[CLOCK], 0] = 0.0
        for column, port in enumerate(inputs, 1):
            for bit in port.bits:
                if isinstance(bit, int):
                    place = self.graph.index[bit]
                    times[place:place + 2, column] = 0.0
        for arcs, first, targets in levels:
            found = np.maximum.reduceat(times[self.source[arcs]] + delays[arcs, None], first, axis=0)
            times[targets] = np.maximum(times[targets], found)
        return self._collect(netlist, inputs, outputs, slews, delays, times)

    def _collect(self, netlist: Netlist, inputs: Sequence, outputs: Sequence, slews: np.ndarray, delays: np.ndarray,
                 times: np.ndarray) -> Timing:
        ends = np.array([node for node, _, _ in self.graph.ends], dtype=np.int64)
        setup = self.tables.at(np.array([table for _, table, _ in self.graph.ends], dtype=np.int64), slews[ends],
                               np.full(len(ends), self.conditions.slew)) if len(ends) else np.zeros(0)
        at_ends = times[ends] + setup[:, None]
        reached = {port.name: self._nodes_of(port) for port in outputs}
        found_outputs: dict[str, End] = {}
        found_inputs: dict[str, End] = {}
        through: dict[tuple[str, str], float] = {}
        out_slews: dict[str, float] = {}
        best: list[tuple[float, int, int, str]] = []        # time, last node, column of the start, end
        for name, nodes in reached.items():
            if not len(nodes):
                continue
            out_slews[name] = float(slews[nodes].max())
            for column in range(times.shape[1]):
                node = nodes[int(np.argmax(times[nodes, column]))]
                ps = float(times[node, column])
                if ps <= NEVER / 2:
                    continue
                if column:
                    through[inputs[column - 1].name, name] = ps
                best.append((ps, int(node), column, name))
        for column in range(times.shape[1] if len(ends) else 0):
            i = int(np.argmax(at_ends[:, column]))
            ps = float(at_ends[i, column])
            if ps > NEVER / 2:
                best.append((ps, int(ends[i]), column, self.graph.ends[i][2]))
                if column:
                    found_inputs[inputs[column - 1].name] = End(ps, self.graph.ends[i][2])
        loads = {port.name: max((self.graph.load.get(bit, 0.0) for bit in port.bits if isinstance(bit, int)), default=0.0)
                 for port in inputs}

        def path(item: tuple[float, int, int, str]) -> Path:
            return self._path(netlist, inputs, delays, times, *item, set(reached))

        for item in best:
            if item[2] == 0 and item[3] in reached:
                found_outputs[item[3]] = End(item[0], path(item).start)
        inside = [item for item in best if item[2] == 0 and item[3] not in reached]
        return Timing(path(max(best)) if best else None, path(max(inside)) if inside else None,
                      Model(found_outputs, found_inputs, through, out_slews, loads), self.depth)

    def _nodes_of(self, port: object) -> np.ndarray:
        places = [self.graph.index[bit] for bit in port.bits if isinstance(bit, int)]        # type: ignore[attr-defined]
        return np.array([place + edge for place in places for edge in (RISE, FALL)], dtype=np.int64)

    def _path(self, netlist: Netlist, inputs: Sequence, delays: np.ndarray, times: np.ndarray, total: float, node: int,
              column: int, end: str, outputs: set[str]) -> Path:
        """Back from a node along arcs that make its time."""
        steps: list[Step] = []
        start = ""
        while True:
            low, high = np.searchsorted(self.sorted_targets, [node, node + 1])
            arcs = self.by_target[low:high]
            made = times[self.source[arcs], column] + delays[arcs]
            if not len(arcs) or made.max() <= NEVER / 2 or (column and times[node, column] == 0.0 and made.max() < 0):
                break
            arc = arcs[int(np.argmax(made))]
            cell = self.cells[self.origin[arc]]
            label = self.graph.labels[node // 2]
            if cell.startswith("@"):
                start = self.registers[int(cell[1:])]
            if cell:
                net = "/".join(label) if isinstance(label, tuple) else netlist.names.get(label, "")
                steps.append(Step(cell if not cell.startswith("@") else start, net, float(times[node, column])))
            node = int(self.source[arc])
        kind = f"{'input' if column else 'register'} to {'output' if end in outputs else 'register'}"
        if column:
            label = self.graph.labels[node // 2]
            start = netlist.names.get(label, inputs[column - 1].name)       # type: ignore[call-overload]
        return Path(total, start, end, kind, tuple(reversed(steps)))
