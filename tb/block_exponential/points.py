"""Samplers of the cover points of ``fcim_block_exponential``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tb.common import spec
from tb.common.cover import hit, hit_counts, sampler
from tb.coverage.bins import cut_off, digitise, in_tile, one_some_all

if TYPE_CHECKING:
    from tb.block_exponential.model import ExpectedBlock, Model
    from tb.block_exponential.stimulus import Sizes

OCTAVE = 1 << spec.Z_FRAC


@sampler
def start(block: ExpectedBlock, size: Sizes, behind: bool, known: bool) -> None:
    """A started block; ``behind``: in the last cycle of the one before it; ``known``: its bank has held a tile."""
    keys = one_some_all(block.last_key + 1, size.keys_per_block)
    hit("block_exponential.block", f"{keys}, {in_tile(block.first, block.last)}")
    hit("block_exponential.groups", str(size.cpk))
    hit("block_exponential.pace", "without a gap" if behind else "after a gap")
    if block.first:
        hit("block_exponential.clear", "sums of another tile" if known else "nothing known")


@sampler
def scores(z: list[int], reference: list[int | None], tau: int, prob_bits: int) -> None:
    """A group's scores; no reference: it is X."""
    masked = np.array(z) == spec.MASKED
    m = np.array([0 if r is None else r for r in reference])
    p = np.array([spec.probability(v, r, tau, prob_bits) for v, r in zip(z, m.tolist(), strict=True)])
    top = np.array(z) - m * OCTAVE == (tau + 1) * OCTAVE - 1
    hit_counts("block_exponential.probability", np.full(len(z), tau),
               np.where(masked, 0, np.where(top, 4, digitise(p, (0, 1, 2)) + 1)))
    hit_counts("block_exponential.reference", digitise(m[~masked], (-512, -511, 0, 1, 511)))


@sampler
def rescale(sums: list[int], shift: list[int], sum_bits: int) -> None:
    """A group's running sums as a later block of the tile finds them, and its amounts."""
    by = np.array(shift)
    hit_counts("block_exponential.shift", digitise(by, (0, 1, 2, sum_bits, sum_bits + 1, 63)))
    low = np.array([total & (1 << s) - 1 for total, s in zip(sums, shift)], dtype=np.int64)
    hit_counts("block_exponential.rounding", cut_off(low, by)[by > 0])


@sampler
def offer(how: str) -> None:
    """A finished block, as the checker counts them."""
    hit("block_exponential.offer", how)


@sampler
def read(total: int, sum_bits: int, written: bool) -> None:
    """A request for a sum; ``written``: in a cycle in which probabilities of the other bank are written."""
    hit("block_exponential.sum", "0" if not total else "every bit" if total >> (sum_bits - 1) else "less than every bit")
    hit("block_exponential.read", "the other bank is written" if written else "nothing is written")


@sampler
def reset(model: Model, now: int) -> None:
    """What a reset in the cycle ``now`` finds."""
    hit("block_exponential.reset", "a walk", int(model.walk(now) is not None))
    hit("block_exponential.reset", "probabilities on their way", int(bool(model.writes)))
    hit("block_exponential.reset", "a block waits", int(len(model.queue) == 1))
    hit("block_exponential.reset", "two blocks wait", int(len(model.queue) == 2))
