"""Drives recorded streams through ``fcim_core`` and records all that its ports saw.

The model is run afterwards, on the beats that the monitors saw, by :mod:`tb.core.environment`; so nothing here knows the
right answer. Environment: ENGINE_STREAMS (input .npz), ENGINE_RECORD (output .npz, one per pattern), ENGINE_PATTERNS,
ENGINE_BUDGET (cycles), ENGINE_PROGRESS (optional file that holds the number of keys taken so far), ENGINE_SLOW (optional
JSON: ``{stream: [on, off]}`` cycles that replace the pattern's pauses of that stream), ENGINE_WATCH (optional: count on the
pins what the counters claim), ENGINE_ON_DEMAND (optional: a block's values are sent once its request is taken, not before).
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import repeat
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
from tb.core.watch import PortWatch

FIELDS = {"q": ("data", "pos", "mult", "shift", "tau", "fused", "skip", "last"), "k": ("data", "pos", "mult", "last"),
          "v": ("data", "last")}
OUT_FIELDS = ("data", "empty", "last")
DECISION_FIELDS = ("skip", "last")
COUNTER_BITS = 48
SETTLE_CYCLES = 40
PROGRESS_EVERY = 64


def load_beats(streams: Any, name: str) -> list[Beat]:
    """The beats of one input stream from the arrays ``<name>_<field>``; data rows are bytes, lane 0 first."""
    data = [int.from_bytes(row.tobytes(), "little") for row in streams[f"{name}_data"]]
    rest = {field: streams[f"{name}_{field}"].tolist() for field in FIELDS[name] if field != "data"}
    return [{"data": word, **{f: values[i] for f, values in rest.items()}} for i, word in enumerate(data)]


def beat_arrays(name: str, beats: list[Beat], fields: tuple[str, ...], lanes: int, width: int) -> dict[str, np.ndarray]:
    """Monitored beats as arrays ``<name>_<field>``; data, if there are any, as signed lanes ``[beats, lanes]``."""
    arrays = {f"{name}_{f}": np.array([beat[f] for beat in beats], dtype=np.int64) for f in fields if f != "data"}
    if "data" not in fields:
        return arrays
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


def read_counters(dut: Any) -> list[int]:
    """The engine's counters, number 0 first."""
    word = int(dut.counters.value)
    return [(word >> (COUNTER_BITS * i)) & ((1 << COUNTER_BITS) - 1) for i in range(len(dut.counters) // COUNTER_BITS)]


def save_record(record: dict[str, Any], pattern: str) -> None:
    """Write the record of one run where ENGINE_RECORD says; a reader never sees half of it."""
    target = Path(os.environ["ENGINE_RECORD"].replace("{pattern}", pattern))
    partial = target.with_suffix(".part.npz")
    np.savez(partial, **record)
    partial.replace(target)


def stalls(name: str, pattern: str) -> Iterator[tuple[int, int]] | None:
    """When the stream ``name`` pauses: as ENGINE_SLOW says, else as the pattern does."""
    slow = json.loads(os.environ.get("ENGINE_SLOW", "{}"))
    if name in slow:
        return repeat(tuple(slow[name]))
    return (sink_stalls if name in ("o", "decision") else source_stalls)(pattern, rng(f"stalls {name}"))


def values_on_demand(streams: Any, source: StreamSource, per_block: int) -> Callable[[Beat], None]:
    """A callback for requests that queues the values of each block that runs."""
    ends = (np.flatnonzero(streams["k_last"]) + 1).tolist()
    sizes = iter([min(per_block, end - at) for start, end in zip([0, *ends[:-1]], ends) for at in range(start, end, per_block)])
    values = iter(load_beats(streams, "v"))

    def answer(request: Beat) -> None:
        size = next(sizes)
        if not request["skip"]:
            source.append([next(values) for _ in range(size)])

    return answer


def each_engine_pattern(test: Any) -> Any:
    """One cocotb test per pattern of ENGINE_PATTERNS."""
    names = os.environ.get("ENGINE_PATTERNS", "none").split(",")
    return cocotb.parametrize(pattern=[cocotb.Param(value=p, name=p) for p in names])(test)


def time_arrays(monitors: Mapping[str, StreamMonitor]) -> dict[str, np.ndarray]:
    """When the beats of each stream were offered and taken (``<name>_offer``, ``<name>_cycle``), and the cycles in which its
    ``ready`` was other than in the one before (``<name>_ready``)."""
    return {f"{name}_{what}": np.array(cycles, dtype=np.int64) for name, monitor in monitors.items()
            for what, cycles in (("cycle", monitor.cycles), ("offer", monitor.offers), ("ready", monitor.ready_changes))}


async def record_run(dut: Any, pattern: str, before: Callable[[Any], Awaitable[None]] | None = None) -> None:
    """Send everything, wait for as many rows as went in, then a little longer for rows that should not come; write the record.

    ``before(dut)`` runs first and may leave the engine in any state; a reset follows it.
    """
    streams = np.load(os.environ["ENGINE_STREAMS"])
    head_dim = streams["q_data"].shape[1]
    dut.clear.value = 0
    start_clock(dut)
    if before is not None:
        await before(dut)
    sources, monitors = {}, {}
    progress = Progress(os.environ.get("ENGINE_PROGRESS"))
    for name, fields in FIELDS.items():
        sources[name] = StreamSource(dut, f"s_{name}", fields, stalls(name, pattern))
        monitors[name] = StreamMonitor(dut, f"s_{name}", fields, progress.count_key if name == "k" else None)
    for name, fields in (("o", OUT_FIELDS), ("decision", DECISION_FIELDS)):
        StreamSink(dut, f"m_{name}", stalls(name, pattern))
        monitors[name] = StreamMonitor(dut, f"m_{name}", fields)

    def state() -> str:
        return "accepted " + ", ".join(f"{name} {len(m.beats)}" for name, m in monitors.items())

    watchdog = start_watchdog(int(os.environ["ENGINE_BUDGET"]), state)
    await reset(dut)
    watch = PortWatch(dut) if os.environ.get("ENGINE_WATCH") else None
    rows = len(streams["q_last"])
    for name, source in sources.items():
        if name == "v" and os.environ.get("ENGINE_ON_DEMAND"):
            monitors["decision"].add_callback(values_on_demand(streams, source, int(dut.KEYS_PER_BLOCK.value)))
        else:
            source.append(load_beats(streams, name))
    edge = RisingEdge(dut.clk)
    while len(monitors["o"].beats) < rows:
        await edge
    await ClockCycles(dut.clk, SETTLE_CYCLES)
    watchdog.cancel()
    record: dict[str, Any] = {"counters": np.array(read_counters(dut), dtype=np.int64),
                              "error_v_count": int(dut.error_v_count.value), "end_cycle": cycle()}
    for name, fields in FIELDS.items():
        record |= beat_arrays(name, monitors[name].beats, fields, head_dim, 8)
    record |= beat_arrays("o", monitors["o"].beats, OUT_FIELDS, head_dim, 16)
    record |= beat_arrays("decision", monitors["decision"].beats, DECISION_FIELDS, 0, 0)
    record |= time_arrays(monitors)
    if watch is not None:
        record |= {f"pins_{name}": count for name, count in watch.counts.items()}
    save_record(record, pattern)


@cocotb.test()
@each_engine_pattern
async def run_streams(dut: Any, pattern: str) -> None:
    """One run from reset."""
    await record_run(dut, pattern)
