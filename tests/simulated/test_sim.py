"""``make sim``'s command: a small run from end to end, its exit codes, and what it says to a user's mistakes.

Processes of its own, as the Makefile starts them, where they are what is tested; else :func:`run_here`.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.errors import run_cli
from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.orders import Orders
from models.hardware.quantise import quantise
from models.hardware.schedules import DEFAULT_OPTIONS, TileOptions
from models.hardware.tile import TileJob, TileResult
from models.hardware.tiling import build_tiles
from models.tensors.attention_tensors import AttentionTensors
from models.tensors.tensor_file import save_tensor_file
from scripts.flow.processes import shown
from scripts.flow.sources import ROOT
from scripts.sim import __main__ as sim
from scripts.sim import jobs
from tb.core import model
from tests.commands.report_schema import check_schema
from tests.flow.test_regress_kill import wait_until

HEADS, KV_HEADS, TOKENS, HEAD_DIM = 4, 2, 24, 32


def run_sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the Makefile does."""
    return subprocess.run([sys.executable, "-m", "scripts.sim", *arguments], cwd=ROOT, text=True, capture_output=True,
                          check=False)


Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command in this process and its engine runs in a thread, where PyTorch is loaded already; simulators as always."""
    monkeypatch.setattr(jobs, "ProcessPoolExecutor", lambda workers, mp_context: ThreadPoolExecutor(1))
    monkeypatch.setenv("FCIM_RUNS", "set by every run")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["sim", *arguments])
        with pytest.raises(SystemExit) as stop:
            run_cli(sim.main)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, stop.value.code, out, err)

    return run


@pytest.fixture
def tensors(tmp_path: Path, seed: int) -> Path:
    """A file with small random q, k, v for configuration ``tiny``."""
    generator = np.random.default_rng(seed)
    path = tmp_path / "tensors.npz"
    np.savez(path, q=generator.standard_normal((HEADS, TOKENS, HEAD_DIM), dtype=np.float32),
             k=generator.standard_normal((KV_HEADS, TOKENS, HEAD_DIM), dtype=np.float32),
             v=generator.standard_normal((KV_HEADS, TOKENS, HEAD_DIM), dtype=np.float32))
    return path


def start_sim(*arguments: str) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen([sys.executable, "-m", "scripts.sim", *arguments], cwd=ROOT, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def report_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def belonging_to(folder: Path, command: bytes = b"") -> list[int]:
    """Living processes whose environment says that they work below ``folder``, and whose command line has ``command`` in it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):      # it ended meanwhile
            if f"={folder}/runs/".encode() in (place / "environ").read_bytes() and command in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found


def test_small_run(tensors: Path, tmp_path: Path, seed: int) -> None:
    """All heads in both phases, no bit wrong, and a report with the documented keys that says how to repeat it."""
    done = run_sim("--tensors", str(tensors), "--out", str(tmp_path / "out"), "--seed", str(seed))
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_in(tmp_path / "out")
    check_schema(report)
    assert report["passed"] and report["seed"] == seed and report["config"]["name"] == "tiny"
    assert {name: report[name] for name in asdict(DEFAULT_OPTIONS)} == asdict(DEFAULT_OPTIONS), "nothing was chosen"
    assert sorted(h["phase"] for h in report["heads"]) == ["decode"] * HEADS + ["prefill"] * HEADS
    assert len({(h["name"], h["phase"]) for h in report["heads"]}) == 2 * HEADS
    assert report["totals"]["elements"] == HEADS * (TOKENS + 1) * HEAD_DIM
    assert report["totals"]["mismatches"] == 0 and report["totals"]["counters_compared"] > 0
    assert f"SEED={seed}" in report["command"] and str(tensors) in report["command"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    predicted = sum(run["predicted"]["cycles"] for run in report["runs"])
    assert report["verdict_kind"] in ("PASS", "OUTSIDE") and report["verdict"] in " ".join(done.stdout.split())
    assert f"{predicted:,} cycles predicted" in done.stdout
    assert done.stdout.startswith("attention of "), "said before anything is loaded"
    assert not list((tmp_path / "out" / "runs").iterdir()) and not (tmp_path / "out" / "kept").exists()


def test_run_time_choices(tensors: Path, tmp_path: Path, seed: int, run_here: Here) -> None:
    """Order of the keys, first step, skipping and threshold reach the engine, the record and the line that repeats the run."""
    done = run_here("--tensors", str(tensors), "--out", str(tmp_path / "out"), "--seed", str(seed), "--schedule",
                    "diagonal_ascending", "--fused", "--skip", "--octaves", "5", "--tau", "2", "--heads", "0-1")
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_in(tmp_path / "out")
    assert report["totals"]["mismatches"] == 0 and report["totals"]["counter_mismatches"] == 0
    assert {name: report[name] for name in ("schedule", "fused", "skip", "octaves", "tau")} == {
        "schedule": "diagonal_ascending", "fused": True, "skip": True, "octaves": 5, "tau": 2}
    assert all(word in report["command"] for word in ("SCHEDULE=diagonal_ascending", "FUSED=1", "SKIP=1", "OCTAVES=5",
                                                      "TAU=2"))


def test_an_order_for_each_kv_head(tmp_path: Path, seed: int, run_here: Here) -> None:
    """A file's orders reach the engine head by head: its counters are those of each KV head's own choice."""
    g = torch.Generator().manual_seed(seed)
    q, k, v = (2 * torch.randn(count, TOKENS, HEAD_DIM, generator=g) for count in (HEADS, KV_HEADS, KV_HEADS))
    names = [f"L1H{head}" for head in range(HEADS)]
    captured = AttentionTensors(q, k, v, HEAD_DIM ** -0.5, {}, names)
    save_tensor_file(tmp_path / "captured.npz", captured)
    chosen = TileOptions("diagonal_ascending", True, tau=1), TileOptions("diagonal_first", tau=2)
    orders = Orders("m", "t", TOKENS, "tiny", 8, HEADS // KV_HEADS, ((TileOptions(), TileOptions()), chosen))
    (tmp_path / "orders.json").write_text(orders.text_form())
    arguments = "--tensors", str(tmp_path / "captured.npz"), "--orders", str(tmp_path / "orders.json")
    done = run_here(*arguments, "--out", str(tmp_path / "out"), "--seed", str(seed))
    assert done.returncode == 0, done.stdout + done.stderr
    report = report_in(tmp_path / "out")
    check_schema(report)
    assert report["orders"] == str(tmp_path / "orders.json") and f"ORDERS={report['orders']}" in report["command"]
    assert report["totals"]["mismatches"] == 0 and report["totals"]["counter_mismatches"] == 0
    cfg = EngineConfig(**report["config"])
    for kv, (group, own) in enumerate(zip(quantise(captured), chosen, strict=True)):
        tiles = build_tiles(cfg, group, own.tau, own.schedule, own.fused)
        prefill, = (run for run in report["runs"] if run["phase"] == "prefill" and run["kv_head"] == kv)
        assert prefill["counters"]["rescaled_rows"] == sum(run_tile(cfg, tile).stats.rescaled_rows for tile in tiles)
    unnamed = AttentionTensors(q, k, v, HEAD_DIM ** -0.5, {})
    save_tensor_file(tmp_path / "captured.npz", unnamed)
    done = run_here(*arguments, "--out", str(tmp_path / "none"))
    assert done.returncode == 2 and "'H0' is none" in done.stderr


def test_smaller_heads_out_of_range(tmp_path: Path, seed: int, run_here: Here) -> None:
    """Heads of 24 channels whose scores saturate: padded, which is said, right on every bit, outside, and no failure."""
    g = np.random.default_rng(seed)
    path, out = tmp_path / "tensors.npz", tmp_path / "out"
    np.savez(path, **{name: (scale * g.standard_normal((1, 12, 24))).astype(np.float32)
                      for name, scale in (("q", 60), ("k", 60), ("v", 1))})
    done = run_here("--tensors", str(path), "--out", str(out))
    report = report_in(out)
    assert done.returncode == 0 and report["verdict_kind"] == "OUTSIDE", done.stdout + done.stderr
    check_schema(report)
    assert "head_dim 24" in report["fit"] and report["fit"] in done.stdout and report["config"]["head_dim"] == 32
    assert report["totals"]["elements"] == 13 * 24 and report["totals"]["mismatches"] == 0
    assert report["totals"]["saturations"] > 0 and report["heads"][0]["causes"][0]["kind"] == "saturations"
    assert "saturations (costs H0 " in done.stdout and "scale Q or K down" in done.stdout


def test_a_smaller_configuration_takes_the_fixture(tmp_path: Path, run_here: Here) -> None:
    """CONFIG=tiny on the default model: its first channels, said aloud."""
    done = run_here("--config", "tiny", "--tokens", "1", "--heads", "0", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "first 32 channels" in done.stdout and "first 32 channels" in report_in(tmp_path / "out")["fit"]


def test_broken_result_fails(tensors: Path, tmp_path: Path, run_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a golden model that is off by one in one place the command says FAIL, exits with 1, and shows where it is.

    The run that follows is refused: nobody can take the report of the first one for its own.
    """
    right = model.run_tile

    def off_by_one(cfg: EngineConfig, tile: TileJob) -> TileResult:
        result = right(cfg, tile)
        out = result.out.clone()
        out[-1, 3] += 1
        return replace(result, out=out)

    monkeypatch.setattr(model, "run_tile", off_by_one)
    out = tmp_path / "out"
    arguments = ["--tensors", str(tensors), "--out", str(out)]
    done = run_here(*arguments, "--tokens", "9", "--heads", "0-1")
    assert done.returncode == 1, done.stdout + done.stderr
    report = report_in(out)
    check_schema(report)
    # a tile of eight tokens, one of one, and a decode step
    assert report["verdict_kind"] == "FAIL" and report["totals"]["mismatches"] == 3
    first, second, third = report["wrong_values"]
    where = [(v["head"], v["tile"], v["row"], v["channel"], v["token"], v["expected"] - v["got"]) for v in report["wrong_values"]]
    assert where == [("H1", 0, 15, 3, 7, 1), ("H1", 1, 1, 3, 8, 1), ("H1", 0, 1, 3, 8, 1)]
    assert 0 < first["cycle"] < second["cycle"] < report["runs"][0]["cycles"]
    assert f"H1, token 7: tile 0, row 15, channel 3, out in cycle {first['cycle']}: got {first['got']}" in done.stdout
    assert report["kept"] in done.stdout and third["run"] == report["runs"][1]["name"]
    kept = ROOT / report["kept"]
    assert {"job.pt", "outcome.pt"} <= {file.name for file in (kept / "000").iterdir()} and list(kept.rglob("*.log"))
    assert "where wrong values lie" in (out / "report.html").read_text()

    refused = run_here(*arguments, "--heads", "9")
    assert refused.returncode == 2 and report_in(out)["state"] == "stopped" and "HEADS" in report_in(out)["stopped_by"]
    assert "STOPPED" in (out / "report.html").read_text() and kept.is_dir()


def test_two_at_once(tensors: Path, tmp_path: Path) -> None:
    """Each prints its own figures; the report is one run's, both files; of a waveform for one run there is one, its own."""
    out = tmp_path / "out"
    common = ["--tensors", str(tensors), "--out", str(out), "--heads", "0", "--jobs", "1"]
    first = start_sim(*common, "--tokens", "1", "--seed", "101", "--waves")    # a decode step alone
    second = start_sim(*common, "--tokens", "3", "--seed", "202")
    for process, rows, seed in ((first, 1, 101), (second, 4, 202)):
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        assert f"seed {seed}" in printed and f"SEED={seed}" in printed
        assert f"0 of {rows * HEAD_DIM} output values" in printed
        if process is first:
            waveform = Path(printed.rsplit("waveform: ", 1)[1].strip())
    assert [waveform] == [Path(shown(path)) for path in out.rglob("*.fst")]
    report, page = report_in(out), (out / "report.html").read_text()
    assert report["state"] == "done" and report["run"] in page and f"SEED={report['seed']}" in page


@pytest.mark.parametrize(("number", "code", "state"), [(signal.SIGTERM, 143, "stopped"), (signal.SIGKILL, -9, "running")])
def test_nothing_outlives_the_command(number: int, code: int, state: str, tmp_path: Path, seed: int) -> None:
    """Nothing goes on without the command, and the report says that there is none."""
    g = np.random.default_rng(seed)
    path, out = tmp_path / "tensors.npz", tmp_path / "out"
    np.savez(path, **{name: g.standard_normal((2, 1000, HEAD_DIM), dtype=np.float32) for name in "qkv"})
    process = start_sim("--tensors", str(path), "--out", str(out), "--jobs", "1")

    wait_until(lambda: belonging_to(out, b"vvp") or process.poll() is not None, "a simulator runs", 120)
    assert process.poll() is None, process.communicate()[0]
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in printed, printed
    wait_until(lambda: not belonging_to(out), "all of it ends")
    report = report_in(out)
    assert report["state"] == state and not report["passed"] and not report["heads"]
    assert state.upper() in (out / "report.html").read_text()
    assert report["stopped_by"] == ("ended by SIGTERM" if state == "stopped" else "")


MISTAKES = {
    "unknown configuration": (["--config", "huge"], "unknown configuration"),
    "tau beyond the headroom": (["--tau", "9"], "TAU"),
    "unknown schedule": (["--schedule", "backwards"], "SCHEDULE = 'backwards' is unknown"),
    "two sources": (["--checkpoint", "somewhere"], "CHECKPOINT"),
    "head out of range": (["--heads", "9"], "HEADS"),
    "no tokens": (["--tokens", "0"], "TOKENS"),
    "layer of a file": (["--layer", "1"], "LAYER"),
    "unknown simulator": (["--sim", "abacus"], "SIM"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tensors: Path, tmp_path: Path, run_here: Here) -> None:
    """One line that names the variable, exit code 2, no traceback, nothing written."""
    arguments, expected = MISTAKES[name]
    check_refused(run_here("--tensors", str(tensors), "--out", str(tmp_path / "out"), *arguments), expected, tmp_path)


def test_not_finite(tensors: Path, tmp_path: Path, run_here: Here) -> None:
    """NaN in a tensor is refused."""
    arrays = dict(np.load(tensors))
    arrays["k"][1, 3, 5] = np.nan
    np.savez(tensors, **arrays)
    check_refused(run_here("--tensors", str(tensors), "--out", str(tmp_path / "out")), "k", tmp_path)


def test_no_simulator(tensors: Path, tmp_path: Path, run_here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Icarus the command says what to run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    check_refused(run_here("--tensors", str(tensors), "--out", str(tmp_path / "out")), "make setup", tmp_path)


def check_refused(done: subprocess.CompletedProcess[str], expected: str, tmp_path: Path) -> None:
    """The command refused in one line and left nothing behind."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stderr.startswith("error: ")
    assert not (tmp_path / "out").exists()
