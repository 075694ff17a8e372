"""The IP-CIM macro: each value of a size meets each value of the two others. Four of the sizes run everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import ROOT
from tb.common.equal_texts import prove_equal
from tb.common.mutation import check_fault

TOP, BENCH = "fcim_ip_cim", "tb.ip_cim.bench_ip_cim"
FILE, ARRAY, ROW = (f"rtl/ip_cim/fcim_ip_{name}.v" for name in ("cim", "array", "row"))
ROWS, HEAD_DIMS, BITS = (8, 24, 64, 128), (16, 32, 64, 128), (1, 2, 4, 8)
# A Latin square: rows and head_dim give the bits.
SIZES = [(ROWS[i], HEAD_DIMS[j], BITS[(i + j + 3) % 4]) for i in range(4) for j in range(4)]
WHOLE = [(64, 128, 1), (24, 32, 2), (128, 16, 4), (8, 16, 8)]
PROOF_CYCLES = 4    # two rows, a key and its column, beside the key's steps
PARTS = ["streams/pattern=both", "every_bit"]


def parameters(rows: int, head_dim: int, bits: int) -> dict[str, int]:
    """Of ``fcim_ip_cim``; the sideband's width is 1, 20 or 40 bits, as the size has it."""
    return {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "USER_BITS": {8: 1, 24: 40}.get(rows, 20)}


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


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_two_texts_are_equal(bits: int, tmp_path: Path) -> None:
    """By solver, small: the sizes do not matter to how cells are written, chosen, weighed and added."""
    size = {"ROWS": 2, "HEAD_DIM": 2, "BITS_PER_CYCLE": bits}
    prove_equal(ROOT / ARRAY, size, PROOF_CYCLES + 8 // bits, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize(("file", "fast", "old", "new", "message"), [
    (ARRAY, True, "if (q_row == 0)", "if (q_row == 0 && !q_bank)", "data lane"),
    (ARRAY, False, ": (q_row == 0) ? row : used1_q | row;", ": used1_q | row;", "data lane"),
    (ARRAY, False, "next_bank ? used1 : used0;", "used0;", "data lane"),
    (ROW, False, "(sum_q + carry_q)", "sum_q", "data lane"),
    (ARRAY, False, "live_q <= chosen0_q | chosen1_q;", "live_q <= {ROWS{1'b1}};", "data lane"),
    (FILE, True, "busy_q && (!last_step || col_free);", "busy_q;", "m_col: data changed while valid waited for ready"),
    (FILE, True, "!busy_q || handoff;", "!busy_q;", "was accepted in cycle"),
    (FILE, True, "active_q    <= step;", "active_q    <= busy_q;", "active cycles for"),
], ids=["rows-not-cleared", "rows-stay-in-use", "one-bank", "carries-lost", "row-never-falls-out-of-use",
        "column-lost", "bubble", "active-while-waiting"])
def test_faults_are_found(file: str, fast: bool, old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (file, old, new), message, TOP, BENCH, parameters(8, 16, 2),
                RunOptions(seed=seed, testcase="streams/pattern=both", fast_arrays=fast))
