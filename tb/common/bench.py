"""Everything a test of streams needs in one place: clock, reset, drivers, monitors, scoreboards, verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.pulses import watch_pulses
from tb.common.rng import rng
from tb.common.scoreboard import Scoreboard
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource

SETTLE_CYCLES = 20


class Bench:
    """``async with Bench(dut, pattern, budget) as bench:`` starts the clock, resets, and gives the verdict at the end.

    Build the streams with :meth:`input` and :meth:`output` before the first beat. Leaving the block without an error
    waits for the sources to drain and for every expected beat, then :data:`SETTLE_CYCLES` more for surplus beats.

    Args:
        dut: has ``clk`` and ``rst_n``.
        pattern: stall pattern of all streams, see :mod:`tb.common.stalls`.
        budget: cycles after which the test fails.
        quiet: outputs beside the streams that must be 0 in the first cycle after a reset, see :func:`tb.common.clock.reset`.
    """

    def __init__(self, dut: Any, pattern: str = "none", budget: int = 10_000, quiet: Sequence[str] = ()) -> None:
        self.dut, self.pattern, self.budget, self.quiet = dut, pattern, budget, quiet
        self.rng = rng("stimulus")
        self.sources: dict[str, StreamSource] = {}
        self.monitors: dict[str, StreamMonitor] = {}
        self.scoreboards: dict[str, tuple[Scoreboard, int]] = {}

    def input(
        self, name: str, fields: Sequence[str] = ("data",), callback: Callable[[Beat], None] | None = None
    ) -> StreamSource:
        """A source for the stream ``name`` and a monitor on it that calls ``callback`` with each accepted beat."""
        source = StreamSource(self.dut, name, fields, source_stalls(self.pattern, rng(f"stalls {name}")))
        self.sources[name] = source
        self.monitors[name] = StreamMonitor(self.dut, name, fields, callback)
        return source

    def output(
        self,
        name: str,
        fields: Sequence[str] = ("data",),
        lanes: Mapping[str, tuple[int, bool]] | None = None,
        minimum: int = 1,
    ) -> Scoreboard:
        """A sink and a monitor for the stream ``name``, and the scoreboard that compares all its ``fields``.

        At least ``minimum`` beats must have been compared at the end.
        """
        StreamSink(self.dut, name, sink_stalls(self.pattern, rng(f"stalls {name}")))
        scoreboard = Scoreboard(name, fields, lanes)
        self.monitors[name] = StreamMonitor(self.dut, name, fields, scoreboard.got)
        self.scoreboards[name] = (scoreboard, minimum)
        return scoreboard

    def pulses(self, name: str, valid: str, fields: Mapping[str, str] | None = None, minimum: int = 1) -> Scoreboard:
        """The scoreboard of what the design gives in cycles in which ``valid`` is high, without a ready.

        It compares ``fields`` (names and their pins), and ``cycle``, the number of the edge that found the pulse.
        """
        scoreboard = Scoreboard(name, (*(fields or {}), "cycle"))
        cocotb.start_soon(watch_pulses(self.dut, valid, fields or {}, scoreboard.got))
        self.scoreboards[name] = (scoreboard, minimum)
        return scoreboard

    async def __aenter__(self) -> Bench:
        start_clock(self.dut)
        self._watchdog = start_watchdog(self.budget, self.state)
        await reset(self.dut, quiet=self.quiet)
        return self

    def state(self) -> str:
        """What has come and what is awaited, for messages."""
        seen = ", ".join(f"{name} {len(monitor.beats)}" for name, monitor in self.monitors.items())
        return "; ".join([f"beats accepted: {seen}", *(str(board) for board, _ in self.scoreboards.values())])

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            edge = RisingEdge(self.dut.clk)
            for source in self.sources.values():
                await source.drain()
            while any(board.pending() for board, _ in self.scoreboards.values()):
                await edge
            await ClockCycles(self.dut.clk, SETTLE_CYCLES)
            self._watchdog.cancel()
            self.finish()

    def finish(self) -> None:
        """Every scoreboard's verdict.

        Raises:
            AssertionError: one of them failed, or there is none.
        """
        assert self.scoreboards, "this bench compares nothing: it has no output"
        for board, minimum in self.scoreboards.values():
            board.finish(minimum)
