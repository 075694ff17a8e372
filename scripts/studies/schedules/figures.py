"""The ablation's figures: rescales by length, head, threshold and block size, what skipping saves, and where maxima move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from models.hardware.config import EngineConfig
from models.hardware.quantise import quantise
from models.hardware.schedules import SCHEDULES, TileOptions, blocks
from models.tensors.attention_tensors import AttentionTensors
from scripts.studies.charts import COLOURS, GREY, INK, KIND_COLOURS, WIDTH_IN, WIDTHS, legend, style, title, write
from scripts.studies.schedules import goals as gl
from scripts.studies.schedules.row_max import walk
from scripts.studies.schedules.rows import Row, pick, swept_sets
from scripts.studies.schedules.scores import GroupScores, block_maxima, group_scores
from scripts.studies.schedules.settings import CALIBRATED, NATURAL
from scripts.studies.schedules.sources import planted_sink
from scripts.studies.schedules.tables import shown_tokens

EXAMPLE_TOKENS = 512
EXAMPLE_SETTINGS = (TileOptions(), TileOptions("diagonal_first"), TileOptions("sink_diagonal", True))


@dataclass
class Events:
    """Where a head's running maxima move: ``query`` positions, ``first`` and ``end`` of the key block that did it."""

    query: list[int]
    first: list[int]
    end: list[int]
    rows: int

    @property
    def per_row(self) -> float:
        """Rescales per row."""
        return len(self.query) / self.rows


def row_max_moves(cfg: EngineConfig, scores: GroupScores, head: int, setting: TileOptions) -> Events:
    """The moves of one query head of a KV head, a prefill."""
    maxima = block_maxima(scores, setting.schedule, cfg.keys_per_block)
    moves = walk(cfg, maxima, scores.rows, scores.keys, [(setting.fused, setting.tau)], (0,))
    moved = moves.row_max[0][1:] != moves.row_max[0][:-1]
    events, rows = Events([], [], [], 0), 0
    for number, tile in enumerate(scores.tiles):
        spans = blocks(setting.schedule, tile.k.shape[0], cfg.keys_per_block)
        rows += tile.q.shape[0] // scores.heads
        of_head = moved[:, number, head:tile.q.shape[0]:scores.heads]
        for block, row in zip(*(of.tolist() for of in of_head.nonzero()), strict=True):
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
    layer_of = {head: layer.first_tokens(min(EXAMPLE_TOKENS, layer.k.shape[1])) for layer in layers for head in layer.heads}
    chosen = []
    for kind in ("local", "induction"):
        of_kind = [head for head in layer_of if kinds.get(head) == kind]
        chosen += of_kind[len(of_kind) // 2:][:1]
    chosen = chosen or list(layer_of)[:1]
    found = [(head, kinds.get(head, "no kind"), layer_of[head]) for head in chosen]
    return [*found, (chosen[0], "with a sink", planted_sink(layer_of[chosen[0]]))]


def example_figure(folder: Path, cfg: EngineConfig, layers: Sequence[AttentionTensors], kinds: dict[str, str]) -> list[Path]:
    """A line of panels for each example head: where the maxima lie, then the moves in each order, with rescales per row."""
    heads = examples(layers, kinds)
    figure = Figure(figsize=(WIDTH_IN, 2.6 * len(heads)), layout="constrained")
    panels = figure.subplots(len(heads), 1 + len(EXAMPLE_SETTINGS), squeeze=False, sharex=True, sharey=True)
    for line, (name, kind, tensors) in zip(panels, heads, strict=True):
        kv = tensors.kv_of_head[tensors.heads.index(name)]
        scores = group_scores(cfg, [quantise(tensors)[kv]])
        group = [head for head, owner in zip(tensors.heads, tensors.kv_of_head, strict=True) if owner == kv]
        queries, keys = largest_keys(scores, group.index(name))
        tokens = tensors.k.shape[1]
        line[0].scatter(keys, queries, s=2.2, color=INK, linewidths=0, rasterized=True)
        title(line[0], f"{name} ({kind}): maximum")
        for axes, setting in zip(line[1:], EXAMPLE_SETTINGS, strict=True):
            events = row_max_moves(cfg, scores, group.index(name), setting)
            lines = np.stack([np.stack([events.first, events.query], -1), np.stack([events.end, events.query], -1)], 1)
            axes.add_collection(LineCollection(list(lines), colors=COLOURS[setting.schedule], linewidths=0.9, rasterized=True))
            title(axes, f"{setting.name}: {events.per_row:.2f}")
        for axes in line:
            axes.plot([0, tokens], [0, tokens], color=GREY, linewidth=0.5)
            axes.set(xlim=(0, tokens), ylim=(tokens, 0), xticks=range(0, tokens + 1, max(1, tokens // 4)),
                     yticks=range(0, tokens + 1, max(1, tokens // 4)))
            style(axes, grid=False)
        line[0].set_ylabel("query position")
    for axes in panels[-1]:
        axes.set_xlabel("key position")
    return write(figure, folder, "reference_moves")


MOST_NAMES = 64     # of heads that can be read below an axis
LEAST_DB = 1e-3     # a smaller loss is nothing
MARK = 2.2          # size of a mark for a line of width 1
FUSED = [TileOptions(schedule, True) for schedule in SCHEDULES[1:]]


def _plain_log(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def rescales_figure(folder: Path, rows: list[Row]) -> list[Path]:
    """Rescales per row by length, a panel for each set of tensors."""
    sources = list(dict.fromkeys(row.source for row in rows))
    figure = Figure(figsize=(WIDTH_IN, 3.7), layout="constrained")
    panels = figure.subplots(1, len(sources), sharey=True, squeeze=False)[0]
    lines = [("always rescaling", "always", NATURAL, "always", ":")]
    for schedule in SCHEDULES:
        lines.append((schedule, "rescales", TileOptions(schedule), schedule, "-" if schedule == "natural" else "--"))
    for setting in FUSED:
        lines.append((setting.name, "rescales", setting, setting.schedule, "-"))
    for setting in (TileOptions(schedule, True, tau=2) for schedule in SCHEDULES[1:]):
        lines.append((setting.name, "rescales", setting, setting.schedule, "-."))
    lines.append(("each KV head its own", "rescales", CALIBRATED, CALIBRATED.schedule, "-"))
    for axes, source in zip(panels, sources, strict=True):
        here = pick(rows, source=source, phase="prefill")
        lengths = sorted({row.tokens for row in here})
        for label, name, setting, colour, dashes in lines:
            found = [(n, getattr(row, name)) for n in lengths for row in pick(here, tokens=n, setting=setting)]
            if not found:
                continue
            axes.plot(*zip(*found), dashes, color=COLOURS[colour], marker="o", markersize=MARK * WIDTHS[colour],
                      linewidth=WIDTHS[colour], label=label)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(lengths, [str(n) for n in lengths])
        axes.set_xlabel("tokens")
        _plain_log(axes)
        title(axes, source)
        style(axes)
    panels[0].set_ylabel("rescales per row")
    legend(figure, panels[0], 4)
    return write(figure, folder, "rescales")


def heads_figure(folder: Path, rows: list[Row], kinds: dict[str, str]) -> list[Path]:
    """Every head of the model: natural order, the fused schedules, and each KV head's own if there are such."""
    names = sorted(pick(rows, setting=NATURAL)[0].rescales_of_head,
                   key=lambda head: list(KIND_COLOURS).index(kinds.get(head, "diffuse")))
    figure = Figure(figsize=(WIDTH_IN, 3.4), layout="constrained")
    axes = figure.subplots()
    x = np.arange(len(names))
    found = [(NATURAL, "s"), *((setting, "o") for setting in (*FUSED, CALIBRATED) if pick(rows, setting=setting))]
    values = {p: [pick(rows, setting=p)[0].rescales_of_head[head] for head in names] for p, _ in found}
    floor = 0.5 * min((v for of in values.values() for v in of if v > 0), default=1.0)
    shown = {p: np.maximum(v, floor) for p, v in values.items()}
    axes.vlines(x, np.min(list(shown.values()), 0), np.max(list(shown.values()), 0), color="#d5dbe1", linewidth=1.5)
    for setting, marker in found:
        axes.plot(x, shown[setting], marker, color=COLOURS[setting.schedule], label=setting.name,
                  markersize=min(7 if setting == FUSED[0] else 4.5, 400 / len(names)))
    _plain_log(axes)
    axes.set_ylabel(f"rescales per row, {rows[0].tokens:,} tokens")
    axes.set_xticks(x, names, rotation=90) if len(names) <= MOST_NAMES else axes.set_xticks([])
    axes.set_xlim(-0.7, len(names) - 0.3)
    style(axes)
    for label, head in zip(axes.get_xticklabels(), names):     # none if there are too many
        label.set_color(KIND_COLOURS[kinds.get(head, "diffuse")])
    for kind, colour in KIND_COLOURS.items():
        places = [i for i, head in enumerate(names) if kinds.get(head, "diffuse") == kind]
        if places:
            axes.text((places[0] + places[-1]) / 2, 1.01, kind, transform=axes.get_xaxis_transform(), color=colour, fontsize=8.5,
                      ha="center", va="bottom")
            if places[-1] + 1 < len(names):
                axes.axvline(places[-1] + 0.5, color=GREY, linewidth=0.6)
    legend(figure, axes, 3)
    return write(figure, folder, "heads")


def tau_figure(folder: Path, rows: list[Row]) -> list[Path]:
    """The lazy threshold: rescales per row (left) against the accuracy that it costs (right)."""
    figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for fused in (False, True):
        for schedule in SCHEDULES:
            found = sorted((r for r in rows if (r.schedule, r.fused) == (schedule, fused)), key=lambda r: r.tau)
            if len(found) < 2:
                continue
            style_of = {"color": COLOURS[schedule], "linestyle": "-" if fused else "--", "marker": "o",
                        "markersize": MARK * WIDTHS[schedule], "linewidth": WIDTHS[schedule]}
            left.plot([r.tau for r in found], [r.rescales for r in found], label=TileOptions(schedule, fused).name, **style_of)
            lost = [(r.tau, r.lost_db) for r in found if r.lost_db is not None and r.lost_db >= LEAST_DB]
            if len(lost) > 1:
                right.plot(*zip(*lost), **style_of)
    _plain_log(left)
    _plain_log(right)
    right.set_ylim(LEAST_DB, 2 * max([gl.LOST_DB, *(r.lost_db for r in rows if r.lost_db is not None)]))
    right.axhline(gl.LOST_DB, color="#b3261e", linewidth=1, linestyle="--")
    right.annotate(f"goal {gl.LOST_DB} dB", (1, gl.LOST_DB), xycoords=("axes fraction", "data"), xytext=(-2, 3),
                   textcoords="offset points", fontsize=8, color="#b3261e", ha="right")
    left.set(ylabel="rescales per row", xlabel="threshold tau (log2 units)")
    right.set(ylabel="mean SQNR lost (dB)", xlabel="threshold tau (log2 units)")
    title(left, f"rescales, {rows[0].tokens:,} tokens")
    title(right, f"accuracy, {rows[0].prob_bits}-bit probabilities")
    left.set_xticks(sorted({r.tau for r in rows}))
    right.set_xticks(sorted({r.tau for r in rows if r.lost_db is not None}))
    for axes in (left, right):
        style(axes)
    legend(figure, left, 3)
    return write(figure, folder, "tau")


def sizes_figure(folder: Path, rows: list[Row]) -> list[Path]:
    """Rescales per row by keys per block, a panel for each set of tensors and phase; natural order and both fused ones."""
    sets = swept_sets(rows, "keys_per_block")
    figure = Figure(figsize=(WIDTH_IN, 3.3), layout="constrained")
    panels = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    lines = [(NATURAL, "-"), *((replace(setting, tau=tau), dashes) for setting in FUSED for tau, dashes in ((0, "-"), (1, "-.")))]
    for axes, (source, phase, keys) in zip(panels, sets, strict=True):
        for setting, dashes in lines:
            found = sorted((r.keys_per_block, r.rescales) for r in pick(rows, source=source, phase=phase, setting=setting))
            if found:
                axes.plot(*zip(*found), dashes, color=COLOURS[setting.schedule], marker="o", label=setting.name,
                          markersize=MARK * WIDTHS[setting.schedule], linewidth=WIDTHS[setting.schedule])
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
        sizes = sorted({row.keys_per_block for row in rows})
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xlabel("keys per block")
        _plain_log(axes)
        axes.set_title(f"{source}\n{phase}, {keys:,} keys", fontsize=9, color=INK, loc="left")
        style(axes)
    panels[0].set_ylabel("rescales per row")
    legend(figure, panels[0], 3)
    return write(figure, folder, "sizes")


def skipped_figure(folder: Path, cfg: EngineConfig, rows: list[Row], tokens: int) -> list[Path]:
    """Share of values that need not be streamed, by bits of a probability, a panel for each set of tensors and phase."""
    here = pick(rows, keys_per_block=cfg.keys_per_block, tau=0)
    sets = [(source, phase, keys) for source, phase, keys in swept_sets(here, "prob_bits")
            if source != gl.RANDOM and (phase == "decode" or keys == tokens)]
    figure = Figure(figsize=(WIDTH_IN, 3.3), layout="constrained")
    panels = figure.subplots(1, len(sets), sharey=True, squeeze=False)[0]
    settings = [setting for setting in (NATURAL, *FUSED) if pick(here, setting=setting)]
    for axes, (source, phase, keys) in zip(panels, sets, strict=True):
        found = pick(here, source=source, phase=phase, tokens=keys)
        bits = sorted({r.prob_bits for r in found})
        for number, setting in enumerate(settings):
            heights = [100 * pick(found, prob_bits=b, setting=setting)[0].skipped_values for b in bits]
            place = 0.84 / len(settings) * (number - (len(settings) - 1) / 2)
            axes.bar(np.arange(len(bits)) + place, heights, 0.78 / len(settings), color=COLOURS[setting.schedule],
                     label=setting.name)
        axes.set_xticks(range(len(bits)), [str(b) for b in bits])
        axes.set_xlabel("bits of a probability")
        axes.set_title(f"{source}\n{phase}, {keys:,} keys", fontsize=9, color=INK, loc="left")
        style(axes)
    panels[0].set_ylabel("values not streamed (%)")
    legend(figure, panels[0], 3)
    return write(figure, folder, "skipped")


def write_figures(folder: Path, cfg: EngineConfig, rows: list[Row], kinds: dict[str, str],
                  layers: Sequence[AttentionTensors]) -> list[Path]:
    """All figures, each as .svg and .png."""
    base = pick(rows, keys_per_block=cfg.keys_per_block, prob_bits=cfg.prob_bits)
    trained = pick(base, source=gl.TRAINED, phase="prefill")
    tokens = shown_tokens(rows)
    at = pick(trained, tokens=tokens)
    paths = rescales_figure(folder, base) + heads_figure(folder, at, kinds)
    if len({row.tau for row in at}) > 1:
        paths += tau_figure(folder, at)
    swept = [r for r in pick(rows, prob_bits=cfg.prob_bits) if r.phase == "decode" or r.tokens == tokens]
    if len({row.keys_per_block for row in swept}) > 1:
        paths += sizes_figure(folder, swept)
    return paths + skipped_figure(folder, cfg, rows, tokens) + example_figure(folder, cfg, layers, kinds)
