"""The bench around ``fcim_registers``: a master of AXI4-Lite, the inputs, and a model that hears of everything."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from models.system.registers import REGISTERS
from tb.common.axi import LiteMaster
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stream import StreamMonitor
from tb.registers import coverage
from tb.registers.model import ADDRESSES, COUNTERS, PINS, SHOWN, Model

PORT = "s_axil"
PARAMETERS = ("engines", "rows", "head_dim", "bits_per_cycle", "keys_per_block", "prob_bits", "max_keys", "buffer_keys",
              "data_bits")
EVENTS = coverage.EVENTS
PULSES = ("soft_reset", "clear_errors", "clear_counters")
ENGINE_COUNTERS, COUNTER_BITS = 26, 48
STEADY = tuple(name for name in REGISTERS if name[:-3] not in (*COUNTERS, "engine_counter"))     # all but words of counters
LATE = 3        # cycles by which an engine's counters may follow the choice


class Registers:
    """``async with Registers(dut, pattern) as bench``: reads and writes are checked against the model as they come back.

    Attributes:
        pulses: of each of :data:`PULSES` the number of cycles in which it was high.
        counters: of each engine its counters, which appear at the pins LATE cycles after it is chosen.
    """

    def __init__(self, dut: Any, pattern: str = "none", budget: int = 60_000) -> None:
        self.dut, self.budget, self.draw = dut, budget, rng("inputs")
        self.parameters = {name: int(getattr(dut, name.upper()).value) for name in PARAMETERS}
        self.model = Model(self.parameters)
        self.master = LiteMaster(dut, PORT, stalls=pattern != "none")
        fields = {"aw": ("addr",), "w": ("data", "strb"), "b": ("resp",), "ar": ("addr",), "r": ("data", "resp")}
        self.monitors = {channel: StreamMonitor(dut, PORT, names, channel=channel) for channel, names in fields.items()}
        self.pulses = dict.fromkeys(PULSES, 0)
        self.edge = RisingEdge(dut.clk)
        self.counters = [[int(self.draw.integers(1 << COUNTER_BITS)) for _ in range(ENGINE_COUNTERS)]
                         for _ in range(self.parameters["engines"])]
        for name in (*PINS.values(), *ADDRESSES, *(f"event_{event}" for event in EVENTS),
                     *(f"count_{name}" for name in COUNTERS.values())):
            getattr(dut, name).value = 0
        cocotb.start_soon(self._watch())
        cocotb.start_soon(self._engines())

    async def __aenter__(self) -> Registers:
        start_clock(self.dut)
        self.watchdog = start_watchdog(self.budget)
        await reset(self.dut)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.watchdog.cancel()

    async def _watch(self) -> None:
        """Pulses are counted."""
        while True:
            await self.edge
            for name in PULSES:
                value = str(getattr(self.dut, name).value)
                assert self.dut.rst_n.value != 1 or value in "01", f"{name} is {value}"
                self.pulses[name] += value == "1"

    async def _engines(self) -> None:
        """The counters of the engine that was chosen LATE cycles ago."""
        chosen: deque[int] = deque([0] * LATE)
        while True:
            await self.edge
            value = self.dut.engine_select.value
            chosen.append(int(value) if value.is_resolvable else 0)
            words = self.counters[chosen.popleft()]
            self.dut.engine_counters.value = sum(word << (COUNTER_BITS * number) for number, word in enumerate(words))

    def pin(self, name: str, value: int) -> None:
        """Drive an input that registers show."""
        getattr(self.dut, name).value = value
        self.model.pin(name, value)

    async def write(self, offset: int | str, data: int, strobe: int = 0xF, first: str = "") -> set[str]:
        """Write, compare the answer; the fields of control that act."""
        offset = REGISTERS[offset].offset if isinstance(offset, str) else offset
        coverage.sample_write(offset, strobe, first)
        got = await self.master.write(offset, data, strobe, first)
        want, acts = self.model.write(offset, data, strobe)
        assert got == want, f"the answer to a write to {offset:#x} is {got}, not {want}"
        return acts

    async def read(self, offset: int | str) -> int:
        """Read a word that is no counter's, and compare it."""
        offset = REGISTERS[offset].offset if isinstance(offset, str) else offset
        coverage.sample_read(offset)
        got = await self.master.read(offset)
        want = self.model.read(offset)
        assert got == want, f"{offset:#x} reads as {got[0]:#x} with answer {got[1]}, not {want[0]:#x} with {want[1]}"
        return got[0]

    async def word(self, name: str) -> int:
        """Read a counter's word."""
        coverage.sample_read(REGISTERS[name].offset)
        data, answer = await self.master.read(REGISTERS[name].offset)
        assert answer == 0, f"{name} is answered with {answer}"
        return data

    async def counter(self, name: str) -> int:
        """Read a counter, low word first."""
        low = await self.word(f"{name}_lo")
        return await self.word(f"{name}_hi") << 32 | low

    async def read_all(self) -> None:
        """Every register but counters."""
        for name in STEADY:
            await self.read(name)

    def check_outputs(self) -> None:
        """The outputs show what was written."""
        dut, model = self.dut, self.model
        want = {name: model.get(*place) for name, place in SHOWN.items()}
        want |= {"irq": model.irq, "ring_base": model.base >> 7,
                 "engine_select": model.get("counter_select", "engine") % self.parameters["engines"]}
        for name, value in want.items():
            got = str(getattr(dut, name).value)
            assert int(got, 2) == value, f"{name} is {int(got, 2):#x}, not {value:#x}"
        for name in ("done", "error"):
            if model.get("irq_status", name):
                coverage.sample_interrupt(name, bool(model.get("irq_enable", name)))

    async def events(self, names: Sequence[str], cleared: bool = False) -> None:
        """These events in one cycle; returns when they show."""
        for name in names:
            getattr(self.dut, f"event_{name}").value = 1
            coverage.sample_event(name, cleared)
        await self.edge
        for name in names:
            getattr(self.dut, f"event_{name}").value = 0
        if not cleared:
            for name in names:
                self.model.event(name)
            await self.edge

    async def events_while_clearing(self, names: Sequence[str], register: str, data: int) -> None:
        """A write that clears, and these events in the cycle in which it does so."""
        task = cocotb.start_soon(self.write(register, data))
        accepted = len(self.monitors["w"].beats)
        while len(self.monitors["w"].beats) == accepted:
            await self.edge
        await self.events(names, cleared=True)
        await task
        for name in names:
            self.model.event(name)
