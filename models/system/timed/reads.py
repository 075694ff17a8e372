"""What is read: commands for Q and for blocks of K and V, their ranks, and where their beats go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.hardware.pace import EARLY
from models.system.config import SystemConfig
from models.system.descriptor import Descriptor
from models.system.timed.bus import Command, Reader
from models.system.timed.kernel import Clock, Fifo, Part

if TYPE_CHECKING:
    from models.system.timed.cluster import Cluster
    from models.system.timed.planner import Planner

QUERIES = 15        # cycles for which rows of Q count as coming
PIPE_LOADED = 3     # from a block's last beat of V until it counts as loaded
TABLE, ROWS_OF_Q, KEYS, VALUES = "table", "q", "k", "v"


@dataclass(frozen=True)
class What:
    """What a command's beats are for: kind, engine or slot, beats in all."""

    kind: str
    slot: int
    beats: int


class Pipe:
    """``fcim_address``: three stages that move together."""

    def __init__(self) -> None:
        self.stages: list[Command | None] = [None, None, None]
        self.taken = False

    @property
    def out(self) -> Command | None:
        """At its output."""
        return self.stages[2]

    @property
    def empty(self) -> bool:
        """Nothing is inside."""
        return self.stages == [None, None, None]

    def ready(self) -> bool:
        """``s_address_ready``."""
        return self.stages[2] is None or self.taken

    def move(self, enters: Command | None) -> None:
        """A cycle's end; ``enters`` only while it is ready."""
        if self.ready():
            self.stages = [enters, self.stages[0], self.stages[1]]
        self.taken = False


class Source(Part):
    """Who asks the router: commands come out of a pipe."""

    def __init__(self) -> None:
        self.pipe = Pipe()
        self.router: Router


@dataclass(frozen=True)
class TileOfQ:
    """A tile to be fetched. ``number``: in its KV head, ``token``: its first one."""

    engine: int
    head: int
    number: int
    token: int
    tokens: int


class Fetch(Source):
    """``fcim_q_fetch``."""

    def __init__(self, system: SystemConfig, descriptor: Descriptor) -> None:
        super().__init__()
        self.system, self.call = system, descriptor
        self.tiles = Fifo(2 * max(system.engines, 2), None, self)
        self.shifts = False
        self.asks: deque[Command] = deque()     # of the tile

    def start(self) -> None:
        """A call begins in the cycle before the next one that it is asked in."""
        self.shifts = True

    def _commands(self, tile: TileOfQ) -> list[Command]:
        call, system = self.call, self.system
        table, row = system.q_table_bytes // system.beat_bytes, system.engine.head_dim // system.beat_bytes
        address = call.q_table + tile.head * call.q_table_stride + tile.number * system.q_table_bytes
        commands = [Command(address, table, 1, 0, What(TABLE, 0, table))]
        for token in range(tile.token, tile.token + tile.tokens):
            address = call.q + tile.head * call.group * call.q_head_stride + token * call.q_token_stride
            commands.append(Command(address, row, call.group, call.q_head_stride, What(ROWS_OF_Q, tile.engine, call.group * row)))
        return commands

    def step(self, now: int) -> None:
        """A command into the pipe, or a tile."""
        ready, enters = self.pipe.ready(), None
        accepts = not self.asks and not self.shifts and self.tiles.valid(now)
        if ready and self.shifts:
            beats = -(-self.call.kv_heads // self.system.beat_bytes)
            enters = Command(self.call.h_table, beats, 1, 0, What(TABLE, 0, beats))
            self.shifts = False
        elif ready and self.asks:
            enters = self.asks.popleft()
        if accepts:
            self.asks.extend(self._commands(self.tiles.take(now)))
        self.pipe.move(enters)
        if not self.pipe.empty:
            self.router.wake_at(now + 1)
        if self.pipe.ready() and (self.asks or self.shifts or not self.pipe.empty):
            self.wake_at(now + 1)
        if not self.asks:
            self.wake_at(max(self.tiles.when(), now + 1))

    def idle(self) -> bool:
        """No command is to come."""
        return not self.shifts and not self.asks and self.pipe.empty


@dataclass(frozen=True)
class Run:
    """Key blocks to be loaded: ``fcim_kv_loader``'s s_run."""

    slot: int
    head: int
    first: int
    blocks: int
    descending: bool


class Loader(Source):
    """``fcim_kv_loader``."""

    CHOOSE, READ, ROOM, ASK = range(4)

    def __init__(self, system: SystemConfig, descriptor: Descriptor, streamed: bool, decode: bool) -> None:
        super().__init__()
        self.system, self.call, self.streamed, self.decode = system, descriptor, streamed, decode
        self.resident = not streamed and not decode
        self.planner: Planner
        self.slots = max(system.engines, 2)
        self.pages = system.buffer_keys // system.engine.keys_per_block
        self.limit = self.pages // system.engines if decode else self.pages // 2
        self.state = self.CHOOSE
        self.runs: list[Run | None] = [None] * self.slots
        self.left = [0] * self.slots            # blocks that are to be asked for: work
        self.used = [0] * self.slots
        self.base = [0, 0]
        self.ring = 0
        self.asked = [0, 0]                     # blocks of the head in a slot that were asked for
        self.loaded = [0, 0]                    # and that are in the buffer
        self.turn = self.slot = 0
        self.behind = 0                         # slots from this one on go first
        self.held = 0
        self.asks: deque[Command] = deque()

    def _block(self) -> int:
        run = self.runs[self.slot]
        assert run is not None
        done = run.blocks - self.left[self.slot]
        return run.first + (run.blocks - 1 - done if run.descending else done)

    def _commands(self, block: int) -> list[Command]:
        call, system, run = self.call, self.system, self.runs[self.slot]
        assert run is not None
        size, row = system.engine.keys_per_block, system.engine.head_dim // system.beat_bytes
        table = system.k_table_bytes // system.beat_bytes
        address = call.k_table + run.head * call.k_table_stride + block * system.k_table_bytes
        commands = [Command(address, table, 1, 0, What(TABLE, 0, table))]
        for kind, base, head_stride, stride in ((KEYS, call.k, call.k_head_stride, call.k_token_stride),
                                                (VALUES, call.v, call.v_head_stride, call.v_token_stride)):
            address = base + run.head * head_stride + block * size * stride
            commands.append(Command(address, row, size, stride, What(kind, self.slot, size * row)))
        return commands

    def freed(self, slot: int) -> None:
        """A page of a slot is free."""
        self.used[slot] -= 1
        self.wake_at(0)

    def head_freed(self, slot: int) -> None:
        """All pages of a resident head are."""
        self.used[slot] = 0
        self.wake_at(0)

    def has_loaded(self, slot: int) -> None:
        """A block is in the buffer."""
        if slot < 2:
            self.loaded[slot] += 1

    def step(self, now: int) -> None:
        """A run, a state's step, a command into the pipe."""
        ready, enters, state, turn = self.pipe.ready(), None, self.state, self.turn
        work = [left > 0 for left in self.left]
        used, held = list(self.used), self.held
        offer = self.planner.run
        accepts = offer is not None and not work[offer.slot] and used[offer.slot] == 0 and state != self.ROOM
        # the ring's register
        self.held = (self.base[turn] - self.base[1 - turn]) % (2 * self.pages) if used[1 - turn] else 0
        take = ends = False
        if state == self.CHOOSE:
            full = [not self.resident and count == self.limit for count in used]
            open_slots = [slot for slot in range(self.slots) if work[slot] and not full[slot]]
            if self.decode and open_slots:
                self.slot = next((slot for slot in open_slots if slot >= self.behind), open_slots[0])
                self.behind, self.state = self.slot + 1, self.READ
            elif not self.decode and turn in open_slots:
                self.slot, self.state = turn, self.READ
        elif state == self.READ:
            self.state = self.ROOM
        elif state == self.ROOM:
            block = self._block()
            take = not self.resident or held + block % self.pages < self.pages
            if take:
                self.asks.extend(self._commands(block))
                self.left[self.slot] -= 1
                self.used[self.slot] += 1
                ends = self.left[self.slot] == 0
                self.state = self.ASK
        elif ready:
            enters = self.asks.popleft()
            if not self.asks:
                self.state = self.CHOOSE
        if accepts:
            assert offer is not None
            if not work[0] and not work[1]:
                self.turn = offer.slot & 1
            self.runs[offer.slot], self.left[offer.slot] = offer, offer.blocks
            if offer.slot < 2:
                self.asked[offer.slot] = self.loaded[offer.slot] = 0
                self.base[offer.slot] = self.ring
            if self.resident:
                self.ring = (self.ring + offer.blocks) % (2 * self.pages)
            self.planner.run_taken = True
            self.planner.wake_at(now)
        if not (accepts and not work[0] and not work[1]) and take and ends and work[1 - turn]:
            self.turn = 1 - turn
        self.pipe.move(enters)
        if not self.pipe.empty:
            self.router.wake_at(now + 1)
        moves = not self.pipe.empty or self.state == self.ASK
        if (moves and self.pipe.ready()) or self.state != state or accepts or self.held != held:
            self.wake_at(now + 1)

    def idle(self) -> bool:
        """No block is to be asked for."""
        return not any(self.left) and self.state == self.CHOOSE and self.pipe.empty


class Router(Part):
    """The commands' side of ``fcim_read_router``."""

    def __init__(self, system: SystemConfig, sources: tuple[Fetch, Loader], loads_first: Callable[[], bool],
                 hold_loads: Callable[[int], bool]) -> None:
        self.fetch, self.loader = sources
        self.hold_loads, self.loads_first = hold_loads, loads_first
        self.command: Command | None = None
        self.command_taken = False
        self.tags = Fifo(2 * system.outstanding, self)
        self.reader: Reader

    def step(self, now: int) -> None:
        """The command of a rank."""
        if self.command_taken:
            self.command, self.command_taken = None, False
        if self.command is not None or not self.tags.room(now):
            return
        first = self.loads_first()
        fetch = self.fetch.pipe.out is not None
        load = self.loader.pipe.out is not None and not self.hold_loads(now)
        source: Source
        if fetch and not (first and load):
            source = self.fetch
        elif load:
            source = self.loader
        else:
            if self.loader.pipe.out is not None:
                self.wake_at(now + 1)       # rows of O wait
            return
        self.command = source.pipe.out
        assert self.command is not None
        what: What = self.command.tag
        if what.kind == VALUES and what.slot < 2:
            self.loader.asked[what.slot] += 1
        self.tags.push(now, what)
        source.pipe.taken = True
        source.wake_at(now)
        self.reader.wake_at(now + 1)
        self.wake_at(now + 1)


class Beats(Part):
    """The beats' side of ``fcim_read_router``."""

    def __init__(self, system: SystemConfig, clock: Clock, router: Router, reader: Reader, loader: Loader) -> None:
        self.row = system.engine.head_dim // system.beat_bytes
        self.clock, self.tags, self.reader, self.loader = clock, router.tags, reader, loader
        self.tags.sink = self
        self.buffer = reader.beats = Fifo(1 << 30, None, self)
        self.cluster: Cluster
        self.planner: Planner
        self.count = 0                  # beats of the command that were taken
        self.row_of: int | None = None  # engine whose row of Q waits
        self.open = 0                   # cycle from which beats are taken again
        self.query_at = EARLY           # when the latest beat of a row of Q was taken

    def queries(self, now: int) -> bool:
        """Rows of Q come, as it shows in a cycle in which this part was not asked yet."""
        return now - self.query_at <= QUERIES

    def row_taken(self, cycle: int) -> None:
        """The row of Q is taken in ``cycle``."""
        self.row_of, self.open = None, cycle
        self.wake_at(cycle)

    def step(self, now: int) -> None:
        """A beat."""
        if self.row_of is not None:
            return
        if now < self.open:
            self.wake_at(self.open)
            return
        if not (self.tags.valid(now) and self.buffer.valid(now)):
            self.wake_at(max(self.tags.when(), self.buffer.when(), now + 1))
            return
        self.buffer.take(now)
        self.reader.leaves(now)
        what: What = self.tags.head
        self.count += 1
        if what.kind == ROWS_OF_Q:
            self.query_at = now
        if what.kind == ROWS_OF_Q and self.count % self.row == 0:
            self.row_of = what.slot
            self.cluster.row_of_q(what.slot, now + 1)
        if self.count == what.beats:
            self.count = 0
            self.tags.take(now)
            if what.kind == VALUES:
                self.clock.at(now + PIPE_LOADED, lambda: self._loaded(what.slot))
        if self.row_of is None:
            self.wake_at(max(self.buffer.when(), self.tags.when(), self.open, now + 1))

    def _loaded(self, slot: int) -> None:
        self.loader.has_loaded(slot)
        self.cluster.has_loaded(slot)
        self.planner.wake_at(0)

    def idle(self, now: int) -> bool:
        """Nothing that was asked for is outstanding."""
        return self.tags.empty(now) and self.row_of is None
