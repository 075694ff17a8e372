"""Coverpoints of ``fcim_axi_bursts``, which the benches of the reader and of the writer sample: it is a part of both."""

from __future__ import annotations

from tb.common.bursts import SLVERR
from tb.common.coverage import BenchCoverGroup, points_of, sampler

point = points_of("fcim_axi_bursts")

ENGINES = ("reader", "writer")
COVERPOINTS = (
    point("axi_bursts.outstanding", "Bursts that are under way with another one's address, of those that may be",
          axes=(("engine", ENGINES), ("bursts", ("the only one that may be", "one", "some", "all places taken")))),
    point("axi_bursts.address", "An address goes at once or waits",
          axes=(("engine", ENGINES), ("goes", ("at once", "after waiting")))),
    point("axi_bursts.flags", "Error flags when an error comes",
          axes=(("engine", ENGINES), ("flags", ("none", "the same one", "the other one", "cleared in that cycle")))),
    point("axi_bursts.stop", "What it holds when it is stopped",
          axes=(("engine", ENGINES), ("holds", ("nothing", "commands", "an address that waits", "bursts without an answer")))),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_address(engine: str, outstanding: int, limit: int, waited: bool) -> None:
    """An address that was accepted, at once or not: bursts without an answer with it."""
    GROUP.sample("axi_bursts.outstanding", f"{engine}, " + (
        "the only one that may be" if limit == 1 else "one" if outstanding == 1 else
        "all places taken" if outstanding == limit else "some"))
    GROUP.sample("axi_bursts.address", f"{engine}, {'after waiting' if waited else 'at once'}")


@sampler
def sample_error(engine: str, flags: tuple[str, str], resp: int, cleared: bool) -> None:
    """An error ``resp`` while the flags (SLVERR, DECERR) are as they are, or are being cleared."""
    same, other = flags if resp == SLVERR else flags[::-1]
    GROUP.sample("axi_bursts.flags", f"{engine}, " + (
        "cleared in that cycle" if cleared else "the same one" if same == "1" else "the other one" if other == "1" else "none"))


@sampler
def sample_stop(engine: str, commands: bool, waits: bool, outstanding: bool) -> None:
    """It is stopped while it has bursts to send, an address that waits, bursts without an answer."""
    for name, there in (("nothing", not (commands or waits or outstanding)), ("commands", commands),
                        ("an address that waits", waits), ("bursts without an answer", outstanding)):
        GROUP.sample("axi_bursts.stop", f"{engine}, {name}", int(there))
