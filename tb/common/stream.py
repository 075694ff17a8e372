"""Drivers and monitor of a valid/ready stream ``<name>_valid``, ``<name>_ready``, ``<name>_<field>``...

This is the only module that touches cocotb-bus. A value read just after a clock edge is the one from before the edge,
and a value written then appears after it, exactly as for a register.
A beat is a dict from field to a packed, unsigned Python int.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cocotb.triggers import Event, RisingEdge
from cocotb.types import Logic
from cocotb_bus.drivers import BitDriver, ValidatedBusDriver
from cocotb_bus.monitors import BusMonitor

from tb.common.clock import cycle
from tb.common.stalls import ALWAYS_ON

Beat = dict[str, int]
Stalls = Iterator[tuple[int, int]]
# Compared in every cycle, and a number would first become one of these.
LOW, HIGH = Logic(0), Logic(1)


def as_beats(beats: Iterable[Mapping[str, int] | int], fields: Sequence[str]) -> list[Beat]:
    """Beats as dicts: a plain int stands for the one field of a stream that has only one; a missing field is 0.

    Raises:
        ValueError: a field that the stream does not have, or a plain int for a stream of several fields.
    """
    result = []
    for beat in beats:
        if not isinstance(beat, Mapping):
            if len(fields) != 1:
                raise ValueError(f"a beat must be a dict of {', '.join(fields)}")
            beat = {fields[0]: beat}
        if unknown := set(beat) - set(fields):
            raise ValueError(f"unknown field '{min(unknown)}'; the stream has {', '.join(fields)}")
        result.append({field: int(beat.get(field, 0)) for field in fields})
    return result


class StreamSource(ValidatedBusDriver):
    """Drives a stream into the design: ``await source.send(beats)``, or ``source.append(beats)`` and ``await source.drain()``.

    While ``valid`` is low the payload is the complement of the last beat, so that a design which samples it then goes wrong.
    """

    def __init__(self, dut: Any, name: str, fields: Sequence[str] = ("data",), stalls: Stalls | None = None) -> None:
        self.fields = tuple(fields)
        self._signals = ["valid", "ready", *self.fields]
        super().__init__(dut, name, dut.clk, valid_generator=stalls, case_insensitive=False)
        self._edge = RisingEdge(dut.clk)
        self._payload = [getattr(self.bus, field) for field in self.fields]
        self._masks = [(1 << len(handle)) - 1 for handle in self._payload]
        self._driven: list[int | None] = [None] * len(self.fields)
        self._queued = 0
        self._empty = Event()
        self._empty.set()
        self.bus.valid.value = 0
        self._drive([0] * len(self.fields))

    def _drive(self, values: Sequence[int]) -> None:
        # A write costs far more than a comparison, and most fields beside the data seldom change.
        for i, value in enumerate(values):
            if value != self._driven[i]:
                self._payload[i].value = value
                self._driven[i] = value

    def _idle(self) -> None:
        self.bus.valid.value = 0
        self._drive([mask ^ (value or 0) for mask, value in zip(self._masks, self._driven, strict=True)])

    def append(self, transaction: Any, callback: Any = None, event: Any = None, **kwargs: Any) -> None:
        """Queue a list of beats; returns at once."""
        beats = as_beats(transaction, self.fields)
        self._queued += 1
        self._empty.clear()
        super().append(beats, callback, event, **kwargs)

    async def send(self, transaction: Any, sync: bool = True, **kwargs: Any) -> None:
        """Send a list of beats; returns at the edge that accepts the last one."""
        done = Event()
        self.append(transaction, event=done)
        await done.wait()

    async def drain(self) -> None:
        """Return once everything queued so far and meanwhile has been accepted."""
        await self._empty.wait()

    async def _driver_send(self, transaction: list[Beat], sync: bool = True) -> None:
        edge, ready, valid = self._edge, self.bus.ready, self.bus.valid
        if sync:
            await edge
        for beat in transaction:
            if not self.on:
                if self.off:
                    self._idle()
                    for _ in range(self.off):
                        await edge
                self._next_valids()
            if self.on is not True:
                self.on -= 1
            self._drive([beat[field] for field in self.fields])
            valid.value = 1
            await edge
            while ready.value != HIGH:
                await edge
        self._queued -= 1
        if not self._sendQ:
            self._idle()
        if not self._queued:
            self._empty.set()


class StreamSink(BitDriver):
    """Drives ``<name>_ready`` from ``(ready, not ready)`` cycle pairs; starts at once."""

    def __init__(self, dut: Any, name: str, stalls: Stalls) -> None:
        super().__init__(getattr(dut, f"{name}_ready"), dut.clk, generator=stalls)
        self.start()

    async def _cr_twiddler(self, generator: Stalls | None = None) -> None:
        edge = RisingEdge(self._clk)
        for on, off in self._generator:
            self._signal.value = 1
            if on >= ALWAYS_ON:     # asleep instead of awake at every edge
                await Event().wait()
            for _ in range(on):
                await edge
            self._signal.value = 0
            for _ in range(off):
                await edge


class StreamMonitor(BusMonitor):
    """Collects the accepted beats of a stream and checks the protocol.

    Attributes:
        beats: accepted beats in order.
        cycles: for each of them the number of the clock edge that accepted it (:func:`tb.common.clock.cycle`).
        offers: for each of them the number of the first edge that found it valid.
        ready_changes: numbers of the edges that found ``ready`` other than the edge before did, outside reset; it counts as low
            before the first, so the first is where it was high.
        watching: False in a time in which the protocol does not hold, as in reset.

    Each accepted beat is handed to the callbacks. Outside reset these fail the test: ``valid`` or ``ready`` is X or Z;
    ``valid`` drops, or the payload changes, before the beat was accepted; a payload bit of an accepted beat is X or Z.
    """

    def __init__(self, dut: Any, name: str, fields: Sequence[str] = ("data",), callback: Callable[[Beat], None] | None = None,
                 channel: str = "") -> None:
        self.fields = tuple(fields)
        self._signals = {signal: channel + signal for signal in ("valid", "ready", *self.fields)}
        self.channel = channel
        self.watching = True
        self.beats: list[Beat] = []
        self.cycles: list[int] = []
        self.offers: list[int] = []
        self.ready_changes: list[int] = []
        super().__init__(dut, name, dut.clk, reset_n=dut.rst_n, callback=self._keep, case_insensitive=False)
        if callback is not None:
            self.add_callback(callback)

    def _keep(self, beat: Beat) -> None:
        self.beats.append(beat)
        self.cycles.append(cycle())

    def _fail(self, problem: str) -> None:
        name = " ".join(filter(None, (self.name, self.channel)))
        raise AssertionError(f"{name}: {problem} at cycle {cycle()}, after {len(self.beats)} beats")

    def _bit(self, signal: str, value: Logic) -> bool:
        if value == HIGH:
            return True
        if value != LOW:
            self._fail(f"{signal} is {value}")
        return False

    def _number(self, field: str, bits: str) -> int:
        try:
            return int(bits, 2)
        except ValueError:
            bad = next(i for i, bit in enumerate(reversed(bits)) if bit not in "01")
            self._fail(f"bit {bad} of {field} is {bits[-1 - bad]} in an accepted beat")
            raise

    async def _monitor_recv(self) -> None:
        edge = RisingEdge(self.clock)
        payload = [getattr(self.bus, field) for field in self.fields]
        reset_n, valid_pin, ready_pin = self._reset_n, self.bus.valid, self.bus.ready
        waiting: list[str] | None = None
        ready, offer = False, 0
        while True:
            await edge
            if reset_n.value != HIGH or not self.watching:
                waiting = None
                continue
            was, ready = ready, self._bit("ready", ready_pin.value)
            if ready != was:
                self.ready_changes.append(cycle())
            if not self._bit("valid", valid_pin.value):
                if waiting is not None:
                    self._fail("valid dropped before the beat was accepted")
                continue
            bits = [str(handle.value) for handle in payload]
            if waiting is not None and bits != waiting:
                field = next(f for f, old, new in zip(self.fields, waiting, bits, strict=True) if old != new)
                self._fail(f"{field} changed while valid waited for ready")
            offer = cycle() if waiting is None else offer
            waiting = None if ready else bits
            if ready:
                self.offers.append(offer)
                self._recv({field: self._number(field, b) for field, b in zip(self.fields, bits, strict=True)})
