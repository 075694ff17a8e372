"""``fcim_normalizer`` over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_normalizer", "rtl/normalizer/fcim_normalizer.v", "tb.normalizer.bench_normalizer"
TESTS = 5
NAMES = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "ACC_BITS", "SUM_BITS")
SETS = [(8, 16, 1, 22, 14), (16, 32, 2, 41, 33), (24, 64, 1, 30, 22), (64, 32, 4, 34, 26), (8, 64, 8, 22, 14),
        (24, 16, 8, 41, 33)]
DEFAULT = (64, 128, 1, 41, 33)
FAULTY = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "ACC_BITS": 41, "SUM_BITS": 33}


@pytest.mark.parametrize("values", [*SETS, DEFAULT], ids=["-".join(map(str, s)) for s in (*SETS, DEFAULT)])
def test_normalizer(values: tuple[int, ...], seed: int) -> None:
    result = run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed))
    assert result.passed == TESTS


@pytest.mark.parametrize(("old", "new", "testcase", "message"), [
    ("last_read ? bank_mask", "(issue && last_row) ? bank_mask", "tiles_of_any_size/pattern=none", "was released after"),
    ("read_q <= 1'b0;\n        end else if (enable) begin", "read_q <= 1'b0;\n        end else begin",
     "tiles_of_any_size/pattern=backpressure", "beats differ"),
], ids=["released-early", "read-lost-in-a-stall"])
def test_faults_are_found(old: str, new: str, testcase: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, FAULTY, RunOptions(seed=seed, testcase=testcase))
