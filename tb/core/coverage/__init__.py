"""Coverpoints of ``fcim_core`` and their samplers: here those that benches sample inside the simulator.

All others are sampled after the run from its record, by :func:`tb.core.coverage.run.sample_run`, which needs torch.
"""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_core")

COVERPOINTS = (
    point("core.reset", "What a reset interrupts", ("Q only", "keys", "rows of O")),
    point("core.error_v_count", "The flag rises when K and V disagree on a block, and a reset lowers it",
          ("raised", "lowered by a reset")),
    point("core.clear", "clear while tiles are in flight and while none is", ("in flight", "at rest")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_reset(keys: int, o_bytes: int, error: bool) -> None:
    """A reset, as the counters of keys and output bytes stand, and the flag."""
    GROUP.sample("core.reset", "rows of O" if o_bytes else "keys" if keys else "Q only")
    GROUP.sample("core.error_v_count", "raised", int(error))


@sampler
def sample_lowered() -> None:
    """A reset that lowers the flag."""
    GROUP.sample("core.error_v_count", "lowered by a reset")


@sampler
def sample_clear(in_flight: bool) -> None:
    """A clear, while a tile is in flight or not."""
    GROUP.sample("core.clear", "in flight" if in_flight else "at rest")
