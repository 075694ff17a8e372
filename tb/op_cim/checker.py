"""Everything that comes out of ``fcim_op_cim`` between its BFMs: values, cycles, activity."""

from __future__ import annotations

from collections import deque
from typing import Any

from cocotb.triggers import RisingEdge

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.geometry import Geometry
from tb.common.rng import rng
from tb.op_cim import coverage
from tb.op_cim.agents import NormalizerBfm, SoftmaxBfm, ValueBufferBfm
from tb.op_cim.model import Block

BUDGET = 40_000


class Checker:
    """The unit between its BFMs; :meth:`run` passes all blocks through and compares everything that comes out."""

    def __init__(self, dut: Any, size: Geometry, blocks: list[Block], pauses: bool, rest: int = 0) -> None:
        self.dut, self.size, self.blocks = dut, size, blocks
        garbage = rng("garbage")
        self.softmax = SoftmaxBfm(dut, size, blocks, garbage)
        self.values = ValueBufferBfm(dut, size, garbage)
        self.normalizer = NormalizerBfm(dut, size, rng("reads"), pauses, rest)
        self.finishing: deque[tuple[int, Block]] = deque()  # (X, block) until its finish pulse
        self.most = [0, 0]                                  # keys of the largest block so far in each slot
        self.finished = self.done = self.active = self.bit_ops = 0

    def _check(self, now: int, read: tuple[int, int] | None) -> None:
        """Check all outputs of the cycle ``now``."""
        block = self.softmax.sample(now)
        if block is not None:
            self.values.started.append(block)
            size = self.size
            assert block.after is not None
            coverage.sample_block(block.p[:, :block.rows], block.v, block.shift[:block.rows], block.after[:block.rows],
                                  block.first, block.last, size.keys_per_block, size.prob_bits, size.acc_bits)
            if block.number:
                coverage.sample_rows(block.rows, self.blocks[block.number - 1].rows, size.rows)
            self.most[block.slot] = max(self.most[block.slot], block.keys)
            coverage.sample_cells(block.keys, self.most[block.slot], size.keys_per_block, size.cpk)
            if len(self.softmax.starts) > 1:
                coverage.sample_start(now - self.softmax.starts[-2] - size.block_cycles)
            self.finishing.append((now, block))
        self.softmax.check_slots(now)
        self.values.sample(now)
        self._activity(now)
        self._cover(now, block, read is not None)
        freed = self.normalizer.sample(read, self.active > 0 and bool(self.values.started))
        if freed is not None:
            self.softmax.busy_banks.discard(freed)
        self._finish(now)

    def _cover(self, now: int, taken: Block | None, reads: bool) -> None:
        """What meets in this cycle: a write of probabilities and the array's slot, the accumulators that grow and are read."""
        size = self.size
        if self.softmax.written is not None:
            works = [block.slot for start, block in self.finishing if start < now <= start + size.block_cycles]
            coverage.sample_write(self.softmax.written, works[0] if works else None, None if taken is None else taken.slot)
        grows = [block.bank for start, block in self.finishing if start + size.cpk < now]
        read = self.normalizer.complete[0].bank if reads else None
        coverage.sample_banks(grows[0] if grows else None, read, self.normalizer.kept)

    def _finish(self, now: int) -> None:
        """A pulse for each block with its last write, BLOCK_CYCLES + CYCLES_PER_KEY + 1 cycles after X; reads may follow it."""
        pulse = str(self.dut.finish.value)
        assert pulse in ("0", "1"), f"finish is {pulse}"
        latency = self.size.block_cycles + self.size.cpk + 1
        if pulse == "0":
            late = bool(self.finishing) and now >= self.finishing[0][0] + latency
            assert not late, f"no finish pulse for block {self.finishing[0][1].number}"
            return
        assert self.finishing, f"cycle {now}: a finish pulse for no block"
        start, block = self.finishing.popleft()
        assert now - start == latency, f"block {block.number}: finished {now - start} cycles after its start, not {latency}"
        assert int(self.dut.finish_bank.value) == block.bank, f"block {block.number}: finished in the other bank"
        self.finished += 1
        if block.last:
            self.normalizer.complete.append(block)
            self.done += 1

    def _activity(self, now: int) -> None:
        """Active cycles come in the order of the slices, MSB first, with the bit-lines of the keys that the block has."""
        active, ops = str(self.dut.active.value), str(self.dut.bit_ops.value)
        assert active in ("0", "1"), f"active is {active}"
        if active == "0":  # then bit_ops means nothing
            return
        assert self.values.bits, f"cycle {now}: the array works without a slice"
        want = self.values.bits.popleft()
        assert int(ops, 2) == want, f"active cycle {self.active}: bit_ops is {int(ops, 2)}, expected {want}"
        self.active += 1
        self.bit_ops += want

    async def start(self, clock: bool = True) -> None:
        """Clock, unless it runs already, and reset."""
        for handle in (self.dut.p_we, self.dut.s_blk_valid, self.dut.rd_en):
            handle.value = 0
        if clock:
            start_clock(self.dut)
        self.watchdog = start_watchdog(BUDGET, lambda: f"{len(self.softmax.starts)} blocks taken, {self.done} tiles done")
        await reset(self.dut, quiet=("active", "finish", "v_rd", "slot_in_use"))

    async def step(self, now: int) -> None:
        """One cycle."""
        self.softmax.drive(now)
        self.values.drive()
        read = self.normalizer.drive()
        await RisingEdge(self.dut.clk)
        self._check(now, read)

    async def run(self, clock: bool = True) -> None:
        """All blocks in, all tiles out, then two blocks' time in which nothing may happen; the counts at the end."""
        await self.start(clock)
        tiles = self.blocks[-1].tile + 1
        now = quiet = 0
        while quiet < 2 * self.size.block_cycles + 20:
            await self.step(now)
            quiet = quiet + 1 if self.done == tiles and not self.normalizer.complete else 0
            now += 1
        self.watchdog.cancel()
        self._verdict(tiles)

    def _verdict(self, tiles: int) -> None:
        assert len(self.softmax.starts) == len(self.blocks) == self.finished and not self.values.started
        assert self.normalizer.reads == sum(block.rows for block in self.blocks if block.last) * self.size.cpk
        assert self.active == len(self.blocks) * self.size.block_cycles
        # Once more by another route: ones of v' = v + 128 over all keys, independent of slices and cycles.
        assert self.bit_ops == sum(int(byte).bit_count() for b in self.blocks for byte in (b.v + 128).reshape(-1))
