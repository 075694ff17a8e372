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

    ``R`` rows, ``A`` keys, ``H`` handoffs, ``C`` columns, ``J`` and ``E`` blocks, ``X`` blocks that run, ``V`` values,
    ``D`` drain starts of tiles, ``O`` rows of output taken.
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


@dataclass
class _Block:
    """A block of the run: its tile, number in the tile, keys, whether it runs, and the number of its last key in the run."""

    tile: int
    index: int
    size: int
    runs: bool
    last_key: int


def _blocks(cfg: HardwareConfig, shapes: Sequence[tuple[int, int]], ran: Sequence[Sequence[bool]] | None) -> list[_Block]:
    found: list[_Block] = []
    for tile, (_, keys) in enumerate(shapes):
        for index, first in enumerate(range(0, keys, cfg.keys_per_block)):
            size = min(cfg.keys_per_block, keys - first)
            end = found[-1].last_key + size if found else size - 1
            found.append(_Block(tile, index, size, ran is None or bool(ran[tile][index]), end))
    return found


def cycle_table(cfg: HardwareConfig, shapes: Sequence[tuple[int, int]], fused: Sequence[bool] | None = None,
                ran: Sequence[Sequence[bool]] | None = None) -> Events:
    """All events of tiles with ``(rows, keys)`` each; ``fused`` per tile (none by default), ``ran`` per tile and block (all)."""
    cpk, length, ring = cfg.cycles_per_key, cfg.keys_per_block * cfg.cycles_per_key, 3 if cfg.cycles_per_key == 1 else 2
    events, blocks = Events(), _blocks(cfg, shapes, ran)
    q_free, readable, drained = [0, 0], [0] * len(shapes), [0, 0]      # bank of Q, tile, bank of accumulators

    def scale(b: int) -> None:
        """R of a new tile; A, H, C of the block's keys."""
        block = blocks[b]
        if block.index == 0:
            for row in range(shapes[block.tile][0]):
                events.R.append(max(events.R[-1] + 1 if events.R else 0, q_free[block.tile % 2] if row == 0 else 0))
            readable[block.tile] = events.R[-1] + 2
        for key in range(block.size):
            events.A.append(max(readable[block.tile], events.H[-1] if events.H else 0))
            events.H.append(max(events.A[-1] + cpk, events.C[-1] if events.C else 0))
            column = max(events.H[-1] + 1, events.C[-1] + cpk if events.C else 0)
            events.C.append(max(column, events.E[b - 3] + 1) if key == 0 and b >= 3 else column)
        q_free[block.tile % 2] = events.C[-1] + cpk + 1

    for b, block in enumerate(blocks):
        last = b + 1 == len(blocks) or blocks[b + 1].tile != block.tile
        joint = fused is not None and bool(fused[block.tile]) and block.index == 0 and not last
        for other in (b, b + 1) if joint else (b,):
            if len(events.C) <= blocks[other].last_key:
                scale(other)
        judged = [events.C[blocks[b + joint].last_key] + cpk + 3]
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
        events.E.append(max(start))
        if block.runs:
            for key in range(block.size):
                ring_free = events.X[-ring] + (cfg.keys_per_block - 1) * cpk + 1 if key == 0 and len(events.X) >= ring else 0
                events.V.append(max(events.V[-1] + 1 if events.V else 0, ring_free))
            outer = [events.E[b] + block.size * cpk + 3, events.V[-1] + 1]
            events.X.append(max(outer + [events.X[-1] + length] if events.X else outer))
        if last:
            rows = shapes[block.tile][0]
            before = drained[(block.tile + 1) % 2]
            events.D.append(max(events.X[-1] + length + cpk + 3, events.E[b] + 2, before))
            drained[block.tile % 2] = events.D[-1] + rows * cpk
            events.O += [events.D[-1] + row * cpk + 20 + cpk - 1 for row in range(rows)]
    return events
