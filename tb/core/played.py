"""The files of ``tb/hdl``: streams that :mod:`tb_stream_source` plays, and the beats that :mod:`tb_stream_recorder` wrote.

A payload is the stream's data, lane 0 in the low bits, and above it the other fields in the order of the interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from models.hardware.config import EngineConfig
from models.hardware.interface import Stream

HEAD_BYTES = 8          # of a record, before its payload: the cycles of acceptance and of the first offer
SINK_PAIRS = 4096       # after so many pauses the sink's rhythm repeats


def idle_cycles(stalls: Iterator[tuple[int, int]] | None, beats: int) -> np.ndarray:
    """For each of ``beats`` beats the idle cycles before it, under ``(on, off)`` pairs as a source takes them."""
    idle = np.zeros(beats, dtype=np.int64)
    if stalls is None:
        return idle
    at = 0
    while True:
        on, off = next(stalls)
        at += on
        if at >= beats:
            return idle
        idle[at] += off


def write_source(path: Path, stream: Stream, cfg: EngineConfig, streams: Mapping[str, np.ndarray], idle: np.ndarray) -> None:
    """Write a stream from its arrays ``<stream>_<field>``; data rows are bytes, lane 0 first."""
    data = np.ascontiguousarray(streams[f"{stream.name}_data"]).view(np.uint8)
    above, shift = np.zeros(len(data), dtype=np.uint64), 0
    for field in stream.numbers:
        above |= streams[f"{stream.name}_{field.name}"].astype(np.uint64) << np.uint64(shift)
        shift += field.width(cfg)
    high = above.astype(">u8")[:, None].view(np.uint8)[:, 8 - (shift + 7) // 8:]
    first = idle.astype(">u4")[:, None].view(np.uint8)
    path.write_bytes(np.concatenate([first, high, data[:, ::-1]], axis=1).tobytes())


def write_sink(path: Path, stalls: Iterator[tuple[int, int]]) -> None:
    """Write the sink's rhythm: ``(ready, not ready)`` pairs of cycles."""
    path.write_bytes(np.array(list(islice(stalls, SINK_PAIRS)), dtype=">u4").tobytes())


def _lanes(payload: np.ndarray, lanes: int, bits: int) -> np.ndarray:
    """The signed lanes in the low ``bits`` of each payload, uint8 ``[beats, bytes]``: int8 or int16 as they are, else int64."""
    if (width := bits // lanes) in (8, 16):
        return np.ascontiguousarray(payload[:, :bits // 8]).view(f"<i{width // 8}")
    weights = np.int64(1) << np.arange(width, dtype=np.int64)
    weights[-1] = -weights[-1]
    return np.unpackbits(payload, axis=1, count=bits, bitorder="little").reshape(len(payload), lanes, width) @ weights


def read_beats(path: Path, stream: Stream, cfg: EngineConfig) -> dict[str, np.ndarray]:
    """Recorded beats as arrays ``<stream>_<field>``: lanes ``[beats, lanes]``, if there are any; the rest, the cycle of
    acceptance ``<stream>_cycle`` and that of the first offer ``<stream>_offer`` int64 ``[beats]``.

    Raises:
        ValueError: the file ends within a record.
    """
    name, data = stream.name, stream.data
    data_bytes = data.width(cfg) // 8 if data else 0
    size = HEAD_BYTES + (stream.width(cfg) + 31) // 32 * 4
    raw = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    if raw.size % size:
        raise ValueError(f"{path.name} holds {raw.size} bytes, which is no multiple of its records' {size}")
    raw = raw.reshape(-1, size)
    above = np.zeros((len(raw), 8), dtype=np.uint8)
    payload = raw[:, HEAD_BYTES:]
    numbers = payload[:, data_bytes:data_bytes + 8]
    above[:, :numbers.shape[1]] = numbers
    word = above.view("<u8")[:, 0]
    head = np.ascontiguousarray(raw[:, :HEAD_BYTES]).view("<u4").astype(np.int64)
    arrays = {f"{name}_cycle": head[:, 0], f"{name}_offer": head[:, 1]}
    if data:
        arrays[f"{name}_{data.name}"] = _lanes(payload, getattr(cfg, data.lanes), data.width(cfg))
    shift = data.width(cfg) % 8 if data else 0
    for field in stream.numbers:
        width = field.width(cfg)
        arrays[f"{name}_{field.name}"] = ((word >> np.uint64(shift)) & np.uint64((1 << width) - 1)).astype(np.int64)
        shift += width
    return arrays


def read_ready(path: Path, name: str) -> dict[str, np.ndarray]:
    """``<name>_ready``: the cycles in which ``ready`` was other than in the one before, the first one high, int64."""
    return {f"{name}_ready": np.frombuffer(path.read_bytes(), dtype="<u4").astype(np.int64)}


def read_states(path: Path) -> np.ndarray:
    """``[n, 2]`` int64: a state word of ``tb_core`` and the cycles spent in it."""
    return np.frombuffer(path.read_bytes(), dtype="<u4").astype(np.int64).reshape(-1, 2)


def outputs_due(streams: Mapping[str, np.ndarray], cfg: EngineConfig) -> dict[str, int]:
    """How many beats of o and part a run must see: for each row of Q one of O, or the chunks of a row of a partial tile."""
    ends = np.flatnonzero(streams["q_last"])
    rows, partial = np.diff(ends, prepend=-1), streams["q_partial"][ends] != 0
    return {"o": int(rows[~partial].sum()), "part": int(rows[partial].sum()) * cfg.cycles_per_key}


def beats_due(streams: Mapping[str, np.ndarray], cfg: EngineConfig) -> dict[str, int]:
    """How many beats of each stream a run must see."""
    return {name: len(streams[f"{name}_last"]) for name in "qkv"} | outputs_due(streams, cfg)


def missing(seen: Mapping[str, int], due: Mapping[str, int], names: Sequence[str] = ("q", "k", "v", "o", "part")) -> str:
    """``accepted q 3/4, ...`` for messages."""
    return "accepted " + ", ".join(f"{name} {seen[name]}/{due[name]}" for name in names)
