"""Coverpoints of ``fcim_address`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, points_of, sampler
from tb.common.stream import Beat

point = points_of("fcim_address")

ENDS = ("0", "between", "the largest")
COVERPOINTS = (
    point("address.index", "Both indices", axes=(("index", ("i", "j")), ("is", ENDS))),
    point("address.stride", "Both strides", axes=(("stride", ("i", "j")), ("is", ENDS))),
    point("address.wraps", "How often an address passes the last of all", ("not", "once")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


def place(value: int, bits: int) -> str:
    """The bin of a number of so many bits."""
    return "0" if not value else "the largest" if value == (1 << bits) - 1 else "between"


@sampler
def sample_address(beat: Beat) -> None:
    """What an address is made of."""
    for name in ("i", "j"):
        GROUP.sample("address.index", f"{name}, {place(beat[name], 24)}")
        GROUP.sample("address.stride", f"{name}, {place(beat[f'{name}_stride'], 32)}")
    total = beat["base"] + beat["i"] * beat["i_stride"] + beat["j"] * beat["j_stride"]
    GROUP.sample("address.wraps", ("not", "once")[total >> 64])
