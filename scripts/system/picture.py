"""A run in time: what each engine, the buffer and the memory did, drawn from samples of their counters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

from models.hardware.interface import COUNTERS
from models.system.config import SystemConfig

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

COUNTER_DIGITS = 12     # hexadecimal ones of a counter


@dataclass(frozen=True)
class Samples:
    """``cycle`` [n]; per interval, n - 1 of them: ``busy`` [engines, n - 1], the share of cycles in which an engine's IP-CIM
    works, and beats or key blocks of the whole interval."""

    cycle: np.ndarray
    busy: np.ndarray
    read: np.ndarray
    written: np.ndarray
    k_blocks: np.ndarray
    v_blocks: np.ndarray


def read_samples(file: Path, engines: int, stop: int | None = None) -> Samples:
    """The samples that ``tb_accelerator`` wrote, up to ``stop`` cycles after the first.

    Raises:
        ValueError: the file is none of its.
    """
    rows = [line.split() for line in file.read_text().splitlines()]
    numbers = np.array([[int(field, 16) for field in row[:5]] for row in rows], dtype=np.int64)
    place = COUNTERS.index("ip_busy")
    busy = np.empty((len(rows), engines), dtype=np.int64)
    for i, row in enumerate(rows):
        for engine in range(engines):
            end = len(row[5]) - COUNTER_DIGITS * (engine * len(COUNTERS) + place)
            busy[i, engine] = int(row[5][end - COUNTER_DIGITS : end], 16)
    if stop is not None:
        kept = numbers[:, 0] - numbers[0, 0] <= stop
        numbers, busy = numbers[kept], busy[kept]
    steps = np.diff(numbers, axis=0)
    return Samples(numbers[:, 0] - numbers[0, 0], (np.diff(busy, axis=0) / steps[:, :1]).T, *(steps[:, i] for i in range(1, 5)))


def timeline(system: SystemConfig, samples: Samples, title: str) -> bytes:
    """The picture as PNG: a strip for each engine, below it what the buffer and the memory give and take."""
    edges = samples.cycle / 1000
    steps = np.diff(samples.cycle)
    figure, (top, bottom) = plt.subplots(2, 1, sharex=True, figsize=(11, 6.2), height_ratios=(3, 2), layout="constrained")
    mesh = top.pcolormesh(edges, np.arange(system.engines + 1) - 0.5, np.clip(samples.busy, 0, 1), cmap="viridis", vmin=0, vmax=1)
    top.set(ylabel="engine", yticks=range(0, system.engines, max(1, system.engines // 8)), title=title)
    top.invert_yaxis()
    figure.colorbar(mesh, ax=top, label="IP-CIM works", format=lambda x, _: f"{100 * x:.0f} %")
    row = system.engine.keys_per_block * system.engine.head_dim
    lines: Sequence[tuple[str, np.ndarray, str]] = (
        ("memory, read", samples.read * system.beat_bytes / steps, "tab:blue"),
        ("memory, written", samples.written * system.beat_bytes / steps, "tab:orange"),
        ("buffer, K and V read", (samples.k_blocks + samples.v_blocks) * row / steps, "tab:green"))
    for name, values, colour in lines:
        bottom.step(edges, np.append(values, values[-1] if len(values) else 0), where="post", label=name, color=colour, lw=1.1)
    bottom.set(ylabel="bytes per cycle", xlabel="thousand cycles", ylim=(0, None), xlim=(edges[0], edges[-1]))
    bottom.legend(loc="upper right", ncols=3, fontsize=8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    plt.close(figure)
    return picture.getvalue()
