"""Coverpoints of ``fcim_row_collector`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_row_collector")

COVERPOINTS = (
    point("row_collector.order", "Whose row goes where several engines have one: the lowest engine's, or another one's",
          ("the lowest", "another")),
    point("row_collector.ends", "A row that is its tile's last and one that is not, while others wait and not",
          axes=(("row", ("last", "not last")), ("others", ("wait", "none")))),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_row(engine: int, waiting: list[int], last: bool) -> None:
    """A row is taken from ``engine`` while all of ``waiting`` have one."""
    if len(waiting) > 1:
        GROUP.sample("row_collector.order", "the lowest" if engine == min(waiting) else "another")
    GROUP.sample("row_collector.ends", f"{'last' if last else 'not last'}, {'wait' if len(waiting) > 1 else 'none'}")
