"""Which settings reach the goals, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from models.hardware.schedules import TileOptions
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.rows import Row
from scripts.studies.schedules.settings import CALIBRATED, GOAL_SETTINGS, NATURAL


def row_for_goals(source: str, tokens: int, setting: TileOptions, rescales: float, **more: object) -> Row:
    """A row of 16 keys a block unless ``more`` says otherwise; of natural order 2 rescales a row."""
    facts = {"keys_per_block": 16, "fewer": 0.0, "fewer_online": 0.0, "rescales_natural": 2.0, **more}
    return Row(source, "prefill", tokens, schedule=setting.schedule, fused=setting.fused, tau=setting.tau, prob_bits=16,
               rescales=rescales, **dict.fromkeys((
                   "new_maxima", "always", "fewer_same_tau", "moved_blocks", "zero_blocks", "zero_row_blocks",
                                "skipped_blocks", "skipped_values"), 0.0), **facts)


def test_goals() -> None:
    good, lossy, poor, slow = GOAL_SETTINGS[:4]
    model, base = partial(row_for_goals, gl.TRAINED, 2048), {"lost_db": 0.1, "fewer": 0.95, "cycles": 1000}
    rows = [model(NATURAL, 2.0, lost_db=0.0, cycles=1000), model(good, 0.1, **base, fewer_online=0.96),
            model(lossy, 0.1, **{**base, "lost_db": 0.11}), model(poor, 0.1, **{**base, "fewer": 0.94}),
            model(slow, 0.1, **{**base, "cycles": 1011}), row_for_goals(gl.PLANTED, 2048, good, 0.1, fewer=0.7),
            model(NATURAL, 2.0, lost_db=0.0, cycles=1008, keys_per_block=32), model(good, 0.1, **{**base, "cycles": 1010},
                                                                                    keys_per_block=32),
            row_for_goals(gl.TRAINED, 512, GOAL_SETTINGS[4], 0.1, **base), model(GOAL_SETTINGS[5], 0.1, fewer=0.99)]
    rows += [row_for_goals(gl.RANDOM, 512, setting, 2.0 * ratio) for setting, ratio in
             ((good, 0.9), (lossy, 1.0), (poor, 1.2), (slow, 1.04))]
    rows += [row_for_goals(gl.RANDOM, 1024, good, 2.08), row_for_goals(gl.RANDOM, 512, good, 2.0, keys_per_block=32)]
    goals = gl.check_goals(rows, 16, 16)
    found = {(goal.keys_per_block, goal.setting): goal for goal in goals}
    assert set(found) == {(16, good), (16, lossy), (16, poor), (16, slow), (32, good)}
    assert found[16, good].reached == [True] * 4 and found[16, good].fewer_sink == 0.7 and found[16, good].as_dict()["reached"]
    assert found[16, good].gaussian == pytest.approx(1.04), "the worst length counts"
    assert found[16, lossy].reached == [True, False, True, True]
    assert found[16, poor].reached == [False, True, False, True] and found[16, poor].gaussian == pytest.approx(1.2)
    assert found[16, slow].reached == [True, True, True, False]
    wide = found[32, good]
    assert (wide.more_cycles, wide.more_cycles_same_size) == (pytest.approx(0.01), pytest.approx(1010 / 1008 - 1))
    assert gl.check_goals(rows, 12, 16) == [], "other probabilities are another matter"
    lines = "\n".join(gl.goal_lines(goals))
    assert f"16 keys a block: all goals are reached by {good.name}\n" in lines and gl.PAPER in lines
    assert f"16 keys a block: 96.0 % fewer by {good.name}" in lines and gl.goal_lines([]) == []
    missed = gl.goal_lines([replace(found[16, good], fewer=0.9)])
    assert missed[0].endswith(f"nearest is {good.name} with 90.0 %, 5.0 points short")


def test_which_orders_are_never_much_worse_than_natural() -> None:
    """In every layer of every source at every length, rescales of next to nothing left out; what saves most comes first."""
    poor, close, best = TileOptions("diagonal_first"), TileOptions("sink_diagonal", True), TileOptions("diagonal_ascending", True)
    per_head = {gl.TRAINED: {NATURAL: (1.0, 1.0, 0.001), poor: (0.1, 0.1, 0.03), close: (1.1, 0.98, 0.009),
                             best: (0.5, 0.5, 0.01)},
                gl.RANDOM: {NATURAL: (2.0,), poor: (0.1,), close: (2.09,), best: (2.1,)}}
    names = {gl.TRAINED: ("L0H0", "L0H1", "L1H0"), gl.RANDOM: ("G0",)}
    rows = [row_for_goals(source, tokens, setting, sum(values), rescales_of_head=dict(zip(names[source], values)))
            for source, settings in per_head.items() for tokens in (512, 2048) for setting, values in settings.items()]
    worst = gl.worst_layers(rows, poor)
    assert worst == {gl.TRAINED: gl.WorstLayer(3.0, "L1", 512), gl.RANDOM: gl.WorstLayer(pytest.approx(0.05), "", 512)}
    assert gl.worst_layers(rows, close)[gl.TRAINED] == gl.WorstLayer(pytest.approx(1.04), "L0", 512)
    assert gl.safe_settings(rows) == [NATURAL, best, close]
    rows.append(row_for_goals(gl.RANDOM, 4096, best, 2.11, rescales_of_head={"G0": 2.11}))
    rows.append(row_for_goals(gl.RANDOM, 4096, NATURAL, 2.0, rescales_of_head={"G0": 2.0}))
    assert gl.safe_settings(rows) == [NATURAL, close], "one length decides"
    rows.append(row_for_goals(gl.TRAINED, 2048, CALIBRATED, 0.1, fewer=0.951, lost_db=0.0123))
    calibrated, safe = gl.order_lines(rows, 16, 16)
    assert "2,048 tokens: 95.1 % fewer rescales" in calibrated and "0.012 dB lost" in calibrated
    assert safe.endswith(f": {close.name}")
