"""Random programs through the unfused baseline at every kind of size: values, counters and cycles are the models'; and broken on
purpose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.baseline.unfused_program import Load, Plan, UnfusedConfig
from models.errors import FcimError
from scripts.flow.simulator import BenchFailed, RunOptions
from tb.common.legal import check_limits, refusals
from tb.common.mutation import faulty_sources, mutated_sources
from tb.unfused.cases import Case
from tb.unfused.run import TOP, draw_operands, draw_positions, planned, random_cases, run_cases


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# macros, rows, head_dim, bits per cycle, lanes, bytes of a port, slots, banks
SETS = [(1, 8, 16, 1, 2, 4, 64, 8), (1, 16, 16, 4, 2, 8, 128, 4), (2, 8, 32, 2, 4, 8, 64, 2), (4, 16, 32, 2, 8, 64, 64, 2),
        (8, 8, 16, 8, 16, 128, 32, 8), (16, 8, 32, 1, 16, 32, 64, 4), (32, 8, 16, 8, 32, 128, 64, 2)]
BANKED = UnfusedConfig(4, 8, 16, 2, 4, 8, 64, 8)


@pytest.mark.sample(3)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_unfused(values: tuple[int, ...], seed: int) -> None:
    cfg, generator = UnfusedConfig(*values), np.random.default_rng([seed, *values])
    if cfg.macros < 32:
        run_cases(cfg, random_cases(cfg, generator), ("none", "gaps"), RunOptions(seed=seed))
    else:       # so many take a simulator of events minutes; nothing but their number is new: rows that drive one, and all
        run_cases(cfg, random_cases(cfg, generator, kinds=("prefill", "decode")), ("gaps",), RunOptions(seed=seed))


def bank_case(cfg: UnfusedConfig, generator: np.random.Generator) -> Case:
    """Five spans of K and five of V, which come again for each block of rows: each of up to eight banks holds some of them."""
    x = draw_operands(generator, cfg.head_dim, draw_positions(generator, "chunk", 8, 5 * cfg.qk_span), 5 * cfg.qk_span, 34)
    case, _ = planned(cfg, Plan(block=4, ahead=bool(generator.integers(2))), x)
    assert {op.bank for op in case.program if isinstance(op, Load)} == set(range(cfg.banks))
    return case


@pytest.mark.parametrize("banks", [2, 4, 8])
def test_every_bank(banks: int, seed: int) -> None:
    cfg = replace(BANKED, banks=banks)
    run_cases(cfg, [bank_case(cfg, np.random.default_rng([seed, banks]))], ("none", "gaps"), RunOptions(seed=seed))


def test_unfused_as_synthesized(seed: int) -> None:
    """With the macros' arrays in the text that synthesizers read."""
    cfg, generator = UnfusedConfig(4, 8, 16, 2, 4, 8, 64), np.random.default_rng([seed, 1])
    run_cases(cfg, random_cases(cfg, generator, kinds=("prefill", "any")), ("none",), RunOptions(seed=seed, fast_arrays=False))


def test_simulators_agree(seed: int) -> None:
    """The same cycles in both, which the model has told each of them."""
    cfg = UnfusedConfig(4, 8, 16, 2, 4, 8, 64)
    cases = random_cases(cfg, np.random.default_rng([seed, 2]), kinds=("chunk", "decode"))
    found = [run_cases(cfg, cases, ("none",), RunOptions(seed=seed, sim=sim))[1] for sim in ("icarus", "verilator")]
    assert found[0] == found[1]


def test_reset_in_the_middle(seed: int) -> None:
    """A program after a reset that ended any operations is as a first one."""
    cfg = UnfusedConfig(4, 8, 16, 2, 4, 8, 64)
    cases = random_cases(cfg, np.random.default_rng([seed, 4]))
    run_cases(cfg, cases, ("reset",), RunOptions(seed=seed))


LEGAL = UnfusedConfig(4, 8, 16, 2, 4, 8, 64).verilog_parameters
REFUSED = {
    ("MACROS", 3): {"MACROS_use_1_2_4_8_16_or_32"}, ("MACROS", 64): {"MACROS_use_1_2_4_8_16_or_32"},
    ("HEAD_DIM", 48): {"HEAD_DIM_use_16_32_64_or_128"}, ("ROWS", 32): {"ROWS_use_8_16_32_64_or_128_and_at_most_HEAD_DIM"},
    ("LANES", 8): {"LANES_use_a_power_of_two_from_2_to_half_of_PORT_BYTES"},
    ("PORT_BYTES", 512): {"PORT_BYTES_use_a_power_of_two_from_4_to_256"},
    ("SLOTS", 1): {"SLOTS_use_a_power_of_two_from_2_to_65536"}, ("BANKS", 6): {"BANKS_use_2_4_or_8"},
}


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=[f"{name}-{value}" for name, value in REFUSED])
def test_illegal_parameters_stop_elaboration(name: str, value: int) -> None:
    assert refusals(TOP, LEGAL) == set()
    assert refusals(TOP, LEGAL | {name: value}) >= REFUSED[name, value]


# values of each parameter that are legal beside the others of this set, and some that are not
BASE = UnfusedConfig(4, 8, 128, 2, 2, 8, 64)
LIMITS = {
    "macros": ((1, 2, 4, 8, 16, 32), (0, 3, 64)), "rows": ((8, 16, 32, 64, 128), (4, 24, 256)),
    "head_dim": ((16, 32, 64, 128), (8, 48, 256)), "bits_per_cycle": ((1, 2, 4, 8), (3, 16)), "lanes": ((2, 4), (1, 3, 8)),
    "port_bytes": ((4, 8, 256), (2, 12, 512)), "slots": ((2, 4, 65536), (1, 3, 131072)),
}


@pytest.mark.sample(3)
@pytest.mark.parametrize("name", LIMITS)
def test_the_models_and_the_verilog_take_the_same_values(name: str) -> None:
    legal, illegal = LIMITS[name]
    check_limits(TOP, BASE.verilog_parameters, name.upper(), legal, illegal)
    for value in legal:
        replace(BASE, **{name: value})
    for value in illegal:
        with pytest.raises(FcimError, match="is illegal"):
            replace(BASE, **{name: value})


# ---- faults
FOLDER = "rtl/baseline/fcim_unfused"
DIFFER = "m_o beat|in the buffer differ|has an X| is X|counters:"
TIME = "starts and is complete"
ANY = f"{TIME}|{DIFFER}"
FAULTS = {
    "waits-are-not-kept": ("_gate", "&& late == 3'd0;", ";", ANY),
    "a-completion-forgotten": ("_gate", "{{(WAIT_BITS-1){1'b0}}, done}", "{{(WAIT_BITS-1){1'b0}}, done && !count_q[2]}",
                               f"{TIME}|{DIFFER}|budget"),
    "sums-of-unsigned-bytes": ("_loader", "{(ELEM_SUM_BITS-8){cell_data[d*8 + 7]}}", "{(ELEM_SUM_BITS-8){1'b0}}", DIFFER),
    "all-rows-into-one-macro": ("_loader", "{{(MACRO_BITS-1){1'b0}}, full}", "{MACRO_BITS{1'b0}}", DIFFER),
    "loaded-too-early": ("_loader", "= entry_q && entry_last_q;", "= read_q && read_last_q;", TIME),
    "its-own-key-not-seen": ("_limit", "seen[KEY_BITS-1:0] + 1'b1", "seen[KEY_BITS-1:0]", ANY),
    "keys-behind-are-seen": ("_limit", "seen[KEY_BITS]              ? {KEY_BITS{1'b0}} :", "1'b0 ? {KEY_BITS{1'b0}} :", ANY),
    "hidden-keys-have-p": ("_feed", "& {8{came_key + b[KEY_BITS-1:0] < limit3_q}}", "& {8{1'b1}}", ANY),
    "a-macro-more": ("_feed", "assign m_drive[m] = valid && limit > (", "assign m_drive[m] = valid && limit + 1'b1 > (", ANY),
    "p-is-signed": ("_feed", "^ {HEAD_DIM{8'h80}}", "^ {HEAD_DIM{8'h00}}", ANY),
    "a-word-of-p-less": ("_feed", "reading && word_key < limit2_q", "reading && word_key + 1'b1 < limit2_q", ANY),
    "a-row-too-much": ("_feed", "left_q == {{(ROW_BITS-1){1'b0}}, 1'b1}", "left_q == {ROW_BITS{1'b0}}",
                       f"{ANY}|budget|of a row of|index"),
    "scores-cut-off": ("_scores", "+ {{(Z_BITS-2){1'b0}}, z[n*Z_BITS + 1]}", "+ {(Z_BITS-1){1'b0}}", DIFFER),
    "scores-wrap": ("_scores", "over    = (", "over    = 1'b0 && (", DIFFER),
    "maxima-never-begin": ("_scores", "more4[2] ? LOWEST", "1'b0 ? LOWEST", DIFFER),
    "maxima-of-the-last-span": ("_scores", "? earlier : word_m", "? word_m : word_m", DIFFER),
    "maxima-of-the-last-word": ("_scores", "? run_q : top_q", "? top_q : top_q", DIFFER),
    "multipliers-of-bank-0": ("", ".s_bank(walk_bank)", ".s_bank(1'b0)", DIFFER),
    "denominators-begin-again": ("_softmax", "word3[2] ? row_sum", "1'b1 ? row_sum", DIFFER),
    "weights-cut-off": ("_softmax", "+ (1 << (V_MULT_BITS-1))", "+ 0", DIFFER),
    "weights-of-another-word": ("_softmax", "v_mult_q2[n*V_MULT_BITS", "v_mult_q[n*V_MULT_BITS", DIFFER),
    "weights-in-the-denominator": ("_softmax", "part[n*WORD_SUM +: WORD_SUM] = {{LEVELS{1'b0}}, p_q[n*P_BITS +: P_BITS]};",
                                   "part[n*WORD_SUM +: WORD_SUM] = {{LEVELS{1'b0}}, scaled_q[n*P_BITS +: P_BITS]};", DIFFER),
    "words-without-keys-read": ("_softmax", "reading_q && more_q != {KEY_BITS{1'b0}}", "reading_q", DIFFER),
    "probabilities-late": ("_softmax", "= sum_we && word3[0];", "= valid_q[2] && word2[0];", TIME),
    "a-silent-group-adds": ("_sums", ": {(COLUMNS*IP_LANE){1'b0}};",
                            ": own[s_word*(COLUMNS*IP_LANE) +: COLUMNS*IP_LANE];", DIFFER),
    "offsets-stay": ("_sums", "earlier - offset", "earlier - 0", DIFFER),
    "partial-sums-never-begin": ("_sums", "more2[3] ? {O_BITS{1'b0}}", "1'b0 ? {O_BITS{1'b0}}", DIFFER),
    "partial-sums-lost": ("_sums", ": o_rd_data[c*O_BITS +: O_BITS]", ": {O_BITS{1'b0}}", DIFFER),
    "sums-too-early": ("_sums", "assign done = done_q[1]", "assign done = done_q[0]", TIME),
    "reads-of-p-counted-as-q": ("", "{ZEROS{1'b0}}, q_rd,", "{ZEROS{1'b0}}, p_rd,", "counters: .*q_reads"),
    "division-takes-no-time": ("", "|in_flight || o_busy", "|in_flight", "counters: .*cycles"),
}
# found only where a reset ends something
KEPT = ("active_q <= 1'b0;", "active_q <= (active_q === 1'bx) ? 1'b0 : active_q;", f"{ANY}|budget|index")
RESETS = {"a-reset-leaves-rows": ("_feed", *KEPT), "a-reset-leaves-loads": ("_loader", *KEPT),
          "a-reset-leaves-scores": ("_scores", "visible_q & {LANES{valid_q[3]}}", "visible_q", "counters:"),
          "a-reset-leaves-clamped-scores": ("_scores", "clamped_q & {LANES{valid_q[3]}}", "clamped_q", "counters:"),
          "a-reset-leaves-exponentials": ("_softmax", "seen_q & {LANES{valid_q[0]}}", "seen_q", "counters:")}


BANK_FAULTS = {
    "cells-of-fewer-banks": ("", ".BANKS(BANKS)", ".BANKS(4)"),
    "multipliers-of-fewer-banks": ("_scores", "= WORDS << BANK_BITS;", "= WORDS << (BANK_BITS - 1);"),
    "loads-into-even-banks": ("_loader", "<= op_bank;", "<= op_bank & 3'd6;"),
    "rows-meet-other-banks": ("_feed", "= more3_q[1 +: BANK_BITS];", "= {1'b0, more3_q[1 +: BANK_BITS-1]};"),
}


def fault_cases(seed: int) -> tuple[UnfusedConfig, list[Case]]:
    """Small, and with all that a fault may need: spans, both banks, clamped scores, rows that see few keys, SOFTMAX in pieces."""
    cfg, generator = UnfusedConfig(4, 8, 16, 2, 4, 8, 64), np.random.default_rng([seed, 3])
    plan = Plan(block=9, resident=False, softmax_keys=12)
    # sizes of the scores such that some are clamped, and so that many probabilities are not 0
    x = [draw_operands(generator, cfg.head_dim, draw_positions(generator, kind, 30, 75), 75, shift)
         for kind, shift in (("prefill", 40), ("chunk", 29), ("any", 38))]
    return cfg, [planned(cfg, replace(plan, ahead=kind != 1), operands)[0] for kind, operands in enumerate(x)]


@pytest.mark.faults
def test_without_faults(seed: int) -> None:
    cfg, cases = fault_cases(seed)
    assert cases[1].counters["saturations"] > 0
    run_cases(cfg, cases, ("none",), RunOptions(seed=seed, sim="icarus"))


@pytest.mark.faults
@pytest.mark.sample(1)
@pytest.mark.parametrize("fault", BANK_FAULTS)
def test_faults_of_many_banks_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    file, old, new = BANK_FAULTS[fault]
    options = RunOptions(sim="icarus", seed=seed, sources=faulty_sources(tmp_path, [(f"{FOLDER}{file}.v", old, new)]),
                         build_root=tmp_path / "build")
    with pytest.raises(BenchFailed, match=ANY):
        run_cases(BANKED, [bank_case(BANKED, np.random.default_rng(seed))], ("none",), options)


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", [*FAULTS, *RESETS])
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    file, old, new, message = (FAULTS | RESETS)[fault]
    cfg, cases = fault_cases(seed)
    options = RunOptions(sim="icarus", seed=seed, sources=faulty_sources(tmp_path, [(f"{FOLDER}{file}.v", old, new)]),
                         build_root=tmp_path / "build")
    with pytest.raises(BenchFailed, match=message):
        run_cases(cfg, cases, ("reset",) if fault in RESETS else ("none",), options)


@pytest.mark.faults
@pytest.mark.parametrize(("name", "old", "new", "message"), [
    ("macros", "&& MACROS != 32)", "&& MACROS != 33)", "32 refused"),
    ("rows", "|| ROWS > HEAD_DIM", "|| ROWS >= HEAD_DIM", "128 refused"), ("slots", "SLOTS < 2", "SLOTS <= 2", "2 refused"),
    ("port_bytes", "PORT_BYTES > 256", "PORT_BYTES > 512", "512 taken"),
], ids=["most-macros", "square-macros", "fewest-slots", "a-wider-port"])
def test_limits_that_are_moved_are_found(name: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=message):
        check_limits(TOP, BASE.verilog_parameters, name.upper(), *LIMITS[name],
                     mutated_sources(tmp_path, f"rtl/baseline/{TOP}.v", old, new))
