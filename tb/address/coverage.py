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


@sampler
def sample_address(beat: Beat) -> None:
    """What an address is made of."""
    for name in ("i", "j"):
        for kind, value, bits in (("index", beat[name], 24), ("stride", beat[f"{name}_stride"], 32)):
            end = "0" if not value else "the largest" if value == (1 << bits) - 1 else "between"
            GROUP.sample(f"address.{kind}", f"{name}, {end}")
    total = beat["base"] + beat["i"] * beat["i_stride"] + beat["j"] * beat["j_stride"]
    GROUP.sample("address.wraps", ("not", "once")[total >> 64])
