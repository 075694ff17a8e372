"""Agents around ``fcim_engine``: memories that answer its requests, sources of tiles and rows, sinks."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import ClockCycles, RisingEdge

from models.hardware.interface import ENGINE, Stream
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stalls import always, sink_stalls, source_stalls
from tb.common.stream import Beat, StreamSink, StreamSource
from tb.core.agents import load_beats, words


@dataclass(frozen=True)
class Side:
    """A stream of requests and the one that answers it."""

    request: Stream
    answer: Stream

    @property
    def fields(self) -> tuple[str, ...]:
        """Of a word of the memory: those of the answer but ``last``, which the request decides."""
        return tuple(name for name in self.answer.names if name != "last")


KEYS = Side(ENGINE["kreq"], ENGINE["k"])
VALUES = Side(ENGINE["vreq"], ENGINE["v"])


class Memory:
    """Takes the requests of one side, in order, and drives its answers, one word per cycle at most.

    The first word of a block stands on the pins ``wait`` cycles after the cycle behind the one that takes the request, so that
    with a wait of 0 it can be taken one cycle after its request. ``last`` is set on the last word of a request that has it set.

    Args:
        tiles: per query tile its words in the order of the sequence, not of the schedule.
        wait: draws the wait of each request, in cycles.
        stalls: ``(on, off)`` pairs: words between two pauses, cycles of a pause.
    """

    def __init__(self, dut: Any, side: Side, tiles: Sequence[Sequence[Beat]], wait: Callable[[], int],
                 stalls: Iterator[tuple[int, int]]) -> None:
        self.dut, self.side, self.tiles, self.wait, self.stalls = dut, side, tiles, wait, stalls
        self.due: deque[tuple[int, Beat]] = deque()
        self.tile = -1
        self._names = (*side.fields, "last")
        port = side.answer.port
        self._pins = [getattr(dut, f"{port}_{name}") for name in self._names]
        self._valid, self._ready = getattr(dut, f"{port}_valid"), getattr(dut, f"{port}_ready")
        self._valid.value = 0
        self._idle({name: 0 for name in self._names})
        self._task = cocotb.start_soon(self._run())

    def stop(self) -> None:
        """Drop what is due and leave the stream idle."""
        self._task.cancel()
        self._valid.value = 0

    def _idle(self, beat: Beat) -> None:
        """No word on the pins; the complement of the last one stands there, so that a design which takes it goes wrong."""
        for pin, name in zip(self._pins, self._names, strict=True):
            pin.value = beat[name] ^ ((1 << len(pin)) - 1)

    def _request(self, now: int) -> None:
        """Put the words of the request that is on the pins into the queue.

        Raises:
            AssertionError: there is no such tile, or the tile has no such words.
        """
        name = self.side.request.port
        start, count, last = (int(getattr(self.dut, f"{name}_{field}").value) for field in ("start", "count", "last"))
        if self.side is VALUES:
            self.tile += int(self.dut.m_vreq_first.value)
        elif self.tile < 0:
            self.tile = 0
        assert 0 <= self.tile < len(self.tiles), f"{name} asks for keys of tile {self.tile}, {len(self.tiles)} were sent"
        words = self.tiles[self.tile]
        assert count > 0 and start + count <= len(words), \
            f"{name} asks for {count} keys from {start} on, tile {self.tile} has {len(words)}"
        at = now + self.wait()
        for i in range(count):
            self.due.append((at, {**words[start + i], "last": int(bool(last) and i == count - 1)}))
        if self.side is KEYS:
            self.tile += last

    async def _run(self) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        valid, ready = (getattr(dut, f"{self.side.request.port}_{pin}") for pin in ("valid", "ready"))
        shown: Beat | None = None
        on, off = next(self.stalls)
        while True:
            await edge
            if dut.rst_n.value != 1:
                continue
            now = cycle()
            if valid.value == 1 and ready.value == 1:
                self._request(now)
            if shown is not None:
                if self._ready.value != 1:
                    continue
                on -= 1
            if on == 0 and off > 0:
                off -= 1
            elif self.due and self.due[0][0] <= now:
                if on == 0:
                    on, off = next(self.stalls)
                _, shown = self.due.popleft()
                for pin, name in zip(self._pins, self._names, strict=True):
                    pin.value = shown[name]
                self._valid.value = 1
                continue
            if shown is not None:
                self._valid.value = 0
                self._idle(shown)
                shown = None


class EnginePins:
    """The pins as the engine's bench names them: its requests are wires inside the top."""

    def __init__(self, dut: Any) -> None:
        self._dut = dut

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dut, name.removeprefix("m_") if name.startswith("m_decision_") else name)


def words_of_tiles(streams: Any, side: Side) -> list[list[Beat]]:
    """Per tile the words of a memory, in the order of the sequence, from the arrays ``mem_<stream>_<field>``."""
    all_words = words(streams, f"mem_{side.answer.name}", side.answer, side.fields)
    ends = np.cumsum(streams["tile_keys"]).tolist()
    return [all_words[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def waits(stream: str, name: str) -> Callable[[], int]:
    """Draws the waits of a memory's answers."""
    least, most = json.loads(os.environ.get("FETCH_WAIT", "{}")).get(stream, (0, 0))
    draw = rng(name)
    return lambda: int(draw.integers(least, most + 1))


class EngineAgents:
    """Everything around the engine for one run: sources of tiles and rows, sinks, memories; ``name`` names their random
    numbers."""

    def __init__(self, dut: Any, streams: Any, pattern: str, name: str) -> None:
        self.dut, self.hold = dut, int(os.environ.get("FETCH_HOLD", "0"))
        self.sources = {key: StreamSource(dut, ENGINE[key].port, ENGINE[key].names, source_stalls(pattern, rng(f"{name} {key}")))
                        for key in ("tile", "q")}
        self.sinks = [StreamSink(dut, stream.port, sink_stalls(pattern, rng(f"{name} {key}")))
                      for key, stream in ENGINE.items() if not stream.inward]
        self.memories = [
            Memory(dut, side, words_of_tiles(streams, side), waits(key, f"{name} {key} waits"),
                   source_stalls(pattern, rng(f"{name} {key}")) or always())
            for key, side in (("k", KEYS), ("v", VALUES))]
        columns = [streams[f"tile_{field}"].tolist() for field in ENGINE["tile"].names]
        self.tiles = [dict(zip(ENGINE["tile"].names, beat)) for beat in zip(*columns)]
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
            getattr(self.dut, f"{ENGINE[key].port}_valid").value = 0
