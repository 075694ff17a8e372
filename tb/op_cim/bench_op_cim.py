"""Bench of ``fcim_op_cim`` with stand-ins for its neighbours: values, cycles, activity. Environment: OP_CIM_TILES."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from tb.common.clock import reset, start_clock, start_watchdog
from tb.common.rng import rng
from tb.op_cim import coverage
from tb.op_cim.blocks import Block, Sizes, draw_blocks
from tb.op_cim.readout import Readout
from tb.op_cim.sides import Softmax, Values

TILES = int(os.environ.get("OP_CIM_TILES", "4"))  # of the test with random blocks
BUDGET = 40_000


class OpCim:
    """The unit between its stand-ins; :meth:`run` passes all blocks through and compares everything that comes out."""

    def __init__(self, dut: Any, size: Sizes, blocks: list[Block], pauses: bool) -> None:
        self.dut, self.size, self.blocks = dut, size, blocks
        garbage = rng("garbage")
        self.softmax = Softmax(dut, size, blocks, garbage)
        self.values = Values(dut, size, garbage)
        self.readout = Readout(dut, size, rng("reads"), pauses)
        self.finishing: deque[tuple[int, Block]] = deque()  # (X, block) until its finish pulse
        self.finished = self.done = self.active = self.bit_ops = 0

    def _cycle(self, now: int, read: tuple[int, int] | None) -> None:
        """Look at all outputs of the cycle ``now``."""
        block = self.softmax.look(now)
        if block is not None:
            self.values.started.append(block)
            size = self.size
            assert block.after is not None
            coverage.sample_block(block.p, block.v, block.shift, block.after, block.first, block.last, size.keys_per_block,
                                     size.prob_bits, size.acc_bits)
            if len(self.softmax.starts) > 1:
                coverage.sample_start(now - self.softmax.starts[-2] - size.block_cycles)
            self.finishing.append((now, block))
        self.softmax.check_slots(now)
        self.values.look(now)
        self._activity(now)
        freed = self.readout.look(read, self.active > 0 and bool(self.values.started))
        if freed is not None:
            self.softmax.busy_banks.discard(freed)
        self._finish(now)

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
            self.readout.complete.append(block)
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
        await reset(self.dut)

    async def step(self, now: int) -> None:
        """One cycle."""
        self.softmax.drive(now)
        self.values.drive()
        read = self.readout.drive()
        await RisingEdge(self.dut.clk)
        self._cycle(now, read)

    async def run(self, clock: bool = True) -> None:
        """All blocks in, all tiles out, then two blocks' time in which nothing may happen; the counts at the end."""
        await self.start(clock)
        tiles = self.blocks[-1].tile + 1
        now = rest = 0
        while rest < 2 * self.size.block_cycles + 20:
            await self.step(now)
            rest = rest + 1 if self.done == tiles and not self.readout.complete else 0
            now += 1
        self.watchdog.cancel()
        self._verdict(tiles)

    def _verdict(self, tiles: int) -> None:
        assert len(self.softmax.starts) == len(self.blocks) == self.finished and not self.values.started
        assert self.readout.reads == tiles * self.size.rows * self.size.cpk
        assert self.active == len(self.blocks) * self.size.block_cycles
        # Once more by another route: ones of v' = v + 128 over all keys, independent of slices and cycles.
        assert self.bit_ops == sum(int(byte).bit_count() for b in self.blocks for byte in (b.v + 128).reshape(-1))


def dense_length(size: Sizes) -> int:
    """Blocks of a tile that last longer than reading the tile before it, if a tile may be that long."""
    return min(size.rows // size.keys_per_block + 2, size.max_keys // size.keys_per_block)


@cocotb.test()
async def full_blocks_without_a_gap(dut: Any) -> None:
    """A block every BLOCK_CYCLES, also from tile to tile, while the other bank is read; all rescales."""
    size = Sizes.of(dut)
    length = dense_length(size)
    blocks = draw_blocks(rng("blocks"), size, [length] * 3, "mixed", full=True, gaps=False)
    unit = OpCim(dut, size, blocks, pauses=False)
    await unit.run()
    steps = [b - a for a, b in zip(unit.softmax.starts, unit.softmax.starts[1:], strict=False)]
    if length * size.keys_per_block > size.rows + size.keys_per_block:
        assert steps == [size.block_cycles] * (3 * length - 1), f"blocks started {steps} cycles apart"
        assert unit.readout.rows_while_busy > 0, "no row was read while the other bank accumulated"


@cocotb.test()
async def short_blocks_with_gaps(dut: Any) -> None:
    """Blocks of 1 to KEYS_PER_BLOCK keys, tiles of one block and more, idle cycles anywhere, reads with pauses."""
    size, generator = Sizes.of(dut), rng("blocks")
    lengths = generator.integers(1, min(4, size.max_keys // size.keys_per_block) + 1, TILES).tolist()
    lengths[:3] = [1, *[min(4, size.max_keys // size.keys_per_block)] * 2]    # so that short blocks come in every place
    await OpCim(dut, size, draw_blocks(generator, size, lengths, "mixed", full=False, gaps=True), pauses=True).run()


@cocotb.test()
@cocotb.parametrize(style=[cocotb.Param(value=s, name=s) for s in ("largest", "smallest")])
async def ends_of_the_range(dut: Any, style: str) -> None:
    """Every probability at its maximum and every value 127 or -128; with few MAX_KEYS a tile has as many as it may."""
    size = Sizes.of(dut)
    length = size.max_keys // size.keys_per_block if size.max_keys == 64 else 2
    await OpCim(dut, size, draw_blocks(rng("blocks"), size, [length], style, full=True, gaps=False), pauses=False).run()


@cocotb.test()
async def reset_in_a_block(dut: Any) -> None:
    """A block that a reset cuts off leaves nothing behind: no finish pulse, no request, no slot in use."""
    size, generator = Sizes.of(dut), rng("blocks")
    cut = OpCim(dut, size, draw_blocks(generator, size, [1], "mixed", full=True, gaps=False), pauses=False)
    await cut.start()
    now = 0
    while not cut.softmax.starts or now < cut.softmax.starts[0] + size.block_cycles - 2:
        await cut.step(now)
        now += 1
    assert cut.active > 0 and cut.finished == 0
    coverage.sample_reset()
    cut.watchdog.cancel()
    await OpCim(dut, size, draw_blocks(generator, size, [1, 1], "mixed", full=True, gaps=False), pauses=False).run(clock=False)
