"""The regression's workloads: they run, they notice what is wrong, and the list that names them is sound."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from models.errors import FcimError
from models.hardware.config import load_config
from models.hardware.golden import run_tile
from models.hardware.schedules import DEFAULT_OPTIONS
from models.tensors import source
from models.tensors.attention_tensors import AttentionTensors
from scripts.flow.regress.entries import read_entries
from scripts.flow.regress.job import Job, Outcome
from tb.core import model
from tb.core.sequences import exact_tile, random_tiles
from tb.workloads import LIST, attention
from tb.workloads.order import Order, flagged, orders, reordered, some_vanish
from tb.workloads.stalls import rhythms

SMALL: dict[str, Mapping[str, object]] = {
    "shapes": {"tiles": 3},
    "stalls": {"tiles": 2, "rhythm": "v.1.20+o.1.9"},
    "adversarial": {"tau": 3},
    "outliers": {"tokens": 20, "heads": 2, "rate": 0.02, "size": 10},
    "heads": {"layer": 1, "length": 17},
    "decode": {"layer": 2, "keys": 37, "tokens": 2},
    "split": {"layer": 2, "keys": 45, "parts": 3, "pattern": "both"},
}


def run(name: str, seed: int, folder: Path, **changes: object) -> Outcome:
    """One small job of a workload in the tiny configuration."""
    job = Job(name, "tiny", {**SMALL[name], **changes}, seed, "icarus", False, folder, "repeat it so")
    return importlib.import_module(f"tb.workloads.{name}").run(job)


@pytest.mark.parametrize("name", ["heads", "decode"])
def test_a_model_that_was_not_fetched_skips_its_jobs(name: str, seed: int, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.tensors.packaged.FOLDER", tmp_path)
    outcome = run(name, seed, tmp_path, model="smollm2")
    assert not outcome.passed and outcome.skipped == "the model smollm2 is not here; make head-stats MODEL=smollm2 fetches it"


def test_a_fetched_model_is_what_runs(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the fixture, as a folder under a packaged model's name."""
    monkeypatch.setattr(attention, "model_file", lambda name: next(source.FIXTURE.glob("*.safetensors")))
    seen: list[object] = []

    def load(**given: object) -> list[AttentionTensors]:
        seen.append(given["checkpoint"])
        return source.load_tensors(layers="1", tokens=17)

    monkeypatch.setattr(attention, "load_tensors", load)
    attention.model_layer.cache_clear()
    outcome = run("heads", seed, tmp_path, model="smollm2")
    attention.model_layer.cache_clear()
    assert outcome.passed and not outcome.skipped and seen == [next(source.FIXTURE.glob("*.safetensors"))]
    with pytest.raises(FcimError, match="model = 'gpt' is illegal; use fixture, smollm2"):
        run("heads", seed, tmp_path, model="gpt")


@pytest.mark.parametrize("name", SMALL)
def test_workload(name: str, seed: int, tmp_path: Path) -> None:
    outcome = run(name, seed, tmp_path)
    assert outcome.passed, outcome.message
    assert outcome.tests >= 1 and outcome.digest and outcome.metrics["rows"] > 0 and outcome.metrics["mismatches"] == 0


@pytest.mark.parametrize(("name", "changes"), [
    ("heads", {"schedule": "sink_diagonal", "fused": "each", "skip": "each", "length": 29}),
    ("decode", {"schedule": "diagonal_first", "fused": 1, "skip": 1, "tau": 2, "pattern": "each"}),
    ("adversarial", {"schedule": "diagonal_first", "skip": 1}),
])
def test_orders(name: str, changes: dict[str, object], seed: int, tmp_path: Path) -> None:
    outcome = run(name, seed, tmp_path, **changes)
    assert outcome.passed, outcome.message
    # 8 heads of 29 tokens, in each of four orders
    assert name != "heads" or (outcome.metrics["rows"], outcome.metrics["heads"]) == (4 * 8 * 29, 32)


def test_skipping_that_changes_a_bit_fails(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both orders are right to the bit, but what is assembled of them differs."""
    calls = iter(range(100))
    right = attention.assemble
    monkeypatch.setattr(attention, "assemble", lambda group, results: right(group, results) + 1e-6 * next(calls))
    outcome = run("heads", seed, tmp_path, skip="each")
    assert not outcome.passed and outcome.message.startswith("skipping blocks changed the output of ")


@pytest.mark.parametrize(("parameters", "message"), [
    ({"schedule": "backwards"}, "unknown schedule 'backwards'"), ({"fused": 2}, "fused = '2' is illegal; use 0, 1 or each"),
    ({"skip": "mixed"}, "skip = 'mixed' is illegal; use 0, 1 or each"),
    ({"pattern": "some"}, "pattern = 'some' is illegal; use none"),
])
def test_an_illegal_order(parameters: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match=message):
        run("heads", 1, tmp_path, **parameters)


def test_orders_of_a_job() -> None:
    """A job that says nothing runs what users get; natural order in blocks of their own can be said."""
    usual = DEFAULT_OPTIONS
    assert orders({"tau": 3}) == [Order(usual.schedule, usual.fused, usual.skip, usual.octaves)] == [Order("sink_diagonal", True)]
    assert orders({"schedule": "natural", "fused": 0}) == [Order("natural", False)]
    assert orders({"schedule": "natural", "fused": "each", "octaves": 2}) == [Order("natural", f, False, 2) for f in (0, 1)]


def test_flags_of_random_tiles(seed: int) -> None:
    cfg, numbers = load_config("tiny"), np.random.default_rng(seed)
    tiles = some_vanish(cfg, numbers, random_tiles(cfg, numbers, 40))
    assert len(tiles) == 50
    drawn = flagged({}, numbers, tiles)
    assert {(tile.fused, tile.skip) for tile in drawn} == {(a, b) for a in (False, True) for b in (False, True)}
    given = flagged({"fused": 1, "skip": 0}, numbers, tiles)
    assert all(tile.fused and not tile.skip for tile in given)
    with pytest.raises(FcimError, match="fused = 'each' is illegal; use 0, 1 or mixed"):
        flagged({"fused": "each"}, numbers, tiles)


def test_keys_are_taken_in_the_order_of_a_schedule(seed: int) -> None:
    cfg, numbers = load_config("tiny"), np.random.default_rng(seed)
    tile = exact_tile(cfg, numbers, list(range(20)))
    other = reordered(cfg, tile, "sink_diagonal")
    assert other.k_pos.tolist() == [*range(12, 20), *range(8), *range(8, 12)]
    assert torch.equal(other.k, tile.k[other.k_pos]) and torch.equal(other.v, tile.v[other.k_pos])


def test_the_digest_depends_on_the_seed_alone(seed: int, tmp_path: Path) -> None:
    first, again, other = (run("shapes", s, tmp_path).digest for s in (seed, seed, seed + 1))
    assert first == again != other


def test_one_wrong_bit_fails(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def corrupted(cfg, tile):
        result = run_tile(cfg, tile)
        result.out[0, 0] ^= 1
        return result

    monkeypatch.setattr(model, "run_tile", corrupted)
    outcome = run("heads", seed, tmp_path)
    assert not outcome.passed and "rows differ" in outcome.message and outcome.metrics["mismatches"] > 0


def test_lost_accuracy_fails(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The RTL is right to the bit, yet a head is too far from float attention."""
    monkeypatch.setattr(attention, "assemble", lambda group, results: torch.zeros_like(group.q, dtype=torch.float32))
    outcome = run("heads", seed, tmp_path)
    assert not outcome.passed and outcome.message.startswith("arithmetic of ") and "SQNR of " in outcome.message


def test_saturated_scores_are_counted_and_not_held_against_the_engine(seed: int, tmp_path: Path) -> None:
    outcome = run("outliers", seed, tmp_path, rate=0.2, size=200)
    assert outcome.passed and outcome.metrics["saturations"] > 0


@pytest.mark.parametrize("text", ["", "v", "v.1", "x.1.2", "v.0.3", "v.a.b", "v.1.2.3"])
def test_an_illegal_rhythm(text: str) -> None:
    with pytest.raises(FcimError, match="write a stream of q, k, v, o, part, decision"):
        rhythms(text)


def test_the_list_is_sound() -> None:
    entries = read_entries(LIST)
    tags = {tag for entry in entries for tag in entry.tags}
    assert {"smoke", "unit", "engine", "heads", "coverage", "nightly"} <= tags
    both = [entry for entry in entries if set(entry.simulators) == {"icarus", "verilator"}]
    assert any("smoke" in entry.tags for entry in both), "the smoke subset compares the simulators"
    for part in ("smoke", "coverage", "heads"):
        said = [entry.parameters for entry in entries if part in entry.tags and entry.module.endswith((".heads", ".decode"))]
        assert any("schedule" not in p and "fused" not in p for p in said), f"{part}: an entry runs the default order"
        assert any("natural" in p.get("schedule", ()) and not {0, "each"}.isdisjoint(p.get("fused", ())) for p in said), (
            f"{part}: an entry runs the order in which a cache is written")
