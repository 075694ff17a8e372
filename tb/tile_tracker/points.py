"""Samplers of the tile tracker's cover points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tb.common.cover import hit, sampler

if TYPE_CHECKING:
    from tb.tile_tracker.bench_tile_tracker import Tile


@sampler
def step(decided: Tile | None, finished: Tile | None) -> None:
    """One cycle: the tiles of the block that is decided and of the one that is finished, both already counted."""
    finish = "nothing" if finished is None else "a block of the same bank" if decided is not None and \
        decided.bank == finished.bank else "a block of the other bank"
    if decided is None:
        hit("tile_tracker.step", "nothing, nothing" if finished is None else "nothing, a block of the other bank")
        return
    kind = "runs" if decided.runs[decided.decided - 1] else "skipped"
    place = "last" if decided.decided == len(decided.runs) else "not last"
    hit("tile_tracker.step", f"{kind}, {finish}")
    hit("tile_tracker.decision", f"{kind}, {place}")


@sampler
def under_way(bank: int, blocks: int) -> None:
    """Blocks of a bank that run and are not finished, in one cycle."""
    hit("tile_tracker.under_way", f"{bank}, {blocks}")


@sampler
def end(bank: int, how: str) -> None:
    """A tile is complete; ``how`` as the bench counts its ends."""
    hit("tile_tracker.end", f"{bank}, {how}")
