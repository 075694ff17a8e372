"""``fcim_exp2`` against the formulas of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.common.mutation import mutated_sources


@pytest.mark.parametrize(("lanes", "prob_bits"), [(8, 16), (8, 12), (8, 8), (8, 9), (3, 10), (1, 14)])
def test_exp2(lanes: int, prob_bits: int, seed: int) -> None:
    run_bench("fcim_exp2", "tb.exp2.bench_exp2", {"LANES": lanes, "PROB_BITS": prob_bits}, RunOptions(seed=seed))


@pytest.mark.parametrize(("old", "new"), [
    ("zero[a]  = (lane_z == MASKED);", "zero[a]  = 1'b0;"),
    ("localparam [4:0] SHIFT_ZERO = 5'd18;", "localparam [4:0] SHIFT_ZERO = 5'd17;"),
], ids=["mask-ignored", "last-bit-kept"])
def test_fault_is_noticed(old: str, new: str, tmp_path: Path, seed: int) -> None:
    sources = mutated_sources(tmp_path, "rtl/softmax/fcim_exp2.v", old, new)
    with pytest.raises(BenchFailed, match=r"p got \d+ expected \d+"):
        run_bench("fcim_exp2", "tb.exp2.bench_exp2", {"LANES": 8, "PROB_BITS": 12},
                  RunOptions(seed=seed, sources=sources, build_root=tmp_path / "build", testcase="every_tau"))
