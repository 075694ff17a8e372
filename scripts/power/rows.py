"""What an array costs while a tile uses only some of its rows, from its gates' activity.

Transitions of nets and cells as everywhere, and the clock as behind clock gates: a register's pin counts in the cycles in which
the register is enabled, and each gate counts as the pin of one register in every cycle; registers that hold cells are left out
here too. Slices of 8 rows make the array: those whose rows are all in use, one that has some, the others with none; what all
slices share counts once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.hardware.config import EngineConfig
from scripts.flow.gates.circuit import Circuit
from scripts.power.streams import ROWS, Kind, Stream

LANES = 4               # tiles that are enough, since those of a model hardly differ in what they cost
_INSTANCE = re.compile(r".*\bu_\w+")       # one gate serves a module's registers with the same enable
_ROW = re.compile(r".*g_(?:row|pass)\[(\d+)\](?:\.g_lane\[(\d+)\])?")       # of an array, or a pass and a lane of it


@dataclass(frozen=True)
class Part:
    """fJ of an array in a window (a key of the IP-CIM, a slice of V of the OP-CIM) of which a tile uses ``rows`` rows."""

    rows: int
    transitions: float
    clock: float

    @property
    def total(self) -> float:
        """Both."""
        return self.transitions + self.clock


def rows_in_use(rows: int) -> list[int]:
    """Those for which an array of ``rows`` rows is measured: powers of four, and all."""
    return [n for n in (1, 4, 16, 64) if n < rows] + [rows]


def _clock(kind: Kind, cfg: EngineConfig, circuit: Circuit, stream: Stream, given: Mapping[str, np.ndarray],
           used: int) -> np.ndarray:
    """fJ at clock pins in a window ``[of the rows, of what slices share]``."""
    ports = {name: x[stream.first:stream.first + stream.length * len(stream.valid), 0].mean(-1)
             for name, x in given.items() if x.shape[1] == 1}
    pin = float(np.mean([register.clock_energy for register in circuit.registers]))
    shared, cells, found, gates = re.compile(kind.shared), re.compile(kind.cells), np.zeros(2), set()
    for register in (register for register in circuit.registers if not cells.match(register.name)):
        group, share = int(bool(shared.match(register.name))), 1.0
        enable = next((names for pattern, names in kind.enables if re.match(pattern, register.name)), None)
        if enable is not None:
            inside = _INSTANCE.match(register.name)
            gates.add((inside and inside[0], enable, group))
            place = _ROW.match(register.name)
            row = 0 if not place else int(place[1]) if not place[2] else int(place[1]) * cfg.bits_per_cycle + int(place[2])
            share = float(np.prod([ports[name] for name in enable], axis=0).mean()) * (not place or row < used)
        found[group] += register.clock_energy * share
    for *_, group in gates:
        found[group] += pin
    return found * stream.length


def measure_rows(kind: Kind, cfg: EngineConfig, circuit: Circuit, stream: Stream) -> tuple[Part, ...]:
    """An array with each number of :func:`rows_in_use`; nothing of a block that is no array."""
    rows = cfg.rows
    if kind.idle is None:
        return ()
    lanes = np.flatnonzero(stream.valid.any(0))[:LANES]
    counts = stream.valid[:, lanes].all(1)
    chosen = {port: x[:, :, lanes] for port, x in stream.stimulus.items()}
    span = slice(stream.first, stream.first + stream.length * len(stream.valid))
    found = {}
    for used in {0, ROWS, *(n % ROWS for n in rows_in_use(rows))}:
        given = kind.idle(cfg, chosen, used)
        energy = circuit.run(given).energy[span].mean(2, dtype=np.float64)
        energy = energy.reshape(len(counts), stream.length, -1).sum(1)[counts].mean(0)
        # one column for the rows, one for what is shared
        found[used] = np.stack([energy.reshape(2, 2).sum(1), _clock(kind, cfg, circuit, stream, given, used)])
    parts = []
    for used in rows_in_use(rows):
        whole, some = divmod(used, ROWS)
        slices = whole * found[ROWS] + found[some] * bool(some) + (rows // ROWS - whole - bool(some)) * found[0]
        transitions, clock = slices[:, 0] + found[ROWS][:, 1]
        parts.append(Part(used, float(transitions), float(clock)))
    return tuple(parts)
