"""Which engine of the accelerator takes which query tile of a prefill, or which keys of a decode, and which blocks it shares.

Tiles run in *waves*, one tile an engine, one KV head after the other. Keys of a wave pass all its engines in one stream, upwards
in one wave and downwards in the next; a call's last wave goes up. Going up, all tiles start at key 0 and the shortest ends first;
going down, the engine that was free first starts with the longest tile, each joins where its own diagonal is, and all end at key
0. So no engine waits for another at the causal diagonal, although each block is read once for all of them (docs/system.md).

In decode the keys of a KV head are split over engines, each of which gets its blocks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import blocks
from models.hardware.tiling import tokens_per_tile

ASCENDING = ("natural", "diagonal_ascending")
DESCENDING = ("diagonal_first", "sink_diagonal")
ROOM = 3        # blocks that wait in front of an engine
STREAMS = 2     # shared streams at a time: the end of a wave overlaps the start of the next


@dataclass(frozen=True)
class Wave:
    """Tiles that run at the same time: ``tiles`` says for each engine that has one its number in KV head ``head``."""

    head: int
    ascending: bool
    tiles: Mapping[int, int]


@dataclass(frozen=True)
class Prefill:
    """A prefill of ``tokens`` tokens, of which the first has position ``first``, for ``heads`` KV heads of ``group`` query heads.

    Raises:
        FcimError: the engine cannot take it: the group exceeds its rows, or the keys its ``max_keys``.
    """

    cfg: EngineConfig
    engines: int
    heads: int
    group: int
    tokens: int
    first: int = 0

    def __post_init__(self) -> None:
        tokens_per_tile(self.cfg, self.group)
        if min(self.engines, self.heads, self.tokens) < 1 or self.first < 0:
            raise FcimError("a prefill needs at least one engine, KV head and token, and positions from 0 on")
        if self.first + self.tokens > self.cfg.max_keys:
            raise FcimError(f"{self.first + self.tokens} keys exceed max_keys = {self.cfg.max_keys} of configuration "
                            f"'{self.cfg.name}'; use fewer tokens or another configuration")

    @property
    def tiles(self) -> int:
        """Query tiles of a KV head."""
        return -(-self.tokens // tokens_per_tile(self.cfg, self.group))

    def blocks(self, tile: int) -> int:
        """Key blocks of a tile, whole ones: so tiles of any number of tokens meet the same blocks. Causality hides the rest."""
        step = tokens_per_tile(self.cfg, self.group)
        return -(-(self.first + min((tile + 1) * step, self.tokens)) // self.cfg.keys_per_block)

    def waves(self, alternate: bool = True) -> list[Wave]:
        """All waves, in order; without ``alternate`` all go upwards.

        If the engines do not divide a head's tiles, its first wave leaves engines idle: that one is the shortest. Where a head
        behind another begins with a wave up, it comes second, or fourth if there are as many: behind a wave up, whose rows of O
        leave while others still run, it has least of them to hide, and it can hide few. So that the call's last rows of O leave
        while others still run, its last wave goes up.
        """
        plan: list[Wave] = []
        count = self.heads * -(-self.tiles // self.engines)
        for head in range(self.heads):
            stops = list(range((self.tiles - 1) % self.engines + 1, self.tiles + 1, self.engines))
            if alternate and head and (count - len(plan)) % 2 and len(stops) > 1:
                stops.insert(3 if len(stops) > 3 else 1, stops.pop(0))
            for stop in stops:
                tiles = range(max(0, stop - self.engines), stop)
                ascending = not alternate or (count - len(plan)) % 2 == 1
                plan.append(Wave(head, ascending, dict(enumerate(tiles if ascending else reversed(tiles)))))
        return plan

    def reads(self, own_start: bool) -> list[int]:
        """Per wave, blocks that leave the buffer: each of its stream once, and those that a tile is sent alone."""
        found = []
        for wave in self.waves():
            orders = [visits(self, wave, tile, own_start) for tile in wave.tiles.values()]
            found.append(sum(len(alone) for alone, _ in orders) + len({block for _, shared in orders for block in shared}))
        return found

    @property
    def visible(self) -> int:
        """Scores that causality leaves, of all query heads."""
        return self.heads * self.group * (self.tokens * self.first + self.tokens * (self.tokens + 1) // 2)


@dataclass(frozen=True)
class Part:
    """What an engine has of a decode: key ``blocks`` of KV head ``head``."""

    head: int
    blocks: range


@dataclass(frozen=True)
class Decode:
    """A decode of ``tokens`` query tokens after ``first`` keys, for ``heads`` KV heads of ``group`` query heads, the keys of each
    split over ``split`` engines.

    Raises:
        FcimError: the tokens do not fit a tile or the keys the engine, or ``split`` is no power of two or exceeds the engines.
    """

    cfg: EngineConfig
    engines: int
    heads: int
    group: int
    tokens: int
    first: int
    split: int

    def __post_init__(self) -> None:
        Prefill(self.cfg, self.engines, self.heads, self.group, self.tokens, self.first)
        if self.tokens > tokens_per_tile(self.cfg, self.group):
            raise FcimError(f"a decode of {self.tokens} tokens for {self.group} query heads a KV head exceeds the "
                            f"{self.cfg.rows} rows of an engine; use fewer tokens, or a prefill")
        if self.split < 1 or self.split & (self.split - 1) or self.split > self.engines:
            raise FcimError(f"keys cannot be split over {self.split} engines; use a power of two up to {self.engines}")

    @property
    def blocks(self) -> int:
        """Key blocks of a head, the last of which may lack keys: causality hides what lies there."""
        return -(-(self.first + self.tokens) // self.cfg.keys_per_block)

    def parts(self) -> list[range]:
        """The blocks of each of a head's ``split`` engines, as equal as whole blocks allow; some empty if there are too few."""
        if self.blocks < self.split:
            return [range(min(i, self.blocks), min(i + 1, self.blocks)) for i in range(self.split)]
        return [range(i * self.blocks // self.split, (i + 1) * self.blocks // self.split) for i in range(self.split)]

    def waves(self) -> list[dict[int, Part]]:
        """Per wave, what each engine has that has something; a wave has as many KV heads as fit."""
        together, parts = self.engines // self.split, self.parts()
        return [{(head - start) * self.split + i: Part(head, part) for head in range(start, min(start + together, self.heads))
                 for i, part in enumerate(parts) if part} for start in range(0, self.heads, together)]

    def reads(self) -> list[int]:
        """Per wave, blocks that leave the buffer: each of its heads' once."""
        return [sum(len(part.blocks) for part in wave.values()) for wave in self.waves()]


def visits(prefill: Prefill, wave: Wave, tile: int, own_start: bool) -> tuple[list[int], list[int]]:
    """A tile's key blocks in its order: those that it is sent alone, then those of the wave's stream.

    Args:
        own_start: the tile starts with its diagonal (downwards also with the sink), which makes fewer rescales.
    """
    schedule = (ASCENDING if wave.ascending else DESCENDING)[own_start]
    size = prefill.cfg.keys_per_block
    order = [start // size for start, _ in blocks(schedule, prefill.blocks(tile) * size, size)]
    own = (1 if wave.ascending else 2) if own_start else 0
    return order[:own], order[own:]


@dataclass
class Estimate:
    """A prefill at the grain of whole blocks: ``cycles`` until the last engine is done, ``busy`` cycles of all engines together
    in which they have a block, ``rows`` of K read from the buffer (and as many of V)."""

    cycles: int = 0
    busy: int = 0
    rows: int = 0

    def lost(self, engines: int) -> float:
        """The share of the engines' cycles in which one has no block."""
        return 1 - self.busy / (self.cycles * engines)


@dataclass
class _Engine:
    """``program``: the blocks to come, (wave, block, own). ``sent``: when its last block was sent. ``ends``: of its blocks."""

    program: list[tuple[int, int, bool]] = field(default_factory=list)
    done: int = 0
    sent: int = 0
    ends: list[int] = field(default_factory=list)

    @property
    def next(self) -> tuple[int, int, bool] | None:
        return self.program[self.done] if self.done < len(self.program) else None

    @property
    def ready(self) -> int:
        """The cycle from which there is room for another block."""
        return max(self.sent, self.ends[-ROOM] if len(self.ends) >= ROOM else 0)

    def take(self, sent: int, cycles: int) -> None:
        """A block that has been sent at ``sent``."""
        self.ends.append(max(sent, self.ends[-1] if self.ends else 0) + cycles)
        self.sent = sent
        self.done += 1


def estimate(prefill: Prefill, own_start: bool = True, alternate: bool = True) -> Estimate:
    """The waves at block grain: an engine takes ``block_cycles`` for a block, the row bus a cycle for each of its keys; K and V
    are in the buffer, values come as their keys do. Filling and draining of pipelines is not counted.

    A stream sends a block once all its engines have come to it and have room.
    """
    waves = prefill.waves(alternate)
    engines = [_Engine() for _ in range(prefill.engines)]
    streams: list[list[tuple[int, int, list[int]]]] = [[] for _ in range(STREAMS)]
    for number, wave in enumerate(waves):
        members: dict[int, list[int]] = {}
        for engine, tile in wave.tiles.items():
            alone, shared = visits(prefill, wave, tile, own_start)
            engines[engine].program += [(number, block, True) for block in alone] + [(number, block, False) for block in shared]
            for block in shared:
                members.setdefault(block, []).append(engine)
        streams[number % STREAMS] += [(number, block, members[block]) for block in sorted(members, reverse=not wave.ascending)]
    result, bus = Estimate(), 0
    position, free = [0] * STREAMS, [0] * STREAMS
    while any(engine.next for engine in engines):
        offers: list[tuple[int, int, Sequence[int]]] = [
            (engine.ready, -1, (number,)) for number, engine in enumerate(engines) if engine.next and engine.next[2]]
        for stream in range(STREAMS):
            if position[stream] < len(streams[stream]):
                wave_number, block, who = streams[stream][position[stream]]
                if all(engines[e].next == (wave_number, block, False) for e in who):
                    offers.append((max(free[stream], *(engines[e].ready for e in who)), stream, who))
        start, stream, who = min(offers, key=lambda offer: offer[:2])
        bus = max(start, bus) + prefill.cfg.keys_per_block
        result.rows += prefill.cfg.keys_per_block
        if stream >= 0:
            free[stream], position[stream] = bus, position[stream] + 1
        for e in who:
            engines[e].take(bus, prefill.cfg.block_cycles)
    result.cycles = max(engine.ends[-1] for engine in engines if engine.ends)
    result.busy = sum(len(engine.ends) for engine in engines) * prefill.cfg.block_cycles
    return result
