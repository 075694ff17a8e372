"""Drives waves of query tiles into ``fcim_cluster`` and records the rows that come out, and how often the buffer was read.

Environment: ENGINE_STREAMS, ENGINE_RECORD, ENGINE_PATTERNS, ENGINE_BUDGET as in :mod:`tb.core.bench_core`. The streams hold the
buffer as arrays ``buffer_<field>``, waves as ``wave_<field>`` and rows of Q as ``q_<field>``.
"""

from __future__ import annotations

import os
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from models.hardware.interface import CORE, unpack_counters
from tb.cluster import coverage
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.coverage import enabled
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import StreamMonitor, StreamSink, StreamSource
from tb.core.agents import accepted, each_engine_pattern, save_record

WAVE = ("ascending", "own_start", "base", "blocks")
Q = ("engine", *(name for name in CORE["q"].names if name != "partial"))     # whole tiles alone
ROWS_OUT = ("engine", *CORE["o"].names)
SETTLE_CYCLES = 300
BUS_PINS = ("head_valid", "head_own", "head_skip", "room", "take", "stream_valid")


async def fill(dut: Any, streams: Any) -> None:
    """Writes K and V into the buffer, a row of each per cycle."""
    edge = RisingEdge(dut.clk)
    for address, (k, v) in enumerate(zip(streams["buffer_k"], streams["buffer_v"], strict=True)):
        dut.k_we.value = dut.v_we.value = 1
        dut.k_address.value = dut.v_address.value = address
        dut.k_data.value, dut.v_data.value = (int.from_bytes(row.tobytes(), "little") for row in (k, v))
        dut.k_mult.value = int(streams["buffer_mult"][address])
        dut.k_v_mult.value = int(streams["buffer_v_mult"][address])
        await edge
    dut.k_we.value = dut.v_we.value = 0


def rows_of(streams: Any) -> list[dict[str, int]]:
    """Rows of Q as beats."""
    columns = {name: streams[f"q_{name}"].tolist() for name in Q if name != "data"}
    data = [int.from_bytes(row.tobytes(), "little") for row in streams["q_data"]]
    return [{"data": word, **{name: values[i] for name, values in columns.items()}} for i, word in enumerate(data)]


class Reads:
    """Counts blocks that the buses read."""

    def __init__(self, dut: Any) -> None:
        self.k = self.v = 0
        cocotb.start_soon(self._run(dut))

    async def _run(self, dut: Any) -> None:
        edge = RisingEdge(dut.clk)
        while True:
            await edge
            self.k += dut.ev_k_block.value == 1
            self.v += dut.ev_v_block.value == 1


def number(signal: Any) -> int:
    """A signal's value, bits that are X as 0: what they would tell is valid only where another bit says so."""
    return int(str(signal.value).lower().replace("x", "0"), 2)


async def sample(dut: Any) -> None:
    """What each cycle shows, for the functional coverage."""
    edge, engines = RisingEdge(dut.clk), int(dut.ENGINES.value)
    while True:
        await edge
        if dut.rst_n.value != 1:
            continue
        for name, letter in (("keys", "k"), ("values", "v")):
            row_bus = dut.u_key_bus if letter == "k" else dut.u_value_bus
            running = sum(int(getattr(stream, f"u_{name}").run_q.value) << i for i, stream in enumerate(dut.g_stream))
            coverage.sample_bus(name, coverage.BusPins(
                *(number(getattr(row_bus, pin)) for pin in BUS_PINS), running,
                number(row_bus.stream_ready) & number(row_bus.stream_valid)), engines)
        coverage.sample_rows(number(dut.o_valids), dut.m_o_valid.value == 1 and dut.m_o_ready.value == 0)


@cocotb.test()
@each_engine_pattern
async def run_waves(dut: Any, pattern: str) -> None:
    """Fill the buffer, send all waves and rows, wait for as many rows of O, then a little longer; write the record."""
    streams = np.load(os.environ["ENGINE_STREAMS"])
    dut.clear.value = dut.k_we.value = dut.v_we.value = dut.counters_engine.value = 0
    start_clock(dut)
    sources = {name: StreamSource(dut, f"s_{name}", fields, source_stalls(pattern, rng(f"stalls {name}")))
               for name, fields in (("wave", WAVE), ("q", Q))}
    StreamSink(dut, "m_o", sink_stalls(pattern, rng("stalls o")))
    monitors = {"wave": StreamMonitor(dut, "s_wave", WAVE), "q": StreamMonitor(dut, "s_q", Q),
                "o": StreamMonitor(dut, "m_o", ROWS_OUT)}
    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), lambda: accepted(monitors))
    await reset(dut)
    await fill(dut, streams)
    reads, start = Reads(dut), cycle()
    if enabled:
        cocotb.start_soon(sample(dut))
    bits = int(streams["blocks_bits"])
    sources["wave"].append([
        {"ascending": int(a), "own_start": int(o), "base": int(b), "blocks": pack(n.tolist(), bits)}
        for a, o, b, n in zip(*(streams[f"wave_{name}"] for name in WAVE), strict=True)])
    rows = rows_of(streams)
    sources["q"].append(rows)
    edge = RisingEdge(dut.clk)
    while len(monitors["o"].beats) < len(rows):
        await edge
    end = cycle()
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    counters = []
    for engine in range(int(dut.ENGINES.value)):
        dut.counters_engine.value = engine
        await RisingEdge(dut.clk)
        await ReadOnly()
        counters.append(list(unpack_counters(int(dut.counters.value)).values()))
        await RisingEdge(dut.clk)
    assert len(monitors["wave"].beats) == len(streams["wave_blocks"]), "waves are left over"
    for beat, blocks in zip(monitors["wave"].beats, streams["wave_blocks"].tolist(), strict=True):
        coverage.sample_wave(beat, blocks)
    beats, dim = monitors["o"].beats, int(dut.HEAD_DIM.value)
    save_record({
        **{f"o_{name}": np.array([beat[name] for beat in beats], dtype=np.int64) for name in ROWS_OUT if name != "data"},
        "o_data": np.stack([unpack(beat["data"], dim, 16, signed=True) for beat in beats]),
        "counters": np.array(counters, dtype=np.int64), "error": int(dut.error.value), "cycles": end - start,
        "k_blocks": reads.k, "v_blocks": reads.v}, pattern)
