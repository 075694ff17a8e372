"""Drives query tiles into ``fcim_engine``, answers its requests from memories, and records all that its ports saw.

The record is that of :mod:`tb.core.bench_core` (the engine's requests are seen inside) and, as ``tile_*``, ``kreq_*`` and
``vreq_*``, the further streams. Environment beside that bench's: FETCH_WAIT (JSON: ``{"k": [least, most], "v": ...}`` cycles
that a memory waits), FETCH_BEFORE (cycles that a first run gets before a reset ends it, 0 for none), FETCH_HOLD (cycles by
which the first row of Q is late).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.coverage import enabled
from tb.common.rng import rng
from tb.common.stalls import always, sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource
from tb.core.bench_core import (
    DECISION_FIELDS,
    FIELDS,
    OUT_FIELDS,
    SETTLE_CYCLES,
    beat_arrays,
    each_engine_pattern,
    load_beats,
    read_counters,
    save_record,
    time_arrays,
)
from tb.core.watch import PortWatch
from tb.engine import coverage
from tb.engine.memory import KEYS, VALUES, Memory

BLOCK_FIELDS = ("start", "count", "last")
OUTPUTS = {"kreq": BLOCK_FIELDS, "vreq": (*BLOCK_FIELDS, "first"), "o": OUT_FIELDS}
TILE_FIELDS = ("keys", "schedule")


class EnginePins:
    """The pins as the engine's bench names them: its requests are wires inside the top."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, name.removeprefix("m_") if name.startswith("m_decision_") else name)


def words_of_tiles(streams: Any, name: str, fields: tuple[str, ...]) -> list[list[Beat]]:
    """Per tile the words of a memory, in the order of the sequence, from the arrays ``<name>_<field>``."""
    data = [int.from_bytes(row.tobytes(), "little") for row in streams[f"{name}_data"]]
    rest = {field: streams[f"{name}_{field}"].tolist() for field in fields if field != "data"}
    words = [{"data": word, **{f: values[i] for f, values in rest.items()}} for i, word in enumerate(data)]
    ends = np.cumsum(streams["tile_keys"]).tolist()
    return [words[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def waits(side: str, name: str) -> Callable[[], int]:
    """Draws the waits of a memory's answers."""
    least, most = json.loads(os.environ.get("FETCH_WAIT", "{}")).get(side, (0, 0))
    draw = rng(name)
    return lambda: int(draw.integers(least, most + 1))


class Surroundings:
    """Everything around the top for one run: sources of tiles and rows, sinks, memories; ``name`` names their random numbers."""

    def __init__(self, dut: Any, streams: Any, pattern: str, name: str) -> None:
        self.dut, self.hold = dut, int(os.environ.get("FETCH_HOLD", "0"))
        self.sources = {key: StreamSource(dut, f"s_{key}", fields, source_stalls(pattern, rng(f"{name} {key}")))
                        for key, fields in (("tile", TILE_FIELDS), ("q", FIELDS["q"]))}
        self.sinks = [StreamSink(dut, f"m_{key}", sink_stalls(pattern, rng(f"{name} {key}"))) for key in OUTPUTS]
        self.memories = [
            Memory(dut, side, words_of_tiles(streams, f"mem_{key}", side.fields), waits(key, f"{name} {key} waits"),
                   source_stalls(pattern, rng(f"{name} {key}")) or always())
            for key, side in (("k", KEYS), ("v", VALUES))]
        self.tiles = [dict(zip(TILE_FIELDS, beat)) for beat in zip(streams["tile_keys"].tolist(),
                                                                   streams["tile_schedule"].tolist())]
        self.rows = load_beats(streams, "q")

    async def send(self) -> None:
        """All tiles and all rows on their way."""
        self.sources["tile"].append(self.tiles)
        if self.hold:
            await ClockCycles(self.dut.clk, self.hold)
        self.sources["q"].append(self.rows)

    def stop(self) -> None:
        """Leave the pins to others."""
        for source in self.sources.values():
            source.kill()
        for sink in self.sinks:
            sink.stop()
        for memory in self.memories:
            memory.stop()
        for key in self.sources:
            getattr(self.dut, f"s_{key}_valid").value = 0


async def interrupted(dut: Any, streams: Any, pattern: str, longest: int) -> None:
    """A run that a reset ends at most ``longest`` cycles after its first request for keys."""
    around = Surroundings(dut, streams, pattern, "interrupted")
    await reset(dut)
    await around.send()
    cycles = int(rng("interrupted").integers(longest // 2, longest + 1))
    patience = 1000     # a memory may refuse its first request for a while
    while around.memories[0].tile < 0:
        assert patience, "nothing was going on"
        patience -= 1
        await ClockCycles(dut.clk, 1)
    await ClockCycles(dut.clk, cycles)
    dut._log.info(f"reset {cycles} cycles after the first request for keys was taken")
    coverage.sample_reset(around.memories[1].tile >= 0)
    around.stop()


async def sample(dut: Any) -> None:
    """What each cycle shows, for the functional coverage."""
    edge = RisingEdge(dut.clk)
    while True:
        await edge
        if dut.rst_n.value == 1:
            coverage.sample_cycle({key: (getattr(dut, f"{key}_valid").value == 1, getattr(dut, f"{key}_ready").value == 1)
                          for key in coverage.STREAMS})


@cocotb.test()
@each_engine_pattern
async def run_tiles(dut: Any, pattern: str) -> None:
    """Send everything, wait for as many rows as went in, then a little longer for what should not come; write the record."""
    streams = np.load(os.environ["ENGINE_STREAMS"])
    head_dim = streams["q_data"].shape[1]
    dut.clear.value = 0
    start_clock(dut)
    if before := int(os.environ.get("FETCH_BEFORE", "0")):
        await interrupted(dut, streams, pattern, before)
    around = Surroundings(dut, streams, pattern, "run")
    sides = {"k": FIELDS["k"], "v": FIELDS["v"]}
    monitors = {name: StreamMonitor(dut, f"s_{name}", fields)
                for name, fields in {"tile": TILE_FIELDS, "q": FIELDS["q"], **sides}.items()}
    monitors |= {name: StreamMonitor(dut, f"m_{name}", fields) for name, fields in OUTPUTS.items()}
    monitors["decision"] = StreamMonitor(dut, "decision", DECISION_FIELDS)

    def state() -> str:
        return "accepted " + ", ".join(f"{name} {len(m.beats)}" for name, m in monitors.items())

    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), state)
    await reset(dut)
    watch = PortWatch(EnginePins(dut))
    if enabled:
        cocotb.start_soon(sample(dut))
    await around.send()
    edge = RisingEdge(dut.clk)
    while len(monitors["o"].beats) < len(around.rows):
        await edge
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    record: dict[str, Any] = {"counters": np.array(read_counters(dut), dtype=np.int64), "end_cycle": cycle(),
                              "error_v_count": int(dut.error_v_count.value), "error_order": int(dut.error_order.value),
                              "left_over": sum(len(memory.due) for memory in around.memories)}
    for name, fields in (("q", FIELDS["q"]), *sides.items()):
        record |= beat_arrays(name, monitors[name].beats, fields, head_dim, 8)
    record |= beat_arrays("o", monitors["o"].beats, OUT_FIELDS, head_dim, 16)
    for name, fields in (("tile", TILE_FIELDS), ("kreq", OUTPUTS["kreq"]), ("vreq", OUTPUTS["vreq"]),
                         ("decision", DECISION_FIELDS)):
        record |= beat_arrays(name, monitors[name].beats, fields, 0, 0)
    record |= time_arrays(monitors)
    record |= {f"pins_{name}": count for name, count in watch.counts.items()}
    coverage.sample_run(monitors["tile"].beats, monitors["q"].beats, monitors["decision"].beats, int(dut.KEYS_PER_BLOCK.value),
               int(dut.BLOCKS_AHEAD.value))
    save_record(record, pattern)
