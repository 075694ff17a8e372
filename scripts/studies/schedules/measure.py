"""Measures layers, a task each: rescales and skipped blocks at every setting, outputs and cycles at some."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path

import numpy as np
import torch

from models.hardware.config import EngineConfig
from models.hardware.orders import Orders
from models.hardware.schedules import TileOptions
from models.hardware.tiling import assemble, tokens_per_tile
from models.hardware.timeline import predict_cycles
from models.quality.metrics import HeadMetrics, compare_heads
from models.quality.reference import reference_attention
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.outputs import run_group
from scripts.studies.schedules.row_max import Moves, blocks_that_run, walk, zero_blocks
from scripts.studies.schedules.scores import HIDDEN, GroupScores, block_maxima, block_spans, group_scores, ones_of_blocks
from scripts.studies.schedules.settings import CALIBRATED, Sweep
from scripts.studies.schedules.sources import Layer, decode, load_layer, planted_sink, prefill


@dataclass
class Counts:
    """Sums over tiles at one setting of one configuration. Lists have one entry a query head, in the order of ``heads``.

    ``rescales``: rescaled rows; ``new_maxima``: blocks after a row's first whose maximum exceeds all before, which an online
    softmax without an integer reference rescales for; ``always``: blocks after the first, for which one without any test does.
    ``moved_blocks``: blocks in which any row of the tile is rescaled; ``later_blocks``: those that could be.
    ``row_blocks``, ``zero_row_blocks``: (row, block) pairs, and those whose probabilities are all 0. ``op_bit_ops``: bits of
    values that switch the OP-CIM's array, without and with skipping.
    """

    heads: list[str]
    rows: list[int]
    rescales: list[int]
    new_maxima: list[int]
    always: list[int]
    blocks: int = 0
    later_blocks: int = 0
    moved_blocks: int = 0
    zero_blocks: int = 0
    skipped_blocks: int = 0
    keys: int = 0
    skipped_keys: int = 0
    row_blocks: int = 0
    zero_row_blocks: int = 0
    op_bit_ops: int = 0
    op_bit_ops_skipping: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


@dataclass
class Scores:
    """Outputs and cycles at one setting: ``metrics`` of each head against float32 attention; cycles over all KV heads, without
    and with skipping (None where not asked for). ``set_bits``: of the probabilities that enter the OP-CIM, of each head, over as
    many ``pairs`` of a row and a key, hidden ones included."""

    heads: list[str]
    metrics: list[HeadMetrics]
    set_bits: list[int]
    pairs: list[int]
    cycles: int = 0
    cycles_skipping: int | None = None

    def __add__(self, other: Scores) -> Scores:
        both = None not in (self.cycles_skipping, other.cycles_skipping)
        return Scores(self.heads + other.heads, self.metrics + other.metrics, self.set_bits + other.set_bits,
                      self.pairs + other.pairs, self.cycles + other.cycles,
                      self.cycles_skipping + other.cycles_skipping if both else None)


Key = tuple[int, int, TileOptions]  # keys per block, bits of a probability, setting


@dataclass
class Measured:
    """Counts and scores by block size, bits of a probability and setting."""

    counts: dict[Key, Counts] = field(default_factory=dict)
    scores: dict[Key, Scores] = field(default_factory=dict)

    def add(self, other: Measured) -> None:
        """Take in another layer or KV head of the same phase."""
        for total, part in ((self.counts, other.counts), (self.scores, other.scores)):
            for key, value in part.items():
                total[key] = total[key] + value if key in total else value


def _by_head(per_row: np.ndarray, heads: int) -> list[int]:
    """Sums of ``[tiles, R]`` over the rows of each head: row r is head ``r % heads``."""
    rows = per_row.sum(0)
    return [int(rows[head::heads].sum()) for head in range(heads)]


def _new_maxima(maxima: np.ndarray) -> np.ndarray:
    """How often a later block's maximum exceeds all before it, int64 ``[tiles, R]``, from ``[B, tiles, R]``."""
    before = np.maximum.accumulate(maxima, 0)[:-1]
    return ((maxima[1:] > before) & (before != HIDDEN)).sum(0)


def _count(cfg: EngineConfig, scores: GroupScores, names: list[str], setting: TileOptions, new_maxima: np.ndarray, moves: Moves,
           variant: int) -> Counts:
    rows, keys = scores.rows, scores.keys
    blocks = -(-keys // cfg.keys_per_block)
    zero = zero_blocks(moves, variant, setting.tau, cfg.prob_bits, keys, cfg.keys_per_block)
    ran = blocks_that_run(zero, keys, cfg.keys_per_block)
    starts, counts = block_spans(setting.schedule, tuple(keys.tolist()), cfg.keys_per_block)
    ones = ones_of_blocks(scores.longest.v, starts, counts)
    row_of_head = rows // scores.heads
    return Counts(
        heads=names, rows=[int(row_of_head.sum())] * scores.heads, rescales=_by_head(moves.rescales[variant], scores.heads),
        new_maxima=_by_head(new_maxima, scores.heads), always=[int((row_of_head * (blocks - 1)).sum())] * scores.heads,
        blocks=int(blocks.sum()), later_blocks=int((blocks - 1).sum()), moved_blocks=int(moves.moved[variant].sum()),
        zero_blocks=int(zero.sum()), skipped_blocks=int(blocks.sum() - ran.sum()), keys=int(keys.sum()),
        skipped_keys=int(counts[~ran].sum()), row_blocks=int((rows * blocks).sum()),
        zero_row_blocks=int(moves.row_zero[variant]), op_bit_ops=int(ones.sum()), op_bit_ops_skipping=int(ones[ran].sum()))


@lru_cache(maxsize=256)
def _cycles(cfg: EngineConfig, shapes: tuple[tuple[int, int], ...], fused: bool, ran: bytes) -> int:
    """Cycles of tiles of ``(rows, keys)`` whose blocks run as in ``ran``, one byte a block; the same question comes often."""
    blocks = [-(-keys // cfg.keys_per_block) for _, keys in shapes]
    ends = list(accumulate(blocks))
    flags = [[bool(byte) for byte in ran[end - count:end]] for count, end in zip(blocks, ends, strict=True)]
    return predict_cycles(cfg, shapes, [fused] * len(shapes), flags)["cycles"]


def _score(cfg: EngineConfig, scores: GroupScores, names: list[str], reference: torch.Tensor, setting: TileOptions,
           moves: Moves, variant: int, skipping: bool) -> Scores:
    results, set_bits = run_group(cfg, scores, setting, moves, variant)
    of_piece, tokens = iter(results), tokens_per_tile(cfg, scores.heads)
    out = [assemble(piece, list(islice(of_piece, -(-piece.q.shape[1] // tokens)))) for piece in scores.pieces]
    ran = b"".join(bytes(result.ran.tolist()) for result in results)
    shapes = tuple(zip(scores.rows.tolist(), scores.keys.tolist(), strict=True))
    pairs = int((scores.rows // scores.heads * scores.keys).sum())
    return Scores(names, compare_heads(torch.cat(out, 1), reference), set_bits, [pairs] * scores.heads,
                  cycles=_cycles(cfg, shapes, setting.fused, bytes([1] * len(ran))),
                  cycles_skipping=_cycles(cfg, shapes, setting.fused, ran) if skipping else None)


def measure_group(sweep: Sweep, scores: GroupScores, names: list[str], reference: torch.Tensor | None) -> Measured:
    """One KV head on one configuration, in every schedule."""
    cfg, found = sweep.cfg, Measured()
    for schedule in sweep.schedules:
        maxima = block_maxima(scores, schedule, cfg.keys_per_block)
        new_maxima = _new_maxima(maxima)
        number_of = {TileOptions(schedule, fused, tau=tau): number for number, (fused, tau) in enumerate(sweep.variants)}
        scored = [setting for setting in sweep.scored if setting.schedule == schedule]
        moves = walk(cfg, maxima, scores.rows, scores.keys, sweep.variants, tuple(number_of[setting] for setting in scored))
        for setting, number in number_of.items():
            found.counts[cfg.keys_per_block, cfg.prob_bits, setting] = _count(cfg, scores, names, setting, new_maxima, moves,
                                                                              number)
            for bits in sweep.bits if setting.tau == 0 else ():
                # (row, block) pairs are counted at the configuration's own width alone
                other = replace(cfg, prob_bits=bits)
                found.counts[cfg.keys_per_block, bits, setting] = replace(
                    _count(other, scores, names, setting, new_maxima, moves, number), row_blocks=0, zero_row_blocks=0)
        for setting in scored:
            found.scores[cfg.keys_per_block, cfg.prob_bits, setting] = _score(cfg, scores, names, reference, setting, moves,
                                                                           number_of[setting], sweep.skipping)
    return found


def measure_layer(layer: Layer, sweeps: list[Sweep], orders: Orders | None = None) -> Measured:
    """Everything of one layer, on every configuration of ``sweeps``, which differ only in block size.

    ``orders``: each KV head's own, measured too, at the first block size.
    """
    found = Measured()
    reference = reference_attention(layer.tensors) if any(sweep.scored for sweep in sweeps) else None
    for pieces, rows in zip(layer.groups, layer.heads, strict=True):
        names, here = [layer.tensors.heads[row] for row in rows], Measured()
        scores = group_scores(sweeps[0].cfg, pieces)
        for sweep in sweeps:
            here.add(measure_group(sweep, scores, names, None if reference is None else reference[rows]))
        if orders is not None:
            of_group = None if reference is None else reference[rows]
            _add_calibrated(here, sweeps[0], orders.of_head(names[0]), scores, names, of_group)
        found.add(here)
    return found


def _add_calibrated(measured: Measured, sweep: Sweep, setting: TileOptions, scores: GroupScores, names: list[str],
                    reference: torch.Tensor | None) -> None:
    """What a KV head's own setting gives, as ``CALIBRATED``, at a sweep's block size; measured now unless it was among others."""
    key, as_named = ((sweep.cfg.keys_per_block, sweep.cfg.prob_bits, of) for of in (setting, CALIBRATED))
    of_own = measured
    if key not in measured.counts or (sweep.scored and key not in measured.scores):
        alone = Sweep(sweep.cfg, [(setting.fused, setting.tau)], [setting] if sweep.scored else [], (), (setting.schedule,),
                      sweep.skipping)
        of_own = measure_group(alone, scores, names, reference)
    measured.counts[as_named] = of_own.counts[key]
    if sweep.scored:
        measured.scores[as_named] = of_own.scores[key]


@dataclass
class Task:
    """One layer at one length: ``tensors``, or the file that holds them, are longer or as long. ``source``, ``phase`` and
    ``tokens`` name what it adds to. ``orders``: each KV head's own, to be measured too."""

    source: str
    phase: str
    tokens: int
    tensors: AttentionTensors | Path
    sink: bool
    sweeps: list[Sweep]
    orders: Orders | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Tasks of one key are summed."""
        return self.source, self.phase, self.tokens


def run_task(task: Task) -> Measured:
    """Measure one layer. One thread: the tensors of a tile are small, and other tasks run beside it."""
    torch.set_num_threads(1)
    whole = load_layer(task.tensors) if isinstance(task.tensors, Path) else task.tensors
    tensors = whole.first_tokens(task.tokens)
    if task.sink:
        tensors = planted_sink(tensors)
    layer = decode(tensors) if task.phase == "decode" else prefill(tensors)
    return measure_layer(layer, task.sweeps, task.orders)


def run_tasks(tasks: list[Task], jobs: int, done: Callable[[Task], None]) -> dict[tuple[str, str, int], Measured]:
    """Run all, ``jobs`` at a time; ``done`` is called after each. Sums by key, in the order of ``tasks``."""
    results: dict[int, Measured] = {}
    for number, measured in _in_any_order(tasks, jobs):
        results[number] = measured
        done(tasks[number])
    total: dict[tuple[str, str, int], Measured] = {}
    for number, task in enumerate(tasks):
        total.setdefault(task.key, Measured()).add(results[number])
    return total


def _in_any_order(tasks: list[Task], jobs: int) -> Iterable[tuple[int, Measured]]:
    if jobs == 1:
        yield from ((number, run_task(task)) for number, task in enumerate(tasks))
        return
    # a forked child would inherit torch's locked thread pools
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(run_task, task): number for number, task in enumerate(tasks)}
        for future in as_completed(running):
            yield running[future], future.result()
