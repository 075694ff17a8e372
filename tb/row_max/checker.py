"""Drives every input of ``fcim_row_max`` and checks every output in its cycle."""

from __future__ import annotations

from collections import deque
from typing import Any

from cocotb.triggers import RisingEdge

from models.hardware.config import ROW_MAX_BITS, SHIFT_BITS, Z_BITS
from tb.common import spec
from tb.common.clock import cycle
from tb.common.geometry import Geometry
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.row_max import coverage
from tb.row_max.sequences import Block, draw_blocks

BUFFERS = 3
EVENT_DELAY = 3     # from a pass to its events


class Checker:
    """Writes blocks into the buffers in turn, offers each when it is there, reads it once it is judged, now and then late."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.g = dut, rng("stimulus")
        size = Geometry(dut)
        self.lanes, self.cpk, self.prob_bits = size.lanes, size.cpk, size.prob_bits
        bits = int(dut.CUT_BITS.value) if hasattr(dut, "CUT_BITS") else 0      # gates have no parameter that they were not given
        self.cut = spec.Cut(bits, size.keys_per_block) if bits else None
        self.blocks = draw_blocks(self.g, size.rows, size.prob_bits, self.cut)
        self.writes: deque[tuple[Block, int, int]] = deque()      # block, key, pass
        self.written = self.opened = self.offered = self.freed = 0
        self.walk: int | None = None                # first cycle of the present judgement
        self.followed = False                       # ... which came right behind the one before
        self.judged: deque[tuple[int, int]] = deque()   # cycle, number
        self.read: deque[int] = deque()             # judged blocks, oldest first
        self.asked: tuple[int, int] | None = None   # block and pass at the read port
        self.events: dict[int, tuple[int, int]] = {}    # cycle: rows and amount of a pass
        self.met = {"zero": 0, "lossy": 0, "rescaled": 0, "joint": 0, "back to back": 0}
        if self.cut is not None:
            self.met |= {"raised": 0, "left out": 0}

    def _part(self, values: list[int], pass_: int) -> list[int]:
        return values[pass_ * self.lanes : (pass_ + 1) * self.lanes]

    def _write(self) -> None:
        """Scores of at most one pass; a block's buffer must be free."""
        dut, g = self.dut, self.g
        if not self.writes and self.opened < len(self.blocks) and self.opened < self.freed + BUFFERS:
            block = self.blocks[self.opened]
            self.opened += 1
            self.writes.extend((block, key, pass_) for key in range(len(block.z[0])) for pass_ in range(self.cpk))
        valid = bool(self.writes) and g.integers(0, 8) > 0
        dut.z_valid.value = int(valid)
        if valid:
            block, key, pass_ = self.writes.popleft()
            dut.z_buf.value, dut.z_first_key.value, dut.z_pass.value = block.number % BUFFERS, int(key == 0), pass_
            dut.z_data.value = pack(self._part([row[key] for row in block.z], pass_), Z_BITS)
            self.last_write = not self.writes
        else:
            dut.z_data.value = pack(g.integers(0, 1 << 19, self.lanes), Z_BITS)
            self.last_write = False

    def _offer(self, now: int) -> None:
        """The next block, if it is there, with the one after it for a joint start."""
        dut = self.dut
        number = self.offered
        there = number < len(self.blocks) and number + self.blocks[number].joint < self.written
        valid = self.walk is not None or (there and self.g.integers(0, 4) > 0)
        dut.s_blk_valid.value = int(valid)
        block = self.blocks[min(number, len(self.blocks) - 1)]
        dut.s_blk_buf.value, dut.s_blk_after.value = number % BUFFERS, (number + 1) % BUFFERS
        dut.s_blk_first.value, dut.s_blk_joint.value, dut.s_blk_tau.value = int(block.first), int(block.joint), block.tau
        dut.s_blk_octaves.value, dut.s_blk_skip.value = block.octaves, int(block.skip)
        if valid and self.walk is None:
            self.walk = now
            self.followed = bool(self.judged) and self.judged[-1][0] == now
            self.met["back to back"] += self.followed

    def _check(self, now: int) -> None:
        """All outputs of the cycle ``now``."""
        dut = self.dut
        if self.walk is not None:
            pass_, block = now - self.walk, self.blocks[self.offered]
            last = pass_ == self.cpk - 1
            assert str(dut.s_blk_ready.value) == str(int(last)), f"cycle {now}: s_blk_ready in pass {pass_} of {self.cpk}"
            amounts = self._part(block.amount, pass_)
            self.events[now + EVENT_DELAY] = (sum(a > 0 for a in amounts), sum(amounts))
            if last:
                self.judged.append((now + 1, block.number))
                self._sample(block)
                self.offered, self.walk = self.offered + 1, None
        rows, amount = self.events.pop(now, (0, 0))
        got = (int(dut.ev_rescaled.value), int(dut.ev_amount.value))
        assert got == (rows, amount), f"cycle {now}: rescaled rows and amount are {got}, expected {(rows, amount)}"
        self.met["rescaled"] += rows
        due = bool(self.judged) and self.judged[0][0] == now
        assert str(dut.judged.value) == str(int(due)), f"cycle {now}: judged is {dut.judged.value}"
        if due:
            block = self.blocks[self.judged.popleft()[1]]
            assert int(dut.judged_buf.value) == block.number % BUFFERS, f"cycle {now}: judged_buf is {dut.judged_buf.value}"
            zero = str(dut.judged_zero.value)
            assert zero == str(int(block.zero)), f"block {block.number}: judged_zero is {zero}"
            self.met["zero"] += block.zero
            self.met["lossy"] += block.lossy
            self.met["joint"] += block.joint
            if "raised" in self.met:
                self.met["raised"] += sum(block.raised)
                self.met["left out"] += block.left_out
            self.read.append(block.number)
        self.written += self.last_write
        self._compare()

    def _sample(self, block: Block) -> None:
        """Coverpoints of a block whose walk has ended."""
        after = self.blocks[block.number + 1] if block.joint else None
        before = None if block.first else self.blocks[block.number - 1]
        coverage.sample_block(block, before, after, self.prob_bits, self.cpk, self.followed)
        if self.cut is not None:
            coverage.sample_cut(block, before, self.prob_bits, self.cut)

    def _compare(self) -> None:
        """What the read port gives."""
        if self.asked is None:
            return
        number, pass_ = self.asked
        block = self.blocks[number]
        word = int(str(self.dut.rd_row_max.value).replace("X", "0"), 2)
        row_maxima = unpack(word, self.lanes, ROW_MAX_BITS, signed=True).tolist()
        shifts = unpack(int(self.dut.rd_shift.value), self.lanes, SHIFT_BITS).tolist()
        want = self._part(block.row_max, pass_)
        wrong = [(lane, r, w) for lane, (r, w) in enumerate(zip(row_maxima, want)) if w is not None and r != w]
        assert not wrong, f"block {number} pass {pass_}: running maxima (lane, got, expected) {wrong[:3]}"
        assert shifts == self._part(block.shift, pass_), f"block {number} pass {pass_}: shifts {shifts}"
        if pass_ == self.cpk - 1:
            self.read.popleft()
            self.freed += 1

    def _ask(self) -> None:
        """Passes of the oldest judged block in order; its buffer is free after the last one."""
        if self.asked is not None and self.asked[1] < self.cpk - 1:
            self.asked = (self.asked[0], self.asked[1] + 1)
        else:
            self.asked = (self.read[0], 0) if self.read and self.g.integers(0, 3) else None
        if self.asked is not None:
            self.dut.rd_buf.value, self.dut.rd_pass.value = self.asked[0] % BUFFERS, self.asked[1]

    async def run(self) -> None:
        """All blocks."""
        while self.freed < len(self.blocks):
            now = cycle()
            self._write()
            self._offer(now)
            self._ask()
            await RisingEdge(self.dut.clk)
            self._check(now)
