"""The planner: what it says to whom, and when (``fcim_planner``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.hardware.tiling import tokens_per_tile
from models.system.plan import Decode, Prefill
from models.system.timed.kernel import Clock, Fifo, Part
from models.system.timed.reads import Run, TileOfQ

if TYPE_CHECKING:
    from models.system.timed.cluster import Cluster
    from models.system.timed.reads import Loader


@dataclass(frozen=True)
class WaveOffer:
    """A wave for the cluster. ``blocks``: of each engine's tile, 0 without one."""

    ascending: bool
    own_start: bool
    stream: int
    tag: int
    blocks: Sequence[int]


@dataclass(frozen=True)
class RowsJob:
    """Rows of O that a slot will give. ``q_head``: the first query head of its group."""

    slot: int
    q_head: int
    token: int
    tokens: int


class Planner(Part):
    """Walks a plan. Its generator goes on in each cycle, or when it is woken where it yields True.

    Attributes:
        run, wave: what it offers to loader and cluster; these set ``run_taken``, ``wave_taken``.
    """

    def __init__(self, clock: Clock, plan: Prefill | Decode, streamed: bool, own_start: bool, tiles: Fifo) -> None:
        self.clock, self.plan, self.own_start = clock, plan, own_start
        self.resident = isinstance(plan, Prefill) and not streamed
        self.streamed, self.decodes = streamed, isinstance(plan, Decode)
        self.tiles, self.jobs, self.merges = tiles, Fifo(16, self), Fifo(16, self)
        tiles.source = self
        self.loader: Loader
        self.cluster: Cluster
        self.run: Run | None = None
        self.run_taken = False
        self.wave: WaveOffer | None = None
        self.wave_taken = False
        self.most = 0               # blocks that a wave waits for
        self.tag = 0
        self.under_way = [0, 0]     # tiles of the heads with these tags
        self.asked = [0] * plan.engines     # rows of Q that are to come
        self.closed = [False, False]
        self.closes = -1
        self.idle = False
        self._walk = self._decode(plan) if isinstance(plan, Decode) else self._prefill(plan)

    def tile_done(self, engine: int, tag: int) -> None:
        """A tile has passed its last block."""
        self.under_way[tag] -= 1
        self.wake_at(0)

    def row_taken(self, engine: int) -> None:
        """A row of Q was taken in the cycle before."""
        self.asked[engine] -= 1
        self.wake_at(0)

    def gives(self, now: int) -> bool:
        """The wave is offered: its blocks are in the buffer, and the store has its jobs."""
        return (not self.resident or self.loader.loaded[self.tag] >= self.most) and (self.decodes or self.jobs.empty(now))

    def waits(self) -> bool:
        """A wave waits for blocks that are not asked for."""
        return self.resident and self.wave is not None and self.loader.asked[self.tag] < self.most

    def step(self, now: int) -> None:
        """A state's cycle, and heads that are done with."""
        finished = [self.closed[tag] and not self.under_way[tag] for tag in (0, 1)]
        self.now, self.closes = now, -1
        blocked = next(self._walk, True)
        if not blocked:
            self.wake_at(now + 1)
        for tag in (0, 1):
            if finished[tag]:
                self.closed[tag] = False
                self.clock.at(now + 1, lambda slot=tag: self.loader.head_freed(slot))
                self.wake_at(now + 1)
                break
        if self.closes >= 0:
            self.closed[self.closes] = True
            self.wake_at(now + 1)

    # ---- pieces of the walk; each ends in the cycle in which what it offers is taken
    def _give_run(self, run: Run) -> Iterator[bool]:
        """From the cycle before it is offered on."""
        self.run = run
        self.loader.wake_at(self.now + 1)
        yield False
        while not self.run_taken:
            yield True
        self.run, self.run_taken = None, False

    def _give_wave(self, wave: WaveOffer) -> Iterator[bool]:
        self.wave = wave
        self.cluster.wake_at(self.now + 1)
        yield False
        while not self.wave_taken:
            yield True
        self.wave, self.wave_taken = None, False

    def _push(self, *beats: tuple[Fifo, object]) -> Iterator[bool]:
        """Beats into several queues, each as soon as it has room."""
        left = list(beats)
        while True:
            left = [(fifo, beat) for fifo, beat in left if not self._pushes(fifo, beat)]
            if not left:
                return
            yield True

    def _pushes(self, fifo: Fifo, beat: object) -> bool:
        room = fifo.room(self.now)
        if room:
            fifo.push(self.now, beat)
        return room

    def _emit(self, engine: int, rows: int, *beats: tuple[Fifo, object]) -> Iterator[bool]:
        """A tile, once its engine has the rows of Q that were asked for, and a bank for this one's."""
        progress = self.cluster.engines[engine].progress
        while self.asked[engine] or (room := progress.row_room()) is None or room > self.now:
            if not self.asked[engine] and room is not None:
                self.wake_at(room)
            yield True
        self.asked[engine] = rows
        yield from self._push(*beats)
        self.under_way[self.tag] += 1

    # ---- calls
    def _prefill(self, plan: Prefill) -> Iterator[bool]:
        step, waves = tokens_per_tile(plan.cfg, plan.group), plan.waves()
        total, given = plan.blocks(plan.tiles - 1), -1
        yield False     # idle
        yield False     # SUM
        for number, wave in enumerate(waves):
            first_of_head = number == 0 or waves[number - 1].head != wave.head
            head_ends = number == len(waves) - 1 or waves[number + 1].head != wave.head
            if first_of_head:
                self.tag = wave.head & 1 if self.resident else 0
                while self.closed[self.tag]:
                    yield True
                if self.resident and given < wave.head:
                    yield from self._give_run(Run(wave.head & 1, wave.head, 0, total, False))
                    given = wave.head
                yield False
            # WAVE
            if self.resident and wave.head + 1 < plan.heads and given <= wave.head and not self.closed[1 - self.tag]:
                yield from self._give_run(Run(1 - (wave.head & 1), wave.head + 1, 0, total, False))
                given = wave.head + 1
                yield False
            numbers = list(wave.tiles.values())
            walked = len(numbers) - 1 if not wave.ascending else min(numbers) if first_of_head and min(numbers) else -1
            for _ in range(walked + 1):
                yield False
            blocks = [0] * plan.engines
            for engine, tile in sorted(wave.tiles.items()):
                for _ in range(3):      # END, BLOCKS, EMIT
                    yield False
                token = tile * step
                tokens = min(step, plan.tokens - token)
                yield from self._emit(
                    engine, tokens * plan.group, (self.tiles, TileOfQ(engine, wave.head, tile, token, tokens)),
                    (self.jobs, RowsJob(engine, wave.head * plan.group, token, tokens)))
                blocks[engine] = plan.blocks(tile)
            self.most = max(blocks)
            if self.streamed:
                yield from self._give_run(Run(number & 1, wave.head, 0, self.most, not wave.ascending))
            yield from self._give_wave(WaveOffer(wave.ascending, self.own_start, number & 1, self.tag, blocks))
            if head_ends and self.resident:
                self.closes = self.tag
            yield False
        yield from self._drain()

    def _decode(self, plan: Decode) -> Iterator[bool]:
        parts, together = plan.parts(), plan.engines // plan.split
        yield False     # idle
        for number, start in enumerate(range(0, plan.heads, together)):
            heads = range(start, min(start + together, plan.heads))
            blocks = [0] * plan.engines
            for head in heads:
                for i, part in enumerate(parts):
                    yield False         # SUM, or the end of what was before
                    engine = (head - start) * plan.split + i
                    blocks[engine] = len(part)
                    # PART
                    if part:
                        yield from self._give_run(Run(engine, head, part.start, len(part), False))
                        yield False
                        yield from self._emit(engine, plan.tokens * plan.group,
                                              (self.tiles, TileOfQ(engine, head, 0, 0, plan.tokens)))
                    else:
                        yield False
            yield from self._give_wave(WaveOffer(True, False, number & 1, 0, blocks))
            for head in heads:
                yield False
                members = [e for e in range((head - start) * plan.split, (head - start + 1) * plan.split) if blocks[e]]
                yield from self._push((self.merges, members),
                                      (self.jobs, RowsJob(plan.engines, head * plan.group, 0, plan.tokens)))
        yield False
        yield from self._drain()

    def _drain(self) -> Iterator[bool]:
        while any(self.under_way) or any(self.closed):
            yield True
        self.idle = True
