"""``fcim_score_lanes`` against the formulas of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_score_lanes", "rtl/softmax/fcim_score_lanes.v", "tb.score_lanes.bench_score_lanes"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("lanes", "head_dim", "pos_bits"), [(8, 128, 18), (1, 16, 7), (3, 32, 11), (4, 64, 8)])
def test_score_lanes(lanes: int, head_dim: int, pos_bits: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"LANES": lanes, "HEAD_DIM": head_dim, "POS_BITS": pos_bits}, RunOptions(seed=seed))


@pytest.mark.parametrize(("lanes", "head_dim", "headroom"), [(4, 64, 16), (1, 32, 1)])
def test_octaves_that_no_score_reaches(lanes: int, head_dim: int, headroom: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"LANES": lanes, "HEAD_DIM": head_dim, "POS_BITS": 8, "HEADROOM": headroom}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "testcase"), [
    ("clamped & visible_q2", "clamped", "random_keys"),
    (" || rounded == MASKED;", ";", "ends_of_the_range"),
    ("{score[IP_LANE-1]}", "{score[IP_LANE-2]}", "random_keys"),     # which differs in the largest score alone, of -128s
], ids=["masked-counts-as-clamped", "reserved-code-given", "largest-score-is-negative"])
def test_faults_are_found(old: str, new: str, testcase: str, seed: int, tmp_path: Path) -> None:
    message = "got .* expected|saturated [01]*X"        # a masked score that is not computed may be unknown
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"LANES": 3, "HEAD_DIM": 32, "POS_BITS": 11},
                RunOptions(seed=seed, testcase=testcase))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new"), [
    ("-Z_LIMIT : Z_TOP", "-Z_LIMIT : Z_LIMIT"), ("-Z_LIMIT : Z_TOP", "-Z_TOP : Z_TOP"), ("rounded > Z_TOP", "rounded >= Z_TOP"),
    ("!negative && rounded > Z_TOP", "rounded > Z_TOP"), ("(HEADROOM != 0)", "(HEADROOM == 0)"),
], ids=["clamped-to-all-there-is", "clamped-at-both-ends", "highest-counts-as-clamped", "negative-ones-clamped", "not-clamped"])
def test_faults_of_octaves_left_free_are_found(old: str, new: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), "got .* expected", TOP, BENCH,
                {"LANES": 3, "HEAD_DIM": 32, "POS_BITS": 11, "HEADROOM": 16}, RunOptions(seed=seed, testcase="ends_of_the_range"))
