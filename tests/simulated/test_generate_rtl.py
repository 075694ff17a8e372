"""``make generate RTL=1``: a model whose attention the Verilog computes, and what is said where that goes wrong."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import FcimError
from scripts.flow.simulator import RunOptions
from scripts.studies.language_model import generate, loaded, on_rtl
from tb.accelerator import server
from tb.common.mutation import mutated_sources
from tests.models.conftest import one_thread
from tests.models.tiny_llama import make_checkpoint

__all__ = ["one_thread"]

LAYERS, PROMPT, NEW = 2, 20, 2
HEADS, HEAD_DIM = 4, 32

Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command on a small model, with options of the simulation."""
    model = make_checkpoint(tmp_path / "model", layers=LAYERS, num_attention_heads=HEADS, head_dim=HEAD_DIM)
    monkeypatch.setattr(loaded, "CALIBRATION", (2, 64))
    monkeypatch.setenv("FCIM_RUNS", str(tmp_path / "simulations"))

    def run(**options: object) -> int:
        monkeypatch.setattr(on_rtl, "OPTIONS", RunOptions(sim="icarus", seed=seed, **options))
        return generate.main(["--rtl", "--system", "tiny", "--checkpoint", str(model), "--tokens", str(PROMPT),
                              "--new", str(NEW), "--out", str(tmp_path / "out")])

    return run


def test_tokens_of_the_verilog(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A prefill, then a decode whose keys two engines share: every value of every layer is the golden model's."""
    assert command() == 0
    data = json.loads((tmp_path / "out" / "generate_rtl.json").read_text())
    assert data["calls"] == len(data["cycles"]) == LAYERS * NEW and min(data["cycles"]) > 0
    assert data["values"] == LAYERS * (PROMPT + NEW - 1) * HEADS * HEAD_DIM and data["wrong"] == 0
    assert len(data["rtl"]) == NEW and data["conditions"]["config"]["name"] == "tiny"
    assert f"PASS: {LAYERS * NEW} calls, 0 of {data['values']:,} values differ" in capsys.readouterr().out
    assert not list((tmp_path / "out" / "runs").iterdir())


def test_a_wrong_value_is_found(command: Command, tmp_path: Path) -> None:
    """A merge unit that takes the first engine's maximum for the row's."""
    sources = mutated_sources(tmp_path, "rtl/system/fcim_merge.v", "(low_max_q > high_max_q) ? low_max_q : high_max_q",
                              "low_max_q")
    assert command(sources=sources, build_root=tmp_path / "build") == 1
    assert json.loads((tmp_path / "out" / "generate_rtl.json").read_text())["wrong"] > 0


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err.splitlines()
    return next(line for line in reversed(err) if line.startswith("error: "))


def test_a_simulation_that_hangs(command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """More cycles than a call may take end it, and the command with it."""
    monkeypatch.setattr(server, "cycle_budget", lambda *_: 50)
    assert command() == 1
    line = one_line(capsys)
    assert "cycle budget of 50 exceeded" in line and Path(line.rsplit("its log is ", 1)[1]).is_file()


def test_a_simulator_that_dies(command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    send = server.Server.send

    def last_order(self: server.Server, call: object) -> None:
        send(self, call)
        for task in Path("/proc/self/task").iterdir():      # the thread that started it has it as its child
            for child in (task / "children").read_text().split():
                if (Path("/proc") / child / "comm").read_text().strip() == "vvp":
                    os.kill(int(child), signal.SIGKILL)

    monkeypatch.setattr(server.Server, "send", last_order)
    assert command() == 1
    assert "the simulation of the accelerator failed: the simulator died" in one_line(capsys)


def test_a_build_that_fails(command: Command, tmp_path: Path) -> None:
    with pytest.raises(FcimError, match="nowhere.v does not exist"):
        command(sources=[tmp_path / "nowhere.v"])
