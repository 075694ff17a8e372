"""What ``fcim_merge`` must give for what it takes, and in which cycles, from docs/numbers.md and the header of the unit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.spec import Row, divide, merge
from tb.common.stream import Beat
from tb.merge import coverage
from tb.merge.sequences import LOWEST, Chunk

FIRST_ROW = 21      # cycles from the last chunk of a row, with one more for each part, to the row


@dataclass
class Joined:
    """A chunk that all parts of a tile offered: in which cycle, when it was taken, and from whom."""

    chunks: list[Chunk]
    parts: list[int]
    offered: int
    taken: list[int]


@dataclass
class Tile:
    """A tile under way: the chunk that each part gave next."""

    parts: list[int]
    accepted: int
    given: dict[int, tuple[Chunk, int, int]] = field(default_factory=dict)  # by part: the chunk, when offered, when taken


class Model:
    """Fed with the masks and chunks that were taken; gives the rows to ``expect`` and checks who is taken when.

    Args:
        on_time: no output is ever kept waiting, so every chunk is taken in exactly the cycles that the header says.
    """

    def __init__(self, size: Geometry, parts: int, on_time: bool, expect: Callable[[list[Beat]], None]) -> None:
        self.size, self.parts, self.on_time, self.expect = size, parts, on_time, expect
        self.tiles: deque[Tile] = deque()
        self.row: list[Joined] = []
        self.due: list[int] = []        # of every row, the cycle in which it leaves if nothing is kept waiting
        self.chunks: list[tuple[int, int]] = []     # of every chunk, the cycle in which all offered it, and how many those are
        self.free = 0                   # first cycle in which a chunk may be seen as offered
        self.before: list[int] = []     # parts of the last tile

    def tile(self, beat: Beat) -> None:
        """A monitor's callback: a mask has been accepted."""
        mask = beat["parts"]
        parts = [part for part in range(self.parts) if mask >> part & 1]
        coverage.sample_tile(parts, self.parts, self.before)
        self.before = parts
        self.tiles.append(Tile(parts, cycle()))

    def chunk(self, part: int, chunk: Chunk, offered: int) -> None:
        """A part's chunk has been taken."""
        where = f"cycle {cycle()}: part {part}"
        assert self.tiles, f"{where} is taken without a tile"
        tile = self.tiles[0]
        assert part in tile.parts, f"{where} is taken, the tile's parts are {tile.parts}"
        assert part not in tile.given, f"{where} is taken twice for one chunk"
        tile.given[part] = chunk, offered, cycle()
        if len(tile.given) == len(tile.parts):
            self._joined(tile)

    def _joined(self, tile: Tile) -> None:
        given = [tile.given[part] for part in tile.parts]
        there = max(tile.accepted + 1, self.free, *(offered for _, offered, _ in given))
        taken = sorted(when for _, _, when in given)
        want = [there + 1 + i for i in range(len(taken))]
        exact = taken == want
        early = any(got < least for got, least in zip(taken, want, strict=True))
        assert exact if self.on_time else not early, f"a chunk is taken in cycles {taken}, not {want}"
        coverage.sample_wait([offered for _, offered, _ in given], there)
        self.free = taken[-1] + 1
        self.chunks.append((there, len(taken)))
        self.row.append(Joined([chunk for chunk, _, _ in given], tile.parts, there, taken))
        tile.given = {}
        if len(self.row) == self.size.cpk:
            self._row_complete()

    def _row_complete(self) -> None:
        last = self.row[-1].chunks[0].last
        parts = [self._part(index) for index in range(len(self.row[0].parts))]
        coverage.sample_row(parts, self.row[0].parts, self.parts)
        whole = merge(parts)
        self.due.append(self.row[-1].offered + len(parts) + FIRST_ROW)
        self.expect([{"data": pack([divide(o, whole.total) for o in whole.acc], 16), "empty": int(whole.total == 0),
                      "last": int(last)}])
        self.row = []
        if last:
            self.tiles.popleft()

    def _part(self, index: int) -> Row:
        """A row of one part from its chunks."""
        chunks: Sequence[Chunk] = [joined.chunks[index] for joined in self.row]
        acc = [o for chunk in chunks for o in chunk.acc]
        empty = chunks[0].maximum == LOWEST and chunks[0].total == 0
        return Row(None if empty else chunks[0].maximum, chunks[0].total, acc)

    def reset(self) -> None:
        """What a reset leaves."""
        self.tiles.clear()
        self.row, self.free, self.before = [], 0, []
