"""Decoding with a model: the last ``tokens`` tokens ask a cache of ``keys`` keys, their own among them.

Parameters: ``model`` (default the fixture; a job whose model was not fetched is skipped),
``layer``, ``keys``, ``tokens`` (default 1: a decode step; more is a chunk of a prefill), ``tau`` (default 0),
``pattern`` (a stall pattern, or ``each`` of them; default none), ``schedule``, ``fused`` and ``skip`` (0, 1, or
``each``: one after the other); by default the order that users get.
"""

from __future__ import annotations

from models.tensors.fit import fit_tensors
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.attention import FIXTURE, NotFetched, model_layer, run_attention
from tb.workloads.engine import configuration, patterns
from tb.workloads.order import orders


def run(job: Job) -> Outcome:
    """Every head of one layer."""
    cfg, p = configuration(job), job.parameters
    try:
        tensors = fit_tensors(model_layer(str(p.get("model", FIXTURE)), int(p["layer"]), int(p["keys"])), cfg)
    except NotFetched as why:
        return Outcome(False, skipped=str(why))
    tensors = tensors.last_queries(int(p.get("tokens", 1)))
    return run_attention(job, cfg, tensors, int(p.get("tau", 0)), patterns(job), orders(p))
