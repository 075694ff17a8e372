"""Coverpoints of ``fcim_q_fetch`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler
from tb.common.stream import Beat
from tb.q_fetch.model import Call, Sizes

point = points_of("fcim_q_fetch")

SIZES = ("one", "some", "all")
COVERPOINTS = (
    point("q_fetch.engines", "Numbers of engines", numbers(1, 2, 4, 8, 16)),
    point("q_fetch.width", "Widths of a beat", numbers(128, 256, 512, 1024)),
    point("q_fetch.heads", "KV heads of a call", ("one", "less than a beat of shifts", "a beat", "more", "256")),
    point("q_fetch.group", "Query heads of a KV head: one, so many that a tile has one token, or between", SIZES),
    point("q_fetch.tokens", "Tokens of a tile: one, as many as it has room for, or between", SIZES),
    point("q_fetch.wraps", "A row of Q past the last address", ("no", "yes")),
    point("q_fetch.start", "What is offered in the cycle in which a call begins", ("nothing", "a tile")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_start(call: Call, sizes: Sizes, tile: bool) -> None:
    """A call begins; ``tile``: while one is offered."""
    GROUP.sample("q_fetch.engines", str(sizes.engines))
    GROUP.sample("q_fetch.width", str(8 * sizes.width))
    GROUP.sample("q_fetch.heads", "256" if call.heads == 256 else "one" if call.heads == 1 else
                 "a beat" if call.heads == sizes.width else "more" if call.heads > sizes.width else "less than a beat of shifts")
    GROUP.sample("q_fetch.group", "one" if call.group == 1 else "all" if sizes.rows // call.group == 1 else "some")
    GROUP.sample("q_fetch.start", "a tile" if tile else "nothing")


@sampler
def sample_tile(call: Call, sizes: Sizes, tile: Beat) -> None:
    """A tile that was accepted."""
    most = sizes.rows // call.group
    GROUP.sample("q_fetch.tokens", "one" if tile["tokens"] == 1 else "all" if tile["tokens"] == most else "some")
    end = call.q + tile["q_head"] * call.q_head_stride + (tile["token"] + tile["tokens"] - 1) * call.q_token_stride
    GROUP.sample("q_fetch.wraps", "yes" if end >> 64 else "no")
