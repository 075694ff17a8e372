"""What happens around calls of ``fcim_accelerator``: bad descriptors, a memory that fails, interrupts, resets, a full ring.

Environment: ACCELERATOR_EVENTS, a pickled :class:`tb.accelerator.job.Events` with the calls "resident", "streamed", "decode".
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge, with_timeout

from models.errors import FcimError
from models.system.descriptor import BASES, STRIDES, Flag, Status, check
from models.system.driver import PAGE, Accelerator, Job, Layout, Region
from models.system.registers import REGISTERS
from tb.accelerator import coverage
from tb.accelerator.bus import SimulatedBus, any_place
from tb.accelerator.job import Known
from tb.common.clock import PERIOD_NS, reset, start_clock, start_watchdog
from tb.common.rng import rng

KINDS = ("resident", "streamed", "decode")
PACES = {"quick": (2, 0, 0), "late": (60, 0, 0), "slow": (20, 2, 5)}      # latency, rate_beats, rate_cycles
FAR = 1 << 40               # nothing is there
DESCRIPTOR, WORD = 128, 8
LIMIT = 4000                # cycles of a call at most
OWED = 400                  # cycles after which a burst comes that a reset has to wait for
RESET = 1500                # cycles of a soft reset at most
SHOWN, COUNTER_BITS = 0x9E37_79B9_7F4B, 48     # see tb_accelerator
TESTS = 60_000              # cycles of a test at most
QUIET = OWED                # cycles in which nothing may happen


class World:
    """The accelerator behind its driver, and the calls that there are."""

    def __init__(self, dut: Any, log_entries: int = 4) -> None:
        self.dut, self.draw = dut, rng("events")
        events = pickle.loads(Path(os.environ["ACCELERATOR_EVENTS"]).read_bytes())
        self.system, self.calls = events.system, events.calls
        self.bus = SimulatedBus(dut, bool(self.draw.integers(2)), any_place(dut))
        self.accelerator = Accelerator(self.bus, events.system, self.bus.place + PAGE, log_entries)
        self.edge = RisingEdge(dut.clk)
        self.regions: list[Region] = []

    async def begin(self, pace: str | None = None) -> World:
        """Reset, and let it go."""
        pace = pace or str(self.draw.choice(list(PACES)))
        self.pace = pace
        dut = self.dut
        dut.latency.value, dut.rate_beats.value, dut.rate_cycles.value = PACES[pace]
        start_clock(dut)
        start_watchdog(TESTS)
        await reset(dut)
        await self.accelerator.start()
        return self

    async def order(self, name: str, by: int = 0, mute: bool = False, spoil: Callable[[Layout], Region] | None = None,
                    **changes: int) -> tuple[str, Job]:
        """Order a call, with other values of fields of its descriptor; ``by``: that far from where it could be.

        Args:
            mute: it does not ask for the interrupt. spoil: which of its bytes are bad.
        """
        def make(base: int, completion: int, tag: int) -> Layout:
            layout = self.calls[name].layout.moved(base + by, completion, tag)
            descriptor = layout.descriptor
            if mute:
                changes["flags"] = descriptor.flags & ~Flag.INTERRUPT
            if spoil:
                self.bus.bad(spoil(layout))
            layout = replace(layout, descriptor=replace(descriptor, **changes))
            return replace(layout, images=(), o=Region(base, 0)) if by else layout

        job = await self.accelerator.submit(make)
        if not by:
            self.regions.append(job.layout.o)
        self.allow([self.accelerator.words, *self.regions])
        return name, job

    def allow(self, regions: Sequence[Region]) -> None:
        """From now on nothing but these may be written."""
        ranges = len(self.dut.low) // 64
        assert len(regions) <= ranges, f"{len(regions)} regions for {ranges} ranges"
        self.bus.guard(regions)

    async def ended(self, job: Job) -> Status:
        """How a call ended, which it must before long."""
        return await with_timeout(self.accelerator.wait(job), LIMIT * PERIOD_NS, "ns")

    async def reset(self) -> None:
        """A soft reset, which must end before long."""
        await with_timeout(self.accelerator.reset(), RESET * PERIOD_NS, "ns")

    async def judge(self, name: str, job: Job, wanted: Status = Status.OK) -> None:
        """A call ends so, and O is right where it is to be used."""
        status = await self.ended(job)
        coverage.sample_end(name, self.pace, status)
        assert status == wanted, f"call {job.number}, {name}, ends with status {status}, not {wanted}"
        if status == Status.OK:
            o = job.layout.o
            got = job.layout.output(await self.bus.read_memory(o.base, o.length))
            differ = int((got != self.calls[name].out).sum())
            assert not differ, f"call {job.number}, {name}: {differ} elements of O differ"
            self.regions = [region for region in self.regions if region != o]

    async def right(self, *names: str) -> None:
        """These calls, ordered at once, are right."""
        jobs = [await self.order(name) for name in names]
        coverage.sample_at_once(len(jobs))
        for name, job in jobs:
            await self.judge(name, job)

    async def errors(self, *names: str) -> None:
        """Exactly these errors are told; they are cleared."""
        found = {name for name, bit in REGISTERS["errors"].decode(await self.accelerator.read("errors")).items() if bit}
        assert found == set(names), f"the errors' register tells {sorted(found)}, not {sorted(names)}"
        await self.accelerator.write("control", enable=1, clear_errors=1)
        assert await self.accelerator.read("errors") == 0, "errors were cleared and are there"

    async def head(self, count: int) -> None:
        """Wait until so many descriptors have come to their end since the start, without the interrupt."""
        for _ in range(LIMIT // 20):
            if await self.accelerator.read("ring_head") == count:
                return
            await ClockCycles(self.dut.clk, 5)
        raise AssertionError(f"descriptor {count - 1} does not come to its end")

    async def address(self, way: str) -> int:
        """Of the first burst with an error, "read" or "write"."""
        return await self.accelerator.read(f"{way}_address_lo") | await self.accelerator.read(f"{way}_address_hi") << 32

    async def status(self) -> dict[str, int]:
        """The register."""
        return REGISTERS["status"].decode(await self.accelerator.read("status"))

    def clean(self) -> None:
        """The bus was used as it may be."""
        assert self.dut.violation.value == 0, f"a byte was written at {int(self.dut.violation_address.value):#x}"
        assert self.dut.broken.value == 0, "the rules of AXI4 were broken"

    async def quiet(self) -> None:
        """Nothing happens on the bus, and nothing may be written any more."""
        self.regions = []
        self.allow([])
        before = int(self.dut.beats_read.value), int(self.dut.beats_written.value)
        await ClockCycles(self.dut.clk, QUIET)
        assert before == (int(self.dut.beats_read.value), int(self.dut.beats_written.value)), "beats move after a reset"
        self.clean()


def beat_of(world: World, region: Region) -> Region:
    """Any beat of it."""
    size = world.system.beat_bytes
    return Region(region.base + size * int(world.draw.integers(region.length // size)), size)


@cocotb.test()
async def refused(dut: Any) -> None:
    """Bad descriptors among good ones: each ends with its status and touches no tensor, the next one runs."""
    world = await World(dut).begin()
    wide = world.system.engine.max_keys
    strides = {name: int(world.draw.integers(1 << 32)) for name in STRIDES}
    bad: list[dict[str, int]] = [
        {"op": int(world.draw.choice([0, 3, 255]))}, {"flags": 1 << int(world.draw.integers(4, 8))},
        {"reserved": 1 << int(world.draw.integers(16))}, {"group": 0}, {"tokens": 0}, {"kv_heads": 257}, {"first": wide},
        {"split": 2 * world.system.engines}, {"tau": 9},
        {"op": 0} | strides, {"op": 255} | {name: ~stride & 0xFFFF_FFFF for name, stride in strides.items()},
        {str(world.draw.choice(BASES)): FAR + 8}, {"k_head_stride": 8}, {"completion": world.accelerator.words.end - 4}]
    world.draw.shuffle(bad)
    for start in range(0, len(bad), 4):
        jobs = [(*await world.order("decode"), Status.OK)]
        for changes in bad[start : start + 4]:
            name, job = await world.order("decode", FAR, **changes)
            jobs.append((name, job, check(job.layout.descriptor, world.system.limits)))
            assert jobs[-1][2], f"{changes} makes no bad descriptor"
        jobs.append((*await world.order("decode"), Status.OK))
        for name, job, status in jobs:
            if job.layout.descriptor.completion % WORD:
                place = Region(job.layout.descriptor.completion // WORD * WORD, WORD)
                job = replace(job, layout=replace(job.layout, completion=place))
            await world.judge(name, job, status)
        await world.errors("refused")
    world.clean()


@cocotb.test()
async def reads_fail(dut: Any) -> None:
    """A beat of each tensor and table cannot be read: status 6, and the next call is right."""
    world = await World(dut).begin()
    for part, _ in enumerate(world.calls["decode"].layout.images):
        places: list[Region] = []

        def spoil(layout: Layout, part: int = part, places: list[Region] = places) -> Region:
            base, data = layout.images[part]
            places.append(beat_of(world, Region(base, len(data))))
            return places[0]

        name, job = await world.order(str(world.draw.choice(KINDS)), spoil=spoil)
        await world.judge(name, job, Status.READ)
        found, place = await world.address("read"), places[0].base
        assert found <= place < found + PAGE, f"the burst at {found:#x} is told, {place:#x} is bad"
        world.bus.bad()
        await world.errors("read", "read_slave")
        await world.right(name)
    world.clean()


@cocotb.test()
async def writes_fail(dut: Any) -> None:
    """A row of O cannot be written, also the last one: status 7; with a failing read too status 6. The next call is right."""
    world = await World(dut).begin()
    row = 2 * world.system.engine.head_dim

    def last(layout: Layout) -> Region:
        return Region(layout.o.end - row, row)

    def some(layout: Layout) -> Region:
        return beat_of(world, layout.o)

    def both(layout: Layout) -> Region:
        return Region(layout.descriptor.h_table, layout.o.base + 1 - layout.descriptor.h_table)

    # the last row of a decode is written last: its error comes as the call ends
    for spoil, name in ((last, "decode"), *((some, kind) for kind in KINDS), (both, str(world.draw.choice(KINDS)))):
        name, job = await world.order(name, spoil=spoil)
        await world.judge(name, job, Status.READ if spoil is both else Status.WRITE)
        found = await world.address("write")
        assert job.layout.o.base <= found < job.layout.o.end, f"{found:#x}, which is told, is not in O"
        world.bus.bad()
        await world.errors(*(("read", "read_slave") if spoil is both else ("write",)), "write_slave")
        await world.right(name)
    world.clean()


@cocotb.test()
async def descriptor_cannot_be_read(dut: Any) -> None:
    """The ring stands, the interrupt comes; once enable has fallen the descriptor is read anew."""
    world = await World(dut).begin()
    beat = beat_of(world, Region(world.accelerator.ring.base + DESCRIPTOR, DESCRIPTOR))
    world.bus.bad(beat)
    first, second, third = [await world.order("decode") for _ in range(3)]
    await world.judge(*first)
    if not (await world.status())["halted"]:    # else its interrupt came with the first call's, and was taken with it
        await with_timeout(world.bus.interrupt(), LIMIT * PERIOD_NS, "ns")
    status = await world.status()
    assert status["halted"] and not status["busy"], "the ring does not stand"
    assert await world.accelerator.read("ring_head") == 1
    assert await world.ended(second[1]) == await world.ended(third[1]) == Status.UNREADABLE, "who waits is not told"
    world.bus.bad()
    await ClockCycles(dut.clk, QUIET)
    assert (await world.status())["halted"], "the ring goes on although enable has not fallen"
    coverage.sample_status(Status.UNREADABLE)
    await world.errors("unreadable", "read_slave")
    await world.accelerator.write("control", enable=0)
    await world.accelerator.write("control", enable=1)
    await world.judge(*second)
    await world.judge(*third)
    await world.errors()
    world.clean()


@cocotb.test()
async def word_cannot_be_written(dut: Any) -> None:
    """The error is told, the ring goes on."""
    world = await World(dut).begin()
    world.bus.bad(Region(world.accelerator.words.base, WORD))
    await world.order("decode")
    await world.head(1)
    world.bus.bad()
    await world.errors("completion", "write_slave")
    await world.right("decode")
    world.clean()


@cocotb.test()
async def engine_error(dut: Any) -> None:
    """An error that an engine, the merge unit or the store has found ends every call with status 8 until a soft reset."""
    world = await World(dut).begin()
    for fault in range(4):
        dut.fault.value = 1 << fault
        await ClockCycles(dut.clk, 2)
        if fault == 0:          # the store keeps it; the others are kept beyond where they are put in
            dut.fault.value = 0
        for _ in range(2 - bool(fault)):
            await world.judge(*await world.order("decode"), Status.ENGINE)
            await world.errors("engine")
        dut.fault.value = 0
        await world.reset()
    await world.right("decode")
    world.clean()


@cocotb.test()
async def ring_wraps(dut: Any) -> None:
    """More calls than a ring of four has entries, of every kind, back to back: all are right; a fifth at once is refused."""
    world = await World(dut, 2).begin()
    names = [*KINDS, *(str(name) for name in world.draw.choice(KINDS, 4)), "decode", "decode"]
    under_way = [await world.order(name) for name in names[:4]]
    coverage.sample_at_once(4)
    try:
        await world.order("decode")
    except FcimError:
        pass
    else:
        raise AssertionError("a ring of four takes five calls")
    for name in names[4:]:
        await world.judge(*under_way.pop(0))
        under_way.append(await world.order(name))
    for one in under_way:
        await world.judge(*one)
    await world.errors()
    world.clean()


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """Masked they stay in their register and come when they are let; only calls that ask for it interrupt."""
    world = await World(dut).begin()
    write, read = world.accelerator.write, world.accelerator.read
    status = REGISTERS["irq_status"]
    await write("irq_enable")
    await world.order("decode")
    await world.head(1)
    await ClockCycles(dut.clk, 5)
    assert dut.irq.value == 0, "a masked interrupt reaches the pin"
    assert await read("irq_status") == status.encode(done=1)
    coverage.sample_interrupt("done", "masked")
    await write("irq_enable", error=1)
    assert dut.irq.value == 0, "an interrupt of another kind reaches the pin"
    await write("irq_enable", done=1)
    assert dut.irq.value == 1, "an interrupt that is let does not reach the pin"
    coverage.sample_interrupt("done", "let")
    await write("irq_status", error=1)
    assert dut.irq.value == 1, "clearing another interrupt clears it"
    await write("irq_status", done=1)
    assert dut.irq.value == 0, "a cleared interrupt stays at the pin"
    await world.order("decode", mute=True)
    await world.head(2)
    await ClockCycles(dut.clk, 5)
    assert await read("irq_status") == 0, "a call interrupts that does not ask for it"
    await world.order("decode", FAR, group=0, mute=True)
    await world.head(3)
    await ClockCycles(dut.clk, 5)
    assert await read("irq_status") == status.encode(error=1) and dut.irq.value == 0
    coverage.sample_interrupt("error", "masked")
    await write("irq_enable", error=1)
    assert dut.irq.value == 1, "an error does not reach the pin"
    coverage.sample_interrupt("error", "let")
    world.clean()


@cocotb.test()
async def counters(dut: Any) -> None:
    """They count one call, are cleared, and count the next one alike."""
    world = await World(dut).begin("late")
    name = str(world.draw.choice(KINDS))
    found: list[dict[str, int]] = []
    for _ in range(2):
        await world.accelerator.write("control", enable=1, clear_counters=1)
        before = int(dut.beats_read.value), int(dut.beats_written.value)
        zero = [await world.accelerator.counter("cycles"), *await world.accelerator.engine_counters(0)]
        assert not any(zero), "counters were cleared and are not 0"
        await world.right(name)
        found.append({each: await world.accelerator.counter(each)
                      for each in ("calls", "cycles", "read_beats", "write_beats", "k_blocks", "v_blocks", "rows")})
        beats = int(dut.beats_read.value) - before[0], int(dut.beats_written.value) - before[1]
        heads, tokens, _ = world.calls[name].layout.shape
        assert (found[-1]["calls"], found[-1]["rows"]) == (1, heads * tokens), f"calls and rows are {found[-1]}"
        assert (found[-1]["read_beats"], found[-1]["write_beats"]) == beats, f"beats are {beats}, counted are {found[-1]}"
        assert found[-1]["cycles"] > found[-1]["read_beats"] and found[-1]["k_blocks"] > 0
        found[-1]["keys"] = (await world.accelerator.engine_counters(world.system.engines - 1))[0]
    found[0].pop("cycles"), found[1].pop("cycles")
    assert found[0] == found[1], f"the same call is counted as {found[0]}, then as {found[1]}"


@cocotb.test()
async def every_counter(dut: Any) -> None:
    """Each bit of each counter of each engine comes to its register: the harness shows counts that no two have."""
    world = await World(dut).begin()
    mask = (1 << COUNTER_BITS) - 1
    for show, flip in ((1, 0), (2, mask), (0, 0)):
        dut.show.value = show
        for engine in range(world.system.engines):
            found = await world.accelerator.engine_counters(engine)
            shown = [((engine * len(found) + number + 1) * SHOWN & mask) ^ flip for number in range(len(found))]
            assert found == (shown if show else [0] * len(found)), f"engine {engine} shows other counts"


async def reach(world: World, known: Known, moment: str) -> None:
    """Wait for a moment of the call that has just been ordered: its descriptor, its reads, its rows."""
    dut, layout = world.dut, known.layout
    size = world.system.beat_bytes
    reads, rows = sum(len(data) for _, data in layout.images) // size, layout.o.length // size
    if moment == "descriptor":
        await ClockCycles(dut.clk, int(world.draw.integers(1, PACES[world.pace][0] + DESCRIPTOR // size + 30)))
        return
    begin, count = (DESCRIPTOR // size, reads) if moment == "reads" else (0, rows)
    signal = dut.beats_read if moment == "reads" else dut.beats_written
    wanted = int(signal.value) + begin + int(world.draw.integers(1, count // 2))
    for _ in range(LIMIT):
        if int(signal.value) >= wanted:
            return
        await world.edge
    raise AssertionError(f"the call does not come to its {moment}")


async def reset_in(dut: Any, name: str, soft: bool) -> None:
    """Reset at a random moment of its descriptor, its reads, its rows: the bus is clean, nothing is written, the next call is
    right."""
    world = await World(dut).begin("late" if soft else None)
    for moment in ("descriptor", "reads", "rows"):
        for _ in range(1 + int(world.draw.integers(2))):
            await world.order(name)
        await reach(world, world.calls[name], moment)
        if moment == "reads":       # what is asked for from here on comes long after the reset has begun
            dut.latency.value = OWED
            await ClockCycles(dut.clk, PACES["late"][0] + 10)
        coverage.sample_reset("soft" if soft else "hard", name, moment)
        if soft:
            await world.reset()
        else:
            dut.rst_n.value = 0
            await ClockCycles(dut.clk, 2)
            world.bus.master.clear()
            await ClockCycles(dut.clk, 2)
            dut.rst_n.value = 1
            await ClockCycles(dut.clk, 1)
            await world.accelerator.start()
        dut.latency.value = PACES[world.pace][0]
        status = await world.status()
        assert not any(status.values()), f"after a reset the status is {status}"
        await world.quiet()
        await world.right(name)
        await world.errors()
    world.clean()


@cocotb.test()
@cocotb.parametrize(name=KINDS)
async def soft_reset(dut: Any, name: str) -> None:
    """In the middle of a call."""
    await reset_in(dut, name, True)


@cocotb.test()
@cocotb.parametrize(name=KINDS)
async def hard_reset(dut: Any, name: str) -> None:
    """In the middle of a call."""
    await reset_in(dut, name, False)
