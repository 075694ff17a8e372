"""The plainest accounting of bytes that gives the ends of the paper's Figs. 8 and 9 to their last digit.

Per query tile of ``rows`` rows, in units of head_dim bytes, not causal: what a design moves is ``a * tokens + b * rows`` with
small whole numbers. The paper's formulas are not known; these were found by search (:func:`fits`), so they are a reading of its
figures and no more.

* Fig. 9, on chip: its own design 2T + 2R (K and V pass once; Q in, O out), baseline 2 7T (Q, K and V read once for each pair of
  tiles, O of 16 bits read and written: 1 + 1 + 1 + 2 + 2).
* Fig. 8, off chip: its own design 2T + 6R, baseline 1 5T + 6R. The 3T more are, with 64 rows of 128 channels, 6 bytes a score:
  scores of 16 bits and probabilities of 8, each written and read.

Both mean: K and V are shared neither by engines nor by query heads, baseline 2 writes K and V anew for every tile of queries, and
baseline 1 spills all of S and P.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np

from models.comparison.claims import LONGEST, OFF_CHIP, ON_CHIP, SHORTEST, Claim

ROWS = 64
LENGTHS = (256, 512, 1024, 2048, 4096)


class Linear(NamedTuple):
    """``tokens * per_token + rows * per_row``, in units of head_dim bytes for a query tile of ``rows`` rows."""

    per_token: int
    per_row: int

    def units(self, tokens: int, rows: int = ROWS) -> int:
        """Of a sequence of ``tokens``."""
        return self.per_token * tokens + self.per_row * rows

    @property
    def text(self) -> str:
        """As a formula."""
        return " + ".join(f"{n}{letter}" for n, letter in ((self.per_token, "T"), (self.per_row, "R")) if n)


class Reading(NamedTuple):
    """One figure of the paper read as two formulas."""

    claim: Claim
    own: Linear
    other: Linear

    def saved(self, tokens: int, rows: int = ROWS) -> float:
        """Percent that its own design moves less than the other."""
        return 100 * (1 - self.own.units(tokens, rows) / self.other.units(tokens, rows))


OFF_CHIP_READING = Reading(OFF_CHIP, Linear(2, 6), Linear(5, 6))
ON_CHIP_READING = Reading(ON_CHIP, Linear(2, 2), Linear(7, 0))
TILES = (16, 32, 64, 128)
ON_CHIP_SEARCH, OFF_CHIP_SEARCH = 9, 11     # constants per row below these; per token 1 to 4 and 2 to 16


class Search(NamedTuple):
    """What a search over small whole numbers found: formulas that give both ends of a claim, of ``tried``."""

    found: list[tuple[int, Linear, Linear]]
    tried: int
    by_chance: float


def fits(claim: Claim, per_row: int, generator: np.random.Generator, pairs: int = 20_000) -> Search:
    """All formulas with tiles of :data:`TILES` rows, 1 to 4 (own) and 2 to 16 (other) units a token and fewer than ``per_row`` a
    row that give both ends of ``claim`` as it is printed, to a tenth.

    Returns:
        ``by_chance``: the share of random pairs (35 to 75 %, then 1 to 20 points more) that some formula would give as well: how
        little a fit alone says.
    """
    choices = list(product(TILES, range(1, 5), range(per_row), range(2, 17), range(per_row)))
    rows, own, own_row, other, other_row = np.array(choices).T
    ends = [np.rint(1000 * (1 - (own * t + own_row * rows) / (other * t + other_row * rows))).astype(int)
            for t in (SHORTEST, LONGEST)]
    hit = (ends[0] == round(10 * claim.low)) & (ends[1] == round(10 * claim.high))
    found = [(r, Linear(a, b), Linear(c, d)) for r, a, b, c, d in (choices[i] for i in np.flatnonzero(hit))]
    reached = set(zip(ends[0].tolist(), ends[1].tolist(), strict=True))
    low = generator.integers(350, 750, pairs)
    high = low + generator.integers(10, 200, pairs)
    chance = sum(pair in reached for pair in zip(low.tolist(), high.tolist(), strict=True)) / pairs
    return Search(found, len(choices), chance)
