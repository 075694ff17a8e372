"""The row collector for one engine to seventeen, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_row_collector", "rtl/system/fcim_row_collector.v", "tb.row_collector.bench_row_collector"
PATTERNS = 4


@pytest.mark.parametrize("engines", [1, 3, 17])
def test_row_collector(engines: int, seed: int) -> None:
    assert run_bench(TOP, BENCH, {"ENGINES": engines, "WIDTH": 20}, RunOptions(seed=seed)).passed == PATTERNS


# ---- faults
PLAIN, BUSY, ORDER = "rows/pattern=none", "rows/pattern=both", "the order is|has no ready"
BEHIND = "\n" + 50 * " " + "&& !chosen[a];"
FAULTS = {
    "the-lowest-first": (f"(first_q[a*ENGINES + b] || chosen[b]){BEHIND}", "(a < b);", PLAIN, ORDER),
    "stays-first": (BEHIND, ";", PLAIN, ORDER),
    "after-every-row": ("else if (open && data[WIDTH-1])", "else if (open)", PLAIN, ORDER),
    "a-row-lost": ("open = !valid_q || m_o_ready;", "open = 1'b1;", BUSY, f"{ORDER}|changed|did not come|dropped"),
    "of-another": ("engine = engine | e[ENGINE_BITS-1:0];", "engine = engine | ~e[ENGINE_BITS-1:0];", PLAIN, "engine got"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"ENGINES": 4, "WIDTH": 20},
                RunOptions(sim="icarus", seed=seed, testcase=testcase))
