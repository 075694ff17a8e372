"""``fcim_row_divider`` over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_row_divider", "rtl/normalizer/fcim_row_divider.v", "tb.row_divider.bench_row_divider"
TESTS = 5
ONE_CHUNK = {"HEAD_DIM": 16, "COLUMNS": 16, "ACC_BITS": 22, "SUM_BITS": 14}
NARROW_CHUNKS = {"HEAD_DIM": 16, "COLUMNS": 2, "ACC_BITS": 20, "SUM_BITS": 12}
WIDE_SUMS = {"HEAD_DIM": 32, "COLUMNS": 8, "ACC_BITS": 43, "SUM_BITS": 35}


@pytest.mark.parametrize("parameters", [ONE_CHUNK, NARROW_CHUNKS, WIDE_SUMS], ids=["one-chunk", "narrow-chunks", "wide-sums"])
def test_row_divider(parameters: dict[str, int], seed: int) -> None:
    assert run_bench(TOP, BENCH, parameters, RunOptions(seed=seed)).passed == TESTS


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "pattern", "message"), [
    ("wire enable = !(m_o_valid && !m_o_ready);", "wire enable = 1'b1;", "backpressure", "valid dropped"),
    ("if (enable && div_valid) begin", "if (enable) begin", "gaps", "beats differ"),
    ("tile_end_q[PIPE-1];", "row_end_q[PIPE-1];", "none", "beats differ"),
    ("s_chunk_valid && s_chunk_row_end", "s_chunk_row_end", "gaps", "beats differ|not expected|valid is X|holds X|is X in"),
], ids=["stall-ignored", "gap-taken", "every-row-last", "row-without-chunk"])
def test_faults_are_found(old: str, new: str, pattern: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, NARROW_CHUNKS,
                RunOptions(seed=seed, testcase=f"rows_from_chunks/pattern={pattern}"))
