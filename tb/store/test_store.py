"""The store over its parameters, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import refusals
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_store", "rtl/system/fcim_store.v", "tb.store.bench_store"
TESTS = 12
NAMES = ("ENGINES", "HEAD_DIM", "MAX_KEYS", "DATA_BITS")
SETS = [(1, 16, 64, 128), (4, 64, 1024, 128), (2, 128, 131072, 1024)]


@pytest.mark.sample(2)
@pytest.mark.parametrize("values", SETS, ids=["-".join(map(str, s)) for s in SETS])
def test_store(values: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, values, strict=True)), RunOptions(seed=seed)).passed == TESTS


def test_a_row_of_o_is_two_beats_at_least() -> None:
    assert refusals(TOP, SMALL | {"DATA_BITS": 256}) == set()
    assert refusals(TOP, SMALL | {"DATA_BITS": 512}) == {"DATA_BITS_use_at_most_a_row_of_K"}


# ---- faults
SMALL = {"ENGINES": 2, "HEAD_DIM": 32, "MAX_KEYS": 64, "DATA_BITS": 128}     # rows of four beats
PLAIN, RATE, FOUR, LAST = "calls/pattern=none", "full_rate/slots=one", "four_jobs_wait", "last_rows_are_checked"
WAIT, WITH, SILENT = "words_wait", "rows_that_come_with_a_word", "answers_that_do_not_come"
RESET = "reset_in_the_middle"
DIFFER, EARLY = "beats differ|beats came that were not|is X in an accepted", "a word is taken before all rows"
FAULTS = {
    "jobs-of-one-slot-for-all": (".rd_address({s_o_engine, row_rd[JOB_BITS-1:0]})",
                                 ".rd_address({{O_SLOT_BITS{1'b0}}, row_rd[JOB_BITS-1:0]})", PLAIN, DIFFER),
    "jobs-begin-anywhere": ("begun_q[s_o_engine] <= !job_end;", "begun_q[s_o_engine] <= 1'b1;", PLAIN,
                            f"{DIFFER}|budget|has no"),
    "a-row-per-token": ("? next_t : t;", "? next_t : next_t;", PLAIN, f"{DIFFER}|budget|has no"),
    "strides-exchanged": (".s_address_i_stride(call_o_head_stride)", ".s_address_i_stride(call_o_token_stride)", PLAIN, DIFFER),
    "too-many-jobs": ("s_job_ready = job_room && !word_q;", "s_job_ready = !word_q;", FOUR, "has more than 4|a fifth job"),
    "rows-without-jobs": ("&& row_wr != row_rd && open_q", "&& open_q", PLAIN, "has no job|is X in an accepted"),
    "word-before-answers": ("quiet = wr_q == rd_q && open_q == {OPEN_BITS{1'b0}} &&", "quiet = wr_q == rd_q &&", WAIT,
                            f"{EARLY}|idle is"),
    "word-before-jobs": ("quiet = wr_q == rd_q && open_q", "quiet = open_q", WAIT, f"{EARLY}|idle is"),
    "beats-before-the-word": ("!pushed_q && !word_q && buffer_ready", "!pushed_q && buffer_ready", WITH, f"{DIFFER}|budget"),
    "word-in-the-middle-of-a-row": ("&& !s_o_valid && !word_q;", "&& !word_q;", WITH, f"{DIFFER}|idle is|budget"),
    "a-word-writes-its-beat": ("{8{!beat_is_word || lane == mine}}", "{8{1'b1}}", PLAIN, DIFFER),
    "done-with-every-row": ("word_done_q   <= done && waits_q;", "word_done_q   <= done;", PLAIN, DIFFER),
    "error-of-a-word-is-a-row's": ("done && done_error && !waits_q;", "done && done_error;", WAIT, DIFFER),
    "error-of-a-word-lost": ("word_error  = fault_q;", "word_error  = 1'b0;", WAIT, DIFFER),
    "too-early-missed": ("error_q || s_o_last != job_end;", "error_q || (job_end && !s_o_last);", LAST, "error_rows is"),
    "too-late-missed": ("error_q || s_o_last != job_end;", "error_q || (s_o_last && !job_end);", LAST, "error_rows is"),
    "not-sticky": ("error_q <= error_q || s_o_last", "error_q <= s_o_last", LAST, "error_rows is"),
    "a-cycle-lost": ("(asked_q || row_goes) && (pushed_q || push_end);", "(asked_q || row_goes) && pushed_q;", RATE,
                     "cycles apart"),
    "buffer-too-small": ("2 * O_BEATS : 16;", "2 * O_BEATS : 8;", RATE, "cycles apart"),
    "no-end-of-open-rows": ("&& row_wr != row_rd && open_q != {OPEN_BITS{1'b1}};", "&& row_wr != row_rd;", SILENT,
                            "without an answer|idle is"),
    "never-idle-again": ("- {{(OPEN_BITS-1){1'b0}}, done};", ";", PLAIN, "idle is|budget"),
    "reset-keeps-the-place": ("begun_q <= {SLOTS{1'b0}};", "begun_q <= (begun_q[0] === 1'bx) ? {SLOTS{1'b0}} : begun_q;", RESET,
                              f"{DIFFER}|has no|error_rows is|budget"),
}


@pytest.mark.faults
@pytest.mark.sample(6)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
