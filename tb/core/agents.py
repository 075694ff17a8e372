"""Agents around the engine inside a simulator: drivers of recorded streams, arrays of what monitors saw, a count of the pins."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from models.hardware.config import EngineConfig
from models.hardware.interface import CORE, Stream, unpack_counters
from tb.common.pack import unpack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls
from tb.common.stream import Beat, StreamMonitor, StreamSink, StreamSource

PROGRESS_EVERY = 64


def config_of(dut: Any) -> EngineConfig:
    """The configuration that a top was built with."""
    parameters = {key: int(getattr(dut, name).value) for key, name in EngineConfig.PARAMETERS.items()
                  if key not in EngineConfig.OPTIONAL or hasattr(dut, name)}     # gates have those that they were given
    return EngineConfig("dut", **parameters)


def words(streams: Any, name: str, stream: Stream, fields: Sequence[str] | None = None) -> list[Beat]:
    """The beats of arrays ``<name>_<field>``, of all fields of a stream or of some; data rows are bytes, lane 0 first."""
    data = [int.from_bytes(row.tobytes(), "little") for row in streams[f"{name}_data"]]
    rest = {field: streams[f"{name}_{field}"].tolist() for field in fields or stream.names if field != "data"}
    return [{"data": word, **{f: values[i] for f, values in rest.items()}} for i, word in enumerate(data)]


def load_beats(streams: Any, name: str) -> list[Beat]:
    """The beats of one input stream."""
    return words(streams, name, CORE[name])


def beat_arrays(stream: Stream, beats: Sequence[Beat], cfg: EngineConfig) -> dict[str, np.ndarray]:
    """Monitored beats as arrays ``<stream>_<field>``, int64; data, if there are any, as signed lanes ``[beats, lanes]``."""
    arrays = {f"{stream.name}_{f.name}": np.array([beat[f.name] for beat in beats], dtype=np.int64) for f in stream.numbers}
    if field := stream.data:
        lanes = getattr(cfg, field.lanes)
        rows = [unpack(beat[field.name], lanes, field.width(cfg) // lanes, signed=True) for beat in beats]
        arrays[f"{stream.name}_{field.name}"] = np.stack(rows) if rows else np.zeros((0, lanes), dtype=np.int64)
    return arrays


def time_arrays(monitors: Mapping[str, StreamMonitor]) -> dict[str, np.ndarray]:
    """When the beats of each stream were offered and taken (``<name>_offer``, ``<name>_cycle``), and the cycles in which its
    ``ready`` was other than in the one before (``<name>_ready``)."""
    return {f"{name}_{what}": np.array(cycles, dtype=np.int64) for name, monitor in monitors.items()
            for what, cycles in (("cycle", monitor.cycles), ("offer", monitor.offers), ("ready", monitor.ready_changes))}


def accepted(monitors: Mapping[str, StreamMonitor]) -> str:
    """How many beats each stream has moved, for messages."""
    return "accepted " + ", ".join(f"{name} {len(monitor.beats)}" for name, monitor in monitors.items())


def read_counters(dut: Any) -> dict[str, int]:
    """The engine's counters by name."""
    return unpack_counters(int(dut.counters.value))


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
    return (source_stalls if CORE[name].inward else sink_stalls)(pattern, rng(f"stalls {name}"))


def each_engine_pattern(test: Any) -> Any:
    """One cocotb test per pattern of ENGINE_PATTERNS."""
    names = os.environ.get("ENGINE_PATTERNS", "none").split(",")
    return cocotb.parametrize(pattern=[cocotb.Param(value=p, name=p) for p in names])(test)


def let_go(dut: Any, sources: Sequence[StreamSource], sinks: Sequence[StreamSink]) -> None:
    """End agents in the middle of what they do; no input is valid from then on."""
    for source in sources:
        source.kill()
    for sink in sinks:
        sink.stop()
    for stream in CORE.values():
        if stream.inward:
            getattr(dut, f"{stream.port}_valid").value = 0


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


class Progress:
    """Writes the number of accepted keys to a file now and then."""

    def __init__(self, path: str | None) -> None:
        self.path, self.count = path, 0

    def count_key(self, _: Beat) -> None:
        """A monitor callback."""
        self.count += 1
        if self.path and self.count % PROGRESS_EVERY == 0:
            Path(self.path).write_text(str(self.count))


class PortWatch:
    """Runs from its creation to the end of the test; ``counts`` holds the counters that the pins alone determine.

    Fails the test if ``tile_done`` is ever anything but "a tile's last row or chunk is taken in this cycle", or if a row and a
    chunk are offered at once.
    """

    def __init__(self, dut: Any) -> None:
        self.counts = dict.fromkeys(("cycles", "tiles", "keys", "blocks", "stall_k", "stall_o", "skipped_blocks",
                                     "stall_decision", "partial_rows"), 0)
        cocotb.start_soon(self._run(dut))

    async def _run(self, dut: Any) -> None:
        edge, counts = RisingEdge(dut.clk), self.counts
        in_flight, first_row = 0, True
        chunks, per_row = 0, config_of(dut).cycles_per_key
        while True:
            await edge
            q_taken = dut.s_q_valid.value == 1 and dut.s_q_ready.value == 1
            k_valid, k_ready = dut.s_k_valid.value == 1, dut.s_k_ready.value == 1
            o_valid, o_ready = dut.m_o_valid.value == 1, dut.m_o_ready.value == 1
            part_valid, part_ready = dut.m_part_valid.value == 1, dut.m_part_ready.value == 1
            assert not (o_valid and part_valid), "a row of O and a chunk of a partial tile at once"
            decision_valid, decision_ready = dut.m_decision_valid.value == 1, dut.m_decision_ready.value == 1
            decided = decision_valid and decision_ready
            done = (o_valid and o_ready and dut.m_o_last.value == 1
                    or part_valid and part_ready and dut.m_part_last.value == 1)
            if (dut.tile_done.value == 1) != done:
                raise AssertionError(f"tile_done is {dut.tile_done.value}; a tile's last beat is taken: {done}")
            running = in_flight > 0 or q_taken
            counts["cycles"] += running
            counts["tiles"] += done
            counts["keys"] += k_valid and k_ready
            counts["stall_k"] += running and k_ready and not k_valid
            counts["stall_o"] += o_valid and not o_ready or part_valid and not part_ready
            chunks += part_valid and part_ready
            counts["partial_rows"] = chunks // per_row
            counts["blocks"] += decided
            counts["skipped_blocks"] += decided and dut.m_decision_skip.value == 1
            counts["stall_decision"] += decision_valid and not decision_ready
            if q_taken:
                in_flight += first_row
                first_row = dut.s_q_last.value == 1
            in_flight -= done
