"""Mapped netlists as circuits that run: many streams of operands at once, a bit of a word each, and what their toggles cost.

Delays are zero: in every cycle each net takes its last value, glitches do not occur. All flip-flops have one clock and begin
at 0. A transition of a net costs half of C V^2 for the pins that it drives, its driver's internal energy at that load, and the
passive energies of those pins. The clock is apart: a cycle costs two transitions at every clock pin.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from models.errors import FcimError
from scripts.flow.gates.cells import Library
from scripts.flow.gates.energies import Behaviours, Flop
from scripts.flow.gates.functions import Tree, evaluate, pins_of
from scripts.flow.gates.netlist import Netlist

CLOCK = "clk"
LOADS, INTERNAL = 0, 1
KINDS = ("nets", "internal")
_OF_REGISTER = re.compile(r"\$_\w+_$")


@dataclass(frozen=True)
class _Layer:
    """Gates of one kind at one level; their outputs are the rows ``first`` to ``last`` of the values."""

    function: Tree
    inputs: dict[str, np.ndarray]
    first: int
    last: int


@dataclass(frozen=True)
class Register:
    """A flip-flop: its name as in the RTL, and its clock pin's energy of a cycle in fJ."""

    name: str
    clock_energy: float


@dataclass
class Activity:
    """What a run counted.

    ``energy`` fJ ``[cycles, 2 * groups, lanes]``: for each group of cells, loads then internal; the clock is in none.
    ``toggles``: transitions of the outputs of each kind of cell, all lanes together, and of the ports as ``input``. ``nets``:
    those of each net, by its number. ``outputs``: bits of the output ports ``[cycles, bits, lanes]``, if they were asked for.
    """

    energy: np.ndarray
    toggles: dict[str, int]
    nets: dict[int, int]
    outputs: dict[str, np.ndarray] = field(default_factory=dict)


class Circuit:
    """A netlist of combinational cells and flip-flops, ready to run.

    Args:
        group_of: the group (0, 1, ...) that a register belongs to by its name; a gate belongs to the highest group that it
            reaches.

    Raises:
        FcimError: a cell that is not known, a flip-flop that is cleared or set, or a loop.
    """

    def __init__(self, netlist: Netlist, library: Library, behaviours: Behaviours,
                 group_of: Callable[[str], int] = lambda name: 0) -> None:
        self.netlist, self.behaviours = netlist, behaviours
        self.registers: list[Register] = []
        self.leakage = 0.0                          # nW of all cells
        self._collect(library, group_of)
        self._sort()
        self._weigh(library)

    def _collect(self, library: Library, group_of: Callable[[str], int]) -> None:
        """Gates ``(kind, output pin, function, nets by pin, output net)``, flip-flops, and the sinks of every net."""
        self.gates: list[tuple[str, str, Tree, dict[str, int | str], int]] = []
        self.flops: list[tuple[Tree, dict[str, int | str]]] = []
        self.states: list[tuple[int, int, bool]] = []       # of outputs: net, flip-flop, inverted
        self.driver: dict[int, tuple[str, str]] = {}        # of a net: kind and pin
        self.sinks: dict[int, list[tuple[str, str, int]]] = {}      # of a net; last ~ flip-flop or gate
        self.flop_group: list[int] = []
        volt = self.behaviours.volt
        for instance in self.netlist.instances:
            cell, behaviour = library.cells.get(instance.kind), self.behaviours.cells.get(instance.kind)
            pins = {pin: bits[0] for pin, bits in instance.pins.items() if bits}
            if cell is None or behaviour is None:
                raise FcimError(f"{self.netlist.name} has an instance of {instance.kind}, which is no cell of the library")
            if cell.clock and (behaviour.flop is None or not _never(behaviour.flop.forces, pins)):
                raise FcimError(f"{instance.kind} is no flip-flop of data and a rising clock edge alone; exclude it in "
                                "syn/libraries.yaml")
            self.leakage += behaviour.leakage
            number = ~len(self.flops) if behaviour.flop else len(self.gates)
            if behaviour.flop:
                name = _OF_REGISTER.sub("", instance.name)
                self.flops.append((behaviour.flop.next_state, pins))
                self.flop_group.append(group_of(name))
                energy = 2 * behaviour.passive.get(cell.clock, 0.0) + cell.inputs[cell.clock] * volt**2
                self.registers.append(Register(name, energy))
            for output in cell.outputs:
                net = pins.get(output)
                if not isinstance(net, int):
                    continue
                if output not in behaviour.functions:
                    raise FcimError(f"{instance.kind} has no function for {output}; give a Liberty file with functions")
                function = behaviour.functions[output]
                self.driver[net] = (instance.kind, output)
                if behaviour.flop:
                    self.states.append((net, ~number, _inverted(function, behaviour.flop)))
                else:
                    self.gates.append((instance.kind, output, function, pins, net))
            first = number if behaviour.flop else len(self.gates) - 1
            for pin in cell.inputs:
                if isinstance(pins.get(pin), int) and pin != cell.clock:
                    self.sinks.setdefault(pins[pin], []).append((instance.kind, pin, first))

    def _sort(self) -> None:
        """The gates by levels, a row of values for every net, and layers of gates that are evaluated together."""
        roots = [bit for port in self.netlist.ports if not port.output and port.name != CLOCK for bit in port.bits
                 if isinstance(bit, int)]
        roots = list(dict.fromkeys([*roots, *(net for net, _, _ in self.states)]))
        waiting, reached = [], {}
        for number, (_, _, function, pins, _) in enumerate(self.gates):
            nets = {pins[pin] for pin in pins_of(function) if isinstance(pins.get(pin), int)}
            waiting.append(len(nets))
            for net in nets:
                reached.setdefault(net, []).append(number)
        self.order: list[int] = []
        together: dict[tuple, list[int]] = {}
        found, depth = [number for number, count in enumerate(waiting) if not count], 0
        front = roots
        while front or found:
            for net in front:
                for number in reached.get(net, ()):
                    waiting[number] -= 1
                    if not waiting[number]:
                        found.append(number)
            for number in found:
                together.setdefault((depth, *self.gates[number][:2]), []).append(number)
            self.order += found
            front, found, depth = [self.gates[number][4] for number in found], [], depth + 1
        if len(self.order) < len(self.gates):
            raise FcimError(f"gates of {self.netlist.name} form a loop, or a net has no driver")
        self.row: dict[int | str, int] = {"0": 0, "x": 0, "z": 0, "1": 1}
        self.row.update({net: 2 + place for place, net in enumerate([*roots, *(self.gates[n][4] for numbers in together.values()
                                                                               for n in numbers)])})
        self.rows, begin = 2 + len(roots) + len(self.order), 2 + len(roots)
        self.layers: list[_Layer] = []
        for numbers in together.values():
            function = self.gates[numbers[0]][2]
            inputs = {pin: np.array([self.row[self.gates[n][3][pin]] for n in numbers]) for pin in pins_of(function)}
            self.layers.append(_Layer(function, inputs, begin, begin + len(numbers)))
            begin += len(numbers)

    def _weigh(self, library: Library) -> None:
        """``weights`` fJ ``[rows, 2 * groups]``: a transition of each net, by what pays for it."""
        groups = [0] * len(self.gates)
        for number in reversed(self.order):
            net = self.gates[number][4]
            groups[number] = max((self._group(sink, groups) for *_, sink in self.sinks.get(net, ())), default=0)
        self.groups = 1 + max([0, *self.flop_group])
        self.weights = np.zeros((self.rows, 2 * self.groups), dtype=np.float32)
        driven = {net: groups[number] for number, (*_, net) in enumerate(self.gates)}
        driven.update({net: self.flop_group[flop] for net, flop, _ in self.states})
        half = self.behaviours.volt**2 / 2
        for net, row in self.row.items():
            if not isinstance(net, int):
                continue
            load = 0.0
            for kind, pin, sink in self.sinks.get(net, ()):
                group, farad = self._group(sink, groups), library.cells[kind].inputs[pin]
                load += farad
                self.weights[row, 2 * group + LOADS] += half * farad
                self.weights[row, 2 * group + INTERNAL] += self.behaviours.cells[kind].passive.get(pin, 0.0)
            if net in self.driver:
                kind, pin = self.driver[net]
                self.weights[row, 2 * driven[net] + INTERNAL] += self.behaviours.cells[kind].energy(pin, load)

    def _group(self, sink: int, groups: Sequence[int]) -> int:
        return self.flop_group[~sink] if sink < 0 else groups[sink]

    def run(self, stimulus: Mapping[str, np.ndarray], outputs: bool = False,
            told: Callable[[int], None] = lambda cycle: None) -> Activity:
        """Run all lanes from the state 0.

        Args:
            stimulus: for each input port but the clock its bits ``[cycles, bits, lanes]``, low bit first, 0 or 1.
            outputs: keep the output ports' values.
            told: called with the number of each cycle that is over.

        Raises:
            ValueError: a port without a stimulus, or shapes that differ.
        """
        ports = [port for port in self.netlist.ports if not port.output and port.name != CLOCK]
        words, (cycles, lanes) = {}, _sizes(stimulus)
        for port in ports:
            bits = stimulus.get(port.name)
            if bits is None or bits.shape != (cycles, len(port.bits), lanes):
                raise ValueError(f"port {port.name} of {len(port.bits)} bits has no stimulus of {cycles} cycles, {lanes} lanes")
            words[port.name] = _packed(bits)
        width = -(-lanes // 64)
        values = np.zeros((self.rows, width), dtype=np.uint64)
        values[1] = ~np.uint64(0)
        states = np.zeros((len(self.flops), width), dtype=np.uint64)
        state_rows = np.array([self.row[net] for net, _, _ in self.states], dtype=np.int64)
        state_of = np.array([flop for _, flop, _ in self.states], dtype=np.int64)
        flip = np.array([~np.uint64(0) if inverted else np.uint64(0) for *_, inverted in self.states], dtype=np.uint64)[:, None]
        placed = [(words[port.name], np.array([self.row[bit] for bit in port.bits if isinstance(bit, int)], dtype=np.int64),
                   [place for place, bit in enumerate(port.bits) if isinstance(bit, int)]) for port in ports]
        nexts = self._next_states()
        energy = np.zeros((cycles, self.weights.shape[1], lanes), dtype=np.float32)
        counts = np.zeros(self.rows, dtype=np.int64)
        kept = {port.name: np.zeros((cycles, len(port.bits), width), dtype=np.uint64)
                for port in self.netlist.ports if port.output and outputs}
        used = _used(lanes, width)
        before = values.copy()
        for cycle in range(cycles):
            if len(state_rows):
                values[state_rows] = states[state_of] ^ flip
            for stream, rows, places in placed:
                if len(rows):
                    values[rows] = stream[cycle][places]
            for layer in self.layers:
                values[layer.first:layer.last] = evaluate(layer.function, {pin: values[rows] for pin, rows in
                                                                           layer.inputs.items()} or {"": values[:1]})
            for function, inputs, flops in nexts:
                states[flops] = evaluate(function, {pin: values[rows] for pin, rows in inputs.items()})
            if cycle:
                moved = (values ^ before) & used
                rows = np.flatnonzero(moved.any(axis=1))
                moved = moved[rows]
                counts[rows] += np.bitwise_count(moved).sum(axis=1, dtype=np.int64)
                bits = np.unpackbits(moved.view(np.uint8), axis=1, bitorder="little")[:, :lanes]
                energy[cycle] = self.weights[rows].T @ bits.astype(np.float32)
            for name, place in kept.items():
                bits = next(port.bits for port in self.netlist.ports if port.name == name and port.output)
                place[cycle] = values[[self.row[bit] for bit in bits]]
            before[:] = values
            told(cycle)
        return Activity(energy, self._by_kind(counts), {net: int(counts[row]) for net, row in self.row.items()
                                                        if isinstance(net, int)},
                        {name: np.unpackbits(place.view(np.uint8), axis=2, bitorder="little")[:, :, :lanes]
                         for name, place in kept.items()})

    def _next_states(self) -> list[tuple[Tree, dict[str, np.ndarray], np.ndarray]]:
        """Flip-flops of one function together: the rows of their inputs, and their numbers."""
        together: dict[Tree, list[int]] = {}
        for number, (function, _) in enumerate(self.flops):
            together.setdefault(function, []).append(number)
        return [(function, {pin: np.array([self.row[self.flops[n][1][pin]] for n in numbers]) for pin in pins_of(function)},
                 np.array(numbers)) for function, numbers in together.items()]

    def _by_kind(self, counts: np.ndarray) -> dict[str, int]:
        found: dict[str, int] = {}
        for net, row in self.row.items():
            if isinstance(net, int) and counts[row]:
                kind = self.driver[net][0] if net in self.driver else "input"
                found[kind] = found.get(kind, 0) + int(counts[row])
        return dict(sorted(found.items(), key=lambda item: -item[1]))


def _inverted(function: Tree, flop: Flop) -> bool:
    """Whether the output of a flip-flop is the inverse of its state."""
    return bool(evaluate(function, {flop.state: np.zeros(1, bool), flop.inverse: np.ones(1, bool)})[0])


def _never(forces: Sequence[Tree], pins: Mapping[str, int | str]) -> bool:
    """Whether no clear and no preset of a flip-flop can ever act, since their pins are tied."""
    for force in forces:
        names = pins_of(force)
        if any(pins.get(name) not in ("0", "1") for name in names):
            return False
        if evaluate(force, {name: np.array([pins[name] == "1"]) for name in names})[0]:
            return False
    return True


def _sizes(stimulus: Mapping[str, np.ndarray]) -> tuple[int, int]:
    shape = next(iter(stimulus.values())).shape
    return shape[0], shape[2]


def _packed(bits: np.ndarray) -> np.ndarray:
    """Bits ``[cycles, bits, lanes]`` as words ``[cycles, bits, lanes / 64]``, lane 0 lowest."""
    lanes = bits.shape[2]
    full = np.zeros((*bits.shape[:2], -(-lanes // 64) * 64), dtype=np.uint8)
    full[:, :, :lanes] = bits
    return np.packbits(full, axis=2, bitorder="little").view(np.uint64)


def _used(lanes: int, width: int) -> np.ndarray:
    """Ones where a lane is."""
    return _packed(np.ones((1, 1, lanes), dtype=np.uint8))[0, 0].reshape(1, width)
