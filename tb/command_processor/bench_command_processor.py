"""Command processor: descriptors from a ring, which are refused and how, calls, completion words, events, disable, reset."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from models.system.descriptor import Flag, Op, Status, check
from tb.command_processor import coverage
from tb.command_processor.agents import COUNTS, Processor
from tb.command_processor.sequences import Item, around_the_buffer, changed, changes, draw_legal, twice_changed
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern


def steps(processor: Processor) -> int:
    """Cycles of a division, of which the header speaks as N."""
    return max(processor.limits.max_keys.bit_length(), 8)


@cocotb.test()
@each_pattern()
async def calls(dut: Any, pattern: str) -> None:
    """Legal descriptors and some that are not, with errors here and there; with nothing in the way, when things happen."""
    processor = Processor(dut, pattern)
    draw, limits = rng("items"), processor.limits
    coverage.sample_parameters(limits.data_bits)
    broken = list(changes(limits))
    items = []
    for number in range(30):
        errors = (bool(number & 1), bool(number & 2), bool(number & 4))
        descriptor = draw_legal(draw, limits, (Op.PREFILL, Op.DECODE, None)[number % 3])
        if number % 5 == 4:
            descriptor = changed(draw, limits, broken[int(draw.integers(len(broken)))])
        items.append(Item(descriptor, errors=errors, word_error=bool(draw.integers(6) == 0)))
    items += [Item(descriptor) for descriptor in around_the_buffer(draw, limits)]
    async with processor.bench:
        await processor.run(items)
    processor.finish()
    assert processor.seen == sum(check(item.descriptor, limits) == Status.OK for item in items)


@cocotb.test()
async def every_rule(dut: Any) -> None:
    """Each rule broken alone gives its status, whatever else is legal; of two that are broken the lower status is given."""
    processor = Processor(dut, size=3, budget=200_000)
    draw, limits = rng("items"), processor.limits
    found = list(changes(limits))
    items = []
    for change in found:
        descriptor = changed(draw, limits, change)
        assert check(descriptor, limits) == change.status, f"the rules say {check(descriptor, limits)} of {change}"
        coverage.sample_rule(change.name)
        items.append(Item(descriptor))
    items += [Item(descriptor) for descriptor in twice_changed(draw, limits)]
    async with processor.bench:
        await processor.run(items)
    processor.finish()


@cocotb.test()
async def when(dut: Any) -> None:
    """Every latency that the header names."""
    processor = Processor(dut)
    draw, limits, n = rng("items"), processor.limits, steps(processor)
    legal = [draw_legal(draw, limits, op) for op in (Op.PREFILL, Op.DECODE, Op.PREFILL)]
    early, late = replace(legal[0], tokens=0), replace(legal[1], completion=4)
    edge = RisingEdge(dut.clk)
    async with processor.bench:
        for _ in range(3):
            await edge
        for descriptor, refused in ((legal[0], None), (legal[1], None), (early, 3), (late, 4 + n)):
            start = len(processor.bench.monitors["m_desc_cmd"].offers)
            await processor.run([Item(descriptor)])
            moments = {name: cycles[-1] for name, cycles in processor.moments.items()}
            word = processor.bench.monitors["m_word"].offers[-1]
            since = moments["call done"] if refused is None else moments["last beat"]
            assert word - since == (refused or 1), f"m_word comes {word - since} cycles later"
            if refused is None:
                took = moments["call"] - moments["last beat"]
                assert took == 5 + 2 * n, f"call_valid comes {took} cycles after the last beat"
            assert moments["head"] - moments["word done"] == 1, "head moves 1 cycle after word_done"
            assert len(processor.bench.monitors["m_desc_cmd"].offers) == start + 1
        # one behind the other, and at rest
        for item in (Item(replace(legal[2], flags=legal[2].flags | Flag.INTERRUPT)), Item(legal[0])):
            processor.put(item)
        put = processor.put_at
        await processor.idle()
        asked = processor.bench.monitors["m_desc_cmd"].offers[-2:]
        assert asked[0] - put == 2, f"m_desc_cmd_valid comes {asked[0] - put} cycles after tail has changed"
        done = processor.moments["word done"][-2]
        assert asked[1] - done == 2, f"the next one is asked for {asked[1] - done} cycles after word_done"
    processor.finish()


@cocotb.test()
async def not_to_be_read(dut: Any) -> None:
    """A descriptor with a beat that has an error stops the ring until enable falls; then it is read anew."""
    processor = Processor(dut, "both")
    draw, limits = rng("items"), processor.limits
    beats = 128 // limits.beat_bytes
    edge = RisingEdge(dut.clk)
    async with processor.bench:
        for number, beat in enumerate(sorted({0, beats // 2, beats - 1})):
            descriptor = draw_legal(draw, limits)
            processor.put(Item(descriptor))
            processor.put(Item(replace(descriptor, flags=Flag.INTERRUPT), lost=frozenset({beat})))
            processor.put(Item(draw_legal(draw, limits)))
            while str(dut.halted.value) != "1":
                await edge
            await ClockCycles(dut.clk, 60)
            assert str(dut.halted.value) == "1" and str(dut.busy.value) == "0", "it does not stay halted"
            assert len(processor.items) == 2, "the descriptor before it has not ended"
            processor.mend()
            dut.enable.value = 0
            await edge
            await edge
            if number % 2:
                await ClockCycles(dut.clk, 50)
                assert len(processor.items) == 2 and str(dut.busy.value) == "0", "it works while it is disabled"
            dut.enable.value = 1
            await processor.idle()
    processor.finish()


@cocotb.test()
async def disabled(dut: Any) -> None:
    """Nothing is read while it is disabled; what is under way when enable falls comes to its end."""
    processor = Processor(dut, "both", size=1)
    draw, limits = rng("items"), processor.limits
    edge = RisingEdge(dut.clk)
    pins = dict(zip(coverage.STAGES, (None, dut.m_desc_cmd_valid, dut.call_valid, dut.m_word_valid), strict=True))
    async with processor.bench:
        for stage, pin in pins.items():
            if pin is None:
                dut.enable.value = 0
                await edge
            ended = 2
            for _ in range(2):
                processor.put(Item(draw_legal(draw, limits)))
            if pin is not None:
                while str(pin.value) != "1":
                    await edge
                dut.enable.value = 0
                ended = 1
            coverage.sample_disable(stage)
            await ClockCycles(dut.clk, 400)
            assert len(processor.items) == ended, f"disabled at '{stage}': {len(processor.items)} descriptors wait, not {ended}"
            assert str(dut.busy.value) == "0", "it is busy though it is disabled and nothing is under way"
            dut.enable.value = 1
            await processor.idle()
    processor.finish()


@cocotb.test()
async def rings(dut: Any) -> None:
    """Rings of many sizes, one over the end of the addresses, and head and tail that wrap."""
    edge = RisingEdge(dut.clk)
    processor = Processor(dut, base=(1 << 64) - 3 * 128, budget=200_000)
    draw, limits = rng("items"), processor.limits
    async with processor.bench:
        for size in (0, 1, 3, 6, 15):
            processor.resize(size)
            await edge
            await processor.run(Item(replace(draw_legal(draw, limits), op=0)) for _ in range(min(1 << size, 64) + 3))
        await processor.jump(COUNTS - 3)
        await edge
        await processor.run(Item(replace(draw_legal(draw, limits), op=0)) for _ in range(6))
    processor.finish()


@cocotb.test()
async def reset_in_the_middle(dut: Any) -> None:
    """A reset at any time: nothing is left, head is 0, and the ring works as ever."""
    processor = Processor(dut, "both")
    draw, limits = rng("items"), processor.limits
    edge = RisingEdge(dut.clk)
    pins = dict(zip(coverage.STAGES, (None, dut.m_desc_cmd_valid, dut.call_valid, dut.m_word_valid), strict=True))
    async with processor.bench:
        for later in (0, 7, 19):
            for stage, pin in pins.items():
                await processor.run([Item(draw_legal(draw, limits))])
                if pin is not None:
                    processor.put(Item(draw_legal(draw, limits)))
                while pin is not None and str(pin.value) != "1":
                    await edge
                await ClockCycles(dut.clk, later)
                coverage.sample_reset(stage)
                dut.rst_n.value = 0
                await edge
                processor.forget()
                await edge
                outputs = (dut.busy, dut.halted, dut.m_desc_cmd_valid, dut.call_valid, dut.m_word_valid)
                assert all(str(output.value) == "0" for output in outputs), "a reset leaves something"
                assert int(dut.head.value) == 0, "a reset leaves head"
                await reset(dut)
        await processor.run([Item(draw_legal(draw, limits)) for _ in range(3)])
    processor.finish()
