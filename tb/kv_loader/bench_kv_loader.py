"""The loader of key blocks: runs of every mode, pages that are used up and never twice, whose turn it is, the rate."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles

from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.kv_loader.agents import Loader
from tb.kv_loader.model import DECODE, MODES, RESIDENT, STREAMED, Call
from tb.kv_loader.sequences import random_runs, run

CALLS = (RESIDENT, STREAMED, DECODE, RESIDENT, DECODE)
RUNS = {RESIDENT: 6, STREAMED: 6, DECODE: 2}
SETTLE = 60         # cycles: more than any block takes that has a page


@cocotb.test()
@each_pattern()
async def runs(dut: Any, pattern: str) -> None:
    """Calls of every mode, one after the other, with random runs."""
    async with Loader(dut, pattern) as loader:
        draw = rng("runs")
        for mode in CALLS:
            await loader.begin(Call.draw(draw, mode, loader.sizes))
            loader.source.append(random_runs(draw, mode, loader.sizes, RUNS[mode]))
            await loader.finish()


@cocotb.test()
@cocotb.parametrize(mode=[cocotb.Param(value=mode, name=mode) for mode in (STREAMED, DECODE)])
async def uses_all_pages(dut: Any, mode: str) -> None:
    """Where nothing is freed, a slot asks for exactly as many blocks as it has pages, and for one more for each that is freed."""
    async with Loader(dut) as loader:
        share = loader.sizes.share(mode)
        await loader.begin(Call.draw(rng("call"), mode, loader.sizes))
        loader.frees = False
        loader.source.append([run(0, 5, min(share + 3, loader.sizes.blocks))])
        await ClockCycles(dut.clk, 10 * share + SETTLE)
        assert loader.model.blocks == share, f"{loader.model.blocks} blocks are asked for, {share} have a page"
        for more in range(1, min(share + 3, loader.sizes.blocks) - share + 1):
            loader.frees = True
            while len(loader.model.runs[0].pages) == share:
                await ClockCycles(dut.clk, 1)
                loader.frees = False
            await ClockCycles(dut.clk, SETTLE)
            assert loader.model.blocks == share + more, f"{loader.model.blocks} blocks are asked for, {share + more} have a page"
        loader.frees = True
        await loader.finish()


@cocotb.test()
@cocotb.parametrize(descending=[0, 1])
async def heads_share_the_ring(dut: Any, descending: int) -> None:
    """A head's blocks come as far as the pages that the head before leaves, and the rest when that one is freed."""
    async with Loader(dut) as loader:
        pages, draw = loader.sizes.pages, rng("heads")
        await loader.begin(Call.draw(draw, RESIDENT, loader.sizes))
        for slot, fits_all in ((0, False), (1, True), (0, False)):
            taken = loader.model.blocks
            free = int(draw.integers(1, pages))
            second = int(draw.integers(1, free + 1) if fits_all else draw.integers(free + 1, pages + 1))
            loader.frees = False
            loader.source.append([run(slot, 1, pages - free), run(1 - slot, 2, second, 0, bool(descending))])
            await ClockCycles(dut.clk, 10 * pages + SETTLE)
            # downwards the first block lies furthest in the ring: nothing fits unless all does
            fits = second if fits_all else 0 if descending else free
            came = loader.model.blocks - taken
            assert came == pages - free + fits, f"{came} blocks are asked for, {pages - free} and {fits} have a page"
            loader.frees = True
            await loader.finish()


@cocotb.test()
async def waits_until_all_is_over(dut: Any) -> None:
    """The next run of a slot is taken neither before its blocks are loaded nor before its pages are free."""
    async with Loader(dut) as loader:
        draw = rng("calls")
        for mode in MODES:
            await loader.begin(Call.draw(draw, mode, loader.sizes))
            before = len(loader.runs.beats)
            loader.loads = loader.frees = False
            loader.source.append([run(0, 7, 2), run(0, 9, 1)])
            await ClockCycles(dut.clk, SETTLE)
            assert len(loader.runs.beats) == before + 1, "a run is taken before the one before is loaded"
            loader.loads = True
            await ClockCycles(dut.clk, SETTLE)
            assert len(loader.runs.beats) == before + 1, "a run is taken before the pages of the one before are free"
            loader.frees = True
            await loader.finish()


@cocotb.test()
async def takes_turns(dut: Any) -> None:
    """Engines of a decode get a block each, in their order; a block takes 6 cycles, its commands one each."""
    async with Loader(dut) as loader:
        await loader.begin(Call.draw(rng("call"), DECODE, loader.sizes))
        loader.loads = loader.frees = False
        engines = loader.sizes.engines
        loader.source.append([run(slot, slot, 2, slot) for slot in range(engines)])
        await ClockCycles(dut.clk, 12 * engines + SETTLE)
        slots = [beat["slot"] for beat in loader.commands.beats[::3]]
        assert slots == [*range(engines)] * 2, f"slots are served in the order {slots}"
        offers = np.array(loader.commands.offers)
        assert offers[0] - loader.runs.cycles[0] == 7, "the first command comes 7 cycles after its run"
        assert (np.diff(offers[::3]) == 6).all(), "a block takes 6 cycles"
        assert (np.diff(offers.reshape(-1, 3)) == 1).all(), "the commands of a block come one behind the other"
        loader.loads = loader.frees = True
        await loader.finish()
