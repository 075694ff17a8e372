"""Coverpoints of ``fcim_block_queue`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

point = points_of("fcim_block_queue")

COVERPOINTS = (
    point("block_queue.depth", "Every depth", numbers(8, 16, 32, 64)),
    point("block_queue.moves", "Blocks and decisions move while it is empty, full and between",
          axes=(("fill", ("empty", "some", "full")), ("moves", ("nothing", "a block comes", "a decision", "both"))),
          ignored=dict.fromkeys(("empty, a decision", "empty, both"),
                                "a decision without a block is an error, which block_queue.error counts"),
          illegal=dict.fromkeys(("full, a block comes", "full, both"), "a full queue takes nothing")),
    point("block_queue.decision", "Blocks that run and blocks that are skipped", ("runs", "skipped")),
    point("block_queue.waits", "Who waits: a block for room, a block for its keys' request to be taken, a request for values",
          ("block: full", "block: keys not requested yet", "request for values")),
    point("block_queue.first", "A tile's first request for values, at once or after skipped blocks, its only one or not",
          axes=(("comes", ("at once", "after skipped ones")), ("more", ("last too", "more follow")))),
    point("block_queue.error", "Right and wrong decisions", ("the right last", "last too early", "last too late", "no block")),
    point("block_queue.reset", "A reset drops the blocks inside", ("some", "full")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_cycle(inside: int, depth: int, pushed: bool, decided: bool, skipped: bool) -> None:
    """One cycle: blocks in a queue of ``depth``, and whether one comes, one is decided, and that one is skipped."""
    fill = "full" if inside == depth else "empty" if not inside else "some"
    moves = "both" if pushed and decided else "a block comes" if pushed else "a decision" if decided else "nothing"
    GROUP.sample("block_queue.moves", f"{fill}, {moves}")
    if decided:
        GROUP.sample("block_queue.decision", "skipped" if skipped else "runs")


@sampler
def sample_waits(block: bool, full: bool, request: bool) -> None:
    """One cycle: a block that waits, for room or for the request for its keys, and a request for values that waits."""
    if block:
        GROUP.sample("block_queue.waits", "block: full" if full else "block: keys not requested yet")
    if request:
        GROUP.sample("block_queue.waits", "request for values")


@sampler
def sample_first(skipped_before: int, last: bool) -> None:
    """A tile's first block that runs: blocks of the tile skipped before it, and whether it is its last."""
    comes, more = "after skipped ones" if skipped_before else "at once", "last too" if last else "more follow"
    GROUP.sample("block_queue.first", f"{comes}, {more}")


@sampler
def sample_depth(depth: int) -> None:
    """A queue of ``depth`` blocks has run."""
    GROUP.sample("block_queue.depth", str(depth))


@sampler
def sample_error(last: bool | None, said: bool) -> None:
    """A decision that says whether its block is the last: ``said``, and what is true; None if there is no block."""
    GROUP.sample("block_queue.error", "no block" if last is None else "the right last" if last == said else
                 "last too early" if said else "last too late")


@sampler
def sample_reset(inside: int, depth: int) -> None:
    """A reset that finds blocks inside."""
    GROUP.sample("block_queue.reset", "full" if inside == depth else "some")
