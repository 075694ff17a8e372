"""The cycle table of docs/cycles.md once more, event by event; the drain cycle by cycle.

It shares no line with :mod:`models.hardware.timeline`: both that model and the RTL are compared with this reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from models.hardware.config import EngineConfig
from models.hardware.pace import Pace

NEVER = -(1 << 50)      # before anything happens


@dataclass
class Events:
    """Cycles of the run's events, counted from the first row's acceptance; names as in the page's table.

    ``R`` rows, ``A`` keys, ``H`` handoffs, ``C`` columns, ``J`` and ``E`` blocks, ``X`` blocks that run, ``V`` values,
    ``D`` drain starts of tiles, ``O`` rows of output and ``M`` chunks of partial tiles taken. ``P`` is when requests, ``W`` when
    rows of output and ``G`` when chunks are first valid.
    """

    R: list[int] = field(default_factory=list)
    A: list[int] = field(default_factory=list)
    H: list[int] = field(default_factory=list)
    C: list[int] = field(default_factory=list)
    J: list[int] = field(default_factory=list)
    E: list[int] = field(default_factory=list)
    X: list[int] = field(default_factory=list)
    V: list[int] = field(default_factory=list)
    D: list[int] = field(default_factory=list)
    O: list[int] = field(default_factory=list)  # noqa: E741 (the page's name)
    P: list[int] = field(default_factory=list)
    W: list[int] = field(default_factory=list)
    G: list[int] = field(default_factory=list)
    M: list[int] = field(default_factory=list)


@dataclass
class _Block:
    """A block of the run: its tile, number in the tile, keys, whether it runs, and the number of its last key in the run."""

    tile: int
    index: int
    size: int
    runs: bool
    last_key: int


def _blocks(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], ran: Sequence[Sequence[bool]] | None) -> list[_Block]:
    found: list[_Block] = []
    for tile, (_, keys) in enumerate(shapes):
        for index, first in enumerate(range(0, keys, cfg.keys_per_block)):
            size = min(cfg.keys_per_block, keys - first)
            end = found[-1].last_key + size if found else size - 1
            found.append(_Block(tile, index, size, ran is None or bool(ran[tile][index]), end))
    return found


def _is_ready(changes: Sequence[int], cycle: int) -> bool:
    return sum(change <= cycle for change in changes) % 2 == 1


@dataclass
class _Drain:
    """Reads, dividers and row register of all tiles, stepped through one cycle after the other."""

    events: Events
    changes: Sequence[int]                              # of m_o_ready
    part_changes: Sequence[int]                         # of m_part_ready
    cycle: int = NEVER
    flying: list[int] = field(default_factory=list)     # rows under way: moves until each is valid
    chunk: bool = False                                 # of a partial tile, read and not taken

    def move(self, ends_row: bool) -> bool:
        """One cycle, which would read the last part of a row or not; False if nothing moves in it."""
        if self.chunk:
            if len(self.events.G) == len(self.events.M):
                self.events.G.append(self.cycle)
            if not _is_ready(self.part_changes, self.cycle):
                self.cycle += 1
                return False
            self.events.M.append(self.cycle)
            self.chunk = False
        if self.flying and self.flying[0] == 0:
            if len(self.events.W) == len(self.events.O):
                self.events.W.append(self.cycle)
            if not _is_ready(self.changes, self.cycle):
                self.cycle += 1
                return False
            self.events.O.append(self.cycle)
            self.flying.pop(0)
        self.flying = [moves - 1 for moves in self.flying] + [20] * ends_row
        self.cycle += 1
        return True

    def read(self, done: int, rows: int, cpk: int, partial: bool) -> int:
        """Read a tile from ``done`` on, a partial one when no row is under way; when its bank is free."""
        while (self.flying or self.chunk) and self.cycle < done or self.flying and partial:
            self.move(False)
        self.cycle = max(self.cycle, done)
        for part in range(rows * cpk):
            while not self.move(not partial and (part + 1) % cpk == 0):
                pass
            self.chunk = partial
            if part == 0:
                self.events.D.append(self.cycle - 1)
        return self.cycle


def cycle_table(cfg: EngineConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
                ran: Sequence[Sequence[bool]] | None = None, pace: Pace | None = None,
                partial: Sequence[bool] | None = None) -> Events:
    """All events of tiles with ``(rows, keys)`` each; ``fused`` and ``partial`` per tile (none by default), ``ran`` per tile and
    block (all).

    ``pace``: when the streams are there, always by default.
    """
    if pace is None:
        beats = sum(rows for rows, _ in shapes), sum(keys for _, keys in shapes)
        pace = Pace([0] * beats[0], [0] * beats[1], [0] * beats[1])
    cpk, length, ring = cfg.cycles_per_key, cfg.keys_per_block * cfg.cycles_per_key, 3 if cfg.cycles_per_key == 1 else 2
    events, blocks = Events(), _blocks(cfg, shapes, ran)
    q_free, readable, drained = [NEVER] * 2, [NEVER] * len(shapes), [NEVER] * 2     # bank of Q, tile, bank of accumulators
    drain = _Drain(events, pace.o, pace.part)

    def scale(b: int) -> None:
        """R of a new tile; A, H, C of the block's keys."""
        block = blocks[b]
        if block.index == 0:
            for row in range(shapes[block.tile][0]):
                earliest = [pace.q[len(events.R)]] + ([events.R[-1] + 1] if events.R else [])
                events.R.append(max(earliest + [q_free[block.tile % 2]] if row == 0 else earliest))
            readable[block.tile] = events.R[-1] + 2
        for key in range(block.size):
            events.A.append(max(pace.k[len(events.A)], readable[block.tile], events.H[-1] if events.H else NEVER))
            events.H.append(max(events.A[-1] + cpk, events.C[-1] if events.C else NEVER))
            column = max(events.H[-1] + 1, events.C[-1] + cpk if events.C else NEVER)
            events.C.append(max(column, events.E[b - 3] + 1) if key == 0 and b >= 3 else column)
        q_free[block.tile % 2] = events.C[-1] + cpk + 1

    for b, block in enumerate(blocks):
        last = b + 1 == len(blocks) or blocks[b + 1].tile != block.tile
        joint = fused is not None and bool(fused[block.tile]) and block.index == 0 and not last
        for other in (b, b + 1) if joint else (b,):
            if len(events.C) <= blocks[other].last_key:
                scale(other)
        judged = [events.C[blocks[b + joint].last_key] + cpk + 4]
        judged += [events.J[b - 1] + cpk] if b >= 1 else []
        judged += [events.E[b - 3] + blocks[b - 3].size * cpk] if b >= 3 and blocks[b - 3].runs else []
        events.J.append(max(judged))
        start = [events.J[b] + cpk + 1]
        if b >= 1:
            start.append(events.E[b - 1] + (blocks[b - 1].size * cpk if blocks[b - 1].runs else 1))
        if block.runs and len(events.X) >= 2:
            start.append(events.X[-2] + length - 3)
        if block.runs and not any(other.runs for other in blocks[b - block.index:b]):
            start.append(drained[block.tile % 2])
        events.P.append(max(start))
        waits = block.runs or pace.skips_wait
        events.E.append(next(c for c in count(events.P[b]) if not waits or _is_ready(pace.decision, c)))
        if block.runs:
            for key in range(block.size):
                ring_free = events.X[-ring] + (cfg.keys_per_block - 1) * cpk + 1 if key == 0 and len(events.X) >= ring else NEVER
                events.V.append(max(pace.v[len(events.V)], events.V[-1] + 1 if events.V else NEVER, ring_free))
            outer = [events.E[b] + block.size * cpk + 3, events.V[-1] + 1]
            events.X.append(max(outer + [events.X[-1] + length] if events.X else outer))
        if last:
            rows = shapes[block.tile][0]
            done = max(events.X[-1] + length + cpk + 3, events.E[b] + 2, drained[(block.tile + 1) % 2])
            drained[block.tile % 2] = drain.read(done, rows, cpk, partial is not None and bool(partial[block.tile]))
    while drain.flying or drain.chunk:
        drain.move(False)
    return events
