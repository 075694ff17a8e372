"""How many bit cells there are, against the hardware's page and by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.comparison.accelerator import variant
from models.comparison.cells import LEGAL_BANKS, bank_cells, banks_text, equal_banks, own_cells
from models.hardware.config import load_config
from models.system.config import load_system
from scripts.figures.memories import MEMORIES, sizes

COUNTED = {"Q, two tiles": "Q", "probabilities of two key blocks": "probabilities", "accumulators of two tiles": "accumulators",
           "values of key blocks": "values"}


def test_cells_are_the_memories_of_the_hardware_s_page() -> None:
    system = load_system("default")
    found, names = own_cells(system), sizes(load_config("default"))
    for memory in MEMORIES:
        if memory.name in COUNTED:
            number, words, bits = memory.size(names)
            assert found.pop(COUNTED[memory.name]) == system.engines * number * words * bits
    assert not found


def test_cells_by_hand() -> None:
    """Sixteen engines of 64 rows, 128 elements, 16 keys a block, 18 bits of p, 43 of an accumulator."""
    system = load_system("default")
    assert own_cells(system) == {"Q": 16 * 131_072, "probabilities": 16 * 36_864, "accumulators": 16 * 704_512,
                                 "values": 16 * 32_768}
    assert bank_cells(system) == 32 * 64 * 128 * 8
    assert sum(own_cells(system).values()) / bank_cells(system) == pytest.approx(6.906, abs=0.001)
    assert equal_banks(system) == 8
    fewer = replace(system, engine=replace(system.engine, sum_cut=9))
    assert own_cells(system)["accumulators"] - own_cells(fewer)["accumulators"] == 16 * 2 * 64 * 128 * 9


def test_the_least_number_of_banks_that_is_enough() -> None:
    for more in ({}, {"prob_bits": 12}):
        system = variant(**more)
        own, bank, banks = sum(own_cells(system).values()), bank_cells(system), equal_banks(system)
        assert banks in LEGAL_BANKS and banks * bank >= own
        assert all(fewer * bank < own for fewer in LEGAL_BANKS if fewer < banks)
    assert equal_banks(variant(keys_per_block=64, max_keys=8192)) == LEGAL_BANKS[-1]     # it has 8.5 times a bank
    assert (banks_text(2), banks_text(8)) == ("", ", 8 banks")
