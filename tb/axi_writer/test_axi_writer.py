"""The AXI writer with short and with long bursts, and broken on purpose; tb/workloads/axi.py has more sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_axi_writer", "rtl/system/fcim_axi_writer.v", "tb.axi_writer.bench_axi_writer"


@pytest.mark.parametrize(("data_bits", "max_burst", "outstanding"), [(128, 4, 3), (128, 256, 3)])
def test_axi_writer(data_bits: int, max_burst: int, outstanding: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"DATA_BITS": data_bits, "MAX_BURST": max_burst, "OUTSTANDING": outstanding}, RunOptions(seed=seed))


# ---- faults
SMALL = {"DATA_BITS": 128, "MAX_BURST": 4, "OUTSTANDING": 3}
PLAIN, STALLS, STOP = "writes/pattern=none", "writes/pattern=gaps", "stop/stalled=no"
FAULTS = {
    "strobes-after-stop": ("stopping ? {BYTES{1'b0}} : s_data_strobe", "s_data_strobe", STOP, "a beat that nobody gave"),
    "stops-without-its-beats": ("(s_data_valid || stopping)", "s_data_valid", STOP, "budget"),
    "takes-beats-while-it-stops": ("place && !stopping;", "place;", STOP, "while it stops"),
    "last-too-early": ("(beat_q == len)", "(beat_q + 1'b1 >= len)", PLAIN, "WLAST is"),
    "beat-changes-while-it-waits": ("len_valid && (!valid_q || m_axi_wready);", "len_valid;", STALLS,
                                    "changed while|not those given"),
    "beats-wait-for-the-address": ("place = len_valid &&", "place = len_valid && !m_axi_awvalid &&",
                                   "beats_do_not_wait_for_addresses", "budget"),
    "done-with-every-burst": ("done_q <= answer && answer_ends;", "done_q <= answer;", PLAIN, "done"),
    "of-errors-the-latest-alone": ("!answer_ends && (failed_q ||", "!answer_ends && (", "errors", "done"),
    "error-of-the-last-burst-lost": ("done_error_q <= failed_q || m_axi_bresp[1];", "done_error_q <= failed_q;", "errors",
                                     "done"),
    "error-goes-on": ("failed_q <= !answer_ends && (", "failed_q <= (", "errors", "done"),
    "done-while-it-stops": ("if (!rst_n || stop || stopping) begin", "if (!rst_n || stop) begin", STOP, "done while"),
    "done-of-the-cycle-of-stop": ("if (!rst_n || stop || stopping) begin", "if (!rst_n || stopping) begin",
                                  "stop_with_the_last_answer", "done while"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
