"""Read router: every beat of every command where it belongs, ranks, errors, many commands ahead of their beats."""

from __future__ import annotations

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import reset
from tb.common.stalls import each_pattern
from tb.read_router import coverage
from tb.read_router.agents import Router

AT_LEAST = 16       # commands that may be ahead of their beats


@cocotb.test()
@each_pattern()
async def calls(dut: Any, pattern: str) -> None:
    """Prefill and decode: tiles, key blocks and descriptors as they come, each of them last, one beat in five with an error."""
    router = Router(dut, pattern)
    async with router.bench:
        for decode in (False, True):
            await router.call(tiles=5, blocks=4, descriptors=5, decode=decode)
        for blocks, descriptors in ((0, 0), (1, 0), (0, 1)):
            await router.call(tiles=int(not descriptors), blocks=blocks, descriptors=descriptors, decode=False)
    cmd = router.bench.monitors["m_cmd"]
    first = min(router.bench.monitors[name].cycles[0] for name in router.sources)
    assert cmd.offers[0] - first == 1, "a command leaves a cycle after it is taken"


@cocotb.test()
async def without_errors(dut: Any) -> None:
    """No beat has an error, and none is told."""
    router = Router(dut, errors=0)
    async with router.bench:
        await router.call(tiles=2, blocks=2, descriptors=2, decode=False)


@cocotb.test()
async def many_commands_ahead(dut: Any) -> None:
    """The reader takes commands and gives no beats for long: some wait, and nothing is lost or mixed up."""
    router = Router(dut)
    edge = RisingEdge(dut.clk)
    async with router.bench:
        for turn in range(2):
            router.answering = False
            task = cocotb.start_soon(router.call(tiles=12, blocks=6, descriptors=3, decode=bool(turn)))
            await ClockCycles(dut.clk, 100)
            assert len(router.asked_at) >= AT_LEAST, f"{len(router.asked_at)} commands are ahead of their beats"
            assert str(dut.s_load_ready.value) == "0", "a command is taken that nobody remembers"
            router.answering = True
            router.answer()
            await task
            await edge


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset drops commands, parts of rows and rows; what comes after it is routed as ever."""
    router = Router(dut, "backpressure")
    edge = RisingEdge(dut.clk)
    size = router.size
    tables = size.q_table_beats + 1
    async with router.bench:
        for given in (0, 1, tables, tables + 1, tables + size.row_beats, tables + 2 * size.row_beats - 1):
            router.answering = False
            tile = router.draw.tile(3)
            router.sources["s_fetch"].append([router.draw.h_table(size.width), *tile])
            await router.sources["s_fetch"].drain()
            router.sources["s_load"].append(router.draw.block())
            while len(router.held) < len(tile) + 4:
                await edge
            beats = [beat for command in router.held for beat in command]
            if given:
                await router.data.send(beats[:given])
            coverage.sample_reset(max(given - tables, 0), size.row_beats)
            dut.rst_n.value = 0
            await edge
            router.forget()
            await reset(dut)
            router.answering = True
            await router.call(tiles=1, blocks=1, descriptors=int(given == 0), decode=bool(given & 1))
