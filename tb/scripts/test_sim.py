"""``make sim``'s command: a small run from end to end, its exit codes, and what it says to a user's mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.rtl_list import ROOT

HEADS, KV_HEADS, TOKENS, HEAD_DIM = 4, 2, 24, 32


def run_sim(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the Makefile does."""
    return subprocess.run([sys.executable, "-m", "scripts.sim", *arguments], cwd=ROOT, text=True, capture_output=True,
                          check=False, env={**os.environ, **environment})


@pytest.fixture
def tensors(tmp_path: Path, seed: int) -> Path:
    """A file with small random q, k, v for configuration ``tiny``."""
    generator = np.random.default_rng(seed)
    path = tmp_path / "tensors.npz"
    np.savez(path, q=generator.standard_normal((HEADS, TOKENS, HEAD_DIM), dtype=np.float32),
             k=generator.standard_normal((KV_HEADS, TOKENS, HEAD_DIM), dtype=np.float32),
             v=generator.standard_normal((KV_HEADS, TOKENS, HEAD_DIM), dtype=np.float32))
    return path


def test_small_run(tensors: Path, tmp_path: Path, seed: int) -> None:
    """All heads in both phases, no bit wrong, and a report that says how to repeat it."""
    done = run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), "--seed", str(seed))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["passed"] and report["seed"] == seed and report["config"]["name"] == "tiny"
    assert sorted(h["phase"] for h in report["heads"]) == ["decode"] * HEADS + ["prefill"] * HEADS
    assert len({(h["name"], h["phase"]) for h in report["heads"]}) == 2 * HEADS
    assert report["totals"]["elements"] == HEADS * (TOKENS + 1) * HEAD_DIM
    assert report["totals"]["mismatches"] == 0 and report["totals"]["counters_compared"] > 0
    assert f"SEED={seed}" in report["command"] and str(tensors) in report["command"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    assert "PASS" in done.stdout and not (tmp_path / "out" / "work").exists()


def test_run_time_choices(tensors: Path, tmp_path: Path, seed: int) -> None:
    """Order of the keys, first step, skipping and threshold reach the engine, the record and the line that repeats the run."""
    done = run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), "--seed", str(seed), "--schedule", "sink_diagonal",
                   "--fused", "--skip", "--tau", "2", "--heads", "0-1")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["totals"]["mismatches"] == 0 and report["totals"]["counter_mismatches"] == 0
    assert {name: report[name] for name in ("schedule", "fused", "skip", "tau")} == {
        "schedule": "sink_diagonal", "fused": True, "skip": True, "tau": 2}
    assert all(word in report["command"] for word in ("SCHEDULE=sink_diagonal", "FUSED=1", "SKIP=1", "TAU=2"))


def test_broken_result_fails(tensors: Path, tmp_path: Path) -> None:
    """With a golden model that is off by one in one place the command says FAIL and exits with 1."""
    (tmp_path / "sitecustomize.py").write_text(
        "import models.golden as g\nfull = g.run_tile\n"
        "def run_tile(cfg, tile):\n    result = full(cfg, tile)\n    result.out[0, 0] += 1\n    return result\n"
        "g.run_tile = run_tile\n")
    done = run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), "--tokens", "8",
                   PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL" in done.stdout
    assert not json.loads((tmp_path / "out" / "report.json").read_text())["passed"]


MISTAKES = {
    "unknown configuration": (["--config", "huge"], "unknown configuration"),
    "another head_dim": (["--config", "default"], "head_dim"),
    "tau beyond the headroom": (["--tau", "9"], "TAU"),
    "unknown schedule": (["--schedule", "backwards"], "SCHEDULE = 'backwards' is unknown"),
    "two sources": (["--checkpoint", "somewhere"], "CHECKPOINT"),
    "head out of range": (["--heads", "9"], "HEADS"),
    "no tokens": (["--tokens", "0"], "TOKENS"),
    "layer of a file": (["--layer", "1"], "LAYER"),
    "unknown simulator": (["--sim", "abacus"], "SIM"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tensors: Path, tmp_path: Path) -> None:
    """One line that names the variable, exit code 2, no traceback, nothing written."""
    arguments, expected = MISTAKES[name]
    check_refused(run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), *arguments), expected, tmp_path)


def test_not_finite(tensors: Path, tmp_path: Path) -> None:
    """NaN in a tensor is refused."""
    arrays = dict(np.load(tensors))
    arrays["k"][1, 3, 5] = np.nan
    np.savez(tensors, **arrays)
    check_refused(run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out")), "k", tmp_path)


def test_no_simulator(tensors: Path, tmp_path: Path) -> None:
    """Without Icarus the command says what to run."""
    done = run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), PATH=str(tmp_path))
    check_refused(done, "make setup", tmp_path)


def check_refused(done: subprocess.CompletedProcess[str], expected: str, tmp_path: Path) -> None:
    """The command refused in one line and left nothing behind."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()
