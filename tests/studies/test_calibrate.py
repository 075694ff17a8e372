"""The choice of an order for each KV head, on heads whose best order is planted; the command, and what takes its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.hardware.golden import run_tile
from models.hardware.orders import Orders, load_orders
from models.hardware.schedules import TileOptions
from models.hardware.tiling import build_tiles
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules import __main__ as ablation
from scripts.studies.schedules import calibrate as cal
from scripts.studies.schedules.measure import measure_layer
from scripts.studies.schedules.settings import CALIBRATED, NATURAL, Sweep, variants
from scripts.studies.schedules.sources import prefill
from tests.studies.samples import CFG, tensors

TOKENS = 96
WIDE = replace(CFG, prob_bits=18)   # no order loses anything worth the name


def planted(seed: int) -> AttentionTensors:
    """Four query heads on two KV heads: in the first scores rise towards the newest keys, in the second towards the oldest."""
    g = torch.Generator().manual_seed(seed)
    q, k, v = (0.05 * torch.randn(heads, TOKENS, CFG.head_dim, generator=g) for heads in (4, 2, 2))
    q[..., 0] = 30
    rise = torch.arange(TOKENS) / TOKENS
    k[0, :, 0], k[1, :, 0] = 8 * rise, -8 * rise
    return AttentionTensors(q, k, v, CFG.head_dim ** -0.5, {}, [f"L0H{head}" for head in range(4)])


def rescales(setting: TileOptions, layer: AttentionTensors, kv: int) -> int:
    """Of the golden model's tiles of a KV head."""
    (group,) = prefill(layer).groups[kv]
    return sum(run_tile(WIDE, tile).stats.rescaled_rows
               for tile in build_tiles(WIDE, group, setting.tau, setting.schedule, setting.fused))


def test_each_kv_head_gets_what_suits_it(seed: int) -> None:
    layer = planted(seed)
    newest, oldest = cal.choose_layer(WIDE, layer, whole=False)
    assert newest.options.schedule != "natural" and oldest.options == NATURAL, "of equals the simplest"
    for kv, choice in enumerate((newest, oldest)):
        assert choice.natural == rescales(NATURAL, layer, kv) and choice.rescales == rescales(choice.options, layer, kv)
        exact = [c for c in cal.CANDIDATES if c.tau == 0]
        assert choice.rescales <= min(rescales(c, layer, kv) for c in exact), "no exact candidate may be better"
        assert choice.lost_db <= cal.BUDGET_DB and choice.rows == 2 * TOKENS
    assert newest.natural > 10 * max(1, newest.rescales)
    (both,) = cal.choose_layer(WIDE, layer, whole=True)
    assert both.natural == newest.natural + oldest.natural and both.rescales >= newest.rescales + oldest.rescales
    assert both.rescales == sum(rescales(both.options, layer, kv) for kv in (0, 1))


def test_the_budget_decides_about_the_threshold(seed: int) -> None:
    """With any loss allowed the fewest rescales win; with none only what loses nothing."""
    layer = tensors(seed, 60)
    unit = cal.Unit(CFG, [([f"G{h}" for h in range(4)], cal.group_scores(CFG, prefill(layer).groups[0]),
                           cal.reference_attention(layer)[:4])])
    counted = unit.rescales()
    assert set(counted) == set(cal.CANDIDATES)
    free, strict = cal.choose(unit, 1e9), cal.choose(unit, 0.0)
    assert free.rescales == min(counted.values()) and free.options.tau == max(cal.TAUS)
    assert strict.lost_db <= 0 and strict.rescales >= free.rescales
    allowed = [c for c in cal.CANDIDATES if c == NATURAL or unit.sqnr_db(NATURAL) - unit.sqnr_db(c) <= 0]
    assert strict.rescales == min(counted[c] for c in allowed)


def test_processes_change_nothing(seed: int) -> None:
    layers = [planted(seed), planted(seed + 1), planted(seed + 2)]
    alone = list(cal.choose_all(CFG, layers, False, 1))
    assert alone == [cal.choose_layer(CFG, layer, False) for layer in layers] == list(cal.choose_all(CFG, iter(layers), False, 2))


def test_the_ablation_measures_what_a_file_gives(seed: int) -> None:
    """Counts, outputs and set bits under ``calibrated`` are those of each KV head's own setting, and disturb no others."""
    layer = replace(tensors(seed, 40), heads=[f"L0H{h}" for h in range(8)])
    first, second = TileOptions("diagonal_ascending", True, tau=1), TileOptions("diagonal_first")
    orders = Orders("m", "t", 40, "t", 8, 4, ((first, second),))
    sweep = Sweep(CFG, [(False, 0)], [NATURAL], (), ("natural",))
    plain, got = measure_layer(prefill(layer), [sweep]), measure_layer(prefill(layer), [sweep], orders)
    every = measure_layer(prefill(layer), [Sweep(CFG, variants(CFG, (0, 1)), [first, second])])
    size = CFG.keys_per_block, CFG.prob_bits
    counts, scores = got.counts.pop((*size, CALIBRATED)), got.scores.pop((*size, CALIBRATED))
    assert got == plain
    for half, setting in ((slice(0, 4), first), (slice(4, 8), second)):
        assert counts.rescales[half] == every.counts[*size, setting].rescales[half]
        assert scores.metrics[half] == every.scores[*size, setting].metrics[half]
        assert scores.set_bits[half] == every.scores[*size, setting].set_bits[half]
    assert counts.heads == layer.heads == scores.heads


def test_the_command_and_its_file(plain: Path, tmp_path: Path, refused: Callable[..., str],
                                  capsys: pytest.CaptureFixture[str]) -> None:
    """From a checkpoint to the file that the ablation takes; what is wrong ends in one line, and leaves no file."""
    out = tmp_path / "new" / "orders.json"
    base = ["--checkpoint", str(plain), "--jobs", "1", "--out", str(out)]
    (tmp_path / "short.txt").write_text("short")
    for choice, message in ((["--tokens", "63"], "TOKENS = 63 is illegal"), (["--grain", "row"], "GRAIN = 'row' is unknown"),
                            (["--text", str(tmp_path / "short.txt"), "--tokens", "64"], "the text has")):
        refused(cal.main, [*base, *choice], message)
        assert not out.exists()
    assert cal.main([*base, "--tokens", "64"]) == 0
    orders = load_orders(out)
    assert (orders.tokens, orders.heads_per_kv_head, len(orders.chosen), len(orders.chosen[0])) == (64, 4, 3, 2)
    assert "rescales per row on the calibration text" in capsys.readouterr().out
    assert cal.main([*base, "--tokens", "64", "--grain", "layer"]) == 0
    assert all(len(set(layer)) == 1 for layer in load_orders(out).chosen)
    capsys.readouterr()
    run = ["--checkpoint", str(plain), "--no-rtl", "--jobs", "1", "--tokens", "64", "--layer", "1", "--keys-per-block", "16"]
    assert ablation.main([*run, "--orders", str(out), "--out", str(tmp_path / "ablation")]) == 0
    assert "calibrated order, 64 tokens" in capsys.readouterr().out
    rows = json.loads((tmp_path / "ablation" / "ablation.json").read_text())["rows"]
    own = {(row["source"], row["phase"]) for row in rows if row["schedule"] == "calibrated"}
    assert own == {("model", "prefill"), ("model", "decode")}
    out.write_text(replace(orders, chosen=orders.chosen[:2]).text_form())
    refused(ablation.main, [*run, "--orders", str(out), "--out", str(tmp_path / "none")],
            "with 2 layers of 8 heads on 2 KV heads")
    assert not (tmp_path / "none").exists()


def test_the_default_text_is_no_measured_one() -> None:
    """It has the length that was asked for, many sources, and nothing held out."""
    text = cal.calibration_text(512)
    assert len(text.encode()) >= 4 * 512 and text.count("\n") > 20
    held_out = {data.decode("utf-8", errors="replace")[:200] for data in cal.load_corpus(held_out=True) if len(data) > 200}
    assert not any(start in text for start in held_out)


