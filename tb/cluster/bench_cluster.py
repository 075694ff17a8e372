"""Drives calls into ``fcim_cluster`` and records the rows that come out, when tiles and pages are done with, and how often the
buffer was read.

Environment: ENGINE_STREAMS, ENGINE_RECORD, ENGINE_PATTERNS, ENGINE_BUDGET as in :mod:`tb.core.bench_core`; ENGINE_LATE, the
cycles at the start in which no row of O is taken. The streams hold the arrays of :meth:`tb.cluster.phases.Phase.arrays`, each
behind its call's number and a dot.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, ReadOnly, RisingEdge

from models.hardware.interface import CORE, unpack_counters
from tb.cluster import coverage
from tb.cluster.agents import RESIDENT, Loader, Watch
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.coverage import enabled
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import StreamMonitor, StreamSink, StreamSource
from tb.core.agents import accepted, each_engine_pattern, save_record

WAVE = ("ascending", "own_start", "stream", "tag", "mode", "base", "blocks", "first")
LANES = ("blocks", "first")     # of a wave, a number per engine
Q = ("engine", *CORE["q"].names)
ROWS_OUT = ("engine", *CORE["o"].names)
SETTLE_CYCLES = 300
BUS_PINS = ("head_valid", "head_own", "head_skip", "room", "take", "stream_valid")


def calls_of(streams: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The calls, each with its arrays by their names without the call's number."""
    calls: list[dict[str, np.ndarray]] = [{} for _ in range(1 + max(int(name.partition(".")[0]) for name in streams))]
    for name, values in streams.items():
        number, _, rest = name.partition(".")
        calls[int(number)][rest] = values
    return calls


def waves_of(call: Mapping[str, np.ndarray], widths: Mapping[str, int]) -> list[dict[str, int]]:
    """Waves as beats; ``widths`` are those of a lane."""
    columns = [[pack(lanes.tolist(), widths[name]) for lanes in call[f"wave_{name}"]] if name in LANES
               else call[f"wave_{name}"].tolist() for name in WAVE]
    return [dict(zip(WAVE, values, strict=True)) for values in zip(*columns, strict=True)]


def rows_of(call: Mapping[str, np.ndarray]) -> list[dict[str, int]]:
    """Rows of Q as beats."""
    columns = {name: call[f"q_{name}"].tolist() for name in Q if name != "data"}
    data = [int.from_bytes(row.tobytes(), "little") for row in call["q_data"]]
    return [{"data": word, **{name: values[i] for name, values in columns.items()}} for i, word in enumerate(data)]


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
        coverage.sample_rows(number(dut.o_valids), dut.m_o_valid.value == 1 and dut.m_o_ready.value == 0, engines)
        coverage.sample_done(number(dut.tile_done))
        fanout = dut.u_wave_fanout
        coverage.sample_waits(number(fanout.to_engine_q), number(fanout.to_key_q) | number(fanout.to_value_q),
                              number(fanout.to_keys_q) | number(fanout.to_values_q))
        for lane in dut.g_engine:
            coverage.sample_feed(lane.u_key_feed.room.value == 1, number(lane.u_key_feed.ahead_q))
        decode = dut.decode.value == 1
        if decode or dut.streamed.value == 1:
            asked = number(dut.k_head_valid) & number(dut.k_room) if decode else number(dut.k_valid)
            coverage.sample_passing(1 + decode, asked, number(dut.there), number(dut.v_passed), bool(number(dut.v_promise)))


@cocotb.test()
@each_engine_pattern
async def run_calls(dut: Any, pattern: str) -> None:
    """Send each call's waves, rows and merges, and load its blocks; wait for as many rows of O, then a little longer; write the
    record."""
    calls = calls_of(np.load(os.environ["ENGINE_STREAMS"]))
    engines, watch = int(dut.ENGINES.value), Watch(dut)
    dut.clear.value = dut.counters_engine.value = 0
    start_clock(dut)
    fields = {"wave": WAVE, "q": Q, "merge": ("parts",)}
    sources = {name: StreamSource(dut, f"s_{name}", of, source_stalls(pattern, rng(f"stalls {name}")))
               for name, of in fields.items()}
    late = int(os.environ.get("ENGINE_LATE", 0))
    StreamSink(dut, "m_o", chain([(0, late)], sink_stalls(pattern, rng("stalls o"))))
    monitors = {name: StreamMonitor(dut, f"s_{name}", of) for name, of in fields.items()}
    monitors["o"] = StreamMonitor(dut, "m_o", ROWS_OUT)
    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), lambda: accepted(monitors))
    loader = Loader(dut, watch, source_stalls(pattern, rng("stalls loader")), rng("loader"))
    await reset(dut)
    if enabled:
        cocotb.start_soon(sample(dut))
    widths = {name: len(getattr(dut, f"s_wave_{name}")) // engines for name in LANES}
    edge, rows, cycles = RisingEdge(dut.clk), 0, 0
    for call in calls:
        loader.begin(call)
        if call["wave_mode"][0] == RESIDENT:
            await loader.fill()
        start, loading = cycle(), cocotb.start_soon(loader.run())
        sources["wave"].append(waves_of(call, widths))
        sources["q"].append(rows_of(call))
        sources["merge"].append([{"parts": pack(parts.tolist(), 1)} for parts in call["merge_parts"]])
        rows += int(call["rows_out"])
        while len(monitors["o"].beats) < rows:
            await edge
        cycles += cycle() - start
        await ClockCycles(dut.clk, SETTLE_CYCLES)
        loading.cancel()
    watchdog.cancel()
    counters = []
    for engine in range(engines):
        dut.counters_engine.value = engine
        await RisingEdge(dut.clk)
        await ReadOnly()
        counters.append(list(unpack_counters(int(dut.counters.value)).values()))
        await RisingEdge(dut.clk)
    for name in ("wave", "merge"):
        sent = sum(len(call[f"{name}_{fields[name][-1]}"]) for call in calls)
        assert len(monitors[name].beats) == sent, f"a {name} is left over"
    blocks = [lanes for call in calls for lanes in call["wave_blocks"].tolist()]
    for beat, lanes in zip(monitors["wave"].beats, blocks, strict=True):
        coverage.sample_wave(beat, lanes)
    coverage.sample_modes([beat["mode"] for beat in monitors["wave"].beats])
    for beat in monitors["merge"].beats:
        coverage.sample_merge(beat["parts"], engines)
    beats, dim, q = monitors["o"].beats, int(dut.HEAD_DIM.value), monitors["q"]
    save_record({
        **{f"o_{name}": np.array([beat[name] for beat in beats], dtype=np.int64) for name in ROWS_OUT if name != "data"},
        "o_data": np.stack([unpack(beat["data"], dim, 16, signed=True) for beat in beats]),
        "o_cycle": np.array(monitors["o"].cycles), "q_cycle": np.array(q.cycles), "q_offer": np.array(q.offers),
        "done": np.array(watch.done, dtype=np.int64).reshape(-1, 3), "freed": np.array(watch.freed, dtype=np.int64),
        "counters": np.array(counters, dtype=np.int64), "error": int(dut.error.value), "cycles": cycles,
        "k_blocks": watch.k, "v_blocks": watch.v}, pattern)
