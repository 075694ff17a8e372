"""Cycles: the RTL against the table of docs/cycles.md beat by beat, the timeline model against both, and the efficiency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest

from models.hardware.config import EngineConfig, load_config
from models.hardware.pace import Pace
from models.hardware.tile import TileJob
from models.hardware.tiling import build_tiles, ideal_cycles
from models.hardware.timeline import handshakes, predict, predict_cycles
from scripts.flow.simulator import RunOptions
from tb.core.checker import EngineRun, assert_ok
from tb.core.configs import TINY, small
from tb.core.cycle_table import cycle_table
from tb.core.run import run_core
from tb.core.sequences import UNIT, blocks, exact_tile, prefill, random_group, shaped_tiles, vanishing_tiles
from tb.core.transactions import keys_of_blocks

GROUPS = (1, 3, 4, 8, 16)
EVENTS = {"q": "R", "k": "A", "v": "V", "decision": "E", "o": "O", "part": "M"}       # acceptances, by the page's names
SHARE = 0.97


def check_beats(cfg: EngineConfig, tiles: Sequence[TileJob], seed: int) -> EngineRun:
    """Each row of Q, key, value, request, row of O and chunk is taken when the page says so."""
    runs = run_core(cfg, tiles, options=RunOptions(seed=seed))
    assert_ok(runs, tiles, expected=1)
    shapes, ran = [(len(t.q), len(t.k)) for t in tiles], [result.ran.tolist() for result in runs[0].golden]
    events = cycle_table(cfg, shapes, [t.fused for t in tiles], ran, partial=[t.partial for t in tiles])
    for stream, event in EVENTS.items():
        taken, table = runs[0].taken[stream], getattr(events, event)
        wrong = [f"beat {i}: cycle {a}, the page says {b}" for i, (a, b) in enumerate(zip(taken, table, strict=True)) if a != b]
        assert not wrong, f"stream {stream}, shapes {shapes}, blocks that run {ran}: {wrong[:3]}"
    return runs[0]


@pytest.mark.sample(2)
@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_every_beat_comes_in_its_cycle(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    """Chains of tiles of random shapes."""
    cfg = small(bits_per_cycle, keys_per_block=int(generator.choice([8, 16])))
    longest = 28 if bits_per_cycle > 1 else 18
    shapes = [(int(r), int(k)) for r, k in zip(generator.integers(1, 9, 18), generator.integers(1, longest, 18), strict=True)]
    shapes += [(8, 1)] * 4 + [(1, 9)] * 4                  # nothing but drains; nothing but ragged blocks
    check_beats(cfg, shaped_tiles(cfg, generator, shapes), seed)


@pytest.mark.sample(2)
@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_every_beat_of_skipping_tiles_comes_in_its_cycle(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    """Fused tiles and tiles with blocks that vanish, first, last and in between; then short tiles that may skip but do not."""
    cfg = small(bits_per_cycle)
    tiles = vanishing_tiles(cfg, generator, 16 if bits_per_cycle == 1 else 28)
    if bits_per_cycle > 1:
        tiles += [replace(tile, skip=True) for tile in shaped_tiles(cfg, generator, [(1, 1)] * 3 + [(2, 9)] * 3)]
    assert check_beats(cfg, tiles, seed).counters["skipped_blocks"] > 0


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_schedule_equals_the_table(bits_per_cycle: int, generator: np.random.Generator) -> None:
    """The timeline model and the page, on many random lists of shapes: last row, and stalls of the first keys."""
    for _ in range(150):
        cfg = small(bits_per_cycle, rows=int(generator.choice([8, 16, 64])), head_dim=64,
                    keys_per_block=int(generator.choice([8, 16, 32])), max_keys=1024)
        shapes = [(int(generator.integers(1, cfg.rows + 1)), int(generator.integers(1, 4 * cfg.keys_per_block)))
                  for _ in range(int(generator.integers(1, 8)))]
        fused = [bool(f) for f in generator.integers(0, 2, len(shapes))]
        share = generator.random()
        ran = [[bool(r) for r in generator.random(-(-keys // cfg.keys_per_block)) < share] for _, keys in shapes]
        for runs in ran:
            runs[int(generator.integers(len(runs)))] = True
        partial = [bool(f) for f in generator.integers(0, 2, len(shapes))]
        events = cycle_table(cfg, shapes, fused, ran, partial=partial)
        got = handshakes(cfg, shapes, fused, ran, partial=partial).counters
        assert got["cycles"] == max(events.O + events.M) + 1, (cfg, shapes)
        columns = sum(c - (h + 1) for c, h in zip(events.C, events.H, strict=True))
        assert got["stall_softmax"] == columns, (cfg, shapes)
        plain = predict_cycles(cfg, shapes)
        all_run = predict_cycles(cfg, shapes, fused)
        assert predict_cycles(cfg, shapes, fused, ran)["cycles"] <= all_run["cycles"] >= plain["cycles"], (cfg, shapes)
        assert plain["cycles"] == cycle_table(cfg, shapes).O[-1] + 1
        assert plain["cycles"] == predict_cycles(cfg, shapes, [False] * len(shapes))["cycles"]


def random_pace(generator: np.random.Generator, rows: int, keys: int, values: int) -> Pace:
    """Streams of any speed: a beat in 1, 2 or 20 cycles on the average, outputs that are ready for as long as not."""
    def times(count: int, start: int) -> list[int]:
        return list(accumulate(generator.integers(1, int(generator.choice([2, 4, 40])), count).tolist(), initial=start))[:count]

    ready = [times(2 * (8 * rows + keys) + 1, int(generator.integers(-20, 100))) for _ in range(3)]
    return Pace(times(rows, 0), times(keys, int(generator.integers(-20, 20))), times(values, int(generator.integers(-20, 200))),
                *ready[:2], skips_wait=bool(generator.integers(2)), part=ready[2])


@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_handshakes_equal_the_table_at_any_pace(bits_per_cycle: int, generator: np.random.Generator) -> None:
    """The timeline model and the page, beat by beat, on random lists of shapes and streams that pause."""
    late = 0
    for _ in range(100):
        cfg = small(bits_per_cycle, keys_per_block=int(generator.choice([8, 16])), max_keys=1024)
        per_block = cfg.keys_per_block
        shapes = [(int(generator.integers(1, 9)), int(generator.integers(1, 3 * per_block)))
                  for _ in range(int(generator.integers(1, 8)))]
        fused = [bool(f) for f in generator.integers(0, 2, len(shapes))]
        share = generator.random()
        ran = [[bool(r) for r in generator.random(-(-keys // per_block)) < share] for _, keys in shapes]
        for runs in ran:
            runs[int(generator.integers(len(runs)))] = True
        values = sum(int(keys_of_blocks(cfg, keys, runs).sum()) for (_, keys), runs in zip(shapes, ran, strict=True))
        pace = random_pace(generator, sum(rows for rows, _ in shapes), sum(keys for _, keys in shapes), values)
        partial = [bool(f) for f in generator.integers(0, 2, len(shapes))]
        got, events = (rule(cfg, shapes, fused, ran, pace, partial) for rule in (handshakes, cycle_table))
        taken = {name: getattr(events, event) for name, event in EVENTS.items()}
        offered = {"decision": events.P, "o": events.W, "part": events.G}
        assert got.taken == taken and got.offered == offered, (cfg, shapes, fused, ran, pace)
        late += got.counters["cycles"] > predict_cycles(cfg, shapes, fused, ran)["cycles"]
    assert late > 50


@pytest.mark.parametrize("heads", GROUPS)
def test_share_of_the_ideal(heads: int, generator: np.random.Generator) -> None:
    """A causal prompt of 1024 tokens on the default engine keeps the array of Q busy at least 97 % of the time."""
    cfg = load_config("default")
    tiles = build_tiles(cfg, random_group(cfg, generator, heads, 1024))
    shapes = [(t.q.shape[0], t.k.shape[0]) for t in tiles]
    assert sum(rows for rows, _ in shapes) == heads * 1024
    # a tile of 64 // heads tokens needs all keys up to its last token
    step = 64 // heads
    ideal = 8 * sum(min(first + step, 1024) for first in range(0, 1024, step))
    assert ideal_cycles(cfg, tiles) == ideal
    assert ideal >= SHARE * predict_cycles(cfg, shapes)["cycles"]
    assert ideal >= SHARE * predict_cycles(cfg, shapes, [True] * len(shapes))["cycles"]


def test_share_of_the_ideal_in_rtl(seed: int, generator: np.random.Generator) -> None:
    """The RTL reaches the same share on a prompt that is as long for its small tiles."""
    tiles = prefill(TINY, generator, 1, 240)
    runs = run_core(TINY, tiles, options=RunOptions(seed=seed))
    assert_ok(runs, tiles, expected=1)
    assert ideal_cycles(TINY, tiles) == 4 * sum(range(16, 241, 16))
    assert ideal_cycles(TINY, tiles) >= SHARE * runs[0].counters["cycles"]
    assert runs[0].counters["ip_busy"] == ideal_cycles(TINY, tiles)


def test_prediction_for_groups_in_rtl(seed: int, generator: np.random.Generator) -> None:
    """Prompts of grouped heads take the predicted cycles, each tile of them, the ragged blocks of their tiles included."""
    tiles = [tile for heads, tokens in ((3, 25), (4, 24), (8, 12), (16, 9)) for tile in prefill(TINY, generator, heads, tokens)]
    runs = run_core(TINY, tiles, options=RunOptions(seed=seed))
    assert_ok(runs, tiles, expected=1)
    assert runs[0].taken["o"] == cycle_table(TINY, [(len(t.q), len(t.k)) for t in tiles]).O


def test_a_fused_start_costs_a_block_once() -> None:
    """The exponentials of a chain of fused tiles start a block later, all of them together."""
    for name in ("default", "tiny"):
        cfg = load_config(name)
        shapes = [(cfg.rows, 5 * cfg.keys_per_block)] * 6
        plain, fused = predict_cycles(cfg, shapes), predict_cycles(cfg, shapes, [True] * 6)
        assert fused["cycles"] - plain["cycles"] == cfg.block_cycles and not fused["stall_softmax"]


def test_skipping_costs_no_cycle(seed: int, generator: np.random.Generator) -> None:
    """Every row of O comes as early with skipped blocks as without, and the values of skipped blocks stay away."""
    tiles = vanishing_tiles(TINY, generator, 10)
    runs = [run_core(TINY, [replace(t, skip=skip, octaves=0) for t in tiles], options=RunOptions(seed=seed))[0]
            for skip in (False, True)]
    assert all(run.ok for run in runs) and bool((runs[0].out == runs[1].out).all())
    assert all(early <= late for late, early in zip(*(run.taken["o"] for run in runs), strict=True))
    assert runs[1].counters["skipped_blocks"] > 0 and runs[1].counters["v_bytes"] < runs[0].counters["v_bytes"]
    assert runs[1].counters["op_busy"] < runs[0].counters["op_busy"]


@pytest.mark.sample(2)
@pytest.mark.parametrize("bits_per_cycle", [1, 2, 4, 8])
def test_values_may_wait_for_their_request(bits_per_cycle: int, seed: int, generator: np.random.Generator) -> None:
    """Values that are sent when they are asked for, and not before, delay nothing: all counters are those of the model."""
    cfg = small(bits_per_cycle)
    tiles = vanishing_tiles(cfg, generator, 8) + shaped_tiles(cfg, generator, [(8, 30), (1, 1), (2, 17), (8, 8), (1, 1), (1, 1)])
    run, = run_core(cfg, tiles, options=RunOptions(seed=seed, extra_env={"ENGINE_ON_DEMAND": "1"}))
    assert_ok([run], tiles, expected=1)
    requests = [cycle for cycle, runs in zip(run.taken["decision"], np.concatenate([g.ran for g in run.golden])) if runs]
    sizes = [min(cfg.keys_per_block, len(tile.k) - b * cfg.keys_per_block)
             for tile, g in zip(tiles, run.golden) for b in range(len(g.ran)) if g.ran[b]]
    assert all(value > request for value, request in zip(run.taken["v"], np.repeat(requests, sizes), strict=True))


def test_a_rescale_costs_no_cycle(seed: int, generator: np.random.Generator) -> None:
    """The same shapes with a rescale of every row in every block, and with none."""
    cycles, rescaled = [], []
    for step in (5 * UNIT, -5 * UNIT):
        tiles = [exact_tile(TINY, generator, blocks(TINY, [step * b for b in range(6)]), rows=rows) for rows in (16, 9)]
        runs = run_core(TINY, tiles, options=RunOptions(seed=seed))
        assert_ok(runs, tiles, expected=1)
        cycles.append(runs[0].taken["o"])
        rescaled.append(runs[0].counters["rescaled_rows"])
        assert predict(TINY, tiles)["cycles"] == runs[0].counters["cycles"]
    assert rescaled == [5 * (16 + 9), 0]
    assert cycles[0] == cycles[1]
