"""``fcim_row_max`` against the rules of the specification, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_row_max", "rtl/softmax/fcim_row_max.v", "tb.row_max.bench_row_max"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("lanes", "bits", "prob_bits"), [(8, 1, 16), (1, 1, 8), (4, 2, 12), (3, 4, 10), (16, 8, 16), (8, 8, 9)])
def test_row_max(lanes: int, bits: int, prob_bits: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"LANES": lanes, "BITS_PER_CYCLE": bits, "PROB_BITS": prob_bits}, RunOptions(seed=seed))


CUTS = [(8, 1, 16, 16, 21), (1, 1, 8, 8, 12), (4, 2, 12, 16, 19), (3, 4, 10, 32, 17), (16, 8, 18, 64, 25), (1, 8, 9, 8, 15)]


@pytest.mark.sample(2)
@pytest.mark.parametrize(("lanes", "bits", "prob_bits", "keys", "cut"), CUTS)
def test_cut_sums(lanes: int, bits: int, prob_bits: int, keys: int, cut: int, seed: int) -> None:
    """Sums that hold 2 blocks of the largest probabilities, the least there may be, 4 or 8."""
    run_bench(TOP, BENCH, {"LANES": lanes, "BITS_PER_CYCLE": bits, "PROB_BITS": prob_bits, "KEYS_PER_BLOCK": keys,
                           "CUT_BITS": cut}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.sample(4)
@pytest.mark.parametrize(("old", "new", "message"), [
    ("left_out_q <= judged_zero && a_skip_q;", "left_out_q <= 1'b0;", "running maxima|shifts|rescaled rows"),
    ("left_out_q <= judged_zero && a_skip_q;", "left_out_q <= judged_zero;", "running maxima|shifts|rescaled rows"),
    ("a_first_q  ? {KEPT_BITS{1'b1}}", "1'b0 ? {KEPT_BITS{1'b1}}", "running maxima|shifts|rescaled rows|is X"),
    ("kept  = kept >>> 1;", "kept  = kept;", "running maxima|shifts|rescaled rows"),
    ("(exponent == 0) ?", "1'b0 ?", "running maxima|shifts|rescaled rows"),
    ("(sum[CUT_BITS] || &sum[CUT_BITS-1:0])", "sum[CUT_BITS-1]", "running maxima|shifts|rescaled rows"),
    ("(sum[CUT_BITS] || &sum[CUT_BITS-1:0])", "sum[CUT_BITS]", "running maxima|shifts|rescaled rows"),
    ("a_first_q  ? {KEPT_BITS{1'b1}}", "1'b1 ? {KEPT_BITS{1'b1}}", "running maxima|shifts|rescaled rows"),
    ("over     = !sum[KEPT_BITS] && (", "over     = sum[KEPT_BITS] && (", "running maxima|shifts|rescaled rows"),
    ("+ {{(ROW_MAX_BITS-1){1'b0}}, over_all[t]};", "+ {ROW_MAX_BITS{1'b0}};", "running maxima"),
    ("top_count_all | over_all", "top_count_all", "judged_zero"),
    ("top_move_all | over_all", "top_move_all", "shifts|rescaled rows"),
    ("{RISE_BITS{top_move_all[b]}};", "{RISE_BITS{1'b0}};", "running maxima|shifts|rescaled rows"),
    ("- $signed({{(EXPONENT_BITS-TAU_BITS){1'b0}}, a_tau_q})", "", "running maxima|shifts|rescaled rows"),
    ("own_visible && !exponent[EXPONENT_BITS-1]", "!exponent[EXPONENT_BITS-1]", "running maxima|shifts|rescaled rows"),
], ids=["left-out-block-counts", "zero-block-never-counts", "bound-of-the-tile-before", "bound-not-halved",
        "block-of-nothing-adds", "raised-at-half", "raised-one-too-late", "bound-not-carried", "raised-below-nothing",
        "maximum-an-octave-less", "raised-row-does-not-count", "no-shift-for-a-raise",
        "bound-not-rescaled", "bound-without-tau", "hidden-block-adds"])
def test_faults_of_cut_sums_are_found(old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH,
                {"LANES": 4, "BITS_PER_CYCLE": 2, "PROB_BITS": 8, "KEYS_PER_BLOCK": 8, "CUT_BITS": 12}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize(("old", "new", "message"), [
    ("if (s_blk_joint) begin", "if (1'b1) begin", "running maxima|judged_zero|rescaled rows|is X"),
    (".we(a_valid_q), .wr_address(a_pass_q), .wr_data({seen_all",
     ".we(a_valid_q && a_first_q), .wr_address(a_pass_q), .wr_data({seen_all",
     "running maxima|rescaled rows|judged_zero|is X"),
    ("seen || visible", "visible", "running maxima|rescaled rows|shifts|judged_zero"),
    ("own_visible && !(take", "!(take", "judged_zero"),
    ("$signed({{(OCTAVES_BITS+1-TAU_BITS){1'b0}}, s_blk_tau});", "$signed({(OCTAVES_BITS+1){1'b0}});", "judged_zero"),
    ("(|count_all) || (any_q", "(&count_all) || (any_q", "judged_zero"),
    ("take ? above_new", "1'b0 ? above_new", "judged_zero"),
    ("take ? above_new", "1'b1 ? above_new", "judged_zero"),
    ("s_blk_octaves != 0 && given < exact", "s_blk_octaves != 0", "judged_zero"),
    ("s_blk_octaves != 0 && given < exact", "given < exact", "judged_zero"),
    ("s_blk_octaves != 0 && given < exact", "1'b0", "judged_zero"),
    ("(s_blk_octaves != 0 && given < exact) ? given", "(s_blk_octaves != 0 && given < exact) ? given - 1'b1", "judged_zero"),
    ("SHIFT_BITS]) ? {SHIFT_BITS{1'b1}}", "SHIFT_BITS]) ? {SHIFT_BITS{1'b0}}", "shifts"),
    ("reg [AMOUNT_BITS-1:0]     moved_sum;", "reg [RISE_BITS-1:0]     moved_sum;", "rescaled rows and amount"),
    ("            a_valid_q <= 1'b0;\n", "            a_valid_q <= a_valid_q;\n", "judged is X in the first cycle after a reset"),
], ids=["always-joint", "wrong-buffer", "seen-not-kept", "a-row-without-a-key-counts", "zero-without-tau", "zero-if-any-lane",
        "zero-by-the-old-maximum", "zero-by-the-candidate",
        "beyond-the-exact-limit", "no-octaves-skip-all", "octaves-ignored", "an-octave-too-few", "large-rescale-wraps",
        "sum-of-rises-wraps", "judged-before-anything"])
def test_faults_are_found(old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    # with few bits of a probability the exact limit is near, so that given limits lie beyond it in any run
    bits = 8 if (old, new) == ("s_blk_octaves != 0 && given < exact", "s_blk_octaves != 0") else 12
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"LANES": 4, "BITS_PER_CYCLE": 2, "PROB_BITS": bits},
                RunOptions(seed=seed))
