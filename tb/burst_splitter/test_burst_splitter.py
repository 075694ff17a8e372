"""The burst splitter with bursts up to 16 beats and up to 4 KB, and broken on purpose; tb/workloads/axi.py has more sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_burst_splitter", "rtl/system/fcim_burst_splitter.v", "tb.burst_splitter.bench_burst_splitter"
TESTS = 6
SMALL = {"DATA_BITS": 512, "MAX_BURST": 16}


@pytest.mark.parametrize(("data_bits", "max_burst"), [(128, 256), (256, 16)])
def test_burst_splitter(data_bits: int, max_burst: int, seed: int) -> None:
    assert run_bench(TOP, BENCH, {"DATA_BITS": data_bits, "MAX_BURST": max_burst}, RunOptions(seed=seed)).passed == TESTS


# ---- faults
PLAIN, DIFFERS = "commands/pattern=none", "m_burst beat|m_burst: .* unexpected"
FAULTS = {
    "page-one-beat-long": ("~address_q[PAGE_BITS-1:0]};", "~address_q[PAGE_BITS-1:0]} + 1'b1;", PLAIN, DIFFERS),
    "page-one-beat-short": ("~address_q[PAGE_BITS-1:0]};", "(~address_q[PAGE_BITS-1:0] == 0) ? {PAGE_BITS{1'b0}} : "
                            "~address_q[PAGE_BITS-1:0] - 1'b1};", PLAIN, DIFFERS),
    "longest-one-short": ("LONGEST = MAX_BURST - 1;", "LONGEST = MAX_BURST - 2;", PLAIN, DIFFERS),
    "rows-never-joined": ("wire one_run = (w_rows_q == ONE_ROW) ||", "wire one_run = (w_rows_q == ONE_ROW) || 1'b0 &&", PLAIN,
                          DIFFERS),
    "last-of-every-row": ("wire                last    = ends && (rows_q == 0);", "wire                last    = ends;", PLAIN,
                          DIFFERS),
    "ready-ignored": ("(!valid_q || m_burst_ready)", "(!valid_q || 1'b1)", "commands/pattern=backpressure",
                      "changed while|m_burst beat"),
    "clear-keeps-a-command": ("if (!rst_n || clear) begin\n            waits_q <= 1'b0;",
                              "if (!rst_n) begin\n            waits_q <= 1'b0;", "clear_drops_all", "after clear"),
    "clear-keeps-a-burst": ("if (!rst_n || clear) begin\n            valid_q <= 1'b0;",
                            "if (!rst_n) begin\n            valid_q <= 1'b0;", "clear_drops_all", "after clear"),
    "run-of-16-bits": ("one_run ? all_beats - 1'b1", "one_run ? (all_beats - 1'b1) & 34'h7f", "large_commands", "large command"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
