"""Which bank holds what: legal, and with the fewest loads that there can be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.baseline.banks import plan_banks


def fewest(uses: Sequence[int], banks: int, overlap: bool) -> int:
    """Of all ways to place them; states are what each bank holds and which was used last."""
    best: dict[tuple[tuple[int | None, ...], int], int] = {((None,) * banks, -1): 0}
    for tile in uses:
        after: dict[tuple[tuple[int | None, ...], int], int] = {}
        for (held, last), loads in best.items():
            if tile in held:
                options = [(held, held.index(tile), loads)]
            else:
                options = [((*held[:b], tile, *held[b + 1:]), b, loads + 1) for b in range(banks) if not overlap or b != last]
            for state, bank, count in options:
                after[state, bank] = min(count, after.get((state, bank), len(uses)))
        best = after
    return min(best.values())


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("banks", [2, 3, 4])
def test_places_are_legal_and_loads_the_fewest(banks: int, overlap: bool, seed: int) -> None:
    draw = np.random.default_rng([seed, banks, overlap])
    for _ in range(20):
        uses = draw.integers(0, banks + 3, int(draw.integers(1, 14))).tolist()
        places, held = plan_banks(uses, banks, overlap), {}
        for number, (tile, (bank, loaded)) in enumerate(zip(uses, places, strict=True)):
            assert 0 <= bank < banks and loaded == (held.get(bank) != tile) and (loaded or tile in held.values())
            assert not (overlap and loaded and number and bank == places[number - 1][0])
            held[bank] = tile
        assert sum(loaded for _, loaded in places) == fewest(uses, banks, overlap)


def test_tiles_that_come_around_stay_but_for_those_that_take_turns() -> None:
    uses = list(range(6)) * 3
    serial, overlapped = (plan_banks(uses, 4, overlap) for overlap in (False, True))
    assert [loaded for _, loaded in serial].count(True) < [loaded for _, loaded in overlapped].count(True) < len(uses)
    assert plan_banks(uses, 2, True) == [(i % 2, True) for i in range(len(uses))]
    assert plan_banks(uses, 1, True) == [(0, True)] * len(uses)
    assert [loaded for _, loaded in plan_banks(uses, 8, True)] == [True] * 6 + [False] * 12
