"""Samplers of the block queue's cover points."""

from __future__ import annotations

from tb.common.cover import hit, sampler


@sampler
def cycle(inside: int, depth: int, pushed: bool, decided: bool, skipped: bool) -> None:
    """One cycle: blocks in a queue of ``depth``, and whether one comes, one is decided, and that one is skipped."""
    fill = "full" if inside == depth else "empty" if not inside else "some"
    moves = "both" if pushed and decided else "a block comes" if pushed else "a decision" if decided else "nothing"
    hit("block_queue.moves", f"{fill}, {moves}")
    if decided:
        hit("block_queue.decision", "skipped" if skipped else "runs")


@sampler
def waits(block: bool, full: bool, request: bool) -> None:
    """One cycle: a block that waits, for room or for the request for its keys, and a request for values that waits."""
    if block:
        hit("block_queue.waits", "block: full" if full else "block: keys not requested yet")
    if request:
        hit("block_queue.waits", "request for values")


@sampler
def first(skipped_before: int, last: bool) -> None:
    """A tile's first block that runs: blocks of the tile skipped before it, and whether it is its last."""
    hit("block_queue.first", f"{'after skipped ones' if skipped_before else 'at once'}, {'last too' if last else 'more follow'}")
