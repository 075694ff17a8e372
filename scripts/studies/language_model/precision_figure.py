"""The precision study as a picture: loss and SQNR by bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

PANELS = (("bits of an operand", ("bits of Q", "bits of K", "bits of V", "bits of Q, K and V")),
          ("bits of a probability", ("bits of P",)), ("TAU", ("TAU",)))
LINEAR = 1.0    # 1e-3 bits/byte; below it losses are noise of the text and on a linear scale, above on a logarithmic one


def write_figure(folder: Path, lines: list[dict[str, Any]]) -> list[Path]:
    """``precision.svg`` and ``.png`` in ``folder``."""
    with plt.rc_context({"font.size": 9, "svg.hashsalt": "fusioncim", "axes.spines.top": False, "axes.spines.right": False}):
        figure, axes = plt.subplots(2, len(PANELS), figsize=(9.5, 5.2), sharex="col", layout="constrained")
        for column, (label, groups) in enumerate(PANELS):
            for marker, group in zip("osd^", groups):
                points = sorted((line["x"], line) for line in lines if line["group"] == group)
                places = [x for x, _ in points]
                name = group.removeprefix("bits of ")
                axes[0, column].plot(places, [1e3 * line["bits_per_byte"] for _, line in points], marker=marker, label=name)
                low, high = ([1e3 * (line["bits_per_byte"] + side * line["standard_error"]) for _, line in points]
                             for side in (-1, 1))
                axes[0, column].fill_between(places, low, high, alpha=0.15)
                axes[1, column].plot(places, [line["mean_sqnr_db"] for _, line in points], marker=marker, label=name)
            if column == 0:
                axes[0, column].set_yscale("symlog", linthresh=LINEAR)
                axes[0, column].yaxis.set_major_formatter("{x:g}")
            axes[0, column].axhline(0, color="0.4", lw=0.8)
            axes[1, column].set_xlabel(label)
            axes[1, column].set_xticks(sorted({line["x"] for line in lines if line["group"] in groups}))
            for row in (0, 1):
                axes[row, column].grid(alpha=0.3)
        axes[0, 0].set_ylabel("loss over float, 1e-3 bits/byte")
        axes[1, 0].set_ylabel("mean SQNR of the attention, dB")
        axes[0, 0].legend(frameon=False)
        paths = [folder / f"precision.{kind}" for kind in ("svg", "png")]
        for path in paths:
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
    return paths
