"""Where one head's maxima lie, and when the reference moves for them in each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from models.hardware.config import HardwareConfig
from models.hardware.quantise import quantise
from models.hardware.schedules import blocks
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.schedules.points import Point
from scripts.studies.schedules.references import walk
from scripts.studies.schedules.scores import GroupScores, block_maxima, group_scores
from scripts.studies.schedules.sources import planted_sink
from scripts.studies.schedules.style import COLOURS, GREY, INK, WIDTH_IN, style, title, write

TOKENS = 512
POINTS = (Point(), Point("diagonal_first"), Point("sink_diagonal", True))


@dataclass
class Events:
    """Where a head's references move: ``query`` positions, ``first`` and ``end`` of the key block that did it."""

    query: list[int]
    first: list[int]
    end: list[int]
    rows: int

    @property
    def per_row(self) -> float:
        """Rescales per row."""
        return len(self.query) / self.rows


def reference_moves(cfg: HardwareConfig, scores: GroupScores, head: int, point: Point) -> Events:
    """The moves of one query head of a KV head, a prefill."""
    maxima = block_maxima(scores, point.schedule, cfg.keys_per_block)
    moves = walk(cfg, maxima, scores.rows, scores.keys, [(point.fused, point.tau)], (0,))
    moved = moves.references[0][1:] != moves.references[0][:-1]
    events, rows = Events([], [], [], 0), 0
    for number, tile in enumerate(scores.tiles):
        spans = blocks(point.schedule, tile.k.shape[0], cfg.keys_per_block)
        rows += tile.q.shape[0] // scores.heads
        mine = moved[:, number, head:tile.q.shape[0]:scores.heads]
        for block, row in zip(*(of.tolist() for of in mine.nonzero()), strict=True):
            first, count = spans[block + 1]
            events.query.append(int(tile.q_pos[head + row * scores.heads]))
            events.first.append(first)
            events.end.append(first + count)
    events.rows = rows
    return events


def largest_keys(scores: GroupScores, head: int) -> tuple[list[int], list[int]]:
    """For every query of a head its position and that of the key with its largest score."""
    queries, keys = [], []
    for tile, z in zip(scores.tiles, scores.z, strict=True):
        queries += tile.q_pos[head::scores.heads].tolist()
        keys += z[head::scores.heads].argmax(-1).tolist()
    return queries, keys


def examples(layers: Sequence[AttentionTensors], kinds: dict[str, str]) -> list[tuple[str, str, AttentionTensors]]:
    """One local and one induction head if there are any, else the first head; then the first of these with a planted sink.

    Gives name, kind and layer of each, the middle head of its kind.
    """
    layer_of = {head: layer.first_tokens(min(TOKENS, layer.k.shape[1])) for layer in layers for head in layer.heads}
    chosen = []
    for kind in ("local", "induction"):
        of_kind = [head for head in layer_of if kinds.get(head) == kind]
        chosen += of_kind[len(of_kind) // 2:][:1]
    chosen = chosen or list(layer_of)[:1]
    found = [(head, kinds.get(head, "no kind"), layer_of[head]) for head in chosen]
    return [*found, (chosen[0], "with a sink", planted_sink(layer_of[chosen[0]]))]


def example_figure(folder: Path, cfg: HardwareConfig, layers: Sequence[AttentionTensors], kinds: dict[str, str]) -> list[Path]:
    """A line of panels for each example head: where the maxima lie, then the moves in each order, with rescales per row."""
    heads = examples(layers, kinds)
    figure = Figure(figsize=(WIDTH_IN, 2.6 * len(heads)), layout="constrained")
    panels = figure.subplots(len(heads), 1 + len(POINTS), squeeze=False, sharex=True, sharey=True)
    for line, (name, kind, tensors) in zip(panels, heads, strict=True):
        kv = tensors.kv_of_head[tensors.heads.index(name)]
        scores = group_scores(cfg, [quantise(tensors)[kv]])
        group = [head for head, owner in zip(tensors.heads, tensors.kv_of_head, strict=True) if owner == kv]
        queries, keys = largest_keys(scores, group.index(name))
        tokens = tensors.k.shape[1]
        line[0].scatter(keys, queries, s=2.2, color=INK, linewidths=0, rasterized=True)
        title(line[0], f"{name} ({kind}): maximum")
        for axes, point in zip(line[1:], POINTS, strict=True):
            events = reference_moves(cfg, scores, group.index(name), point)
            lines = np.stack([np.stack([events.first, events.query], -1), np.stack([events.end, events.query], -1)], 1)
            axes.add_collection(LineCollection(list(lines), colors=COLOURS[point.schedule], linewidths=0.9, rasterized=True))
            title(axes, f"{point.name}: {events.per_row:.2f}")
        for axes in line:
            axes.plot([0, tokens], [0, tokens], color=GREY, linewidth=0.5)
            axes.set(xlim=(0, tokens), ylim=(tokens, 0), xticks=range(0, tokens + 1, max(1, tokens // 4)),
                     yticks=range(0, tokens + 1, max(1, tokens // 4)))
            style(axes, grid=False)
        line[0].set_ylabel("query position")
    for axes in panels[-1]:
        axes.set_xlabel("key position")
    return write(figure, folder, "reference_moves")
