"""Bench of the runner's own test: a register slice that negates its four signed lanes. Environment: SLICE_MODE."""

from __future__ import annotations

import os

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.pack import pack, unpack
from tb.common.stalls import each_pattern
from tb.common.stream import Beat

LANES, WIDTH, BEATS = 4, 16, 60
MODE = os.environ.get("SLICE_MODE", "good")


async def watch(dut: object, name: str, pins: list[tuple[int, bool, bool]]) -> None:
    """Per cycle outside reset its number, ``valid`` and ``ready`` of a stream."""
    while True:
        await RisingEdge(dut.clk)
        if dut.rst_n.value == 1:
            pins.append((cycle(), getattr(dut, f"{name}_valid").value == 1, getattr(dut, f"{name}_ready").value == 1))


@cocotb.test()
@each_pattern()
async def round_trip(dut: object, pattern: str) -> None:
    """Random beats come out negated, in order, under each stall pattern."""
    bench = Bench(dut, pattern, budget=60 if MODE == "budget" else 3000)
    fields = ("data", "last")
    board = bench.output("m_y", fields, lanes={"data": (WIDTH, True)}, minimum=BEATS)

    def model(beat: Beat) -> None:
        lanes = -unpack(beat["data"], LANES, WIDTH, signed=True)
        if MODE == "corrupt" and board.compared == 3:
            lanes[2] ^= 1
        board.expect([{"data": pack(lanes, WIDTH), "last": beat["last"]}])

    source = bench.input("s_x", fields, callback=model)
    pins: dict[str, list[tuple[int, bool, bool]]] = {"s_x": [], "m_y": []}
    for name, seen in pins.items():
        cocotb.start_soon(watch(dut, name, seen))
    async with bench:
        values = bench.rng.integers(-(2**15) + 1, 2**15, (BEATS, LANES))
        beats = [{"data": pack(row, WIDTH), "last": int(i == BEATS - 1)} for i, row in enumerate(values)]
        await source.send([] if MODE == "empty" else beats)
    for name, seen in pins.items():
        monitor, free = bench.monitors[name], [True, *(not valid or ready for _, valid, ready in seen)]
        assert monitor.offers == [at for (at, valid, _), fresh in zip(seen, free) if valid and fresh]
        changes = zip(seen, [False, *(ready for _, _, ready in seen)])
        assert monitor.ready_changes == [at for (at, _, ready), before in changes if ready != before]
    if pattern == "none":
        cycles = bench.monitors["m_y"].cycles
        assert cycles[-1] - cycles[0] == BEATS - 1, "without stalls one beat must move per cycle"
