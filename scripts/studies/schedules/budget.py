"""One offer for each of many, so that what all take costs least within a budget: a multiple-choice knapsack, solved greedily."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """What one order would do to a KV head: ``rescales``, rows that it rescales; ``lost_db``, what its query heads lose, summed,
    0 or more."""

    rescales: int
    lost_db: float


@dataclass(frozen=True)
class Picked:
    """``numbers``: of the offer that each took. ``rescales``, ``lost_db``: of all that was taken. ``at_least``: rescales that no
    choice within the budget gets below, so that the best one lies between the two."""

    numbers: list[int]
    rescales: int
    lost_db: float
    at_least: float


def front(offers: Sequence[Offer]) -> list[int]:
    """The offers of one that are worth their loss, as numbers, least loss first: each next one saves less for a dB than the one
    before, as the corners of the lower convex hull of (loss, rescales) do. Of equals the first."""
    corners: list[int] = []
    for number in sorted(range(len(offers)), key=lambda n: (offers[n].lost_db, offers[n].rescales, n)):
        if corners and offers[number].rescales >= offers[corners[-1]].rescales:
            continue
        while len(corners) > 1 and (_rate(offers[corners[-2]], offers[corners[-1]])
                                    <= _rate(offers[corners[-1]], offers[number])):
            corners.pop()
        corners.append(number)
    return corners


def _rate(now: Offer, then: Offer) -> float:
    """Rescales that a step saves for a dB."""
    return (now.rescales - then.rescales) / (then.lost_db - now.lost_db)


def pick(of_all: Sequence[Sequence[Offer]], budget_db: float) -> Picked:
    """One offer of each, with few rescales in all and ``budget_db`` or less lost in all.

    Everyone begins with what loses least. Then the steps along all fronts (:func:`front`) are taken, those that save most for a
    dB first, as long as they fit; who could not take a step stays where it is. Up to the first step that does not fit this is
    the optimum of the problem in which offers may be mixed (Sinha and Zoltners, The Multiple-Choice Knapsack Problem, 1979), of
    which ``at_least`` is the value: what is picked has at most as many more rescales as that one step would have saved.

    Raises:
        ValueError: what loses least loses more than the budget.
    """
    fronts = [front(offers) for offers in of_all]
    places, at_least, stuck = [0] * len(fronts), None, set()
    rescales = sum(of_all[who][corners[0]].rescales for who, corners in enumerate(fronts))
    lost = sum(of_all[who][corners[0]].lost_db for who, corners in enumerate(fronts))
    if lost > budget_db:
        raise ValueError(f"{lost} dB are lost at least, and {budget_db} dB may be")
    steps = sorted((-_rate(of_all[who][now], of_all[who][then]), who, place)
                   for who, corners in enumerate(fronts) for place, (now, then) in enumerate(zip(corners, corners[1:]), 1))
    for rate, who, place in steps:
        now, then = (of_all[who][fronts[who][at]] for at in (place - 1, place))
        if who in stuck:
            continue
        if lost + then.lost_db - now.lost_db > budget_db:
            at_least = rescales + rate * (budget_db - lost) if at_least is None else at_least
            stuck.add(who)
            continue
        places[who] = place
        lost += then.lost_db - now.lost_db
        rescales += then.rescales - now.rescales
    numbers = [corners[place] for corners, place in zip(fronts, places, strict=True)]
    return Picked(numbers, rescales, lost, rescales if at_least is None else at_least)
