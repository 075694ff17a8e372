"""The cycle table of docs/engine.md once more, event by event, for streams that are always ready.

It shares no line with :mod:`models.cycles`: the schedule model and the RTL are both compared with this reading of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from models.config import HardwareConfig


@dataclass
class Events:
    """Cycles of the run's events, counted from the first row's acceptance; names as in the page's table.

    ``R`` rows, ``A`` keys, ``H`` handoffs, ``C`` columns, ``E`` and ``X`` blocks, ``V`` values, ``D`` drain starts of tiles,
    ``O`` rows of output taken.
    """

    R: list[int] = field(default_factory=list)
    A: list[int] = field(default_factory=list)
    H: list[int] = field(default_factory=list)
    C: list[int] = field(default_factory=list)
    E: list[int] = field(default_factory=list)
    X: list[int] = field(default_factory=list)
    V: list[int] = field(default_factory=list)
    D: list[int] = field(default_factory=list)
    O: list[int] = field(default_factory=list)  # noqa: E741 (the page's name)


def cycle_table(cfg: HardwareConfig, shapes: Sequence[tuple[int, int]]) -> Events:
    """All events of tiles with ``(rows, keys)`` each."""
    cpk, length, ring = cfg.cycles_per_key, cfg.keys_per_block * cfg.cycles_per_key, 3 if cfg.cycles_per_key == 1 else 2
    events = Events()
    sizes: list[int] = []               # keys of each block
    bank_free = [0, 0]                  # of Q
    drained: list[int] = []             # per tile
    for tile, (rows, keys) in enumerate(shapes):
        for row in range(rows):
            events.R.append(max(events.R[-1] + 1 if events.R else 0, bank_free[tile % 2] if row == 0 else 0))
        readable = events.R[-1] + 2
        for first in range(0, keys, cfg.keys_per_block):
            block, size = len(sizes), min(cfg.keys_per_block, keys - first)
            for key in range(size):
                accept = max(readable, events.H[-1] if events.H else 0)
                handoff = max(accept + cpk, events.C[-1] if events.C else 0)
                column = max(handoff + 1, events.C[-1] + cpk if events.C else 0)
                if key == 0 and block >= 2:
                    column = max(column, events.E[block - 2] + 1)
                value = events.V[-1] + 1 if events.V else 0
                if key == 0 and block >= ring:
                    value = max(value, events.X[block - ring] + (cfg.keys_per_block - 1) * cpk + 1)
                for name, cycle in zip("AHCV", (accept, handoff, column, value), strict=True):
                    getattr(events, name).append(cycle)
            start = [events.C[-1] + cpk + 3]
            if block >= 1:
                start.append(events.E[block - 1] + sizes[block - 1] * cpk)
            if block >= 2:
                start.append(events.X[block - 2] + length - 3)
            if first == 0 and tile >= 2:
                start.append(drained[tile - 2])
            events.E.append(max(start))
            outer = [events.E[block] + size * cpk + 3, events.V[-1] + 1]
            if block >= 1:
                outer.append(events.X[block - 1] + length)
            events.X.append(max(outer))
            sizes.append(size)
        bank_free[tile % 2] = events.C[-1] + cpk + 1
        events.D.append(max(events.X[-1] + length + cpk + 3, drained[-1] if drained else 0))
        drained.append(events.D[-1] + rows * cpk)
        events.O += [events.D[-1] + row * cpk + 20 + cpk - 1 for row in range(rows)]
    return events
