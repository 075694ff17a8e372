"""The bench around ``fcim_kv_loader``: its model, and who loads and frees pages."""

from __future__ import annotations

from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import FallingEdge, RisingEdge

from tb.common.bursts import COMMAND_FIELDS
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource
from tb.kv_loader import coverage
from tb.kv_loader.model import RESIDENT, Call, Model, Sizes

RUN_FIELDS = ("slot", "head", "first", "blocks", "descending")
LOAD_FIELDS = ("kind", "slot", "page", *COMMAND_FIELDS)
DELAYS = {"none": 3, "gaps": 10, "backpressure": 40, "both": 80}       # cycles until a page is loaded or freed, at most
PATIENCE = 3        # cycles until a free slot is seen to be free


class Loader:
    """The block with its streams; blocks are loaded and pages freed at random times, or when a test says so.

    Attributes:
        loads, frees: whether blocks are loaded and pages are freed by themselves.
    """

    def __init__(self, dut: Any, pattern: str = "none", budget: int = 60_000) -> None:
        self.dut, self.pattern, self.budget = dut, pattern, budget
        engines, head_dim, keys, max_keys, buffer_keys, bits = (
            int(getattr(dut, name).value)
            for name in ("ENGINES", "HEAD_DIM", "KEYS_PER_BLOCK", "MAX_KEYS", "BUFFER_KEYS", "DATA_BITS"))
        self.sizes = Sizes(engines, head_dim, keys, max_keys // keys, buffer_keys // keys, bits // 8)
        self.model = Model(self.sizes)
        self.source = StreamSource(dut, "s_run", RUN_FIELDS, source_stalls(pattern, rng("stalls s_run")))
        StreamSink(dut, "m_load", sink_stalls(pattern, rng("stalls m_load")))
        self.runs = StreamMonitor(dut, "s_run", RUN_FIELDS, self._run)
        self.commands = StreamMonitor(dut, "m_load", LOAD_FIELDS, self._command)
        self.draw = rng("pages")
        self.loads = self.frees = True
        self.loading: deque[tuple[int, int]] = deque()                          # when a slot's block is loaded
        self.freeing: dict[int, deque[int]] = {s: deque() for s in range(self.sizes.slots)}     # when a slot's page is freed
        self.refused = 0        # cycles in which a run waited though its slot is free
        for pin in ("freed", "head_freed", "head_freed_slot", "loaded", "loaded_slot"):
            getattr(dut, pin).value = 0
        self._drive(Call(RESIDENT, 0, 0, 0, 0, 0, 0, 0, 0))
        coverage.sample_sizes(self.sizes)

    async def __aenter__(self) -> Loader:
        start_clock(self.dut)
        self._watchdog = start_watchdog(self.budget, lambda: f"{self.model.blocks} blocks were asked for, {self.model.runs}")
        await reset(self.dut)
        cocotb.start_soon(self._play())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._watchdog.cancel()

    def _drive(self, call: Call) -> None:
        for name, value in call.pins().items():
            getattr(self.dut, f"call_{name}").value = value

    def _run(self, beat: Beat) -> None:
        coverage.sample_run(beat, self.model)
        self.model.accept(beat)

    def _command(self, beat: Beat) -> None:
        slot = self.model.command(beat)
        if slot is not None:
            coverage.sample_block(self.model, slot)
            self.loading.append((self._later(), slot))

    def _later(self) -> int:
        return cycle() + int(self.draw.integers(DELAYS[self.pattern] + 1))

    def _check(self) -> None:
        dut, model = self.dut, self.model
        assert str(dut.idle.value) == str(int(model.idle)), f"idle is {dut.idle.value} at cycle {cycle()}"
        if model.call is not None and model.call.mode == RESIDENT:
            for slot, run in model.runs.items():
                for pin, want in (("head_base", run.base), ("head_asked", run.asked), ("head_loaded", run.loaded)):
                    both = str(getattr(dut, pin).value)     # of slot 1, then of slot 0
                    half = len(both) // 2
                    got = both[half:] if slot == 0 else both[:half]
                    assert got == f"{want:0{half}b}", f"{pin} of slot {slot} is {got}, not {want} at cycle {cycle()}"
        waits = dut.s_run_valid.value == 1 and dut.s_run_ready.value == 0 and model.open(int(dut.s_run_slot.value))
        self.refused = self.refused + 1 if waits else 0
        assert self.refused <= PATIENCE, "a run waits though its slot is free"

    async def _play(self) -> None:
        """Load blocks and free pages. Pins change at falling edges, the model with the rising edge that sees them."""
        dut, model = self.dut, self.model
        loaded, freed, head = None, [], None
        while True:
            await FallingEdge(dut.clk)
            if loaded is not None:
                model.load(loaded)
                self.freeing[loaded].append(self._later())
            for slot in freed:
                model.free(slot)
            if head is not None:
                model.free_head(head)
            self._check()
            loaded, freed, head = None, [], None
            if self.loads and self.loading and self.loading[0][0] <= cycle():
                loaded = self.loading.popleft()[1]
            resident = model.call is not None and model.call.mode == RESIDENT
            if self.frees and not resident:
                freed = [slot for slot, due in self.freeing.items() if due and due[0] <= cycle()]
                for slot in freed:
                    self.freeing[slot].popleft()
            elif self.frees and model.heads:
                run = model.runs[model.heads[0]]
                if not run.left and not run.unloaded and loaded is None and self.freeing[model.heads[0]][-1] <= cycle():
                    head = model.heads[0]
                    self.freeing[head].clear()
            # pulses of another mode do not count
            noise = int(self.draw.integers(1 << self.sizes.slots)) if not self.draw.integers(8) else 0
            dut.freed.value = noise if resident else sum(1 << slot for slot in freed)
            dut.head_freed.value = int(head is not None if resident else noise > 0)
            dut.head_freed_slot.value = int(self.draw.integers(2)) if head is None else head
            dut.loaded.value = int(loaded is not None)
            dut.loaded_slot.value = int(self.draw.integers(self.sizes.slots)) if loaded is None else loaded

    async def begin(self, call: Call) -> None:
        """A call begins."""
        await RisingEdge(self.dut.clk)
        self.model.begin(call)
        self._drive(call)

    async def finish(self) -> None:
        """Until all runs of the call are asked for, loaded and freed."""
        await self.source.drain()
        edge = RisingEdge(self.dut.clk)
        while not (self.model.idle and all(run.done for run in self.model.runs.values())):
            await edge
        for _ in range(10):
            await edge
