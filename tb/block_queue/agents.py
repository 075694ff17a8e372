"""Drivers of ``fcim_block_queue``: one that answers blocks with decisions, and one for every input, cycle by cycle."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.block_queue.checker import Checker
from tb.common.bench import Bench
from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.common.stream import Beat

INPUTS = ("s_blk_valid", "s_blk_start", "s_blk_count", "s_blk_last", "m_kreq_ready", "s_decision_valid", "s_decision_skip",
          "s_decision_last", "m_vreq_ready")


class DecisionDriver:
    """Answers each block with a decision, as early as can be or only when many blocks are inside."""

    def __init__(self, bench: Bench, patient: bool) -> None:
        self.source = bench.input("s_decision", ("skip", "last"))
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


class PinDriver:
    """Drives every input cycle by cycle; everything is 0 at first."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.checker, self.edge = dut, Checker(dut), RisingEdge(dut.clk)
        self.set()

    def set(self, **values: int) -> None:
        """Inputs from now on; those that are not named are 0."""
        for name in INPUTS:
            getattr(self.dut, name).value = values.get(name, 0)

    async def start(self) -> None:
        """Clock, reset and the checker."""
        start_clock(self.dut)
        start_watchdog(20_000)
        cocotb.start_soon(self.checker.watch())
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
        await self.cycle(s_decision_valid=1, m_vreq_ready=1, s_decision_last=last, s_decision_skip=skip)

    async def error(self, cycles: int = 2) -> bool:
        """The error flag after a few cycles without any valid or ready."""
        for _ in range(cycles):
            await self.cycle()
        return self.checker.bit("error_order")
