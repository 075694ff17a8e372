"""Block reference: scores of chains of tiles in, references, amounts and the test for 0 out, in their cycles."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from tb.common import spec
from tb.common.clock import cycle, reset, start_clock, start_watchdog
from tb.common.pack import pack, unpack
from tb.common.rng import rng
from tb.row_max import coverage

BUFFERS, OCTAVE = 3, 1 << spec.Z_FRAC
BLOCKS = 150
BUDGET = 20_000


@dataclass
class Block:
    """Scores ``z[row][key]`` of a block, and what must come of it."""

    number: int
    first: bool
    joint: bool
    tau: int
    z: list[list[int]]
    reference: list[int | None] = field(default_factory=list)   # None: the row has seen no key
    shift: list[int] = field(default_factory=list)
    amount: list[int] = field(default_factory=list)
    zero: bool = False


def draw_scores(g: np.random.Generator, rows: int, reference: list[int | None], tau: int, prob_bits: int) -> list[list[int]]:
    """A few keys per row, chosen around what decides: the reference, the threshold, the last probability, the ends, masked."""
    keys, edge = int(g.integers(1, 4)), tau - prob_bits
    far = bool(g.integers(0, 2))                                    # every row far below, or each row anything
    stray = int(g.integers(rows)) if g.integers(0, 2) else None     # ... but this one
    z = []
    for row in range(rows):
        m = reference[row]
        gone = far and row != stray
        steps = [edge - 1, edge - 2, -600] if gone else [edge, edge - 1, -1, 0, tau, tau + 1, 63, tau + 70, 300]
        hidden = g.integers(0, 4, keys) == 0 if m is not None or not gone else [True] * keys
        start = int(g.choice([-512, 511, 0, int(g.integers(-400, 400))])) if m is None else m
        values = [(start + int(g.choice(steps))) * OCTAVE + int(g.choice([0, 1, OCTAVE - 1])) for _ in range(keys)]
        z.append([spec.MASKED if h else min(max(v, spec.Z_MIN), spec.Z_MAX) for h, v in zip(hidden, values)])
    return z


def draw_blocks(g: np.random.Generator, rows: int, prob_bits: int) -> list[Block]:
    """Tiles of one block to six, with the references that the scalar rules give."""
    blocks: list[Block] = []
    while len(blocks) < BLOCKS:
        tau, count = int(g.integers(0, min(8, prob_bits - 2) + 1)), int(g.integers(1, 7))
        fused, reference = bool(g.integers(0, 2)) and count > 1, [None] * rows
        tile: list[Block] = []
        for index in range(count):
            block = Block(len(blocks) + index, index == 0, fused and index == 0, tau,
                          draw_scores(g, rows, reference, tau, prob_bits))
            tile.append(block)
            if not block.joint:
                for done in (tile if fused and index == 1 else [block]):
                    reference = _judge(done, tile, reference, prob_bits)
        blocks += tile
    return blocks


def _judge(block: Block, tile: list[Block], reference: list[int | None], prob_bits: int) -> list[int | None]:
    """Fill in what must come of the block; gives the references after it."""
    zero = True
    for row, own in enumerate(block.z):
        column = own + tile[1].z[row] if block.joint else own
        m, shift, amount = spec.new_reference(reference[row], column, block.tau)
        block.reference.append(m)
        block.shift.append(shift)
        block.amount.append(amount)
        zero &= all(v == spec.MASKED or spec.probability(v, m, block.tau, prob_bits) == 0 for v in own)
    block.zero = zero
    return list(block.reference)


class Bench:
    """Writes blocks into the buffers in turn, offers each when it is there, reads it once it is judged, now and then late."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.g = dut, rng("stimulus")
        self.lanes, self.cpk = int(dut.LANES.value), 8 // int(dut.BITS_PER_CYCLE.value)
        self.blocks = draw_blocks(self.g, self.lanes * self.cpk, int(dut.PROB_BITS.value))
        self.writes: deque[tuple[Block, int, int]] = deque()      # block, key, group
        self.written = self.opened = self.offered = self.freed = 0
        self.walk: int | None = None                # first cycle of the present judgement
        self.followed = False                       # ... which came right behind the one before
        self.judged: deque[tuple[int, int]] = deque()   # cycle, number
        self.read: deque[int] = deque()             # judged blocks, oldest first
        self.asked: tuple[int, int] | None = None   # block and group at the read port
        self.events: dict[int, tuple[int, int]] = {}    # cycle: rows and amount of a group
        self.seen = {"zero": 0, "rescaled": 0, "joint": 0, "back to back": 0}

    def _part(self, values: list[int], group: int) -> list[int]:
        return values[group * self.lanes : (group + 1) * self.lanes]

    def _write(self) -> None:
        """At most one group of scores; a block's buffer must be free."""
        dut, g = self.dut, self.g
        if not self.writes and self.opened < len(self.blocks) and self.opened < self.freed + BUFFERS:
            block = self.blocks[self.opened]
            self.opened += 1
            self.writes.extend((block, key, group) for key in range(len(block.z[0])) for group in range(self.cpk))
        valid = bool(self.writes) and g.integers(0, 8) > 0
        dut.z_valid.value = int(valid)
        if valid:
            block, key, group = self.writes.popleft()
            dut.z_buf.value, dut.z_first_key.value, dut.z_group.value = block.number % BUFFERS, int(key == 0), group
            dut.z_data.value = pack(self._part([row[key] for row in block.z], group), 20)
            self.last_write = not self.writes
        else:
            dut.z_data.value = pack(g.integers(0, 1 << 19, self.lanes), 20)
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
        dut.s_blk_before.value = (number + 2) % BUFFERS
        dut.s_blk_first.value, dut.s_blk_joint.value, dut.s_blk_tau.value = int(block.first), int(block.joint), block.tau
        if valid and self.walk is None:
            self.walk = now
            self.followed = bool(self.judged) and self.judged[-1][0] == now
            self.seen["back to back"] += self.followed

    def _look(self, now: int) -> None:
        """All outputs of the cycle ``now``."""
        dut = self.dut
        if self.walk is not None:
            group, block = now - self.walk, self.blocks[self.offered]
            last = group == self.cpk - 1
            assert str(dut.s_blk_ready.value) == str(int(last)), f"cycle {now}: s_blk_ready in group {group} of {self.cpk}"
            amounts = self._part(block.amount, group)
            self.events[now + 1] = (sum(a > 0 for a in amounts), sum(amounts))
            if last:
                self.judged.append((now + 1, block.number))
                self._sample(block)
                self.offered, self.walk = self.offered + 1, None
        rows, amount = self.events.pop(now, (0, 0))
        got = (int(dut.ev_rescaled.value), int(dut.ev_amount.value))
        assert got == (rows, amount), f"cycle {now}: rescaled rows and amount are {got}, expected {(rows, amount)}"
        self.seen["rescaled"] += rows
        due = bool(self.judged) and self.judged[0][0] == now
        assert str(dut.judged.value) == str(int(due)), f"cycle {now}: judged is {dut.judged.value}"
        if due:
            block = self.blocks[self.judged.popleft()[1]]
            assert int(dut.judged_buf.value) == block.number % BUFFERS, f"cycle {now}: judged_buf is {dut.judged_buf.value}"
            zero = str(dut.judged_zero.value)
            assert zero == str(int(block.zero)), f"block {block.number}: judged_zero is {zero}"
            self.seen["zero"] += block.zero
            self.seen["joint"] += block.joint
            self.read.append(block.number)
        self.written += self.last_write
        self._compare()

    def _sample(self, block: Block) -> None:
        """Cover points of a block whose walk has ended."""
        after = self.blocks[block.number + 1] if block.joint else None
        coverage.sample_block(block, None if block.first else self.blocks[block.number - 1], after, int(self.dut.PROB_BITS.value),
                     self.cpk, self.followed)

    def _compare(self) -> None:
        """What the read port shows."""
        if self.asked is None:
            return
        number, group = self.asked
        block = self.blocks[number]
        references = unpack(int(str(self.dut.rd_reference.value).replace("X", "0"), 2), self.lanes, 10, signed=True).tolist()
        shifts = unpack(int(self.dut.rd_shift.value), self.lanes, 6).tolist()
        want = self._part(block.reference, group)
        wrong = [(lane, r, w) for lane, (r, w) in enumerate(zip(references, want)) if w is not None and r != w]
        assert not wrong, f"block {number} group {group}: references (lane, got, expected) {wrong[:3]}"
        assert shifts == self._part(block.shift, group), f"block {number} group {group}: shifts {shifts}"
        if group == self.cpk - 1:
            self.read.popleft()
            self.freed += 1

    def _ask(self) -> None:
        """Groups of the oldest judged block in order; its buffer is free after the last one."""
        if self.asked is not None and self.asked[1] < self.cpk - 1:
            self.asked = (self.asked[0], self.asked[1] + 1)
        else:
            self.asked = (self.read[0], 0) if self.read and self.g.integers(0, 3) else None
        if self.asked is not None:
            self.dut.rd_buf.value, self.dut.rd_group.value = self.asked[0] % BUFFERS, self.asked[1]

    async def run(self) -> None:
        """All blocks."""
        while self.freed < len(self.blocks):
            now = cycle()
            self._write()
            self._offer(now)
            self._ask()
            await RisingEdge(self.dut.clk)
            self._look(now)


@cocotb.test()
async def chains_of_tiles(dut: Any) -> None:
    """Every reference, amount, test for 0 and event."""
    bench = Bench(dut)
    for name in ("z_valid", "z_buf", "z_first_key", "z_group", "s_blk_valid", "rd_buf", "rd_group"):
        getattr(dut, name).value = 0
    start_clock(dut)
    start_watchdog(BUDGET, lambda: f"{bench.freed} of {len(bench.blocks)} blocks")
    await reset(dut)
    await bench.run()
    assert all(count >= 5 for count in bench.seen.values()), f"the stimulus misses a case: {bench.seen}"
