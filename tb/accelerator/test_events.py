"""What happens around calls of the accelerator, and faults in how its blocks are connected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts.flow.simulator import BenchFailed, RunOptions
from tb.accelerator.events import run_events
from tb.common.mutation import faulty_sources

# the others, which are long, are the regression's
SHORT = ("refused", "reads_fail", "writes_fail", "descriptor_cannot_be_read", "word_cannot_be_written", "engine_error",
         "interrupts", "soft_reset/name=decode")


def test_events(seed: int, generator: np.random.Generator) -> None:
    assert run_events(generator, RunOptions(sim="icarus", seed=seed, testcase=SHORT)).passed == len(SHORT)


# ---- faults
ACCELERATOR, UNIT = "rtl/system/fcim_accelerator.v", "rtl/system/fcim_call_unit.v"
RESET, WRITES, READS, COUNTERS = "soft_reset/name=resident", "writes_fail", "reads_fail", "counters"
WORD = "word_cannot_be_written"
FAULTS = {
    "reset-does-not-stop-the-bus": (ACCELERATOR, ".stop(resetting_q)", ".stop(1'b0)", RESET),
    "reset-ends-at-once": (ACCELERATOR, "!(settled && bus_idle)", "!settled", RESET),
    "reset-of-the-registers-alone": (ACCELERATOR, "<= !soft_reset && !resetting_q;", "<= 1'b1;", RESET),
    "bus-takes-what-is-not-reset": (ACCELERATOR, "core_rst_n_q && rst_n;", "core_rst_n_q;", WORD),
    "starts-again-and-again": (ACCELERATOR, "call_valid && !called_q;", "call_valid;", WORD),
    "counts-calls-for-cycles": (ACCELERATOR, ".count_cycle(call_valid)", ".count_cycle(call_done)", COUNTERS),
    "done-before-the-rows": (UNIT, "store_idle && tiles_empty", "tiles_empty", WRITES),
    "last-answer-missed": (UNIT, "= write_error_q || write_error;", "= write_error_q;", WRITES),
    "read-errors-stay": (UNIT, "!start && (read_error_q || read_error)", "read_error_q || read_error", READS),
    "blocks-of-decode-do-not-count": (UNIT, ".loaded_counts(call_decode || ", ".loaded_counts(", WORD),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, generator: np.random.Generator, tmp_path: Path) -> None:
    file, old, new, test = FAULTS[fault]
    with pytest.raises(BenchFailed):
        run_events(generator, RunOptions(sim="icarus", seed=seed, sources=faulty_sources(tmp_path, [(file, old, new)]),
                                         build_root=tmp_path / "build", testcase=test))
