"""The energy formula: every event, its constant, and what is made of the sum."""

from __future__ import annotations

from dataclasses import fields

import pytest

from models.energy.constants import LEVELS, UNITS, load_constants
from models.energy.events import Events
from models.energy.formula import DRAM, PARTS, TERMS, energy, sensitivity

FREE = {"cycles", "useful_macs"}        # no energy goes by them
COUNTS = [field.name for field in fields(Events)]
CONSTANTS = load_constants()
SOME = Events(**{name: 1000 + 7 * place for place, name in enumerate(COUNTS)})


def test_every_event_and_every_constant_is_in_the_formula_once() -> None:
    assert sorted(term.event for term in TERMS) == sorted(set(COUNTS) - FREE)
    assert {term.constant for term in TERMS} == set(UNITS)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.event)
def test_an_event_costs_its_constant(term: object, level: str) -> None:
    found = energy(Events(**{term.event: 3}), CONSTANTS, level)
    assert found.parts[term.part] == pytest.approx(3 * CONSTANTS.joule(term.constant, level))
    assert found.total == pytest.approx(found.parts[term.part]) and list(found.parts) == list(PARTS)
    assert (found.dram > 0) == (term.part == DRAM) and (found.chip > 0) == (term.part != DRAM)


def test_by_hand() -> None:
    """A thousand products of 8 by 8 bits with half of them set in each kind of macro, and a byte from outside for each."""
    events = Events(useful_macs=2000, inner_pairs=16_000, outer_pairs=16_000, dram_read_bytes=1000)
    found = energy(events, CONSTANTS)
    assert found.chip == pytest.approx(1000 * (75 + 90.24) * 1e-15) and found.dram == pytest.approx(64e-9)
    assert found.tops_per_watt(2000) == pytest.approx(4000 / (1000 * 165.24e-15) / 1e12)
    assert found.tops_per_watt(2000, dram=True) == pytest.approx(4000 / (165.24e-12 + 64e-9) / 1e12)
    assert found.femtojoule_per_mac(2000) == pytest.approx(82.62)
    assert found.femtojoule_per_mac(2000, dram=True) == pytest.approx(32082.62)
    assert found.per_token(4) == pytest.approx(found.total / 4) and found.per_token(4, dram=False) == pytest.approx(82.62e-12 / 2)


def test_events_add_up() -> None:
    one, two = SOME, Events(cycles=5000, outer_pairs=3)
    both = one + two
    assert both.cycles == one.cycles + 5000 and both.outer_pairs == one.outer_pairs + 3 and both.bus_bits == one.bus_bits
    assert one.beside(two).cycles == 5000 and two.beside(one).outer_pairs == both.outer_pairs
    assert one.scaled(8) == Events(**{name: 8 * getattr(one, name) for name in COUNTS})
    assert one.scaled(8, cycles=9) == one.scaled(8).replaced(cycles=9) and one.scaled(8, cycles=9).cycles == 9
    for level in LEVELS:
        assert energy(both, CONSTANTS, level).total == pytest.approx(
            energy(one, CONSTANTS, level).total + energy(two, CONSTANTS, level).total)


def test_a_count_is_not_negative() -> None:
    with pytest.raises(ValueError, match="bus_bits = -1"):
        Events(bus_bits=-1)


def test_sensitivity() -> None:
    """Each constant alone; the one that costs most comes first, with memory outside the chip or without."""
    typical = energy(SOME, CONSTANTS)
    swings = sensitivity(SOME, CONSTANTS)
    assert sorted(swing.constant for swing in swings) == sorted(UNITS)
    spans = [swing.span() for swing in swings]
    assert spans == sorted(spans, reverse=True) and swings[0].constant == "dram"
    for swing in swings:
        for found, level in ((swing.low, "low"), (swing.high, "high")):
            events = sum(getattr(SOME, term.event) for term in TERMS if term.constant == swing.constant)
            moved = events * (CONSTANTS.joule(swing.constant, level) - CONSTANTS.joule(swing.constant, "typical"))
            assert found.total == pytest.approx(typical.total + moved)
    inside = sensitivity(SOME, CONSTANTS, dram=False)
    assert inside[-1].constant == "dram" and inside[-1].span(dram=False) == 0
    assert [swing.constant for swing in inside[:-1]] == [swing.constant for swing in swings[1:]]


def test_levels_are_in_order() -> None:
    low, typical, high = (energy(SOME, CONSTANTS, level) for level in LEVELS)
    assert all(low.parts[part] < typical.parts[part] < high.parts[part] for part in PARTS)
