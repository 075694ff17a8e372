"""Float tensors with outliers: normal numbers, and a share ``rate`` of values ``size`` times as large, in Q, K and V.

Language models have such values, and they are what 8-bit operands suffer from. Each iteration draws other tensors.
Parameters: ``tokens``, ``heads`` on each of two KV heads, ``rate``, ``size``.
"""

from __future__ import annotations

import torch

from models.tensors.attention_tensors import AttentionTensors
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.attention import run_attention
from tb.workloads.engine import configuration, generator

KV_HEADS = 2


def run(job: Job) -> Outcome:
    """One layer's worth of random tensors."""
    cfg, p, numbers = configuration(job), job.parameters, generator(job)

    def draw(heads: int) -> torch.Tensor:
        shape = (heads, int(p["tokens"]), cfg.head_dim)
        values = numbers.standard_normal(shape)
        values[numbers.random(shape) < float(p["rate"])] *= float(p["size"])
        return torch.from_numpy(values).float()

    tensors = AttentionTensors(draw(KV_HEADS * int(p["heads"])), draw(KV_HEADS), draw(KV_HEADS), scale=cfg.head_dim**-0.5)
    return run_attention(job, cfg, tensors)
