"""The command, from a checkpoint to its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.hardware.schedules import SCHEDULES
from scripts.studies.schedules import __main__ as command
from scripts.studies.schedules import figures
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.report import FIGURES
from scripts.studies.schedules.settings import NATURAL
from tests.studies.test_goals import row_for_goals


def test_the_command(plain: Path, tmp_path: Path, refused: Callable[..., str], capsys: pytest.CaptureFixture[str],
                     monkeypatch: pytest.MonkeyPatch) -> None:
    """From a checkpoint to tables, JSON and figures; wrong input in one line, and nothing is written then."""
    base = ["--checkpoint", str(plain), "--no-rtl", "--jobs", "1", "--out", str(tmp_path / "out")]
    for choice, message in ((["--tokens", "63"], "TOKENS = 63 is illegal here; use 64 to"),
                            (["--tokens", "64,x"], "TOKENS = 'x' is not a whole number"), (["--layer", "7"], "LAYER = 7"),
                            (["--jobs", "0"], "JOBS = 0 is illegal"), (["--schedule", "up"], "SCHEDULE = 'up' is unknown"),
                            (["--tau", "0-9"], "TAU = 0-9: 9 is not there"), (["--seed", "x"], "SEED = 'x' is not a seed"),
                            (["--keys-per-block", "10"], "KEYS_PER_BLOCK = '10' is unknown"),
                            (["--config", "none"], "unknown configuration 'none'")):
        refused(command.main, [*base, *choice], message)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    refused(command.main, [*base, "--out", str(tmp_path / "file")], "cannot write to")
    assert command.main([*base, "--tokens", "64", "--layer", "0"]) == 0
    text = capsys.readouterr().out
    assert "rescales per row by length" in text and "decode, each token" in text and "goals" not in text
    data = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert data["seed"] == command.SEED and not data["goals"] and not data["rtl"]
    assert {r["source"] for r in data["rows"]} == {gl.TRAINED, gl.PLANTED, gl.RANDOM}
    assert {(r["phase"], r["schedule"]) for r in data["rows"]} >= {(p, s) for p in ("prefill", "decode") for s in SCHEDULES}
    for name in FIGURES:
        assert all((tmp_path / "out" / f"{name}.{kind}").stat().st_size > 1000 for kind in ("svg", "png"))
    drawn: list[str] = []       # the second run's figures are named, but not drawn again
    monkeypatch.setattr(figures, "write", lambda figure, folder, name: drawn.append(name) or [])
    assert command.main([*base, "--tokens", "64", "--layer", "0", "--schedule", "diagonal_first", "--tau", "1",
                         "--keys-per-block", "32"]) == 0
    assert drawn == ["rescales", "heads", "tau", "skipped", "reference_moves"], "one block size has no figure of sizes"
    data = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert {(r["schedule"], r["fused"], r["tau"]) for r in data["rows"]} == {
        ("natural", False, 0), ("diagonal_first", False, 1), ("diagonal_first", True, 1)}
    assert {r["keys_per_block"] for r in data["rows"]} == {32} and data["config"]["keys_per_block"] == 32
    assert not (tmp_path / "out" / "sizes.svg").exists(), "an earlier run's figure"
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")) == []


def test_a_figure_of_more_heads_than_can_be_named(tmp_path: Path) -> None:
    """A real model has hundreds: their names go, the figure stays."""
    names = {f"L{layer}H{head}": 0.1 * head for layer in range(10) for head in range(9)}
    rows = [row_for_goals(gl.TRAINED, 2048, setting, 1.0, rescales_of_head=names) for setting in (NATURAL, *figures.FUSED)]
    for path in figures.heads_figure(tmp_path, rows, dict.fromkeys(names, "sink")):
        assert path.stat().st_size > 1000
