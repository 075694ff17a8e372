"""The pictures of the report, each as the bytes of a PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

from models.quality.bounds import LOSS_DB
from models.quality.reference import attention_probabilities
from scripts.sim.record import HeadRow

INK, GREY, GRID = "#1f2933", "#7b8794", "#e4e7eb"
ENGINE, FLOAT, BAD, AMBER = "#1f6f8b", "#b9c4cd", "#b3261e", "#c77700"
DPI = 120
WIDTH_IN = 9.6
PROBABILITY_FLOOR = 1e-6  # bottom of the logarithmic scale; below, an 8-bit operand no longer shows
MAX_PIXELS = 512  # larger maps are shown by the maximum of each patch, so that single bright keys stay visible
DRAWN, COLUMNS = 16, 4     # heads whose wrong values are drawn, and how many side by side


@dataclass(frozen=True)
class HeadPicture:
    """``attention [Tq, Tk]`` float probabilities, ``error [Tq, D]`` absolute error of the engine's output, of one head."""

    name: str
    layer: int
    attention: Tensor
    error: Tensor


@dataclass(frozen=True)
class WrongPicture:
    """``wrong`` bool ``[Tq, D]`` of one head, whose first query token has position ``first``."""

    name: str
    first: int
    wrong: Tensor


def head_picture(name: str, layer: int, q: Tensor, k: Tensor, scale: float, out: Tensor, reference: Tensor) -> HeadPicture:
    """The picture of one head from its float ``q [Tq, D]``, ``k [Tk, D]`` and its outputs ``[Tq, D]``."""
    return HeadPicture(name, layer, attention_probabilities(q, k, scale), (out.double() - reference.double()).abs())


def as_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    # no date and no software version in the file, so that equal figures give equal bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def style_axes(axes: Axes, grid: bool = True) -> None:
    axes.tick_params(which="both", labelsize=8, colors=GREY, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.xaxis.label.set(color=INK, fontsize=8.5)
    axes.yaxis.label.set(color=INK, fontsize=8.5)
    if grid:
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)


def shrink(x: Tensor) -> Tensor:
    """``x [a, b]`` with at most ``MAX_PIXELS`` a side, each the maximum of what it stands for."""
    size = [min(n, MAX_PIXELS) for n in x.shape]
    return torch.nn.functional.adaptive_max_pool2d(x[None, None].float(), size)[0, 0]


def _colorbar(figure: Figure, axes: Axes, image: object, label: str) -> None:
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, colors=GREY, length=3)
    bar.set_label(label, fontsize=8.5, color=INK)


def head_figure(picture: HeadPicture) -> bytes:
    """Attention map (left, nothing below ``PROBABILITY_FLOOR``) beside the absolute error of the engine's output (right)."""
    queries, keys = picture.attention.shape
    figure = Figure(figsize=(WIDTH_IN, 4.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    first = keys - queries
    future = torch.arange(keys) > torch.arange(first, keys)[:, None]
    shown = shrink(picture.attention.clamp(min=PROBABILITY_FLOOR).masked_fill(future, -1.0)).numpy()
    cmap = colormaps["magma_r"].with_extremes(bad="#f0f2f4")
    image = left.imshow(np.ma.masked_less(shown, 0), norm=LogNorm(PROBABILITY_FLOOR, 1.0), cmap=cmap, aspect="auto",
                        interpolation="nearest", extent=(0, keys, keys, first))
    left.set(xlabel="key position", ylabel="query position")
    left.set_title(f"{picture.name}: attention probability (float32)", fontsize=9.5, color=INK, loc="left")
    _colorbar(figure, left, image, "probability, log scale")
    error = shrink(picture.error).numpy()
    top = float(error.max()) or 1.0
    image = right.imshow(error, vmin=0.0, vmax=top, cmap="YlOrBr", aspect="auto", interpolation="nearest",
                         extent=(0, picture.error.shape[1], keys, first))
    right.set(xlabel="channel", ylabel="query position")
    right.set_title(f"{picture.name}: |RTL \N{MINUS SIGN} float32 SDPA|", fontsize=9.5, color=INK, loc="left")
    _colorbar(figure, right, image, "absolute error of the output")
    for axes in (left, right):
        style_axes(axes, grid=False)
    return as_png(figure)


def _head_ticks(axes: Axes, names: Sequence[str]) -> None:
    step = -(-len(names) // 64)  # more labels than that run into each other
    axes.set_xticks(range(0, len(names), step), names[::step], rotation=90 if len(names) > 12 else 0)
    axes.set_xlim(-0.7, len(names) - 0.3)


def _finite(values: Sequence[float]) -> np.ndarray:
    """Values to draw: infinite ones become gaps."""
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def sqnr_figure(heads: Sequence[HeadRow], bounded: bool) -> bytes:
    """SQNR of every head beside float on the same operands, and below it what the engine loses, in dB.

    ``bounded``: draw the asserted limit of the loss.
    """
    figure = Figure(figsize=(WIDTH_IN, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    x = np.arange(len(heads))
    top.bar(x - 0.2, _finite([h.metrics.sqnr_db for h in heads]), 0.38, color=ENGINE, label="engine (RTL)")
    top.bar(x + 0.2, _finite([h.quantised_sqnr_db for h in heads]), 0.38, color=FLOAT, label="float on the same 8-bit Q, K, V")
    top.set_ylabel("SQNR (dB)")
    top.legend(fontsize=8, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    loss = _finite([h.loss_db for h in heads])
    over = np.nan_to_num(loss, nan=0.0) > LOSS_DB
    colours = [AMBER if h.outside else BAD if bad and bounded else ENGINE for h, bad in zip(heads, over, strict=True)]
    bottom.bar(x, loss, 0.6, color=colours)
    bottom.axhline(0, color=GREY, linewidth=0.8)
    if bounded:
        bottom.axhline(LOSS_DB, color=BAD, linewidth=1, linestyle="--")
        bottom.annotate(f"bound {LOSS_DB} dB", (1, LOSS_DB), xycoords=("axes fraction", "data"), xytext=(-2, 2),
                        textcoords="offset points", fontsize=8, color=BAD, ha="right", va="bottom")
        low, high = bottom.get_ylim()
        bottom.set_ylim(min(low, -0.05), max(high, LOSS_DB * 1.4))
    bottom.set_ylabel("lost by the\nengine (dB)")
    _head_ticks(bottom, [h.name for h in heads])
    for axes in (top, bottom):
        style_axes(axes)
    return as_png(figure)


def error_figure(heads: Sequence[HeadRow]) -> bytes:
    """Largest and root mean square error (log scale) and relative L1 of every head."""
    figure = Figure(figsize=(WIDTH_IN, 4.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    x = np.arange(len(heads))
    largest, rmse = (np.asarray([getattr(h.metrics, n) for h in heads]) for n in ("max_abs", "rmse"))
    top.vlines(x, np.where(rmse > 0, rmse, np.nan), np.where(largest > 0, largest, np.nan), color=FLOAT, linewidth=1.5)
    top.plot(x, np.where(largest > 0, largest, np.nan), "o", color=BAD, markersize=4.5, label="largest")
    top.plot(x, np.where(rmse > 0, rmse, np.nan), "o", color=ENGINE, markersize=4.5, label="root mean square")
    if (rmse > 0).any():
        top.set_yscale("log")
        top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        top.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        top.yaxis.set_minor_formatter(NullFormatter())
    top.set_ylabel("absolute error")
    top.legend(fontsize=8, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.2)
    bottom.bar(x, _finite([100 * h.metrics.relative_l1 for h in heads]), 0.6, color=ENGINE)
    bottom.set_ylabel("relative L1 (%)")
    _head_ticks(bottom, [h.name for h in heads])
    for axes in (top, bottom):
        style_axes(axes)
    return as_png(figure)


def wrong_figure(pictures: Sequence[WrongPicture]) -> bytes:
    """A map per head of the first ``DRAWN``, wrong values in red; of larger maps a patch is red if any value in it is wrong."""
    shown = pictures[:DRAWN]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(WIDTH_IN, 0.5 + 2.3 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for place in axes.flat[len(shown):]:
        place.set_axis_off()
    for place, picture in zip(axes.flat, shown, strict=False):
        tokens, channels = picture.wrong.shape
        place.imshow(shrink(picture.wrong).numpy(), vmin=0, vmax=1, cmap=ListedColormap(["#f0f2f4", BAD]), aspect="auto",
                     interpolation="nearest", extent=(0, channels, picture.first + tokens, picture.first))
        place.set(xlabel="channel", ylabel="token")
        place.set_title(f"{picture.name}: {int(picture.wrong.sum()):,} wrong", fontsize=9, color=INK, loc="left")
        style_axes(place, grid=False)
        place.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return as_png(figure)
