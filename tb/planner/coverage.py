"""Coverpoints of ``fcim_planner`` and their samplers."""

from __future__ import annotations

from collections.abc import Mapping

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler
from tb.common.stream import Beat

MODES = ("resident", "streamed", "decode")
point = points_of("fcim_planner")

COVERPOINTS = (
    point("planner.call", "Calls of one head and of several", axes=(("mode", MODES), ("heads", ("one", "more")))),
    point("planner.split", "Engines that share a head in decode", numbers(1, 2, 4)),
    point("planner.wave", "Waves with a tile for each engine and not", axes=(("mode", MODES), ("engines", ("all", "not all")))),
    point("planner.direction", "Waves up and down", axes=(("mode", MODES[:2]), ("way", ("up", "down")))),
    point("planner.waits", "A wave lacks blocks that are not asked for; jobs that the store has not taken",
          ("blocks", "one job", "more jobs")),
    point("planner.done", "Tiles that end in the same cycle", ("one", "more")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_call(pins: Mapping[str, int]) -> None:
    """A call that begins."""
    mode = MODES[2 * pins["decode"] + pins["streamed"]]
    GROUP.sample("planner.call", f"{mode}, {'one' if pins['heads'] == 1 else 'more'}")
    if mode == "decode":
        GROUP.sample("planner.split", str(1 << pins["split"]))


@sampler
def sample_wave(beat: Beat, tiles: int, engines: int) -> None:
    """An accepted wave with so many tiles."""
    mode = MODES[beat["mode"]]
    GROUP.sample("planner.wave", f"{mode}, {'all' if tiles == engines else 'not all'}")
    if mode != "decode":
        GROUP.sample("planner.direction", f"{mode}, {'up' if beat['ascending'] else 'down'}")


@sampler
def sample_done(tiles: int) -> None:
    """A cycle in which so many tiles end."""
    if tiles:
        GROUP.sample("planner.done", "one" if tiles == 1 else "more")


@sampler
def sample_waits(blocks: bool, jobs: int) -> None:
    """A cycle: whether the next wave waits for blocks, and jobs on their way."""
    if blocks:
        GROUP.sample("planner.waits", "blocks")
    if jobs:
        GROUP.sample("planner.waits", "one job" if jobs == 1 else "more jobs")
