"""The ablation's counts and outputs, asked of the Verilog."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from models.hardware.config import EngineConfig
from models.hardware.golden import run_tile
from models.hardware.schedules import SCHEDULES, TileOptions
from scripts.flow.simulator import BenchFailed
from scripts.studies.schedules import rtl
from tests.studies.samples import CFG, tensors


@pytest.mark.parametrize(("fault", "message"), [
    (None, ""), ("counter", "counter rescaled_rows is"), ("output", "the output differs"), ("problem", "protocol"),
    ("bench", "3 of 5")])
def test_the_verilog_is_asked_and_believed(fault: str | None, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that differs anywhere from the ablation's own counts does not confirm them."""
    def fake_engine(cfg: EngineConfig, tiles: list, **_: object) -> list[SimpleNamespace]:
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

    monkeypatch.setattr(rtl, "run_core", fake_engine)
    found = rtl.confirm(CFG, tensors(1, 60), 1)
    assert {c.setting for c in found} >= {TileOptions(s, f).name for s in SCHEDULES for f in (False, True)}
    assert any(c.skip for c in found)
    assert {c.phase for c in found} == {"prefill", "decode"}
    only = rtl.confirm(replace(CFG, prob_bits=8), tensors(1, 60), 1, schedules=("sink_diagonal",)) if not fault else []
    assert all(c.setting.startswith("sink_diagonal") and "tau 8" not in c.setting for c in only)
    assert all(c.ok == (fault is None) and any(message in p for p in c.problems) == bool(fault) for c in found)
