"""Coverpoints of ``fcim_block_exponential`` and their samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tb.common import spec
from tb.common.coverage import (
    CUT_OFF,
    IN_TILE,
    SIZES,
    BenchCoverGroup,
    cut_off,
    digitise,
    in_tile,
    numbers,
    one_some_all,
    points_of,
    sampler,
)

if TYPE_CHECKING:
    from tb.block_exponential.model import ExpectedBlock, Model
    from tb.common.geometry import Geometry

point = points_of("fcim_block_exponential")
OCTAVE = 1 << spec.Z_FRAC

COVERPOINTS = (
    point("block_exponential.block", "Keys of a block and its place among its tile's blocks that run",
          axes=(("keys", SIZES), ("place", IN_TILE))),
    point("block_exponential.passes", "Groups of rows that a key has", numbers(1, 2, 4, 8)),
    point("block_exponential.pace", "A block starts in the last cycle of the one before, or later",
          ("without a gap", "after a gap")),
    point("block_exponential.probability", "Results for every tau; the largest score that the running maximum allows",
          axes=(("tau", numbers(*range(9))), ("result", ("masked", "0", "1", "between", "of the largest score")))),
    point("block_exponential.row_max", "Running maxima of visible scores", ("lowest", "negative", "0", "positive", "highest")),
    point("block_exponential.clear", "What a tile's first block finds in its bank", ("nothing known", "sums of another tile")),
    point("block_exponential.shift", "Rescale amounts against the width of a sum",
          ("0", "1", "2 to below SUM_BITS", "SUM_BITS", "more, to 62", "63")),
    point("block_exponential.rounding", "What a rescale of 1 or more cuts off a sum", CUT_OFF),
    point("block_exponential.v_mult", "Multipliers of the values of a block's keys, and whether it rescales",
          axes=(("multiplier", ("0", "1 to 14", "15")), ("in its block", ("with others", "alone")),
                ("block", ("rescales", "does not")))),
    point("block_exponential.weighed", "What the rounding cuts off a probability times its value's multiplier", CUT_OFF),
    point("block_exponential.sum", "Running sums that are read", ("0", "less than every bit", "every bit")),
    point("block_exponential.read", "A sum is read while the other bank's block is written, and while none is",
          ("the other bank is written", "nothing is written")),
    point("block_exponential.offer", "How a finished block meets what takes it",
          ("taken at once", "waits", "behind one that waits", "as the one before is taken")),
    point("block_exponential.reset", "What a reset drops",
          ("a walk", "probabilities on their way", "a block waits", "two blocks wait")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_start(block: ExpectedBlock, size: Geometry, behind: bool, known: bool) -> None:
    """A started block; ``behind``: in the last cycle of the one before it; ``known``: its bank has held a tile."""
    keys = one_some_all(block.last_key + 1, size.keys_per_block)
    GROUP.sample("block_exponential.block", f"{keys}, {in_tile(block.first, block.last)}")
    GROUP.sample("block_exponential.passes", str(size.cpk))
    GROUP.sample("block_exponential.pace", "without a gap" if behind else "after a gap")
    if block.first:
        GROUP.sample("block_exponential.clear", "sums of another tile" if known else "nothing known")


@sampler
def sample_scores(z: list[int], row_max: list[int | None], tau: int, prob_bits: int, v_mult: int) -> None:
    """A group's scores with a key and its value's multiplier; no running maximum: it is X."""
    masked = np.array(z) == spec.MASKED
    m = np.array([0 if r is None else r for r in row_max])
    p = np.array([spec.probability(v, r, tau, prob_bits) for v, r in zip(z, m.tolist(), strict=True)])
    top = np.array(z) - m * OCTAVE == (tau + 1) * OCTAVE - 1
    GROUP.sample_array("block_exponential.probability", np.full(len(z), tau),
                       np.where(masked, 0, np.where(top, 4, digitise(p, (0, 1, 2)) + 1)))
    GROUP.sample_array("block_exponential.weighed", cut_off(p[p > 0] * (v_mult + 1) & 15, 4))
    GROUP.sample_array("block_exponential.row_max", digitise(m[~masked], (-512, -511, 0, 1, 511)))


@sampler
def sample_v_mult(v_mult: list[int], rescales: bool) -> None:
    """The multipliers of a block's values."""
    kinds = digitise(np.array(v_mult), (0, 1, 15))
    alone = np.full(len(kinds), int(len(set(v_mult)) == 1))
    GROUP.sample_array("block_exponential.v_mult", kinds, alone, np.full(len(kinds), int(not rescales)))


@sampler
def sample_rescale(sums: list[int], shift: list[int], sum_bits: int) -> None:
    """A group's running sums as a later block of the tile finds them, and its amounts."""
    by = np.array(shift)
    GROUP.sample_array("block_exponential.shift", digitise(by, (0, 1, 2, sum_bits, sum_bits + 1, 63)))
    low = np.array([total & (1 << s) - 1 for total, s in zip(sums, shift)], dtype=np.int64)
    GROUP.sample_array("block_exponential.rounding", cut_off(low, by)[by > 0])


@sampler
def sample_offer(how: str) -> None:
    """A finished block, as the checker counts them."""
    GROUP.sample("block_exponential.offer", how)


@sampler
def sample_read(total: int, sum_bits: int, written: bool) -> None:
    """A request for a sum; ``written``: in a cycle in which probabilities of the other bank are written."""
    GROUP.sample("block_exponential.sum", "0" if not total else "every bit" if total >> (sum_bits - 1) else "less than every bit")
    GROUP.sample("block_exponential.read", "the other bank is written" if written else "nothing is written")


@sampler
def sample_reset(model: Model, now: int) -> None:
    """What a reset in the cycle ``now`` finds."""
    GROUP.sample("block_exponential.reset", "a walk", int(model.walk(now) is not None))
    GROUP.sample("block_exponential.reset", "probabilities on their way", int(bool(model.writes)))
    GROUP.sample("block_exponential.reset", "a block waits", int(len(model.queue) == 1))
    GROUP.sample("block_exponential.reset", "two blocks wait", int(len(model.queue) == 2))
