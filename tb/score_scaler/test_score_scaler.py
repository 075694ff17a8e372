"""``fcim_score_scaler`` against the formulas and the cycle rules of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.common.mutation import mutated_sources

# rows, elements of a head, bits per cycle, keys per block, bits of a position
SIZES = [(16, 32, 2, 8, 11), (8, 16, 1, 16, 7), (24, 16, 8, 8, 18), (24, 128, 4, 16, 18), (64, 128, 1, 16, 18)]


@pytest.mark.parametrize(("rows", "head_dim", "bits", "block", "pos_bits"), SIZES)
def test_score_scaler(rows: int, head_dim: int, bits: int, block: int, pos_bits: int, seed: int) -> None:
    parameters = {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "KEYS_PER_BLOCK": block, "POS_BITS": pos_bits}
    run_bench("fcim_score_scaler", "tb.score_scaler.bench_score_scaler", parameters, RunOptions(seed=seed))


@pytest.mark.parametrize(("old", "new", "pattern", "message"), [
    ("&& (!block_first || block_free)", "&& block_free", "backpressure", "s_col_ready is 0, block_free 0"),
    ("shift_q[row_bank] <= row_shift;", "if (wr_first) shift_q[row_bank] <= row_shift;", "none", "z_data got"),
], ids=["room-awaited-inside-a-block", "shift-of-the-first-row"])
def test_fault_is_noticed(old: str, new: str, pattern: str, message: str, tmp_path: Path, seed: int) -> None:
    sources = mutated_sources(tmp_path, "rtl/softmax/fcim_score_scaler.v", old, new)
    parameters = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "POS_BITS": 11}
    with pytest.raises(BenchFailed, match=message):
        run_bench("fcim_score_scaler", "tb.score_scaler.bench_score_scaler", parameters,
                  RunOptions(seed=seed, sources=sources, build_root=tmp_path / "build",
                             testcase=f"random_tiles/pattern={pattern}"))
