"""What is around ``fcim_command_processor``: software with its ring, a memory, whoever runs calls, a store; what must come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, Timer

from models.system.descriptor import (
    BASES,
    DESCRIPTOR_BYTES,
    STRIDES,
    Descriptor,
    Flag,
    Limits,
    Op,
    Status,
    check,
    completion_word,
    streamed,
    tile_tokens,
    tiles,
)
from tb.command_processor import coverage
from tb.command_processor.sequences import Item
from tb.common.bench import Bench
from tb.common.bursts import COMMAND_FIELDS, SPACE
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stream import Beat

COUNTS = 1 << 16        # head and tail wrap there
EVENTS = ("done", "refused", "read", "write", "engine", "completion", "unreadable")
COPIED = ("tau", "octaves", "group", "tokens", "first", *BASES, *STRIDES)     # fields of a descriptor that a call repeats


def call_of(descriptor: Descriptor, limits: Limits) -> dict[str, int]:
    """The pins ``call_*`` of a legal descriptor."""
    return {name: getattr(descriptor, name) for name in COPIED} | {
        "decode": int(descriptor.op == Op.DECODE), "streamed": int(streamed(descriptor, limits)),
        "own_start": int(bool(descriptor.flags & Flag.OWN_START)), "fused": int(bool(descriptor.flags & Flag.FUSED)),
        "skip": int(bool(descriptor.flags & Flag.SKIP)), "split": descriptor.split.bit_length() - 1,
        "tile_tokens": tile_tokens(limits, descriptor.group), "tiles": tiles(descriptor, limits), "heads": descriptor.kv_heads}


def end_of(item: Item, limits: Limits) -> Status:
    """The status of a descriptor that was read."""
    status = check(item.descriptor, limits)
    if status != Status.OK:
        return status
    return next((end for end, error in zip((Status.READ, Status.WRITE, Status.ENGINE), item.errors, strict=True) if error),
                Status.OK)


def events_of(item: Item, status: Status) -> set[str]:
    """The events with which a descriptor ends."""
    found = {"done"} if item.descriptor.flags & Flag.INTERRUPT else set()
    if Status.UNKNOWN_OP <= status <= Status.ALIGNMENT:
        found.add("refused")
    found |= {name for name, end in (("read", Status.READ), ("write", Status.WRITE), ("engine", Status.ENGINE)) if status == end}
    return found | ({"completion"} if item.word_error else set())


class Processor:
    """The processor with all around it; each item that is put into the ring adds what must come to what is expected.

    Attributes:
        moments: of each kind of thing that happened, the cycles: ``last beat``, ``call``, ``call done``, ``word done``, ``head``.
    """

    def __init__(self, dut: Any, pattern: str = "none", size: int = 2, base: int | None = None, budget: int = 60_000) -> None:
        self.dut, self.draw = dut, rng("agents")
        self.limits = Limits(**{name: int(getattr(dut, name.upper()).value) for name in (
            "engines", "rows", "prob_bits", "max_keys", "buffer_keys", "data_bits")})
        self.slow = pattern != "none"
        self.bench = Bench(dut, pattern, budget)
        self.commands = self.bench.output("m_desc_cmd", COMMAND_FIELDS)
        self.words = self.bench.output("m_word", ("address", "data"))
        self.bench.monitors["m_desc_cmd"].add_callback(self._asked)
        self.bench.monitors["m_word"].add_callback(self._word)
        self.base = int(self.draw.integers(1 << 56)) * 256 + 128 if base is None else base
        self.size = size
        self.memory: dict[int, Item] = {}           # by address
        self.items: deque[Item] = deque()           # in the ring, not at their end
        self.calls: deque[Item] = deque()
        self.reads: deque[int] = deque()
        self.answers: deque[Item] = deque()
        self.head = self.tail = 0
        self.put_at = 0                             # cycle in which tail was moved last
        self.seen = 0                               # calls that were seen
        self.moments: dict[str, list[int]] = {}
        self.handles = {name: getattr(dut, f"call_{name}") for name in call_of(Descriptor(1), self.limits)}
        dut.enable.value, dut.tail.value = 1, 0
        dut.ring_base.value, dut.ring_size.value = self.base >> 7, size
        dut.s_desc_valid.value = dut.s_desc_last.value = dut.s_desc_data.value = dut.s_desc_error.value = 0
        dut.call_done.value = dut.word_done.value = dut.word_error.value = 0
        dut.call_read_error.value = dut.call_write_error.value = dut.call_engine_error.value = 0
        self.tasks = [cocotb.start_soon(task()) for task in (self._read, self._call, self._answer, self._watch)]

    def _mark(self, what: str) -> None:
        self.moments.setdefault(what, []).append(cycle())

    def _wait(self, most: int) -> int:
        """Cycles that somebody takes over something."""
        return int(self.draw.integers(0, most + 1)) if self.slow else 0

    # ---- software
    def address(self, number: int) -> int:
        """Where descriptor ``number`` lies."""
        return (self.base + number % (1 << self.size) * DESCRIPTOR_BYTES) % SPACE

    def _expect(self, item: Item, number: int) -> None:
        beats = DESCRIPTOR_BYTES // self.limits.beat_bytes
        self.commands.expect([{"address": self.address(number), "beats": beats, "rows": 1, "stride": 0}])
        if item.lost:
            return
        status = end_of(item, self.limits)
        coverage.sample_end(item.descriptor, status, self.limits)
        self.words.expect([{"address": item.descriptor.completion & ~7, "data": completion_word(item.descriptor.tag, status)}])
        if check(item.descriptor, self.limits) == Status.OK:
            self.calls.append(item)

    def put(self, item: Item) -> None:
        """Write a descriptor into the ring and move tail on; there must be room."""
        assert len(self.items) < 1 << self.size, "the bench has overfilled the ring"
        self.memory[self.address(self.tail)] = item
        if not any(earlier.lost for earlier in self.items):
            self._expect(item, self.tail)
        self.items.append(item)
        self._move_tail((self.tail + 1) % COUNTS)

    def _move_tail(self, tail: int) -> None:
        self.dut.tail.value = self.tail = tail
        self.put_at = cycle()

    def mend(self) -> None:
        """The descriptor at which it halted can be read from now on."""
        item = self.items[0]
        coverage.sample_lost(min(item.lost), DESCRIPTOR_BYTES // self.limits.beat_bytes)
        item.lost = frozenset()
        for number, waits in enumerate(self.items):
            self._expect(waits, self.head + number)

    def resize(self, size: int) -> None:
        """Another size of the ring, which is empty."""
        assert not self.items
        self.dut.ring_size.value = self.size = size

    async def jump(self, number: int) -> None:
        """Head and tail, which are equal, are ``number`` from the next cycle on: to come to where they wrap."""
        assert not self.items
        await Timer(1, "ns")            # whoever looks at head in this cycle has done so
        self.dut.head_q.value = self.head = number
        self._move_tail(number)

    async def run(self, items: Iterable[Item]) -> None:
        """Put them into the ring as there is room, and wait for the end of all."""
        edge = RisingEdge(self.dut.clk)
        for item in items:
            while len(self.items) >= 1 << self.size:
                await edge
            self.put(item)
            if self.slow and self.draw.integers(4) == 0:
                await ClockCycles(self.dut.clk, int(self.draw.integers(1, 60)))
        await self.idle()

    async def idle(self) -> None:
        """All in the ring has come to its end."""
        edge = RisingEdge(self.dut.clk)
        while self.items:
            await edge
        await edge

    # ---- memory
    def _asked(self, beat: Beat) -> None:
        self.reads.append(beat["address"])

    def _complement(self) -> None:
        """What the beat's pins show while there is none."""
        dut = self.dut
        dut.s_desc_valid.value = 0
        dut.s_desc_data.value = int.from_bytes(self.draw.bytes(self.limits.beat_bytes), "little")
        dut.s_desc_error.value, dut.s_desc_last.value = 1, 1

    async def _read(self) -> None:
        edge, dut, width = RisingEdge(self.dut.clk), self.dut, self.limits.beat_bytes
        while True:
            await edge
            if not self.reads:
                continue
            address = self.reads.popleft()
            item = self.memory.get(address)
            data = item.descriptor.pack() if item else self.draw.bytes(DESCRIPTOR_BYTES)
            await ClockCycles(dut.clk, 1 + self._wait(20))
            for number in range(0, DESCRIPTOR_BYTES, width):
                for _ in range(self._wait(2)):
                    self._complement()
                    await edge
                dut.s_desc_valid.value = 1
                dut.s_desc_data.value = int.from_bytes(data[number:number + width], "little")
                dut.s_desc_error.value = int(item is not None and number // width in item.lost)
                dut.s_desc_last.value = int(number + width == DESCRIPTOR_BYTES)
                await edge
            self._mark("last beat")
            self._complement()

    # ---- calls
    def _noise(self) -> None:
        """Errors that do not count, since the call is not done."""
        for name in ("read", "write", "engine"):
            getattr(self.dut, f"call_{name}_error").value = int(self.draw.integers(2))

    async def _call(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if dut.rst_n.value != 1 or dut.call_valid.value != 1:
                assert dut.rst_n.value != 1 or str(dut.call_valid.value) == "0", "call_valid is X"
                continue
            self._mark("call")
            assert self.calls, "a call is made, none is expected"
            item = self.calls.popleft()
            want = call_of(item.descriptor, self.limits)
            last = self._wait(30)
            for number in range(last + 1):
                for name, handle in self.handles.items():
                    got = handle.value
                    assert got.is_resolvable and int(got) == want[name], \
                        f"call_{name} is {got} in cycle {number} of call {self.seen}, not {want[name]:#b}"
                assert str(dut.call_valid.value) == "1", "call_valid falls before call_done"
                if number < last:
                    self._noise()
                    await edge
            for name, error in zip(("read", "write", "engine"), item.errors, strict=True):
                getattr(dut, f"call_{name}_error").value = int(error)
            dut.call_done.value = 1
            await edge
            self._mark("call done")
            dut.call_done.value = 0
            self.seen += 1
            self._noise()
            await edge
            assert str(dut.call_valid.value) == "0", "call_valid stays after call_done"

    # ---- store
    def _word(self, _: Beat) -> None:
        self.answers.append(self.items[0])

    async def _answer(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        while True:
            await edge
            if not self.answers:
                continue
            item = self.answers.popleft()
            for _ in range(self._wait(20)):
                dut.word_error.value = int(self.draw.integers(2))
                await edge
            dut.word_done.value, dut.word_error.value = 1, int(item.word_error)
            await edge
            self._mark("word done")
            dut.word_done.value, dut.word_error.value = 0, int(self.draw.integers(2))

    # ---- head and events
    def _events(self) -> set[str]:
        found = set()
        for name in EVENTS:
            value = str(getattr(self.dut, f"event_{name}").value)
            assert value in "01", f"event_{name} is {value}"
            found |= {name} if value == "1" else set()
        return found

    async def _watch(self) -> None:
        edge, dut = RisingEdge(self.dut.clk), self.dut
        halted = False
        while True:
            await edge
            if dut.rst_n.value != 1:
                halted = False
                continue
            events, want = self._events(), set()
            head, was_halted, halted = int(dut.head.value), halted, str(dut.halted.value) == "1"
            if head != self.head:
                self._mark("head")
                assert head == (self.head + 1) % COUNTS, f"head goes from {self.head} to {head}"
                assert self.items, f"head is {head}, tail {self.tail}"
                item = self.items.popleft()
                assert len(self.moments.get("word done", ())) >= len(self.moments["head"]), "head moves before its word"
                self.head, want = head, events_of(item, end_of(item, self.limits))
                coverage.sample_events(want)
            elif halted and not was_halted:
                assert self.items[0].lost, "it halts at a descriptor that was read"
                want = {"unreadable"}
                coverage.sample_events(want)
            assert events == want, f"events {sorted(events)} in cycle {cycle()}, not {sorted(want)}"
            works = any(str(handle.value) == "1" for handle in (dut.m_desc_cmd_valid, dut.call_valid, dut.m_word_valid))
            assert not works or str(dut.busy.value) == "1", "it works and is not busy"

    # ---- verdict
    def finish(self) -> None:
        """All is at its end."""
        assert not self.items and not self.calls and not self.reads and not self.answers, "something is left over"
        assert int(self.dut.head.value) == self.tail, "head does not equal tail at the end"
        assert str(self.dut.busy.value) == "0", "it is busy at the end"

    def forget(self) -> None:
        """It was reset: nothing of what was expected comes, and counting starts anew."""
        for board in (self.commands, self.words):
            board.forget()
        for queue in (self.items, self.calls, self.reads, self.answers):
            queue.clear()
        self.head = self.tail = 0
        self.dut.tail.value = 0
        for task in self.tasks:
            task.cancel()
        self.dut.s_desc_valid.value = self.dut.call_done.value = self.dut.word_done.value = 0
        self.moments.clear()
        self.tasks = [cocotb.start_soon(task()) for task in (self._read, self._call, self._answer, self._watch)]
