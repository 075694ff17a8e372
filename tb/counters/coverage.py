"""Coverpoints of ``fcim_counters`` and their samplers."""

from __future__ import annotations

from collections.abc import Sequence

from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_counters")

COVERPOINTS = (
    point("counters.increment", "Increments, the largest among them", ("0", "between", "largest")),
    point("counters.value", "Counters: all 48 bits, and over their end", ("top bit clear", "top bit set", "past the end")),
    point("counters.clear", "clear wins over increments", ("with increments", "without increments")),
    point("counters.reset", "Reset wins over increments", ("with increments",)),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_step(values: Sequence[int], increments: Sequence[int], clear: int, bits: int, width: int) -> None:
    """One cycle: values before it, increments in it."""
    if clear:
        GROUP.sample("counters.clear", "with increments" if any(increments) else "without increments")
        return
    for value, increment in zip(values, increments):
        GROUP.sample("counters.increment", "0" if not increment else "largest" if increment == (1 << bits) - 1 else "between")
        total = value + increment
        GROUP.sample("counters.value", "past the end" if total >> width else "top bit set" if total >> (width - 1) else
                     "top bit clear")


@sampler
def sample_reset() -> None:
    """A reset with increments on the pins."""
    GROUP.sample("counters.reset", "with increments")
