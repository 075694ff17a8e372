"""What each order of the keys costs each KV head of a model on a text: rescaled rows, and accuracy that query heads lose."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

import torch

from models.hardware.config import EngineConfig
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import tokens_per_tile
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.measure import measure_group
from scripts.studies.schedules.scores import GroupScores, group_scores
from scripts.studies.schedules.settings import NATURAL, Sweep
from scripts.studies.schedules.sources import prefill

TAUS = tuple(range(5))
TILES, CHECK_TILES = 16, 32     # of a KV head that are measured, or few more: of every order, and of the one that was chosen
CANDIDATES = (NATURAL, *(TileOptions(schedule, True, tau=tau) for tau in TAUS for schedule in SCHEDULES))
"""Natural order as it is, and every order with the fused first step, which costs nothing."""


@dataclass(frozen=True)
class Cost:
    """Rescaled rows, and the dB of SQNR that each query head loses against natural order, below 0 where it gains."""

    rescales: int
    lost_db: tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """What orders cost a KV head, or several together, over so many ``rows``. Natural order is among them."""

    rows: int
    costs: Mapping[TileOptions, Cost]


def together(measured: Sequence[Measured]) -> Measured:
    """KV heads that are to have one order, or one KV head on several texts, as one: with the query heads of all."""
    def two(a: Measured, b: Measured) -> Measured:
        return Measured(a.rows + b.rows, {of: Cost(cost.rescales + b.costs[of].rescales, cost.lost_db + b.costs[of].lost_db)
                                          for of, cost in a.costs.items() if of in b.costs})
    return reduce(two, measured)


def spread_tokens(cfg: EngineConfig, heads: int, tokens: int, tiles: int) -> torch.Tensor:
    """The tokens of ``tiles`` tiles or few more, evenly spread, the last of all not left out; of all if there are no more."""
    step = tokens_per_tile(cfg, heads)
    count = -(-tokens // step)
    chosen = range(count - 1, -1, -max(1, count // tiles))
    return torch.cat([torch.arange(tile * step, min(tokens, (tile + 1) * step)) for tile in reversed(chosen)])


def _lost(before: float, after: float) -> float:
    return 0.0 if math.isinf(after) else before - after     # a head without any noise, as of values that are all 0


def costs_of(cfg: EngineConfig, scores: GroupScores, reference: torch.Tensor, candidates: Iterable[TileOptions],
             limit_db: float) -> dict[TileOptions, Cost]:
    """What each candidate costs one KV head.

    Args:
        reference: float32 attention ``[G, T, D]`` of its query heads. limit_db: where a query head loses more, larger
            thresholds with the same order, which lose no less, are not measured.
    """
    names = [str(head) for head in range(scores.heads)]

    def measured(setting: TileOptions) -> tuple[int, list[float]]:
        sweep = Sweep(cfg, [(setting.fused, setting.tau)], [setting], (), (setting.schedule,), False)
        found, key = measure_group(sweep, scores, names, reference), (cfg.keys_per_block, cfg.prob_bits, setting)
        return sum(found.counts[key].rescales), [metrics.sqnr_db for metrics in found.scores[key].metrics]

    rescales, natural = measured(NATURAL)
    found, over = {NATURAL: Cost(rescales, (0.0,) * scores.heads)}, set()
    for setting in sorted(candidates, key=lambda of: of.tau):
        chain = setting.schedule, setting.fused
        if setting in found or chain in over or setting.tau > cfg.max_tau():
            continue
        rescales, after = measured(setting)
        found[setting] = Cost(rescales, tuple(map(_lost, natural, after)))
        if max(found[setting].lost_db) > limit_db:
            over.add(chain)
    return found


def layer_costs(cfg: EngineConfig, tensors: AttentionTensors, candidates: Sequence[Sequence[TileOptions]], tiles: int,
                limit_db: float) -> list[Measured]:
    """What the candidates of each KV head of a layer cost it."""
    torch.set_num_threads(1)
    layer, reference, found = prefill(tensors), reference_attention(tensors), []
    for ((group,), rows, own) in zip(layer.groups, layer.heads, candidates, strict=True):
        taken = spread_tokens(cfg, len(rows), group.q.shape[1], tiles)
        part = replace(group, q=group.q[:, taken], q_mult=group.q_mult[:, taken], q_pos=group.q_pos[taken])
        scores = group_scores(cfg, [part])
        found.append(Measured(int(scores.rows.sum()), costs_of(cfg, scores, reference[rows][:, taken], own, limit_db)))
    return found


def all_costs(cfg: EngineConfig, layers: Iterable[AttentionTensors], candidates: Iterable[Sequence[Sequence[TileOptions]]],
              tiles: int, limit_db: float, jobs: int) -> Iterator[list[Measured]]:
    """:func:`layer_costs` of each layer in turn. While up to ``jobs`` processes work, the next layer is captured; no more are
    held."""
    if jobs == 1:
        yield from (layer_costs(cfg, tensors, own, tiles, limit_db) for tensors, own in zip(layers, candidates))
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: list[Future[list[Measured]]] = []
        for tensors, own in zip(layers, candidates):
            waiting.append(pool.submit(layer_costs, cfg, tensors, own, tiles, limit_db))
            if len(waiting) > jobs:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)
