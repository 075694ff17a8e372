"""AXI4 for benches: memories behind the pins ``m_axi_*`` of a master, as quick, slow and faulty as a test wants them, and
masters of AXI4 and of AXI4-Lite.

The memories are cocotbext-axi's, and this is the only module that touches that library.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiBus, AxiLiteBus, AxiMaster, AxiReadBus, AxiSlaveRead, AxiSlaveWrite, AxiWriteBus
from cocotbext.axi.axil_channels import (
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBSink,
    AxiLiteRSink,
    AxiLiteWSource,
    AxiLiteWTransaction,
)
from cocotbext.axi.sparse_memory import SparseMemory

from tb.common.bursts import OKAY
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stalls import bursts as stalls_of

PORT = "m_axi"


@dataclass(frozen=True)
class Pace:
    """How fast a memory is, in cycles; the default takes an address and gives or takes a beat in every cycle.

    Attributes:
        latency: least and most from an address (for writes: from a burst's last beat) to its answer; for each burst one is drawn.
        interval: from one beat to the next at least.
        stalls: every channel pauses at random.
        ahead: bursts that it takes before it has answered the first; 0 is any number.
        order: of writes: "free", "address first" takes a burst's beats only after its address, "data first" the reverse.
    """

    latency: tuple[int, int] = (0, 0)
    interval: int = 1
    stalls: bool = False
    ahead: int = 0
    order: str = "free"


def _pauses(pairs: Iterator[tuple[int, int]]) -> Iterator[bool]:
    for on, off in pairs:
        yield from [False] * on + [True] * off


async def _asleep_until_reset(dut: Any, parts: Sequence[Any]) -> None:
    """Before the first reset the design's pins mean nothing."""
    for part in parts:
        part.assert_reset(True)
    while dut.rst_n.value != 0:
        await RisingEdge(dut.clk)
    for part in parts:
        part.assert_reset(False)


class _Paced:
    """What both kinds of memory share: when an answer is due, and which one it is. ``arrivals``: cycles from which it counts."""

    def __init__(self, dut: Any, memory: SparseMemory, pace: Pace, arrivals: list[int], answers: Mapping[int, int],
                 **more: Any) -> None:
        self.memory, self.pace, self.arrivals, self.answers = memory, pace, arrivals, answers
        self.dut, self.draw = dut, rng(f"memory {type(self).__name__}")
        self.index = 0          # of the burst that is answered next
        self.free_at = 0        # cycle in which the next beat may go
        super().__init__(clock=dut.clk, reset=dut.rst_n, reset_active_level=False, **more)
        self.log.setLevel(logging.WARNING)      # it tells every burst
        parts = [self, *(part for name, part in vars(self).items() if name.endswith("_channel"))]
        cocotb.start_soon(_asleep_until_reset(dut, parts))

    def _handle_reset(self, state: bool) -> None:
        super()._handle_reset(state)    # type: ignore[misc]
        self.index = len(self.arrivals)

    def stall(self, *channels: Any) -> None:
        """Pause these channels at random."""
        for number, channel in enumerate(channels):
            channel.set_pause_generator(_pauses(stalls_of(rng(f"stalls {type(self).__name__} {number}"))))

    def resp(self) -> int:
        """What the burst is answered with."""
        return self.answers.get(self.index, OKAY)

    async def due(self, first: bool) -> None:
        """Return when the next beat may go."""
        at = self.free_at
        if first:
            at = max(at, self.arrivals[self.index] + int(self.draw.integers(self.pace.latency[0], self.pace.latency[1] + 1)))
        if at > cycle():
            await ClockCycles(self.dut.clk, at - cycle())
        self.free_at = cycle() + self.pace.interval


class ReadMemory(_Paced, AxiSlaveRead):
    """Answers reads from ``memory``.

    Args:
        arrivals: list that grows by the cycle in which each address was accepted.
        answers: of bursts by number, where it is not OKAY.
    """

    def __init__(self, dut: Any, memory: SparseMemory, pace: Pace, arrivals: list[int], answers: Mapping[int, int]) -> None:
        super().__init__(dut, memory, pace, arrivals, answers, bus=AxiReadBus.from_prefix(dut, PORT))
        self.ar_channel.queue_occupancy_limit = pace.ahead or -1
        self._send, self.r_channel.send = self.r_channel.send, self._paced_send
        self._first = True
        if pace.stalls:
            self.stall(self.ar_channel, self.r_channel)

    def _handle_reset(self, state: bool) -> None:
        super()._handle_reset(state)
        self._first = True

    async def _read(self, address: int, length: int) -> bytes:
        return self.memory.read(address, length)

    async def _paced_send(self, beat: Any) -> None:
        await self.due(self._first)
        beat.rresp = self.resp()
        await self._send(beat)
        self._first = bool(beat.rlast)
        self.index += self._first


class WriteMemory(_Paced, AxiSlaveWrite):
    """Takes writes into ``memory``, but not those that it answers with an error.

    Args:
        arrivals: list that grows by the cycle in which the last beat of each burst was accepted.
        answers: of bursts by number, where it is not OKAY.
        addresses: list that grows by the cycle in which each address was accepted.
    """

    def __init__(self, dut: Any, memory: SparseMemory, pace: Pace, arrivals: list[int], answers: Mapping[int, int],
                 addresses: list[int]) -> None:
        super().__init__(dut, memory, pace, arrivals, answers, bus=AxiWriteBus.from_prefix(dut, PORT))
        self.aw_channel.queue_occupancy_limit = pace.ahead or -1
        self.w_channel.queue_occupancy_limit = -1
        self._send, self.b_channel.send = self.b_channel.send, self._paced_send
        later, ahead, behind = {"free": (None, [], []), "data first": (self.aw_channel, arrivals, addresses),
                                "address first": (self.w_channel, addresses, arrivals)}[pace.order]
        if later:
            cocotb.start_soon(self._hold(later, ahead, behind))
        if pace.stalls:
            self.stall(*(channel for channel in (self.aw_channel, self.w_channel, self.b_channel) if channel is not later))
        if pace.interval > 1 and later is not self.w_channel:
            self.w_channel.set_pause_generator(_pauses(iter(lambda: (1, pace.interval - 1), None)))

    async def _hold(self, channel: Any, ahead: list[int], behind: list[int]) -> None:
        """Pause ``channel``, whose bursts are ``behind``, while it has taken as many of them as there are ``ahead``."""
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            channel.pause = len(behind) >= len(ahead)

    async def _write(self, address: int, data: bytes) -> None:
        if self.resp() == OKAY:
            self.memory.write(address, data)

    async def _paced_send(self, answer: Any) -> None:
        await self.due(True)
        answer.bresp = self.resp()
        await self._send(answer)
        self.index += 1


def random_bytes(memory: SparseMemory, generator: np.random.Generator, addresses: list[int], width: int) -> None:
    """Fill the beats at ``addresses`` with random bytes."""
    for address in addresses:
        memory.write(address, generator.bytes(width))


class LiteMaster:
    """A master of AXI4-Lite on the pins ``<port>_*``: each channel by itself, so that none need wait for another.

    Args:
        stalls: every channel pauses at random.
    """

    def __init__(self, dut: Any, port: str, stalls: bool = False) -> None:
        bus = AxiLiteBus.from_prefix(dut, port)
        self.dut = dut
        self.aw, self.w, self.ar = (kind(pins, dut.clk, dut.rst_n, reset_active_level=False) for kind, pins in (
            (AxiLiteAWSource, bus.write.aw), (AxiLiteWSource, bus.write.w), (AxiLiteARSource, bus.read.ar)))
        self.b, self.r = (kind(pins, dut.clk, dut.rst_n, reset_active_level=False) for kind, pins in (
            (AxiLiteBSink, bus.write.b), (AxiLiteRSink, bus.read.r)))
        channels = (self.aw, self.w, self.b, self.ar, self.r)
        cocotb.start_soon(_asleep_until_reset(dut, channels))
        for number, channel in enumerate(channels):
            channel.log.setLevel(logging.WARNING)
            if stalls:
                channel.set_pause_generator(_pauses(stalls_of(rng(f"stalls {port} {number}"))))

    async def write(self, address: int, data: int, strobe: int = 0xF, first: str = "") -> int:
        """Write the bytes of a word that ``strobe`` names; the answer. ``first``: "aw" or "w" is given before the other."""
        send = {"aw": lambda: self.aw.send(AxiLiteAWTransaction(awaddr=address)),
                "w": lambda: self.w.send(AxiLiteWTransaction(wdata=data, wstrb=strobe))}
        for channel in sorted(send, key=lambda name: name != first):
            await send[channel]()
            if channel == first:
                await ClockCycles(self.dut.clk, 5)
        return int((await self.b.recv()).bresp)

    async def read(self, address: int) -> tuple[int, int]:
        """A word, and the answer."""
        await self.ar.send(AxiLiteARTransaction(araddr=address))
        beat = await self.r.recv()
        return int(beat.rdata), int(beat.rresp)

    def clear(self) -> None:
        """Forget what is under way: to be called in a reset."""
        for channel in (self.aw, self.w, self.b, self.ar, self.r):
            channel.clear()


def master_of(dut: Any, longest: int, stalls: bool = False) -> AxiMaster:
    """A master at ``s_axi``: ``await master.read(address, length)``, ``await master.write(address, data)``; bytes at any address.

    Make it after the first reset: before that the memory's pins mean nothing.

    Args:
        longest: beats of a burst at most.
        stalls: every channel pauses at random.
    """
    master = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst_n, reset_active_level=False, max_burst_len=longest)
    for side in (master.read_if, master.write_if):
        side.log.setLevel(logging.WARNING)      # it tells every burst
        for name, channel in vars(side).items():
            if stalls and name.endswith("_channel"):
                channel.set_pause_generator(_pauses(stalls_of(rng(f"stalls {name}"))))
    return master
