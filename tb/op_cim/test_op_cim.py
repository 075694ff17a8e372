"""``fcim_op_cim`` over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import ROOT
from tb.common.equal_texts import prove_equal
from tb.common.mutation import check_fault

TOP, BENCH = "fcim_op_cim", "tb.op_cim.bench_op_cim"
FILE, ARRAY, ROW = (f"rtl/op_cim/fcim_op_{name}.v" for name in ("cim", "array", "row"))
ACCUMULATORS = "rtl/op_cim/fcim_accumulators.v"
TESTS = 6
NAMES = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS")
SETS = [  # with the default every value of each parameter; ends with one lane and with one column among them
    (8, 16, 1, 8, 8, 64),
    (8, 16, 1, 16, 16, 131072),
    (16, 32, 2, 8, 18, 1024),
    (24, 64, 1, 16, 12, 131072),
    (24, 32, 8, 32, 8, 64),
    (8, 128, 8, 8, 17, 64),
    (64, 16, 4, 8, 12, 64),
    (16, 128, 4, 64, 18, 131072),
    (8, 64, 2, 64, 8, 64),
]
PROOF_CYCLES = 4    # two probabilities and a read with its answer, beside the slice's steps
DEFAULT = (64, 128, 1, 16, 16, 131072)
FAULTY = dict(zip(NAMES, (16, 32, 2, 8, 8, 64), strict=True))


@pytest.mark.sample(3)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_op_cim(values: tuple[int, ...], seed: int) -> None:
    result = run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed))
    assert result.passed == TESTS


def test_op_cim_default(seed: int) -> None:
    result = run_bench(TOP, BENCH, dict(zip(NAMES, DEFAULT, strict=True)),
                       RunOptions(seed=seed, extra_env={"OP_CIM_TILES": "2"}))
    assert result.passed == TESTS


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_op_cim_as_synthesized(values: tuple[int, ...], seed: int) -> None:
    """The array's other text, which synthesizers read."""
    result = run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed, fast_arrays=False))
    assert result.passed == TESTS


def test_op_cim_default_as_synthesized(seed: int) -> None:
    """A cycle of 8,192 adders costs Icarus some milliseconds, so one of the tests must do."""
    run_bench(TOP, BENCH, dict(zip(NAMES, DEFAULT, strict=True)),
              RunOptions(seed=seed, fast_arrays=False, testcase="short_blocks_with_gaps", extra_env={"OP_CIM_TILES": "2"}))


@pytest.mark.parametrize("bits", [4, 8])
def test_the_two_texts_are_equal(bits: int, tmp_path: Path) -> None:
    """By solver, small: the sizes do not matter to how cells are written, chosen, weighed, added and read."""
    size = {"ROWS": 8 // bits, "COLUMNS": 1, "BITS_PER_CYCLE": bits, "KEYS_PER_BLOCK": 2, "PROB_BITS": 2}
    prove_equal(ROOT / ARRAY, size, PROOF_CYCLES + 8 // bits, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize(("file", "fast", "old", "new", "message"), [
    (FILE, True, "RELEASE_LEFT = 4", "RELEASE_LEFT = 5", "slot_in_use is 00"),
    (FILE, True, "!busy_q || last_cycle;", "!busy_q;", "s_blk_ready is 0"),
    (FILE, True, "rmw_bank_q  <= bank_q", "rmw_bank_q  <= 1'b0", "columns differ|holds X"),
    (FILE, True, "first_step_q <= last_step;", "first_step_q <= 1'b0;", "bit_ops is"),
    (ROW, False, "slot ? slot1_q : slot0_q", "slot0_q", "columns differ|holds X"),
    (ROW, False, "!first && carry_q[i];", "1'b0;", "columns differ|holds X"),
    (ARRAY, False, "sum[u*OP_LANE +: OP_LANE] + more)", "sum[u*OP_LANE +: OP_LANE])", "columns differ|holds X"),
], ids=["slot-free-too-early", "bubble", "one-bank", "slices-run-together", "one-slot", "carries-lost", "carries-not-read"])
def test_faults_are_found(file: str, fast: bool, old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (file, old, new), message, TOP, BENCH, FAULTY,
                RunOptions(seed=seed, testcase="full_blocks_without_a_gap", fast_arrays=fast))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new"), [
    ("s_blk_rows > r[COUNT_BITS-1:0]", "s_blk_rows > r[COUNT_BITS-1:0] + 1'b1"),
    ("used_q[p*LANES];", "used_q[p*LANES + LANES-1];"),
], ids=["last-row-stands-still", "pass-of-some-rows-left-out"])
def test_a_row_in_use_that_stands_still_is_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), "columns differ|holds X", TOP, BENCH, FAULTY,
                RunOptions(seed=seed, testcase="short_blocks_with_gaps"))


@pytest.mark.faults
def test_activity_that_outlives_a_reset_is_found(seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, "            active_q <= 1'b0;\n", "            active_q <= active_q;\n"),
                "active is [1X] in the first cycle after a reset", TOP, BENCH, FAULTY,
                RunOptions(seed=seed, testcase="reset_in_a_block"))


@pytest.mark.faults
def test_a_chunk_that_is_not_kept_is_found(seed: int, tmp_path: Path) -> None:
    """It would follow what the memories give, which only changes once another tile is in them."""
    fault = (ACCUMULATORS, "        if (fresh_q) begin\n            for (a", "        begin\n            for (a")
    check_fault(tmp_path, fault, "columns differ|holds X", TOP, BENCH, FAULTY,
                RunOptions(seed=seed, testcase="last_chunk_of_a_tile_is_kept", fast_arrays=False))
