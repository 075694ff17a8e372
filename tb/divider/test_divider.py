"""``fcim_divider`` at the widths of the narrowest, the default and the widest engine, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_divider", "rtl/normalizer/fcim_divider.v", "tb.divider.bench_divider"
TESTS = 5
# LANES = head_dim * bits_per_cycle / 8; SUM_BITS = prob_bits + log2(max_keys) - sum_cut; ACC_BITS = SUM_BITS + 8.
NARROWEST = {"LANES": 2, "ACC_BITS": 20, "SUM_BITS": 12}     # 8 bits, two blocks of 8
DEFAULT = {"LANES": 16, "ACC_BITS": 41, "SUM_BITS": 33}
MANY_LANES = {"LANES": 32, "ACC_BITS": 30, "SUM_BITS": 22}


@pytest.mark.parametrize("parameters", [NARROWEST, DEFAULT, MANY_LANES], ids=["narrowest", "default", "many-lanes"])
def test_divider(parameters: dict[str, int], seed: int) -> None:
    result = run_bench(TOP, BENCH, parameters, RunOptions(seed=seed))
    assert result.passed == TESTS


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "testcase", "message"), [
    (": {1'b0, in_sum}};", ": {(SUM_BITS+1){1'b0}}};", "exact_halves_round_away_from_zero", "gave .*, expected"),
    ("else if (enable) begin\n            valid_q", "else begin\n            valid_q", "enable_stops_every_stage",
     "result 0 (holds X|lane)"),
], ids=["truncated", "valid-runs-on"])
def test_faults_are_found(old: str, new: str, testcase: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, NARROWEST, RunOptions(seed=seed, testcase=testcase))
