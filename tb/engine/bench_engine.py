"""Drives recorded streams through ``fcim_engine`` and records all that its ports saw.

The model is run afterwards, on the beats that the monitors saw, by :mod:`scripts.engine_run`; so nothing here knows the
right answer. Environment: ENGINE_STREAMS (input .npz), ENGINE_RECORD (output .npz, one per pattern), ENGINE_PATTERNS,
ENGINE_BUDGET (cycles), ENGINE_PROGRESS (optional file that holds the number of keys taken so far).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.pack import unpack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource

FIELDS = {"q": ("data", "pos", "mult", "shift", "tau", "last"), "k": ("data", "pos", "mult", "last"), "v": ("data", "last")}
OUT_FIELDS = ("data", "empty", "last")
COUNTER_BITS = 48
SETTLE_CYCLES = 40
PROGRESS_EVERY = 64


def load_beats(streams: Any, name: str) -> list[Beat]:
    """The beats of one input stream from the arrays ``<name>_<field>``; data rows are bytes, lane 0 first."""
    data = [int.from_bytes(row.tobytes(), "little") for row in streams[f"{name}_data"]]
    rest = {field: streams[f"{name}_{field}"].tolist() for field in FIELDS[name] if field != "data"}
    return [{"data": word, **{f: values[i] for f, values in rest.items()}} for i, word in enumerate(data)]


def beat_arrays(name: str, beats: list[Beat], fields: tuple[str, ...], lanes: int, width: int) -> dict[str, np.ndarray]:
    """Monitored beats as arrays ``<name>_<field>``; data as signed lanes ``[beats, lanes]``."""
    arrays = {f"{name}_{f}": np.array([beat[f] for beat in beats], dtype=np.int64) for f in fields if f != "data"}
    rows = [unpack(beat["data"], lanes, width, signed=True) for beat in beats]
    arrays[f"{name}_data"] = np.stack(rows) if rows else np.zeros((0, lanes), dtype=np.int64)
    return arrays


class Progress:
    """Writes the number of accepted keys to a file now and then."""

    def __init__(self, path: str | None) -> None:
        self.path, self.count = path, 0

    def count_key(self, _: Beat) -> None:
        """A monitor callback."""
        self.count += 1
        if self.path and self.count % PROGRESS_EVERY == 0:
            Path(self.path).write_text(str(self.count))


@cocotb.test()
@cocotb.parametrize(pattern=[cocotb.Param(value=p, name=p) for p in os.environ.get("ENGINE_PATTERNS", "none").split(",")])
async def run_streams(dut: Any, pattern: str) -> None:
    """Send everything, wait for as many rows as went in, then a little longer for rows that should not come."""
    streams = np.load(os.environ["ENGINE_STREAMS"])
    head_dim = streams["q_data"].shape[1]
    sources, monitors = {}, {}
    progress = Progress(os.environ.get("ENGINE_PROGRESS"))
    dut.clear.value = 0
    for name, fields in FIELDS.items():
        stalls = source_stalls(pattern, rng(f"stalls {name}"))
        sources[name] = StreamSource(dut, f"s_{name}", fields, stalls)
        monitors[name] = StreamMonitor(dut, f"s_{name}", fields, progress.count_key if name == "k" else None)
    StreamSink(dut, "m_o", sink_stalls(pattern, rng("stalls o")))
    monitors["o"] = StreamMonitor(dut, "m_o", OUT_FIELDS)

    def state() -> str:
        return "accepted " + ", ".join(f"{name} {len(m.beats)}" for name, m in monitors.items())

    start_clock(dut)
    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), state)
    await reset(dut)
    rows = len(streams["q_last"])
    for name, source in sources.items():
        source.append(load_beats(streams, name))
    edge = RisingEdge(dut.clk)
    while len(monitors["o"].beats) < rows:
        await edge
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    word = int(dut.counters.value)
    counters = [(word >> (COUNTER_BITS * i)) & ((1 << COUNTER_BITS) - 1) for i in range(len(dut.counters) // COUNTER_BITS)]
    record: dict[str, Any] = {"counters": np.array(counters, dtype=np.int64), "error_v_count": int(dut.error_v_count.value),
                              "end_cycle": cycle()}
    for name, fields in FIELDS.items():
        record |= beat_arrays(name, monitors[name].beats, fields, head_dim, 8)
    record |= beat_arrays("o", monitors["o"].beats, OUT_FIELDS, head_dim, 16)
    record["o_cycle"] = np.array(monitors["o"].cycles)
    record["q_cycle"] = np.array(monitors["q"].cycles)
    target = Path(os.environ["ENGINE_RECORD"].replace("{pattern}", pattern))
    partial = target.with_suffix(".part.npz")
    np.savez(partial, **record)
    partial.replace(target)
