"""Resets the engine in the middle of a run and then runs as :mod:`tb.core.bench_core` does.

Environment beside the other's: ENGINE_ABORT, the largest number of cycles before the reset.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from models.hardware.interface import CORE, Stream
from tb.common.clock import reset
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamSink, StreamSource
from tb.core import coverage
from tb.core.agents import config_of, each_engine_pattern, let_go, read_counters
from tb.core.bench_core import record_run

CERTAIN_ERROR = 350    # cycles after which a block has met values that end wrongly


async def disturb(dut: Any, pattern: str) -> None:
    """Random tiles for a random number of cycles; every value claims to be its tile's last, so K and V soon disagree."""
    generator, cfg = rng("disturb"), config_of(dut)

    def word(width: int) -> int:
        return int.from_bytes(generator.bytes(-(-width // 8)), "little") & ((1 << width) - 1)

    def beats(stream: Stream) -> list[Beat]:
        widths = {field.name: field.width(cfg) for field in stream.fields}
        last = {"q": 0.2, "k": 0.04, "v": 1.0}[stream.name]
        return [{f: int(generator.random() < last) if f == "last" else 0 if f == "tau" else word(w) for f, w in widths.items()}
                for _ in range(300)]

    inward = [stream for stream in CORE.values() if stream.inward]
    sources = [StreamSource(dut, stream.port, stream.names, source_stalls(pattern, rng(f"disturb {stream.name}")))
               for stream in inward]
    sinks = [StreamSink(dut, stream.port, sink_stalls(pattern, rng(f"disturb {stream.name}")))
             for stream in CORE.values() if not stream.inward]
    await reset(dut)
    for stream, source in zip(inward, sources, strict=True):
        source.append(beats(stream))
    longest = int(os.environ["ENGINE_ABORT"])
    cycles = int(generator.integers(longest // 2, longest + 1))
    await ClockCycles(dut.clk, cycles)
    dut._log.info(f"reset after {cycles} cycles")
    assert int(dut.counters.value) != 0, "nothing was going on"
    counted = read_counters(dut)
    coverage.sample_reset(counted["keys"], counted["o_bytes"], error=dut.error_v_count.value == 1)
    if cycles >= CERTAIN_ERROR:
        assert dut.error_v_count.value == 1, "values of another length than the keys were not noticed"
        coverage.sample_lowered()   # the run that follows must find it at 0
    let_go(dut, sources, sinks)


@cocotb.test()
@each_engine_pattern
async def run_after_reset(dut: Any, pattern: str) -> None:
    """A run from a reset that interrupted another one."""
    await record_run(dut, pattern, before=lambda dut: disturb(dut, pattern))
