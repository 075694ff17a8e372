"""Every formula of docs/numbers.md once more: scalar, in plain Python ints, slow and obvious.

It shares no line with ``models/``: the golden model and the RTL are both compared with this reading of the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Z_FRAC = 10
Z_MAX = 2**19 - 1
Z_MIN = -(2**19) + 1
Z_MAX_CUT = Z_MAX - 16 * 2**Z_FRAC     # where row sums are cut
MASKED = -(2**19)
LOWEST_ROW_MAX = -(2**9)     # of a row that has seen no key
MAX_SHIFT = 63
Matrix = Sequence[Sequence[int]]


def round_shift(x: int, s: int) -> int:
    """``x / 2**s`` to nearest, halves towards plus infinity."""
    return (x + (2 ** (s - 1) if s > 0 else 0)) >> s


def score(q: Sequence[int], k: Sequence[int]) -> int:
    """The exact inner product of a row and a key."""
    return sum(a * b for a, b in zip(q, k, strict=True))


def scale(s: int, q_mult: int, k_mult: int, shift: int, z_max: int = Z_MAX) -> tuple[int, bool]:
    """Scaled score of a visible element, and whether it was clamped."""
    wide = round_shift(s * q_mult * k_mult, shift)
    z = min(max(wide, Z_MIN), z_max)
    return z, z != wide


def visible(used: bool, key_pos: int, row_pos: int) -> bool:
    """Whether a row sees a key."""
    return used and key_pos <= row_pos


def padding_pos(max_keys: int) -> int:
    """The position of a padding key: ``POS_BITS = log2(MAX_KEYS) + 1`` ones."""
    return 2 * max_keys - 1


def new_row_max(m: int | None, column: Sequence[int], tau: int) -> tuple[int | None, int, int]:
    """``(row_max, shift, amount)`` after a block whose scaled scores for the row are ``column``; None: not set yet.

    ``amount`` is what a rescale adds to the amount counter, 0 where there was none.
    """
    seen = [z for z in column if z != MASKED]
    if not seen:
        return m, 0, 0
    c = max(seen) // 2**Z_FRAC
    if m is None:
        return c, 0, 0
    if c > m + tau:
        return c, min(c - m, MAX_SHIFT), c - m
    return m, 0, 0


class Cut(NamedTuple):
    """Row sums of ``bits`` bits that may be too few for all keys, with blocks of ``keys_per_block`` keys."""

    bits: int
    keys_per_block: int


def raised(cut: Cut, m: int | None, bound: int, shift: int, column: Sequence[int], tau: int,
           prob_bits: int) -> tuple[bool, int, int]:
    """``(whether the running maximum is raised, the sum's bound with the block, and without it)``.

    Args:
        m: the running maximum after :func:`new_row_max`. bound: of the row's sum before the block. shift: of the rescale.
        column: the block's own scaled scores.
    """
    seen = [z for z in column if z != MASKED]
    octave = max(seen) // 2**Z_FRAC - m + prob_bits - tau if seen else -1     # no probability exceeds 2**octave
    for more in (0, 1):
        kept = -(-bound // 2 ** min(shift + more, MAX_SHIFT))
        added = cut.keys_per_block * 2 ** (octave - more) if octave >= more else 0
        if kept + added < 2**cut.bits:
            return bool(more), kept + added, kept
    raise ValueError("an octave is not enough")


def knot(i: int) -> int:
    """``floor(2**(16 + i/32) + 1/2)`` without a rounding: the largest t with ``(2t - 1)**32 <= 2**32 * 2**(512 + i)``."""
    low, high = 2**16, 2**17
    while low < high:
        t = (low + high + 1) // 2
        low, high = (t, high) if (2 * t - 1) ** 32 <= 2 ** (544 + i) else (low, t - 1)
    return low


KNOTS = [knot(i) for i in range(33)]


def exp2_mantissa(f: int) -> int:
    """``2**(f / 1024)`` with 16 fraction bits."""
    i, r = f >> 5, f & 31
    return KNOTS[i] + round_shift((KNOTS[i + 1] - KNOTS[i]) * r, 5)


MANTISSAS = [exp2_mantissa(f) for f in range(2**Z_FRAC)]


def probability(z: int, m: int, tau: int, prob_bits: int) -> int:
    """``2**(z - m)`` with 1.0 = ``2**(prob_bits - 1 - tau)``, always below ``2**prob_bits``.

    Only with 8 or 9 bits can the rounding reach ``2**prob_bits``: there the largest code stands for it.
    """
    if z == MASKED:
        return 0
    d = z - m * 2**Z_FRAC
    n, f = d >> Z_FRAC, d & (2**Z_FRAC - 1)
    if n > tau:
        raise ValueError(f"z = {z} exceeds the running maximum {m} by more than tau = {tau} allows")
    e = 18 - (prob_bits - 1) + tau - n
    return min(round_shift(4 * MANTISSAS[f], e), 2**prob_bits - 1) if e < 20 else 0


def weighed(p: int, v_mult: int) -> int:
    """A probability as the accumulators take it: times its value's multiplier ``(v_mult + 1) / 16``."""
    return round_shift(p * (v_mult + 1), 4)


def divide(acc: int, total: int) -> int:
    """``round(acc * 2**8 / total)``, halves away from zero, 16 bits; 0 for an empty row."""
    if total == 0:
        return 0
    size = (abs(acc) * 512 + total) // (2 * total)
    return min(max(-size if acc < 0 else size, -(2**15)), 2**15 - 1)


@dataclass
class Row:
    """What the engine keeps of a row: running maximum m (None: it has seen no key), sum and accumulators."""

    m: int | None = None
    total: int = 0
    acc: list[int] = field(default_factory=list)
    bound: int = 0      # of the total, where sums are cut


def merge(parts: Sequence[Row]) -> Row:
    """What engines that each took some of a tile's keys have of one row, joined."""
    seen = [part.m for part in parts if part.m is not None]
    whole = Row(max(seen, default=None), 0, [0] * len(parts[0].acc))
    for part in parts:
        if part.m is not None:
            shift = min(whole.m - part.m, MAX_SHIFT)
            whole.total += round_shift(part.total, shift)
            whole.acc = [o + round_shift(x, shift) for o, x in zip(whole.acc, part.acc, strict=True)]
    return whole


@dataclass
class Block:
    """What one key block gives: ``p[row][key]`` as the accumulators take it, ``shift[row]``, ``p_sum[row]``, and counts.

    ``zero``: no score of it counts, and a tile that may skip leaves it out.
    """

    p: list[list[int]]
    shift: list[int]
    p_sum: list[int]
    rescaled: int
    amount: int
    zero: bool


def counts(m: int | None, column: Sequence[int], tau: int, prob_bits: int, octaves: int) -> bool:
    """Whether a row whose running maximum is ``m`` has a score in a block that matters when the block is judged."""
    seen = [z for z in column if z != MASKED]
    if octaves == 0:
        return any(probability(z, m, tau, prob_bits) for z in seen)
    return any(z // 2**Z_FRAC - m >= -min(octaves, prob_bits - tau) for z in seen)


def block_step(rows: list[Row], z: Matrix, tau: int, prob_bits: int, v_mult: Sequence[int], octaves: int = 0,
               skip: bool = False, cut: Cut | None = None) -> Block:
    """Move ``rows`` over one block of scaled scores ``z[row][key]`` whose values have the multipliers ``v_mult[key]``.

    ``skip``: the running maxima alone, if no score of it counts. ``cut``: of the row sums, if they are.
    """
    out = Block([], [], [], 0, 0, True)
    bounds = []
    for row, column in zip(rows, z, strict=True):
        row.m, shift, amount = new_row_max(row.m, column, tau)
        if cut is not None:
            more, *bound = raised(cut, row.m, row.bound, shift, column, tau, prob_bits)
            if more:
                row.m, shift, amount = row.m + 1, min(amount + 1, MAX_SHIFT), amount + 1
                out.zero = False
            bounds.append(bound)
        out.zero &= not counts(row.m, column, tau, prob_bits, octaves)
        out.shift.append(shift)
        out.rescaled += amount > 0
        out.amount += amount
    for row, column, shift in zip(rows, z, out.shift, strict=True):
        p = [0 if x == MASKED else probability(x, row.m, tau, prob_bits) for x in column]
        out.p.append([weighed(x, mult) for x, mult in zip(p, v_mult, strict=True)])
        out.p_sum.append(sum(out.p[-1]))
        if not (skip and out.zero):
            row.total = round_shift(row.total, shift) + sum(p)
    for row, (with_it, without) in zip(rows, bounds, strict=bool(bounds)):
        row.bound = without if skip and out.zero else with_it
        if cut is not None and row.total > row.bound:
            raise ValueError(f"a row's sum is {row.total}, its bound {row.bound}")
    return out


def accumulate(rows: list[Row], block: Block, v: Matrix) -> None:
    """Add the block's outer products with the values ``v[key][d]`` to the accumulators."""
    for row, p, shift in zip(rows, block.p, block.shift, strict=True):
        row.acc = [round_shift(o, shift) + sum(pj * vj[d] for pj, vj in zip(p, v, strict=True)) for d, o in enumerate(row.acc)]


@dataclass
class Tile:
    """Outputs ``out[row][d]``, ``empty[row]``, the rows' last state, and the counts that the page defines; ``ran[block]``."""

    out: list[list[int]]
    empty: list[bool]
    rows: list[Row]
    blocks: int = 0
    zero_blocks: int = 0
    rescaled: int = 0
    amount: int = 0
    saturations: int = 0
    ip_bit_ops: int = 0
    op_bit_ops: int = 0
    ran: list[bool] = field(default_factory=list)
    largest_sum: int = 0
    largest_acc: int = 0
    smallest_acc: int = 0


def scaled_blocks(q: Matrix, q_pos: Sequence[int], q_mult: Sequence[int], k: Matrix, k_pos: Sequence[int],
                  k_mult: Sequence[int], shift: int, keys_per_block: int,
                  z_max: int = Z_MAX) -> tuple[list[list[list[int]]], int]:
    """Scaled scores ``z[block][row][key]`` of a tile, and how many visible ones were clamped."""
    found, saturations = [], 0
    for start in range(0, len(k), keys_per_block):
        z = []
        for i, row in enumerate(q):
            column = []
            for j in range(start, min(start + keys_per_block, len(k))):
                value, clamped = scale(score(row, k[j]), q_mult[i], k_mult[j], shift, z_max)
                seen = visible(True, k_pos[j], q_pos[i])
                column.append(value if seen else MASKED)
                saturations += seen and clamped
            z.append(column)
        found.append(z)
    return found, saturations


def spec_tile(q: Matrix, q_pos: Sequence[int], q_mult: Sequence[int], k: Matrix, v: Matrix, k_pos: Sequence[int],
              k_mult: Sequence[int], shift: int, tau: int, keys_per_block: int, prob_bits: int, v_mult: Sequence[int],
              fused: bool = False, skip: bool = False, octaves: int = 0, sum_bits: int | None = None) -> Tile:
    """A whole tile: ``q[row][d]``, ``k[key][d]``, ``v[key][d]`` signed, the keys in the order of the stream. ``sum_bits``: of row
    sums that are cut."""
    cut = None if sum_bits is None else Cut(sum_bits, keys_per_block)
    tile = Tile([], [], [Row(acc=[0] * len(q[0])) for _ in q])
    blocks, tile.saturations = scaled_blocks(q, q_pos, q_mult, k, k_pos, k_mult, shift, keys_per_block,
                                             Z_MAX if cut is None else Z_MAX_CUT)
    if fused and len(blocks) > 1:
        for row, first, second in zip(tile.rows, blocks[0], blocks[1], strict=True):
            row.m = new_row_max(None, [*first, *second], tau)[0]  # known before either block is exponentiated
    for number, z in enumerate(blocks):
        keys = range(number * keys_per_block, number * keys_per_block + len(z[0]))
        only_chance = number == len(blocks) - 1 and not any(tile.ran)
        block = block_step(tile.rows, z, tau, prob_bits, [v_mult[j] for j in keys], octaves, skip and not only_chance,
                           cut)
        tile.ran.append(not skip or not block.zero or only_chance)
        if tile.ran[-1]:
            accumulate(tile.rows, block, [v[j] for j in keys])
            tile.op_bit_ops += sum((x + 128).bit_count() for j in keys for x in v[j])
        tile.ip_bit_ops += sum((x + 128).bit_count() for j in keys for x in k[j])
        tile.blocks += 1
        tile.zero_blocks += block.zero
        tile.rescaled += block.rescaled
        tile.amount += block.amount
        for row in tile.rows:
            tile.largest_sum = max(tile.largest_sum, row.total)
            tile.largest_acc = max(tile.largest_acc, *row.acc)
            tile.smallest_acc = min(tile.smallest_acc, *row.acc)
    tile.out = [[divide(o, row.total) for o in row.acc] for row in tile.rows]
    tile.empty = [row.total == 0 for row in tile.rows]
    return tile
