"""Bench of the runner's own test: a register slice that negates its four signed lanes. Environment: SLICE_MODE."""

from __future__ import annotations

import os

import cocotb

from tb.common.bench import Bench
from tb.common.pack import pack, unpack
from tb.common.stalls import each_pattern
from tb.common.stream import Beat

LANES, WIDTH, BEATS = 4, 16, 60
MODE = os.environ.get("SLICE_MODE", "good")


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
    async with bench:
        values = bench.rng.integers(-(2**15) + 1, 2**15, (BEATS, LANES))
        beats = [{"data": pack(row, WIDTH), "last": int(i == BEATS - 1)} for i, row in enumerate(values)]
        await source.send([] if MODE == "empty" else beats)
    if pattern == "none":
        cycles = bench.monitors["m_y"].cycles
        assert cycles[-1] - cycles[0] == BEATS - 1, "without stalls one beat must move per cycle"
