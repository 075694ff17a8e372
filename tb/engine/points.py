"""Samplers of the cover points of the top that fetches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tb.common.cover import hit, sampler
from tb.common.stream import Beat
from tb.key_scheduler.order import NAMES

STREAMS = ("s_tile", "m_kreq", "s_k", "m_vreq", "s_v")
LENGTHS = ("one block", "two", "more")


def _name(code: int) -> str:
    return NAMES[code] if code < len(NAMES) else NAMES[0]


def _flags(row: Beat) -> str:
    return f"{'fused' if row['fused'] else 'not fused'}, {'skips' if row['skip'] else 'does not skip'}"


@sampler
def cycle(pins: Mapping[str, tuple[bool, bool]]) -> None:
    """One cycle: ``(valid, ready)`` of each stream of :data:`STREAMS`."""
    for name, (valid, ready) in pins.items():
        if valid or ready:
            hit("attention.stream", f"{name}, {'moves' if valid and ready else 'waits' if valid else 'is waited for'}")


@sampler
def run(tiles: Sequence[Beat], rows: Sequence[Beat], requests: Sequence[Beat], keys_per_block: int, blocks_ahead: int) -> None:
    """A finished run: its tiles, rows of Q, and decisions."""
    hit("attention.blocks_ahead", str(blocks_ahead))
    flags = [_flags(row) for row in rows if row["last"]]
    decided = iter(requests)
    for i, (tile, text) in enumerate(zip(tiles, flags, strict=True)):
        name, count = _name(tile["schedule"]), -(-tile["keys"] // keys_per_block)
        hit("attention.tile", f"{name}, {text}")
        hit("attention.length", f"{name}, {LENGTHS[min(count, 3) - 1]}, {'ragged' if tile['keys'] % keys_per_block else 'whole'}")
        if i:
            hit("attention.follow", f"{_name(tiles[i - 1]['schedule'])}, {name}")
        for block in range(count):
            if next(decided)["skip"]:
                place = "first" if block == 0 else "last" if block == count - 1 else "between"
                hit("attention.skipped", f"{name}, {place}")


@sampler
def interrupted(values: bool) -> None:
    """A reset in the middle of a run: whether values had been asked for, beside keys."""
    hit("attention.reset", "values asked for" if values else "keys asked for")
