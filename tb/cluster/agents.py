"""Agents of ``fcim_cluster``'s bench: the loader that fills the buffer, and a watch on what the cluster says of its tiles."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.clock import cycle

RESIDENT, DECODE = 0, 2
READ_ON = 4     # cycles beside those of its rows in which a page is still read after its pulse


class Watch:
    """Pulses of ``freed`` (the slot) and of ``tile_done`` (cycle, engine, tag), and how many blocks the buses read."""

    def __init__(self, dut: Any) -> None:
        self.freed: list[int] = []
        self.done: list[tuple[int, int, int]] = []
        self.k = self.v = 0
        self._dut = dut

    def look(self) -> tuple[int, int]:
        """Count the cycle that has just ended; bits of ``freed`` and of ``tile_done`` in it."""
        dut = self._dut
        freed, done = int(dut.freed.value), int(dut.tile_done.value)
        if freed:
            self.freed += [slot for slot in range(len(dut.freed)) if freed >> slot & 1]
        if done:
            tags = str(dut.tile_done_tag.value)[::-1]
            self.done += [(cycle(), e, int(tags[e])) for e in range(len(dut.tile_done)) if done >> e & 1]
        self.k += dut.ev_k_block.value == 1
        self.v += dut.ev_v_block.value == 1
        return freed, done


class Loader:
    """Brings blocks into the buffer as a loader does: when there is a page for them, row by row, and then ``loaded``.

    A page that is done with is overwritten with noise as soon as it may be, the row that is read last before the others.
    In resident mode all heads' blocks lie there at the start, and a head is done with when all of its tiles are.
    """

    def __init__(self, dut: Any, watch: Watch, pauses: Iterator[tuple[int, int]] | None, generator: np.random.Generator) -> None:
        self._dut, self._watch, self._pauses, self._generator = dut, watch, pauses, generator
        self._size = int(dut.KEYS_PER_BLOCK.value)
        self._pages = int(dut.BUFFER_KEYS.value) // self._size
        self._engines = int(dut.ENGINES.value)
        self._slots = len(dut.freed)
        self._edge = RisingEdge(dut.clk)
        self._on: float = 0
        dut.k_we.value = dut.v_we.value = dut.loaded.value = dut.loaded_slot.value = dut.loaded_counts.value = 0

    def begin(self, call: Mapping[str, np.ndarray]) -> None:
        """Take up a call: its keys and loads, and its waves, which tell when a head is done with."""
        self._call = call
        self._mode = int(call["wave_mode"][0])
        self._share = self._pages // (2 if self._mode != DECODE else 1 << (self._engines - 1).bit_length())
        self._loads: dict[int, deque[tuple[int, int, int]]] = {}
        for slot, run, page, row in zip(*(call[f"load_{name}"].tolist() for name in ("slot", "run", "page", "row")), strict=True):
            self._loads.setdefault(slot, deque()).append((run, page, row))
        self._held: dict[int, deque[int]] = {slot: deque() for slot in range(self._slots)}   # pages, the oldest first
        self._run: dict[int, int] = {}
        self._noise: deque[tuple[int, int]] = deque()       # (the edge that may start it, page)
        tiles = Counter[int]()
        for head, blocks in zip(call["wave_head"].tolist(), call["wave_blocks"].tolist(), strict=True):
            tiles[head] += sum(map(bool, blocks))
        self._left = dict(tiles)
        self._order: dict[int, deque[int]] = {e: deque() for e in range(self._engines)}     # heads of an engine's tiles
        for head, blocks in zip(call["wave_head"].tolist(), call["wave_blocks"].tolist(), strict=True):
            for engine, count in enumerate(blocks):
                if count:
                    self._order[engine].append(head)
        self._idle()
        self._dut.loaded.value, self._dut.loaded_counts.value = 0, int(self._mode != RESIDENT)

    async def fill(self) -> None:
        """In resident mode: write all blocks, a row per cycle, before the first wave."""
        for loads in self._loads.values():
            for _, page, row in loads:
                for key in range(self._size):
                    await self._row(page, key, row + key)
        self._idle()

    async def run(self) -> None:
        """Load and overwrite until the test ends; :meth:`begin` may be called again when nothing is in flight."""
        while True:
            await self._step()
            if self._noise and cycle() >= self._noise[0][0]:
                _, page = self._noise.popleft()
                for key in reversed(range(self._size)):
                    await self._row(page, key, None)
                self._idle()
                continue
            if self._mode == RESIDENT:
                # a router's pulses, which do not count
                self._dut.loaded.value = int(self._generator.integers(2))
                continue
            ready = [slot for slot, loads in self._loads.items() if loads and self._may(slot, *loads[0][:2])]
            if ready:
                await self._load(int(self._generator.choice(ready)))

    def _may(self, slot: int, run: int, page: int) -> bool:
        held = self._held[slot]
        if held and self._run[slot] != run or len(held) >= self._share or page in (waiting for _, waiting in self._noise):
            return False
        assert page not in held, f"page {page} of slot {slot} is to be loaded while it is in use"
        return True

    async def _load(self, slot: int) -> None:
        run, page, row = self._loads[slot].popleft()
        self._run[slot] = run
        self._held[slot].append(page)
        for key in range(self._size):
            await self._row(page, key, row + key)
        self._idle()
        self._dut.loaded.value, self._dut.loaded_slot.value = 1, slot
        await self._step()
        self._dut.loaded.value, self._dut.loaded_slot.value = 0, int(self._generator.integers(self._slots))

    async def _row(self, page: int, key: int, row: int | None) -> None:
        """One row of K and of V; noise if ``row`` is None. Returns after the edge that writes it."""
        dut, call = self._dut, self._call
        if self._pauses is not None and self._on <= 0:
            self._on, off = next(self._pauses)
            if off:
                self._idle()
            for _ in range(off):
                await self._step()
        self._on -= 1
        dut.k_we.value = dut.v_we.value = 1
        dut.k_address.value = dut.v_address.value = page * self._size + key
        if row is None:
            width = len(dut.k_data) // 8
            dut.k_data.value, dut.v_data.value = (int.from_bytes(self._generator.bytes(width), "little") for _ in range(2))
            dut.k_mult.value, dut.k_v_mult.value = (int(self._generator.integers(1 << bits)) for bits in (16, 4))
        else:
            dut.k_data.value, dut.v_data.value = (
                int.from_bytes(call[name][row].tobytes(), "little") for name in ("keys_k", "keys_v"))
            dut.k_mult.value, dut.k_v_mult.value = int(call["keys_mult"][row]), int(call["keys_v_mult"][row])
        await self._step()

    def _idle(self) -> None:
        self._dut.k_we.value = self._dut.v_we.value = 0

    async def _step(self) -> None:
        """A cycle, with what the cluster says in it."""
        await self._edge
        freed, done = self._watch.look()
        due = cycle() + self._size + READ_ON - 1    # what is written at an edge is there in the cycle after
        for slot in range(self._slots):
            if freed >> slot & 1:
                assert self._held[slot], f"freed of slot {slot}, which has no block"
                self._noise.append((due, self._held[slot].popleft()))
        for engine in range(self._engines):
            if done >> engine & 1:
                assert self._order[engine], f"tile_done of engine {engine}, which has no tile"
                head = self._order[engine].popleft()
                self._left[head] -= 1
                if not self._left[head] and self._mode == RESIDENT:
                    self._noise += [(due, page) for _, page, _ in self._loads[head]]
