"""``make system`` around the simulation: what it reports when the accelerator gives what the golden model gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from models.hardware.interface import COUNTERS
from models.system.call import Call, golden
from models.system.config import SystemConfig
from models.system.descriptor import COMPLETION_BYTES, DESCRIPTOR_BYTES
from models.system.layout import lay_out
from scripts.system import run as command
from scripts.system.__main__ import parse_args, repeat_command
from scripts.system.picture import COUNTER_DIGITS
from tb.accelerator.run import COUNTED, CallRun

CYCLES, STEPS = 4000, 10


def ideal(system: SystemConfig, calls: Sequence[Call], *_: object, samples: Path, **more: object) -> list[CallRun]:
    """What an accelerator would give that does nothing wrong and nothing in vain; nobody waits."""
    call, = calls
    out, placed = golden(system, call)
    counters = [dict.fromkeys(COUNTERS, 0) | {"cycles": CYCLES} | {
        name: sum(getattr(one.result.stats, name) for one in placed if one.engine == engine) for name in COUNTED}
        for engine in range(system.engines)]
    layout = lay_out(system, call, 0, 0)
    whole = {base: len(data) for base, data in layout.images}
    read = sum(-(-size // system.beat_bytes) for size in whole.values()) + DESCRIPTOR_BYTES // system.beat_bytes
    blocks = sum(call.prefill(system).reads(call.own_start) if call.split is None else call.decode(system).reads())
    beats = (layout.o.length + COMPLETION_BYTES) // system.beat_bytes
    digits = COUNTER_DIGITS * len(COUNTERS) * system.engines
    samples.write_text("".join(f"{CYCLES * i // STEPS:x} {read * i // STEPS:x} {beats * i // STEPS:x} {blocks * i // STEPS:x} "
                               f"{blocks * i // STEPS:x} {'0' * digits}\n" for i in range(STEPS + 1)))
    return [CallRun([], CYCLES, read, beats, blocks, blocks, counters, [out.numpy()],
                    {"build": 0.0, "simulation": 1.0, "golden": 1.0})]


# A prefill's heads have 5 waves of 2 engines, of 1 to 5 blocks: 15, and 22 and 21 with what tiles are sent alone for their own
# start. A tile of 4 tokens sees 4, 8, ... 40 keys in blocks of 8. A decode's 61 keys are 8 blocks.
@pytest.mark.parametrize(("phase", "tokens", "times"), [("prefill", 40, (1, 43 / 30, 240 / 220)),
                                                        ("decode", 61, (64 / 61, 1, 64 / 61))])
def test_the_report(phase: str, tokens: int, times: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                    capsys: pytest.CaptureFixture[str]) -> None:
    """Says that the tensors are synthetic, what moved against the least, and how the run is repeated."""
    monkeypatch.setattr(command, "run_calls", ideal)
    args = parse_args(["--system=tiny", "--geometry=llama3.2-1b", "--heads=2", f"--phase={phase}", f"--tokens={tokens}",
                       f"--out={tmp_path / 'out'}"])
    assert command.run(args, 7, repeat_command(args, 7)) == 0
    data, page = json.loads((tmp_path / "out" / "report.json").read_text()), (tmp_path / "out" / "report.html").read_text()
    assert (tmp_path / "out" / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert data["verdict"] == "PASS" and data["synthetic"] is True and data["source"]["geometry"] == "llama3.2-1b"
    assert data["command"] == (f"make system SYSTEM=tiny GEOMETRY=llama3.2-1b HEADS=2 TOKENS={tokens} PHASE={phase} "
                               "DRAM_GBS=51.2 DRAM_LATENCY=100 SEED=7")
    assert "Synthetic tensors:" in page and "synthetic" in capsys.readouterr().out
    traffic = {place: bytes["moved"] / bytes["least"] for place, bytes in data["figures"]["traffic"].items()}
    assert 1 < traffic.pop("memory") < 1.5
    assert list(traffic) == ["into the buffer", "out of the buffer", "into engines"]
    assert tuple(traffic.values()) == pytest.approx(times, abs=1e-6)
    assert data["keys"] == tokens and data["figures"]["sqnr_db"][0] > 20


def test_tensors_of_ones_own(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's heads, all its tokens unless TOKENS cuts them, without the name of a model."""
    monkeypatch.setattr(command, "run_calls", ideal)
    path = tmp_path / "mine.npz"
    generator = np.random.default_rng(seed)
    np.savez(path, **{name: generator.standard_normal((heads, 24, 32), dtype=np.float32)
                      for name, heads in (("q", 4), ("k", 2), ("v", 2))})
    for given, keys in (([], 24), (["--tokens=16"], 16)):
        args = parse_args(["--system=tiny", f"--tensors={path}", *given, f"--out={tmp_path / 'out'}"])
        assert command.run(args, 7, repeat_command(args, 7)) == 0
        data = json.loads((tmp_path / "out" / "report.json").read_text())
        assert data["keys"] == keys and data["source"]["file"] == "mine.npz" and data["synthetic"] is False
        assert f"TENSORS={path}" in data["command"] and data["figures"]["sqnr_db"][0] > 20
