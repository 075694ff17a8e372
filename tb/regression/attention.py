"""Attention tensors through the engine: every bit against the golden model, every head against float32 attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch

from models.attention_tensors import AttentionTensors
from models.bounds import check_gap, gap_applies
from models.config import HardwareConfig
from models.metrics import compare_heads
from models.quantise import dequantise, quantise
from models.reference import group_attention, reference_attention
from models.source import load_tensors
from models.tile import TileJob, TileResult
from models.tiling import assemble, build_tiles, ideal_cycles
from tb.regression.engine import run_tiles
from tb.regression.job import Job, Outcome

# With more keys a row may keep most of its weight on one of them and spread the rest so thinly that it rounds to 0; one head
# of 64 channels has lost 0.7 dB so (docs/scope.md).
LONGEST_PER_HEAD = 2048


@lru_cache(maxsize=1)
def fixture_layer(layer: int, tokens: int) -> AttentionTensors:
    """One layer of the fixture model on the held-out text."""
    return load_tensors(layers=str(layer), tokens=tokens)[0]


def fit_head_dim(tensors: AttentionTensors, cfg: HardwareConfig) -> AttentionTensors:
    """The first ``cfg.head_dim`` channels of every head, with the scale that goes with them.

    Trained keys and queries keep their structure, so that a configuration of fewer channels sees more than random numbers.
    """
    dim = cfg.head_dim
    if dim == tensors.q.shape[-1]:
        return tensors
    return replace(tensors, q=tensors.q[..., :dim], k=tensors.k[..., :dim], v=tensors.v[..., :dim], scale=dim**-0.5)


def run_attention(job: Job, cfg: HardwareConfig, tensors: AttentionTensors, tau: int = 0,
                  patterns: Sequence[str] = ("none",)) -> Outcome:
    """All KV groups of ``tensors`` in one simulation; the accuracy bound of :mod:`models.bounds` holds on every head.

    Over more than ``LONGEST_PER_HEAD`` keys it holds on the mean of the heads. It is not asserted where visible scores
    saturate: these tensors leave the range of the number format, and the counter says so.
    """
    groups, parts = quantise(tensors), list(tensors.by_group())
    tiles: list[TileJob] = []
    spans = []
    for group in groups:
        mine = build_tiles(cfg, group, tau)
        spans.append(slice(len(tiles), len(tiles) + len(mine)))
        tiles += mine
    outcome, runs = run_tiles(job, cfg, tiles, patterns)
    if not outcome.passed:
        return outcome
    rows = torch.cat([torch.tensor([0]), torch.tensor([t.q.shape[0] for t in tiles]).cumsum(0)]).tolist()
    reference = reference_attention(tensors)
    names, hardware, quantised, cosines = [], [], [], []
    for group, part, span in zip(groups, parts, spans, strict=True):
        cut = slice(rows[span.start], rows[span.stop])
        output = assemble(group, [TileResult(runs[0].out[cut], runs[0].empty[cut])])
        want = reference[[tensors.heads.index(h) for h in part.heads]]
        scored = compare_heads(output, want)
        names += part.heads
        hardware += [m.sqnr_db for m in scored]
        cosines += [m.cosine for m in scored]
        quantised += [m.sqnr_db for m in compare_heads(group_attention(*dequantise(group), tensors.scale), want)]
    losses = [q - h for q, h in zip(quantised, hardware, strict=True)]
    outcome.metrics |= {"heads": len(names), "mean cosine": round(sum(cosines) / len(cosines), 6),
                        "worst cosine": round(min(cosines), 6), "worst SQNR dB": round(min(hardware), 2),
                        "largest loss to float dB": round(max(losses), 3)}
    if runs[0].pattern == "none":
        outcome.metrics["percent of ideal"] = round(100 * ideal_cycles(cfg, tiles) / runs[0].counters["cycles"], 2)
    saturations = runs[0].counters["saturations"]
    if saturations:
        outcome.metrics["saturations"] = saturations
    if gap_applies(cfg.prob_bits, tau) and not saturations:
        if tensors.k.shape[1] > LONGEST_PER_HEAD:
            count = len(names)
            names, hardware, quantised = [f"{count} heads, mean"], [sum(hardware) / count], [sum(quantised) / count]
        failed = [check for check in check_gap(names, hardware, quantised) if not check.passed]
        if failed:
            outcome.passed, outcome.message = False, "\n".join(map(str, failed))
    return outcome
