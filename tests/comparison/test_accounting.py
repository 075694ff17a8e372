"""The plain accounting behind the paper's Figs. 8 and 9, and the search for it."""

from __future__ import annotations

import numpy as np
import pytest

from models.comparison.accounting import (
    LENGTHS,
    OFF_CHIP_READING,
    OFF_CHIP_SEARCH,
    ON_CHIP_READING,
    ON_CHIP_SEARCH,
    ROWS,
    Linear,
    Reading,
    fits,
)
from models.comparison.claims import Claim


@pytest.mark.parametrize(("reading", "printed"), [(OFF_CHIP_READING, (46.2, 52.2, 55.8, 57.8, 58.9)),
                                                  (ON_CHIP_READING, (64.3, 67.9, 69.6, 70.5, 71.0))])
def test_the_readings_give_the_papers_figures(reading: Reading, printed: tuple[float, ...]) -> None:
    assert tuple(round(reading.saved(tokens), 1) for tokens in LENGTHS) == printed
    assert (printed[0], printed[-1]) == (reading.claim.low, reading.claim.high)


def test_units_by_hand() -> None:
    """A tile of 64 rows over 256 tokens: 2 * 256 + 2 * 64 vectors against 7 * 256."""
    assert ON_CHIP_READING.own.units(256) == 640 and ON_CHIP_READING.other.units(256) == 1792
    assert OFF_CHIP_READING.own.units(256, 16) == 2 * 256 + 6 * 16
    assert ON_CHIP_READING.saved(256) == pytest.approx(100 * (1 - 640 / 1792))
    assert OFF_CHIP_READING.other.text == "5T + 6R" and ON_CHIP_READING.other.text == "7T"


@pytest.mark.parametrize(("reading", "search"), [(OFF_CHIP_READING, OFF_CHIP_SEARCH), (ON_CHIP_READING, ON_CHIP_SEARCH)])
def test_the_search_finds_the_readings(reading: Reading, search: int, seed: int) -> None:
    found = fits(reading.claim, search, np.random.default_rng(seed), 2000)
    assert (ROWS, reading.own, reading.other) in found.found
    assert found.tried == 4 * 4 * search * 15 * search
    for rows, own, other in found.found:    # each of them really gives both ends
        ends = [100 * (1 - own.units(t, rows) / other.units(t, rows)) for t in (256, 4096)]
        assert [round(end, 1) for end in ends] == [reading.claim.low, reading.claim.high]
    assert 0.01 < found.by_chance < 0.1


def test_the_search_finds_nothing_where_nothing_is(seed: int) -> None:
    assert not fits(Claim("nowhere", "more than all", 99.9, 99.9, "%"), ON_CHIP_SEARCH, np.random.default_rng(seed), 10).found
    assert Linear(0, 0).text == ""
