"""Coverpoints of ``fcim_normalizer`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

from tb.common.coverage import SIZES, BenchCoverGroup, one_some_all, points_of, sampler

point = points_of("fcim_normalizer")

COVERPOINTS = (
    point("normalizer.rows", "Rows of finished tiles", SIZES),
    point("normalizer.done", "A tile is finished while the one before is read, or long after", ("while reading", "at rest")),
    point("normalizer.empty", "Rows of a tile without a key", ("none", "some", "all")),
    point("normalizer.stall", "A row, or a chunk of a partial tile, is not taken: with reads to come the whole drain stands",
          axes=(("waits", ("row", "chunk")), ("reads", ("still to come", "all done")))),
    point("normalizer.partial", "A partial tile is finished while rows of another are on their way, or none is",
          ("rows on their way", "at rest")),
    point("normalizer.bank", "Banks that are given back", ("0", "1")),
    point("normalizer.reset", "A reset drops what is in flight", ("rows on their way", "chunks on their way")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_tile(totals: Sequence[int], rows: int, reading: bool) -> None:
    """A finished tile: its row sums, and whether the one before is still being read."""
    GROUP.sample("normalizer.rows", one_some_all(len(totals), rows))
    empty = sum(total == 0 for total in totals)
    GROUP.sample("normalizer.empty", "none" if not empty else "all" if empty == len(totals) else "some")
    GROUP.sample("normalizer.done", "while reading" if reading else "at rest")


@sampler
def sample_stall(waits: str, reads_left: bool) -> None:
    """A cycle in which a row or a chunk is not taken; ``reads_left``: a finished tile has rows that are not read yet."""
    GROUP.sample("normalizer.stall", f"{waits}, {'still to come' if reads_left else 'all done'}")


@sampler
def sample_partial(rows_left: int) -> None:
    """A finished partial tile; ``rows_left``: rows of other tiles that are read and not taken."""
    GROUP.sample("normalizer.partial", "rows on their way" if rows_left else "at rest")


@sampler
def sample_release(bank: int) -> None:
    """A bank that is given back."""
    GROUP.sample("normalizer.bank", str(bank))


@sampler
def sample_reset(partial: bool) -> None:
    """A reset with rows on their way, or chunks of a partial tile."""
    GROUP.sample("normalizer.reset", "chunks on their way" if partial else "rows on their way")
