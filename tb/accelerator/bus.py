"""The driver's bus in a simulation of ``tb_accelerator``: registers over AXI4-Lite, memory through files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.system.driver import Region
from tb.common.axi import LiteMaster
from tb.common.rng import rng
from tb.common.words import read_words, write_words

PORT = "s_axil"
IDLE_PINS = ("latency", "rate_beats", "rate_cycles", "load", "dump", "first", "last", "guard", "low", "high", "bad_low",
             "bad_high", "clear", "sample_cycles", "fault", "show")


def any_place(dut: Any) -> int:
    """An address at which the memory may begin, from the run's seed; some terabytes are left behind it."""
    size = int(dut.WORDS.value) * int(dut.DATA_BITS.value) // 8
    return int(rng("place").integers((1 << 64) - (1 << 42), dtype=np.uint64)) // size * size


class SimulatedBus:
    """See :class:`models.system.driver.Bus`. Make it before the reset. ``place``: the address at which the memory begins, a
    multiple of its size."""

    def __init__(self, dut: Any, stalls: bool = False, place: int = 0) -> None:
        self.dut, self.width, self.place = dut, int(dut.DATA_BITS.value) // 8, place
        dut.place.value = place
        self.master = LiteMaster(dut, PORT, stalls)
        for name in IDLE_PINS:
            getattr(dut, name).value = 0

    async def _pulse(self, name: str, first: int, words: int) -> None:
        self.dut.first.value, self.dut.last.value = first, first + words - 1
        getattr(self.dut, name).value = 1
        await ClockCycles(self.dut.clk, 1)
        getattr(self.dut, name).value = 0
        await ClockCycles(self.dut.clk, 2)

    async def write_memory(self, address: int, data: bytes) -> None:
        """Write from a beat's begin on; the last beat is filled up with zeros."""
        assert address % self.width == 0, f"{address:#x} is no multiple of a beat's {self.width} bytes"
        content = np.frombuffer(data.ljust(-(-len(data) // self.width) * self.width, b"\0"), np.uint8)
        write_words(Path("memory.hex"), content, self.width)
        await self._pulse("load", (address - self.place) // self.width, content.size // self.width)

    async def read_memory(self, address: int, length: int) -> bytes:
        """Bytes of the memory."""
        begin = address - self.place
        first = begin // self.width
        words = -(-(begin + length) // self.width) - first
        await self._pulse("dump", first, words)
        content = read_words(Path("dump.hex"), self.width).tobytes()
        return content[begin - first * self.width :][:length]

    async def read_register(self, offset: int) -> int:
        """A register."""
        value, answer = await self.master.read(offset)
        assert answer == 0, f"the register at {offset:#x} is answered with {answer}"
        return value

    async def write_register(self, offset: int, value: int) -> None:
        """Write it."""
        answer = await self.master.write(offset, value)
        assert answer == 0, f"the register at {offset:#x} is answered with {answer}"

    async def interrupt(self) -> None:
        """Return once the interrupt is up."""
        if self.dut.irq.value != 1:
            await RisingEdge(self.dut.irq)

    def guard(self, regions: Sequence[Region]) -> None:
        """From now on nothing but these may be written."""
        for name, values in (("low", [region.base for region in regions]), ("high", [region.end for region in regions])):
            getattr(self.dut, name).value = sum((value - self.place) << (64 * i) for i, value in enumerate(values))
        self.dut.guard.value = 1

    def bad(self, region: Region | None = None) -> None:
        """From now on accesses to these bytes fail."""
        self.dut.bad_low.value, self.dut.bad_high.value = (
            (region.base - self.place, region.end - self.place) if region else (0, 0))
