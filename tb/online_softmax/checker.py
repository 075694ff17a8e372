"""Emulates what surrounds ``fcim_online_softmax`` (OP-CIM and normaliser) and checks each of its outputs in every cycle."""

from __future__ import annotations

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common.bench import Bench
from tb.common.clock import cycle
from tb.common.rng import rng
from tb.common.stream import Beat
from tb.online_softmax.model import SHIFT_BITS, ExpectedBlock, FinishedTile, SoftmaxModel
from tb.score_scaler.columns import COLUMN_FIELDS, Feeder, Sizes, TileStimulus

BLOCK_FIELDS = ("slot", "last_key", "first", "last", "bank")
REQUEST_FIELDS = ("skip", "last", "bank", "zero")
WRITE_DELAY = 3  # from the exponential phase's first cycle to the first write


class SoftmaxBench:
    """One run: columns from ``tiles``, blocks to an emulated OP-CIM, row sums to an emulated normaliser.

    Under "none" and "gaps" the OP-CIM is as fast as the real one; else it takes blocks and gives slots and banks back at random.
    """

    def __init__(self, dut: Any, pattern: str, budget: int) -> None:
        self.dut, self.size = dut, Sizes(dut)
        self.prob_bits = int(dut.PROB_BITS.value)
        self.slow = pattern in ("backpressure", "both")
        self.bench = Bench(dut, pattern, budget)
        self.model = SoftmaxModel(self.size, self.prob_bits, self._expect)
        self.source = self.bench.input("s_col", COLUMN_FIELDS, lambda beat: self.model.column(beat, cycle()))
        self.board = self.bench.output("m_blk", BLOCK_FIELDS)
        self.requests = self.bench.output("m_req", REQUEST_FIELDS)
        self.bench.monitors["m_blk"].add_callback(self._block_taken)
        self.feeder = Feeder(dut, self.size, self.source, pattern, tau_port=True)
        self._rng = rng("surroundings")
        self.shift_width = self.size.rows * SHIFT_BITS
        self.sum_width = self.size.rows * (self.prob_bits + self.size.block.bit_length() - 1)
        self.events = dict.fromkeys(("saturations", "rescaled", "amount", "wait_slot", "wait_bank"), 0)
        self.wait_cycles: dict[str, list[int]] = {"wait_slot": [], "wait_bank": []}
        self.rescales: dict[int, int] = {}              # cycle: rows that were rescaled in the one before
        self.asked: list[int] = []                      # first cycle in which a request, in order, was offered
        # blocks below are those that run, by their number among them
        self.writes: list[tuple[int, int]] = []         # cycle and block of each write
        self.valid_since: list[int] = []                # first cycle in which a column, in order, was offered
        self.shown: list[int] = []                      # first cycle in which a block, in order, was offered
        self.taken: list[int] = []                      # cycle in which it was taken
        self.in_use = [0, 0]                            # slot: cycles left
        self.slot_free: dict[int, int] = {}             # block: first cycle in which its slot was free again
        self.bank_free: dict[int, int] = {}             # tile: first cycle in which its bank was free again
        self.holding: list[ExpectedBlock | None] = [None, None]
        self.sums_read = 0
        self._done = 0
        for name in ("slot_in_use", "bank_release", "sum_rd_en", "sum_rd_bank", "sum_rd_group", "sum_rd_lane"):
            getattr(dut, name).value = 0

    def _expect(self, block: ExpectedBlock) -> None:
        self.requests.expect([block.request])
        if block.run is not None:
            self.board.expect([block.beat])

    def _block_taken(self, beat: Beat) -> None:
        """The OP-CIM takes the block: it must be complete, and occupies its slot from the next cycle on."""
        block = self.model.running[len(self.taken)]
        assert not block.writes, f"block {block.number} came with writes {sorted(block.writes)} missing"
        self.taken.append(cycle())
        self.holding[block.slot] = block
        length = self.size.block * self.size.cpk - 4
        if self.slow:
            length = int(self._rng.integers(1, 3 * length + 2))
        self.in_use[block.slot] = max(length, 1)
        self._check_held(block)

    def _check_held(self, block: ExpectedBlock) -> None:
        """Shift and sum of the block are on the ports."""
        for name, width, want in (("blk_shift", self.shift_width, block.shift), ("blk_sum", self.sum_width, block.p_sum)):
            bits = str(getattr(self.dut, name).value)
            got = bits[len(bits) - (block.slot + 1) * width : len(bits) - block.slot * width]
            if got != format(want, f"0{width}b"):
                lane = width // self.size.rows
                rows = [(i, got[width - (i + 1) * lane : width - i * lane], want >> (i * lane) & (1 << lane) - 1)
                        for i in range(self.size.rows)]
                wrong = [(i, g, w) for i, g, w in rows if g != format(w, f"0{lane}b")]
                raise AssertionError(f"cycle {cycle()}: block {block.number}: {name} (row, got, expected) {wrong[:4]}")

    def _check_write(self) -> None:
        """A write of probabilities: one that is due, and to a slot that nobody reads."""
        dut, now = self.dut, cycle()
        if str(dut.p_we.value) != "1":
            assert str(dut.p_we.value) == "0", f"p_we is {dut.p_we.value}"
            return
        assert self._done < len(self.model.running), f"cycle {now}: a write before any block is complete"
        block = self.model.running[self._done]
        slot, place = int(dut.p_slot.value), (int(dut.p_key.value), int(dut.p_group.value))
        assert slot == block.slot, f"cycle {now}: a write to slot {slot}, block {block.number} belongs to {block.slot}"
        assert self.holding[slot] is None, f"cycle {now}: a write to slot {slot} while the OP-CIM uses it"
        want = block.writes.pop(place, None)
        assert want is not None, f"cycle {now}: block {block.number}: unexpected or second write of (key, group) {place}"
        bits = str(dut.p_data.value)
        assert bits == format(want, f"0{len(bits)}b"), self._explain_write(block, place, bits, want)
        self.writes.append((now, self._done))
        self._done += not block.writes

    def _explain_write(self, block: ExpectedBlock, place: tuple[int, int], bits: str, want: int) -> str:
        width, lanes = self.prob_bits, self.size.lanes
        expected = format(want, f"0{lanes * width}b")
        parts = [slice((lanes - 1 - i) * width, (lanes - i) * width) for i in range(lanes)]
        wrong = [(i, bits[part], expected[part]) for i, part in enumerate(parts) if bits[part] != expected[part]]
        return f"cycle {cycle()}: block {block.number}, (key, group) {place}: p (lane, got, expected) {wrong[:4]}"

    def _count_events(self) -> None:
        for name in self.events:
            bits = str(getattr(self.dut, f"ev_{name}").value)
            if "1" in bits:
                self.events[name] += int(bits, 2)
                if name in self.wait_cycles:
                    self.wait_cycles[name].append(cycle())
                if name == "rescaled":
                    self.rescales[cycle()] = int(bits, 2)
            else:
                assert set(bits) == {"0"}, f"ev_{name} is {bits}"

    async def watch(self) -> None:
        """Once per cycle, from the end of reset on."""
        dut, edge, driven = self.dut, RisingEdge(self.dut.clk), 0
        offered = False
        while True:
            await edge
            now = cycle()
            self._check_write()
            self._count_events()
            if dut.s_col_valid.value == 1:
                if not offered:
                    self.valid_since.append(now)
                offered = dut.s_col_ready.value == 0
            if dut.m_req_valid.value == 1 and len(self.asked) == len(self.decided) - (self.decided[-1:] == [now]):
                self.asked.append(now)
            if dut.m_blk_valid.value == 1 and len(self.shown) == len(self.taken) - (self.taken[-1:] == [now]):
                self.shown.append(now)
            if dut.row_we.value == 1:
                self.model.columns.row_write(dut)
            if dut.tile_scaled.value == 1:
                self.feeder.released.append(int(dut.tile_scaled_bank.value))
            # Slots: what is driven now is what the design sees at the next edge.
            for slot in (0, 1):
                block = self.holding[slot]
                if block is None:
                    continue
                self._check_held(block)
                if self.in_use[slot] > 0:
                    self.in_use[slot] -= 1
                else:
                    assert block.run is not None
                    self.slot_free[block.run] = now + 1
                    self.holding[slot] = None
            used = sum(1 << slot for slot in (0, 1) if self.holding[slot] is not None)
            if used != driven:
                dut.slot_in_use.value = driven = used

    @property
    def decided(self) -> list[int]:
        """Cycle in which each block's request was taken."""
        return self.bench.monitors["m_req"].cycles

    def _complete(self, t: int) -> bool:
        """The tile's last block is decided, and the OP-CIM has all that run."""
        blocks = self.model.blocks[: len(self.decided)]
        return any(b.tile == t and b.last for b in blocks) and all(
            b.run is None or b.run < len(self.taken) for b in blocks if b.tile == t)

    async def read_sums(self, tiles: int) -> None:
        """The normaliser: reads the sums of each finished tile in any order, then gives its bank back."""
        dut, edge, g = self.dut, RisingEdge(self.dut.clk), self._rng
        for t in range(tiles):
            while not self._complete(t):
                await edge
            tile = self.model.tiles[t]
            for _ in range(int(g.integers(0, 60)) if self.slow else self.size.block * self.size.cpk):
                await edge
            await self._read_rows(tile, g)
            for _ in range(int(g.integers(0, 200)) if self.slow else 0):
                await edge
            self._check_rows(tile)
            dut.bank_release.value = 1 << tile.bank
            await edge
            self.bank_free[t] = cycle() + 1  # the release is seen in this cycle
            dut.bank_release.value = 0

    def _check_rows(self, tile: FinishedTile) -> None:
        bits = str(self.dut.bank_rows.value)        # bank 1 first; the other bank may not have been written yet
        got = bits[:len(bits) // 2] if tile.bank else bits[len(bits) // 2:]
        assert got == format(len(tile.sums), f"0{len(got)}b"), \
            f"cycle {cycle()}: bank_rows of bank {tile.bank} is {got}, expected {len(tile.sums):b}"

    async def _read_rows(self, tile: FinishedTile, g: np.random.Generator) -> None:
        """One read per cycle, now and then none; data come one cycle after the request."""
        dut, edge, waiting = self.dut, RisingEdge(self.dut.clk), None
        order = [*g.permutation(len(tile.sums)).tolist(), None, None]
        for row in order:
            if row is not None:
                dut.sum_rd_en.value = 1
                dut.sum_rd_bank.value = tile.bank
                dut.sum_rd_group.value = row // self.size.lanes
                dut.sum_rd_lane.value = row % self.size.lanes
            else:
                dut.sum_rd_en.value = 0
            await edge
            if waiting is not None:
                bits = str(dut.sum_rd_data.value)
                want = tile.sums[waiting]
                assert bits == format(want, f"0{len(bits)}b"), \
                    f"cycle {cycle()}: sum of row {waiting} in bank {tile.bank} got {bits}, expected {want:b}"
                self.sums_read += 1
            waiting = row
            self._check_rows(tile)

    async def run(self, tiles: list[TileStimulus]) -> None:
        """Send the tiles, wait for the last sum, and look at the totals."""
        async with self.bench:
            watcher = cocotb.start_soon(self.watch())
            reader = cocotb.start_soon(self.read_sums(len(tiles)))
            await self.feeder.feed(tiles)
            await reader
        watcher.cancel()
        self._check_totals(tiles)

    def _check_totals(self, tiles: list[TileStimulus]) -> None:
        blocks, running = self.model.blocks, self.model.running
        assert sum(b.keys for b in blocks) == sum(len(t.keys) for t in tiles) == len(self.valid_since)
        assert self.sums_read == sum(len(t.rows) for t in tiles)
        assert len(self.writes) == sum(b.keys for b in running) * self.size.cpk
        assert len(self.taken) == len(self.shown) == len(running)
        assert len(self.decided) == len(self.asked) == len(blocks)
        got = {name: self.events[name] for name in ("saturations", "rescaled", "amount")}
        want = {"saturations": self.model.saturations, "rescaled": sum(b.rescaled for b in blocks),
                "amount": sum(b.amount for b in blocks)}
        assert got == want, f"events: got {got}, expected {want}"
