"""The AXI4 bus: commands cut into bursts, the memory that answers them, beats that are written."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from models.hardware.pace import EARLY
from models.system.config import SystemConfig
from models.system.timed.kernel import Clock, Fifo, Part

PAGE = 4096


@dataclass(frozen=True)
class Command:
    """Rows in memory, as the bus' engines take them; ``stride`` in bytes. ``tag``: what its beats are for."""

    address: int
    beats: int
    rows: int
    stride: int
    tag: object = None


@lru_cache(maxsize=1 << 16)
def _cut(offset: int, beats: int, rows: int, stride: int, beat_bytes: int, longest: int) -> tuple[int, ...]:
    runs = [(offset, beats * rows)] if rows == 1 or stride == beats * beat_bytes else [
        (offset + row * stride, beats) for row in range(rows)]
    bursts = []
    for address, left in runs:
        while left:
            length = min(left, longest, (PAGE - address % PAGE) // beat_bytes)
            bursts.append(length)
            address, left = address + length * beat_bytes, left - length
    return tuple(bursts)


def bursts(command: Command, system: SystemConfig) -> tuple[int, ...]:
    """Beats of each burst of a command: ``fcim_burst_splitter``."""
    return _cut(command.address % PAGE, command.beats, command.rows, command.stride, system.beat_bytes, system.max_burst)


class Commands(Protocol):
    """Who gives commands: ``command`` stands until ``command_taken`` says that it is taken in this cycle."""

    command: Command | None
    command_taken: bool

    def wake_at(self, cycle: int) -> None:
        """Ask it in ``cycle``."""


class Addresses(Part):
    """``fcim_axi_bursts`` with its splitter: commands in, addresses of bursts out."""

    def __init__(self, system: SystemConfig, source: Commands) -> None:
        self.system, self.source = system, source
        self.waits: tuple[int, ...] | None = None       # a command's bursts
        self.walk: deque[int] = deque()                 # of the command that is cut
        self.burst = 0                                  # beats of the burst that was cut
        self.burst_last = False
        self.ax: tuple[int, bool] | None = None         # at the address channel: beats, last of its command
        self.ax_taken = False
        self.open = 0                                   # bursts without their answer
        self.answers: deque[int] = deque()              # cycles of answers that are known ahead
        self.memory: Part

    def room(self, now: int, beats: int) -> bool:
        """Whether there is room for a burst."""
        return True

    def goes(self, now: int, beats: int) -> None:
        """A burst goes out."""

    def answered(self, cycle: int) -> None:
        """A burst's answer comes in ``cycle``."""
        self.answers.append(cycle)
        self.wake_at(cycle + 1)

    def step(self, now: int) -> None:
        """Addresses out, the next burst, the next command."""
        while self.answers and self.answers[0] < now:
            self.answers.popleft()
            self.open -= 1
        taken, self.ax_taken = self.ax_taken, False
        if taken:
            self.ax = None
        may_go = False
        if self.ax is None and self.open < self.system.outstanding:
            may_go = bool(self.burst) and self.room(now, self.burst)
        steps = bool(self.walk) and (not self.burst or may_go)
        if may_go:
            self.ax = (self.burst, self.burst_last)
            self.open += 1
            self.goes(now, self.burst)
            self.burst = 0
        last = False
        if steps:
            self.burst = self.walk.popleft()
            last = self.burst_last = not self.walk
        accepts = loads = self.waits is None and self.source.command is not None
        if self.waits is not None and (last or not (self.walk or steps)):
            self.walk.extend(self.waits)
            self.waits, loads = None, True
        if accepts:
            assert self.source.command is not None
            self.waits = bursts(self.source.command, self.system)
            self.source.command_taken = True
            self.source.wake_at(now)
        if may_go:
            self.memory.wake_at(now + 1)
        if taken or may_go or steps or loads:
            # else it is woken by room, by the address channel or by a command
            self.wake_at(now + 1)
        elif self.answers:
            self.wake_at(self.answers[0] + 1)


class Reader(Addresses):
    """``fcim_axi_reader``."""

    def __init__(self, system: SystemConfig, source: Commands) -> None:
        super().__init__(system, source)
        self.free = system.read_beats
        self.left = EARLY               # when the last beat left the buffer: its place counts from the next cycle on
        self.beats: Fifo                # what is read

    def room(self, now: int, beats: int) -> bool:
        """Of beats that are not asked for."""
        return self.free - (self.left == now) >= beats

    def goes(self, now: int, beats: int) -> None:
        """Keep room for them."""
        self.free -= beats

    def leaves(self, now: int) -> None:
        """A beat leaves."""
        self.free += 1
        self.left = now
        if self.burst:
            self.wake_at(now + 1)


class Writer(Addresses):
    """``fcim_axi_writer``."""

    def __init__(self, system: SystemConfig, source: Commands, beats: Fifo) -> None:
        super().__init__(system, source)
        self.beats = beats
        self.lens = Fifo(1 << 16, None, self)
        self.beat = 0           # of its burst
        self.valid = False      # WVALID
        self.taken = False      # WREADY

    def goes(self, now: int, beats: int) -> None:
        """Its beats may follow."""
        self.lens.push(now, beats)

    def step(self, now: int) -> None:
        """A beat out, then the addresses."""
        if self.taken:
            self.taken = self.valid = False
        if not self.valid and self.lens.valid(now) and self.beats.valid(now):
            self.beats.take(now)
            self.valid = True
            self.memory.wake_at(now + 1)
            self.beat += 1
            if self.beat == self.lens.head:
                self.lens.take(now)
                self.beat = 0
        super().step(now)
        if not self.valid:
            self.wake_at(max(self.lens.when(), self.beats.when(), now + 1))


@dataclass(frozen=True)
class Pace:
    """How fast the memory is: cycles from an address to its first beat, and beats in so many cycles, reads and writes together
    (0: one of each in a cycle)."""

    latency: int = 20
    rate_beats: int = 0
    rate_cycles: int = 0


class TimedMemory(Part):
    """``tb/hdl/axi_memory.v``."""

    ROOM = 256          # bursts that wait, of each kind

    def __init__(self, clock: Clock, pace: Pace, written: Callable[[int], None]) -> None:
        self.clock, self.pace, self.written = clock, pace, written
        self.reader: Reader
        self.writer: Writer
        self.reads: deque[list[int]] = deque()          # beats left, cycle from which they come
        self.writes: deque[tuple[int, bool]] = deque()  # beats left, last of its command
        self.unanswered: deque[int] = deque()           # cycles in which places of writes are free again
        self.write_beat = 0
        self.full = pace.rate_beats + pace.rate_cycles - 1
        self.bucket, self.filled = self.full, 0         # as it was at that cycle
        self.writes_first = True                        # a descriptor was read last
        self.last_answer = EARLY
        self.beats_read = self.beats_written = 0

    def step(self, now: int) -> None:
        """A beat of each kind, an address of each kind."""
        reader, writer, cost = self.reader, self.writer, self.pace.rate_cycles
        while self.unanswered and self.unanswered[0] <= now:
            self.unanswered.popleft()
        reads, writes = self.reads, self.writes
        r_wants = bool(reads) and now >= reads[0][1]
        w_wants = writer.valid and bool(writes)
        r_goes, w_goes = r_wants, w_wants
        if cost:
            bucket = min(self.full, self.bucket + self.pace.rate_beats * (now - self.filled))
            if bucket < 2 * cost:
                one = bucket >= cost
                r_goes = r_wants and one and not (w_wants and self.writes_first)
                w_goes = w_wants and one and not (r_wants and not self.writes_first)
            self.bucket = min(self.full, bucket - cost * (r_goes + w_goes) + self.pace.rate_beats)
            self.filled = now + 1
        if r_goes != w_goes:
            self.writes_first = r_goes
        room_r, room_w = len(reads) < self.ROOM, len(writes) + len(self.unanswered) < self.ROOM
        if r_goes:
            self.beats_read += 1
            reader.beats.push(now + 1)
            reads[0][0] -= 1
            if not reads[0][0]:
                reads.popleft()
                reader.answered(now + 1)
        if w_goes:
            self.beats_written += 1
            writer.taken = True
            writer.wake_at(now)
            self.write_beat += 1
            if self.write_beat == writes[0][0]:
                self.write_beat = 0
                _, last = writes.popleft()
                # due, then a register; one a cycle
                sent = max(self._answer(now), self.last_answer + 1)
                self.last_answer = sent
                self.unanswered.append(sent + 1)
                writer.answered(sent + 1)
                if last:
                    self.written(sent + 1)
        if reader.ax is not None and room_r:
            reads.append([reader.ax[0], self._answer(now)])
            reader.ax_taken = True
            reader.wake_at(now)
        if writer.ax is not None and room_w:
            writes.append(writer.ax)
            writer.ax_taken = True
            writer.wake_at(now)
        if reads:
            self.wake_at(max(now + 1, reads[0][1]))
        if (writes and writer.valid and not w_goes) or not (room_r and room_w):
            self.wake_at(now + 1)

    def _answer(self, now: int) -> int:
        return now + max(self.pace.latency - 1, 1)

