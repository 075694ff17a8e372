"""``fcim_acc_update`` at the widest, the narrowest and odd widths, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_acc_update", "rtl/op_cim/fcim_acc_update.v", "tb.acc_update.bench_acc_update"
TESTS = 4
# Widths follow docs/numbers.md: OP_LANE = prob_bits + 8 + log2(keys_per_block) and so on.
NARROWEST = {"LANES": 1, "COLUMNS": 1, "ACC_BITS": 20, "OP_LANE": 19, "BSUM_BITS": 11}  # 8 bits, sums of two blocks of 8
U_AS_WIDE_AS_ACC = {"LANES": 3, "COLUMNS": 2, "ACC_BITS": 22, "OP_LANE": 22, "BSUM_BITS": 14}  # 8 bits, 64 keys, blocks of 64
DEFAULT = {"LANES": 8, "COLUMNS": 8, "ACC_BITS": 41, "OP_LANE": 28, "BSUM_BITS": 20}  # 16 bits, 131072 keys, blocks of 16
WIDEST = {"LANES": 16, "COLUMNS": 4, "ACC_BITS": 41, "OP_LANE": 30, "BSUM_BITS": 22}  # ... blocks of 64


@pytest.mark.sample(2)
@pytest.mark.parametrize("parameters", [NARROWEST, U_AS_WIDE_AS_ACC, DEFAULT, WIDEST],
                         ids=["narrowest", "u-as-wide-as-acc", "default", "widest"])
def test_acc_update(parameters: dict[str, int], seed: int) -> None:
    result = run_bench(TOP, BENCH, parameters, RunOptions(seed=seed))
    assert result.passed == TESTS


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "testcase", "message"), [
    ("fcim_round_shift(old, row_shift);", "old >>> row_shift;",
     "halves_round_towards_plus_infinity", "got .*, expected"),
    ("clear ? {ACC_BITS{1'b0}} : ", "", "clear_takes_every_accumulator_as_zero", "clear 1 .*got|holds X"),
], ids=["floor", "clear-ignored"])
def test_faults_are_found(old: str, new: str, testcase: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, U_AS_WIDE_AS_ACC, RunOptions(seed=seed, testcase=testcase))
