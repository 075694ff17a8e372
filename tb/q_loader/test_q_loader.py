"""The Q loader at several sizes, under every stall pattern."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import RunOptions, run_bench
from tb.common.mutation import check_fault

TOP, FILE, BENCH = "fcim_q_loader", "rtl/stream/fcim_q_loader.v", "tb.q_loader.bench_q_loader"


@pytest.mark.sample(2)
@pytest.mark.parametrize(("rows", "head_dim", "pos_bits"), [(8, 16, 7), (24, 64, 11), (64, 128, 18), (128, 32, 18)])
def test_q_loader(rows: int, head_dim: int, pos_bits: int, seed: int) -> None:
    run_bench(TOP, BENCH, {"ROWS": rows, "HEAD_DIM": head_dim, "POS_BITS": pos_bits}, RunOptions(seed=seed))


@pytest.mark.faults
@pytest.mark.parametrize(("old", "new", "message"), [
    ("s_q_last || (index_q == ROWS[ROW_BITS-1:0] - 1'b1)", "s_q_last", "ready is|loaded is|tile_open is"),
    ("held_q & ~scaled", "held_q & ~streamed", "ready is 1, banks held"),
    ("{{(ELEM_SUM_BITS-8){data_q[d*8 + 7]}}", "{{(ELEM_SUM_BITS-8){1'b0}}", "sum got"),
], ids=["overlong-tile", "bank-freed-early", "sum-unsigned"])
def test_faults_are_found(old: str, new: str, message: str, seed: int, tmp_path: Path) -> None:
    check_fault(tmp_path, (FILE, old, new), message, TOP, BENCH, {"ROWS": 8, "HEAD_DIM": 16, "POS_BITS": 7},
                RunOptions(seed=seed, testcase="tiles/pattern=both"))
