"""Coverpoints of ``fcim_o_stage`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_o_stage")

LEVELS = ("up to half", "more than half", "full")
COVERPOINTS = (
    point("o_stage.held", "Rows that wait, while others go first and not",
          axes=(("hold", ("no", "yes")), ("room taken", LEVELS))),
    point("o_stage.begins_again", "Why a row is offered though others go first", ("it was already", "more than half is taken")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_cycle(hold: bool, inside: int, room: int, offered: bool, offered_before: bool) -> None:
    """A cycle with rows at the output: ``inside`` of ``room``; whether one is offered, and was and not taken a cycle before."""
    half = inside <= room // 2
    GROUP.sample("o_stage.held", f"{'yes' if hold else 'no'}, {LEVELS[0] if half else LEVELS[1 + (inside == room)]}")
    if hold and offered:
        GROUP.sample("o_stage.begins_again", "it was already" if offered_before else "more than half is taken")
