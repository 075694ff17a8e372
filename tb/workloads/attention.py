"""Attention tensors through the engine: every bit against the golden model, every head against float32 attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from models.errors import FcimError
from models.hardware.config import EngineConfig
from models.hardware.quantise import quantise
from models.hardware.schedules import TileOptions
from models.hardware.tile import QuantisedGroup, TileJob, TileResult
from models.hardware.tiling import assemble, build_tiles, ideal_cycles
from models.quality.bounds import JudgedHead, judge_group
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors, HeadGroup
from models.tensors.packaged import MODELS, model_file
from models.tensors.source import load_tensors
from scripts.flow.regress.job import Job, Outcome
from tb.workloads.engine import run_tiles
from tb.workloads.order import Order

FIXTURE = "fixture"


class NotFetched(Exception):
    """The model of a job is not on this machine; the text says how it gets there."""


@lru_cache(maxsize=1)
def model_layer(model: str, layer: int, tokens: int) -> AttentionTensors:
    """One layer on the held-out text: of the fixture model, or of a packaged one by its name if that was fetched before.

    Raises:
        NotFetched: it was not; a regression that nobody told to does not fetch it.
        FcimError: there is no such model, or it has no such layer.
    """
    if model != FIXTURE and model not in MODELS:
        raise FcimError(f"model = '{model}' is illegal; use {', '.join((FIXTURE, *MODELS))}")
    if model != FIXTURE and not model_file(model).is_file():
        raise NotFetched(f"the model {model} is not here; make head-stats MODEL={model} fetches it")
    return load_tensors(checkpoint=model_file(model) if model != FIXTURE else None, layers=str(layer), tokens=tokens)[0]


@dataclass
class _Part:
    """The tiles of one KV group in one order: those of ``span`` among the run's tiles."""

    order: Order
    group: QuantisedGroup
    tensors: HeadGroup
    span: slice


def _parts(cfg: EngineConfig, tensors: AttentionTensors, tau: int,
           orders: Sequence[Order]) -> tuple[list[_Part], list[TileJob]]:
    """All KV groups of ``tensors`` in each order, and their tiles."""
    parts: list[_Part] = []
    tiles: list[TileJob] = []
    groups = quantise(tensors)
    for order in orders:
        for group, part in zip(groups, tensors.by_group(), strict=True):
            cut = build_tiles(cfg, group, tau, order.schedule, order.fused, order.skip, order.octaves)
            parts.append(_Part(order, group, part, slice(len(tiles), len(tiles) + len(cut))))
            tiles += cut
    return parts, tiles


def _label(order: Order, orders: Sequence[Order]) -> str:
    """What tells the order from the others of the run."""
    return f", fused {int(order.fused)}, skip {int(order.skip)}" if len(orders) > 1 else ""


def _skip_problem(parts: Sequence[_Part], outputs: Sequence[torch.Tensor]) -> str:
    """Where a run with skipped blocks that do not matter gave another output than one without; empty if nowhere."""
    without = {(p.order.schedule, p.order.fused, p.tensors.heads[0]): out for p, out in zip(parts, outputs) if not p.order.skip}
    for part, out in zip(parts, outputs):
        other = without.get((part.order.schedule, part.order.fused, part.tensors.heads[0]))
        if part.order.skip and not part.order.octaves and other is not None and not torch.equal(out, other):
            return f"skipping blocks changed the output of {part.tensors.heads[0]} and its group"
    return ""


def run_attention(job: Job, cfg: EngineConfig, tensors: AttentionTensors, tau: int = 0, patterns: Sequence[str] = ("none",),
                  orders: Sequence[Order] = (Order(),)) -> Outcome:
    """All KV groups of ``tensors`` in one simulation, once in each order; :mod:`models.quality.bounds` holds on every head.

    Where an order is run with and without skipping of blocks that do not matter, both must give the same bits.
    """
    parts, tiles = _parts(cfg, tensors, tau, orders)
    outcome, runs = run_tiles(job, cfg, tiles, patterns)
    if not outcome.passed:
        return outcome
    rows = torch.cat([torch.tensor([0]), torch.tensor([t.q.shape[0] for t in tiles]).cumsum(0)]).tolist()
    reference = reference_attention(tensors)
    judged: list[JudgedHead] = []
    outputs = []
    for part in parts:
        cut = slice(rows[part.span.start], rows[part.span.stop])
        outputs.append(assemble(part.group, [TileResult(runs[0].out[cut], runs[0].empty[cut])]))
        order, heads = part.order, part.tensors.heads
        options = TileOptions(order.schedule, order.fused, order.skip, tau, order.octaves)
        judged += judge_group(cfg, options, part.tensors, tensors.scale, part.group, outputs[-1],
                              reference[[tensors.heads.index(h) for h in heads]], [h + _label(order, orders) for h in heads])
    scored = [head.metrics for head in judged]
    outcome.metrics |= {"heads": len(judged), "mean cosine": round(sum(m.cosine for m in scored) / len(scored), 6),
                        "worst cosine": round(min(m.cosine for m in scored), 6),
                        "worst SQNR dB": round(min(m.sqnr_db for m in scored), 2),
                        "largest loss to float dB": round(max(h.loss_db for h in judged), 3),
                        "rescaled rows": runs[0].counters["rescaled_rows"], "skipped blocks": runs[0].counters["skipped_blocks"]}
    if runs[0].pattern == "none":
        outcome.metrics["percent of ideal"] = round(100 * ideal_cycles(cfg, tiles) / runs[0].counters["cycles"], 2)
    if runs[0].counters["saturations"]:
        outcome.metrics["saturations"] = runs[0].counters["saturations"]
    if outside := [head for head in judged if head.outside]:
        causes = sorted({cause.kind for head in outside for cause in head.causes})
        outcome.metrics["heads outside the promised range"] = f"{len(outside)}: {', '.join(causes)}"
    problems = [problem] if (problem := _skip_problem(parts, outputs)) else []
    problems += [str(check) for head in judged for check in head.checks if not check.passed]
    outcome.passed, outcome.message = not problems, "\n".join(problems)
    return outcome
