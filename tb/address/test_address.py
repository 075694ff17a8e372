"""The address unit with narrow and wide tags, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_address", "rtl/system/fcim_address.v", "tb.address.bench_address"
TESTS = 4


@pytest.mark.parametrize("tag_bits", [1, 21])
def test_address(tag_bits: int, seed: int) -> None:
    assert run_bench(TOP, BENCH, {"TAG_BITS": tag_bits}, RunOptions(seed=seed)).passed == TESTS


# ---- faults
PLAIN, BUSY, DIFFERS = "addresses/pattern=none", "addresses/pattern=backpressure", "address got"
FAULTS = {
    "carry-lost": ("{1'b0, i_low_q} + {1'b0, j_low_q};", "{1'b0, i_low_q + j_low_q};", PLAIN, DIFFERS),
    "high-half-left-out": ("{1'b0, i_high_q} + {1'b0, j_high_q};", "{1'b0, i_high_q};", PLAIN, DIFFERS),
    "strides-swapped": ("s_address_j[HALF_BITS-1:0]}\n                          * {{HALF_BITS{1'b0}}, s_address_j_stride}",
                        "s_address_j[HALF_BITS-1:0]}\n                          * {{HALF_BITS{1'b0}}, s_address_i_stride}", PLAIN,
                        DIFFERS),
    "base-of-the-next": ("base_q2    <= base_q;", "base_q2    <= s_address_base;", PLAIN, DIFFERS),
    "tag-of-the-next": ("tag_q3     <= tag_q2;", "tag_q3     <= tag_q;", PLAIN, "tag got"),
    "ready-ignored": ("!valid_q3 || m_address_ready;", "1'b1;", BUSY, "changed while|m_address beat|dropped"),
    "a-pause-after-each": ("assign s_address_ready   = step;", "assign s_address_ready   = step && !valid_q;", PLAIN,
                           "an address per cycle|s_address"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"TAG_BITS": 8},
                RunOptions(sim="icarus", seed=seed, testcase=testcase))
