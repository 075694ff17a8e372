"""The ablation's fast paths against the golden model, its counts against plain loops, its tensors, goals and command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models import numerics as nx
from models.attention_tensors import AttentionTensors
from models.config import HardwareConfig
from models.errors import FcimError
from models.golden import run_tile
from models.metrics import HeadMetrics
from models.reference import attention_probabilities
from models.schedules import SCHEDULES, blocks
from models.tiling import build_tiles
from scripts.ablation import __main__ as command
from scripts.ablation import docs, results, rtl, verdict
from scripts.ablation import goals as gl
from scripts.ablation.choose import choose, chosen_lengths
from scripts.ablation.kinds import kind_of
from scripts.ablation.measure import Counts, Measured, Scores, measure_layer
from scripts.ablation.outputs import run_group
from scripts.ablation.points import GOAL_POINTS, NATURAL, Point, Selection, Sweep, scored_points, sweeps, variants
from scripts.ablation.record import Row, rows_of
from scripts.ablation.references import walk
from scripts.ablation.results import FIGURES
from scripts.ablation.scores import HIDDEN, block_maxima, block_spans, group_scores, ones_of_blocks
from scripts.ablation.sheet import Sheet
from scripts.ablation.sources import SINK_MASS, SINK_VALUE, decode, gaussian, planted_sink, prefill
from scripts.ablation.tasks import Task, run_tasks
from scripts.simulate import BenchFailed

CFG = HardwareConfig("t", rows=16, head_dim=32, bits_per_cycle=4, keys_per_block=8, prob_bits=12, max_keys=256)


def tensors(seed: int, tokens: int = 75, sharpness: float = 4.0) -> AttentionTensors:
    """Random heads whose scores spread over many octaves, so that references move and blocks round to nothing."""
    plain = gaussian(tokens, seed, CFG.head_dim)
    return replace(plain, q=plain.q * sharpness)


def agreeing(seed: int) -> AttentionTensors:
    """Heads that agree on which keys matter, in waves: whole blocks of a tile round to nothing."""
    plain = gaussian(75, seed, CFG.head_dim)
    q, k = plain.q.clone(), plain.k.clone()
    q[..., 0] += 12
    k[..., 0] += 8 * torch.cos(torch.arange(75) / 6)
    return replace(plain, q=q, k=k)


@pytest.mark.parametrize("phase", [prefill, decode])
@pytest.mark.parametrize("prob_bits", [8, 12, 16])
def test_outputs_and_counts_are_those_of_the_golden_model(phase: Callable, prob_bits: int, seed: int) -> None:
    """Every schedule, skipping: every bit, every statistic, every block that ran; ragged blocks, a ragged last tile, one key."""
    cfg, seen = replace(CFG, prob_bits=prob_bits), dict.fromkeys(["rescaled_rows", "skipped_blocks", "zero_blocks"], 0)
    for layer in (phase(tensors(seed)), phase(agreeing(seed)), phase(planted_sink(tensors(seed + 1, 40, 1.0)))):
        scores, pairs = group_scores(cfg, layer.groups[1]), variants(cfg, (0, 2, cfg.max_tau()))
        for schedule in SCHEDULES:
            maxima = block_maxima(scores, schedule, cfg.keys_per_block)
            moves = walk(cfg, maxima, scores.rows, scores.keys, pairs, tuple(range(len(pairs))))
            for number, (fused, tau) in enumerate(pairs):
                point = Point(schedule, fused, tau)
                tiles = [t for piece in scores.pieces for t in build_tiles(cfg, piece, tau, schedule, fused, skip=True)]
                for tile, result in zip(tiles, run_group(cfg, scores, point, moves, number), strict=True):
                    want = run_tile(cfg, tile)
                    assert torch.equal(result.out, want.out) and torch.equal(result.empty, want.empty), point
                    assert result.stats == want.stats and torch.equal(result.ran, want.ran), point
                    for name in seen:
                        seen[name] += getattr(want.stats, name)
    assert all(seen.values()), f"the stimulus misses a case: {seen}"


def plain_counts(cfg: HardwareConfig, tile: object, heads: int) -> dict[str, object]:
    """Counts of one tile, row by row and block by block."""
    score = (tile.q.long() @ tile.k.long().T)
    z, _ = nx.scale_score(score, tile.q_mult, tile.k_mult, tile.shift)
    z = z.tolist()
    found = {"rescales": [0] * heads, "new_maxima": [0] * heads, "always": [0] * heads, "rows": [0] * heads}
    moved, zero_rows, row_blocks, n = set(), 0, 0, tile.k.shape[0]
    for r in range(tile.q.shape[0]):
        best = reference = None
        found["rows"][r % heads] += 1
        for block, start in enumerate(range(0, n, cfg.keys_per_block)):
            def visible(first: int, row: int = r) -> list[int]:
                keys = range(first, min(first + cfg.keys_per_block, n))
                return [z[row][j] for j in keys if tile.k_pos[j] <= tile.q_pos[row]]
            here = visible(start)
            asked = here + (visible(cfg.keys_per_block) if tile.fused and block == 0 else [])
            row_blocks += 1
            found["always"][r % heads] += block > 0
            if here:
                found["new_maxima"][r % heads] += best is not None and max(here) > best
                best = max(here) if best is None else max(best, *here)
            if asked and (reference is None or max(asked) // 1024 > reference + tile.tau):
                if reference is not None:
                    found["rescales"][r % heads] += 1
                    moved.add(block)
                reference = max(asked) // 1024
            zero_rows += not here or max(here) // 1024 - reference < tile.tau - cfg.prob_bits
    return {**found, "moved_blocks": len(moved), "zero_row_blocks": zero_rows, "row_blocks": row_blocks}


def test_counts_against_plain_loops(seed: int) -> None:
    layer = prefill(agreeing(seed))
    pairs = [(False, 0), (True, 0), (True, 3)]
    measured = measure_layer(layer, [Sweep(CFG, pairs)])
    assert not measured.scores and len(measured.counts) == len(pairs) * len(SCHEDULES)
    for (size, bits, point), counts in measured.counts.items():
        assert (size, bits) == (CFG.keys_per_block, CFG.prob_bits)
        want = Counts([], [], [], [], [])
        per_head: dict[str, list[int]] = {"rescales": [], "new_maxima": [], "always": [], "rows": []}
        for pieces in layer.groups:
            tiles = [t for p in pieces for t in build_tiles(CFG, p, point.tau, point.schedule, point.fused, True)]
            plain = [plain_counts(CFG, tile, 4) for tile in tiles]
            for name, values in per_head.items():
                values += np.sum([p[name] for p in plain], axis=0).tolist()
            for tile, p in zip(tiles, plain, strict=True):
                result = run_tile(CFG, tile)
                n = tile.k.shape[0]
                want.blocks += result.stats.blocks
                want.later_blocks += result.stats.blocks - 1
                want.zero_blocks += result.stats.zero_blocks
                want.skipped_blocks += result.stats.skipped_blocks
                want.keys += n
                want.skipped_keys += n - int(result.ran.repeat_interleave(size)[:n].sum())
                want.op_bit_ops_skipping += result.stats.op_bit_ops
                want.op_bit_ops += run_tile(CFG, replace(tile, skip=False)).stats.op_bit_ops
                for name in ("moved_blocks", "zero_row_blocks", "row_blocks"):
                    setattr(want, name, getattr(want, name) + p[name])
        assert counts == replace(want, heads=layer.tensors.heads, **per_head), point


def test_scores_are_those_of_the_golden_outputs(seed: int) -> None:
    """Metrics per head and cycles of a layer, from tiles run one by one."""
    from models.cycles import predict
    from models.metrics import compare_heads
    from models.reference import reference_attention
    from models.tiling import assemble

    for phase in (prefill, decode):
        layer, point = phase(tensors(seed, 40)), Point("sink_diagonal", True, 1)
        got = measure_layer(layer, [Sweep(CFG, variants(CFG), [NATURAL, point])]).scores[8, 12, point]
        reference, metrics, cycles = reference_attention(layer.tensors), [], {}
        for pieces, rows in zip(layer.groups, layer.heads, strict=True):
            for skip in (False, True):
                tiles = [build_tiles(CFG, p, 1, "sink_diagonal", True, skip) for p in pieces]
                results = [[run_tile(CFG, t) for t in piece] for piece in tiles]
                cycles[skip] = cycles.get(skip, 0) + predict(CFG, sum(tiles, []), sum(results, []))["cycles"]
            out = torch.cat([assemble(p, r) for p, r in zip(pieces, results, strict=True)], 1)
            metrics += compare_heads(out, reference[rows])
        assert got.metrics == metrics and got.heads == layer.tensors.heads
        assert (got.cycles, got.cycles_skipping) == (cycles[False], cycles[True])


def test_decode_steps_see_the_keys_up_to_their_own() -> None:
    layer = decode(tensors(3, 30), 4)
    for pieces in layer.groups:
        assert [build_tiles(CFG, piece)[0].k.shape[0] for piece in pieces] == [27, 28, 29, 30]
        assert all(len(build_tiles(CFG, piece)) == 1 and piece.q.shape[1] == 1 for piece in pieces)
    assert layer.tensors.q.shape[1] == 4 and len(decode(tensors(3, 3), 9).groups[0]) == 3


def test_a_planted_sink_draws_its_mass_and_leaves_the_rest_alone(seed: int) -> None:
    before = tensors(seed, 200, 1.0)
    after = planted_sink(before)
    for head, kv in enumerate(after.kv_of_head):
        old, new = (attention_probabilities(t.q[head], t.k[kv], t.scale)[1:] for t in (before, after))
        assert new[:, 0].mean().item() == pytest.approx(SINK_MASS, abs=0.01)
        rest_old, rest_new = (p[50:, 1:] / p[50:, 1:].sum(-1, keepdim=True) for p in (old, new))
        assert (rest_old - rest_new).abs().sum(-1).mean() < 0.6, "the sink should not rearrange what the others see"
        assert torch.corrcoef(torch.stack([rest_old.flatten(), rest_new.flatten()]))[0, 1] > 0.85
    assert torch.allclose(after.v[:, 0], before.v[:, 0] * SINK_VALUE) and torch.equal(after.v[:, 1:], before.v[:, 1:])
    assert "planted_sink" in after.source and "planted_sink" not in before.source


def test_random_tensors_come_from_the_seed_alone() -> None:
    a, b, c = gaussian(20, 5, 32), gaussian(20, 5, 32), gaussian(20, 6, 32)
    assert torch.equal(a.q, b.q) and torch.equal(a.v, b.v) and not torch.equal(a.q, c.q)
    assert a.kv_of_head == [0] * 4 + [1] * 4


@pytest.mark.parametrize("keys", [1, 7, 8, 40, 75, 96])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("size", [8, 16, 32])
def test_maxima_and_spans_of_every_block(schedule: str, size: int, keys: int) -> None:
    """Through cells of any size: the maxima of the scores in the order of the stream, block by block."""
    cfg = replace(CFG, keys_per_block=size)
    scores = group_scores(cfg, prefill(tensors(4, keys)).groups[0])
    maxima = block_maxima(scores, schedule, size)
    starts, counts = block_spans(schedule, tuple(scores.keys.tolist()), size)
    ones = ones_of_blocks(scores.longest.v, starts, counts)
    for tile, z in enumerate(scores.z):
        want = blocks(schedule, z.shape[1], size)
        got = list(zip(starts[:, tile].tolist(), counts[:, tile].tolist()))
        assert got == want + [(0, 0)] * (len(got) - len(want))
        for block, (first, count) in enumerate(want):
            assert (maxima[block, tile, :z.shape[0]] == z[:, first:first + count].max(1)).all()
            codes = scores.longest.v[first:first + count].long() + 128
            assert ones[block, tile] == sum(int(code).bit_count() for code in codes.flatten())
        assert (maxima[len(want):, tile] == HIDDEN).all() and not ones[len(want):, tile].any()


def test_what_is_swept_where() -> None:
    cfg, everything = HardwareConfig(), Selection()
    found = sweeps(cfg, everything, True, True)
    assert found[0].cfg == cfg and found[0].scored == scored_points(cfg, everything) and found[0].skipping
    assert [s.cfg.keys_per_block for s in found] == [16, 8, 32, 64] and found[0].bits == (8, 10, 12, 14) and not found[1].bits
    assert {s.cfg.keys_per_block for s in found if s.scored} == {16, 32, 64}
    assert not any(s.scored for s in sweeps(cfg, everything, False, True))
    few, *others = sweeps(cfg, everything, True, False)
    assert {p.tau for p in few.scored} == {0, 1} and not any(s.scored for s in others)
    small = replace(cfg, prob_bits=8, head_dim=16)
    for sweep in [*found, *sweeps(small, Selection(sizes=(16, 8), full=True), True, True)]:
        assert all(tau <= sweep.cfg.max_tau() for _, tau in sweep.variants)
        assert all((p.fused, p.tau) in sweep.variants for p in sweep.scored) and (False, 0) in sweep.variants
    wanted = {*GOAL_POINTS, *(Point(s, f) for s in SCHEDULES for f in (False, True)), *(Point(tau=t) for t in (1, 2, 4))}
    assert wanted == set(scored_points(cfg, everything)) and len(scored_points(cfg, Selection(full=True))) == 54


def test_a_selection_keeps_what_others_are_compared_with() -> None:
    chosen = choose(HardwareConfig(), "sink_diagonal", "2-3", "32,8", False)
    assert chosen == Selection(("sink_diagonal",), (2, 3), (8, 32)) and chosen.measured == ("natural", "sink_diagonal")
    assert chosen.shows(NATURAL) and chosen.shows(Point("sink_diagonal", False, 3)) and not chosen.shows(Point(tau=2))
    assert {tau for _, tau in sweeps(HardwareConfig(keys_per_block=8), chosen, True, True)[0].variants} == {0, 2, 3}
    assert choose(HardwareConfig(), None, "", None, False) == Selection()
    assert choose(HardwareConfig(prob_bits=8, head_dim=32), "", "", "", True) == Selection(
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


def test_tasks_of_one_key_are_summed_in_any_number_of_processes(seed: int) -> None:
    layers = [tensors(seed, 33), replace(tensors(seed + 1, 33), heads=[f"B{i}" for i in range(8)])]
    tasks = [Task("a", phase, 25, layer, phase == "decode", [Sweep(CFG, [(False, 0)], [NATURAL])])
             for phase in ("prefill", "decode") for layer in layers]
    done: list[Task] = []
    alone, spread = run_tasks(tasks, 1, done.append), run_tasks(tasks, 2, lambda task: None)
    assert done == tasks and alone == spread and list(alone) == [("a", "prefill", 25), ("a", "decode", 25)]
    whole = alone["a", "prefill", 25]
    counts = whole.counts[CFG.keys_per_block, CFG.prob_bits, NATURAL]
    assert counts.heads == layers[0].heads + layers[1].heads == whole.scores[8, 12, NATURAL].heads
    assert counts.rows == [25] * 16 and len(whole.scores[8, 12, NATURAL].metrics) == 16


@pytest.mark.parametrize(("passed", "kind"), [([], "diffuse"), (["previous", "local"], "local"), (["previous"], "local"),
                                              (["local", "induction"], "induction"), (["sink", "local"], "sink")])
def test_kind_of(passed: list[str], kind: str) -> None:
    assert kind_of(passed) == kind


def metrics(db: float) -> HeadMetrics:
    return HeadMetrics(1.0, 0.0, db, 0.0, 0.0)


def test_rows_compare_with_natural_order() -> None:
    """Two heads of two kinds, 10 rows each: 40 rescales in natural order (20 at tau 1), 4 at the point."""
    point = Point("sink_diagonal", True, 1)
    measured = Measured()
    for p, rescales in ((NATURAL, [30, 10]), (Point(tau=1), [15, 5]), (point, [1, 3])):
        measured.counts[8, 12, p] = Counts(["a", "b"], [10, 10], rescales, [50, 30], [100, 100], blocks=20, later_blocks=16,
                                           moved_blocks=4, zero_blocks=6, skipped_blocks=5, keys=150, skipped_keys=30,
                                           row_blocks=200, zero_row_blocks=80, op_bit_ops=50,
                                           op_bit_ops_skipping=40)
    measured.scores = {(8, 12, NATURAL): Scores(["a", "b"], [metrics(40), metrics(42)], 900, 900),
                       (8, 12, point): Scores(["a", "b"], [metrics(39), metrics(42)], 900, 800)}
    rows = rows_of(CFG, "model", "prefill", 99, measured, {"a": "local", "b": "sink"})
    row = next(r for r in rows if r.point == point)
    assert (row.rescales, row.new_maxima, row.always) == (0.2, 4.0, 10.0)
    assert row.fewer == pytest.approx(0.9) and row.fewer_same_tau == pytest.approx(0.8)
    assert row.fewer_online == pytest.approx(0.95) and row.sqnr_of_head == {"a": 39, "b": 42}
    assert (row.moved_blocks, row.zero_blocks, row.skipped_blocks, row.skipped_values, row.zero_row_blocks) == (
        0.25, 0.3, 0.25, 0.2, 0.4)
    assert row.rescales_of_head == {"a": 0.1, "b": 0.3} == {"a": row.rescales_of_kind["local"], "b": row.rescales_of_kind["sink"]}
    assert (row.mean_sqnr_db, row.worst_sqnr_db, row.lost_db) == (40.5, 39, 0.5)
    assert (row.rescaled_rows, row.op_bit_ops, row.op_bit_ops_skipping) == (4, 50, 40)
    assert row.shifted_bits == 4 * (32 * 28 + 20) and (row.v_bytes, row.v_bytes_skipping) == (150 * 32, 120 * 32)
    assert (row.cycles, row.cycles_skipping) == (900, 800) and row.sqnr_of_kind == {"local": 39, "sink": 42}
    lazy = next(r for r in rows if r.point == Point(tau=1))
    assert lazy.mean_sqnr_db is None and lazy.rescales_natural == lazy.rescales == 1.0 == row.rescales_natural
    assert {r.point for r in rows_of(CFG, "m", "p", 9, measured, {}, lambda p: p.tau == 0)} == {NATURAL}


def row_for_goals(source: str, tokens: int, point: Point, rescales: float, **more: object) -> Row:
    """A row of 16 keys a block unless ``more`` says otherwise; of natural order 2 rescales a row."""
    facts = {"keys_per_block": 16, "fewer": 0.0, "fewer_online": 0.0, "rescales_natural": 2.0, **more}
    return Row(source, "prefill", tokens, schedule=point.schedule, fused=point.fused, tau=point.tau, prob_bits=16,
               rescales=rescales, **dict.fromkeys((
                   "new_maxima", "always", "fewer_same_tau", "moved_blocks", "zero_blocks", "zero_row_blocks",
                                "skipped_blocks", "skipped_values"), 0.0), **facts)


def test_goals() -> None:
    good, lossy, poor, slow = GOAL_POINTS[:4]
    model, base = partial(row_for_goals, gl.TRAINED, 2048), {"lost_db": 0.1, "fewer": 0.95, "cycles": 1000}
    rows = [model(NATURAL, 2.0, lost_db=0.0, cycles=1000), model(good, 0.1, **base, fewer_online=0.96),
            model(lossy, 0.1, **{**base, "lost_db": 0.11}), model(poor, 0.1, **{**base, "fewer": 0.94}),
            model(slow, 0.1, **{**base, "cycles": 1011}), row_for_goals(gl.PLANTED, 2048, good, 0.1, fewer=0.7),
            model(NATURAL, 2.0, lost_db=0.0, cycles=1008, keys_per_block=32), model(good, 0.1, **{**base, "cycles": 1010},
                                                                                    keys_per_block=32),
            row_for_goals(gl.TRAINED, 512, GOAL_POINTS[4], 0.1, **base), model(GOAL_POINTS[5], 0.1, fewer=0.99)]
    rows += [row_for_goals(gl.RANDOM, 512, point, 2.0 * ratio) for point, ratio in
             ((good, 0.9), (lossy, 1.0), (poor, 1.2), (slow, 1.04))]
    rows += [row_for_goals(gl.RANDOM, 1024, good, 2.08), row_for_goals(gl.RANDOM, 512, good, 2.0, keys_per_block=32)]
    goals = gl.check_goals(rows, 16, 16)
    found = {(goal.keys_per_block, goal.point): goal for goal in goals}
    assert set(found) == {(16, good), (16, lossy), (16, poor), (16, slow), (32, good)}
    assert found[16, good].reached == [True] * 4 and found[16, good].fewer_sink == 0.7 and found[16, good].as_dict()["reached"]
    assert found[16, good].gaussian == pytest.approx(1.04), "the worst length counts"
    assert found[16, lossy].reached == [True, False, True, True]
    assert found[16, poor].reached == [False, True, False, True] and found[16, poor].gaussian == pytest.approx(1.2)
    assert found[16, slow].reached == [True, True, True, False]
    wide = found[32, good]
    assert (wide.more_cycles, wide.more_cycles_same_size) == (pytest.approx(0.01), pytest.approx(1010 / 1008 - 1))
    assert gl.check_goals(rows, 12, 16) == [], "other probabilities are another matter"
    lines = "\n".join(verdict.goal_lines(goals))
    assert f"16 keys a block: all goals are reached by {good.name}\n" in lines and gl.PAPER in lines
    assert f"16 keys a block: 96.0 % fewer by {good.name}" in lines and verdict.goal_lines([]) == []
    missed = verdict.goal_lines([replace(found[16, good], fewer=0.9)])
    assert missed[0].endswith(f"nearest is {good.name} with 90.0 %, 5.0 points short")


@pytest.mark.parametrize(("fault", "message"), [
    (None, ""), ("counter", "counter rescaled_rows is"), ("output", "the output differs"), ("problem", "protocol"),
    ("bench", "3 of 5")])
def test_the_verilog_is_asked_and_believed(fault: str | None, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that differs anywhere from the ablation's own counts does not confirm them."""
    def fake_engine(cfg: HardwareConfig, tiles: list, **_: object) -> list[SimpleNamespace]:
        (tile,) = tiles
        if fault == "bench":
            raise BenchFailed("3 of 5 tests failed\n  more", None)
        result = run_tile(cfg, tile)
        names = ("rescaled_rows", "rescale_amount", "zero_blocks", "skipped_blocks")
        counters = {name: getattr(result.stats, name) for name in names}
        counters["cycles"] = 100
        if fault == "counter":
            counters["rescaled_rows"] += 1
        if fault == "output":
            result.out[0, 0] += 1
        return [SimpleNamespace(out=result.out, counters=counters, mismatches=torch.zeros(3, dtype=torch.int64),
                                problems=["protocol"] if fault == "problem" else [])]

    monkeypatch.setattr(rtl, "run_engine", fake_engine)
    found = rtl.confirm(CFG, tensors(1, 60), 1)
    assert {c.point for c in found} >= {Point(s, f).name for s in SCHEDULES for f in (False, True)} and any(c.skip for c in found)
    assert {c.phase for c in found} == {"prefill", "decode"}
    only = rtl.confirm(replace(CFG, prob_bits=8), tensors(1, 60), 1, schedules=("sink_diagonal",)) if not fault else []
    assert all(c.point.startswith("sink_diagonal") and "tau 8" not in c.point for c in only)
    assert all(c.ok == (fault is None) and any(message in p for p in c.problems) == bool(fault) for c in found)


@pytest.mark.parametrize(("text", "limit", "want"), [
    (None, 8192, [512, 1024, 2048, 4096]), ("", 1500, [512, 1024]), (None, 300, [300]), ("256, 64", 300, [64, 256])])
def test_lengths(text: str | None, limit: int, want: list[int]) -> None:
    assert chosen_lengths(text, limit) == want


def test_the_command(plain: Path, tmp_path: Path, refused: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    """From a checkpoint to tables, JSON and figures; wrong input in one line, and nothing is written then."""
    base = ["--checkpoint", str(plain), "--no-rtl", "--jobs", "1", "--out", str(tmp_path / "out")]
    for choice, message in ((["--tokens", "63"], "TOKENS = 63 is illegal here; use 64 to"),
                            (["--tokens", "64,x"], "TOKENS = 'x' is not a whole number"), (["--layer", "7"], "LAYER = 7"),
                            (["--jobs", "0"], "JOBS = 0 is illegal"), (["--schedule", "up"], "unknown schedule 'up'"),
                            (["--tau", "0-9"], "TAU = 9 is illegal"), (["--seed", "x"], "SEED = 'x' is not a seed"),
                            (["--keys-per-block", "10"], "keys_per_block = 10 is illegal"),
                            (["--config", "none"], "unknown configuration 'none'")):
        refused(command.main, [*base, *choice], message)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    refused(command.main, [*base, "--out", str(tmp_path / "file")], "cannot be written")
    assert command.main([*base, "--tokens", "64", "--layer", "0"]) == 0
    text = capsys.readouterr().out
    assert "rescales per row by length" in text and "decode, each token" in text and "goals" not in text
    data = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert data["seed"] == command.SEED and not data["goals"] and not data["rtl"]
    assert {r["source"] for r in data["rows"]} == {gl.TRAINED, gl.PLANTED, gl.RANDOM}
    assert {(r["phase"], r["schedule"]) for r in data["rows"]} >= {(p, s) for p in ("prefill", "decode") for s in SCHEDULES}
    for name in FIGURES:
        assert all((tmp_path / "out" / f"{name}.{kind}").stat().st_size > 1000 for kind in ("svg", "png"))
    assert command.main([*base, "--tokens", "64", "--layer", "0", "--schedule", "diagonal_first", "--tau", "1",
                         "--keys-per-block", "32"]) == 0
    data = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert {(r["schedule"], r["fused"], r["tau"]) for r in data["rows"]} == {
        ("natural", False, 0), ("diagonal_first", False, 1), ("diagonal_first", True, 1)}
    assert {r["keys_per_block"] for r in data["rows"]} == {32} and data["config"]["keys_per_block"] == 32
    assert not (tmp_path / "out" / "sizes.svg").exists(), "an earlier run's figure"
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")) == []


def test_a_page_takes_the_tables_and_figures_of_a_run(tmp_path: Path, refused: Callable[..., str]) -> None:
    run, page = tmp_path / "run", tmp_path / "docs" / "page.md"
    run.mkdir()
    page.parent.mkdir()
    sheet = Sheet("kinds", "heads", ["order", "local (2)"])
    sheet.add("natural", "0.5")
    old = sheet.markdown()
    page.write_text(f"before\n\n{old}\n\nafter\n")
    refused(docs.main, ["--run", str(run), "--page", str(page)], "is not there; run: make ablation")
    for name in FIGURES:
        (run / f"{name}.svg").write_text(name)
    sheet.rows[0][1] = "0.7"
    results.write_markdown(run / "ablation.md", [Sheet("other", "o", ["x"]), sheet], ["reached"])
    assert docs.main(["--run", str(run), "--page", str(page)]) == 0
    assert page.read_text() == f"before\n\n{sheet.markdown()}\n\nafter\n" and "| natural | 0.7 |" in page.read_text()
    assert (page.parent / "images" / "ablation_heads.svg").read_text() == "heads"
    page.write_text(old.replace("kinds", "more"))
    refused(docs.main, ["--run", str(run), "--page", str(page)], "the run has no table 'more'")
