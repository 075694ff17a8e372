"""Compares every output of ``fcim_block_exponential`` with the model in every cycle; the model is fed from the pins."""

from __future__ import annotations

from typing import Any

from models.hardware.config import ROW_MAX_BITS, SHIFT_BITS, Z_BITS
from tb.block_exponential import coverage
from tb.block_exponential.agents import START_FIELDS
from tb.block_exponential.model import ExpectedBlock, Model, Write
from tb.common.geometry import Geometry
from tb.common.pack import unpack

BLOCK_FIELDS = ("slot", "last_key", "first", "last", "bank")


def _lanes(bits: str, width: int) -> list[str]:
    """The lanes of a port's text, lane 0 first."""
    return [bits[end - width : end] for end in range(len(bits), 0, -width)]


def _signed(bits: str) -> int | None:
    """The number, or None if a bit is X."""
    return int(bits, 2) - ((bits[0] == "1") << len(bits)) if set(bits) <= {"0", "1"} else None


class Checker:
    """Call :meth:`check` in every cycle from reset on, :meth:`finish` at the end; ``offers`` counts how blocks were offered."""

    def __init__(self, dut: Any, size: Geometry) -> None:
        self.dut, self.size, self.now = dut, size, 0
        self.model = Model(size)
        self.written = 0
        self.read: set[tuple[int, int]] = set()     # tile's last block and row whose finished sum was asked for
        self.offers = {"taken at once": 0, "waits": 0, "behind one that waits": 0, "as the one before is taken": 0}
        self.reads_while_written = 0
        self._write: Write | None = None            # of this cycle
        self._asked: tuple[ExpectedBlock, int, int, list[int | None], list[int] | None, int | None] | None = None

    def check(self, now: int) -> None:
        """All pins of the cycle ``now``."""
        self.now = now
        self._feed_pass()
        self.model.begin(now)
        self._check_walk()
        self._check_write()
        self._check_offer()
        self._check_slots()
        if self.model.answer is not None:
            total, row_max = self.model.answer
            self._equal("sum_rd_data", total)
            if row_max is not None:
                self._equal("sum_rd_max", row_max & (1 << ROW_MAX_BITS) - 1)
        self._feed()

    def _bits(self, name: str) -> str:
        return str(getattr(self.dut, name).value)

    def _number(self, name: str) -> int:
        return int(self._bits(name), 2)

    def _equal(self, name: str, want: int, of: str = "") -> None:
        bits = self._bits(name)
        assert bits == format(want, f"0{len(bits)}b"), f"cycle {self.now}{of}: {name} is {bits}, expected {want:b}"

    def _equal_lanes(self, name: str, bits: str, width: int, want: list[int], of: str) -> None:
        got = _lanes(bits, width)
        wrong = [(lane, g, f"{w:b}") for lane, (g, w) in enumerate(zip(got, want, strict=True)) if g != format(w, f"0{width}b")]
        assert not wrong, f"cycle {self.now}, {of}: {name} (lane, got, expected) {wrong[:3]}"

    # ---- outputs
    def _check_walk(self) -> None:
        """``ready``, and the address; the buffer stays after a walk."""
        model, now = self.model, self.now
        self._equal("ready", int(model.ready(now)))
        if not model.blocks:
            return
        block = model.blocks[-1]
        self._equal("rd_buf", block.buf, f", block {block.number}")
        self._equal("rd_en", int(model.walk(now) is not None))
        if model.walk(now) is not None:
            for name, value in zip(("rd_key", "rd_pass"), model.place(now), strict=True):
                self._equal(name, value, f", block {block.number}")

    def _check_write(self) -> None:
        write = self._write = self.model.writes.pop(self.now, None)
        self._equal("p_we", int(write is not None))
        if write is None:
            return
        of = f"block {write.block.number}, key {write.key}, pass {write.pass_}"
        for name, value in (("p_slot", write.block.slot), ("p_key", write.key), ("p_pass", write.pass_)):
            self._equal(name, value, f", {of}")
        self._equal_lanes("p_data", self._bits("p_data"), self.size.prob_bits, write.p, of)
        self.written += 1

    def _check_offer(self) -> None:
        """The oldest block that is finished and not taken."""
        queue = self.model.queue
        self._equal("m_blk_valid", int(bool(queue)))
        for name in BLOCK_FIELDS if queue else ():
            self._equal(f"m_blk_{name}", int(getattr(queue[0], name)), f", block {queue[0].number}")

    def _check_slots(self) -> None:
        """Shift of each block from its offer on, its sum from one cycle later on, also after it is taken, until its slot is
        written again."""
        for name, width, values, wait in (("blk_shift", SHIFT_BITS, "shift", 0),
                                          ("blk_sum", self.size.block_sum_bits, "total", 1)):
            bits, half = self._bits(name), self.size.rows * width
            for slot, block in enumerate(self.model.held):
                if block is not None and self.now >= block.finish + wait:
                    part = bits[half:] if slot == 0 else bits[:half]
                    self._equal_lanes(name, part, width, getattr(block, values), f"block {block.number}")

    # ---- inputs
    def _feed(self) -> None:
        model, now = self.model, self.now
        if model.queue and model.queue[-1].finish == now:
            self._count_offer()
        if model.queue and self._bits("m_blk_ready") == "1":
            model.take(now)
        if model.walk(now) is not None:
            self._note_pass()
        if self._bits("sum_rd_en") == "1":
            self._feed_read()
        if self._bits("start") == "1":
            self._feed_start()

    def _count_offer(self) -> None:
        """How the block that is finished in this cycle meets the sink."""
        ready, first = self._bits("m_blk_ready") == "1", len(self.model.queue) == 1
        how = ("taken at once" if ready else "waits") if first else \
            "as the one before is taken" if ready else "behind one that waits"
        self.offers[how] += 1
        coverage.sample_offer(how)

    def _feed_start(self) -> None:
        model = self.model
        fields = {name: self._number(f"start_{name}") for name in START_FIELDS}
        behind = model.walk(self.now) is not None
        block = ExpectedBlock(len(model.blocks), self.now, self.size.cpk, **fields)
        coverage.sample_start(block, self.size, behind, model.sums[block.bank] is not None)
        model.start(block)

    def _note_pass(self) -> None:
        """What the address of this cycle is answered with at once; its scores come in the next one."""
        block, (key, pass_) = self.model.blocks[-1], self.model.place(self.now)
        row_max = [_signed(bits) for bits in _lanes(self._bits("rd_row_max"), ROW_MAX_BITS)]
        shift = unpack(self._number("rd_shift"), self.size.lanes, SHIFT_BITS).tolist() if key == 0 else None
        v_mult = self._number("rd_v_mult") if pass_ == 0 else None
        self._asked = (block, key, pass_, row_max, shift, v_mult)

    def _feed_pass(self) -> None:
        """The pass whose address was shown in the cycle before, now that its scores are there."""
        if self._asked is None:
            return
        block, key, pass_, row_max, shift, v_mult = self._asked
        model, lanes, asked, self._asked = self.model, self.size.lanes, self.now - 1, None
        z = unpack(self._number("rd_z"), lanes, Z_BITS, signed=True).tolist()
        sums = model.sums[block.bank]
        if shift is not None and sums is not None and not block.first:
            coverage.sample_rescale(sums[pass_ * lanes : (pass_ + 1) * lanes], shift, self.size.sum_bits)
        model.scores(asked, block, (key, pass_), z, row_max, shift, v_mult)
        coverage.sample_scores(z, row_max, block.tau, self.size.prob_bits, block.v_mult[key])
        if asked == block.end:
            coverage.sample_v_mult(block.v_mult, not block.first and any(block.shift))

    def _feed_read(self) -> None:
        model, bank = self.model, self._number("sum_rd_bank")
        row = self._number("sum_rd_pass") * self.size.lanes + self._number("sum_rd_lane")
        model.read(self.now, bank, row)
        written = self._write is not None and self._write.block.bank != bank    # its probabilities join the sums in this cycle
        self.reads_while_written += written
        assert model.answer is not None
        coverage.sample_read(model.answer[0], self.size.sum_bits, written)
        block = [b for b in model.blocks if b.bank == bank and b.start < self.now][-1]
        if block.last:
            self.read.add((block.number, row))

    # ---- verdict
    def finish(self) -> None:
        """Every block that was started was written, offered, taken, and all sums of its tile were read."""
        model, size = self.model, self.size
        assert model.blocks and not model.pending and not model.queue and not model.writes
        assert len(model.taken) == len(model.blocks), f"{len(model.taken)} of {len(model.blocks)} blocks were taken"
        assert self.written == sum(block.last_key + 1 for block in model.blocks) * size.cpk
        assert len(self.read) == sum(block.last for block in model.blocks) * size.rows, "sums of finished tiles were not read"
