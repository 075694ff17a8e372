"""Coverpoints of ``fcim_row_divider`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

from tb.common.coverage import BenchCoverGroup, points_of, sampler
from tb.common.stream import Beat

point = points_of("fcim_row_divider")

COVERPOINTS = (
    point("row_divider.chunks", "How the chunks of a row follow one another", ("only one", "at once", "with gaps")),
    point("row_divider.row", "A row is taken or waits, the tile's last and others",
          axes=(("taken", ("at once", "later")), ("row", ("last", "not last")))),
    point("row_divider.reset", "A reset drops what is in flight", ("a row on its way",)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_rows(chunks: Sequence[Beat], cycles: Sequence[int], offers: Sequence[int], taken: Sequence[int]) -> None:
    """Accepted chunks and their cycles, then for each row when it was offered and when it was taken."""
    first, ends = None, []
    for i, beat in enumerate(chunks):
        first = i if first is None else first
        if beat["row_end"]:
            gaps = cycles[i] - cycles[first] > i - first
            GROUP.sample("row_divider.chunks", "only one" if i == first else "with gaps" if gaps else "at once")
            ends.append(beat["tile_end"])
            first = None
    for offer, take, last in zip(offers, taken, ends, strict=True):
        GROUP.sample("row_divider.row", f"{'later' if take > offer else 'at once'}, {'last' if last else 'not last'}")


@sampler
def sample_reset() -> None:
    """A reset with a row on its way."""
    GROUP.sample("row_divider.reset", "a row on its way")
