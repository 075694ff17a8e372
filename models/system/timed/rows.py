"""Rows of O on their way out: the merge unit, the collector, the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from models.system.config import SystemConfig
from models.system.descriptor import Descriptor
from models.system.timed.bus import Command
from models.system.timed.kernel import Clock, Fifo, Part
from models.system.timed.planner import RowsJob
from models.system.timed.reads import Pipe

if TYPE_CHECKING:
    from models.system.timed.bus import Writer
    from models.system.timed.cluster import Cluster

JOBS = 4            # of a slot
MOST_OPEN = 511     # commands without an answer
PIPE_DIVIDER = 19   # from a row's last chunk until it is out


class Collector(Part):
    """``fcim_row_collector``: ``row`` is the slot whose row stands at its output, if one does."""

    def __init__(self, cluster: Cluster, merge: Merge) -> None:
        self.cluster, self.merge = cluster, merge
        self.merge_unit = len(cluster.engines)
        self.offers = 0                 # slots whose row is valid
        self.order = list(range(self.merge_unit + 1))   # who goes first
        self.tiles: list[deque[int]] = [deque() for _ in self.order]    # rows of each slot's tiles, as far as they are to come
        self.row: int | None = None
        self.taken = False
        self.sink: Part
        self.rows = 0

    def offer(self, slot: int) -> None:
        """A row of a slot is valid from this cycle on."""
        self.offers |= 1 << slot
        self.wake_at(0)

    def step(self, now: int) -> None:
        """A row."""
        if self.taken:
            self.row, self.taken = None, False
            self.rows += 1
        if self.row is not None or not self.offers:
            return
        self.row = next(slot for slot in self.order if self.offers >> slot & 1)
        self.offers &= ~(1 << self.row)
        left = self.tiles[self.row]
        left[0] -= 1
        if not left[0]:
            left.popleft()
            self.order.remove(self.row)
            self.order.append(self.row)
        self.sink.wake_at(now + 1)
        self.wake_at(now + 1)
        if self.row == self.merge_unit:
            self.merge.row_taken = True
            self.merge.wake_at(now)
        else:
            self.cluster.take(self.row, now)


class Merge(Part):
    """``fcim_merge`` with its divider."""

    def __init__(self, clock: Clock, cycles_per_key: int, rows: int, merges: Fifo) -> None:
        self.clock, self.chunks, self.rows_of_tile, self.merges = clock, cycles_per_key, rows, merges
        merges.sink = self
        self.cluster: Cluster
        self.collector: Collector
        self.busy = self.stall = False
        self.members = self.left = 0        # engines: of the tile, whose chunk is to be taken
        self.valid = 0                      # engines whose chunk stands
        self.chunk = self.row = 0
        self.row_end = False
        self.a: tuple[bool, bool] | None = None     # stage a: complete, end of a row
        self.b: bool | None = None                  # stage b: a sum waits; end of a row
        self.moves = 0                              # of the divider
        self.rows: deque[int] = deque()             # moves with which rows come out
        self.out = False                            # a row stands at the output
        self.row_taken = False

    def offer(self, engine: int) -> None:
        """A chunk of an engine is valid from this cycle on."""
        self.valid |= 1 << engine
        self.wake_at(0)

    def step(self, now: int) -> None:
        """A cycle of all stages."""
        enable = not self.out or self.row_taken
        stall = self.stall
        offered = self.busy and not stall and not self.left and self.members & ~self.valid == 0
        taken = not stall and self.left != 0
        turn = self.left & -self.left
        b, a = self.b, self.a
        # the divider
        if enable:
            self.out = self.row_taken = False
            self.moves += 1
            if b:
                self.rows.append(self.moves + PIPE_DIVIDER - 1)
            if self.rows and self.rows[0] == self.moves:
                self.rows.popleft()
                self.out = True
                self.clock.at(now + 1, lambda: self.collector.offer(len(self.cluster.engines)))
        # stage b
        added = a is not None and not stall
        self.stall = b is not None and not enable
        if added and a is not None and a[0]:
            self.b = a[1]
        elif b is not None and enable:
            self.b = None
        # stage a
        if not stall:
            self.a = (self.left == turn, self.row_end) if taken else None
        # the tile and its chunks
        if offered:
            self.left = self.members
            self.row_end = self.chunk == self.chunks - 1
            self.chunk = 0 if self.row_end else self.chunk + 1
            self.row += self.row_end
            if self.row == self.rows_of_tile:
                self.busy, self.row = False, 0
        elif not self.busy and self.merges.valid(now):
            self.members = sum(1 << engine for engine in self.merges.take(now))
            self.busy = True
        if taken:
            self.left &= ~turn
            self.valid &= ~turn
            self.cluster.take(turn.bit_length() - 1, now)
        active = offered or self.left or self.stall or stall or self.a is not None or self.b is not None
        if active or (self.rows and not self.out):
            self.wake_at(now + 1)
        if not self.busy:
            self.wake_at(max(self.merges.when(), now + 1))


class Stage(Part):
    """``fcim_o_stage``. ``hold``: whether others go first in a cycle."""

    def __init__(self, rows: int, collector: Collector, hold: Callable[[int], bool]) -> None:
        self.collector, self.hold, self.half = collector, hold, rows // 2
        self.rows = Fifo(rows, self)
        self.offered = False

    def row(self, now: int) -> int | None:
        """The slot whose row is offered."""
        if not self.rows.valid(now):
            return None
        self.offered = self.offered or not self.hold(now) or self.rows.inside(now) > self.half
        return self.rows.head if self.offered else None

    def waits(self, now: int) -> bool:
        """A row stands at the output, also one that is taken in this cycle."""
        return self.rows.valid(now) or self.rows.taken == now

    def take(self, now: int) -> None:
        """The row is taken."""
        self.rows.take(now)
        self.offered = False

    def step(self, now: int) -> None:
        """A row from the collector."""
        if self.collector.row is not None and self.rows.room(now):
            self.rows.push(now, self.collector.row)
            self.collector.taken = True
            self.collector.wake_at(now)


class Store(Part):
    """``fcim_store`` without its words. It gives commands to the writer."""

    def __init__(self, system: SystemConfig, descriptor: Descriptor, stage: Stage, jobs: Fifo) -> None:
        self.call, self.stage, self.jobs = descriptor, stage, jobs
        stage.rows.sink = self
        jobs.sink = self
        self.row_beats = 2 * system.engine.head_dim // system.beat_bytes
        self.pipe = Pipe()
        self.beats = Fifo(2 * self.row_beats if self.row_beats > 8 else 16, self)
        self.writer: Writer
        self.slots: list[deque[RowsJob]] = [deque() for _ in range(system.engines + 1)]
        self.place = [0] * (system.engines + 1)     # rows of the first job that were taken
        self.found = self.ask = self.asked = self.pushed = False
        self.address = 0
        self.part = 0
        self.open = 0

    @property
    def command(self) -> Command | None:
        """What the writer is offered."""
        return self.pipe.out

    @property
    def command_taken(self) -> bool:
        """The writer has taken it in this cycle."""
        return self.pipe.taken

    @command_taken.setter
    def command_taken(self, taken: bool) -> None:
        self.pipe.taken = taken

    def answered(self) -> None:
        """A row is written."""
        self.open -= 1
        self.wake_at(0)

    def step(self, now: int) -> None:
        """A row's beat, its address, a job."""
        slot = self.stage.row(now)
        ready = self.pipe.ready()
        jobs = self.slots[slot] if slot is not None else None
        find = bool(jobs) and not self.found and not self.asked and self.open != MOST_OPEN
        goes = self.found and (not self.ask or ready)
        pushes = slot is not None and not self.pushed and self.beats.room(now)
        ends = pushes and self.part == self.row_beats - 1
        taken = (self.asked or goes) and (self.pushed or ends)
        # a job
        accepts = self.jobs.valid(now) and len(self.slots[self.jobs.head.slot]) < JOBS
        # the address
        enters = Command(self.address, self.row_beats, 1, 0) if self.ask and ready else None
        if goes:
            assert slot is not None and jobs is not None
            job: RowsJob = jobs[0]
            token, head = divmod(self.place[slot], self.call.group)
            self.address = (self.call.o + (job.q_head + head) * self.call.o_head_stride
                            + (job.token + token) * self.call.o_token_stride)
            self.place[slot] += 1
            if self.place[slot] == job.tokens * self.call.group:
                jobs.popleft()
                self.place[slot] = 0
            self.open += 1
        self.found = find or (self.found and not goes)
        self.ask = goes or (self.ask and not ready)
        self.asked = (self.asked or goes) and not taken
        if pushes:
            self.beats.push(now)
            self.part = (self.part + 1) % self.row_beats
        self.pushed = (self.pushed or ends) and not taken
        if accepts:
            job = self.jobs.take(now)
            self.slots[job.slot].append(job)
            self.stage.collector.cluster.wake_at(now + 1)   # a wave waits until all are taken
        if taken:
            self.stage.take(now)
        self.pipe.move(enters)
        if not self.pipe.empty:
            self.writer.wake_at(now + 1)
        if find or goes or pushes or taken or accepts or self.found or (self.pipe.ready() and not self.pipe.empty):
            self.wake_at(now + 1)
        self.wake_at(max(self.jobs.when(), now + 1))
        self.wake_at(max(self.stage.rows.when(), now + 1))

    def idle(self, now: int) -> bool:
        """No job, no row, nothing unanswered."""
        return not any(self.slots) and not self.open and not self.stage.rows.valid(now)

