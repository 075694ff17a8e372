"""The waveforms of the pages are drawn from the model in time as it is, and a column shows what happens in its cycles."""

from __future__ import annotations

import pytest

from models.hardware.config import load_config
from models.hardware.pace import Pace
from models.hardware.timeline import handshakes
from scripts.figures import waveforms
from scripts.flow.sources import ROOT


def test_the_picture_is_current() -> None:
    """Else: ``make figures FIGURES=waveforms``."""
    picture = ROOT / "docs" / "images" / waveforms.PICTURE
    assert picture.read_text() == waveforms.drawn(waveforms.tile())
    assert f"images/{waveforms.PICTURE}" in (ROOT / "docs" / "cycles.md").read_text()


def columns(wave: str) -> list[str]:
    """What a line of WaveJSON shows in each column, with its beginnings in capitals."""
    last, found = "", []
    for character in wave:
        last = last if character == "." else character
        found.append(last)
    return found


def test_every_handshake_is_in_its_column() -> None:
    """And nothing else is high in the lines of streams; values on demand delay nothing."""
    cfg = load_config(waveforms.CONFIG)
    shape = [(waveforms.ROWS, waveforms.KEYS)]
    early = handshakes(cfg, shape, ran=[waveforms.RUN])
    asked = [early.taken["decision"][b] + waveforms.AFTER_DECISION + i for b, now in enumerate(waveforms.RUN) if now
             for i in range(cfg.keys_per_block)]
    late = handshakes(cfg, shape, ran=[waveforms.RUN],
                      pace=Pace([0] * waveforms.ROWS, [0] * waveforms.KEYS, asked))
    assert late.taken["o"] == early.taken["o"] and late.counters["stall_v"] == 0
    step = 2 * cfg.cycles_per_key
    drawn = {lane["name"]: columns(lane["wave"]) for lane in waveforms.tile()["signal"]}
    for name, stream in (("s_q", "q"), ("s_k", "k"), ("m_decision", "decision"), ("s_v", "v"), ("m_o", "o")):
        high = {i for i, character in enumerate(drawn[name]) if character != "0"}
        assert high == {cycle // step for cycle in late.taken[stream]}, name
    assert len({len(line) for line in drawn.values()}) == 1


def test_a_line() -> None:
    lane = waveforms.lane("x", [(0, 4, "3", "a"), (9, 10, "4", "b")], 4, 4)
    assert lane == {"name": "x", "wave": "3040", "data": ["a", "b"]}
    assert waveforms.lane("x", [(4, 11, "3", "a")], 4, 4)["wave"] == "03.0"
    with pytest.raises(ValueError, match="share column 1"):
        waveforms.lane("x", [(0, 5, "3", "a"), (6, 7, "4", "b")], 4, 4)
