"""The Q loader at several sizes, under every stall pattern."""

from __future__ import annotations

import pytest

from scripts.simulate import run_bench

TOP, FILE, BENCH = "fcim_q_loader", "rtl/stream/fcim_q_loader.v", "tb.stream.bench_q_loader"


@pytest.mark.parametrize(("rows", "head_dim", "pos_bits"), [(8, 16, 7), (24, 64, 11), (64, 128, 18), (128, 32, 18)])
def test_q_loader(rows: int, head_dim: int, pos_bits: int, seed: int) -> None:
    run_bench(TOP, None, BENCH, {"ROWS": rows, "HEAD_DIM": head_dim, "POS_BITS": pos_bits}, seed=seed)
