"""Functional coverage: coverpoints with named bins, covergroups that count them, and the files that runs leave behind.

Counts are numpy arrays and sampling takes whole arrays of bin numbers, because an engine run has millions of samples; a
library that calls Python once per sample (as cocotb-coverage does) would take longer than the simulation. No torch here:
benches import this inside the simulator.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np

from models.errors import FcimError

Hits = Mapping[str, Mapping[str, int]]     # of bins, by coverpoint
FORMAT = 1
SUFFIX = ".cover.json"
SEPARATOR = ", "            # between the parts of a cross's bin
SOURCES = ("record", "bench")
_DECLARED = "coverpoints and bins are declared in the coverage.py of their block"
_STALE = "the file is older than the block's coverage.py: delete the folder and run again"


@dataclass(frozen=True)
class CoverPoint:
    """One thing to be seen, and the bins (cases) in which it can be seen.

    Args:
        name: ``area.what``, unique.
        block: the Verilog module that it is about.
        shows: what a hit of each bin shows, one sentence.
        bins: names of the bins; of a cross, derived from ``axes``.
        axes: of a cross: ``(label, bins)`` of each axis; a bin is one bin of each, joined by :data:`SEPARATOR`.
        ignored: pattern of bins (as in file names) to the reason why they are no goal.
        illegal: pattern of bins to the reason why they cannot happen; a hit is a fault of the design or of the reason.
        source: what samples it: "record" (an engine run's, after the run) or "bench" (inside the simulator).

    Raises:
        ValueError: no bins, a bin twice, an unknown source, or a pattern that matches no bin or a bin that has one already.
    """

    name: str
    block: str
    shows: str
    bins: tuple[str, ...] = ()
    axes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ignored: Mapping[str, str] = field(default_factory=dict)
    illegal: Mapping[str, str] = field(default_factory=dict)
    source: str = "record"

    def __post_init__(self) -> None:
        if self.axes:
            object.__setattr__(self, "bins", tuple(SEPARATOR.join(parts) for parts in product(*(bins for _, bins in self.axes))))
        if not self.bins or len(set(self.bins)) != len(self.bins):
            raise ValueError(f"coverpoint '{self.name}' needs bins, each once")
        if self.source not in SOURCES:
            raise ValueError(f"coverpoint '{self.name}': source '{self.source}' is none of {', '.join(SOURCES)}")
        self.reasons    # noqa: B018  (looks the patterns over)

    @property
    def shape(self) -> tuple[int, ...]:
        """Bins per axis."""
        return tuple(len(bins) for _, bins in self.axes) or (len(self.bins),)

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each bin."""
        return {name: i for i, name in enumerate(self.bins)}

    @cached_property
    def reasons(self) -> dict[str, tuple[str, str]]:
        """Bins that are no goal: ``{bin: (kind, reason)}``, kind "ignored" or "illegal"."""
        found: dict[str, tuple[str, str]] = {}
        for kind, patterns in (("ignored", self.ignored), ("illegal", self.illegal)):
            for pattern, reason in patterns.items():
                names = [name for name in self.bins if fnmatchcase(name, pattern)]
                if not names or not reason or not found.keys().isdisjoint(names):
                    raise ValueError(f"coverpoint '{self.name}': '{pattern}' must have a reason and match bins that have "
                                     "none yet")
                found |= dict.fromkeys(names, (kind, reason))
        return found

    @property
    def goals(self) -> tuple[str, ...]:
        """The bins that count."""
        return tuple(name for name in self.bins if name not in self.reasons)


@dataclass(frozen=True)
class Score:
    """Bins that are hit, of those that count; ``illegal`` names illegal bins that were hit."""

    hit: int
    goals: int
    illegal: tuple[str, ...] = ()

    @property
    def percent(self) -> float:
        """0 to 100; 100 where there is no goal."""
        return 100.0 * self.hit / self.goals if self.goals else 100.0


class CoverGroup:
    """Coverpoints, and how often each of their bins was sampled.

    Raises:
        ValueError: two coverpoints have the same name.
    """

    def __init__(self, points: Iterable[CoverPoint]) -> None:
        points = tuple(points)
        self.points = {point.name: point for point in points}
        if len(self.points) < len(points):
            raise ValueError("a coverpoint is there twice")
        self.counts = {name: np.zeros(len(point.bins), dtype=np.int64) for name, point in self.points.items()}
        self.files: list[str] = []

    def point(self, name: str) -> CoverPoint:
        """The coverpoint called ``name``.

        Raises:
            FcimError: there is none.
        """
        if name not in self.points:
            raise FcimError(f"there is no coverpoint '{name}' in this group; {_DECLARED}")
        return self.points[name]

    # ---- sampling
    def sample(self, name: str, bin_name: str, n: int = 1) -> None:
        """Count ``n`` hits of one bin.

        Raises:
            FcimError: unknown coverpoint or bin.
        """
        index = self.point(name).index
        if bin_name not in index:
            raise FcimError(f"coverpoint '{name}' has no bin '{bin_name}'; {_DECLARED}")
        self.counts[name][index[bin_name]] += n

    def sample_array(self, name: str, *indices: np.ndarray, weights: np.ndarray | None = None) -> None:
        """Count a hit for each element of ``indices``: bin numbers, for a cross one array per axis (they are broadcast).

        Args:
            weights: hits per element, by default 1.

        Raises:
            FcimError: unknown coverpoint. ValueError: a number that is none of a bin.
        """
        point = self.point(name)
        if len(indices) != len(point.shape):
            raise ValueError(f"coverpoint '{name}' takes {len(point.shape)} arrays of bin numbers, not {len(indices)}")
        flat = np.ravel_multi_index(np.broadcast_arrays(*indices), point.shape).ravel() if len(indices) > 1 \
            else np.asarray(indices[0], dtype=np.int64).ravel()
        counts = np.bincount(flat, minlength=len(point.bins)) if weights is None \
            else np.bincount(flat, weights=np.ravel(weights), minlength=len(point.bins)).astype(np.int64)
        if len(counts) > len(point.bins):
            raise ValueError(f"coverpoint '{name}' has {len(point.bins)} bins, no number {len(counts) - 1}")
        self.counts[name] += counts

    # ---- verdict
    def by_block(self) -> dict[str, list[str]]:
        """Names of the coverpoints of each Verilog module."""
        found: dict[str, list[str]] = {}
        for point in self.points.values():
            found.setdefault(point.block, []).append(point.name)
        return dict(sorted(found.items()))

    @property
    def left_out(self) -> int:
        """Bins that are no goal: ignored or illegal."""
        return sum(len(point.reasons) for point in self.points.values())

    def hits(self, name: str) -> dict[str, int]:
        """Hits of every bin of a coverpoint."""
        return dict(zip(self.point(name).bins, self.counts[name].tolist(), strict=True))

    def holes(self, name: str) -> list[str]:
        """Bins that count and were never hit."""
        hits = self.hits(name)
        return [bin_name for bin_name in self.point(name).goals if not hits[bin_name]]

    def score(self, names: Sequence[str] | None = None) -> Score:
        """Over the coverpoints called ``names``, by default all."""
        names = list(self.points) if names is None else names
        goals = sum(len(self.point(name).goals) for name in names)
        illegal = tuple(f"{name}: {bin_name}" for name in names for bin_name, (kind, _) in self.points[name].reasons.items()
                        if kind == "illegal" and self.hits(name)[bin_name])
        return Score(goals - sum(len(self.holes(name)) for name in names), goals, illegal)

    def problems(self) -> list[str]:
        """What makes a report fail whatever the percentage: illegal bins that were hit, one line each."""
        return [f"illegal bin was hit: {name}; the design is wrong, or the reason in its block's coverage.py is"
                for name in self.score().illegal]

    # ---- files
    def as_dict(self) -> dict[str, dict[str, int]]:
        """Bins that were hit: ``{point: {bin: hits}}``."""
        return {name: {b: n for b, n in self.hits(name).items() if n} for name in self.points if self.counts[name].any()}

    def save(self, path: Path) -> None:
        """Write the hits to ``path``, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "points": self.as_dict()}, file)
        os.chmod(partial, 0o644)
        os.replace(partial, path)

    def merge(self, path: Path) -> None:
        """Add the hits of a file.

        Raises:
            FcimError: it cannot be read, is none of ours, or has a coverpoint or bin that is not declared.
        """
        for name, hits in _read(path).items():
            if name not in self.points:
                raise FcimError(f"{path} has hits of the coverpoint '{name}', which does not exist; {_STALE}")
            for bin_name, n in hits.items():
                if bin_name not in self.points[name].index:
                    raise FcimError(f"{path} has hits of the bin '{bin_name}' of '{name}', which does not exist; {_STALE}")
                self.sample(name, bin_name, n)
        self.files.append(path.name)

    def merge_folder(self, folder: Path) -> CoverGroup:
        """Add the hits of all ``*.cover.json`` in ``folder`` and below; returns itself.

        Raises:
            FcimError: there is no such file, or one cannot be merged.
        """
        files = sorted(folder.rglob(f"*{SUFFIX}"))
        if not files:
            raise FcimError(f"{folder} holds no *{SUFFIX}; run: make coverage")
        for path in files:
            self.merge(path)
        return self


def read_functional(data: Path, empty: CoverGroup) -> CoverGroup | None:
    """The hits of all runs that left a file in ``data``, counted into ``empty``; None if no run left any.

    Raises:
        FcimError: a file is damaged, or older than the coverpoints.
    """
    return empty.merge_folder(data) if data.is_dir() and any(data.rglob(f"*{SUFFIX}")) else None


def read_bins(data: Path, group: CoverGroup) -> dict[str, dict[str, dict[str, int]]]:
    """Hits of the bins that count, by the name of the folder in which runs left them.

    Raises:
        FcimError: a file is damaged.
    """
    found: dict[str, dict[str, dict[str, int]]] = {}
    for path in sorted(data.rglob(f"*{SUFFIX}")):
        points = found.setdefault(path.parent.name, {})
        for name, hits in _read(path).items():
            own, reasons = points.setdefault(name, {}), group.point(name).reasons
            for bin_name, n in hits.items():
                if n and bin_name not in reasons:
                    own[bin_name] = own.get(bin_name, 0) + n
    return found


def _read(path: Path) -> dict[str, dict[str, int]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FcimError(f"cannot read {path} ({error.strerror or error})") from None
    except ValueError:
        raise FcimError(f"{path} is not valid JSON; delete it and run again") from None
    points = data.get("points") if isinstance(data, dict) and data.get("format") == FORMAT else None
    good = isinstance(points, dict) and all(
        isinstance(hits, dict) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in hits.values())
        for hits in points.values())
    if not good:
        raise FcimError(f"{path} is no functional coverage of format {FORMAT}; delete it and run again")
    return points
