"""The choice within a budget, against all choices tried one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from scripts.studies.schedules.budget import Offer, front, pick


def drawn(g: np.random.Generator, who: int = 5, offers: int = 5) -> list[list[Offer]]:
    """Some offers of each; the first loses nothing, as natural order does. Equals come often."""
    return [[Offer(int(g.integers(50, 101)), 0.0), *(Offer(int(g.integers(101)), (0.0, 0.25, float(g.random()))[g.integers(3)])
                                                     for _ in range(offers - 1))] for _ in range(who)]


def best(of_all: list[list[Offer]], budget_db: float) -> int:
    """The fewest rescales of all choices within the budget."""
    return min(sum(offer.rescales for offer in some) for some in product(*of_all)
               if sum(offer.lost_db for offer in some) <= budget_db)


@pytest.mark.parametrize("budget_db", [0.0, 0.2, 0.7, 1.5, 4.0, 100.0])
def test_all_choices_tried(budget_db: float, seed: int) -> None:
    g = np.random.default_rng(seed)
    for _ in range(20):
        of_all = drawn(g)
        picked, optimum = pick(of_all, budget_db), best(of_all, budget_db)
        taken = [offers[n] for offers, n in zip(of_all, picked.numbers, strict=True)]
        assert picked.rescales == sum(offer.rescales for offer in taken)
        assert picked.lost_db == pytest.approx(sum(offer.lost_db for offer in taken)) and picked.lost_db <= budget_db
        assert picked.at_least - 1e-9 <= optimum <= picked.rescales
        steps = [offers[now].rescales - offers[then].rescales for offers in of_all
                 for now, then in zip(front(offers), front(offers)[1:])]
        assert picked.rescales - picked.at_least <= max(steps, default=0), "more than one step from the best"
        if budget_db == 100.0:
            assert picked.rescales == optimum == picked.at_least
        if budget_db == 0.0:
            assert picked.rescales == optimum


def test_the_budget_goes_where_it_saves_most() -> None:
    """Shared by all, it is spent on the one that saves 40 a dB, and not in equal parts; what is left buys what still fits."""
    dear, cheap, small = ([Offer(100, 0.0), Offer(rescales, lost)] for rescales, lost in ((90, 1.0), (60, 1.0), (99, 0.5)))
    assert pick([dear, cheap], 1.0).numbers == [0, 1]
    picked = pick([dear, cheap, small], 1.6)
    assert (picked.numbers, picked.rescales, picked.lost_db) == ([0, 1, 1], 259, 1.5)
    assert picked.at_least == pytest.approx(300 - 40 - 0.6 * 10)
    assert pick([dear, cheap], 0.9).numbers == [0, 0] and pick([dear, cheap], 2.0).numbers == [1, 1]


def test_what_is_worth_its_loss() -> None:
    """The corners of the lower hull: nothing that saves less for more, nor a step that a later one beats; of equals the first."""
    offers = [Offer(100, 0.0), Offer(95, 0.5), Offer(60, 1.0), Offer(70, 1.5), Offer(50, 2.0), Offer(60, 1.0), Offer(100, 0.0)]
    assert front(offers) == [0, 2, 4] and front(offers[::-1]) == [0, 1, 2]
    with pytest.raises(ValueError, match="1.0 dB are lost at least"):
        pick([[Offer(3, 1.0)]], 0.5)
