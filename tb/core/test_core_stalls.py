"""Stall counters that count anything else are found, whichever streams pause: all of them are predicted in every run.

A counter only watches, so faults in all of them can be tried in one engine; each must be named, and nothing beside them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.hardware.interface import COUNTERS
from scripts.flow.simulator import RunOptions
from tb.common.mutation import faulty_sources
from tb.core.checker import EngineRun, assert_ok
from tb.core.configs import TINY
from tb.core.directed import provoking_tiles
from tb.core.run import BENCHES, run_core

ENGINE, SOFTMAX = "rtl/core/fcim_core.v", "rtl/softmax/fcim_online_softmax.v"
STALLS = [name for name in COUNTERS if name.startswith("stall_")]
# every stream pauses; with these rhythms each of the faults below counts otherwise than the page says
RHYTHMS = {"q": (1, 2), "k": (20, 15), "v": (1, 5), "o": (1, 5), "part": (1, 3), "decision": (2, 3)}

# the right condition and one in which a term is lost or added; what it then counts
OTHERWISE = {
    "stall_softmax": (ENGINE, "= col_valid && !col_ready;", "= col_valid;"),                        # also the cycle of acceptance
    "stall_q": (ENGINE, "running && s_k_valid && ip_ready && !key_open", "running && s_k_valid && !key_open"),  # IP-CIM busy
    "stall_k": (ENGINE, "running && key_open && ip_ready && !s_k_valid", "running && ip_ready && !s_k_valid"),  # no Q there
    "stall_v": (ENGINE, "blk_valid && op_ready && !v_blk_valid", "blk_valid && !v_blk_valid"),                  # OP-CIM busy
    "stall_op": (SOFTMAX, "can_run && !skip && !slot_idle", "can_run && !slot_idle"),       # also blocks that are skipped
    "stall_bank": (SOFTMAX, "can_run && !skip && slot_idle && !bank_free", "can_run && !skip && !bank_free"),   # no room either
    "stall_o": (ENGINE, " || (m_part_valid && !m_part_ready);", ";"),        # no chunks
    "stall_decision": (ENGINE, "= m_decision_valid && !m_decision_ready;",
                       "= m_decision_valid && !m_decision_ready && !m_decision_skip;"),   # nor skipped blocks
}
ONES = " | ".join(f"({{{{(COUNTERS*INC_BITS-1){{1'b0}}}}, 1'b1}} << {COUNTERS.index(name)}*INC_BITS)" for name in STALLS)
BY_TWO = (ENGINE, ".increments(increments)", f".increments(increments + (increments & ({ONES})))")
FAULTS = {"by two": [BY_TWO], "otherwise": list(OTHERWISE.values())}


def run_slow(bench: str, seed: int, sources: list[Path] | None = None, build_root: Path | str = "build/rtl") -> EngineRun:
    """Tiles in which every rule matters, all streams pausing."""
    options = RunOptions(seed=seed, sources=sources, build_root=build_root)
    run, = run_core(TINY, provoking_tiles(TINY, np.random.default_rng(seed)), options=options, slow=RHYTHMS, bench=BENCHES[bench])
    return run


@pytest.mark.faults
@pytest.mark.parametrize("faults", FAULTS)
def test_stall_counters_that_count_wrongly_are_found(faults: str, seed: int, tmp_path: Path) -> None:
    run = run_slow("files", seed, faulty_sources(tmp_path, FAULTS[faults]), tmp_path / "build")
    assert [problem.split()[1] for problem in run.problems] == [name for name in run.predicted if name in STALLS], run.problems
    assert not bool(run.mismatches.any())
    if faults == "by two":
        assert all(run.counters[name] == 2 * run.predicted[name] > 0 for name in STALLS)


@pytest.mark.faults
@pytest.mark.parametrize("bench", BENCHES)
def test_the_right_engine_passes_where_the_faults_are_found(bench: str, seed: int) -> None:
    run = run_slow(bench, seed)
    assert_ok([run], provoking_tiles(TINY, np.random.default_rng(seed)), expected=1)
    assert all(run.counters[name] > 0 for name in STALLS)


@pytest.mark.faults
def test_a_needless_wait_that_only_slow_streams_show_is_found(seed: int, tmp_path: Path) -> None:
    """Keys wait while a row of O does: no bit is wrong, nor anything at full speed."""
    source = faulty_sources(tmp_path, [(ENGINE, "wire key_open   = loaded[key_bank_q];",
                                        "wire key_open   = loaded[key_bank_q] && (m_o_ready || !m_o_valid);")])
    run = run_slow("files", seed, source, tmp_path / "build")
    assert not bool(run.mismatches.any()) and any(problem.startswith("stream k, beat ") for problem in run.problems), run.problems
