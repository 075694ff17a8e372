"""``fcim_online_softmax`` against the formulas and the cycle rules of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.simulate import BenchFailed, run_bench
from tb.common.mutation import mutated_sources

# rows, elements of a head, bits per cycle, keys per block, bits of a probability, keys of a row
SIZES = [(16, 32, 2, 8, 16, 1024), (8, 16, 1, 8, 12, 64), (24, 16, 8, 16, 16, 64), (24, 32, 4, 8, 8, 128),
         (16, 16, 1, 16, 16, 131072)]


@pytest.mark.parametrize(("rows", "head_dim", "bits", "block", "prob_bits", "max_keys"), SIZES)
def test_online_softmax(rows: int, head_dim: int, bits: int, block: int, prob_bits: int, max_keys: int, seed: int) -> None:
    parameters = {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "KEYS_PER_BLOCK": block, "PROB_BITS": prob_bits,
                  "MAX_KEYS": max_keys}
    run_bench("fcim_online_softmax", None, "tb.online_softmax.bench_online_softmax", parameters, seed=seed)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("(|amount[REF_BITS:SHIFT_BITS]) ?", "1'b0 ?", "blk_shift"),
    ("exp_tau_q  <= ztau_q[exp_buf_q];", "exp_tau_q  <= tau_q[zbank_q[exp_buf_q]];", r"p \(lane, got, expected\)|blk_shift"),
], ids=["large-rescale-wraps", "tau-of-a-later-tile"])
def test_fault_is_noticed(old: str, new: str, message: str, tmp_path: Path, seed: int) -> None:
    sources = mutated_sources(tmp_path, "rtl/softmax/fcim_online_softmax.v", old, new)
    parameters = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 16, "MAX_KEYS": 1024}
    with pytest.raises(BenchFailed, match=message):
        run_bench("fcim_online_softmax", sources, "tb.online_softmax.bench_online_softmax", parameters, seed=seed,
                  build_root=tmp_path / "build", testcase="directed_tiles/pattern=none")
