"""The AXI reader with short and with long bursts, and broken on purpose; tb/workloads/axi.py has more sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_axi_reader", "rtl/system/fcim_axi_reader.v", "tb.axi_reader.bench_axi_reader"


@pytest.mark.parametrize(("data_bits", "max_burst", "outstanding", "buffer_beats"), [(128, 4, 4, 16), (128, 256, 3, 256)])
def test_axi_reader(data_bits: int, max_burst: int, outstanding: int, buffer_beats: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"DATA_BITS": data_bits, "MAX_BURST": max_burst, "OUTSTANDING": outstanding,
                           "BUFFER_BEATS": buffer_beats}, RunOptions(seed=seed))


# ---- faults
SMALL = {"DATA_BITS": 128, "MAX_BURST": 4, "OUTSTANDING": 4, "BUFFER_BEATS": 16}
BURSTS = "rtl/system/fcim_axi_bursts.v"
SLOW, STOP = "reads/pattern=backpressure", "stop/stalled=no"
FAULTS = {
    "room-for-one-more": (FILE, "free_q > {", "free_q >= {", SLOW, "the buffer holds|beats differ|m_data beat"),
    "room-for-one-less": (FILE, "free_q > {{(COUNT_BITS-LEN_BITS){1'b0}}, next_len}",
                          "free_q > {{(COUNT_BITS-LEN_BITS){1'b0}}, next_len} + 1'b1", "full_rate/more=0", "pauses in"),
    "last-of-each-burst": (FILE, "m_axi_rlast && answer_ends", "m_axi_rlast", "reads/pattern=none", "last got"),
    "ready-waits-for-the-taker": (FILE, "m_axi_rready  = ready_q;", "m_axi_rready  = ready_q && m_data_ready;", SLOW,
                                  "RREADY|have no answer"),
    "beat-not-marked": (FILE, "m_axi_rresp[1], m_axi_rdata", "m_axi_rresp[0], m_axi_rdata", "errors", "error got"),
    "given-while-it-stops": (FILE, "beat_valid && !stopping;", "beat_valid;", "stop/stalled=yes", "a beat is given"),
    "one-burst-too-many": (BURSTS, "#(.WORDS(OUTSTANDING),", "#(.WORDS(OUTSTANDING + 1),", SLOW, "bursts have no answer"),
    "address-after-stop": (BURSTS, "place && !stopping_q &&", "place &&", STOP, "after stop|idle, but|nothing has commanded"),
    "address-changes": (BURSTS, "if (go) begin\n            address_q", "if (burst_valid) begin\n            address_q",
                        "reads/pattern=gaps", "changed while|not Burst"),
    "not-sticky": (BURSTS, "|| (slave_q && !clear)", "", "errors", "the flags are|was lost"),
    "last-address": (BURSTS, "(clear || !(slave_q || decode_q))", "1'b1", "errors", "the first error is"),
    "error-lost-to-clear": (BURSTS, "(fails && !answer_resp[0]) ||", "(fails && !answer_resp[0] && !clear) ||", "errors",
                            "an error was lost"),
    "address-kept-from-before": (BURSTS, "(clear || !(slave_q || decode_q))", "!(slave_q || decode_q)", "errors",
                                 "the first error is"),
    "idle-too-early": (BURSTS, "none_cut && none_open && !held", "none_cut && !held", STOP,
                       "idle, but|to no burst|m_data|commanded"),
    "stop-forgotten": (BURSTS, "stop || (stopping_q && !idle)", "stop && !stopping_q", STOP, "while it stops|after stop"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    file, old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (file, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
