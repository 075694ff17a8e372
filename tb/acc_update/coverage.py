"""Coverpoints of ``fcim_acc_update`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common.coverage import ROUNDING, ROUNDING_AXES, BenchCoverGroup, cut_off, digitise, ends, points_of, sampler

point = points_of("fcim_acc_update")

COVERPOINTS = (
    point("acc_update.shift", "Right shifts of accumulators",
          ("0", "1", "2 to below ACC_BITS - 1", "ACC_BITS - 1", "ACC_BITS to 62", "63")),
    point("acc_update.rounding", ROUNDING, axes=ROUNDING_AXES),
    point("acc_update.old", "Accumulators before the update", ("lowest", "negative", "0", "positive", "highest")),
    point("acc_update.clear", "A tile's first block takes every accumulator as 0, whatever is in it",
          ("no", "yes", "yes, accumulators X")),
    point("acc_update.psum", "Sums of probabilities of a block", ("0", "between", "largest")),
    point("acc_update.u", "Sums of products in offset binary: all values -128, all 127, and between",
          ("0", "between", "255 times the probabilities")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_vector(acc: Sequence[int] | None, clear: int, shift: Sequence[int], u: Sequence[int], psum: Sequence[int],
                  acc_bits: int, max_psum: int) -> None:
    """One vector: accumulators of all cells (None: unknown), shifts and block sums of all lanes, sums of all cells' products."""
    shifts = np.array(shift)
    sums, lane = np.array(psum), np.arange(len(u)) % len(shift)
    GROUP.sample("acc_update.clear", "no" if not clear else "yes" if acc is not None else "yes, accumulators X")
    GROUP.sample_array("acc_update.psum", digitise(sums, (0, 1, max_psum)))
    products = np.array(u)
    GROUP.sample_array("acc_update.u", np.where(products == 0, 0, np.where(products == 255 * sums[lane], 2, 1)))
    if clear or acc is None:
        return
    GROUP.sample_array("acc_update.shift", digitise(shifts, (0, 1, 2, acc_bits - 1, acc_bits, 63)))
    old, by = np.array(acc, dtype=np.int64), shifts[lane]
    GROUP.sample_array("acc_update.old", ends(old, -(1 << (acc_bits - 1)), (1 << (acc_bits - 1)) - 1))
    low = old & ((np.int64(1) << by) - 1)
    GROUP.sample_array("acc_update.rounding", (old >= 0)[by > 0].astype(np.int64), cut_off(low, by)[by > 0])
