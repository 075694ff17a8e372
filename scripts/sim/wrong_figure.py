"""Where the output differs from the golden model, as a picture: tokens by channels of every head that has wrong values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from scripts.sim.figures import BAD, INK, WIDTH_IN, as_png, shrink, style_axes

MOST = 16       # heads that are drawn
COLUMNS = 4


@dataclass(frozen=True)
class WrongPicture:
    """``wrong`` bool ``[Tq, D]`` of one head, whose first query token has position ``first``."""

    name: str
    first: int
    wrong: Tensor


def wrong_figure(pictures: Sequence[WrongPicture]) -> bytes:
    """A map per head of the first ``MOST``, wrong values in red; of larger maps a patch is red if any value in it is wrong."""
    shown = pictures[:MOST]
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
