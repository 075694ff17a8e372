"""Heads of a model's geometry on the K- and V-stationary baseline at its full size: every bit, count and cycle.

Parameters: ``tokens``, of which ``queries`` have queries (default: all), ``macros``, ``row_block`` (rows that go through all keys
before others begin; default all), ``overlap`` (default 1).
"""

from __future__ import annotations

import hashlib

import torch

from models.baseline.kv_program import KvConfig, causal_program, events_of
from models.baseline.kv_stationary import operands_of
from models.baseline.kv_stationary import run as golden
from models.hardware.quantise import quantise
from models.tensors.synthetic import synthetic_tensors
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions, run_bench
from tb.kv_stationary.cases import Case, write_cases

GEOMETRY = "llama3-8b"
TOP, BENCH = "fcim_kv_stationary", "tb.kv_stationary.bench_kv_stationary"
PATTERN = "programs/pattern=none"


def run(job: Job) -> Outcome:
    """The query heads of one KV head."""
    torch.set_num_threads(1)
    p = {name: int(str(value)) for name, value in job.parameters.items()}
    cfg = KvConfig(macros=p["macros"], v_tiles=min(2, p["macros"]))
    group, = quantise(synthetic_tensors(GEOMETRY, p["tokens"], job.seed, p.get("queries"), heads=1))
    x = operands_of(group)
    program = causal_program(cfg, x.q_pos.tolist(), len(x.k), p.get("row_block", 0), bool(p.get("overlap", 1)))
    counts, = write_cases(job.folder / "vectors.npz", cfg, [Case("overlapped", program, x)])
    metrics = {name: value for name, value in events_of(cfg, counts).items() if ":" not in name}
    environment = {"FCIM_VECTORS": str(job.folder / "vectors.npz")}
    try:
        result = run_bench(TOP, BENCH, cfg.verilog_parameters(), RunOptions(
            sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat, extra_env=environment, testcase=PATTERN))
    except BenchFailed as failure:
        return Outcome(False, str(failure), metrics, log=failure.result.log, waves=failure.result.waves)
    text = hashlib.sha256(golden(cfg, program, x).out.numpy().tobytes() + str(sorted(counts.items())).encode())
    return Outcome(True, metrics=metrics, digest=text.hexdigest()[:16], tests=result.passed, log=result.log, waves=result.waves)
