"""Heads of the fixture model, or any random programs, through the unfused baseline.

Parameters: ``what``: "heads" (one KV head with its query heads; ``layer``, ``kv_head``, ``tokens``, ``queries``, 0 for all of
them, ``macros``, ``plan``) or "random" (programs of every kind on hardware of any size; ``number``).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import torch

from models.baseline.unfused import operands_of, rows_of
from models.baseline.unfused_program import Plan, UnfusedConfig
from models.errors import FcimError
from models.hardware.quantise import quantise
from models.quality.metrics import compare_heads, summarise
from models.quality.reference import reference_attention
from scripts.flow.regress.job import Job, Outcome
from scripts.flow.simulator import BenchFailed, RunOptions
from tb.unfused.cases import Case
from tb.unfused.run import draw_config, planned, random_cases, run_cases
from tb.workloads.attention import FIXTURE, model_layer
from tb.workloads.engine import generator

PLANS = {"overlapped": Plan(), "serial": Plan(serial=True, ahead=False, resident=False, banks=1),
         "reload": Plan(resident=False)}
Metrics = dict[str, int | float | str]


def _heads(job: Job) -> tuple[UnfusedConfig, list[Case], Metrics]:
    p = job.parameters
    name, tokens, kv_head = str(p.get("plan", "overlapped")), int(p["tokens"]), int(p.get("kv_head", 0))
    if name not in PLANS:
        raise FcimError(f"plan = '{name}' is unknown; use {', '.join(PLANS)}")
    tensors = model_layer(FIXTURE, int(p.get("layer", 2)), tokens).last_queries(int(p.get("queries", 0)) or tokens)
    reference = reference_attention(tensors)
    group, part = quantise(tensors)[kv_head], list(tensors.by_group())[kv_head]
    x, v_scale = operands_of(group)
    cfg = UnfusedConfig(macros=int(p.get("macros", 8)))
    case, result = planned(cfg, replace(PLANS[name], block=64), x)
    # rows are token by token, the query heads of one token side by side
    out = rows_of(cfg, result, len(x.q)).reshape(-1, len(part.heads), cfg.head_dim).transpose(0, 1).float() * v_scale / 256
    quality = summarise(compare_heads(out, reference[[tensors.heads.index(head) for head in part.heads]]))
    return cfg, [case], {"rows": len(x.q), "keys": x.keys, "saturations": result.counters["saturations"],
                         "SQNR dB": round(quality.mean.sqnr_db, 2)}


def run(job: Job) -> Outcome:
    """One of both.

    Raises:
        FcimError: a parameter is unknown.
    """
    torch.set_num_threads(1)
    what, metrics = str(job.parameters.get("what")), Metrics()
    if what == "heads":
        cfg, cases, metrics = _heads(job)
    elif what == "random":
        draw = generator(job, f"unfused {job.parameters.get('number', 0)}")
        cfg = draw_config(draw)
        cases = random_cases(cfg, draw)
        metrics = {name: value for name, value in cfg.verilog_parameters.items()}
    else:
        raise FcimError(f"what = '{what}' is unknown; use heads or random")
    try:
        result, cycles = run_cases(cfg, cases, ("none",) if what == "heads" else ("none", "gaps"), RunOptions(
            sim=job.sim, seed=job.seed, waves=job.waves, repeat=job.repeat))
    except BenchFailed as failure:
        return Outcome(False, str(failure), metrics, log=failure.result.log, waves=failure.result.waves)
    # gaps of the queues are drawn alike on both simulators
    digest = hashlib.sha256(repr(sorted(cycles.items())).encode())
    for case in cases:
        digest.update(np.ascontiguousarray(case.out).tobytes())
    return Outcome(True, metrics=metrics | {"mismatches": 0, "cycles": sum(cycles.values())}, tests=result.passed,
                   digest=digest.hexdigest()[:16], log=result.log, waves=result.waves)
