"""Drives the accelerator from Python: writes descriptors, rings, waits, reads back.

What is behind the bus is the caller's: AXI in a simulation, a memory that is mapped in on a board. Its methods are coroutines, so
that both can be; where nothing waits, :func:`asyncio.run` drives them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from models.errors import FcimError
from models.system.config import SystemConfig
from models.system.descriptor import BASES, COMPLETION_BYTES, DESCRIPTOR_BYTES, Descriptor, Status
from models.system.registers import REGISTERS

PAGE = 4096
COUNT = 1 << 16     # what the ring's counts are taken modulo
LOG_ENTRIES = 4


class Bus(Protocol):
    """What the driver needs of a machine with an accelerator in it."""

    async def read_memory(self, address: int, length: int) -> bytes:
        """Bytes of the memory that the accelerator sees."""

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write them."""

    async def read_register(self, offset: int) -> int:
        """A register of 32 bits."""

    async def write_register(self, offset: int, value: int) -> None:
        """Write it."""

    async def interrupt(self) -> None:
        """Return once the interrupt is up."""


class CallFailed(FcimError):
    """A descriptor ended with an error: ``status`` says which."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"the accelerator ended a call with status {int(status)}: {status.meaning}")
        self.status = status


@dataclass(frozen=True)
class Region:
    """Bytes of memory: ``length`` from ``base`` on."""

    base: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.base + self.length


@dataclass(frozen=True)
class Layout:
    """A call in memory: what lies where, the descriptor that says so, and what must be written before.

    Attributes:
        images: base and bytes of each tensor and table that the accelerator reads.
        o: where the rows of O go. completion: where its word goes.
        shape: query heads, tokens, elements of a head vector.
    """

    descriptor: Descriptor
    images: tuple[tuple[int, bytes], ...]
    o: Region
    completion: Region
    shape: tuple[int, int, int]

    def moved(self, by: int, completion: int, tag: int) -> Layout:
        """The same call ``by`` bytes further on, with its word at ``completion`` and another tag."""
        bases = {name: getattr(self.descriptor, name) + by for name in BASES}
        return replace(
            self, descriptor=replace(self.descriptor, completion=completion, tag=tag, **bases),
            images=tuple((base + by, data) for base, data in self.images), o=replace(self.o, base=self.o.base + by),
            completion=replace(self.completion, base=completion))

    def output(self, data: bytes) -> np.ndarray:
        """``O`` int16 ``[query heads, tokens, head_dim]`` out of the bytes of its region, where it lies by tokens."""
        heads, tokens, dim = self.shape
        return np.frombuffer(data, dtype="<i2").reshape(tokens, heads, dim).transpose(1, 0, 2)


@dataclass(frozen=True)
class Job:
    """A call that has been ordered: the ``number`` of its descriptor since the start, and where it lies."""

    number: int
    layout: Layout


class Accelerator:
    """An accelerator ``system`` behind ``bus``, which may use memory from ``base`` on for descriptors and tensors.

    Args:
        base: a multiple of 4 KB.
        log_entries: log2 of the ring's descriptors, 9 at most.
    """

    def __init__(self, bus: Bus, system: SystemConfig, base: int, log_entries: int = LOG_ENTRIES) -> None:
        self.bus, self.system, self.log_entries = bus, system, log_entries
        self.entries = 1 << log_entries
        self.ring = Region(base, self.entries * DESCRIPTOR_BYTES)
        self.words = Region(-(-self.ring.end // PAGE) * PAGE, PAGE)
        self.heap = self.free = self.words.end
        self.given = self.ended = 0

    async def read(self, register: str) -> int:
        """A register of 32 bits by its name."""
        return await self.bus.read_register(REGISTERS[register].offset)

    async def write(self, register: str, **fields: int) -> None:
        """Write fields of a register; the others become 0."""
        await self.bus.write_register(REGISTERS[register].offset, REGISTERS[register].encode(**fields))

    async def start(self) -> None:
        """Look whether it is the accelerator that is expected, tell it where the ring is, and let it go.

        Raises:
            FcimError: it is another one.
        """
        if await self.read("id") != REGISTERS["id"].field("value").reset:
            raise FcimError("there is no accelerator behind these registers: their first word is not its identification")
        for name, value in self.system.verilog_parameters().items():
            if (register := name.lower()) in REGISTERS and (found := await self.read(register)) != value:
                raise FcimError(f"the accelerator has {name} = {found}, configuration '{self.system.name}' {value}; use its own")
        await self.reset()

    async def reset(self) -> None:
        """Give up the calls that are under way and begin anew, with an empty ring."""
        await self.write("control", soft_reset=1)
        while (await self.read("status")) & REGISTERS["status"].field("resetting").mask:
            pass
        self.given = self.ended = 0
        await self.bus.write_register(REGISTERS["ring_base_lo"].offset, self.ring.base & 0xFFFFFFFF)
        await self.bus.write_register(REGISTERS["ring_base_hi"].offset, self.ring.base >> 32)
        await self.bus.write_register(REGISTERS["ring_size"].offset, self.log_entries)
        await self.write("irq_enable", done=1, error=1)
        await self.write("control", enable=1)

    async def submit(self, make: Callable[[int, int, int], Layout]) -> Job:
        """Write a call to memory and order it; ``make`` lays it out, given a base for it, a place for its word and a tag.

        Raises:
            FcimError: the ring is full.
        """
        if self.given - self.ended >= self.entries:
            raise FcimError(f"{self.entries} calls are under way; wait for one of them")
        if self.given == self.ended:
            self.free = self.heap
        slot = self.given % self.entries
        layout = make(self.free, self.words.base + slot * COMPLETION_BYTES, self.given)
        for base, data in layout.images:
            await self.bus.write_memory(base, data)
        await self.bus.write_memory(self.ring.base + slot * DESCRIPTOR_BYTES, layout.descriptor.pack())
        self.free = -(-layout.o.end // PAGE) * PAGE
        self.given += 1
        await self.bus.write_register(REGISTERS["ring_tail"].offset, self.given % COUNT)
        return Job(self.given - 1, layout)

    async def wait(self, job: Job) -> Status:
        """Return how a call ended, once it has. Its descriptor must ask for the interrupt, or fail.

        One that could not be read stops the ring: so do it and all behind it end, until :meth:`reset`.
        """
        while True:
            await self.write("irq_status", done=1, error=1)
            self.ended += (await self.read("ring_head") - self.ended) % COUNT
            if self.ended > job.number:
                word = int.from_bytes(await self.bus.read_memory(job.layout.completion.base, COMPLETION_BYTES), "little")
                return Status(word >> 32 & 0xFF)
            if await self.read("status") & REGISTERS["status"].field("halted").mask:
                return Status.UNREADABLE
            await self.bus.interrupt()

    async def run(self, make: Callable[[int, int, int], Layout]) -> np.ndarray:
        """Order a call, wait for it, and give ``O`` int16 ``[query heads, tokens, head_dim]``.

        Raises:
            CallFailed: it ended with an error.
        """
        job = await self.submit(make)
        if status := await self.wait(job):
            raise CallFailed(status)
        return job.layout.output(await self.bus.read_memory(job.layout.o.base, job.layout.o.length))

    async def counter(self, name: str) -> int:
        """One of the accelerator's counters, of 48 bits."""
        low = await self.read(f"{name}_lo")
        return low | await self.read(f"{name}_hi") << 32

    async def engine_counters(self, engine: int) -> list[int]:
        """All counters of an engine, in their order."""
        found = []
        for number in range(await self.read("engine_counters")):
            await self.write("counter_select", engine=engine, counter=number)
            found.append(await self.counter("engine_counter"))
        return found
