"""Coverpoints of ``fcim_key_scheduler`` and their samplers."""

from __future__ import annotations

from tb.common.coverage import BenchCoverGroup, points_of, sampler
from tb.key_scheduler.model import NAMES, Run

point = points_of("fcim_key_scheduler")
BLOCKS = ("one block", "two", "three", "more")

COVERPOINTS = (
    point("key_scheduler.tile", "Tiles of one, two and more blocks in every schedule",
          axes=(("schedule", NAMES), ("blocks", BLOCKS))),
    point("key_scheduler.last_block", "Sizes of a tile's last block in every schedule",
          axes=(("schedule", NAMES), ("keys", ("one key", "some keys", "all keys")))),
    point("key_scheduler.keys", "Keys of a tile", ("1", "between", "MAX_KEYS")),
    point("key_scheduler.offer", "What is inside when a tile is offered",
          ("taken at rest", "taken while blocks are to come", "taken as the last block leaves",
           "waits: one runs and one waits")),
    point("key_scheduler.block", "A block is taken, or waits", ("taken", "waits")),
    point("key_scheduler.follow", "What follows a tile's last block", ("the tile that waits", "the tile that comes", "none")),
    point("key_scheduler.reset", "A reset drops what is inside", ("a tile runs", "a tile runs and one waits")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


@sampler
def sample_tile(schedule: int, keys: int, runs: list[Run], keys_per_block: int, max_keys: int) -> None:
    """An accepted tile."""
    count = runs[-1][1]
    size = "all keys" if count == keys_per_block else "one key" if count == 1 else "some keys"
    GROUP.sample("key_scheduler.tile", f"{NAMES[schedule]}, {BLOCKS[min(len(runs), 4) - 1]}")
    GROUP.sample("key_scheduler.last_block", f"{NAMES[schedule]}, {size}")
    GROUP.sample("key_scheduler.keys", "1" if keys == 1 else "MAX_KEYS" if keys == max_keys else "between")


@sampler
def sample_cycle(tiles: int, offered: bool, ready: bool, last: bool) -> None:
    """One cycle: tiles inside (0 to 2), a tile offered, the block's ``ready``, and whether that block is its tile's last."""
    leaves = tiles > 0 and ready and last
    if offered:
        GROUP.sample("key_scheduler.offer", "waits: one runs and one waits" if tiles == 2 else "taken at rest" if tiles == 0 else
                     "taken as the last block leaves" if leaves else "taken while blocks are to come")
    if tiles:
        GROUP.sample("key_scheduler.block", "taken" if ready else "waits")
    if leaves:
        GROUP.sample("key_scheduler.follow", "the tile that waits" if tiles == 2 else "the tile that comes" if offered else
                     "none")


@sampler
def sample_reset(inside: int) -> None:
    """A reset that finds one tile or two inside."""
    GROUP.sample("key_scheduler.reset", "a tile runs" if inside == 1 else "a tile runs and one waits")
