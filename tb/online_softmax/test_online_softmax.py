"""``fcim_online_softmax`` against the formulas and the cycle rules of the specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.common.mutation import mutated_sources

# rows, elements of a head, bits per cycle, keys per block, bits of a probability, keys of a row
SIZES = [(16, 32, 2, 8, 16, 1024), (8, 16, 1, 8, 12, 64), (24, 16, 8, 16, 16, 64), (24, 32, 4, 8, 8, 128),
         (16, 16, 1, 16, 16, 131072)]


@pytest.mark.parametrize(("rows", "head_dim", "bits", "block", "prob_bits", "max_keys"), SIZES)
def test_online_softmax(rows: int, head_dim: int, bits: int, block: int, prob_bits: int, max_keys: int, seed: int) -> None:
    parameters = {"ROWS": rows, "HEAD_DIM": head_dim, "BITS_PER_CYCLE": bits, "KEYS_PER_BLOCK": block, "PROB_BITS": prob_bits,
                  "MAX_KEYS": max_keys}
    run_bench("fcim_online_softmax", "tb.online_softmax.bench_online_softmax", parameters, RunOptions(seed=seed))


@pytest.mark.parametrize(("module", "old", "new", "message"), [
    ("fcim_row_max", "(|amount[REF_BITS:SHIFT_BITS]) ?", "1'b0 ?", "blk_shift"),
    ("fcim_online_softmax", ".start_tau(ztau_q[exp_buf_q])", ".start_tau(tau_q[exp_bank])",
     r"p \(lane, got, expected\)|blk_shift"),
    ("fcim_online_softmax", "assign m_req_zero  = zzero_q[exp_buf_q];", "assign m_req_zero  = 1'b0;", "m_req"),
    ("fcim_online_softmax", ".s_blk_tau(ztau_q[judge_buf_q])", ".s_blk_tau(ztau_q[judge_after])",
     r"p \(lane, got, expected\)|blk_shift|m_req|rescales"),
    ("fcim_online_softmax", "exp_ready || (rd_buf != judge_buf_q)", "exp_ready", "rescales after|the request comes"),
], ids=["large-rescale-wraps", "tau-of-a-later-tile", "no-block-is-zero", "tau-of-the-next-block", "judged-too-late"])
def test_fault_is_noticed(module: str, old: str, new: str, message: str, tmp_path: Path, seed: int) -> None:
    sources = mutated_sources(tmp_path, f"rtl/softmax/{module}.v", old, new)
    parameters = {"ROWS": 16, "HEAD_DIM": 32, "BITS_PER_CYCLE": 2, "KEYS_PER_BLOCK": 8, "PROB_BITS": 16, "MAX_KEYS": 1024}
    with pytest.raises(BenchFailed, match=message):
        run_bench("fcim_online_softmax", "tb.online_softmax.bench_online_softmax", parameters,
                  RunOptions(seed=seed, sources=sources, build_root=tmp_path / "build",
                             testcase=["directed_tiles/pattern=none", "random_tiles/pattern=none"]))
