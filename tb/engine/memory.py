"""Where keys and values lie: answers requests for blocks from arrays, after a wait and with pauses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle
from tb.common.stream import Beat


@dataclass(frozen=True)
class Side:
    """Names of a request stream and of the stream that answers it, and the fields of the answer beside ``last``."""

    request: str
    answer: str
    fields: tuple[str, ...]


KEYS = Side("m_kreq", "s_k", ("data", "pos", "mult"))
VALUES = Side("m_vreq", "s_v", ("data",))


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
        self._pins = [getattr(dut, f"{side.answer}_{name}") for name in self._names]
        self._valid, self._ready = getattr(dut, f"{side.answer}_valid"), getattr(dut, f"{side.answer}_ready")
        self._valid.value = 0
        self._idle({name: 0 for name in self._names})
        self._task = cocotb.start_soon(self._run())

    def stop(self) -> None:
        """Forget everything and leave the stream idle."""
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
        name = self.side.request
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
        valid, ready = getattr(dut, f"{self.side.request}_valid"), getattr(dut, f"{self.side.request}_ready")
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
