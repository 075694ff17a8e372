"""The description of the counters: one for each of the engine's, in its order, and the one that the documentation shows."""

from __future__ import annotations

from models.hardware.counter_info import COUNTER_INFO, counters_table
from models.hardware.timeline import COUNTERS
from scripts.flow.sources import ROOT


def test_every_counter_is_described_once() -> None:
    assert tuple(COUNTER_INFO) == COUNTERS
    assert all(info.unit and info.counts for info in COUNTER_INFO.values())


def test_the_documentation_shows_it() -> None:
    """To write it anew: ``.venv/bin/python -c 'from models.hardware.counter_info import *; print(counters_table())'``."""
    assert counters_table() in (ROOT / "docs" / "streams.md").read_text()
