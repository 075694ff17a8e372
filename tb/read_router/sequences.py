"""Commands for ``fcim_read_router``, as those give them who ask: tables before the rows that they are for."""

from __future__ import annotations

import numpy as np

from tb.common.stream import Beat
from tb.read_router.model import FETCH_KINDS, HEADS, LOAD_KINDS, Size


class Commands:
    """Draws commands of any addresses, for one router."""

    def __init__(self, size: Size, generator: np.random.Generator) -> None:
        self.size, self.draw = size, generator

    def _where(self, beats: int, rows: int = 1) -> Beat:
        address, stride = (int(self.draw.integers(1 << 63)) << 1 | int(self.draw.integers(2)) for _ in range(2))
        return {"address": address, "beats": beats, "rows": rows, "stride": stride}

    def descriptor(self) -> Beat:
        """128 bytes."""
        return self._where(128 // self.size.width)

    def h_table(self, heads: int) -> Beat:
        """The shifts of a call's heads."""
        return self._fetch("h_table", self._where(-(-heads // self.size.width)))

    def _fetch(self, kind: str, where: Beat, **fields: int) -> Beat:
        return {"kind": FETCH_KINDS.index(kind), "engine": 0, "head": 0, "pos": 0, "last": 0, **fields, **where}

    def tile(self, heads: int) -> list[Beat]:
        """A tile: its multipliers, then its tokens, a command each."""
        size = self.size
        group = int(self.draw.integers(1, min(size.rows, 9) + 1)) if self.draw.integers(4) else size.rows
        tokens = int(self.draw.integers(1, min(size.rows // group, 6) + 1))
        who = {"engine": int(self.draw.integers(size.engines)), "head": int(self.draw.integers(heads))}
        first = int(self.draw.integers(2 * size.max_keys - tokens))
        return [self._fetch("q_table", self._where(size.q_table_beats), **who),
                *(self._fetch("q", self._where(size.row_beats, group), pos=first + token, last=int(token == tokens - 1), **who)
                  for token in range(tokens))]

    def block(self) -> list[Beat]:
        """A key block: its multipliers, its keys, its values."""
        size = self.size
        where = {"slot": int(self.draw.integers(max(size.engines, 2))),
                 "page": int(self.draw.integers(size.buffer_keys // size.keys_per_block))}
        wheres = {"k_table": self._where(size.k_table_beats), "k": self._where(size.row_beats, size.keys_per_block),
                  "v": self._where(size.row_beats, size.keys_per_block)}
        return [{"kind": LOAD_KINDS.index(kind), **where, **what} for kind, what in wheres.items()]

    def heads(self) -> int:
        """KV heads of a call, the most of all now and then."""
        return int(self.draw.integers(1, HEADS + 1)) if self.draw.integers(3) else HEADS
