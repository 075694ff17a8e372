"""Coverpoints of ``fcim_merge`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tb.common.coverage import (
    CUT_OFF,
    ROUNDING,
    ROUNDING_AXES,
    SIZES,
    BenchCoverGroup,
    cut_off,
    numbers,
    one_some_all,
    points_of,
    sampler,
)
from tb.common.spec import MAX_SHIFT, Row

point = points_of("fcim_merge")

COVERPOINTS = (
    point("merge.config", "How many parts there may be", ("2", "no power of two", "4 or 8", "16")),
    point("merge.parts", "Parts of a tile: one, some, all of those that there are", SIZES),
    point("merge.part", "Each part takes part, alone and with others",
          axes=(("part", numbers(*range(16))), ("company", ("alone", "with others")))),
    point("merge.tiles", "A tile's parts and those of the tile before",
          ("the same", "some of them", "more of them", "none of them", "others beside some of them")),
    point("merge.highest", "Which part has a row's maximum: the lowest, the highest, one between, several",
          ("the lowest part", "the highest part", "a part between", "several")),
    point("merge.distance", "How far a part's maximum lies below the row's",
          ("0", "1", "between", "62", "63", "64", "further")),
    point("merge.rounding", ROUNDING, axes=ROUNDING_AXES),
    point("merge.rounding_sum", "What the rounding of a denominator cuts off", CUT_OFF),
    point("merge.empty", "Parts of a row that have seen no key: none, some, all", ("none", "some", "all")),
    point("merge.wait", "What a chunk waits for: nothing, one part, several", ("nothing", "one part", "several")),
    point("merge.stall", "A row is not taken: what waits behind it", ("nothing", "chunks on their way", "offered parts too")),
    point("merge.error", "Parts that end together and apart, an end within a row, a tile without a part",
          ("together", "one too early", "one too late", "within a row", "no part")),
    point("merge.reset", "A reset drops what is in flight", ("a tile without a chunk", "chunks half taken", "rows on their way")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_config(parts: int) -> None:
    """A unit of ``parts`` streams has run."""
    GROUP.sample("merge.config", str(parts) if parts in (2, 16) else "4 or 8" if parts in (4, 8) else "no power of two")


@sampler
def sample_tile(parts: Sequence[int], count: int, before: Sequence[int]) -> None:
    """A tile's parts out of ``count``, and those of the tile before."""
    GROUP.sample("merge.parts", one_some_all(len(parts), count))
    for part in parts:
        GROUP.sample("merge.part", f"{part}, {'alone' if len(parts) == 1 else 'with others'}")
    if before:
        now, then = set(parts), set(before)
        GROUP.sample("merge.tiles", "the same" if now == then else "some of them" if now < then else
                     "more of them" if now > then else "none of them" if not now & then else "others beside some of them")


@sampler
def sample_row(parts: Sequence[Row], numbers_of: Sequence[int], count: int) -> None:
    """A row: what its parts have, and which they are."""
    maxima = [part.m for part in parts if part.m is not None]
    empty = len(parts) - len(maxima)
    GROUP.sample("merge.empty", "none" if not empty else "all" if empty == len(parts) else "some")
    if not maxima:
        return
    top = max(maxima)
    first = [number for part, number in zip(parts, numbers_of, strict=True) if part.m == top]
    GROUP.sample("merge.highest", "several" if len(first) > 1 else "the lowest part" if first[0] == 0 else
                 "the highest part" if first[0] == count - 1 else "a part between")
    for part in parts:
        if part.m is None:
            continue
        distance = top - part.m
        GROUP.sample("merge.distance", str(distance) if distance in (0, 1, 62, 63, 64) else
                     "between" if distance < MAX_SHIFT else "further")
        shift = min(distance, MAX_SHIFT)
        if shift:
            acc, below = np.array(part.acc, dtype=np.int64), np.int64((1 << shift) - 1)
            GROUP.sample_array("merge.rounding", (acc >= 0).astype(np.int64), cut_off(acc & below, shift))
            GROUP.sample_array("merge.rounding_sum", cut_off(np.array([part.total]) & below, shift))


@sampler
def sample_wait(offers: Sequence[int], there: int) -> None:
    """A chunk: when each part offered it, and when all did and the unit was free."""
    late = sum(offered == there for offered in offers)
    GROUP.sample("merge.wait", "nothing" if not late else "one part" if late == 1 else "several")


@sampler
def sample_stall(inside: bool, offered: bool) -> None:
    """A cycle in which a row is not taken; ``inside``: chunks of later rows have been taken, ``offered``: others are offered."""
    GROUP.sample("merge.stall", "nothing" if not inside else "offered parts too" if offered else "chunks on their way")


@sampler
def sample_error(ends: str) -> None:
    """How a tile ended: a bin of ``merge.error``."""
    GROUP.sample("merge.error", ends)


@sampler
def sample_reset(found: str) -> None:
    """What a reset found: a bin of ``merge.reset``."""
    GROUP.sample("merge.reset", found)
