"""``fcim_online_softmax`` against the formulas and the cycle rules of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, BENCH = "fcim_online_softmax", "tb.online_softmax.bench_online_softmax"
NAMES = ("ROWS", "HEAD_DIM", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS")
SIZES = [(16, 32, 2, 8, 16, 1024), (8, 16, 1, 8, 12, 64), (24, 16, 8, 16, 18, 64), (24, 32, 4, 8, 8, 128),
         (16, 16, 1, 16, 17, 131072)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "-".join(map(str, size)))
def test_online_softmax(size: tuple[int, ...], seed: int) -> None:
    run_bench(TOP, BENCH, dict(zip(NAMES, size, strict=True)), RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("module", "old", "new", "message"), [
    ("fcim_row_max", "(|rise[ROW_MAX_BITS:SHIFT_BITS]) ?", "1'b0 ?", "blk_shift"),
    ("fcim_online_softmax", ".start_tau(ztau_q[exp_buf_q])", ".start_tau(tau_q[exp_bank])",
     r"p \(lane, got, expected\)|blk_shift"),
    ("fcim_online_softmax", "assign m_decision_zero  = zzero_q[exp_buf_q];", "assign m_decision_zero  = 1'b0;", "m_decision"),
    ("fcim_online_softmax", ".s_blk_tau(ztau_q[judge_buf_q])", ".s_blk_tau(ztau_q[judge_after])",
     r"p \(lane, got, expected\)|blk_shift|m_decision|rescales"),
    ("fcim_online_softmax", ".rd_address({rd_buf, rd_key})", ".rd_address({fill_buf_q, rd_key})",
     r"p \(lane, got, expected\)"),
    ("fcim_score_scaler", "side_q2 <= {v_mult_q, ", "side_q2 <= {s_col_v_mult, ", r"p \(lane, got, expected\)"),
    ("fcim_online_softmax", ".s_blk_octaves(zoctaves_q[judge_buf_q])", ".s_blk_octaves(zoctaves_q[judge_after])",
     "m_decision|a write before any block"),
    ("fcim_online_softmax", "<= octaves_q[s_col_bank]", "<= octaves_q[!s_col_bank]",
     "m_decision|a write before any block"),
    ("fcim_online_softmax", "<= zpartial_q[exp_buf_q]", "<= partial_q[exp_bank]", "bank_partial of bank"),
    ("fcim_online_softmax", "exp_ready || (rd_buf != judge_buf_q)", "exp_ready", "rescales after|the request comes"),
    ("fcim_score_scaler", "            valid_q4 <= 1'b0;\n", "            valid_q4 <= valid_q4;\n",
     "ev_saturations is [01X]+ in the first cycle after a reset"),
], ids=["large-rescale-wraps", "tau-of-a-later-tile", "no-block-is-zero", "tau-of-the-next-block", "multiplier-of-another-block",
        "multiplier-of-the-next-column", "octaves-of-the-next-block", "octaves-of-the-other-tile", "partial-as-a-later-tile",
        "judged-too-late", "scores-before-anything"])
def test_faults_are_found(module: str, old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (f"rtl/softmax/{module}.v", old, new), message, TOP, BENCH, dict(zip(NAMES, SIZES[0], strict=True)),
                RunOptions(seed=seed, testcase=["directed_tiles/pattern=none", "random_tiles/pattern=none",
                                                "tiles_that_fall_below_their_octaves/pattern=none"]))


@pytest.mark.faults
def test_a_multiplier_of_the_next_block_in_its_buffer_is_found(seed: int, tmp_path: Path) -> None:
    """With eight passes to a key the scores of the last ones are read after the next block's multiplier is written."""
    fault = "rtl/softmax/fcim_block_exponential.v", "if (pass_q == 0) begin", "if (1'b1) begin"
    check_fault(tmp_path, fault, r"p \(lane, got, expected\)", TOP, BENCH, dict(zip(NAMES, SIZES[1], strict=True)),
                RunOptions(seed=seed, testcase=["directed_tiles/pattern=none", "random_tiles/pattern=none"]))
