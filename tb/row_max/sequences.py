"""Sequences of key blocks for ``fcim_row_max``, tile after tile, with what the specification's rules make of each block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from models.hardware.config import TAU_MAX
from tb.common import spec
from tb.common.geometry import OCTAVE

BLOCKS = 160
HEAVY_BLOCKS = 400      # where row sums are cut
RISES = ((1023,), (511, 512), (62, 63, 64, 65, 127, 128))     # octaves; 1,023 lie between the maxima' ends


@dataclass
class Block:
    """Scores ``z[row][key]`` of a block, and what must come of it."""

    number: int
    first: bool
    joint: bool
    tau: int
    octaves: int
    z: list[list[int]]
    skip: bool = False
    row_max: list[int | None] = field(default_factory=list)   # None: the row has seen no key
    shift: list[int] = field(default_factory=list)
    amount: list[int] = field(default_factory=list)
    zero: bool = False
    lossy: bool = False         # zero, though a probability is not 0
    raised: list[bool] = field(default_factory=list)            # its sum asked for it
    bound: list[int] = field(default_factory=list)              # of the sums, once the block is through

    @property
    def left_out(self) -> bool:
        """Whether the block adds nothing."""
        return self.zero and self.skip


def draw_octaves(g: np.random.Generator, tau: int, prob_bits: int) -> int:
    """None in a third of the tiles; else 1, the largest, around the last probability, fewer, or any."""
    exact = prob_bits - tau
    values = (1, 2, exact - 1, exact, exact + 1, 31, *g.integers(1, exact, 2).tolist(), int(g.integers(1, 32)))
    return int(g.choice(values)) if g.integers(3) else 0


def draw_scores(g: np.random.Generator, rows: int, row_max: list[int | None], tau: int, edge: int) -> list[list[int]]:
    """A few keys per row, chosen around what decides: m, the threshold, the last octave that counts (``edge``), ends, masked."""
    keys = int(g.integers(1, 4))
    far = bool(g.integers(0, 2))                                    # every row far below, or each row anything
    stray = int(g.integers(rows)) if g.integers(0, 2) else None     # ... but this one
    z = []
    for row in range(rows):
        m = row_max[row]
        gone = far and row != stray
        steps = [edge - 1, edge - 2, -600] if gone else [edge, edge - 1, -1, 0, tau, tau + 1, 63, tau + 70, 300]
        blind = gone and (m is None or m + edge <= -512)    # nothing lies that far below it
        hidden = [True] * keys if blind else g.integers(0, 4, keys) == 0
        start = int(g.choice([-512, 511, 0, int(g.integers(-400, 400))])) if m is None else m
        values = [(start + int(g.choice(steps))) * OCTAVE + int(g.choice([0, 1, OCTAVE - 1])) for _ in range(keys)]
        z.append([spec.MASKED if h else min(max(v, spec.Z_MIN), spec.Z_MAX) for h, v in zip(hidden, values)])
    return z


def judge(block: Block, tile: list[Block], row_max: list[int | None], prob_bits: int,
          cut: spec.Cut | None = None) -> list[int | None]:
    """Fill in what must come of the block, whose row sums may be cut; gives the running maxima after it."""
    zero = True
    before = [0] * len(block.z) if block.first else tile[tile.index(block) - 1].bound
    bounds = []
    for row, own in enumerate(block.z):
        column = own + tile[1].z[row] if block.joint else own
        m, shift, amount = spec.new_row_max(row_max[row], column, block.tau)
        more = False
        if cut is not None:
            more, *bound = spec.raised(cut, m, before[row], shift, own, block.tau, prob_bits)
            bounds.append(bound)
            if more:
                m, shift, amount = m + 1, min(amount + 1, spec.MAX_SHIFT), amount + 1
        block.raised.append(more)
        zero &= not more
        block.row_max.append(m)
        block.shift.append(shift)
        block.amount.append(amount)
        zero &= not spec.counts(m, own, block.tau, prob_bits, block.octaves)
    block.zero = zero
    block.bound = [without if block.left_out else with_it for with_it, without in bounds]
    block.lossy = zero and any(spec.probability(v, m, block.tau, prob_bits) for m, own in zip(block.row_max, block.z)
                               for v in own if v != spec.MASKED)
    return list(block.row_max)


def falling_tile(number: int, rows: int, octaves: int, prob_bits: int) -> list[Block]:
    """Six blocks that lie 0, 1, 2 and so on octaves below the first one; ``number`` of the first."""
    tile: list[Block] = []
    row_max: list[int | None] = [None] * rows
    for below in range(6):
        tile.append(Block(number + below, below == 0, False, 0, octaves, [[(3 - below) * OCTAVE]] * rows))
        row_max = judge(tile[-1], tile, row_max, prob_bits)
    return tile


def rising_tile(number: int, rows: int, rises: Sequence[int], prob_bits: int) -> list[Block]:
    """Blocks whose rows all rise at once, by so many octaves from the lowest maximum on; ``number`` of the first."""
    tile: list[Block] = []
    row_max: list[int | None] = [None] * rows
    for index, octave in enumerate(accumulate(rises, initial=-512)):
        tile.append(Block(number + index, index == 0, False, 0, 0, [[octave * OCTAVE + 1]] * rows))
        row_max = judge(tile[-1], tile, row_max, prob_bits)
    return tile


def draw_heavy(g: np.random.Generator, rows: int, row_max: list[int | None], tau: int, edge: int) -> list[list[int]]:
    """A key per row that adds much: at the running maximum, as far above as a threshold leaves, a little below; now and then
    far above, or where a block may be left out."""
    steps = [tau, tau, tau, max(tau - 1, 0), 0, -1, -2]
    rare = [tau + 1, tau + 3, 64, edge, edge - 1]
    far = g.integers(0, 4) == 0         # for all rows
    z = []
    for row in range(rows):
        m = int(g.integers(-300, 300)) if row_max[row] is None else row_max[row]
        step = edge - 1 if far else int(g.choice(rare)) if g.integers(0, 24) == 0 else int(g.choice(steps))
        value = (m + step) * OCTAVE + int(g.choice([0, OCTAVE - 1]))
        z.append([spec.MASKED if g.integers(0, 24) == 0 else min(max(value, spec.Z_MIN), spec.Z_MAX_CUT)])
    return z


def filling_tile(number: int, rows: int, prob_bits: int, cut: spec.Cut) -> list[Block]:
    """Blocks that fill the sums' bounds up to less than what one may add at least; one that adds this, and is the one too many,
    though after the raise it adds nothing; then so many that the bounds are nearly full again. ``number`` of the first."""
    tau, tile, row_max = 1, [], [0] * rows
    left = (1 << cut.bits) // cut.keys_per_block - 1 - (1 << (prob_bits - tau))     # behind the first block, in blocks of 2^0
    exponents = [prob_bits - tau]
    while left:
        exponents.append(min(prob_bits, left.bit_length() - 1))
        left -= 1 << exponents[-1]
    exponents += [0, *[prob_bits] * ((1 << (cut.bits - prob_bits)) // cut.keys_per_block // 2)]
    for index, exponent in enumerate(exponents):
        z = [[(m + exponent - prob_bits + tau) * OCTAVE] for m in row_max]
        tile.append(Block(number + index, index == 0, False, tau, 0, z))
        row_max = judge(tile[-1], tile, row_max if index else [None] * rows, prob_bits, cut)
    return tile


def heavy_tile(g: np.random.Generator, number: int, rows: int, prob_bits: int, cut: spec.Cut) -> list[Block]:
    """Blocks whose sums grow as fast as they can, a good twice as many as fit without a raise; ``number`` of the first."""
    tau = int(g.choice([0, min(TAU_MAX, prob_bits - 2), int(g.integers(0, min(TAU_MAX, prob_bits - 2) + 1))]))
    fit = 1 << (cut.bits - prob_bits - (cut.keys_per_block - 1).bit_length())    # blocks of the largest probabilities
    octaves = draw_octaves(g, tau, prob_bits) if g.integers(0, 2) else int(g.integers(1, 3))
    edge = -min(octaves or prob_bits, prob_bits - tau)
    fused, skip = bool(g.integers(0, 2)), bool(g.integers(0, 4))
    tile: list[Block] = []
    row_max: list[int | None] = [None] * rows
    for index in range(2 * fit + 4):
        tile.append(Block(number + index, index == 0, fused and index == 0, tau, octaves,
                          draw_heavy(g, rows, row_max, tau, edge), skip))
        if not tile[-1].joint:
            for done in (tile if fused and index == 1 else tile[-1:]):
                row_max = judge(done, tile, row_max, prob_bits, cut)
    return tile


def draw_blocks(g: np.random.Generator, rows: int, prob_bits: int, cut: spec.Cut | None = None) -> list[Block]:
    """Tiles that fall, without octaves and below theirs, tiles in which all rows rise as far as there are maxima, or to either
    side of the largest shift, then tiles of one block to six, with what the scalar rules give. Where row sums are cut: tiles that
    make them as large as they may be."""
    if cut is not None:
        heavy = filling_tile(0, rows, prob_bits, cut)
        while len(heavy) < HEAVY_BLOCKS:
            heavy += heavy_tile(g, len(heavy), rows, prob_bits, cut)
        return heavy
    blocks = [block for octaves in range(3) for block in falling_tile(6 * octaves, rows, octaves, prob_bits)]
    for rises in RISES:
        blocks += rising_tile(len(blocks), rows, rises, prob_bits)
    while len(blocks) < BLOCKS:
        tau, count = int(g.integers(0, min(TAU_MAX, prob_bits - 2) + 1)), int(g.integers(1, 7))
        octaves = draw_octaves(g, tau, prob_bits)
        edge = -min(octaves or prob_bits, prob_bits - tau)
        fused, row_max = bool(g.integers(0, 2)) and count > 1, [None] * rows
        tile: list[Block] = []
        for index in range(count):
            block = Block(len(blocks) + index, index == 0, fused and index == 0, tau, octaves,
                          draw_scores(g, rows, row_max, tau, edge))
            tile.append(block)
            if not block.joint:
                for done in (tile if fused and index == 1 else [block]):
                    row_max = judge(done, tile, row_max, prob_bits)
        blocks += tile
    return blocks
