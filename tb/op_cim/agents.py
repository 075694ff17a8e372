"""BFMs of the softmax unit, the V buffer and the normaliser around ``fcim_op_cim``, cycle by cycle.

They keep to the cycle table of docs/cycles.md to the cycle, and drive garbage wherever nothing may be sampled: E is a block's
exponential start, its probabilities come from E + 4 on, X is the cycle in which the unit takes it.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from models.hardware.config import SHIFT_BITS
from tb.common.geometry import Geometry
from tb.common.pack import pack, unpack
from tb.op_cim import coverage
from tb.op_cim.model import Block

P_DELAY = 4  # from E to the first probability; the last one may come in X
X_DELAY = 3  # from E to X, beside a cycle for each pass of each key
FREE_EARLY = 3  # E[b] may be X[b-2] + BLOCK_CYCLES - 3


class SoftmaxBfm:
    """Writes probabilities and hands blocks over as early as the cycle table allows, or later by the blocks' gaps."""

    def __init__(self, dut: Any, size: Geometry, blocks: list[Block], garbage: np.random.Generator) -> None:
        self.dut, self.size, self.garbage = dut, size, garbage
        self.todo = deque(blocks)
        self.writes: dict[int, tuple[Block, int, int]] = {}
        self.written: int | None = None  # slot that is written in this cycle
        self.ready_from: deque[tuple[int, Block]] = deque()  # blocks to hand over
        self.starts: list[int] = []  # X of each block
        self.next_start = 0  # the earliest E that the block before allows
        self.words: list[tuple[int, int] | None] = [None, None]  # shift and sum of each slot while they are due
        self.ends: dict[int, int] = {}  # cycle -> slot whose shift and sum are due no longer
        self.busy_banks: set[int] = set()

    def _begin(self, now: int) -> None:
        """Start the next block's exponential phase in this cycle if all rules allow it."""
        if not self.todo or now < self.next_start:
            return
        block, size = self.todo[0], self.size
        if block.number >= 2 and (len(self.starts) <= block.number - 2
                                  or now < self.starts[block.number - 2] + size.block_cycles - FREE_EARLY):
            return
        if block.first and block.bank in self.busy_banks:
            return
        if block.gap:
            block.gap -= 1
            return
        self.todo.popleft()
        self.busy_banks.add(block.bank)
        for key in range(block.keys):
            for pass_ in range(size.cpk):
                self.writes[now + P_DELAY + key * size.cpk + pass_] = (block, key, pass_)
        self.next_start = now + block.keys * size.cpk
        self.ready_from.append((self.next_start + X_DELAY, block))

    def drive(self, now: int) -> None:
        """Inputs of the cycle ``now``."""
        self._begin(now)
        dut, size = self.dut, self.size
        write = self.writes.pop(now, None)
        dut.p_we.value = write is not None
        self.written = None if write is None else write[0].slot
        if write is not None:
            block, key, pass_ = write
            rows = block.p[key, pass_ * size.lanes : (pass_ + 1) * size.lanes]
            values = (block.slot, key, pass_, pack(rows, size.prob_bits))
        else:
            values = (*self.garbage.integers(0, 2, 2).tolist(), 0, int(self.garbage.integers(0, 1 << size.prob_bits)))
        dut.p_slot.value, dut.p_key.value, dut.p_pass.value, dut.p_data.value = values
        due = next((block for start, block in self.ready_from if start == now), None)
        over = self.ends.pop(now, None)
        if due is not None:
            self.words[due.slot] = (pack(due.shift, SHIFT_BITS), pack(due.p.sum(axis=0), size.block_sum_bits))
        if over is not None:
            self.words[over] = None
        if due is not None or over is not None or now == 0:
            shift, total = zip(*(word or self._noise() for word in self.words), strict=True)
            dut.blk_shift.value = shift[0] | shift[1] << (size.rows * SHIFT_BITS)
            dut.blk_sum.value = total[0] | total[1] << (size.rows * size.block_sum_bits)
        offered = bool(self.ready_from) and self.ready_from[0][0] <= now
        dut.s_blk_valid.value = offered
        fields = (dut.s_blk_slot, dut.s_blk_first, dut.s_blk_bank, dut.s_blk_rows)
        if offered:
            block = self.ready_from[0][1]
            bits = (block.slot, block.first, block.bank, block.rows)
        else:
            bits = [*self.garbage.integers(0, 2, 3).tolist(), self.garbage.integers(0, size.rows + 1)]
        for handle, bit in zip(fields, bits, strict=True):
            handle.value = int(bit)

    def _noise(self) -> tuple[int, int]:
        return tuple(pack(self.garbage.integers(0, 1 << width, self.size.rows), width)  # type: ignore[return-value]
                     for width in (SHIFT_BITS, self.size.block_sum_bits))

    def sample(self, now: int) -> Block | None:
        """The block taken in the cycle ``now``; checks that it comes exactly when the cycle table says."""
        ready = str(self.dut.s_blk_ready.value)
        assert ready in ("0", "1"), f"s_blk_ready is {ready}"
        offered = bool(self.ready_from) and self.ready_from[0][0] <= now
        free = not self.starts or now >= self.starts[-1] + self.size.block_cycles
        if not offered:
            return None
        number = len(self.starts)
        assert (ready == "1") == free, (f"block {number}: s_blk_ready is {ready} in cycle {now}; the last "
                                        f"start was {self.starts[-1:]}, BLOCK_CYCLES = {self.size.block_cycles}")
        if not free:
            return None
        block = self.ready_from.popleft()[1]
        self.starts.append(now)
        # "until CYCLES_PER_KEY cycles after its block's start": that cycle is the last one in which they are due.
        self.ends[now + self.size.cpk + 1] = block.slot
        return block

    def check_slots(self, now: int) -> None:
        """``slot_in_use`` from the cycle after X until X + BLOCK_CYCLES - 4; in X itself the softmax unit knows by itself."""
        text = str(self.dut.slot_in_use.value)
        for slot in (0, 1):
            starts = self.starts[slot::2]
            if starts and starts[-1] == now:
                continue
            want = bool(starts) and now < starts[-1] + self.size.block_cycles - FREE_EARLY
            assert text[1 - slot] == str(int(want)), f"slot_in_use is {text} in cycle {now}; slot {slot} started in {starts[-1:]}"


class ValueBufferBfm:
    """Answers a request for a slice in the next cycle and only then; checks that each slice is asked for once, then the pop."""

    def __init__(self, dut: Any, size: Geometry, garbage: np.random.Generator) -> None:
        self.dut, self.size, self.garbage = dut, size, garbage
        self.started: deque[Block] = deque()
        self.asked: list[int] = []
        self.bits: deque[int] = deque()  # active bit-lines of each cycle of the array, in order
        self.answer: int | None = None

    def sample(self, now: int) -> None:
        """The request of the cycle ``now``."""
        request, pop = (str(s.value) for s in (self.dut.v_rd, self.dut.v_pop))
        assert {request, pop} <= {"0", "1"}, f"v_rd is {request}, v_pop is {pop}"
        self.answer = None
        if request == "0":
            assert pop == "0", "v_pop without a request"
            return
        assert self.started, f"cycle {now}: a slice is asked for before its block was taken"
        block, index = self.started[0], int(self.dut.v_slice.value)
        assert index not in self.asked, f"block {block.number}: slice {index} is asked for twice"
        self.asked.append(index)
        self.answer = pack(block.slice_bytes(self.size, index), 8)
        self.bits.extend(block.bits(self.size)[index].tolist())
        last = len(self.asked) == self.size.keys_per_block
        assert (pop == "1") == last, f"block {block.number}: v_pop is {pop} with request {len(self.asked)}"
        if last:
            self.started.popleft()
            self.asked = []

    def drive(self) -> None:
        """The answer to the request of the cycle before."""
        width = self.size.keys_per_block * self.size.columns
        self.dut.v_data.value = pack(self.garbage.integers(0, 256, width), 8) if self.answer is None else self.answer


class NormalizerBfm:
    """Takes finished tiles, reads each tile's rows in random order with random pauses, and frees its bank afterwards."""

    def __init__(self, dut: Any, size: Geometry, generator: np.random.Generator, pauses: bool, rest: int) -> None:
        self.dut, self.size, self.generator, self.pauses = dut, size, generator, pauses
        self.rest = self.resting = rest  # cycles without a read before each tile
        self.complete: deque[Block] = deque()  # last blocks of tiles whose finish pulse came, oldest first
        self.todo: list[tuple[int, int]] = []  # (row, chunk) of the oldest that are still to be read
        self.expected: np.ndarray | None = None  # what rd_data must show now: the answer to the last read
        self.where = ""
        self.kept: int | None = None  # the bank that it is of
        self.reads = self.rows_while_busy = 0

    def drive(self) -> tuple[int, int] | None:
        """Inputs of this cycle; returns the row and chunk that are read in it."""
        if self.complete and not self.todo and self.resting:
            self.resting -= 1
        elif self.complete and not self.todo:
            size, self.resting = self.size, self.rest
            rows = self.generator.permutation(self.complete[0].rows)
            self.todo = [(int(row), chunk) for row in rows for chunk in range(size.cpk)]
        read = self.todo[-1] if self.todo and not (self.pauses and self.generator.integers(0, 3) == 0) else None
        pass_, lane = divmod(read[0] if read else int(self.generator.integers(0, self.size.rows)), self.size.lanes)
        chunk = read[1] if read else int(self.generator.integers(0, self.size.cpk))
        bank = self.complete[0].bank if read else int(self.generator.integers(0, 2))
        for handle, value in ((self.dut.rd_en, read is not None), (self.dut.rd_bank, bank), (self.dut.rd_pass, pass_),
                              (self.dut.rd_lane, lane), (self.dut.rd_chunk, chunk)):
            handle.value = int(value)
        return read

    def sample(self, read: tuple[int, int] | None, busy: bool) -> int | None:
        """Check the answer to the last read, which must stay until the next one; returns a bank that is now drained."""
        if self.expected is not None:
            text = str(self.dut.rd_data.value)
            assert set(text) <= {"0", "1"}, f"{self.where}: rd_data holds X"
            want = pack(self.expected, self.size.acc_bits)
            if int(text, 2) != want:
                got = unpack(int(text, 2), self.size.read_columns, self.size.acc_bits, signed=True)
                wrong = np.flatnonzero(got != self.expected)
                raise AssertionError(f"{self.where}: {len(wrong)} columns differ; column {wrong[0]} is {got[wrong[0]]}, expected "
                                     f"{self.expected[wrong[0]]}")
        coverage.sample_read(read is not None, busy, bool(self.todo))
        if read is None:
            return None
        tile, (row, chunk) = self.complete[0], read
        width = self.size.read_columns
        assert tile.after is not None
        self.expected = tile.after[row, chunk * width : (chunk + 1) * width]
        self.kept = tile.bank
        self.where = f"tile {tile.tile} row {row} chunk {chunk}"
        self.todo.pop()
        self.reads += 1
        self.rows_while_busy += busy
        if self.todo:
            return None
        return self.complete.popleft().bank
