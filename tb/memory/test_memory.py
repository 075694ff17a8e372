"""The two memories and the FIFO over their shapes, broken on purpose, and whether anyone reads a word while it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.common.mutation import check_fault, faulty_sources

RAM, FILE, FIFO = "fcim_ram", "fcim_register_file", "fcim_fifo"
RAM_FILE, FILE_FILE, FIFO_FILE = "rtl/memory/fcim_ram.v", "rtl/memory/fcim_register_file.v", "rtl/memory/fcim_fifo.v"
RAM_BENCH, FILE_BENCH, FIFO_BENCH = "tb.memory.bench_ram", "tb.memory.bench_register_file", "tb.memory.bench_fifo"
RAMS = [(1, 1), (2, 65), (7, 20), (64, 8)]                          # words and bits of a word
FILES = [(1, 8, 1), (2, 40, 8), (6, 4, 2), (16, 33, 1)]             # ... and parts


@pytest.mark.parametrize(("words", "width"), RAMS)
def test_ram(words: int, width: int, seed: int) -> None:
    run_bench(RAM, RAM_BENCH, {"WORDS": words, "WIDTH": width}, RunOptions(seed=seed))


@pytest.mark.parametrize(("words", "width", "parts"), FILES)
def test_register_file(words: int, width: int, parts: int, seed: int) -> None:
    run_bench(FILE, FILE_BENCH, {"WORDS": words, "WIDTH": width, "PARTS": parts}, RunOptions(seed=seed))


@pytest.mark.parametrize(("words", "width"), [(1, 1), (2, 9), (3, 20), (16, 66)])
def test_fifo(words: int, width: int, seed: int) -> None:
    run_bench(FIFO, FIFO_BENCH, {"WORDS": words, "WIDTH": width}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("(inside_q != WORDS[COUNT_BITS-1:0])", "(inside_q != WORDS[COUNT_BITS-1:0] || m_ready)", "s_ready with"),
    ("(inside_q == 0);\n\nend", "(inside_q == valid_q);\n\nend", "empty with"),
    ("wr_q <= (wr_q == LAST_WORD[ADDRESS_BITS-1:0])", "wr_q <= (wr_q == LAST_WORD[ADDRESS_BITS-1:0] - 1'b1)", "m beat|is X"),
    ("(m_ready && inside_q != ONE[COUNT_BITS-1:0])", "1'b0", "a beat moves in every cycle"),
    ("(m_ready && inside_q != ONE[COUNT_BITS-1:0])", "m_ready", "m beat|is X|is offered|not expected"),
    ("if (push && !take) begin", "if (push) begin", "m beat|is X|s_ready with|not expected|budget"),
    ("valid_q <= rd || (valid_q && !m_ready)", "valid_q <= rd", "dropped|m beat|were not|did not come"),
], ids=["room-seen-through", "empty-too-early", "wraps-too-early", "half-rate", "one-too-many", "count-of-one-side",
        "does-not-wait"])
def test_faults_of_the_fifo_are_found(old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FIFO_FILE, old, new), message, FIFO, FIFO_BENCH, {"WORDS": 3, "WIDTH": 20}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("fault", "top", "bench", "parameters"), [
    ((RAM_FILE, "if (rd) begin", "begin"), RAM, RAM_BENCH, {"WORDS": 7, "WIDTH": 20}),
    ((RAM_FILE, "word_q[wr_address] <= wr_data;", "word_q[wr_address] <= wr_data & ~(wr_address == 6);"), RAM, RAM_BENCH,
     {"WORDS": 7, "WIDTH": 20}),
    ((FILE_FILE, "if (we[p])", "if (we != 0)"), FILE, FILE_BENCH, {"WORDS": 6, "WIDTH": 4, "PARTS": 2}),
    ((FILE_FILE, "= word_q[rd_address];", "= (we != 0 && wr_address == rd_address) ? wr_data : word_q[rd_address];"), FILE,
     FILE_BENCH, {"WORDS": 6, "WIDTH": 4, "PARTS": 2}),
], ids=["not-held", "last-word", "parts-as-one", "written-through"])
def test_faults_are_found(fault: tuple[str, str, str], top: str, bench: str, parameters: dict[str, int], seed: int,
                          tmp_path: Path) -> None:
    check_fault(tmp_path, fault, "word . is", top, bench, parameters, RunOptions(seed=seed))


# ---- a macro may give anything for a word that is read in the cycle in which it is written: here X, which no bench forgives
READ = "rd_q <= word_q[rd_address];"
ANY, SAME = ((RAM_FILE, READ, f"rd_q <= {when} ? {{WIDTH{{1'bx}}}} : word_q[rd_address];")
             for when in ("we", "(we && wr_address == rd_address)"))
USERS = [("fcim_op_cim", "short_blocks_with_gaps"), ("fcim_online_softmax", "random_tiles/pattern=none")]
ENGINE = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 8, "MAX_KEYS": 64}


def collide(user: str, tests: str, bits: int, fault: tuple[str, str, str], seed: int, folder: Path) -> None:
    """The bench of a module that has such memories, with ``fault`` in them."""
    run_bench(user, f"tb.{user[5:]}.bench_{user[5:]}", ENGINE | {"BITS_PER_CYCLE": bits}, RunOptions(
        sim="icarus", seed=seed, testcase=tests, fast_arrays=False, sources=faulty_sources(folder, [fault]),
        build_root=folder / "build"))


@pytest.mark.faults
@pytest.mark.parametrize("bits", [2, 8])
@pytest.mark.parametrize(("user", "tests"), USERS)
def test_no_word_is_read_while_it_is_written(user: str, tests: str, bits: int, seed: int, tmp_path: Path) -> None:
    collide(user, tests, bits, SAME, seed, tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize(("user", "tests"), USERS)
def test_that_a_read_fails_is_found(user: str, tests: str, seed: int, tmp_path: Path) -> None:
    """If any write spoilt the read beside it, the benches would say so."""
    with pytest.raises(BenchFailed, match="X"):
        collide(user, tests, 2, ANY, seed, tmp_path)
