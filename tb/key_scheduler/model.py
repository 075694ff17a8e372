"""The four key orders as their definition says it, run by run, in plain Python ints; shares no line with ``models/``."""

from __future__ import annotations

NATURAL, DIAGONAL_FIRST, SINK_DIAGONAL, DIAGONAL_ASCENDING = range(4)
NAMES = ("natural", "diagonal_first", "sink_diagonal", "diagonal_ascending")
Run = tuple[int, int]


def newest_to_oldest(low: int, high: int, most: int) -> list[Run]:
    """The keys ``low`` to ``high - 1`` cut from the newest on, as ``(start, count)``; the oldest run may be short."""
    runs: list[Run] = []
    while high > low:
        start = max(low, high - most)
        runs.append((start, high - start))
        high = start
    return runs


def oldest_to_newest(high: int, most: int) -> list[Run]:
    """The keys 0 to ``high - 1`` cut from the oldest on, as ``(start, count)``; the newest run may be short."""
    return [(start, min(most, high - start)) for start in range(0, high, most)]


def runs_of(schedule: int, keys: int, most: int) -> list[Run]:
    """Runs ``(start, count)`` of at most ``most`` ascending keys that visit the keys 0 to ``keys - 1`` in the schedule's order.

    Args:
        schedule: code as on ``s_tile_schedule``.
    """
    if schedule == DIAGONAL_FIRST:
        return newest_to_oldest(0, keys, most)
    diagonal = max(0, keys - most)      # where the diagonal's run begins, and the keys that are not in it
    if schedule == DIAGONAL_ASCENDING:
        return [(diagonal, keys - diagonal), *oldest_to_newest(diagonal, most)]
    if schedule == SINK_DIAGONAL:
        sink = min(most, diagonal)
        return [(diagonal, keys - diagonal), *([(0, sink)] if sink else []), *newest_to_oldest(most, diagonal, most)]
    return oldest_to_newest(keys, most)
