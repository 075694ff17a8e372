"""The block queue at every depth, under every stall pattern, and broken on purpose."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from scripts.flow.sources import rtl_files
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_block_queue", "rtl/stream/fcim_block_queue.v", "tb.block_queue.bench_block_queue"
TESTS = 12
SMALL = {"BLOCKS_AHEAD": 8, "KEYS_PER_BLOCK": 8, "MAX_KEYS": 64}


@pytest.mark.sample(2)
@pytest.mark.parametrize(("blocks_ahead", "keys_per_block", "max_keys"), [
    (8, 8, 64), (16, 16, 131072), (32, 64, 64), (64, 32, 1024)])
def test_block_queue(blocks_ahead: int, keys_per_block: int, max_keys: int, seed: int) -> None:
    parameters = {"BLOCKS_AHEAD": blocks_ahead, "KEYS_PER_BLOCK": keys_per_block, "MAX_KEYS": max_keys}
    assert run_bench(TOP, BENCH, parameters, RunOptions(seed=seed)).passed == TESTS


@pytest.mark.parametrize("blocks_ahead", [-8, 0, 1, 4, 7, 8, 9, 12, 16, 24, 31, 32, 33, 48, 63, 64, 65, 128])
def test_only_legal_depths_elaborate(blocks_ahead: int) -> None:
    program = shutil.which("iverilog")
    assert program, "iverilog is not on PATH; run: make setup"
    for top in (TOP, "fcim_engine"):
        done = subprocess.run([program, "-g2012", "-t", "null", "-s", top, f"-P{top}.BLOCKS_AHEAD={blocks_ahead}",
                               *(f"-I{folder}" for folder in sorted({path.parent for path in rtl_files()})),
                               *map(str, rtl_files())], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        legal = blocks_ahead in (8, 16, 32, 64)
        assert (done.returncode == 0) == legal, done.stdout
        assert legal or re.search("fcim_illegal_BLOCKS_AHEAD_use_8_16_32_or_64", done.stdout), done.stdout


# ---- faults
DECISIONS = "wrong_decisions_are_noticed"
OTHER = "m_vreq is|m_vreq beat|m_vreq_first is|error_order is|is X in an|changed while"     # it is not the oldest block that goes
KEEPS_BOTH = "m_kreq_valid is|s_blk_ready is|s_decision_ready is|dropped"
FAULTS = {
    "room-for-one-more": ("wire full  = (wr_q == {!rd_q[SLOT_BITS], rd_q[SLOT_BITS-1:0]});",
                          "wire full  = (wr_q - rd_q > BLOCKS_AHEAD);", "room_for_as_many_blocks_as_it_says", KEEPS_BOTH),
    "room-for-one-less": ("wire full  = (wr_q == {!rd_q[SLOT_BITS], rd_q[SLOT_BITS-1:0]});",
                          "wire full  = (wr_q - rd_q >= BLOCKS_AHEAD - 1);", "room_for_as_many_blocks_as_it_says", KEEPS_BOTH),
    "room-seen-through": ("s_blk_ready  = m_kreq_ready && !full", "s_blk_ready  = m_kreq_ready && (!full || take)",
                          "valid_waits_for_no_ready", "m_vreq_ready moves|s_blk_ready is"),
    "keys-asked-for-while-full": ("m_kreq_valid = s_blk_valid && !full", "m_kreq_valid = s_blk_valid",
                                  "flow/pattern=none/patient=yes", KEEPS_BOTH),
    "valid-waits-for-ready": ("m_kreq_valid = s_blk_valid && !full", "m_kreq_valid = s_blk_valid && !full && m_kreq_ready",
                              "valid_waits_for_no_ready", "m_kreq_ready moves|m_kreq_valid is"),
    "kept-without-the-request": ("wire push  = s_blk_valid && s_blk_ready", "wire push  = s_blk_valid && !full",
                                 "flow/pattern=backpressure/patient=no", f"{OTHER}|{KEEPS_BOTH}"),
    "skipped-block-stays": ("wire take  = s_decision_valid && s_decision_ready", "wire take  = m_vreq_valid && m_vreq_ready",
                            "flow/pattern=none/patient=no", OTHER),
    "waiting-request-taken": ("wire take  = s_decision_valid && s_decision_ready", "wire take  = s_decision_valid",
                              "flow/pattern=backpressure/patient=yes",
                              OTHER),
    "skip-waits-for-values": ("s_decision_ready  = !m_vreq_valid || m_vreq_ready", "s_decision_ready  = m_vreq_ready",
                              "flow/pattern=backpressure/patient=no", "s_decision_ready is"),
    "values-of-skipped-blocks": ("m_vreq_valid = s_decision_valid && !s_decision_skip", "m_vreq_valid = s_decision_valid",
                                 "flow/pattern=none/patient=no", "m_vreq_valid is"),
    "newest-first": (".rd_address(rd_q[SLOT_BITS-1:0])", ".rd_address(wr_q[SLOT_BITS-1:0] - 1'b1)",
                     "flow/pattern=none/patient=yes", OTHER),
    "first-never-again": ("first_q <= s_decision_last || (first_q && s_decision_skip)", "first_q <= first_q && s_decision_skip",
                          "flow/pattern=none/patient=no", "m_vreq_first is"),
    "first-skipped": ("first_q <= s_decision_last || (first_q && s_decision_skip)", "first_q <= s_decision_last",
                      "flow/pattern=none/patient=no", "m_vreq_first is"),
    "late-last-missed": ("s_decision_last != m_vreq_last", "s_decision_last && !m_vreq_last", DECISIONS, "error_order is"),
    "early-last-missed": ("s_decision_last != m_vreq_last", "!s_decision_last && m_vreq_last", DECISIONS, "error_order is"),
    "no-block-missed": ("(empty || s_decision_last", "(s_decision_last", DECISIONS, "error_order is"),
    "not-sticky": ("error_q <= error_q ||", "error_q <=", DECISIONS, "error_order is|the flag does not"),
    "underflow": ("{{SLOT_BITS{1'b0}}, take && !empty}", "{{SLOT_BITS{1'b0}}, take}", DECISIONS,
                  "m_vreq is|inside"),
    "reset-keeps-blocks": ("rd_q    <= {(SLOT_BITS+1){1'b0}}", "rd_q    <= (rd_q[0] === 1'bx) ? {(SLOT_BITS+1){1'b0}} : rd_q",
                           "reset_drops_the_blocks", "inside|m_vreq is"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
