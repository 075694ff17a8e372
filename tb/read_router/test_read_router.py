"""The read router over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import refusals
from tb.common.mutation import check_fault
from tb.read_router.agents import NAMES

TOP, FILE, BENCH = "fcim_read_router", "rtl/system/fcim_read_router.v", "tb.read_router.bench_read_router"
TESTS = 7
SETS = [(1, 8, 16, 8, 64, 32, 128), (4, 24, 64, 16, 1024, 256, 128), (2, 16, 128, 8, 256, 64, 1024)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_read_router(values: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed)).passed == TESTS


def test_a_row_of_k_is_a_beat_at_least() -> None:
    sizes = dict(zip(NAMES, SMALL, strict=True))
    assert refusals(TOP, sizes | {"DATA_BITS": 256}) == set()
    assert refusals(TOP, sizes | {"DATA_BITS": 512}) == {"DATA_BITS_use_at_most_a_row_of_K"}


# ---- faults
SMALL = (2, 16, 32, 8, 64, 32, 128)     # rows of two beats, tables of two
PLAIN, STALLS, MANY, RESET = "calls/pattern=none", "calls/pattern=both", "many_commands_ahead", "reset_in_the_middle"
DIFFER = "beats differ|expected beats did not come|is X in an accepted|, while .* is high"
FAULTS = {
    "descriptors-wait": ("s_fetch_ready = open && !s_desc_valid", "s_fetch_ready = open", PLAIN, "before a descriptor"),
    "loads-never-first": ("s_fetch_ready = open && !s_desc_valid && !(loads_first && load);",
                          "s_fetch_ready = open && !s_desc_valid;", PLAIN, "goes first"),
    "loads-always-first": ("hold_loads && (loads_first || !s_fetch_valid);", "hold_loads;", PLAIN, "before a query"),
    "not-held": ("open && !s_desc_valid && !hold_loads &&", "open && !s_desc_valid &&", PLAIN, "while these are held"),
    "queries-of-all-kinds": ("(take && what == Q_ROWS) ? 4'd15", "take ? 4'd15", PLAIN, "queries is"),
    "queries-a-cycle-short": ("(take && what == Q_ROWS) ? 4'd15", "(take && what == Q_ROWS) ? 4'd14", PLAIN, "queries is"),
    "takes-what-it-forgets": ("(!cmd_valid_q || m_cmd_ready) && tags_ready;", "!cmd_valid_q || m_cmd_ready;", MANY,
                              f"{DIFFER}|nobody remembers|waits for nothing"),
    "one-multiplier-for-a-beat": ("k_word[k_lane*K_ENTRY +: K_ENTRY]", "k_word[0 +: K_ENTRY]", PLAIN, DIFFER),
    "multipliers-go-on": ("q_row_q <= {Q_ROW_BITS{1'b0}};", "q_row_q <= (q_row_q[0] === 1'bx) ? {Q_ROW_BITS{1'b0}} : q_row_q;",
                          PLAIN, DIFFER),
    "one-shift-for-all": ("h_word[h_lane*SHIFT_BITS +: SHIFT_BITS]", "h_word[0 +: SHIFT_BITS]", PLAIN, DIFFER),
    "loaded-with-the-keys": ("v_we_q && block_end_q;", "(k_we_q || v_we_q) && block_end_q;", PLAIN, f"{DIFFER}|idle is"),
    "loaded-too-early": ("v_we_q && block_end_q;", "row_end && what == V_ROWS && s_data_last;", PLAIN, DIFFER),
    "every-token-is-the-last": ("s_data_last && (last_token || what == DESCRIPTOR);", "s_data_last;", PLAIN, DIFFER),
    "never-partial": ("m_q_partial = call_decode;", "m_q_partial = 1'b0;", PLAIN, DIFFER),
    "errors-of-descriptors": ("take && s_data_error && what != DESCRIPTOR;", "take && s_data_error;", PLAIN, DIFFER),
    "errors-of-tables-lost": ("s_data_error && what != DESCRIPTOR;", "s_data_error && is_row;", PLAIN, f"{DIFFER}|budget"),
    "rows-overtaken": ("s_data_ready = tag_valid && !stall;", "s_data_ready = tag_valid;", STALLS, f"{DIFFER}|changed while"),
    "waits-for-nothing": ("stall = q_valid_q && !m_q_ready;", "stall = q_valid_q;", PLAIN, "waits for nothing|budget"),
    "idle-too-early": ("idle = tags_empty && !q_valid_q &&", "idle = tags_empty &&", STALLS, "idle is"),
    "reset-keeps-the-place": ("if (!rst_n) begin\n            count_q <= {COUNT_BITS{1'b0}};",
                              "if (!rst_n) begin\n            count_q <= (count_q[0] === 1'bx) ? {COUNT_BITS{1'b0}} : count_q;",
                              RESET, DIFFER),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    options = RunOptions(sim="icarus", seed=seed, testcase=testcase)
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, dict(zip(NAMES, SMALL, strict=True)), options)
