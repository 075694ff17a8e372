"""``fcim_merge`` over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import check_limits
from tb.common.mutation import check_fault, mutated_sources

TOP, FILE, BENCH = "fcim_merge", "rtl/system/fcim_merge.v", "tb.merge.bench_merge"
TESTS = 11
NAMES = ("PARTS", "HEAD_DIM", "BITS_PER_CYCLE", "PROB_BITS", "MAX_KEYS")
SETS = [(2, 16, 8, 8, 64), (4, 16, 1, 10, 64), (5, 32, 4, 16, 1024), (16, 16, 8, 18, 131072)]
SMALL = {"PARTS": 3, "HEAD_DIM": 16, "BITS_PER_CYCLE": 4, "PROB_BITS": 12, "MAX_KEYS": 1024}
ONE_CHUNK = SMALL | {"BITS_PER_CYCLE": 8}       # of a row: rows follow one another most closely


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_merge(values: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed)).passed == TESTS


CUT_SETS = [(2, 16, 8, 8, 64, 2), (5, 32, 4, 16, 1024, 1), (16, 16, 8, 18, 131072, 11), (9, 16, 2, 12, 4096, 3)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", CUT_SETS, ids=["-".join(map(str, s)) for s in CUT_SETS])
def test_parts_of_cut_sums(values: tuple[int, ...], seed: int) -> None:
    """Together the parts need more bits than one has: as many as their number asks for, or all that were cut."""
    assert run_bench(TOP, BENCH, dict(zip((*NAMES, "SUM_CUT"), values, strict=True)), RunOptions(seed=seed)).passed == TESTS


@pytest.mark.faults
@pytest.mark.sample(1)
@pytest.mark.parametrize(("old", "new"), [
    ("(SUM_CUT < $clog2(PARTS)) ? SUM_CUT : $clog2(PARTS);", "0;"),
    ("(SUM_CUT < $clog2(PARTS)) ? SUM_CUT : $clog2(PARTS);", "$clog2(PARTS) - 1;"),
    ("{(MORE_BITS+1){word[l*ACC_BITS + ACC_BITS-1]}}", "{(MORE_BITS+1){1'b0}}"),
], ids=["no-wider-than-a-part", "a-bit-short", "without-sign"])
def test_faults_of_cut_sums_are_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    parameters = SMALL | {"PARTS": 4, "BITS_PER_CYCLE": 8, "PROB_BITS": 8, "SUM_CUT": 4}
    check_fault(tmp_path, (FILE, old, new), "beats differ", TOP, BENCH, parameters,
                RunOptions(sim="icarus", seed=seed, testcase="tiles/pattern=none"))


PARTS = ((2, 3, 16), (0, 1, 17))      # legal ones and others


def test_only_legal_numbers_of_parts_elaborate() -> None:
    check_limits(TOP, SMALL, "PARTS", *PARTS)


# ---- faults
DIFFER, TAKEN = "beats differ", "is taken|s_part_ready is X"
ENDS, NONE, GAPS = "ends_that_disagree_are_noticed", "tiles/pattern=none", "tiles/pattern=gaps"
BACKPRESSURE = "tiles/pattern=backpressure"
FAULTS = {
    "maximum-of-one-half": ("(low_max_q > high_max_q) ? low_max_q : high_max_q", "low_max_q", NONE, DIFFER),
    "maximum-without-sign": ("(left > right) ?", "($unsigned(left) > $unsigned(right)) ?", NONE, DIFFER),
    "others-have-a-maximum": ("if (parts_q[n]) begin", "if (1'b1) begin", NONE, DIFFER),
    "shift-not-clamped": ("(rise[MAX_BITS:SHIFT_BITS] != 0) ? {SHIFT_BITS{1'b1}} : ", "", "every_distance", DIFFER),
    "cut-off-instead-of-rounded": ("fcim_round_shift(wide, a_shift_q)", "(wide >>> a_shift_q)", NONE, DIFFER),
    "old-sums-stay": (" & {ALL_BITS{!a_first_q}}", "", NONE, f"{DIFFER}|is X in an accepted"),
    "one-part-is-enough": ("(s_part_valid | ~parts_q) == {PARTS{1'b1}}", "(s_part_valid & parts_q) != 0", GAPS,
                           f"{DIFFER}|{TAKEN}"),
    "sum-overwritten": ("busy_q && !stall_q && left_q", "busy_q && left_q", "rows_that_wait", DIFFER),
    "taken-while-it-stands": ("= turn & {PARTS{!stall_q}}", "= turn", BACKPRESSURE, f"{DIFFER}|{TAKEN}"),
    "ready-sees-the-output": ("= turn & {PARTS{!stall_q}}", "= turn & {PARTS{!stall_q && (b_ready || !b_valid_q)}}",
                              "readies_depend_on_registers_only", "moves a ready"),
    "next-tile-late": ("s_merge_ready = !busy_q;", "s_merge_ready = !busy_q && left_q == 0;",
                       "chunk_after_chunk", "cycles to the"),
    "ends-apart-missed": ("(ends != parts_q || !row_end)", "!row_end", ENDS, "one too early|one too late"),
    "end-in-a-row-missed": ("(ends != parts_q || !row_end)", "ends != parts_q", ENDS, "within a row"),
    "no-part-missed": (" || s_merge_parts == {PARTS{1'b0}};", ";", ENDS, "no part"),
    "no-part-kept": ("busy_q  <= (s_merge_parts != {PARTS{1'b0}});", "busy_q  <= 1'b1;", ENDS, "is not dropped"),
    "not-sticky": ("error_q <= error_q\n                        ||", "error_q <=", ENDS,
                   "no part, then a good tile|one too"),
    "reset-keeps-the-chunk": ("chunk_q <= {CHUNK_BITS{1'b0}};\n            error_q",
                              "chunk_q <= (chunk_q[0] === 1'bx) ? {CHUNK_BITS{1'b0}} : chunk_q;\n            error_q",
                              "reset_drops_what_is_inside", f"{DIFFER}|{TAKEN}"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    parameters = ONE_CHUNK if testcase == "rows_that_wait" else SMALL
    options = RunOptions(sim="icarus", seed=seed, testcase=testcase)
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, parameters, options)


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("PARTS > 16", "PARTS >= 16", "16 refused"), ("PARTS < 2", "PARTS < 1", "1 taken"), ("PARTS > 16", "PARTS > 17", "17 taken"),
], ids=["most-refused", "one-taken", "one-more-taken"])
def test_limits_that_are_moved_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_limits(TOP, SMALL, "PARTS", *PARTS, mutated_sources(tmp_path, FILE, old, new))
