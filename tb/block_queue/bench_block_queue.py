"""Block queue: both sides' handshakes and payloads in every cycle against a list of blocks; wrong decisions; reset."""

from __future__ import annotations

import itertools
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import Timer

from tb.block_queue import coverage
from tb.block_queue.agents import DecisionDriver, PinDriver
from tb.block_queue.checker import FIELDS, Checker
from tb.common.bench import Bench
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import each_pattern
from tb.common.stream import Beat

BLOCKS = 700


def random_blocks(dut: Any, generator: np.random.Generator, count: int) -> list[Beat]:
    """Any starts and counts; a third of the blocks end a tile, so that tiles have one block to many."""
    start_bits, most = len(dut.s_blk_start), int(dut.KEYS_PER_BLOCK.value)
    return [{"start": int(generator.integers(1 << start_bits)), "count": int(generator.integers(1, most + 1)),
             "last": int(generator.random() < 1 / 3)} for _ in range(count)]


@cocotb.test()
@each_pattern(patient=[cocotb.Param(value=False, name="no"), cocotb.Param(value=True, name="yes")])
async def flow(dut: Any, pattern: str, patient: bool) -> None:
    """Random blocks and decisions, with decisions at once and with queues that fill up and run dry."""
    blocks = random_blocks(dut, rng("blocks"), BLOCKS)
    checker, bench = Checker(dut), Bench(dut, pattern, budget=20 * BLOCKS + 1000)
    board = bench.output("m_kreq", FIELDS, minimum=BLOCKS)
    board.expect(blocks)
    bench.output("m_vreq", (*FIELDS, "first"), minimum=BLOCKS // 4)
    values = bench.scoreboards["m_vreq"][0]
    driver = DecisionDriver(bench, patient)
    order = iter(blocks)
    first = True

    def count(beat: Beat) -> None:
        nonlocal first
        block = next(order)
        if not beat["skip"]:
            values.expect([{**block, "first": int(first)}])
        first = bool(beat["last"]) or (first and bool(beat["skip"]))

    bench.monitors["s_decision"].add_callback(count)
    source = bench.input("s_blk", FIELDS, callback=driver.block)
    watcher = cocotb.start_soon(checker.watch())
    async with bench:
        await source.send(blocks)
        driver.release()
    watcher.cancel()
    coverage.sample_depth(checker.depth)
    assert not checker.inside and next(order, None) is None and not checker.error
    if pattern == "none":
        cycles = bench.monitors["m_kreq"].cycles
        assert patient or (np.diff(cycles) == 1).all(), "a block and a decision move in every cycle"


@cocotb.test()
async def room_for_as_many_blocks_as_it_says(dut: Any) -> None:
    """Without a decision it takes exactly BLOCKS_AHEAD blocks; a decision makes room for the cycle after it, not for its own."""
    pins = PinDriver(dut)
    await pins.start()
    for i in range(pins.checker.depth + 3):
        await pins.push(start=i % 16)
    await pins.cycle()
    assert len(pins.checker.inside) == pins.checker.depth == pins.checker.fullest
    for i in range(3 * pins.checker.depth):
        await pins.cycle(s_blk_valid=1, m_kreq_ready=1, s_blk_start=i % 16, s_blk_count=1, s_decision_valid=1, m_vreq_ready=1)
    await pins.cycle()
    assert len(pins.checker.inside) == pins.checker.depth - 1, "a full queue takes a block in the cycle after a decision"


@cocotb.test()
async def valid_waits_for_no_ready(dut: Any) -> None:
    """Within a cycle no ready moves a valid, a payload, or the other side's ready, however full the queue is."""
    pins, draw = PinDriver(dut), rng("inputs")
    await pins.start()
    offered = ("m_kreq_valid", "m_kreq_start", "m_vreq_valid", "m_vreq_start", "m_vreq_first")
    outputs_of = {"m_kreq_ready": (*offered, "s_decision_ready"), "m_vreq_ready": (*offered, "s_blk_ready")}
    fills = set()
    for i in range(40 * pins.checker.depth):
        rising = (i // (4 * pins.checker.depth)) % 2 == 0
        push = int(draw.random() < (0.9 if rising else 0.2))
        decide = int(bool(pins.checker.inside) and draw.random() < (0.1 if rising else 0.9))
        last = pins.checker.inside[0]["last"] if pins.checker.inside else 0
        inputs = {"s_blk_valid": push, "s_blk_start": i % 8, "s_blk_count": 1, "s_decision_valid": decide,
                  "s_decision_last": last, "s_decision_skip": int(draw.integers(2)), "m_kreq_ready": 1, "m_vreq_ready": 1}
        pins.set(**inputs)
        for ready, outputs in outputs_of.items():
            seen = set()
            for value in (0, 1):
                getattr(dut, ready).value = value
                await Timer(1, "ns")
                seen.add(tuple(str(getattr(dut, name).value) for name in outputs))
            assert len(seen) == 1, f"{ready} moves one of {', '.join(outputs)}: {sorted(seen)}"
        fills.add(min(len(pins.checker.inside), 1) + (len(pins.checker.inside) == pins.checker.depth))
        await pins.edge
    assert fills == {0, 1, 2}


@cocotb.test()
async def wrong_decisions_are_noticed(dut: Any) -> None:
    """A decision with another ``last`` than the oldest block's, or without a block: the flag rises and stays up until a reset."""
    pins = PinDriver(dut)
    await pins.start()
    for last, said, skip in itertools.product((0, 1), (0, 1), (0, 1)):
        await pins.push(last)
        assert not await pins.error(), "the flag is up without a decision"
        await pins.decide(said, skip)
        assert await pins.error() == (last != said), "the flag does not tell whether last is wrong"
        await pins.push(1)
        await pins.decide(1)
        assert await pins.error() == (last != said), "the flag does not stay as it was"
        coverage.sample_error(last, said)
        await reset(dut)
        pins.checker.reset()
        assert not await pins.error(), "a reset does not lower the flag"
    for skip in (0, 1):
        for _ in range(3):
            await pins.decide(0, skip)
        assert await pins.error(), "a decision without a block is not noticed"
        coverage.sample_error(None, 0)
        await pins.push(1, start=5)
        await pins.decide(1)
        assert await pins.error() and not pins.checker.inside, "blocks after a wrong decision do not pass"
        await reset(dut)
        pins.checker.reset()


@cocotb.test()
async def reset_drops_the_blocks(dut: Any) -> None:
    """Blocks inside vanish, and the next one is its tile's first."""
    pins = PinDriver(dut)
    await pins.start()
    for inside in (1, pins.checker.depth):
        await pins.push(start=2)
        await pins.decide()
        for i in range(inside):
            await pins.push(start=i % 16)
        await pins.cycle()
        assert len(pins.checker.inside) == inside and not pins.checker.first
        pins.set()
        dut.rst_n.value = 0
        await pins.edge
        pins.checker.reset()
        await reset(dut)
        coverage.sample_reset(inside, pins.checker.depth)
        for i in range(pins.checker.depth):
            await pins.push(start=7 - i % 4)
        for _ in range(pins.checker.depth):
            await pins.decide()
        assert not await pins.error() and not pins.checker.inside
        await reset(dut)
        pins.checker.reset()
