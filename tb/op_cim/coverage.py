"""Coverpoints of ``fcim_op_cim`` and their samplers."""

from __future__ import annotations

import numpy as np

from tb.common.coverage import (
    IN_TILE,
    OPERAND_VALUES,
    SIZES,
    BenchCoverGroup,
    digitise,
    ends,
    in_tile,
    one_some_all,
    points_of,
    sampler,
)

point = points_of("fcim_op_cim")

COVERPOINTS = (
    point("op_cim.block", "Keys of a block and its place in its tile", axes=(("keys", SIZES), ("place", IN_TILE))),
    point("op_cim.start", "A block starts right behind the one before, or later", ("without a gap", "after a gap")),
    point("op_cim.shift", "Rescales of rows", ("0", "1", "2 to below ACC_BITS", "ACC_BITS to 62", "63")),
    point("op_cim.probability", "Probabilities that are multiplied", ("0", "between", "largest")),
    point("op_cim.value", "Values that are multiplied", OPERAND_VALUES),
    point("op_cim.accumulator", "Accumulators after a block; the ends use every bit",
          ("negative, every bit", "negative", "0", "positive", "positive, every bit")),
    point("op_cim.read", "Finished rows are read while the array works on the other bank, while it rests, and with pauses",
          ("array works", "array rests", "pause")),
    point("op_cim.reset", "A reset drops what is in flight", ("last slice of a block",)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_block(p: np.ndarray, v: np.ndarray, shift: np.ndarray, after: np.ndarray, first: bool, last: bool,
                 keys_per_block: int, prob_bits: int, acc_bits: int) -> None:
    """A block that the unit takes: probabilities ``[n, rows]``, values ``[n, D]``, shifts ``[rows]``, accumulators after it."""
    GROUP.sample("op_cim.block", f"{one_some_all(len(p), keys_per_block)}, {in_tile(first, last)}")
    GROUP.sample_array("op_cim.shift", digitise(shift, (0, 1, 2, acc_bits, 63)))
    GROUP.sample_array("op_cim.probability", digitise(p, (0, 1, (1 << prob_bits) - 1)))
    GROUP.sample_array("op_cim.value", ends(v, -128, 127))
    wide = 1 << (acc_bits - 2)
    GROUP.sample_array("op_cim.accumulator", digitise(after, (-2 * wide, -wide, 0, 1, wide)))


@sampler
def sample_start(gap: int) -> None:
    """Cycles between the end of a block and the start of the next."""
    GROUP.sample("op_cim.start", "after a gap" if gap else "without a gap")


@sampler
def sample_read(reads: bool, busy: bool, left: bool) -> None:
    """One cycle of the reader: whether it reads, whether the array works meanwhile, whether rows are left to be read."""
    if reads:
        GROUP.sample("op_cim.read", "array works" if busy else "array rests")
    elif left:
        GROUP.sample("op_cim.read", "pause")


@sampler
def sample_reset() -> None:
    """A reset in the last slice of a block."""
    GROUP.sample("op_cim.reset", "last slice of a block")
