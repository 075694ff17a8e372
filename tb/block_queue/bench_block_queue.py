"""Block queue: both sides' handshakes and payloads in every cycle against a list of blocks; wrong decisions; reset."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge, Timer

from tb.block_queue import coverage
from tb.common.bench import Bench
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat

FIELDS = ("start", "count", "last")
NOTHING = dict.fromkeys(FIELDS, 0)
BLOCKS = 700
INPUTS = ("s_blk_valid", "s_blk_start", "s_blk_count", "s_blk_last", "m_kreq_ready", "s_req_valid", "s_req_skip", "s_req_last",
          "m_vreq_ready")


def random_blocks(dut: Any, generator: np.random.Generator, count: int) -> list[Beat]:
    """Any starts and counts; a third of the blocks end a tile, so that tiles have one block to many."""
    start_bits, most = len(dut.s_blk_start), int(dut.KEYS_PER_BLOCK.value)
    return [{"start": int(generator.integers(1 << start_bits)), "count": int(generator.integers(1, most + 1)),
             "last": int(generator.random() < 1 / 3)} for _ in range(count)]


class Queue:
    """The pins and their model, a list of the blocks inside."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.depth = dut, int(dut.BLOCKS_AHEAD.value)
        self.inside: deque[Beat] = deque()
        self.error, self.first, self.skipped = False, True, 0
        self.fullest = 0

    def payload(self, stream: str) -> Beat:
        """The payload on the pins of a stream."""
        return {field: int(getattr(self.dut, f"{stream}_{field}").value) for field in FIELDS}

    def bit(self, name: str) -> bool:
        """A pin that is 0 or 1."""
        value = str(getattr(self.dut, name).value)
        assert value in "01", f"cycle {cycle()}: {name} is {value}"
        return value == "1"

    def expect(self, name: str, want: bool) -> bool:
        """The pin ``name`` is ``want``; returns it."""
        got = self.bit(name)
        assert got == want, f"cycle {cycle()}: {name} is {int(got)} with {len(self.inside)} of {self.depth} blocks inside"
        return got

    def step(self) -> None:
        """The cycle that ends: what the outputs must have been, and what is inside after it."""
        full = len(self.inside) == self.depth
        offered, request, skip = self.bit("s_blk_valid"), self.bit("s_req_valid"), self.bit("s_req_skip")
        kreq = self.expect("m_kreq_valid", offered and not full)
        self.expect("s_blk_ready", self.bit("m_kreq_ready") and not full)
        vreq = self.expect("m_vreq_valid", request and not skip)
        ready = self.bit("m_vreq_ready")
        if request:
            self.expect("s_req_ready", skip or ready)
        if kreq:
            got, want = self.payload("m_kreq"), self.payload("s_blk")
            assert got == want, f"cycle {cycle()}: m_kreq is {got}, offered was {want}"
        head = self.inside[0] if self.inside else NOTHING
        if vreq:
            got = self.payload("m_vreq")
            assert got == head, f"cycle {cycle()}: m_vreq is {got}, the oldest block is {head}"
            self.expect("m_vreq_first", self.first)
        self.expect("error_order", self.error)
        pushed, decided = kreq and self.bit("m_kreq_ready"), request and (skip or ready)
        coverage.sample_cycle(len(self.inside), self.depth, pushed, decided, skip)
        coverage.sample_waits(offered and not pushed, full, vreq and not ready)
        last = self.bit("s_req_last") if request else False
        self.error = self.error or (request and (not self.inside or last != bool(head["last"])))
        if decided:
            self._decide(skip, last)
        if pushed:
            self.inside.append(self.payload("s_blk"))
            self.fullest = max(self.fullest, len(self.inside))

    def _decide(self, skip: bool, last: bool) -> None:
        if self.inside:
            self.inside.popleft()
        if self.first and not skip:
            coverage.sample_first(self.skipped, last)
        self.first = last or (self.first and skip)
        self.skipped = 0 if last else self.skipped + skip

    async def watch(self) -> None:
        """Run the model beside the pins."""
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            if self.dut.rst_n.value == 1:
                self.step()


class Decider:
    """Answers each block with a decision, as early as can be or only when many blocks are inside."""

    def __init__(self, bench: Bench, patient: bool) -> None:
        self.source = bench.input("s_req", ("skip", "last"))
        self.patient, self.draw = patient, rng("decisions")
        self.held: list[Beat] = []
        self.left = 0           # blocks that are still to be held back
        self.skipped_all = True

    def block(self, beat: Beat) -> None:
        """A monitor's callback: a block has been taken. Of every tile one block runs at least, as the engine has it."""
        skip = bool(self.draw.integers(2)) and not (beat["last"] and self.skipped_all)
        self.skipped_all = True if beat["last"] else self.skipped_all and skip
        self.held.append({"skip": int(skip), "last": beat["last"]})
        if self.left:
            self.left -= 1
        else:
            self.release()

    def release(self) -> None:
        """Let all decisions go."""
        self.source.append(self.held)
        self.held = []
        self.left = int(self.draw.integers(int(self.source.entity.BLOCKS_AHEAD.value))) if self.patient else 0


@cocotb.test()
@each_pattern(patient=[cocotb.Param(value=False, name="no"), cocotb.Param(value=True, name="yes")])
async def flow(dut: Any, pattern: str, patient: bool) -> None:
    """Random blocks and decisions, with decisions at once and with queues that fill up and run dry."""
    blocks = random_blocks(dut, rng("blocks"), BLOCKS)
    queue, bench = Queue(dut), Bench(dut, pattern, budget=20 * BLOCKS + 1000)
    board = bench.output("m_kreq", FIELDS, minimum=BLOCKS)
    board.expect(blocks)
    bench.output("m_vreq", (*FIELDS, "first"), minimum=BLOCKS // 4)
    values = bench.scoreboards["m_vreq"][0]
    decider = Decider(bench, patient)
    order = iter(blocks)
    first = True

    def decided(beat: Beat) -> None:
        nonlocal first
        block = next(order)
        if not beat["skip"]:
            values.expect([{**block, "first": int(first)}])
        first = bool(beat["last"]) or (first and bool(beat["skip"]))

    bench.monitors["s_req"].add_callback(decided)
    source = bench.input("s_blk", FIELDS, callback=decider.block)
    watcher = cocotb.start_soon(queue.watch())
    async with bench:
        await source.send(blocks)
        decider.release()
    watcher.cancel()
    coverage.sample_depth(queue.depth)
    assert not queue.inside and next(order, None) is None and not queue.error
    if pattern == "none":
        cycles = bench.monitors["m_kreq"].cycles
        assert patient or (np.diff(cycles) == 1).all(), "a block and a decision move in every cycle"


class Pins:
    """The inputs by hand; everything is 0 at first."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.queue, self.edge = dut, Queue(dut), RisingEdge(dut.clk)
        self.set()

    def set(self, **values: int) -> None:
        """Inputs from now on; those that are not named are 0."""
        for name in INPUTS:
            getattr(self.dut, name).value = values.get(name, 0)

    async def start(self) -> None:
        """Clock, reset and the model."""
        start_clock(self.dut)
        start_watchdog(20_000)
        cocotb.start_soon(self.queue.watch())
        await reset(self.dut)

    async def cycle(self, **values: int) -> None:
        """One cycle with these inputs."""
        self.set(**values)
        await self.edge

    async def push(self, last: int = 0, start: int = 1) -> None:
        """A block of one key."""
        await self.cycle(s_blk_valid=1, m_kreq_ready=1, s_blk_start=start, s_blk_count=1, s_blk_last=last)

    async def decide(self, last: int = 0, skip: int = 0) -> None:
        """A decision that is taken at once."""
        await self.cycle(s_req_valid=1, m_vreq_ready=1, s_req_last=last, s_req_skip=skip)

    async def look(self, cycles: int = 2) -> bool:
        """Nothing for a while; returns the error flag."""
        for _ in range(cycles):
            await self.cycle()
        return self.queue.bit("error_order")


@cocotb.test()
async def room_for_as_many_blocks_as_it_says(dut: Any) -> None:
    """Without a decision it takes exactly BLOCKS_AHEAD blocks; a decision makes room for the cycle after it, not for its own."""
    pins = Pins(dut)
    await pins.start()
    for i in range(pins.queue.depth + 3):
        await pins.push(start=i % 16)
    await pins.cycle()
    assert len(pins.queue.inside) == pins.queue.depth == pins.queue.fullest
    for i in range(3 * pins.queue.depth):
        await pins.cycle(s_blk_valid=1, m_kreq_ready=1, s_blk_start=i % 16, s_blk_count=1, s_req_valid=1, m_vreq_ready=1)
    await pins.cycle()
    assert len(pins.queue.inside) == pins.queue.depth - 1, "a full queue takes a block in the cycle after a decision"


@cocotb.test()
async def valid_waits_for_no_ready(dut: Any) -> None:
    """Within a cycle no ready moves a valid, a payload, or the other side's ready, however full the queue is."""
    pins, draw = Pins(dut), rng("inputs")
    await pins.start()
    sides = {"m_kreq_ready": ("m_kreq_valid", "m_kreq_start", "m_vreq_valid", "m_vreq_start", "m_vreq_first", "s_req_ready"),
             "m_vreq_ready": ("m_kreq_valid", "m_kreq_start", "m_vreq_valid", "m_vreq_start", "m_vreq_first", "s_blk_ready")}
    fills = set()
    for i in range(40 * pins.queue.depth):
        rising = (i // (4 * pins.queue.depth)) % 2 == 0
        push = int(draw.random() < (0.9 if rising else 0.2))
        decide = int(bool(pins.queue.inside) and draw.random() < (0.1 if rising else 0.9))
        last = pins.queue.inside[0]["last"] if pins.queue.inside else 0
        inputs = {"s_blk_valid": push, "s_blk_start": i % 8, "s_blk_count": 1, "s_req_valid": decide, "s_req_last": last,
                  "s_req_skip": int(draw.integers(2)), "m_kreq_ready": 1, "m_vreq_ready": 1}
        pins.set(**inputs)
        for ready, outputs in sides.items():
            seen = set()
            for value in (0, 1):
                getattr(dut, ready).value = value
                await Timer(1, "ns")
                seen.add(tuple(str(getattr(dut, name).value) for name in outputs))
            assert len(seen) == 1, f"{ready} moves one of {', '.join(outputs)}: {sorted(seen)}"
        fills.add(min(len(pins.queue.inside), 1) + (len(pins.queue.inside) == pins.queue.depth))
        await pins.edge
    assert fills == {0, 1, 2}


@cocotb.test()
async def wrong_decisions_are_noticed(dut: Any) -> None:
    """A decision with another ``last`` than the oldest block's, or without a block: the flag rises and stays up until a reset."""
    pins = Pins(dut)
    await pins.start()
    for last, said, skip in itertools.product((0, 1), (0, 1), (0, 1)):
        await pins.push(last)
        assert not await pins.look(), "the flag is up without a decision"
        await pins.decide(said, skip)
        assert await pins.look() == (last != said), "the flag does not tell whether last is wrong"
        await pins.push(1)
        await pins.decide(1)
        assert await pins.look() == (last != said), "the flag does not stay as it was"
        coverage.sample_error(last, said)
        await reset(dut)
        pins.queue.error, pins.queue.first = False, True
        assert not await pins.look(), "a reset does not lower the flag"
    for skip in (0, 1):
        for _ in range(3):
            await pins.decide(0, skip)
        assert await pins.look(), "a decision without a block is not noticed"
        coverage.sample_error(None, 0)
        await pins.push(1, start=5)
        await pins.decide(1)
        assert await pins.look() and not pins.queue.inside, "blocks after a wrong decision do not pass"
        await reset(dut)
        pins.queue.error, pins.queue.first = False, True


@cocotb.test()
async def reset_drops_the_blocks(dut: Any) -> None:
    """Blocks inside vanish, and the next one is its tile's first."""
    pins = Pins(dut)
    await pins.start()
    for inside in (1, pins.queue.depth):
        await pins.push(start=2)
        await pins.decide()
        for i in range(inside):
            await pins.push(start=i % 16)
        await pins.cycle()
        assert len(pins.queue.inside) == inside and not pins.queue.first
        pins.set()
        dut.rst_n.value = 0
        await pins.edge
        pins.queue.inside.clear()
        pins.queue.first = True
        await reset(dut)
        coverage.sample_reset(inside, pins.queue.depth)
        for i in range(pins.queue.depth):
            await pins.push(start=7 - i % 4)
        for _ in range(pins.queue.depth):
            await pins.decide()
        assert not await pins.look() and not pins.queue.inside
        await reset(dut)
        pins.queue.first = True
