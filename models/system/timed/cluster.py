"""Engines, what stands in front of them, and the row buses (``fcim_cluster``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.hardware.config import EngineConfig
from models.hardware.pace import EARLY
from models.hardware.progress import Progress
from models.system.config import SystemConfig
from models.system.timed.kernel import Clock, Part

if TYPE_CHECKING:
    from models.system.timed.planner import Planner, WaveOffer
    from models.system.timed.reads import Beats, Loader

FEED_BLOCKS = 3         # ROOM: blocks of keys in front of an engine
KEY_REQUESTS = 2
AHEAD = 16              # DECISIONS, and the engine's BLOCKS_AHEAD
TILES = 4               # tiles that wait in a request head
PIPE_ROW = 3            # from the choice of a block until its first row comes
PIPE_FIFO = 2           # through fcim_fifo
ALONE = 3               # own: all blocks are for the engine alone


@dataclass
class Tile:
    """A tile as the heads of its engine see it. ``accepted``: by the engine. ``keys``, ``values``: by these heads."""

    blocks: int
    first: int              # its first block's number in the engine
    own: int
    stream: int
    tag: int
    accepted: int = EARLY
    keys: int = EARLY
    values: int = EARLY


@dataclass
class Engine:
    """An engine with its heads. Cycles, per block: ``asked`` its keys, ``key_takes`` and ``value_takes`` from the heads."""

    progress: Progress
    tiles: list[Tile] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    key_takes: list[int] = field(default_factory=list)
    value_takes: list[int] = field(default_factory=list)
    loads: int = 0              # decode: blocks that have been loaded
    asks_of: int = 0            # tile whose blocks are asked for
    keys_of: int = 0            # tile at the head of keys
    values_of: int = 0
    key_ready: bool = False     # the next block's cycle is known
    value_ready: bool = False
    offers: bool = False        # a row of O or a chunk stands, or will: its cycle is known


class Stream:
    """``fcim_sequencer``: the blocks of a wave, one after the other, and the engines that meet each."""

    def __init__(self) -> None:
        self.free = EARLY           # cycle from which it takes a wave; NEVER is told by running
        self.running = False
        self.members = 0
        self._wave: WaveOffer
        self._block = self._last = 0

    def accept(self, now: int, wave: WaveOffer, clock: Clock, wake: Callable[[], None]) -> None:
        """A wave is accepted: it looks for the longest tile first."""
        starts = now + len(wave.blocks) + 1
        low = int(wave.own_start and not wave.ascending)
        top = max(wave.blocks) - int(wave.own_start) - 1
        self.free = starts
        if top < low:
            return
        self._wave = wave
        self._block, self._last = (low, top) if wave.ascending else (top, low)
        self.running = True     # from now on it takes no wave

        def start() -> None:
            self._meet()
            wake()

        clock.at(starts, start)

    def _meet(self) -> None:
        ahead = self._block + int(self._wave.own_start)
        self.members = sum(1 << engine for engine, blocks in enumerate(self._wave.blocks) if ahead < blocks)

    def sent(self, now: int) -> None:
        """The block is sent."""
        if self._block == self._last:
            self.running, self.members, self.free = False, 0, now + 1
        else:
            self._block += 1 if self._wave.ascending else -1
            self._meet()

    def ready(self, now: int) -> bool:
        """``s_wave_ready``."""
        return not self.running and self.free <= now


class Bus:
    """``fcim_row_bus``: who is ready, and whose turn it is."""

    def __init__(self, settle: bool, size: int) -> None:
        self.busy = size + (2 if settle else 0)     # cycles behind the choice in which it chooses nothing
        self.open = 0
        self.alone = 0                              # engines whose next block is for them alone, and can be sent
        self.arrived = [0, 0]                       # engines that wait for their stream
        self.after = 0                              # engines from this one on go first
        self.turn = 0
        self.streams = [Stream(), Stream()]
        self.blocks = 0                             # that were read

    def choose(self, there: Sequence[bool]) -> tuple[int, int] | None:
        """Engines and the stream of the next block, -1 if for an engine alone; ``there``: streams whose block is loaded."""
        if self.alone:
            above = self.alone >> self.after << self.after
            chosen = above or self.alone
            chosen &= -chosen
            self.after = chosen.bit_length()
            return chosen, -1
        valid = [s for s in (self.turn, 1 - self.turn)
                 if there[s] and self.streams[s].members and not self.streams[s].members & ~self.arrived[s]]
        if not valid:
            return None
        self.turn = 1 - valid[0]
        return self.streams[valid[0]].members, valid[0]


def engine_of(cfg: EngineConfig) -> Progress:
    """An engine as the RTL has it."""
    return Progress(cfg, keep=False)


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


class Cluster(Part):
    """Waves to engines and streams, blocks over the buses, and what follows from that inside the engines.

    Attributes:
        rows: cycle from which an engine's next row of O is valid. chunks: the same of partial results.
    """

    def __init__(self, system: SystemConfig, clock: Clock, streamed: bool, decode: bool,
                 engine: Callable[[EngineConfig], Progress] = engine_of) -> None:
        self.clock, self.streamed, self.decode = clock, streamed, decode
        self.size = system.engine.keys_per_block
        self.engines = [Engine(engine(system.engine)) for _ in range(system.engines)]
        self.keys, self.values = Bus(False, self.size), Bus(True, self.size)
        self.credits = [0, 0]
        self.planner: Planner
        self.loader: Loader
        self.beats: Beats
        self.outputs: Callable[[int, str, int], None]       # engine, stream and cycle of its next output beat
        self.pending: list[Callable[[int], bool]] = []      # of the wave in the fanout: who has not taken it
        self.fanout_free = 0
        self.row_waits: int | None = None                   # engine for whose row of Q there is no room

    # ---- from outside
    def row_of_q(self, engine: int, cycle: int) -> None:
        """A row of Q is valid from ``cycle`` on."""
        self.engines[engine].progress.add_row(cycle)
        self.row_waits = engine
        self.advance(engine)

    def has_loaded(self, slot: int) -> None:
        """A block counts as loaded from this cycle on."""
        self.wake_at(0)
        if self.decode:
            self.engines[slot].loads += 1
            self.update_keys(slot)
        elif self.streamed:
            self.credits[slot] += 1

    def take(self, engine: int, cycle: int) -> None:
        """A row of O or a chunk is taken in ``cycle``."""
        one = self.engines[engine]
        one.progress.take(cycle)
        one.offers = False
        self.advance(engine)

    # ---- inside an engine
    def advance(self, number: int) -> None:
        """Work out what follows from news, and tell who waits for it."""
        one = self.engines[number]
        progress = one.progress
        waiting = len(progress.row_offers)
        progress.advance()
        if self.row_waits == number and waiting and not progress.row_offers:
            self.row_waits = None
            self.beats.row_taken(progress.row)
            self.clock.at(progress.row + 1, lambda: self.planner.row_taken(number))
        self.planner.wake_at(0)     # there may be room for rows of Q
        self.update_requests(number)
        self.update_keys(number)
        self.update_values(number)
        if not one.offers and progress.head is not None:
            one.offers = True
            self.outputs(number, *progress.head)

    def update_requests(self, number: int) -> None:
        """Requests for keys, as far as their cycles are known: ``fcim_key_scheduler`` and ``fcim_block_queue``."""
        one, starts = self.engines[number], self.engines[number].progress.starts
        while one.asks_of < len(one.tiles):
            tile, block = one.tiles[one.asks_of], len(one.asked)
            if tile.accepted == EARLY or len(one.key_takes) <= block - KEY_REQUESTS or len(starts) <= block - AHEAD:
                return
            cycle = max(tile.accepted + 1, one.asked[-1] + 1 if block else EARLY)
            if block >= KEY_REQUESTS:
                cycle = max(cycle, one.key_takes[block - KEY_REQUESTS] + 1)
            if block >= AHEAD:
                cycle = max(cycle, starts[block - AHEAD] + 1)
            one.asked.append(cycle)
            if block + 1 == tile.first + tile.blocks:
                one.asks_of += 1

    def update_keys(self, number: int) -> None:
        """When the next block of keys can be sent to an engine, if that is known."""
        one = self.engines[number]
        block = len(one.key_takes)
        if one.key_ready or len(one.asked) <= block or one.tiles[one.keys_of].keys == EARLY:
            return
        taken, passed = one.progress.key_taken, one.value_takes
        if len(taken) <= block - FEED_BLOCKS or len(passed) <= block - AHEAD or (self.decode and one.loads <= block):
            return
        tile = one.tiles[one.keys_of]
        cycle = max(one.asked[block] + PIPE_FIFO, tile.keys + PIPE_FIFO, one.key_takes[-1] + 1 if block else EARLY)
        if block >= FEED_BLOCKS:
            cycle = max(cycle, taken[block - FEED_BLOCKS] + 1)
        if block >= AHEAD:
            cycle = max(cycle, passed[block - AHEAD] + 1)
        one.key_ready = True
        alone = tile.own == ALONE or block - tile.first < tile.own

        def ready() -> None:
            if alone:
                self.keys.alone |= 1 << number
            else:
                self.keys.arrived[tile.stream] |= 1 << number
            self.wake_at(0)

        self.clock.at(cycle, ready)

    def update_values(self, number: int) -> None:
        """When the next block that was decided passes, if that is known."""
        one = self.engines[number]
        progress, block = one.progress, len(one.value_takes)
        if one.value_ready or len(progress.starts) <= block or one.tiles[one.values_of].values == EARLY:
            return
        tile, skip = one.tiles[one.values_of], not progress.runs[block]
        room = EARLY if skip else progress.value_room()
        if room is None:
            return
        before = one.value_takes[-1] + 1 if block else EARLY
        cycle = max(progress.starts[block] + PIPE_FIFO, tile.values + PIPE_FIFO, before, room)
        one.value_ready = True
        alone = tile.own == ALONE or block - tile.first < tile.own

        def ready() -> None:
            if alone and skip:
                self.pass_values(number, cycle)
            elif alone:
                self.values.alone |= 1 << number
            else:
                self.values.arrived[tile.stream] |= 1 << number
            self.wake_at(0)

        self.clock.at(cycle, ready)

    def pass_values(self, number: int, now: int) -> None:
        """Values have passed a block."""
        one = self.engines[number]
        block = len(one.value_takes)
        one.value_takes.append(now)
        one.value_ready = False
        tile = one.tiles[one.values_of]
        if one.progress.runs[block]:
            one.progress.add_values(range(now + PIPE_ROW, now + PIPE_ROW + self.size))
        if block + 1 == tile.first + tile.blocks:
            one.values_of += 1
            self.clock.at(now + 2, lambda: self.planner.tile_done(number, tile.tag))
        if self.decode:
            self.clock.at(now + 2, lambda: self.loader.freed(number))
        self.advance(number)

    # ---- waves
    def _accept(self, now: int, wave: WaveOffer) -> None:
        """A wave into the fanout: who has to take it, from the next cycle on."""
        own = ALONE if self.decode else (1 if wave.ascending else 2) if wave.own_start else 0
        for number, blocks in enumerate(wave.blocks):
            if not blocks:
                continue
            one = self.engines[number]
            first = one.tiles[-1].first + one.tiles[-1].blocks if one.tiles else 0
            tile = Tile(blocks, first, own, wave.stream, wave.tag)
            one.tiles.append(tile)
            self.pending.append(self._to_engine(number, tile))
            self.pending += [self._to_head(number, tile, which) for which in ("keys", "values")]
        if not self.decode:
            for bus in (self.keys, self.values):
                self.pending.append(self._to_stream(bus.streams[wave.stream], wave))
        self.fanout_free = now + 1
        self.wake_at(now + 1)

    def _to_engine(self, number: int, tile: Tile) -> Callable[[int], bool]:
        one, place = self.engines[number], len(self.engines[number].tiles) - 1

        def taken(now: int) -> bool:
            if place >= 2:
                before = one.tiles[place - 2]
                end = before.first + before.blocks - 1
                if len(one.asked) <= end or one.asked[end] >= now:
                    return False
            tile.accepted = now
            self.update_requests(number)
            return True

        return taken

    def _to_head(self, number: int, tile: Tile, which: str) -> Callable[[int], bool]:
        one, place = self.engines[number], len(self.engines[number].tiles) - 1

        def taken(now: int) -> bool:
            if place >= TILES:
                before = one.tiles[place - TILES]
                end = before.first + before.blocks - 1
                takes = one.key_takes if which == "keys" else one.value_takes
                if len(takes) <= end or takes[end] >= now:
                    return False
            setattr(tile, which, now)
            return True

        return taken

    def _to_stream(self, stream: Stream, wave: WaveOffer) -> Callable[[int], bool]:
        def taken(now: int) -> bool:
            if not stream.ready(now):
                return False
            stream.accept(now, wave, self.clock, lambda: self.wake_at(0))
            return True

        return taken

    def step(self, now: int) -> None:
        """The fanout, then a block on each bus."""
        planner = self.planner
        free = not self.pending and now >= self.fanout_free
        if free and planner.wave is not None and not planner.wave_taken and planner.gives(now):
            planner.wave_taken = True
            planner.wake_at(now)
            self._accept(now, planner.wave)
        elif self.pending:
            self.pending = [target for target in self.pending if not target(now)]
            self.fanout_free = now + 1
            self.wake_at(now + 1)
            for number in range(len(self.engines)):
                self.update_keys(number)
                self.update_values(number)
        for bus in (self.keys, self.values):
            if now >= bus.open:
                self._serve(now, bus)
            elif bus.alone or any(bus.arrived):
                self.wake_at(bus.open)

    def _serve(self, now: int, bus: Bus) -> None:
        keys = bus is self.keys
        choice = bus.choose([not keys or not self.streamed or self.credits[s] > 0 for s in (0, 1)])
        if choice is None:
            return
        mask, stream = choice
        if stream < 0:
            bus.alone &= ~mask
        else:
            bus.arrived[stream] &= ~mask
            bus.streams[stream].sent(now)
        if self.streamed and keys:
            self.credits[stream] -= 1
        elif self.streamed:
            self.clock.at(now + 2, lambda: self.loader.freed(stream))
        members = _bits(mask)
        if keys or any(self.engines[number].progress.runs[len(self.engines[number].value_takes)] for number in members):
            bus.open = now + bus.busy + 1
            bus.blocks += 1
        else:
            bus.open = now + 1
        for number in members:
            if keys:
                self._send_keys(number, now)
            else:
                self.pass_values(number, now)
        self.wake_at(bus.open)

    def _send_keys(self, number: int, now: int) -> None:
        one = self.engines[number]
        block = len(one.key_takes)
        one.key_takes.append(now)
        one.key_ready = False
        if block + 1 == one.tiles[one.keys_of].first + one.tiles[one.keys_of].blocks:
            one.keys_of += 1
        first = now + PIPE_ROW + PIPE_FIFO
        one.progress.add_keys(range(first, first + self.size))
        self.advance(number)
