"""Coverpoints of ``fcim_tile_tracker`` and their samplers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler

if TYPE_CHECKING:
    from tb.tile_tracker.agents import Tile

point = points_of("fcim_tile_tracker")
BANKS = ("0", "1")

COVERPOINTS = (
    point("tile_tracker.step", "What is decided and what is finished in one cycle",
          axes=(("decided", ("nothing", "runs", "skipped")), ("finished", (
              "nothing", "a block of the same bank", "a block of the other bank"))),
          illegal={"nothing, a block of the same bank": "where nothing is decided there is no bank to be the same"}),
    point("tile_tracker.decision", "Decisions on a tile's last block and on others",
          axes=(("block", ("runs", "skipped")), ("place", ("not last", "last")))),
    point("tile_tracker.under_way", "Blocks of each bank that run and are not finished",
          axes=(("bank", BANKS), ("blocks", numbers(0, 1, 2, 3)))),
    point("tile_tracker.end", "What completes a tile", axes=(("bank", BANKS), ("by", (
        "finished", "skipped last, idle", "skipped last, then finished", "finished and skipped at once")))),
    point("tile_tracker.reset", "A reset drops an ended tile with a block under way", ("bank 0", "bank 1")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_step(decided: Tile | None, finished: Tile | None) -> None:
    """One cycle: the tiles of the block that is decided and of the one that is finished, both already counted."""
    finish = "nothing" if finished is None else "a block of the same bank" if decided is not None and \
        decided.bank == finished.bank else "a block of the other bank"
    if decided is None:
        GROUP.sample("tile_tracker.step", "nothing, nothing" if finished is None else "nothing, a block of the other bank")
        return
    kind = "runs" if decided.runs[decided.decided - 1] else "skipped"
    place = "last" if decided.decided == len(decided.runs) else "not last"
    GROUP.sample("tile_tracker.step", f"{kind}, {finish}")
    GROUP.sample("tile_tracker.decision", f"{kind}, {place}")


@sampler
def sample_under_way(bank: int, blocks: int) -> None:
    """Blocks of a bank that run and are not finished, in one cycle."""
    GROUP.sample("tile_tracker.under_way", f"{bank}, {blocks}")


@sampler
def sample_end(bank: int, how: str) -> None:
    """A tile is complete; ``how`` as the bench counts its ends."""
    GROUP.sample("tile_tracker.end", f"{bank}, {how}")


@sampler
def sample_reset(bank: int) -> None:
    """A reset that finds a tile of ``bank`` that has ended, with a block under way."""
    GROUP.sample("tile_tracker.reset", f"bank {bank}")
