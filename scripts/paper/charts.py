"""The plots of ``make paper``, fit for a page: times, bytes, energy by part, which constant matters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.comparison.cells import banks_text
from models.energy.formula import DRAM, PARTS
from scripts.paper.study import BANKS, OURS, USUAL, equal_cells
from scripts.studies.charts import DPI, GREY, INK, WIDTH_IN, style, title

SHADES = ("#1f6f8b", "#8a4f1d", "#c8702a", "#e0a26b", "#f0cfae", "#3d5a3a", "#4f8a3c", "#86b573", "#bcd9b0")
PART_SHADES = ("#1f6f8b", "#2f9bb3", "#b3261e", "#7a5195", "#c8702a", "#e0a26b", "#86b573", "#4f8a3c", "#a3b18a", "#8d99a6",
               "#d5dbe1")
SHOWN = 8       # constants


def short(design: str) -> str:
    """A design's name in a legend: its first words and how its parts run."""
    return design.replace("S and P outside where a head's do not fit", "S, P outside").replace(
        "S and P in the buffer, by blocks of rows", "S, P in the buffer").replace(
        "written anew for every 64 rows", "anew each 64 rows").replace("kept as long as the buffer allows", "kept").replace(
        "all beside one another", "overlapped").replace("one after the other", "in turn")


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, metadata={"Software": None})
    return out.getvalue()


def ratios(times: Sequence[dict[str, Any]], key: str, what: str) -> bytes:
    """Bars by length: each baseline's ``key`` over this project's, at the usual memory; hatched: with equal bit cells."""
    usual = [row for row in times if row["gbs"] == USUAL]
    lengths = sorted({row["tokens"] for row in usual})
    designs = [name for name in dict.fromkeys(row["design"] for row in usual) if not name.startswith(OURS)]
    figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
    axes = figure.subplots()
    usual_cells = [design for design in designs if not equal_cells(design)]
    width = 0.8 / len(designs)
    for number, design in enumerate(designs):
        own = {row["tokens"]: row[key] for row in usual if row["design"] == OURS}
        heights = [next(row[key] for row in usual if row["design"] == design and row["tokens"] == t) / own[t] for t in lengths]
        axes.bar(np.arange(len(lengths)) + (number - (len(designs) - 1) / 2) * width, heights, width * 0.92,
                 color=SHADES[1 + usual_cells.index(design.removesuffix(banks_text(BANKS)))],
                 hatch="/////" if equal_cells(design) else None, edgecolor="white", linewidth=0, label=short(design))
    axes.axhline(1, color=SHADES[0], linewidth=1.4)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xticks(np.arange(len(lengths)), [f"{t:,}" for t in lengths])
    axes.set_xlabel("tokens")
    axes.set_ylabel("times this project's")
    style(axes)
    title(axes, what)
    figure.legend(fontsize=7.5, frameon=False, ncols=2, loc="outside lower center")
    return _png(figure)


def energies(rows: Sequence[dict[str, Any]], tokens: int) -> bytes:
    """Bars of each design, its energy by part with typical constants; the ends of low and high as a line."""
    here = [row for row in rows if row["tokens"] == tokens]
    figure = Figure(figsize=(WIDTH_IN, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for axes, parts, whole, text in ((left, [part for part in PARTS if part != DRAM], "chip", "on the chip"),
                                     (right, [DRAM], None, "memory outside")):
        at = np.zeros(len(here))
        for part in parts:
            wide = np.array([row["typical"]["parts"][part] for row in here]) * 1e3
            axes.barh(np.arange(len(here)), wide, 0.68, left=at, color=PART_SHADES[PARTS.index(part)], label=part)
            at += wide
        ends = [[(row[level][whole] if whole else row[level]["parts"][DRAM]) * 1e3 for row in here] for level in ("low", "high")]
        axes.hlines(np.arange(len(here)), ends[0], ends[1], color=INK, linewidth=0.8)
        axes.set_xlabel("mJ")
        axes.set_xscale("symlog", linthresh=max(1e-9, float(at.min())))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        style(axes, grid=False)
        axes.grid(axis="x", color="#e4e7eb", linewidth=0.8)
        title(axes, f"{text}, {tokens:,} tokens")
    left.set_yticks(np.arange(len(here)), [short(row["design"]) for row in here], fontsize=7.5)
    left.invert_yaxis()
    figure.legend(*left.get_legend_handles_labels(), fontsize=7.5, frameon=False, ncols=5, loc="outside lower center")
    return _png(figure)


def swings(moves: Sequence[dict[str, Any]], typical: float, tokens: int) -> bytes:
    """The energy on the chip with one constant at its low or high, all others typical."""
    shown = list(moves)[:SHOWN]
    figure = Figure(figsize=(WIDTH_IN, 2.6), layout="constrained")
    axes = figure.subplots()
    for number, move in enumerate(shown):
        low, high = move["low"] * 1e3, move["high"] * 1e3
        axes.barh(number, high - typical * 1e3, 0.66, left=typical * 1e3, color=SHADES[2])
        axes.barh(number, low - typical * 1e3, 0.66, left=typical * 1e3, color=SHADES[0])
    axes.axvline(typical * 1e3, color=GREY, linewidth=1)
    axes.set_yticks(range(len(shown)), [move["constant"].replace("_", " ") for move in shown])
    axes.invert_yaxis()
    axes.set_xlabel("mJ on the chip; blue: the constant at its low, orange: at its high")
    style(axes, grid=False)
    title(axes, f"which constant moves the answer, {tokens:,} tokens")
    return _png(figure)
