"""``fcim_normalizer`` over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_normalizer", "rtl/normalizer/fcim_normalizer.v", "tb.normalizer.bench_normalizer"
TESTS = 7
NAMES = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "ACC_BITS", "SUM_BITS")
SETS = [(8, 16, 1, 22, 14), (16, 32, 2, 41, 33), (24, 64, 1, 30, 22), (64, 32, 4, 34, 26), (8, 64, 8, 20, 12),
        (24, 16, 8, 41, 33)]
DEFAULT = (64, 128, 1, 41, 33)
FAULTY = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "ACC_BITS": 41, "SUM_BITS": 33}


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", [*SETS, DEFAULT], ids=["-".join(map(str, s)) for s in (*SETS, DEFAULT)])
def test_normalizer(values: tuple[int, ...], seed: int) -> None:
    result = run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed))
    assert result.passed == TESTS


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "testcase", "message"), [
    ("last_read ? bank_mask", "(issue && last_row) ? bank_mask", "tiles_of_any_size/pattern=none", "was released after"),
    ("end else if (enable) begin\n            divide_q <=", "end else begin\n            divide_q <=",
     "tiles_of_any_size/pattern=backpressure", "beats differ|dropped|a partial tile is read while"),
    ("&& !(part && rows_left)", "", "tiles_of_any_size/pattern=none", "a partial tile is read while"),
    ("divide_q || divide_q2 || divider_busy", "divide_q || divider_busy", "rows_between_slow_chunks",
     "a partial tile is read while"),
    ("divide_q || divide_q2 || divider_busy", "divide_q || divide_q2", "tiles_of_any_size/pattern=none",
     "a partial tile is read while"),
    ("if (enable && divide_q) begin", "if (divide_q) begin", "tiles_of_any_size/pattern=backpressure",
     "beats differ"),
    ("divider_ready && !(m_part_valid && !m_part_ready)", "divider_ready", "tiles_of_any_size/pattern=backpressure",
     "changed while valid|dropped|beats differ"),
    ("issue && !part;", "issue;", "tiles_of_any_size/pattern=none", "rows are on their way|m_o"),
    ("bank_partial[bank_q]", "bank_partial[0]", "tiles_of_any_size/pattern=none", "m_o|m_part|a partial tile"),
    ("m_part_last    = tile_end_q", "m_part_last    = row_end_q", "tiles_of_any_size/pattern=none", "m_part"),
], ids=["released-early", "read-lost-in-a-stall", "rows-overtaken",
        "the-row-in-the-register-overtaken", "rows-in-the-divider-overtaken", "chunk-overwritten-in-a-stall",
        "a-chunk-lost-in-a-stall", "partial-rows-divided", "flag-of-one-bank", "last-with-every-row"])
def test_faults_are_found(old: str, new: str, testcase: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, FAULTY, RunOptions(seed=seed, testcase=testcase))


@pytest.mark.faults
def test_a_row_that_is_being_read_is_not_overtaken(seed: int, tmp_path: Path) -> None:
    """Only where a row is one chunk can it be alone on its way to the divider's register."""
    fault = (FILE, "divide_q || divide_q2 || divider_busy", "divide_q2 || divider_busy")
    check_fault(tmp_path, fault, "a partial tile is read while", TOP, BENCH, {**FAULTY, "BITS_PER_CYCLE": 8},
                RunOptions(seed=seed, testcase="rows_between_slow_chunks"))
