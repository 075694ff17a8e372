"""Coverpoints of ``fcim_row_max`` and their samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tb.common import spec
from tb.common.coverage import FIRST_MAXIMUM, OCTAVES, BenchCoverGroup, digitise, numbers, octaves_bin, points_of, sampler

if TYPE_CHECKING:
    from tb.row_max.sequences import Block

point = points_of("fcim_row_max")
_FAR = -1 << 20     # no row sees a key

COVERPOINTS = (
    point("row_max.block", "Blocks by their place in a tile",
          ("first", "first, joint", "second of two that are judged as one", "later")),
    point("row_max.passes", "Passes that a walk has", numbers(1, 2, 4, 8)),
    point("row_max.pace", "A block is offered as the one before leaves, or later", ("back to back", "after a pause")),
    point("row_max.joint", "Where a row's first running maximum comes from if two blocks are judged as one",
          FIRST_MAXIMUM),
    point("row_max.row", "What a row sees in a tile's later blocks",
          ("sees no key, saw none before", "sees no key, saw one before", "sees its first key", "sees keys, saw one before")),
    point("row_max.lazy", "A row's candidate against its running maximum plus tau",
          axes=(("tau", numbers(*range(9))), ("candidate", ("below", "at", "1 above", "far above")))),
    point("row_max.amount", "Rescale amounts against the width of the shift",
          ("0", "1 to 62", "63", "64 or more: clamped")),
    point("row_max.zero", "Why a block vanishes, or what keeps it",
          ("nothing visible", "all too small", "below the tile's octaves", "one row keeps it", "some rows keep it",
           "all rows keep it")),
    point("row_max.edge", "A row's maximum in the last octave that leaves something of a probability, and in the next",
          axes=(("tau", numbers(*range(9))), ("maximum", ("at", "1 below")))),
    point("row_max.octaves", "A row's maximum in the last octave that counts, and in the next, by the tile's octaves",
          axes=(("octaves", OCTAVES), ("maximum", ("at", "1 below")))),
    point("row_max.value", "Running maxima", ("lowest", "negative", "0", "positive", "highest")),
    point("row_max.raise", "Where row sums are cut: a row that is not raised, by what its bound leaves, and one that is",
          axes=(("sum", ("nothing in it", "more than half is free", "less than half is free", "raised")),
                ("tau", ("0", "some")))),
    point("row_max.added", "Where row sums are cut: the octave of what a block adds to a row's bound",
          ("no key", "below 0", "0", "between", "the highest")),
    point("row_max.left_out", "Where row sums are cut: the block before", ("ran", "is left out", "adds nothing and runs")),
    point("row_max.fit", "Blocks of the largest probabilities that a cut sum holds", numbers(2, 4, 8)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_block(judged: Block, before: Block | None, after: Block | None, prob_bits: int, groups: int,
                 back_to_back: bool) -> None:
    """A judged block and its neighbours in the tile; ``back_to_back``: it came in the cycle after the one before it."""
    second = before is not None and before.joint
    GROUP.sample("row_max.block", "first, joint" if judged.joint else "first" if judged.first else
                 "second of two that are judged as one" if second else "later")
    GROUP.sample("row_max.passes", str(groups))
    GROUP.sample("row_max.pace", "back to back" if back_to_back else "after a pause")
    own = [_top(column) for column in judged.z]
    if judged.joint and after is not None:
        for row, top in enumerate(own):
            GROUP.sample("row_max.joint", _joint(top, _top(after.z[row])))
    if before is not None:
        _rows(judged, before.row_max, own)
    octaves = [_FAR if top is None or m is None else (top >> spec.Z_FRAC) - m for top, m in zip(own, judged.row_max)]
    _zero(judged, octaves, prob_bits - judged.tau)
    known = [m for m in judged.row_max if m is not None]
    GROUP.sample_array("row_max.value", digitise(np.array(known, dtype=np.int64), (-512, -511, 0, 1, 511)))


@sampler
def sample_cut(judged: Block, before: Block | None, prob_bits: int, cut: spec.Cut) -> None:
    """A judged block where row sums are cut, and the one before it in the tile."""
    fit = 1 << (cut.bits - prob_bits - (cut.keys_per_block - 1).bit_length())
    GROUP.sample("row_max.fit", str(fit))
    if before is not None:
        GROUP.sample("row_max.left_out", "is left out" if before.left_out else "adds nothing and runs" if before.zero else "ran")
    for row, column in enumerate(judged.z):
        top, m, raised = _top(column), judged.row_max[row], judged.raised[row]
        bound = judged.bound[row]
        state = "raised" if raised else "nothing in it" if not bound else \
            "less than half is free" if bound >> (cut.bits - 1) else "more than half is free"
        GROUP.sample("row_max.raise", f"{state}, {'some' if judged.tau else '0'}")
        octave = 0 if top is None or m is None else (top >> spec.Z_FRAC) - m + raised + prob_bits - judged.tau
        GROUP.sample("row_max.added", "no key" if top is None else "below 0" if octave < 0 else "0" if octave == 0 else
                     "the highest" if octave == prob_bits else "between")


def _top(column: list[int]) -> int | None:
    """The row's maximum in a block; None if it sees no key."""
    top = max(column)
    return None if top == spec.MASKED else top


def _joint(first: int | None, second: int | None) -> str:
    if first is None or second is None:
        return "sees neither" if first is second else "sees the first only" if second is None else "sees the second only"
    return "the first is larger" if first > second else "the second is larger" if second > first else "equal"


def _rows(judged: Block, old: list[int | None], own: list[int | None]) -> None:
    """Every row against the running maximum that the tile's block before has left."""
    for m, top, amount in zip(old, own, judged.amount, strict=True):
        if top is None:
            GROUP.sample("row_max.row", "sees no key, saw none before" if m is None else "sees no key, saw one before")
        elif m is None:
            GROUP.sample("row_max.row", "sees its first key")
        else:
            beyond = (top >> spec.Z_FRAC) - m - judged.tau
            kind = "below" if beyond < 0 else "at" if beyond == 0 else "1 above" if beyond == 1 else "far above"
            GROUP.sample("row_max.lazy", f"{judged.tau}, {kind}")
            GROUP.sample("row_max.row", "sees keys, saw one before")
            GROUP.sample("row_max.amount", "0" if not amount else "1 to 62" if amount < 63 else "63" if amount == 63 else
                         "64 or more: clamped")


def _zero(judged: Block, octaves: list[int], exact: int) -> None:
    """Why a block vanishes, or what keeps it; ``octaves`` from every row's running maximum to its maximum in the block,
    ``exact`` octaves below which nothing is left."""
    span = min(judged.octaves or exact, exact)
    keeping, best = sum(octave >= -span for octave in octaves), max(octaves)
    GROUP.sample("row_max.zero", "nothing visible" if best == _FAR else "all too small" if best < -exact else
                 "below the tile's octaves" if not keeping else "one row keeps it" if keeping == 1 else
                 "all rows keep it" if keeping == len(octaves) else "some rows keep it")
    for octave in octaves:
        if octave in (-exact - 1, -exact):
            GROUP.sample("row_max.edge", f"{judged.tau}, {'at' if octave == -exact else '1 below'}")
        if octave in (-span - 1, -span):
            GROUP.sample("row_max.octaves", f"{octaves_bin(judged.octaves, exact)}, {'at' if octave == -span else '1 below'}")
