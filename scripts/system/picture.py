"""A run in time: what each engine, the buffer and the memory did, drawn from samples of their counters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import matplotlib
import numpy as np

from models.hardware.interface import COUNTERS
from models.system.call import Call
from models.system.config import SystemConfig
from scripts.system.figures import CLOCK_MHZ

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

COUNTER_DIGITS = 12     # hexadecimal ones of a counter
LABELS = 16             # of KV heads, at most
STEPS = 100             # of the lower curves, about


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


@dataclass(frozen=True)
class Mark:
    """A wave: its KV heads, first and last, and the K blocks that have left the buffer when it begins."""

    heads: tuple[int, int]
    blocks: int


def marks_of(system: SystemConfig, call: Call) -> list[Mark]:
    """The waves of a call, in order."""
    if call.split is None:
        plan = call.prefill(system)
        heads, reads = [(wave.head, wave.head) for wave in plan.waves()], plan.reads(call.own_start)
    else:
        shares = call.decode(system)
        parts = [[part.head for part in wave.values()] for wave in shares.waves()]
        heads, reads = [(min(part), max(part)) for part in parts], shares.reads()
    return [Mark(pair, blocks) for pair, blocks in zip(heads, accumulate(reads, initial=0), strict=False)]


def _draw_marks(top: Axes, every: Sequence[Axes], samples: Samples, marks: Sequence[Mark]) -> None:
    """A line where a KV head begins and its number above; a short one at each of its other waves. Waves overlap a little: one
    begins where as many K blocks have been read as those before it have."""
    begins = np.interp([mark.blocks for mark in marks], np.append(0, np.cumsum(samples.k_blocks)), samples.cycle / 1000)
    heads = [i for i, mark in enumerate(marks) if i == 0 or mark.heads != marks[i - 1].heads]
    for i in heads[1:]:
        for axes in every:
            axes.axvline(begins[i], color="tab:red" if axes is top else "0.3", lw=0.8, ls=":", zorder=4)
    place = top.get_xaxis_transform()
    for i, begin in enumerate(begins):
        if i not in heads:
            top.plot([begin, begin], [1, 1.02], color="0.3", lw=0.8, transform=place, clip_on=False)
    step = -(-len(heads) // LABELS)
    for i, stop in list(zip(heads, [*heads[1:], None], strict=True))[::step]:
        first, last = marks[i].heads
        text = f"{first}" if first == last else f"{first}-{last}"
        right = samples.cycle[-1] / 1000 if stop is None else begins[stop]
        top.text((begins[i] + right) / 2, 1.03, f"KV head {text}" if i == 0 else text, ha="center", va="bottom", fontsize=9,
                 transform=place)


def timeline(system: SystemConfig, samples: Samples, title: str, beats_per_cycle: float, marks: Sequence[Mark]) -> bytes:
    """The picture as PNG: a strip for each engine, below it what the memory and the buffer move, with what they could.

    Args:
        beats_per_cycle: of the memory, reads and writes together.
    """
    edges = samples.cycle / 1000
    figure, (top, middle, bottom) = plt.subplots(3, 1, sharex=True, figsize=(12, 7.2), height_ratios=(4, 2, 2),
                                                 layout="constrained")
    mesh = top.pcolormesh(edges, np.arange(system.engines + 1) - 0.5, np.clip(100 * samples.busy, 0, 100), cmap="viridis", vmin=0,
                          vmax=100, rasterized=True)
    top.set(ylabel="engine", yticks=range(0, system.engines, max(1, system.engines // 8)))
    top.set_title(title, pad=22, fontsize=12)
    top.invert_yaxis()
    figure.colorbar(mesh, ax=top, label="IP-CIM works, % of cycles", pad=0.01)
    block, row = system.engine.keys_per_block * system.engine.head_dim, system.engine.head_dim
    beat = system.beat_bytes
    _stack(middle, samples.cycle, (("read", samples.read * beat, "tab:blue"), ("written", samples.written * beat, "tab:orange")),
           beats_per_cycle * beat, "memory")
    _stack(bottom, samples.cycle, (("K", samples.k_blocks * block, "tab:green"), ("V", samples.v_blocks * block, "tab:olive")),
           2 * row, "row buses")
    bottom.set(xlabel=f"thousand cycles of {CLOCK_MHZ} MHz", xlim=(edges[0], edges[-1]))
    _draw_marks(top, (top, middle, bottom), samples, marks)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    plt.close(figure)
    return picture.getvalue()


def _stack(axes: Axes, cycle: np.ndarray, parts: Sequence[tuple[str, np.ndarray, str]], limit: float, name: str) -> None:
    """Bytes per cycle, one part on the other, and the limit of their sum; ``parts`` hold bytes of each interval."""
    # several intervals a step: a block of rows counts at once, where its last one is sent
    starts = np.arange(0, len(cycle) - 1, -(-len(cycle) // STEPS))
    edges = np.append(cycle[:-1][starts], cycle[-1])
    below = np.zeros(len(starts))
    for label, values, colour in parts:
        above = below + np.add.reduceat(values, starts) / np.diff(edges)
        axes.stairs(above, edges / 1000, baseline=below, fill=True, color=colour, label=label, alpha=0.85, zorder=2)
        below = above
    axes.axhline(limit, color="tab:red", ls="--", lw=1.1, label=f"limit, {limit:.0f}", zorder=3)
    axes.set(ylabel=f"{name},\nbytes per cycle", ylim=(0, 1.12 * max(limit, below.max(initial=0))))
    axes.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), fontsize=9, frameon=False)
