"""BFMs of what takes from ``fcim_online_softmax``: the OP-CIM, which holds slots, and the normaliser, which reads sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from models.hardware.config import ROW_MAX_BITS
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.online_softmax.model import ExpectedBlock, FinishedTile


class OpCimBfm:
    """Occupies a slot for each block that it takes: for as long as the OP-CIM does, or, if ``slow``, for a random time."""

    def __init__(self, dut: Any, size: Geometry, slow: bool, generator: np.random.Generator) -> None:
        self.dut, self.slow, self._rng = dut, slow, generator
        self.holding: list[ExpectedBlock | None] = [None, None]
        self.free_from: dict[int, int] = {}     # block that runs: first cycle in which its slot was free again
        self._length = size.block_cycles - 4
        self._left = [0, 0]                     # cycles of each slot
        self._taken = [0, 0]                    # cycle in which each slot's block was taken
        self._driven = 0
        dut.slot_in_use.value = 0

    def take(self, block: ExpectedBlock) -> None:
        """A block is taken in this cycle and occupies its slot from the next one on."""
        self.holding[block.slot], self._taken[block.slot] = block, cycle()
        length = int(self._rng.integers(1, 3 * self._length + 2)) if self.slow else self._length
        self._left[block.slot] = max(length, 1)

    def in_use(self, slot: int, now: int) -> ExpectedBlock | None:
        """The block that occupies a slot in the cycle ``now``, if one does."""
        return self.holding[slot] if now > self._taken[slot] else None

    def step(self, now: int) -> None:
        """Count the cycle ``now`` down; what is driven then is what the design finds at the next edge."""
        for slot, block in enumerate(self.holding):
            if block is None:
                continue
            if self._left[slot] > 0:
                self._left[slot] -= 1
            else:
                assert block.run is not None
                self.free_from[block.run] = now + 1
                self.holding[slot] = None
        used = sum(1 << slot for slot in (0, 1) if self.holding[slot] is not None)
        if used != self._driven:
            self.dut.slot_in_use.value = self._driven = used


class NormalizerBfm:
    """Reads and compares the sums and maxima of each finished tile in any order, then gives its bank back; if ``slow``, after
    random pauses.

    Args:
        tiles: the model's finished tiles, which grow.
        complete: whether everything of a tile has been decided and taken.
    """

    def __init__(self, dut: Any, size: Geometry, slow: bool, generator: np.random.Generator, tiles: Sequence[FinishedTile],
                 complete: Callable[[int], bool]) -> None:
        self.dut, self.size, self.slow, self._rng = dut, size, slow, generator
        self.tiles, self.complete = tiles, complete
        self.free_from: dict[int, int] = {}     # tile: first cycle in which its bank was free again
        self.sums_read = 0
        for name in ("bank_release", "sum_rd_en", "sum_rd_bank", "sum_rd_pass", "sum_rd_lane"):
            getattr(dut, name).value = 0

    async def run(self, tiles: int) -> None:
        """Return once that many tiles are read and their banks are given back."""
        dut, edge, g = self.dut, RisingEdge(self.dut.clk), self._rng
        for t in range(tiles):
            while not self.complete(t):
                await edge
            tile = self.tiles[t]
            for _ in range(int(g.integers(0, 60)) if self.slow else self.size.block_cycles):
                await edge
            await self._read_rows(tile)
            for _ in range(int(g.integers(0, 200)) if self.slow else 0):
                await edge
            self._check_rows(tile)
            dut.bank_release.value = 1 << tile.bank
            await edge
            self.free_from[t] = cycle() + 1     # the release is sampled in this cycle
            dut.bank_release.value = 0

    def _check_rows(self, tile: FinishedTile) -> None:
        bits = str(self.dut.bank_rows.value)        # bank 1 first; the other bank may not have been written yet
        got = bits[:len(bits) // 2] if tile.bank else bits[len(bits) // 2:]
        assert got == format(len(tile.sums), f"0{len(got)}b"), \
            f"cycle {cycle()}: bank_rows of bank {tile.bank} is {got}, expected {len(tile.sums):b}"
        flag = str(self.dut.bank_partial.value)[1 - tile.bank]
        assert flag == str(int(tile.partial)), f"cycle {cycle()}: bank_partial of bank {tile.bank} is {flag}"

    async def _read_rows(self, tile: FinishedTile) -> None:
        """One read per cycle; data come one cycle after the request."""
        dut, edge, waiting = self.dut, RisingEdge(self.dut.clk), None
        order = [*self._rng.permutation(len(tile.sums)).tolist(), None, None]
        for row in order:
            if row is not None:
                dut.sum_rd_en.value = 1
                dut.sum_rd_bank.value = tile.bank
                dut.sum_rd_pass.value, dut.sum_rd_lane.value = divmod(row, self.size.lanes)
            else:
                dut.sum_rd_en.value = 0
            await edge
            if waiting is not None:
                for name, port, want in (("sum", dut.sum_rd_data, tile.sums[waiting]),
                                         ("maximum", dut.sum_rd_max, tile.maxima[waiting] & (1 << ROW_MAX_BITS) - 1)):
                    bits = str(port.value)
                    assert bits == format(want, f"0{len(bits)}b"), \
                        f"cycle {cycle()}: {name} of row {waiting} in bank {tile.bank} got {bits}, expected {want:b}"
                self.sums_read += 1
            waiting = row
            self._check_rows(tile)
