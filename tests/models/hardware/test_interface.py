"""The declared interface: sound in itself, and what the documentation shows."""

from __future__ import annotations

import pytest

from models.hardware.config import COUNTER_BITS, EngineConfig
from models.hardware.interface import (
    CORE,
    CORE_PINS,
    COUNTER_INFO,
    COUNTERS,
    ENGINE,
    counters_table,
    pins_table,
    ports,
    streams_table,
    unpack_counters,
)
from scripts.flow.sources import ROOT

PAGES = ROOT / "docs" / "streams.md", ROOT / "docs" / "requests.md"


def test_every_counter_is_described() -> None:
    assert all(info.unit and info.counts for info in COUNTER_INFO.values())


def test_counters_are_found_in_their_bits() -> None:
    word = sum((number + 1) << (COUNTER_BITS * number) for number in range(len(COUNTERS)))
    assert unpack_counters(word) == {name: number + 1 for number, name in enumerate(COUNTERS)}
    top = (1 << COUNTER_BITS) - 1
    assert unpack_counters(top << COUNTER_BITS) == {name: top if name == COUNTERS[1] else 0 for name in COUNTERS}


def test_widths_follow_the_configuration() -> None:
    cfg = EngineConfig("t", rows=16, head_dim=32, bits_per_cycle=2, keys_per_block=8, prob_bits=16, max_keys=1024)
    assert {field.name: field.width(cfg) for field in CORE["q"].fields} == {
        "data": 256, "pos": 11, "mult": 16, "shift": 6, "tau": 4, "fused": 1, "skip": 1, "octaves": 5,
        "partial": 1, "last": 1}
    assert {field.name: field.width(cfg) for field in CORE["part"].fields} == {"acc": 8 * 34, "sum": 26, "max": 10, "last": 1}
    assert {field.name: field.width(cfg) for field in ENGINE["vreq"].fields} == {"start": 10, "count": 4, "last": 1, "first": 1}
    assert (CORE["o"].width(cfg), ENGINE["tile"].width(cfg)) == (32 * 16 + 2, 11 + 2)
    found = ports(CORE, CORE_PINS, cfg)
    assert found["s_q_valid"] == (True, 1) and found["s_q_ready"] == (False, 1) and found["m_o_data"] == (False, 512)


@pytest.mark.parametrize(("page", "table"), [
    (PAGES[0], streams_table(CORE)), (PAGES[0], pins_table(CORE_PINS)), (PAGES[0], counters_table()),
    (PAGES[1], streams_table({name: stream for name, stream in ENGINE.items() if name not in CORE})),
], ids=["streams", "pins", "counters", "requests"])
def test_the_documentation_shows_it(page: object, table: str) -> None:
    """To write a table anew: ``.venv/bin/python -c 'from models.hardware.interface import *; print(streams_table(CORE))'``."""
    assert table in page.read_text()
