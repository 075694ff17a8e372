"""``fcim_score_scaler`` against the formulas and the cycle rules of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_score_scaler", "rtl/softmax/fcim_score_scaler.v", "tb.score_scaler.bench_score_scaler"
NAMES = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "POS_BITS")
SIZES = [(16, 32, 2, 8, 11), (8, 16, 1, 16, 7), (24, 16, 8, 8, 18), (24, 128, 4, 16, 18), (64, 128, 1, 16, 18)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "-".join(map(str, size)))
def test_score_scaler(size: tuple[int, ...], seed: int) -> None:
    run_bench(TOP, BENCH, dict(zip(NAMES, size, strict=True)), RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "pattern", "message"), [
    ("&& (!block_first || block_free)", "&& block_free", "backpressure", "s_col_ready is 0, block_free 0"),
    ("shift_q[row_bank] <= row_shift;", "if (wr_first) shift_q[row_bank] <= row_shift;", "none", "z_data got"),
    ("v_mult_q     <= s_col_v_mult;", "v_mult_q     <= s_col_mult[V_MULT_BITS-1:0];", "none", "z_v_mult got"),
], ids=["room-awaited-inside-a-block", "shift-of-the-first-row", "multiplier-of-the-key"])
def test_faults_are_found(old: str, new: str, pattern: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, dict(zip(NAMES, SIZES[0], strict=True)),
                RunOptions(seed=seed, testcase=f"random_tiles/pattern={pattern}"))
