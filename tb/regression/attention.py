"""Attention tensors through the engine: every bit against the golden model, every head against float32 attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch

from models.attention_tensors import AttentionTensors
from models.bounds import check_gap, gap_applies
from models.config import HardwareConfig
from models.metrics import compare_heads
from models.quantise import dequantise, quantise
from models.reference import group_attention, reference_attention
from models.source import load_tensors
from models.tile import QuantisedGroup, TileJob, TileResult
from models.tiling import assemble, build_tiles, ideal_cycles
from tb.regression.engine import run_tiles
from tb.regression.job import Job, Outcome
from tb.regression.order import Order

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


@dataclass
class _Part:
    """The tiles of one KV group in one order: those of ``span`` among the run's tiles."""

    order: Order
    group: QuantisedGroup
    tensors: AttentionTensors
    span: slice


def _parts(cfg: HardwareConfig, tensors: AttentionTensors, tau: int,
           orders: Sequence[Order]) -> tuple[list[_Part], list[TileJob]]:
    """All KV groups of ``tensors`` in each order, and their tiles."""
    parts: list[_Part] = []
    tiles: list[TileJob] = []
    groups = quantise(tensors)
    for order in orders:
        for group, part in zip(groups, tensors.by_group(), strict=True):
            mine = build_tiles(cfg, group, tau, order.schedule, order.fused, order.skip)
            parts.append(_Part(order, group, part, slice(len(tiles), len(tiles) + len(mine))))
            tiles += mine
    return parts, tiles


def _label(order: Order, orders: Sequence[Order]) -> str:
    """What tells the order from the others of the run."""
    return f", fused {int(order.fused)}, skip {int(order.skip)}" if len(orders) > 1 else ""


def _skip_problem(parts: Sequence[_Part], outputs: Sequence[torch.Tensor]) -> str:
    """Where a run with skipped blocks gave another output than one without; empty if nowhere."""
    without = {(p.order.schedule, p.order.fused, p.tensors.heads[0]): out for p, out in zip(parts, outputs) if not p.order.skip}
    for part, out in zip(parts, outputs):
        other = without.get((part.order.schedule, part.order.fused, part.tensors.heads[0]))
        if part.order.skip and other is not None and not torch.equal(out, other):
            return f"skipping blocks changed the output of {part.tensors.heads[0]} and its group"
    return ""


def run_attention(job: Job, cfg: HardwareConfig, tensors: AttentionTensors, tau: int = 0, patterns: Sequence[str] = ("none",),
                  orders: Sequence[Order] = (Order(),)) -> Outcome:
    """All KV groups of ``tensors`` in one simulation, once in each order; the bound of :mod:`models.bounds` holds on every head.

    Where an order is run with and without skipping, both must give the same bits. Over more than ``LONGEST_PER_HEAD`` keys the
    bound holds on the mean of the heads. It is not asserted where visible scores saturate: these tensors leave the range of the
    number format, and the counter says so.
    """
    parts, tiles = _parts(cfg, tensors, tau, orders)
    outcome, runs = run_tiles(job, cfg, tiles, patterns)
    if not outcome.passed:
        return outcome
    rows = torch.cat([torch.tensor([0]), torch.tensor([t.q.shape[0] for t in tiles]).cumsum(0)]).tolist()
    reference = reference_attention(tensors)
    names, hardware, quantised, cosines, outputs = [], [], [], [], []
    for part in parts:
        cut = slice(rows[part.span.start], rows[part.span.stop])
        output = assemble(part.group, [TileResult(runs[0].out[cut], runs[0].empty[cut])])
        want = reference[[tensors.heads.index(h) for h in part.tensors.heads]]
        scored = compare_heads(output, want)
        outputs.append(output)
        names += [name + _label(part.order, orders) for name in part.tensors.heads]
        hardware += [m.sqnr_db for m in scored]
        cosines += [m.cosine for m in scored]
        quantised += [m.sqnr_db for m in compare_heads(group_attention(*dequantise(part.group), tensors.scale), want)]
    losses = [q - h for q, h in zip(quantised, hardware, strict=True)]
    outcome.metrics |= {"heads": len(names), "mean cosine": round(sum(cosines) / len(cosines), 6),
                        "worst cosine": round(min(cosines), 6), "worst SQNR dB": round(min(hardware), 2),
                        "largest loss to float dB": round(max(losses), 3), "rescaled rows": runs[0].counters["rescaled_rows"],
                        "skipped blocks": runs[0].counters["skipped_blocks"]}
    if runs[0].pattern == "none":
        outcome.metrics["percent of ideal"] = round(100 * ideal_cycles(cfg, tiles) / runs[0].counters["cycles"], 2)
    saturations = runs[0].counters["saturations"]
    if saturations:
        outcome.metrics["saturations"] = saturations
    problems = [problem] if (problem := _skip_problem(parts, outputs)) else []
    if gap_applies(cfg.prob_bits, tau) and not saturations:
        if tensors.k.shape[1] > LONGEST_PER_HEAD:
            count = len(names)
            names, hardware, quantised = [f"{count} heads, mean"], [sum(hardware) / count], [sum(quantised) / count]
        problems += [str(check) for check in check_gap(names, hardware, quantised) if not check.passed]
    outcome.passed, outcome.message = not problems, "\n".join(problems)
    return outcome
