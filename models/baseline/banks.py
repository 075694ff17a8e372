"""Which bank of cells holds what: software knows all uses ahead, so it keeps what is needed again soonest."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence


def plan_banks(uses: Sequence[Hashable], banks: int, overlap: bool) -> list[tuple[int, bool]]:
    """For each use of a tile ``(bank, loaded)``: where it lies, and whether it has to be loaded there.

    What is not held takes a bank that holds nothing, the first of them, or else the place of what is used again last, or never.
    That is the least number of loads (L. A. Belady, "A study of replacement algorithms for a virtual-storage computer", 1966).

    Args:
        overlap: a load may not take the bank of the use before it, so that it need not wait for that use; with two banks they
            take turns.
    """
    coming: defaultdict[Hashable, deque[int]] = defaultdict(deque)
    for number, tile in enumerate(uses):
        coming[tile].append(number)
    held: list[Hashable | None] = [None] * banks
    placed: list[tuple[int, bool]] = []
    for tile in uses:
        coming[tile].popleft()
        if tile in held:
            placed.append((held.index(tile), False))
            continue
        busy = placed[-1][0] if overlap and placed and banks > 1 else -1
        bank = max((b for b in range(banks) if b != busy),
                   key=lambda b: (held[b] is None, coming[held[b]][0] if coming[held[b]] else len(uses) + 1, -b))
        held[bank] = tile
        placed.append((bank, True))
    return placed
