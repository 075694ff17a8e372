"""Samplers of the key scheduler's cover points."""

from __future__ import annotations

from tb.common.cover import hit, sampler
from tb.key_scheduler.order import NAMES, Run

CODES = (*NAMES, "code 3")
BLOCKS = ("one block", "two", "three", "more")


@sampler
def tile(schedule: int, keys: int, runs: list[Run], keys_per_block: int, max_keys: int) -> None:
    """An accepted tile."""
    count = runs[-1][1]
    size = "all keys" if count == keys_per_block else "one key" if count == 1 else "some keys"
    hit("key_scheduler.tile", f"{CODES[schedule]}, {BLOCKS[min(len(runs), 4) - 1]}")
    hit("key_scheduler.last_block", f"{CODES[schedule]}, {size}")
    hit("key_scheduler.keys", "1" if keys == 1 else "MAX_KEYS" if keys == max_keys else "between")


@sampler
def cycle(tiles: int, offered: bool, ready: bool, last: bool) -> None:
    """One cycle: tiles inside (0 to 2), a tile offered, the block's ``ready``, and whether that block is its tile's last."""
    ends = tiles > 0 and ready and last
    if offered:
        hit("key_scheduler.offer", "waits: one runs and one waits" if tiles == 2 else "taken at rest" if tiles == 0 else
            "taken as the last block leaves" if ends else "taken while blocks are to come")
    if tiles:
        hit("key_scheduler.block", "taken" if ready else "waits")
    if ends:
        hit("key_scheduler.follow", "the tile that waits" if tiles == 2 else "the tile that comes" if offered else "none")
