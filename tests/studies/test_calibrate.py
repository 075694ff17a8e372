"""The choice of an order for each KV head, on heads whose best order is planted; the command, and what takes its file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.orders import Orders, load_orders
from models.hardware.schedules import TileOptions
from models.hardware.tiling import assemble, build_tiles
from models.quality.metrics import compare_heads
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.text import CODE, PROSE, load_corpus, load_prose
from scripts.studies.schedules import __main__ as ablation
from scripts.studies.schedules import calibrate as cal
from scripts.studies.schedules import costs
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


def measured(layer: AttentionTensors, cfg: EngineConfig = WIDE, tiles: int = 99) -> list[costs.HeadCosts]:
    """All candidates on the KV heads of a layer, by default on all tiles."""
    return costs.layer_costs(layer, [costs.CANDIDATES] * 2, cfg, tiles)


def test_each_kv_head_gets_what_suits_it(seed: int) -> None:
    layer = planted(seed)
    units = measured(layer)
    (newest, oldest), picked = cal.choose(units)
    assert newest.schedule != "natural" and oldest == NATURAL, "of equals the simplest"
    for kv, (unit, own) in enumerate(zip(units, (newest, oldest), strict=True)):
        assert unit.rows == 2 * TOKENS
        for of in (NATURAL, own):
            assert unit.costs[of].rescales == rescales(of, layer, kv)
        exact = [c for c in costs.CANDIDATES if c.tau == 0]
        assert unit.costs[own].rescales <= min(rescales(c, layer, kv) for c in exact), "no exact candidate may be better"
    did = cal.effect("t", units, [newest, oldest])
    assert did.rescales == picked.rescales and did.rows == 4 * TOKENS and did.lost_db <= cal.BUDGET_DB
    assert did.natural > 10 * max(1, did.rescales) and did.fewer == 1 - did.rescales / did.natural
    (whole,) = cal.units_of([units], True)
    (both,), _ = cal.choose([whole])
    assert whole.costs[both].rescales == sum(rescales(both, layer, kv) for kv in (0, 1)) >= did.rescales


def heads(*own: dict[TileOptions, tuple[int, tuple[float, ...]]]) -> list[costs.HeadCosts]:
    """KV heads with natural order's 100 rescales and what else is given."""
    return [costs.HeadCosts(10, {NATURAL: costs.Cost(100, (0.0, 0.0)), **{of: costs.Cost(*cost) for of, cost in more.items()}})
            for more in own]


ONE, TWO = TileOptions("diagonal_first", True, tau=1), TileOptions("diagonal_first", True, tau=2)


def test_the_budget_is_that_of_all_query_heads() -> None:
    """A KV head may lose more than the budget where others lose less, and none of its query heads more than the limit."""
    units = heads({ONE: (50, (0.1, 0.2)), TWO: (10, (0.1, 0.6))}, {ONE: (90, (0.3, 0.1))})
    assert cal.choose(units, 0.08, 1.0)[0] == [ONE, NATURAL]     # 0.3 of 0.32 dB
    assert cal.choose(units, 0.176, 1.0)[0] == [TWO, NATURAL] and cal.choose(units, 0.176, 0.5)[0] == [ONE, ONE]
    assert cal.choose(units, 0.07, 1.0)[0] == [NATURAL, NATURAL] and cal.choose(units, 9.0, 0.1)[0] == [NATURAL, NATURAL]
    gains = heads({ONE: (90, (-5.0, 0.2))}, {ONE: (10, (0.2, 0.2))})
    assert cal.choose(gains, 0.1, 1.0)[0] == [NATURAL, ONE], "a gain is no budget for others"


def test_texts_and_layers() -> None:
    """On two texts, and for a layer's KV heads together, rescales are summed and each query head counts on each text."""
    (code, prose), (other, again) = heads({ONE: (50, (0.1, 0.3)), TWO: (1, (0.0, 0.0))}, {ONE: (30, (0.2, -0.1))}), heads({}, {})
    first, second = cal.units_of([[code, other], [prose, again]], False)
    assert first.rows == 20 and set(second.costs) == {NATURAL}
    assert first.costs == {NATURAL: costs.Cost(200, (0.0,) * 4), ONE: costs.Cost(80, (0.1, 0.3, 0.2, -0.1))}
    assert cal.choose([first], 0.149, 1.0)[0] == [NATURAL] and cal.choose([first], 0.151, 1.0)[0] == [ONE]
    assert cal.choose([first], 9.0, 0.29)[0] == [NATURAL], "the limit holds on either text"
    (layer,) = cal.units_of([[code, prose]], True)
    assert layer == first


def test_what_costs_are(seed: int) -> None:
    """Losses are those of the golden model's outputs; tiles in part are those tiles; a threshold too far ends its order."""
    layer = tensors(seed, 60)
    whole = measured(layer, CFG)
    assert all(set(head.costs) == {c for c in costs.CANDIDATES if c.tau <= CFG.max_tau()} for head in whole)
    (group,), reference = prefill(layer).groups[0], reference_attention(layer)[:4]

    def sqnr(of: TileOptions, some: slice | torch.Tensor) -> list[float]:
        tiles = build_tiles(CFG, group, of.tau, of.schedule, of.fused)
        out = assemble(group, [run_tile(CFG, tile) for tile in tiles])
        return [metrics.sqnr_db for metrics in compare_heads(out[:, some], reference[:, some])]

    part = costs.layer_costs(layer, [costs.CANDIDATES] * 2, CFG, 2)
    taken = costs.spread_tokens(CFG, 4, 60, 2)
    assert taken[-1] == 59 and 2 * len(taken) <= 60 and part[0].rows == 4 * len(taken)
    for of in (ONE, TWO, TileOptions("sink_diagonal", True, tau=4)):
        for head, some in ((whole[0], slice(None)), (part[0], taken)):
            assert head.costs[of].lost_db == pytest.approx([a - b for a, b in zip(sqnr(NATURAL, some), sqnr(of, some))])
    short = costs.layer_costs(layer, [costs.CANDIDATES] * 2, CFG, 99, -math.inf)[0].costs
    assert set(short) == {c for c in costs.CANDIDATES if c.tau == 0}, "each order ends with the first threshold over the limit"
    useful = costs.layer_costs(layer, [costs.CANDIDATES] * 2, CFG, 99, useful=True)[0].costs
    place = {of: (of.tau, cost.rescales, number) for number, (of, cost) in enumerate(whole[0].costs.items())}
    harmless = [of for of, cost in useful.items() if max(cost.lost_db) <= costs.NOTHING_DB]
    for of, (_, count, _) in place.items():
        beaten = any(place[other] < place[of] and place[other][1] <= count for other in harmless)
        assert (of in useful) is (of == NATURAL or not beaten)


def test_processes_change_nothing(seed: int) -> None:
    layers = [planted(seed), planted(seed + 1), planted(seed + 2)]
    own = [[[ONE], [NATURAL, TWO]]] * 3
    one, two = (list(costs.all_costs(iter(layers), own, jobs, partial(costs.layer_costs, cfg=CFG, tiles=4))) for jobs in (1, 2))
    assert one == two and [set(head.costs) for head in one[2]] == [{NATURAL, ONE}, {NATURAL, TWO}]


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
    said = capsys.readouterr().out
    for text, did in zip(("prose, calibration", "code, calibration", "prose, held out", "code, held out"), orders.effects,
                         strict=True):
        assert text == did.text and text in said and did.rows > 0
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


@pytest.mark.parametrize("kind", [CODE, PROSE])
def test_the_default_text_is_no_measured_one(kind: str) -> None:
    """It has the length that was asked for, many sources, and nothing held out."""
    text = cal.calibration_text(512, kind)
    assert len(text.encode()) >= 4 * 512 and text.count("\n") > 20
    held_out = load_prose(True) if kind == PROSE else [data.decode("utf-8", errors="replace") for data in load_corpus(True)]
    assert not any(start[:200] in text for start in held_out if len(start) > 200)
