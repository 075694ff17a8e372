"""Fetching Q for one, two and sixteen engines on narrow and wide buses, and broken on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.legal import refusals
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_q_fetch", "rtl/system/fcim_q_fetch.v", "tb.q_fetch.bench_q_fetch"
TESTS = 4
NAMES = ("ENGINES", "ROWS", "HEAD_DIM", "MAX_KEYS", "DATA_BITS")
SMALL = dict(zip(NAMES, (2, 16, 32, 512, 128), strict=True))


@pytest.mark.sample(2)
@pytest.mark.parametrize("sizes", [(1, 8, 16, 64, 128), (16, 128, 128, 131072, 1024), (2, 24, 32, 1024, 256)])
def test_q_fetch(sizes: tuple[int, ...], seed: int) -> None:
    assert run_bench(TOP, BENCH, dict(zip(NAMES, sizes, strict=True)), RunOptions(seed=seed)).passed == TESTS


def test_a_bus_wider_than_a_row_is_refused() -> None:
    assert refusals(TOP, SMALL | {"DATA_BITS": 256}) == set()
    assert refusals(TOP, SMALL | {"DATA_BITS": 512}) == {"DATA_BITS_use_at_most_8_HEAD_DIM"}


# ---- faults
PLAIN, BUSY, DIFFERS = "calls/pattern=none", "calls/pattern=both", "m_fetch beat|beats differ"
FAULTS = {
    "shifts-of-one-beat-too-many": ("BUS_BYTES[HEADS_BITS:0] - 1'b1;", "BUS_BYTES[HEADS_BITS:0];", PLAIN, DIFFERS),
    "tile-taken-with-start": ("!tile_q && !shifts_q && !start;", "!tile_q && !shifts_q;", PLAIN, "before the call begins"),
    "tile-number-of-tokens": ("{{(INDEX_BITS-POS_BITS){1'b0}}, number_q};", "{{(INDEX_BITS-POS_BITS){1'b0}}, token_q};", PLAIN,
                              DIFFERS),
    "head-instead-of-query-head": ("{{(INDEX_BITS-Q_HEAD_BITS){1'b0}}, q_head_q};", "{{(INDEX_BITS-HEAD_BITS){1'b0}}, head_q};",
                                   PLAIN, DIFFERS),
    "position-without-first": ("pos_q    <= call_first + s_tile_token;", "pos_q    <= s_tile_token;", PLAIN, DIFFERS),
    "position-stays": ("pos_q    <= pos_q + 1'b1;", "pos_q    <= pos_q;", PLAIN, DIFFERS),
    "last-of-multipliers": ("wire                      last = (kind == Q_ROWS) && (left_q == ONE_TOKEN);",
                            "wire                      last = (left_q == ONE_TOKEN);", PLAIN, f"{DIFFERS}|of last is X"),
    "one-row-a-token": ("{{(ROWS_BITS-ROWS_COUNT_BITS){1'b0}}, call_group}", "{{(ROWS_BITS-1){1'b0}}, 1'b1}", PLAIN, DIFFERS),
    "token-lost-to-a-stall": ("wire                      ask = ask_valid && ask_ready;",
                              "wire                      ask = ask_valid;", BUSY, f"{DIFFERS}|idle|cycle budget"),
    "idle-too-early": ("!shifts_q && !tile_q && (inside_q == 0);", "!shifts_q && !tile_q;", PLAIN, "idle is wrong"),
    "a-pause-after-each-tile": ("assign s_tile_ready = !tile_q && !shifts_q && !start;",
                                "assign s_tile_ready = !tile_q && !shifts_q && !start && inside_q < 2;", PLAIN, "takes t"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str, seed: int, tmp_path: Path) -> None:
    old, new, testcase, message = FAULTS[fault]
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, SMALL, RunOptions(sim="icarus", seed=seed, testcase=testcase))
