"""How the studies' figures look, and how they are written."""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, GREY, GRID = "#1f2933", "#7b8794", "#e4e7eb"
COLOURS = {"always": "#b9c4cd", "natural": "#5b6670", "diagonal_first": "#c8702a", "sink_diagonal": "#1f6f8b",
           "diagonal_ascending": "#4f8a3c", "calibrated": "#b3261e"}
KIND_COLOURS = {"sink": "#6b4c9a", "induction": "#b3261e", "local": "#1f6f8b", "previous": "#4f8a3c",
                "diffuse": "#7b8794"}
WIDTHS = {"always": 1.5, "natural": 1.6, "diagonal_first": 2.2, "sink_diagonal": 1.1,
          "diagonal_ascending": 1.6, "calibrated": 1.6}   # equal lines show one in the other
WIDTH_IN, DPI = 9.6, 150


def style(axes: Axes, grid: bool = True) -> None:
    """The project's look: no box, grey ticks, a light horizontal grid."""
    axes.tick_params(which="both", labelsize=8, colors=GREY, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=8.5)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)


def title(axes: Axes, text: str) -> None:
    """A panel's title, at its left."""
    axes.set_title(text, fontsize=9.5, color=INK, loc="left")


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend of one panel, for all, below them."""
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, frameon=False, handlelength=4.5, ncols=columns,
                  loc="outside lower center")


def write(figure: Figure, folder: Path, name: str) -> list[Path]:
    """``name.svg`` and ``name.png``; equal figures give equal bytes."""
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    FigureCanvasAgg(figure)
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(paths[0], format="svg", dpi=DPI, metadata={"Date": None, "Creator": None})
    figure.savefig(paths[1], format="png", dpi=DPI, metadata={"Software": None})
    return paths
