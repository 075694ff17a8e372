"""Driver of every input of ``fcim_block_exponential``: judged blocks in their buffers, the OP-CIM, the normaliser.

It only drives, garbage and at times X wherever nothing may be sampled; what the design has done it learns from the model.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from cocotb.types import LogicArray

from models.hardware.config import ROW_MAX_BITS, SHIFT_BITS, V_MULT_BITS, Z_BITS
from tb.block_exponential.model import WRITE_DELAY, Model
from tb.block_exponential.sequences import BlockStimulus
from tb.common.geometry import Geometry
from tb.common.pack import pack
from tb.common.rng import rng
from tb.common.stalls import sink_stalls, source_stalls

START_FIELDS = ("buf", "slot", "last_key", "first", "last", "bank", "tau")
Ready = Callable[[int], bool]   # cycle to whether m_blk_ready is high in it


def idle(dut: Any) -> None:
    """Nothing is asked of the design."""
    dut.start.value = dut.m_blk_ready.value = dut.sum_rd_en.value = 0


def _levels(stalls: Iterator[tuple[int, int]]) -> Iterator[bool]:
    """One level per cycle."""
    for on, off in stalls:
        yield from repeat(True, on)
        yield from repeat(False, off)


class Driver:
    """Starts ``blocks`` in order, each as early as it may or after a pause; takes blocks; reads the sums of every tile.

    A slot is used again when its block has been taken, under backpressure at times much later, a bank when its tile has been
    read. Finished sums are read in any order, others now and then while their bank is idle.
    """

    def __init__(self, dut: Any, size: Geometry, model: Model, blocks: Sequence[BlockStimulus], pattern: str = "none",
                 ready: Ready | None = None) -> None:
        self.dut, self.size, self.model = dut, size, model
        self.todo = deque(blocks)
        self.started: list[int] = []                            # cycles
        self._g = rng("surroundings")
        self._slow = pattern in ("backpressure", "both")
        self._stalls = source_stalls(pattern, rng("stalls start"))
        levels = _levels(sink_stalls(pattern, rng("stalls m_blk")))
        self._ready = ready or (lambda now: next(levels))
        self._walk: BlockStimulus | None = None                 # the last block that was started
        self._z: int | None = None                              # the answer to the address of the cycle before
        self._run = self._pause = 0                             # blocks until the next pause; cycles left of it
        self._hold = 0                                          # cycles from a take until its slot is free
        self._open = [False, False]                             # bank: a tile is in it that has not been read
        self._ends: list[tuple[int, int]] = []                  # first cycle in which a finished tile may be read, and its bank
        self._unread: list[tuple[int, int]] = []                # bank and row

    @property
    def done(self) -> bool:
        """Every block is taken, and every tile read."""
        return not self.todo and len(self.model.taken) == len(self.started) and not self._ends and not self._unread

    def drive(self, now: int) -> None:
        """Inputs of the cycle ``now``."""
        self._drive_scores(now)     # the last ones of a block in the cycle in which the next is started
        self._drive_start(now)
        self.dut.m_blk_ready.value = int(self._ready(now))
        self._drive_read(now)

    # ---- blocks
    def _may_start(self, now: int) -> bool:
        model, number = self.model, len(self.started)
        if not self.todo or not model.ready(now):
            return False
        if number >= 2 and (len(model.taken) < number - 1 or now <= model.taken[number - 2] + self._hold):
            return False
        if self.todo[0].first and self._open[self.todo[0].bank]:
            return False
        if self._stalls is not None and not self._run:
            if self._pause:
                self._pause -= 1
                return False
            self._run, self._pause = next(self._stalls)
        return True

    def _drive_start(self, now: int) -> None:
        dut, g = self.dut, self._g
        starts = self._may_start(now)
        if starts:
            block = self._walk = self.todo.popleft()
            fields = (block.buf, len(self.started) & 1, block.keys - 1, int(block.first), int(block.last), block.bank,
                      block.tau)
            self.started.append(now)
            self._run = max(self._run - 1, 0)
            self._open[block.bank] = True
            if block.last:
                self._ends.append((now + block.keys * self.size.cpk + WRITE_DELAY + 1, block.bank))
            if self._slow:
                self._hold = int(g.integers(0, 2) * g.integers(0, 3 * self.size.keys_per_block * self.size.cpk))
        else:
            fields = tuple(g.integers(0, (4, 2, self.size.keys_per_block, 2, 2, 2, 9)).tolist())
        dut.start.value = int(starts)
        for name, value in zip(START_FIELDS, fields, strict=True):
            getattr(dut, f"start_{name}").value = value

    # ---- scores
    def _noise(self, width: int) -> LogicArray | int:
        if self._g.integers(0, 4) == 0:
            return LogicArray("X" * width)
        return int.from_bytes(self._g.bytes(-(-width // 8)), "little") & (1 << width) - 1

    def _drive_scores(self, now: int) -> None:
        """The answer to the address that a walk shows in this cycle; amounts with its first key, a
        multiplier with its key's first pass only. The scores themselves come one cycle later."""
        dut, size, lanes = self.dut, self.size, self.size.lanes
        dut.rd_z.value = self._noise(lanes * Z_BITS) if self._z is None else self._z
        self._z = None
        index = now - self.started[-1] - 1 if self.started else -1
        block = self._walk
        if block is None or not 0 <= index < block.keys * size.cpk:
            dut.rd_row_max.value = self._noise(lanes * ROW_MAX_BITS)
            dut.rd_shift.value, dut.rd_v_mult.value = self._noise(lanes * SHIFT_BITS), self._noise(V_MULT_BITS)
            return
        key, pass_ = divmod(index, size.cpk)
        part = slice(pass_ * lanes, (pass_ + 1) * lanes)
        self._z = pack(block.z[key][part], Z_BITS)
        mask = (1 << ROW_MAX_BITS) - 1
        texts = ["X" * ROW_MAX_BITS if m is None else format(m & mask, f"0{ROW_MAX_BITS}b") for m in block.row_max[part]]
        dut.rd_row_max.value = LogicArray("".join(reversed(texts)))
        dut.rd_shift.value = pack(block.shift[part], SHIFT_BITS) if key == 0 else self._noise(lanes * SHIFT_BITS)
        dut.rd_v_mult.value = block.v_mult[key] if pass_ == 0 else self._noise(V_MULT_BITS)

    # ---- sums
    def _drive_read(self, now: int) -> None:
        dut, g = self.dut, self._g
        if not self._unread and self._ends and self._ends[0][0] <= now:
            bank = self._ends.pop(0)[1]
            self._unread = [(bank, row) for row in g.permutation(self.size.rows).tolist()]
        if self._unread:
            read = None if self._slow and g.integers(0, 3) == 0 else self._unread.pop()
            if not self._unread and read is not None:
                self._open[read[0]] = False
        else:
            bank, row = int(g.integers(0, 2)), int(g.integers(0, self.size.rows))
            starting = bool(self.started) and self.started[-1] == now and self._walk is not None and self._walk.bank == bank
            settled = self.model.sums[bank] is not None and self.model.idle(bank, now) and not starting
            read = (bank, row) if settled and g.integers(0, 2) else None
        dut.sum_rd_en.value = int(read is not None)
        bank, row = read or (int(g.integers(0, 2)), int(g.integers(0, self.size.rows)))
        dut.sum_rd_bank.value = bank
        dut.sum_rd_pass.value, dut.sum_rd_lane.value = divmod(row, self.size.lanes)
