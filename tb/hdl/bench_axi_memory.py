"""``axi_memory``: every byte against a model, latency, rates, ranges that may be written, faults, breaches of the protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, Combine, RisingEdge

from tb.common.axi import master_of
from tb.common.bursts import DECERR, OKAY, PAGE, SLVERR, SPACE
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stream import StreamMonitor
from tb.common.words import read_words, write_words

PORT = "s_axi"
LONGEST = 16
BUDGET = 20_000
LEAST_LATENCY = 2


class Memory:
    """The memory with a master, monitors on its channels, and a model of its bytes."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.width, self.count = dut, int(dut.DATA_BITS.value) // 8, int(dut.WORDS.value)
        self.base = int(dut.BASE.value)
        self.size = self.width * self.count
        self.draw = rng("memory")
        self.bytes = np.frombuffer(self.draw.bytes(self.size), np.uint8).copy()
        for name in ("load", "dump", "guard", "low", "high", "bad_low", "bad_high", "clear", "first", "last", "rate_beats",
                     "rate_cycles", "latency", "s_axi_arvalid", "s_axi_awvalid", "s_axi_wvalid", "s_axi_rready", "s_axi_bready"):
            getattr(dut, name).value = 0

    async def begin(self, driven: bool = True, stalls: bool = False) -> None:
        """Clock and reset; then content and a master, unless the test drives the pins itself; ``stalls``: of the master."""
        start_clock(self.dut)
        start_watchdog(BUDGET)
        self.channels = {channel: StreamMonitor(self.dut, PORT, fields, channel=channel) for channel, fields in
                         {"ar": ("addr", "len", "id"), "r": ("data", "resp", "last", "id"), "aw": ("addr", "len", "id"),
                          "w": ("data", "strb", "last"), "b": ("resp", "id")}.items()}
        await reset(self.dut)
        if driven:
            self.master = master_of(self.dut, LONGEST, stalls)
            write_words(Path("memory.hex"), self.bytes, self.width)
            await self.pulse("load", 0, self.count - 1)

    async def pulse(self, name: str, first: int = 0, last: int = 0) -> None:
        """``load``, ``dump`` or ``clear`` for a cycle."""
        self.dut.first.value, self.dut.last.value = first, last
        getattr(self.dut, name).value = 1
        await ClockCycles(self.dut.clk, 1)
        getattr(self.dut, name).value = 0
        await ClockCycles(self.dut.clk, 1)

    async def write(self, place: int, data: bytes) -> int:
        """Write at a byte of the memory, and into the model; the answer."""
        self.bytes[place:place + len(data)] = np.frombuffer(data, np.uint8)
        return int((await self.master.write(self.base + place, data)).resp)

    async def read(self, place: int, length: int) -> int:
        """Read from a byte of the memory and compare; the answer."""
        got = await self.master.read(self.base + place, length)
        assert bytes(got.data) == self.bytes[place:place + length].tobytes(), f"{length} bytes at {place} are others"
        return int(got.resp)

    async def check(self, first: int = 0, last: int | None = None) -> None:
        """Dump words and compare them with the model."""
        last = self.count - 1 if last is None else last
        await self.pulse("dump", first, last)
        got = read_words(Path("dump.hex"), self.width)
        assert np.array_equal(got, self.bytes[first * self.width:(last + 1) * self.width]), "words of the dump are others"

    def place(self, length: int, low: float = 0.0, high: float = 1.0) -> int:
        """A random byte from which on ``length`` bytes lie in this part of the memory."""
        return int(self.draw.integers(int(low * self.size), int(high * self.size) - length + 1))


@cocotb.test()
@cocotb.parametrize(rate=[(0, 0), (2, 3)])
async def content(dut: Any, rate: tuple[int, int]) -> None:
    """Reads and writes of any bytes at once, as many as come: what is read, what is dumped, what is counted."""
    memory = Memory(dut)
    dut.latency.value, dut.rate_beats.value, dut.rate_cycles.value = 12, *rate
    await memory.begin(stalls=rate[1] == 0)
    for _ in range(3):
        # reads from the lower half, which nobody writes meanwhile; writes apart from one another
        tasks = []
        for part in range(16):
            length = int(memory.draw.integers(1, memory.size // 64))
            tasks.append(cocotb.start_soon(memory.read(memory.place(length, 0, 0.5), length)))
            length = int(memory.draw.integers(1, memory.size // 64))
            place = memory.place(length, 0.5 + part / 32, 0.5 + (part + 1) / 32)
            tasks.append(cocotb.start_soon(memory.write(place, memory.draw.bytes(length))))
        await Combine(*tasks)
        assert {task.result() for task in tasks} == {OKAY}
        await memory.check()
        length = memory.size // 16
        assert await memory.read(memory.place(length), length) == OKAY
    await memory.check(3, 3)
    await memory.check(5, 9)
    counts = (int(dut.beats_read.value), int(dut.beats_written.value))
    assert counts == (len(memory.channels["r"].beats), len(memory.channels["w"].beats)), f"it counts {counts} beats"
    await memory.pulse("clear")
    assert (int(dut.beats_read.value), int(dut.beats_written.value)) == (0, 0), "clear leaves counters"
    # a part alone is loaded, and a reset keeps all
    memory.bytes[2 * memory.width:4 * memory.width] = 0x5A
    write_words(Path("memory.hex"), memory.bytes[2 * memory.width:4 * memory.width], memory.width)
    await memory.pulse("load", 2, 3)
    await reset(dut)
    await memory.check()
    assert str(dut.broken.value) == "0" and str(dut.violation.value) == "0"


@cocotb.test()
@cocotb.parametrize(latency=[0, 2, 3, 41])
async def latency(dut: Any, latency: int) -> None:
    """From an address to the first beat, from the last beat to the answer, and bursts behind it without a pause."""
    memory = Memory(dut)
    dut.latency.value = latency
    await memory.begin()
    await memory.read(0, memory.width * LONGEST * 2)
    await memory.write(0, memory.draw.bytes(memory.width * 2))
    want, channels = max(latency, LEAST_LATENCY), memory.channels
    assert channels["r"].offers[0] - channels["ar"].cycles[0] == want, "when the first beat comes"
    assert channels["b"].offers[0] - channels["w"].cycles[-1] == want, "when the answer comes"
    assert set(np.diff(channels["r"].cycles).tolist()) == {1}, "beats do not follow one another"


@cocotb.test()
@cocotb.parametrize(rate=[(1, 1), (1, 3), (3, 2), (3, 4), (5, 3), (2, 1), (0, 0)], kinds=["reads", "writes", "both"])
async def rates(dut: Any, rate: tuple[int, int], kinds: str) -> None:
    """Beats in a long time, and never more than the rate allows in any time; reads and writes have the same share of it."""
    memory = Memory(dut)
    dut.latency.value, dut.rate_beats.value, dut.rate_cycles.value = 3, *rate
    await memory.begin()
    length = memory.width * LONGEST * 8
    tasks = [cocotb.start_soon(memory.read(0, length))] if kinds != "writes" else []
    tasks += [cocotb.start_soon(memory.write(length, memory.draw.bytes(length)))] if kinds != "reads" else []
    await Combine(*tasks)
    read, written = (np.array(memory.channels[channel].cycles) for channel in "rw")
    # beats are paid for when they are taken out of the memory, a cycle before they are read
    paid = np.sort(np.concatenate([read - 1, written]))
    begin, end = (max(read[0] - 1, written[0]), min(read[-1] - 1, written[-1])) if kinds == "both" else (paid[0], paid[-1])
    seen = paid[(paid >= begin) & (paid <= end)]
    per_cycle = min(rate[0] / rate[1] if rate[1] else 2, len(tasks))
    got = (len(seen) - 1) / (end - begin)
    assert abs(got - per_cycle) <= 2 / (end - begin) + 0.02 * per_cycle, f"{got:.3f} beats per cycle, not {per_cycle:.3f}"
    if rate[1]:
        for beats in (2, 5, 20):
            least = int((paid[beats:] - paid[:-beats]).min())
            assert least >= (beats - 1) * rate[1] / rate[0] - 1, f"{beats + 1} beats came in {least} cycles"
    if kinds == "both":
        share = np.count_nonzero((written >= begin) & (written <= end)) / len(seen)
        assert 0.4 < share < 0.6, f"{share:.0%} of the beats are written"


@cocotb.test()
async def ranges(dut: Any) -> None:
    """Writes within the ranges are done; the first byte outside is told and stays told; its beat is dropped, until clear."""
    memory = Memory(dut)
    width, base = memory.width, memory.base
    await memory.begin()
    allowed = ((4 * width, 9 * width), (20 * width + 3, 24 * width - 5))
    dut.low.value = sum((base + low) << 64 * number for number, (low, _) in enumerate(allowed))
    dut.high.value = sum((base + high) << 64 * number for number, (_, high) in enumerate(allowed))
    dut.guard.value = 1
    for low, high in allowed:
        await memory.write(low, memory.draw.bytes(high - low))
        assert str(dut.violation.value) == "0", "a write within a range is taken amiss"
    for place, length, wrong, kept in ((3 * width, 2 * width, 3 * width, (3 * width, 4 * width)),
                                       (8 * width, 3 * width, 9 * width, (9 * width, 11 * width)),
                                       (20 * width + 2, 2, 20 * width + 2, (20 * width, 21 * width)),
                                       (23 * width, width, 24 * width - 5, (23 * width, 24 * width)),
                                       (60 * width + 1, 1, 60 * width + 1, (60 * width, 61 * width))):
        old = memory.bytes[kept[0]:kept[1]].copy()
        await memory.write(place, memory.draw.bytes(length))
        memory.bytes[kept[0]:kept[1]] = old
        for again in (False, True):
            assert str(dut.violation.value) == "1", f"a write at byte {wrong} is not taken amiss"
            assert int(dut.violation_address.value) == base + wrong, f"violation_address is {int(dut.violation_address.value):#x}"
            if not again:
                await memory.write(5 * width, memory.draw.bytes(width))
                old = memory.bytes[width:2 * width].copy()
                await memory.write(width, memory.draw.bytes(width))
                memory.bytes[width:2 * width] = old
        await memory.pulse("clear")
        assert str(dut.violation.value) == "0", "clear does not lower violation"
    await memory.check()
    dut.guard.value = 0
    await memory.write(0, memory.draw.bytes(width))
    assert str(dut.violation.value) == "0", "a write is taken amiss without guard"
    await memory.check()


@cocotb.test()
async def faults(dut: Any) -> None:
    """Bad bytes and places that are not there are answered with errors, beat by beat, and not written; what is beside them is."""
    memory = Memory(dut)
    width, base = memory.width, memory.base
    await memory.begin()
    dut.bad_low.value, dut.bad_high.value = base + 8 * width + 1, base + 10 * width
    reply = await memory.master.read(base + 6 * width, 6 * width)
    assert [beat["resp"] for beat in memory.channels["r"].beats] == [OKAY, OKAY, SLVERR, SLVERR, OKAY, OKAY]
    assert reply.resp == SLVERR
    old = memory.bytes[8 * width:10 * width].copy()
    assert await memory.write(7 * width, memory.draw.bytes(4 * width)) == SLVERR
    memory.bytes[8 * width:10 * width] = old
    assert await memory.write(10 * width, memory.draw.bytes(4 * width)) == OKAY
    for place in (memory.size, memory.size + 5 * width, -width):
        address = (base + place) % SPACE
        assert (await memory.master.read(address, width)).resp == DECERR
        assert (await memory.master.write(address, bytes(width))).resp == DECERR
    await memory.check()
    assert await memory.read(10 * width, width) == OKAY
    # bytes become bad, and good again, while every burst goes to the same address: nothing else tells the memory
    for bad in (False, True, False):
        dut.bad_low.value, dut.bad_high.value = (base, base + 1) if bad else (0, 0)
        expected = SLVERR if bad else OKAY
        for _ in range(int(dut.OUTSTANDING.value)):
            assert (await memory.master.write(base, bytes(width))).resp == expected
            assert (await memory.master.read(base, width)).resp == expected


@cocotb.test()
async def breaches(dut: Any) -> None:
    """A burst across 4 KB, one that is narrow, one that is not INCR, and WLAST in the wrong place raise ``broken``."""
    memory = Memory(dut)
    edge, page = RisingEdge(dut.clk), PAGE // memory.width
    await memory.begin(driven=False)
    good = {"addr": 3 * PAGE - 2 * memory.width, "len": 1, "size": memory.width.bit_length() - 1, "burst": 1}
    fits: list[dict[str, int]] = [{}, {"len": page - 1, "addr": PAGE}]
    does_not = [{"len": 2}, {"addr": 3 * PAGE - memory.width}, {"size": good["size"] - 1}, {"burst": 0}, {"burst": 2}]
    for channel in ("ar", "aw"):
        for change in [*fits, *does_not]:
            for name, value in {**good, **change}.items():
                getattr(dut, f"s_axi_{channel}{name}").value = value
            getattr(dut, f"s_axi_{channel}id").value = 0
            getattr(dut, f"s_axi_{channel}valid").value = 1
            await edge
            getattr(dut, f"s_axi_{channel}valid").value = 0
            await edge
            await edge
            assert str(dut.broken.value) == str(int(change in does_not)), f"{channel} {change}: broken is {dut.broken.value}"
            await reset(dut)
    for beats, lasts in ((2, (0, 1)), (2, (1, 0)), (2, (0, 0)), (1, (0,)), (1, (1,))):
        dut.s_axi_awaddr.value, dut.s_axi_awlen.value, dut.s_axi_awvalid.value = 0, beats - 1, 1
        dut.s_axi_awsize.value, dut.s_axi_awburst.value = good["size"], 1
        await edge
        dut.s_axi_awvalid.value = 0
        for last in lasts:
            dut.s_axi_wdata.value, dut.s_axi_wstrb.value, dut.s_axi_wlast.value, dut.s_axi_wvalid.value = 0, 0, last, 1
            await edge
            while dut.s_axi_wready.value != 1:
                await edge
        dut.s_axi_wvalid.value = 0
        await edge
        await edge
        wrong = lasts != (0,) * (beats - 1) + (1,)
        assert str(dut.broken.value) == str(int(wrong)), f"WLAST {lasts}: broken is {dut.broken.value}"
        await reset(dut)
