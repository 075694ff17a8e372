"""``fcim_exp2`` against the formulas of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_exp2", "rtl/softmax/fcim_exp2.v", "tb.exp2.bench_exp2"


@pytest.mark.sample(3)
@pytest.mark.parametrize(("lanes", "prob_bits"), [(8, 18), (8, 17), (8, 16), (8, 12), (8, 8), (8, 9), (3, 10), (1, 14)])
def test_exp2(lanes: int, prob_bits: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"LANES": lanes, "PROB_BITS": prob_bits}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new"), [
    ("zero[a]  = (lane_z == MASKED);", "zero[a]  = 1'b0;"),
    ("localparam [4:0] SHIFT_ZERO = 5'd20;", "localparam [4:0] SHIFT_ZERO = 5'd19;"),
    (", {EXTRA_BITS{1'b0}}}", ", {EXTRA_BITS{1'b1}}}"),
], ids=["mask-ignored", "last-bit-kept", "ones-behind-the-mantissa"])
def test_faults_are_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), r"p got \d+ expected \d+", TOP, BENCH, {"LANES": 8, "PROB_BITS": 18},
                RunOptions(seed=seed, testcase="every_tau"))
