"""The streams of partial results that ``fcim_merge`` takes, all in one: their pins are vectors with a lane per part."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from cocotb.triggers import Event, RisingEdge

from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.common.stalls import always, source_stalls
from tb.merge.sequences import Chunk

MAX_BITS = 10


class PartSources:
    """Drives every part's stream, each with gaps of its own, and sees what is taken.

    While a part offers nothing, its payload is the complement of what it offered last. A taken chunk goes to ``taken(part, chunk,
    offered)`` with the number of the first edge that found it valid. That ``ready`` is 0 or 1 is checked in every cycle.
    """

    def __init__(self, dut: Any, size: Geometry, pattern: str, taken: Callable[[int, Chunk, int], None]) -> None:
        self.dut, self.parts, self.taken = dut, int(dut.PARTS.value), taken
        width = size.read_columns * size.acc_bits
        self.fields = {"acc": width, "sum": size.sum_bits, "max": MAX_BITS, "last": 1}
        self.stalls = [source_stalls(pattern, rng(f"stalls part {part}")) or always() for part in range(self.parts)]
        self.queues: list[deque[Chunk]] = [deque() for _ in range(self.parts)]
        self.bursts = [next(stalls) for stalls in self.stalls]
        self.pauses = [0] * self.parts
        self.offered: list[int | None] = [None] * self.parts    # first edge that found the chunk at the front valid
        self.lanes = {field: [0] * self.parts for field in self.fields}
        self.driven: dict[str, int] = {}
        self.empty = Event()
        self._drive()

    def append(self, part: int, chunks: Iterable[Chunk]) -> None:
        """Chunks for one part's queue."""
        self.queues[part].extend(chunks)
        self.empty.clear()

    def _write(self, name: str, value: int) -> None:
        if self.driven.get(name) != value:
            getattr(self.dut, name).value = self.driven[name] = value

    def _drive(self) -> None:
        valid = 0
        for part, queue in enumerate(self.queues):
            if queue and not self.pauses[part]:
                chunk = queue[0]
                valid |= 1 << part
                values = {"acc": chunk.word, "sum": chunk.total, "max": chunk.maximum % (1 << MAX_BITS), "last": int(chunk.last)}
                for field, value in values.items():
                    self.lanes[field][part] = value
        self._write("s_part_valid", valid)
        for field, width in self.fields.items():
            mask = (1 << width) - 1
            values = [value if valid >> part & 1 else value ^ mask for part, value in enumerate(self.lanes[field])]
            self._write(f"s_part_{field}", sum(value << (part * width) for part, value in enumerate(values)))

    def _next(self, part: int) -> None:
        """A chunk is gone: how long until the next one is offered."""
        self.offered[part] = None
        on, off = self.bursts[part]
        self.bursts[part] = on - 1, off
        if on == 1:
            self.pauses[part], self.bursts[part] = off, next(self.stalls[part])

    def _step(self) -> None:
        ready = str(self.dut.s_part_ready.value)
        assert set(ready) <= {"0", "1"}, f"s_part_ready is {ready} at cycle {cycle()}"
        for part, queue in enumerate(self.queues):
            self.pauses[part] = max(self.pauses[part] - 1, 0)
            if self.driven["s_part_valid"] >> part & 1:
                if self.offered[part] is None:
                    self.offered[part] = cycle()
                if ready[-1 - part] == "1":
                    self.taken(part, queue.popleft(), self.offered[part])
                    self._next(part)
        if not any(self.queues):
            self.empty.set()

    async def run(self) -> None:
        """Drive for ever."""
        edge = RisingEdge(self.dut.clk)
        while True:
            await edge
            if self.dut.rst_n.value == 1:
                self._step()
            self._drive()

    async def drain(self) -> None:
        """Return once everything has been taken."""
        if any(self.queues):
            await self.empty.wait()

    def clear(self) -> None:
        """Nothing is offered any more, as after a reset."""
        for queue in self.queues:
            queue.clear()
        self.offered = [None] * self.parts
        self.empty.set()
