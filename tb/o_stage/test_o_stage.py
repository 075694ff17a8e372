"""The stage for rows of O with the least room and with more, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_o_stage", "rtl/system/fcim_o_stage.v", "tb.o_stage.bench_o_stage"
TESTS = 7
SMALL = {"ENGINES": 2, "HEAD_DIM": 16, "O_ROWS": 8}


@pytest.mark.parametrize("rows", [1, 2, 16])
def test_o_stage(rows: int, seed: int) -> None:
    assert run_bench(TOP, BENCH, {**SMALL, "O_ROWS": rows}, RunOptions(seed=seed)).passed == TESTS


# ---- faults
STAYS, FILLS = "an_offer_stays", "fills"
FAULTS = {
    "never-held": ("wire held   = hold &&", "wire held   = 1'b0 &&", STAYS, "m_o_valid is 1"),
    "held-to-the-end": ("(rows_q <= HALF[LEVEL_BITS-1:0])", "1'b1", FILLS, "m_o_valid is 0"),
    "half-and-one": ("(rows_q <= HALF[LEVEL_BITS-1:0])", "(rows_q <= HALF[LEVEL_BITS-1:0] + 1'b1)", FILLS, "m_o_valid is 0"),
    "an-offer-withdrawn": ("&& !offered_q;", ";", STAYS, "m_o_valid is 0|dropped"),
    "a-row-lost": (".m_ready(m_o_ready && !held)", ".m_ready(m_o_ready)", STAYS, "m_o beat|did not come|empty is|s_o_ready is"),
    "counts-offers": ("wire leaves = m_o_valid && m_o_ready;", "wire leaves = m_o_valid;", STAYS, "m_o_valid is"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
