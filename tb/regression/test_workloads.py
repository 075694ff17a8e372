"""The regression's workloads: they run, they notice what is wrong, and the list that names them is sound."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from models.errors import FcimError
from models.golden import run_tile
from scripts import engine_run
from scripts.regress.cli import LIST
from scripts.regress.entries import read_entries
from tb.regression import attention
from tb.regression.job import Job, Outcome
from tb.regression.stalls import rhythms

SMALL: dict[str, Mapping[str, object]] = {
    "shapes": {"tiles": 3},
    "stalls": {"tiles": 2, "rhythm": "v.1.20+o.1.9"},
    "adversarial": {"tau": 3},
    "outliers": {"tokens": 20, "heads": 2, "rate": 0.02, "size": 10},
    "heads": {"layer": 1, "length": 17},
    "decode": {"layer": 2, "keys": 37, "tokens": 2},
}


def run(name: str, seed: int, folder: Path, **changes: object) -> Outcome:
    """One small job of a workload in the tiny configuration."""
    job = Job(name, "tiny", {**SMALL[name], **changes}, seed, "icarus", False, folder, "repeat it so")
    return importlib.import_module(f"tb.regression.{name}").run(job)


@pytest.mark.parametrize("name", SMALL)
def test_workload(name: str, seed: int, tmp_path: Path) -> None:
    outcome = run(name, seed, tmp_path)
    assert outcome.passed, outcome.message
    assert outcome.tests >= 1 and outcome.digest and outcome.metrics["rows"] > 0 and outcome.metrics["mismatches"] == 0


def test_the_digest_depends_on_the_seed_alone(seed: int, tmp_path: Path) -> None:
    first, again, other = (run("shapes", s, tmp_path).digest for s in (seed, seed, seed + 1))
    assert first == again != other


def test_one_wrong_bit_fails(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def corrupted(cfg, tile):
        result = run_tile(cfg, tile)
        result.out[0, 0] ^= 1
        return result

    monkeypatch.setattr(engine_run, "run_tile", corrupted)
    outcome = run("heads", seed, tmp_path)
    assert not outcome.passed and "rows differ" in outcome.message and outcome.metrics["mismatches"] > 0


def test_lost_accuracy_fails(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The RTL is right to the bit, yet a head is too far from float attention."""
    monkeypatch.setattr(attention, "assemble", lambda group, results: torch.zeros_like(group.q, dtype=torch.float32))
    outcome = run("heads", seed, tmp_path)
    assert not outcome.passed and outcome.message.startswith("SQNR of ")


def test_saturated_scores_are_counted_and_not_held_against_the_engine(seed: int, tmp_path: Path) -> None:
    outcome = run("outliers", seed, tmp_path, rate=0.2, size=200)
    assert outcome.passed and outcome.metrics["saturations"] > 0


@pytest.mark.parametrize("text", ["", "v", "v.1", "x.1.2", "v.0.3", "v.a.b", "v.1.2.3"])
def test_an_illegal_rhythm(text: str) -> None:
    with pytest.raises(FcimError, match="write a stream of q, k, v, o"):
        rhythms(text)


def test_the_list_is_sound() -> None:
    entries = read_entries(LIST)
    tags = {tag for entry in entries for tag in entry.tags}
    assert {"smoke", "unit", "engine", "heads", "coverage", "nightly"} <= tags
    both = [entry for entry in entries if set(entry.simulators) == {"icarus", "verilator"}]
    assert any("smoke" in entry.tags for entry in both), "the smoke subset compares the simulators"
