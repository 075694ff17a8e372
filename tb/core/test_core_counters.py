"""Counters: each one moves somewhere and says what happened; slow streams show up where they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.hardware.interface import COUNTERS
from models.hardware.timeline import predict
from scripts.flow.simulator import RunOptions
from tb.core import directed
from tb.core import run as core_run
from tb.core.checker import EngineRun, assert_ok
from tb.core.configs import TINY, small
from tb.core.coverage.run import sample_run
from tb.core.run import run_core
from tb.core.sequences import flagged, random_tiles, shaped_tiles, vanishing_tiles
from tb.coverage import new_coverage

# stream, its rhythm (cycles on, off), and the counters that its slowness must raise
SLOW = {
    "q": ((1, 9), ("stall_q",)),
    "k": ((1, 11), ("stall_k",)),
    "v": ((1, 13), ("stall_v", "stall_op", "stall_softmax")),
    "o": ((1, 130), ("stall_o", "stall_bank")),
    "part": ((1, 90), ("stall_o", "stall_bank")),
    "decision": ((1, 45), ("stall_decision", "stall_softmax")),
}


def slow_run(stream: str, seed: int, generator: np.random.Generator) -> tuple[EngineRun, dict[str, int]]:
    """Eight tiles through a small engine with one stream that is the bottleneck, and the counters at full speed."""
    cfg = small(4)
    tiles = [replace(tile, partial=stream == "part") for tile in random_tiles(cfg, generator, 8, keys=11)]
    runs = run_core(cfg, tiles, options=RunOptions(seed=seed), slow={stream: SLOW[stream][0]}, watch=True)
    assert_ok(runs, tiles, expected=1)
    return runs[0], predict(cfg, tiles, runs[0].golden)


@pytest.mark.sample(2)
@pytest.mark.parametrize("stream", SLOW)
def test_a_slow_stream(stream: str, seed: int, generator: np.random.Generator) -> None:
    """One stream far slower than the engine: no bit changes, nothing overflows, and the counters name the stream."""
    run, ideal = slow_run(stream, seed, generator)
    rhythm, raised = SLOW[stream]
    beats = len(run.taken[stream])
    assert run.taken[stream][-1] - run.taken[stream][0] >= (beats - 1) // rhythm[0] * rhythm[1], "the stream was not slow"
    for name in raised:
        assert run.counters[name] > ideal[name], name
    for _, counters in SLOW.values():
        if counters[0] != raised[0]:
            assert run.counters[counters[0]] <= max(ideal[counters[0]], run.counters[raised[0]] // 4), counters[0]


def test_every_counter_moves(seed: int, generator: np.random.Generator) -> None:
    """Every counter is nonzero and right in some run: at full speed all but the stalls that only slow streams cause."""
    cfg, moved = small(2), set()
    shapes = [(8, 1)] * 5 + [(1, 3)] * 6 + [(8, 24)] * 2
    crowded = run_core(cfg, tiles := shaped_tiles(cfg, generator, shapes), options=RunOptions(seed=seed), watch=True)
    assert_ok(crowded, tiles, expected=1)
    tiles = list({**directed.saturation(TINY, generator), **directed.visibility(TINY, generator)}.values())
    tiles += vanishing_tiles(TINY, generator, 8)       # one of them is partial
    varied = run_core(TINY, tiles, ("none", "both"), RunOptions(seed=seed), watch=True)
    assert_ok(varied, tiles, expected=2)
    for run in (*crowded, varied[0]):
        assert run.pattern == "none" and set(run.counters) == set(run.predicted) == set(COUNTERS)
        moved |= {name for name, value in run.counters.items() if value == run.predicted[name] > 0}
    # no stream is slow here, and V is always early enough
    assert moved == set(COUNTERS) - {"stall_k", "stall_o", "stall_v", "stall_decision"}
    assert all(varied[1].counters[name] == varied[1].predicted[name] > 0 for name in ("stall_k", "stall_o", "stall_decision"))


def test_states_agree_with_the_counters(seed: int, generator: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the harness counts of the core's states, for the coverage, is what the core's own counters count."""
    records = []

    def keep(cfg, tiles, record, pattern, *rest):
        records.append(record)
        return check(cfg, tiles, record, pattern, *rest)

    check = core_run.check_record
    monkeypatch.setattr(core_run, "check_record", keep)
    cfg = small(4)
    tiles = flagged(generator, random_tiles(cfg, generator, 6, keys=11))
    runs = run_core(cfg, tiles, ("none", "both"), RunOptions(seed=seed), bench=core_run.BENCHES["files"])
    assert len(records) == 2 and all(run.ok for run in runs)
    for record in records:
        word, spent = record["state_counts"].T
        counters = dict(zip(COUNTERS, record["counters"].tolist(), strict=True))
        for name, bit in (("ip_busy", 8), ("stall_softmax", 9), ("op_busy", 11)):
            assert spent[word >> bit & 1 == 1].sum() == counters[name], name
        for bit, name, count in ((2, "keys", len(record["k_cycle"])), (0, "rows in", len(record["q_cycle"])),
                                 (4, "values", len(record["v_cycle"])), (6, "rows out", len(record["o_cycle"])),
                                 (17, "chunks", len(record["part_cycle"])),
                                 (15, "requests", len(record["decision_cycle"]))):
            assert spent[word >> bit & 3 == 3].sum() == count, name
        assert spent[word >> 15 & 3 == 1].sum() == counters["stall_decision"]
        waits = (word >> 6 & 3 == 1) | (word >> 17 & 3 == 1)
        assert spent[waits].sum() == counters["stall_o"] and spent[word >> 13 & 3 > 0].sum() > 0
        cov = new_coverage()
        sample_run(cov, cfg, tiles, runs[0].golden, record)
        assert not cov.score().illegal
