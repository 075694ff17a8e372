"""Which settings are swept, and what a user may choose of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.schedules import SCHEDULES, TileOptions
from scripts.studies.schedules.settings import GOAL_SETTINGS, NATURAL, Selection, choose, chosen_lengths, scored_settings, sweeps
from tests.studies.samples import CFG


def test_what_is_swept_where() -> None:
    cfg, everything = EngineConfig(), Selection()
    found = sweeps(cfg, everything, True, True)
    assert found[0].cfg == cfg and found[0].scored == scored_settings(cfg, everything) and found[0].skipping
    assert [s.cfg.keys_per_block for s in found] == [16, 8, 32, 64] and not found[1].bits
    assert set(found[0].bits) == {8, 10, 12, 14, 16, 18} - {cfg.prob_bits}
    assert {s.cfg.keys_per_block for s in found if s.scored} == {16, 32, 64}
    assert not any(s.scored for s in sweeps(cfg, everything, False, True))
    few, *others = sweeps(cfg, everything, True, False)
    assert {p.tau for p in few.scored} == {0, 1} and not any(s.scored for s in others)
    small = replace(cfg, prob_bits=8, head_dim=16)
    for sweep in [*found, *sweeps(small, Selection(sizes=(16, 8), full=True), True, True)]:
        assert all(tau <= sweep.cfg.max_tau() for _, tau in sweep.variants)
        assert all((p.fused, p.tau) in sweep.variants for p in sweep.scored) and (False, 0) in sweep.variants
    wanted = {*GOAL_SETTINGS, *(TileOptions(s, f) for s in SCHEDULES for f in (False, True)),
              *(TileOptions(tau=t) for t in (1, 2, 4))}
    assert wanted == set(scored_settings(cfg, everything)) and len(scored_settings(cfg, Selection(full=True))) == 72


def test_a_selection_keeps_what_others_are_compared_with() -> None:
    chosen = choose(EngineConfig(), "sink_diagonal", "2-3", "32,8", False)
    assert chosen == Selection(("sink_diagonal",), (2, 3), (8, 32)) and chosen.measured == ("natural", "sink_diagonal")
    assert chosen.shows(NATURAL) and chosen.shows(TileOptions("sink_diagonal", tau=3)) and not chosen.shows(TileOptions(tau=2))
    assert {tau for _, tau in sweeps(EngineConfig(keys_per_block=8), chosen, True, True)[0].variants} == {0, 2, 3}
    assert choose(EngineConfig(), None, "", None, False) == Selection()
    assert choose(EngineConfig(prob_bits=8, head_dim=32), "", "", "", True) == Selection(
        taus=tuple(range(7)), sizes=(16, 8, 32), full=True)


@pytest.mark.parametrize(("choice", "message"), [
    (("diagonal", "", ""), "unknown schedule 'diagonal'"), ((",", "", ""), "unknown schedule ''"),
    (("", "9", ""), "TAU = 9 is illegal for configuration"), (("", "0-7", ""), "TAU = 7 is illegal for configuration"),
    (("", "x", ""), "TAU = 'x' is not understood"), (("", "-1", ""), "TAU = '-1' is not understood"),
    (("", "", "12"), "keys_per_block = 12 is illegal"), (("", "", "64"), "keys_per_block = 64 is illegal"),
    (("", "", "8,,16"), "KEYS_PER_BLOCK = '8,,16' leaves a number out")])
def test_choices_that_cannot_be(choice: tuple[str, str, str], message: str) -> None:
    with pytest.raises(FcimError, match=re.escape(message)) as caught:
        choose(replace(CFG, prob_bits=8), *choice, False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "limit", "want"), [
    (None, 8192, [512, 1024, 2048, 4096]), ("", 1500, [512, 1024]), (None, 300, [300]), ("256, 64", 300, [64, 256])])
def test_lengths(text: str | None, limit: int, want: list[int]) -> None:
    assert chosen_lengths(text, limit) == want
