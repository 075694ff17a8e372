"""Whole heads of the fixture model: every query head of a layer, prefill of ``length`` tokens.

Parameters: ``layer``, ``length``, ``tau`` (default 0), ``pattern`` (a stall pattern, or ``each`` of them; default none),
``schedule`` (default natural), ``fused`` and ``skip`` (0, 1, or ``each``: one after the other; default 0).
"""

from __future__ import annotations

from models.tensors.fit import fit_tensors
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.attention import fixture_layer, run_attention
from tb.workloads.engine import configuration, patterns
from tb.workloads.order import orders


def run(job: Job) -> Outcome:
    """One layer."""
    cfg, p = configuration(job), job.parameters
    tensors = fit_tensors(fixture_layer(int(p["layer"]), int(p["length"])), cfg)
    return run_attention(job, cfg, tensors, int(p.get("tau", 0)), patterns(job), orders(p))
