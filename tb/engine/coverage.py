"""Coverpoints of ``fcim_engine`` and their samplers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tb.common.coverage import BenchCoverGroup, numbers, points_of, sampler
from tb.common.stream import Beat
from tb.key_scheduler.model import NAMES

point = points_of("fcim_engine")
STREAMS = ("s_tile", "m_kreq", "s_k", "m_vreq", "s_v")
LENGTHS = ("one block", "two", "more")

COVERPOINTS = (
    point("engine.stream", "Tiles, requests and answers move, wait and are waited for",
          axes=(("stream", STREAMS), ("state", ("moves", "waits", "is waited for")))),
    point("engine.blocks_ahead", "Every depth of the queue between requests and decisions", numbers(8, 16, 32, 64)),
    point("engine.tile", "Tiles of every schedule with every flag",
          axes=(("schedule", NAMES), ("first step", ("fused", "not fused")),
                ("zeros", ("skips", "skips by octaves", "does not skip")))),
    point("engine.length", "Tiles of every schedule and length",
          axes=(("schedule", NAMES), ("blocks", LENGTHS), ("keys", ("whole", "ragged")))),
    point("engine.follow", "A tile of every schedule behind one of every schedule",
          axes=(("before", NAMES), ("after", NAMES))),
    point("engine.skipped", "Skipped blocks in every place of a tile, in every schedule",
          axes=(("schedule", NAMES), ("place", ("first", "between", "last")))),
    point("engine.reset", "A reset ends a run that has asked for keys, for values too",
          ("keys asked for", "values asked for")),
    point("engine.error", "Keys and values that end their tile too early are noticed, right ones are not",
          ("none", "keys end too early", "values end too early")),
)
GROUP = BenchCoverGroup(COVERPOINTS)


def _flags(row: Beat) -> str:
    zeros = "does not skip" if not row["skip"] else "skips by octaves" if row["octaves"] else "skips"
    return f"{'fused' if row['fused'] else 'not fused'}, {zeros}"


@sampler
def sample_cycle(pins: Mapping[str, tuple[bool, bool]]) -> None:
    """One cycle: ``(valid, ready)`` of each stream of :data:`STREAMS`."""
    for name, (valid, ready) in pins.items():
        if valid or ready:
            GROUP.sample("engine.stream", f"{name}, {'moves' if valid and ready else 'waits' if valid else 'is waited for'}")


@sampler
def sample_run(tiles: Sequence[Beat], rows: Sequence[Beat], requests: Sequence[Beat], keys_per_block: int,
               blocks_ahead: int) -> None:
    """A finished run: its tiles, rows of Q, and decisions."""
    GROUP.sample("engine.blocks_ahead", str(blocks_ahead))
    flags = [_flags(row) for row in rows if row["last"]]
    decided = iter(requests)
    for i, (tile, text) in enumerate(zip(tiles, flags, strict=True)):
        name, count = NAMES[tile["schedule"]], -(-tile["keys"] // keys_per_block)
        GROUP.sample("engine.tile", f"{name}, {text}")
        last = "ragged" if tile["keys"] % keys_per_block else "whole"
        GROUP.sample("engine.length", f"{name}, {LENGTHS[min(count, 3) - 1]}, {last}")
        if i:
            GROUP.sample("engine.follow", f"{NAMES[tiles[i - 1]['schedule']]}, {name}")
        for block in range(count):
            if next(decided)["skip"]:
                place = "first" if block == 0 else "last" if block == count - 1 else "between"
                GROUP.sample("engine.skipped", f"{name}, {place}")


@sampler
def sample_reset(values: bool) -> None:
    """A reset in the middle of a run: whether values had been asked for, beside keys."""
    GROUP.sample("engine.reset", "values asked for" if values else "keys asked for")


@sampler
def sample_flags(error_order: bool, error_v_count: bool) -> None:
    """The flags after a run of right streams, or of keys or values that end too early."""
    GROUP.sample("engine.error", "keys end too early" if error_order else "values end too early" if error_v_count else "none")
