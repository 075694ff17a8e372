"""``fcim_block_exponential`` against the rules of the specification, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, BENCH = "fcim_block_exponential", "tb.block_exponential.bench_block_exponential"
NAMES = ("ROWS", "BITS_PER_CYCLE", "KEYS_PER_BLOCK", "PROB_BITS", "MAX_KEYS")
# from one lane to one pass; of the smallest sums every bit is needed
SIZES = [(16, 2, 8, 16, 1024), (8, 1, 8, 12, 64), (24, 8, 16, 18, 64), (24, 4, 8, 8, 128), (16, 1, 16, 18, 131072),
         (8, 8, 8, 8, 64), (24, 2, 64, 9, 64), (16, 2, 8, 17, 64)]
SMALL = (8, 2, 8, 12, 64)
FINDERS = ["tiles_of_any_size/pattern=none", "tiles_of_any_size/pattern=both", "no_cycle_is_lost_between_blocks",
           "a_reset_leaves_nothing"]     # the tests that find the faults


@pytest.mark.sample(2)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: "-".join(map(str, size)))
def test_block_exponential(size: tuple[int, ...], seed: int) -> None:
    run_bench(TOP, BENCH, dict(zip(NAMES, size, strict=True)), RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize(("module", "old", "new", "message"), [
    (TOP, "(pass_q == LAST_PASS) && (key_q == last_key_q)", "(key_q == last_key_q)", "ready is 1, expected 0"),
    (TOP, "!run_q || run_last", "!run_q", "ready is 0, expected 1"),
    (TOP, "assign p_slot = d_slot_q", "assign p_slot = slot_q", "p_slot is"),
    (TOP, ".tau(a_tau_q)", ".tau(tau_q)", r"p_data \(lane"),
    (TOP, "if (d_first_key_q) begin", "if (d_first_key_q && d_first_q) begin", "sum_rd_data is"),
    (TOP, "if (d_first_key_q) begin", "if (1'b1) begin", "sum_rd_data is"),
    (TOP, "twice = d_first_q ?", "twice = 1'b0 ?", "sum_rd_data is"),
    (TOP, "d_valid_q && !d_bank_q", "d_valid_q && !c_bank_q", "sum_rd_data is"),
    (TOP, "d_p_q[c*PROB_BITS +: PROB_BITS], twice[0]}", "d_p_q[c*PROB_BITS +: PROB_BITS], 1'b0}", "sum_rd_data is"),
    (TOP, "d_pass_q*LANES*BSUM_BITS +: LANES*BSUM_BITS] <= bsum_word",
     "c_pass_q*LANES*BSUM_BITS +: LANES*BSUM_BITS] <= bsum_word", r"blk_sum \(lane"),
    (TOP, "if (pass_q == 0) begin", "if (1'b1) begin", r"p_data \(lane"),
    (TOP, "d_weight_q    <= {1'b0, c_v_mult_q}", "d_weight_q    <= {1'b0, a_v_mult_q}", r"p_data \(lane"),
    (TOP, " + (1 << (V_MULT_BITS-1))", "", r"p_data \(lane"),
    (TOP, "c_v_mult_q} + 1'b1", "c_v_mult_q}", r"p_data \(lane"),
    (TOP, "d_p_q[c*PROB_BITS +: PROB_BITS], twice", "weighed[c*PROB_BITS +: PROB_BITS], twice", "sum_rd_data is"),
    (TOP, "weighed[d*PROB_BITS +: PROB_BITS]};", "d_p_q[d*PROB_BITS +: PROB_BITS]};", r"blk_sum \(lane"),
    (TOP, "c_valid_q && c_first_key_q) begin\n            shift_q", "c_valid_q) begin\n            shift_q", r"blk_shift \(lane"),
    (TOP, "blk_last_key_q[c_slot_q] <= c_key_q", "blk_last_key_q[c_slot_q] <= last_key_q", "m_blk_last_key is"),
    (TOP, "[sum_rd_lane*SUM_BITS", "[(LANES-1-sum_rd_lane)*SUM_BITS", "sum_rd_data is"),
    (TOP, "sum_rd_bank ? bank1_sums", "c_bank_q ? bank1_sums", "sum_rd_data is"),
    (TOP, "max_wr_word = {a_bank_q, a_pass_q}", "max_wr_word = {bank_q, a_pass_q}", "sum_rd_max is"),
    (TOP, "max_rd_word = {sum_rd_bank, sum_rd_pass}", "max_rd_word = {bank_q, sum_rd_pass}", "sum_rd_max is"),
    (TOP, "a_valid_q && a_first_key_q)", "a_valid_q && a_first_key_q && a_first_q)", "sum_rd_max is"),
    (TOP, "[sum_rd_lane*ROW_MAX_BITS", "[(LANES-1-sum_rd_lane)*ROW_MAX_BITS", "sum_rd_max is"),
    (TOP, "if (!rst_n) begin\n            a_valid_q <= 1'b0", "if (!rst_n) begin\n            a_valid_q <= run_q",
     "a_reset.*p_we is 1, "),
    (TOP, "take_slot_q <= 1'b0", "take_slot_q <= (take_slot_q === 1'b1)", "a_reset.*m_blk_valid is 0, expected 1"),
    ("fcim_exp2", "(lane_z == MASKED)", "1'b0", r"p_data \(lane"),
], ids=["ready-early", "ready-late", "slot-of-the-next-block", "tau-of-the-next-block", "sums-not-rescaled",
        "every-key-rescales", "first-block-clears-nothing", "bank-of-the-next-block", "rescales-do-not-round",
        "sums-of-the-next-pass",
        "multiplier-of-every-pass", "multiplier-of-the-next-key", "products-cut-off", "multiplier-is-one-less",
        "denominators-sum-products", "block-sums-without-multipliers",
        "shift-of-every-key", "last-key-of-the-next-block", "sum-of-another-lane", "sum-of-the-other-bank",
        "maximum-to-the-next-block's-bank", "maximum-of-another-bank", "maximum-of-the-first-block", "maximum-of-another-lane",
        "reset-leaves-a-pass", "reset-leaves-the-slot", "masked-scores-count"])
def test_faults_are_found(module: str, old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (f"rtl/softmax/{module}.v", old, new), message, TOP, BENCH, dict(zip(NAMES, SMALL, strict=True)),
                RunOptions(seed=seed, testcase=FINDERS))


@pytest.mark.faults
def test_a_sum_that_is_read_before_it_is_written_is_found(seed: int, tmp_path: Path) -> None:
    """With one pass to a key a bank's word is written in the cycle in which it is read again."""
    fault = f"rtl/softmax/{TOP}.v", "(d_valid_q && d_bank_q == c_bank_q) ?", "1'b0 ?"
    check_fault(tmp_path, fault, "sum_rd_data is", TOP, BENCH, dict(zip(NAMES, (8, 8, 8, 8, 64), strict=True)),
                RunOptions(seed=seed, testcase=FINDERS))
