"""What ``fcim_q_fetch`` must ask for: the commands of a call and of its tiles. No simulator here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tb.common.bursts import SPACE, Command
from tb.common.stream import Beat

SHIFTS, MULTIPLIERS, ROWS_OF_Q = range(3)      # kinds


@dataclass(frozen=True)
class Sizes:
    """Parameters of the block; ``width``: bytes of a beat."""

    engines: int
    rows: int
    head_dim: int
    max_keys: int
    width: int


@dataclass(frozen=True)
class Call:
    """What the pins ``call_*`` say; strides and bases in bytes."""

    first: int
    heads: int
    group: int
    q: int
    q_table: int
    h_table: int
    q_token_stride: int
    q_head_stride: int
    q_table_stride: int

    @classmethod
    def draw(cls, generator: np.random.Generator, sizes: Sizes) -> Call:
        """Any call; few and many heads, small and large groups and strides, bases up to the end of the addresses."""

        def multiple(bits: int) -> int:
            high = 1 << int(generator.integers(8, bits + 1))
            return int(generator.integers(high - 1, dtype=np.uint64)) // sizes.width * sizes.width

        return cls(first=int(generator.integers(sizes.max_keys // 2)),
                   heads=int(generator.choice([1, sizes.width, sizes.width + 1, 256, generator.integers(1, 257)])),
                   group=int(generator.choice([1, sizes.rows, generator.integers(1, sizes.rows + 1)])),
                   q=SPACE - sizes.width if generator.integers(3) == 0 else multiple(64), q_table=multiple(64),
                   h_table=multiple(64), q_token_stride=multiple(32), q_head_stride=multiple(32), q_table_stride=multiple(32))

    def tiles(self, generator: np.random.Generator, sizes: Sizes, count: int) -> list[Beat]:
        """So many tiles of it for ``s_tile``, anywhere in it: full, short, of one token."""
        most = sizes.rows // self.group
        beats = []
        for _ in range(count):
            head, tokens = int(generator.integers(self.heads)), int(generator.choice([1, most, generator.integers(1, most + 1)]))
            tile = int(generator.integers(sizes.max_keys // 2 // most))
            beats.append({"engine": int(generator.integers(sizes.engines)), "head": head, "q_head": head * self.group,
                          "tile": tile, "token": tile * most, "tokens": min(tokens, sizes.max_keys // 2 - tile * most)})
        return beats

    def _beat(self, kind: int, command: Command, engine: int = 0, head: int = 0, pos: int = 0, last: int = 0) -> Beat:
        return {"kind": kind, "engine": engine, "head": head, "pos": pos, "last": last, **command.as_beat(),
                "stride": self.q_head_stride}

    def shifts(self, sizes: Sizes) -> Beat:
        """The command with which it begins: a byte for every KV head."""
        return self._beat(SHIFTS, Command(self.h_table, -(-self.heads // sizes.width)))

    def commands(self, tile: Beat, sizes: Sizes) -> Iterator[Beat]:
        """Those of a tile: 2 bytes for each of its rows at most, then the query heads of each of its tokens."""
        engine, head, pos = tile["engine"], tile["head"], self.first + tile["token"]
        beats = -(-2 * sizes.rows // sizes.width)
        slot = self.q_table + head * self.q_table_stride + tile["tile"] * beats * sizes.width
        yield self._beat(MULTIPLIERS, Command(slot, beats), engine, head, pos)
        for i in range(tile["tokens"]):
            row = self.q + tile["q_head"] * self.q_head_stride + (tile["token"] + i) * self.q_token_stride
            yield self._beat(ROWS_OF_Q, Command(row, sizes.head_dim // sizes.width, self.group), engine, head, pos + i,
                             int(i + 1 == tile["tokens"]))
