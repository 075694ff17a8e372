"""What each order of the keys costs each KV head of a model on a text: rescaled rows, and accuracy that query heads lose."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

import torch

from models.hardware.config import EngineConfig
from models.hardware.schedules import SCHEDULES, TileOptions
from models.hardware.tiling import tokens_per_tile
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.measure import Measured, measure_group
from scripts.studies.schedules.scores import GroupScores, group_scores
from scripts.studies.schedules.settings import NATURAL, Sweep
from scripts.studies.schedules.sources import prefill

TAUS = tuple(range(5))
NOTHING_DB = 0.005      # lost by each query head: next to nothing
TILES, CHECK_TILES = 24, 32     # of a KV head that are measured, or few more: of every order, and of the one that was chosen
CANDIDATES = (NATURAL, *(TileOptions(schedule, True, tau=tau) for tau in TAUS for schedule in SCHEDULES))
"""Natural order as it is, and every order with the fused first step, which costs nothing."""


@dataclass(frozen=True)
class Cost:
    """Rescaled rows, and the dB of SQNR that each query head loses against natural order, below 0 where it gains."""

    rescales: int
    lost_db: tuple[float, ...]


@dataclass(frozen=True)
class HeadCosts:
    """What orders cost a KV head, or several together, over so many ``rows``. Natural order is among them."""

    rows: int
    costs: Mapping[TileOptions, Cost]


def together(measured: Sequence[HeadCosts]) -> HeadCosts:
    """KV heads that are to have one order, or one KV head on several texts, as one: with the query heads of all."""
    def two(a: HeadCosts, b: HeadCosts) -> HeadCosts:
        return HeadCosts(a.rows + b.rows, {of: Cost(cost.rescales + b.costs[of].rescales, cost.lost_db + b.costs[of].lost_db)
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


def costs_of(cfg: EngineConfig, scores: GroupScores, reference: torch.Tensor, candidates: Sequence[TileOptions],
             limit_db: float = math.inf, useful: bool = False) -> dict[TileOptions, Cost]:
    """What candidates cost one KV head, natural order first.

    Args:
        reference: float32 attention ``[G, T, D]`` of its query heads. limit_db: leave out those with a larger threshold than one
            with which a query head loses more. useful: leave out those that rescale no less than another, of the same threshold
            or a lower one, that loses next to nothing.
    """
    names, size = [str(head) for head in range(scores.heads)], (cfg.keys_per_block, cfg.prob_bits)

    def measured(settings: Sequence[TileOptions], scored: bool) -> Measured:
        found = Measured()
        for schedule in {of.schedule for of in settings}:
            own = [of for of in settings if of.schedule == schedule]
            sweep = Sweep(cfg, [(of.fused, of.tau) for of in own], own if scored else [], (), (schedule,), False)
            found.add(measure_group(sweep, scores, names, reference))
        return found

    def sqnr_db(of: TileOptions) -> list[float]:
        return [metrics.sqnr_db for metrics in measured([of], True).scores[*size, of].metrics]

    there = list(dict.fromkeys([NATURAL, *(of for of in candidates if of.tau <= cfg.max_tau())]))
    rescales = {of: sum(counts.rescales) for (_, _, of), counts in measured(there, False).counts.items()}
    natural, over = sqnr_db(NATURAL), set()
    found = {NATURAL: Cost(rescales[NATURAL], (0.0,) * scores.heads)}
    for of in sorted(there[1:], key=lambda of: (of.tau, rescales[of])):
        beaten = any(cost.rescales <= rescales[of] and max(cost.lost_db) <= NOTHING_DB for cost in found.values())
        if (useful and beaten) or (of.schedule, of.fused) in over:
            continue
        found[of] = Cost(rescales[of], tuple(map(_lost, natural, sqnr_db(of))))
        if max(found[of].lost_db) > limit_db:
            over.add((of.schedule, of.fused))
    return found


def layer_costs(tensors: AttentionTensors, candidates: Sequence[Sequence[TileOptions]], cfg: EngineConfig, tiles: int,
                limit_db: float = math.inf, useful: bool = False) -> list[HeadCosts]:
    """What the candidates of each KV head of a layer cost it, on so many of its tiles; the rest as for :func:`costs_of`."""
    torch.set_num_threads(1)
    layer, reference, found = prefill(tensors), reference_attention(tensors), []
    for ((group,), rows, own) in zip(layer.groups, layer.heads, candidates, strict=True):
        taken = spread_tokens(cfg, len(rows), group.q.shape[1], tiles)
        part = replace(group, q=group.q[:, taken], q_mult=group.q_mult[:, taken], q_pos=group.q_pos[taken])
        scores = group_scores(cfg, [part])
        found.append(HeadCosts(int(scores.rows.sum()), costs_of(cfg, scores, reference[rows][:, taken], own, limit_db, useful)))
    return found


def all_costs(layers: Iterable[AttentionTensors], candidates: Iterable[Sequence[Sequence[TileOptions]]], jobs: int,
              work: Callable[[AttentionTensors, Sequence[Sequence[TileOptions]]], list[HeadCosts]]) -> Iterator[list[HeadCosts]]:
    """``work``, :func:`layer_costs` with all else that it takes, of each layer and its candidates in turn. While up to ``jobs``
    processes work, the next layer is captured; no more are held."""
    if jobs == 1:
        yield from map(work, layers, candidates)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: list[Future[list[HeadCosts]]] = []
        for tensors, own in zip(layers, candidates):
            waiting.append(pool.submit(work, tensors, own))
            if len(waiting) > jobs:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)
