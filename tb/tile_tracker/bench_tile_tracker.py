"""Tile tracker: decisions and finished blocks of random tiles, the pulse compared with a model in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.tile_tracker import coverage
from tb.tile_tracker.agents import TILES, TrafficDriver


@cocotb.test()
async def every_tile_once(dut: Any) -> None:
    """One pulse for each tile, in the cycle after its last decision or its last finished block, whichever is later."""
    traffic = TrafficDriver(dut)
    for name in ("finish", "finish_bank", "decided", "decided_skip", "decided_last", "decided_bank"):
        getattr(dut, name).value = 0
    start_clock(dut)
    start_watchdog(60 * TILES, lambda: f"{traffic.pulses} of {TILES} pulses")
    await reset(dut, quiet=("done_valid",))
    quiet = 0
    while quiet < 20:
        due = traffic.due
        traffic.step(cycle())
        await RisingEdge(dut.clk)
        pulse = str(dut.done_valid.value)
        assert pulse == str(int(due is not None)), f"cycle {cycle()}: done_valid is {pulse}, due is bank {due}"
        if due is not None:
            assert str(dut.done_bank.value) == str(due), f"cycle {cycle()}: done_bank is {dut.done_bank.value}, not {due}"
            traffic.pulses += 1
        quiet = quiet + 1 if traffic.pulses == TILES else 0
    assert all(count >= 5 for count in traffic.ends.values()), f"the traffic misses a case: {traffic.ends}"


@cocotb.test()
async def a_reset_drops_everything(dut: Any) -> None:
    """A block under way and an ended tile are dropped: no pulse comes, and the next tile is counted from nothing."""
    start_clock(dut)
    dut.finish.value = dut.decided.value = 0
    await reset(dut, quiet=("done_valid",))

    async def step(decided: tuple[int, int, int] | None, finish: int | None) -> str:
        """One cycle with a decision ``(skip, last, bank)`` and a finish; ``done_valid`` after it."""
        dut.decided.value = int(decided is not None)
        dut.decided_skip.value, dut.decided_last.value, dut.decided_bank.value = decided or (0, 0, 0)
        dut.finish.value, dut.finish_bank.value = int(finish is not None), finish or 0
        await RisingEdge(dut.clk)
        dut.decided.value = dut.finish.value = 0
        await RisingEdge(dut.clk)
        return str(dut.done_valid.value)

    for bank in (0, 1):
        assert await step((0, 0, bank), None) == "0"
        assert await step((1, 1, bank), None) == "0"    # ended, one block under way
        coverage.sample_reset(bank)
    await reset(dut, quiet=("done_valid",))
    for bank in (0, 1):
        assert await step((0, 0, bank), None) == "0"
        assert await step(None, bank) == "0", "a tile of before the reset is done"
        assert await step((1, 1, bank), None) == "1" and int(dut.done_bank.value) == bank


@cocotb.test()
async def a_reset_drops_the_pulse(dut: Any) -> None:
    """A tile is done in the very cycle of a reset: its pulse does not outlive it."""
    start_clock(dut)
    dut.finish.value = dut.decided.value = dut.decided_skip.value = 0
    await reset(dut, quiet=("done_valid",))
    for bank in (0, 1):
        dut.decided.value, dut.decided_last.value, dut.decided_bank.value = 1, 1, bank
        await RisingEdge(dut.clk)
        dut.decided.value, dut.finish.value, dut.finish_bank.value = 0, 1, bank
        await RisingEdge(dut.clk)
        dut.finish.value = 0
        await reset(dut, quiet=("done_valid",))
        await RisingEdge(dut.clk)
        assert str(dut.done_valid.value) == "0", "the pulse comes late"
