"""The IP-CIM macro: each value of a size meets each value of the two others, with 2, 4 or 8 banks. Four of the sizes run
everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import ROOT
from tb.common.equal_texts import prove_equal
from tb.common.legal import refusals
from tb.common.mutation import check_fault

TOP, BENCH = "fcim_ip_cim", "tb.ip_cim.bench_ip_cim"
FILE, ARRAY, ROW = (f"rtl/ip_cim/fcim_ip_{name}.v" for name in ("cim", "array", "row"))
ROWS, HEAD_DIMS, BITS = (8, 24, 64, 128), (16, 32, 64, 128), (1, 2, 4, 8)
# A Latin square: rows and head_dim give the bits.
SIZES = [(ROWS[i], HEAD_DIMS[j], BITS[(i + j + 3) % 4]) for i in range(4) for j in range(4)]
WHOLE = [(64, 128, 1), (24, 32, 2), (128, 16, 4), (8, 16, 8)]
BANKS = {size: (2, 4, 8)[i % 3] for i, size in enumerate(SIZES)} | {WHOLE[0]: 2, WHOLE[2]: 4}
PROOF_CYCLES = 4    # two rows, a key and its column, beside the key's steps
PARTS = ["streams/pattern=both", "every_bit"]


def parameters(rows: int, head_dim: int, bits: int, banks: int = 0) -> dict[str, int]:
    """Of ``fcim_ip_cim``; the sideband's width, 1, 20 or 40 bits, and the banks, 2, 4 or 8, are the size's."""
    return {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "BANKS": banks or BANKS[rows, head_dim, bits],
            "USER_BITS": {8: 1, 24: 40}.get(rows, 20)}


@pytest.mark.sample(4)
@pytest.mark.parametrize("size", SIZES, ids=["-".join(map(str, size)) for size in SIZES])
def test_ip_cim(size: tuple[int, int, int], seed: int) -> None:
    run_bench(TOP, BENCH, parameters(*size), RunOptions(seed=seed, testcase=None if size in WHOLE else PARTS))


@pytest.mark.parametrize("size", WHOLE[1:], ids=["-".join(map(str, size)) for size in WHOLE[1:]])
def test_ip_cim_as_synthesized(size: tuple[int, int, int], seed: int) -> None:
    """The array's other text, which synthesizers read."""
    run_bench(TOP, BENCH, parameters(*size), RunOptions(seed=seed, fast_arrays=False))


def test_ip_cim_default_as_synthesized(seed: int) -> None:
    run_bench(TOP, BENCH, parameters(*WHOLE[0]), RunOptions(seed=seed, fast_arrays=False, testcase=PARTS[0]))


@pytest.mark.parametrize(("bits", "banks"), [(2, 2), (4, 2), (8, 2), (4, 4), (8, 8)])
def test_the_two_texts_are_equal(bits: int, banks: int, tmp_path: Path) -> None:
    """By solver, small: the sizes do not matter to how cells are written, chosen, weighed and added."""
    size = {"ROWS": 2, "HEAD_DIM": 2, "BITS_PER_CYCLE": bits, "BANKS": banks}
    prove_equal(ROOT / ARRAY, size, PROOF_CYCLES + 8 // bits, tmp_path)


@pytest.mark.parametrize("banks", [1, 3, 6, 16])
def test_other_numbers_of_banks_are_refused(banks: int) -> None:
    assert refusals(TOP, {"BANKS": 8}) == set()
    assert refusals(TOP, {"BANKS": banks}) == {"BANKS_use_2_4_or_8"}


@pytest.mark.faults
@pytest.mark.parametrize(("file", "fast", "old", "new", "message"), [
    (ARRAY, True, "if (q_row == 0)", "if (q_row == 0 && !q_bank)", "data lane"),
    (ARRAY, False, ": (q_row == 0) ? row : used1_q | row;", ": used1_q | row;", "data lane"),
    (ARRAY, False, "next_bank ? used1 : used0;", "used0;", "data lane|data is X"),
    (ROW, False, "(sum_q + carry_q)", "sum_q", "data lane"),
    (ARRAY, False, "live_q <= chosen0_q | other;", "live_q <= {ROWS{1'b1}};", "data lane"),
    (FILE, True, "busy_q && (!last_step || col_free);", "busy_q;", "m_col: data changed while valid waited for ready"),
    (FILE, True, "!busy_q || handoff;", "!busy_q;", "was accepted in cycle"),
    (FILE, True, "active_q    <= step;", "active_q    <= busy_q;", "active cycles for"),
], ids=["rows-not-cleared", "rows-stay-in-use", "one-bank", "carries-lost", "row-never-falls-out-of-use",
        "column-lost", "bubble", "active-while-waiting"])
def test_faults_are_found(file: str, fast: bool, old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (file, old, new), message, TOP, BENCH, parameters(8, 16, 2, 2),
                RunOptions(seed=seed, testcase="streams/pattern=both", fast_arrays=fast))


@pytest.mark.faults
@pytest.mark.parametrize(("file", "fast", "old", "new"), [
    (ARRAY, True, "bank_q <= load_bank;", "bank_q <= load_bank & ~{{(BANK_BITS-1){1'b0}}, 1'b1};"),
    (ARRAY, True, "cell_q[{q_bank, w[DIM_BITS-1:0]}] <=", "cell_q[{1'b0, q_bank[BANK_BITS-2:0], w[DIM_BITS-1:0]}] <="),
    (ARRAY, False, "(next_bank == BANK[BANK_BITS-1:0])", "(next_bank[BANK_BITS-1:1] == BANK[BANK_BITS-1:1])"),
    (ARRAY, False, "| any[(2*m + 1)*ROWS +: ROWS];", "| {ROWS{1'b0}};"),
    (ARRAY, False, "(q_row == 0)  ? row : own | row;", "own | row;"),
    (ROW, False, "| held[(2*m + 1)*HEAD_DIM*8 +: HEAD_DIM*8];", "| {HEAD_DIM*8{1'b0}};"),
    (ROW, False, "& {HEAD_DIM*8{chosen[m + 1]}};", "& {HEAD_DIM*8{1'b1}};"),
], ids=["even-banks-alone", "upper-banks-lost", "two-banks-at-once", "rows-of-a-bank-forgotten", "rows-of-a-bank-not-cleared",
        "cells-of-a-bank-lost", "cells-of-all-banks"])
def test_faults_of_many_banks_are_found(file: str, fast: bool, old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (file, old, new), "data lane|data is X", TOP, BENCH, parameters(8, 16, 2, 8),
                RunOptions(seed=seed, testcase="streams/pattern=both", fast_arrays=fast))
