"""Coverpoints of ``fcim_op_cim``, of its array and its accumulators, and their samplers."""

from __future__ import annotations

import numpy as np

from tb.common.coverage import (
    IN_TILE,
    OPERAND_VALUES,
    PLANE_STATES,
    PLANES,
    SIZES,
    BenchCoverGroup,
    digitise,
    ends,
    in_tile,
    numbers,
    one_some_all,
    plane_states,
    points_of,
    sampler,
)
from tb.common.operands import OFFSET

point, array, accumulators = points_of("fcim_op_cim"), points_of("fcim_op_array"), points_of("fcim_accumulators")
SHIFTS = ("0", "1", "2 to below ACC_BITS", "ACC_BITS to 62", "63")

COVERPOINTS = (
    point("op_cim.block", "Keys of a block and its place in its tile", axes=(("keys", SIZES), ("place", IN_TILE))),
    point("op_cim.rows", "Rows that a block's tile uses, and whether the block before used more or less",
          axes=(("rows", SIZES), ("the block before", ("more", "as many", "less"))),
          illegal={"one, less": "a tile uses a row at least", "all, more": "no tile uses more than all"}),
    point("op_cim.start", "A block starts right behind the one before, or later", ("without a gap", "after a gap")),
    point("op_cim.shift", "Rescales of rows", SHIFTS),
    point("op_cim.probability", "Probabilities that are multiplied", ("0", "between", "largest")),
    point("op_cim.value", "Values that are multiplied", OPERAND_VALUES),
    point("op_cim.accumulator", "Accumulators after a block; the ends use every bit",
          ("negative, every bit", "negative", "0", "positive", "positive, every bit")),
    point("op_cim.read", "Finished rows are read while the array works on the other bank, while it rests, and with pauses",
          ("array works", "array rests", "pause")),
    point("op_cim.reset", "A reset drops what is in flight", ("last slice of a block",)),
    array("op_array.write", "What the array does in a cycle in which probabilities are written",
          ("rests", "multiplies the other slot", "takes their block", "multiplies the same slot"),
          illegal={"multiplies the same slot": "a slot is given back so that its next probabilities come after its last step"}),
    array("op_array.unused", "What a block finds in the cells of keys that it lacks",
          ("the block lacks none", "cells not written in this test", "probabilities of an earlier block")),
    array("op_array.v_plane", "Bit-planes of the values of a full block's keys in one column, in offset binary",
          axes=(("plane", PLANES), ("state", PLANE_STATES))),
    array("op_array.steps", "Steps of a slice; one step is its first and its last", numbers(1, 2, 4, 8)),
    accumulators("accumulators.banks", "The bank that grows and the one that is read in a cycle",
                 axes=(("grows", ("neither", "0", "1")), ("is read", ("neither", "0", "1"))),
                 illegal={same: "a tile is complete before it is read, and read before the next one begins in its bank"
                          for same in ("0, 0", "1, 1")}),
    accumulators("accumulators.rescale", "Amounts with a tile's first block, which finds another tile, and with later ones",
                 axes=(("block", ("first", "later")), ("amount", SHIFTS))),
    accumulators("accumulators.chunk", "What becomes of a chunk that was read",
                 ("another one follows", "it is kept", "it is kept while its bank grows again")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_block(p: np.ndarray, v: np.ndarray, shift: np.ndarray, after: np.ndarray, first: bool, last: bool,
                 keys_per_block: int, prob_bits: int, acc_bits: int) -> None:
    """A block that the unit takes: probabilities ``[n, rows]``, values ``[n, D]``, shifts ``[rows]``, accumulators after it."""
    GROUP.sample("op_cim.block", f"{one_some_all(len(p), keys_per_block)}, {in_tile(first, last)}")
    amounts = digitise(shift, (0, 1, 2, acc_bits, 63))
    GROUP.sample_array("op_cim.shift", amounts)
    GROUP.sample_array("accumulators.rescale", np.full(len(amounts), int(not first)), amounts)
    if len(p) == keys_per_block:
        GROUP.sample_array("op_array.v_plane", *plane_states((v.T + OFFSET).astype(np.uint8)))
    GROUP.sample_array("op_cim.probability", digitise(p, (0, 1, (1 << prob_bits) - 1)))
    GROUP.sample_array("op_cim.value", ends(v, -128, 127))
    wide = 1 << (acc_bits - 2)
    GROUP.sample_array("op_cim.accumulator", digitise(after, (-2 * wide, -wide, 0, 1, wide)))


@sampler
def sample_rows(used: int, before: int, rows: int) -> None:
    """A block of a tile with ``used`` of ``rows`` rows follows one with ``before``."""
    then = "more" if before > used else "less" if before < used else "as many"
    GROUP.sample("op_cim.rows", f"{one_some_all(used, rows)}, {then}")


@sampler
def sample_cells(keys: int, most: int, keys_per_block: int, cpk: int) -> None:
    """A block of ``keys`` keys is taken from a slot whose largest block so far had ``most``."""
    GROUP.sample("op_array.unused", "the block lacks none", int(keys == keys_per_block))
    GROUP.sample("op_array.unused", "cells not written in this test", int(most < keys_per_block))
    GROUP.sample("op_array.unused", "probabilities of an earlier block", int(keys < most))
    GROUP.sample("op_array.steps", str(cpk))


@sampler
def sample_write(slot: int, multiplied: int | None, taken: int | None) -> None:
    """Probabilities are written to ``slot``; the slot that the array multiplies in this cycle, that of a block that it takes."""
    GROUP.sample("op_array.write", "multiplies the same slot" if multiplied == slot else "takes their block" if taken == slot else
                 "rests" if multiplied is None else "multiplies the other slot")


@sampler
def sample_banks(grows: int | None, read: int | None, kept: int | None) -> None:
    """One cycle: the bank whose accumulators change, the one that is read, and the one that the last chunk is of."""
    GROUP.sample("accumulators.banks", f"{'neither' if grows is None else grows}, {'neither' if read is None else read}")
    if kept is not None:
        GROUP.sample("accumulators.chunk", "another one follows" if read is not None else
                     "it is kept while its bank grows again" if kept == grows else "it is kept")


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
