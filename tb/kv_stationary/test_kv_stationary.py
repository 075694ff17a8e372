"""The K- and V-stationary baseline over its parameters, and broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.baseline.kv_program import KvConfig
from models.errors import FcimError
from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import check_limits, refusals
from tb.common.mutation import check_fault, mutated_sources
from tb.kv_stationary.cases import KINDS, draw_case, write_cases

TOP, BENCH = "fcim_kv_stationary", "tb.kv_stationary.bench_kv_stationary"
TESTS = 3
SMALL = KvConfig(macros=2, rows=16, head_dim=16, bits_per_cycle=2, lanes=4, o_columns=4, v_tiles=2, max_keys=128, max_rows=64)
BANKED = replace(SMALL, banks=8, max_keys=512)
# each part gives the pace once; a row per cycle; most macros; words of V for one tile and for four; 2, 4 and 8 banks
SETS = {
    "small": SMALL,
    "one-pair": KvConfig(macros=1, rows=32, head_dim=16, bits_per_cycle=4, lanes=8, o_columns=16, v_tiles=1, max_keys=64,
                         max_rows=64, banks=8),
    "row-per-cycle": replace(SMALL, bits_per_cycle=8, lanes=16, o_columns=16, v_tiles=1, banks=4),
    "one-lane": replace(SMALL, macros=4, head_dim=32, lanes=1, v_tiles=4),
    "many-banks": BANKED,
    "one-column": replace(SMALL, head_dim=64, bits_per_cycle=8, lanes=8, o_columns=1, v_tiles=1),
    "most-pairs": KvConfig(macros=16, rows=16, head_dim=16, bits_per_cycle=1, lanes=2, o_columns=2, v_tiles=4, max_keys=1024,
                           max_rows=64, banks=4),
}


def prepare(cfg: KvConfig, kinds: Sequence[str], seed: int, folder: Path) -> dict[str, str]:
    """Cases of these kinds for the bench, and the environment that tells it where they are."""
    draw, vectors = np.random.default_rng(seed), folder / "vectors.npz"
    write_cases(vectors, cfg, [draw_case(cfg, kind, draw) for kind in kinds])
    return {"FCIM_VECTORS": str(vectors)}


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", SETS)
def test_kv_stationary(name: str, seed: int, tmp_path: Path) -> None:
    environment = prepare(SETS[name], (*KINDS, "random", "random"), seed, tmp_path)
    result = run_bench(TOP, BENCH, SETS[name].verilog_parameters(), RunOptions(seed=seed, extra_env=environment))
    assert result.passed == TESTS


def test_kv_stationary_as_synthesized(seed: int, tmp_path: Path) -> None:
    """The macros' arrays in the text that synthesizers read."""
    environment = prepare(SMALL, KINDS, seed, tmp_path)
    options = RunOptions(seed=seed, fast_arrays=False, testcase="programs/pattern=none", extra_env=environment)
    assert run_bench(TOP, BENCH, SMALL.verilog_parameters(), options).passed == 1


@pytest.mark.parametrize(("given", "message"), [
    ({"macros": 3}, "MACROS_use_1_2_4_8_or_16"), ({"rows": 24}, "ROWS_use_16_32_64_or_128"),
    ({"head_dim": 24}, "HEAD_DIM_use_16_32_64_or_128"), ({"bits_per_cycle": 3}, "BITS_PER_CYCLE_use_1_2_4_or_8"),
    ({"lanes": 32}, "LANES_use_a_power_of_two_up_to_ROWS"), ({"o_columns": 32}, "O_COLUMNS_use_a_power_of_two_up_to_HEAD_DIM"),
    ({"v_tiles": 4}, "V_TILES_use_a_power_of_two_up_to_MACROS"),
    ({"max_keys": 32}, "MAX_KEYS_use_a_power_of_two_from_64_and_a_span_to_65536"),
    ({"max_rows": 100}, "MAX_ROWS_use_a_power_of_two_from_16_to_65536"), ({"banks": 6}, "BANKS_use_2_4_or_8"),
])
def test_illegal_parameters_are_refused(given: dict[str, int], message: str) -> None:
    parameters = SMALL.verilog_parameters() | {KvConfig.PARAMETERS[name]: value for name, value in given.items()}
    assert message in refusals(TOP, parameters)
    with pytest.raises(FcimError, match=f"{next(iter(given))} = "):
        replace(SMALL, **given)


# values of each parameter that are legal beside the others of this set, and some that are not
BASE = replace(SMALL, v_tiles=1, max_keys=1024)
LIMITS = {
    "macros": ((1, 2, 4, 8, 16), (0, 3, 32)), "rows": ((16, 32, 64, 128), (8, 24, 256)),
    "head_dim": ((16, 32, 64, 128), (8, 48, 256)), "bits_per_cycle": ((1, 2, 4, 8), (3, 16)),
    "lanes": ((1, 2, 16), (0, 3, 32)), "o_columns": ((1, 2, 16), (0, 3, 32)), "v_tiles": ((1, 2), (0, 3, 4)),
    "max_keys": ((64, 128, 65536), (32, 96, 131072)), "max_rows": ((16, 32, 65536), (8, 48, 131072)),
}


@pytest.mark.parametrize("name", LIMITS)
def test_the_models_and_the_verilog_take_the_same_values(name: str) -> None:
    legal, illegal = LIMITS[name]
    check_limits(TOP, BASE.verilog_parameters(), KvConfig.PARAMETERS[name], legal, illegal)
    for value in legal:
        replace(BASE, **{name: value})
    for value in illegal:
        with pytest.raises(FcimError, match=f"{name} = {value} is illegal"):
            replace(BASE, **{name: value})


def test_the_buffer_holds_a_span_of_keys() -> None:
    check_limits(TOP, replace(BASE, macros=16).verilog_parameters(), "MAX_KEYS", (256,), (128,))
    with pytest.raises(FcimError, match="a power of two from 256"):
        replace(BASE, macros=16, max_keys=128)


# ---- faults
LOAD, ROWS, KEYS, SCORES, VALUES, MAXIMUM, ROW_SUM, OUTPUT = (
    f"rtl/baseline/fcim_kvs_{name}.v" for name in ("load", "rows", "keys", "scores", "values", "maximum", "row_sum", "output"))
CLUSTER, DELAY, PASSES = (f"rtl/baseline/fcim_{name}.v" for name in ("kv_stationary", "delay", "passes"))
VALUE = "beats differ|kept of row|counters differ|has an X|is X|is [01xX]+ at cycle|rows of O do not come"
CYCLE = "accepted in other cycles"
FAULTS = {
    "keys-stay": (KEYS, "if (open) begin", "if (1'b0) begin", VALUE),
    "first-position": (KEYS, "k_row == 0 || k_pos < lowest", "k_row == 0", VALUE),
    "a-key-more": (KEYS, "(place < {1'b0,", "(place <= {1'b0,", VALUE),
    "mask-reversed": (SCORES, "pos_q     <= ~pass_pos;", "pos_q     <= pass_pos;", VALUE),
    "column-moves": (SCORES, "col[pass*LANES*IP_LANE +: LANES*IP_LANE]", "col[0 +: LANES*IP_LANE]", VALUE),
    "one-lane-is-the-largest": (SCORES, "(one > other) ? one : other;", "one;", VALUE),
    "all-keys-count": (SCORES, "step_keys_q & {COUNT_BITS{active}}", "ROWS[COUNT_BITS-1:0] & {COUNT_BITS{active}}",
                       "counters differ"),
    "no-sum-of-elements": (CLUSTER, "entry_sum_q    <= sum;", "entry_sum_q    <= {ELEM_SUM_BITS{1'b0}};", VALUE),
    "p-is-signed": (VALUES, "{ROWS{8'h80}}", "{ROWS{8'h00}}", VALUE),
    "multiplier-off-by-one": (VALUES, "                       + 1'b1)", "                       )", VALUE),
    "maximum-of-the-row-before": (MAXIMUM, "old_first_q ? LOWEST : m_rd_data;", "m_rd_data;", VALUE),
    "maximum-of-the-last-pass": (MAXIMUM, "(top_first || one > other) ? one : other;", "one;", VALUE),
    "rise-not-clamped": (MAXIMUM, "? {SHIFT_BITS{1'b1}} : rise", "? rise[SHIFT_BITS-1:0] : rise", VALUE),
    "sum-not-rescaled": (ROW_SUM, "fcim_round_shift(old, old_shift_q);", "fcim_round_shift(old, 6'd0);", VALUE),
    "sum-of-the-last-pass": (ROW_SUM, "(p_first ? {SUM_BITS{1'b0}} : total_q)", "{SUM_BITS{1'b0}}", VALUE),
    "partial-not-rescaled": (OUTPUT, "fcim_round_shift(old, b_shift_q);", "fcim_round_shift(old, 6'd0);", VALUE),
    "what-a-macro-left": (OUTPUT, "(u - ksum) & {VP_LANE{col_valid[m]}};", "(u - ksum);", VALUE),
    "offset-of-v-stays": (OUTPUT, "(u - ksum) &", "u &", VALUE),
    "reads-too-much": (OUTPUT, "o_rd = a_valid_q && !a_first_q;", "o_rd = a_valid_q;", "nobody has written|counters differ"),
    "load-does-not-wait": (LOAD, "(!asks || ends) && !ahead[WAIT_BITS-1];", "(!asks || ends);", CYCLE),
    "load-ends-with-k": (LOAD, "&& (!v_busy_q || v_last);", ";", f"{CYCLE}|{VALUE}|idle after|nobody|not there"),
    "unused-tiles-written": (LOAD, "(first < {1'b0, keys_q}) && (first < v_end_q)", "(first < v_end_q)", "counters differ"),
    "rows-do-not-wait": (ROWS, "(!busy_q || ends) && !ahead[WAIT_BITS-1];", "(!busy_q || ends);", f"{CYCLE}|{VALUE}|has an X"),
    "bank-free-too-early": (CLUSTER, "o_start && o_final}", "w_valid && w_final}", CYCLE),
    "idle-too-early": (CLUSTER, " && !rows_busy && under_way_q == 0;", " && !rows_busy;",
                       "beats came|rows of O do not come|idle after|kept of row"),
    "adds-of-the-first": (CLUSTER, "o_start && !o_first};", "o_start};", "counters differ"),
    "a-cycle-less": (DELAY, "out_valid = valid_q[CYCLES-1];", "out_valid = valid_q[CYCLES-2];",
                     f"{VALUE}|idle after|nobody|{CYCLE}"),
    "a-reset-forgets-less": (DELAY, "valid_q <= {CYCLES{1'b0}};", "valid_q <= (valid_q[0] === 1'bx) ? {CYCLES{1'b0}} : valid_q;",
                             f"{VALUE}|nobody|not idle|beats came|counters: after a reset"),
    "a-reset-leaves-scores": (SCORES, "valid_q <= 5'd0;", "valid_q <= {valid_q[3] === 1'b1, 4'd0};",
                              "counters: after a reset there are .*visible"),
    "a-pass-less": (PASSES, "LAST_NUMBER = PASSES - 1;", "LAST_NUMBER = PASSES - 2;", f"{VALUE}|idle after|budget|{CYCLE}"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    file, old, new, message = FAULTS[fault]
    test = "reset_in_the_middle" if "reset" in fault else "programs/pattern=none"
    environment = prepare(SMALL, ("corners", *KINDS), seed, tmp_path)
    check_fault(tmp_path, (file, old, new), message, TOP, BENCH, SMALL.verilog_parameters(),
                RunOptions(sim="icarus", seed=seed, testcase=test, extra_env=environment))


BANK_FAULTS = {
    "loads-into-even-banks": (LOAD, "<= s_load_bank;", "<= s_load_bank & 3'd6;"),
    "rows-meet-half-of-the-banks": (ROWS, "<= s_rows_bank;", "<= s_rows_bank & 3'd3;"),
    "entries-of-half-of-the-banks": (KEYS, "= {entry_bank, entry_row", "= {entry_bank[1:0], entry_row"),
    "counts-of-half-of-the-banks": (KEYS, "assign q_keys = count_q[q_bank*", "assign q_keys = count_q[q_bank[1:0]*"),
    "fewer-banks-of-k": (SCORES, ".BANKS(1 << BANK_BITS)", ".BANKS(4)"),
    "fewer-banks-of-v": (VALUES, ".BANKS(1 << BANK_BITS)", ".BANKS(4)"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", BANK_FAULTS)
def test_faults_of_many_banks_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    environment = prepare(BANKED, ("banks", "banks"), seed, tmp_path)
    check_fault(tmp_path, BANK_FAULTS[fault], f"{VALUE}|{CYCLE}", TOP, BENCH, BANKED.verilog_parameters(),
                RunOptions(sim="icarus", seed=seed, testcase="programs/pattern=none", extra_env=environment))


@pytest.mark.faults
def test_a_row_that_comes_back_too_soon_is_found(seed: int, tmp_path: Path) -> None:
    cfg = SETS["row-per-cycle"]
    environment = prepare(cfg, ("corners",), seed, tmp_path)
    check_fault(tmp_path, (ROWS, "(turn || pads_q) && (age == AGE_END);", "(turn || pads_q);"), CYCLE
                + "|in which it is written|nobody has written|kept of row", TOP, BENCH, cfg.verilog_parameters(),
                RunOptions(sim="icarus", seed=seed, testcase="programs/pattern=none", extra_env=environment))


@pytest.mark.faults
@pytest.mark.parametrize(("name", "old", "new", "message"), [
    ("macros", "MACROS != 16)", "MACROS != 17)", "16 refused"), ("lanes", "LANES > ROWS", "LANES >= ROWS", "16 refused"),
    ("max_rows", "MAX_ROWS < 16", "MAX_ROWS <= 16", "16 refused"), ("max_keys", "MAX_KEYS < 64", "MAX_KEYS < 32", "32 taken"),
], ids=["most-macros", "a-lane-a-row", "fewest-rows", "fewer-keys"])
def test_limits_that_are_moved_are_found(name: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_limits(TOP, BASE.verilog_parameters(), KvConfig.PARAMETERS[name], *LIMITS[name],
                     mutated_sources(tmp_path, f"rtl/baseline/{TOP}.v", old, new))
