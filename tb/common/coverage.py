"""Functional coverage inside a simulator: a bench's covergroup, and bins that several blocks share.

``tb/<block>/coverage.py`` declares a block's coverpoints and has the samplers that its bench calls with what it has seen. They
do nothing, at no cost, unless the environment's FCIM_COVER_FILE names the file for the counts, which is written when the
simulator's Python ends. No torch here: benches import this inside the simulator.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ParamSpec

import numpy as np

from scripts.flow.coverage.functional import CoverGroup, CoverPoint

P = ParamSpec("P")
FILE = os.environ.get("FCIM_COVER_FILE", "")
enabled = bool(FILE)

# ---- bins
Bins = tuple[str, ...]
SIZES: Bins = ("one", "some", "all")
IN_TILE: Bins = ("only", "first", "between", "last")
OPERAND_VALUES: Bins = ("-128", "negative", "0", "positive", "127")
PLANES: Bins = tuple(f"bit {i}" for i in range(7, -1, -1))
PLANE_STATES: Bins = ("all 0", "all 1", "mixed")
FIRST_MAXIMUM: Bins = ("the first is larger", "the second is larger", "equal", "sees the first only", "sees the second only",
                         "sees neither")
CUT_OFF: Bins = ("nothing", "less than half", "a half", "more than half")
OCTAVES: Bins = ("0", "1", "up to 2 less than the exact limit", "1 less", "the exact limit", "1 more", "more", "31")
ROUNDING_AXES = (("sign", ("negative", "positive")), ("cut off", CUT_OFF))
ROUNDING = "What the rounding cuts off, for both signs"


def numbers(*values: int) -> Bins:
    """A bin per number."""
    return tuple(map(str, values))


# ---- the covergroup of a bench
def points_of(block: str) -> Callable[..., CoverPoint]:
    """A function that gives coverpoints of ``block`` for its bench to sample; called with name, what a bin shows, bins, ..."""
    def point(name: str, shows: str, bins: Bins = (), **more: Any) -> CoverPoint:
        return CoverPoint(name, block, shows, bins, source="bench", **more)

    return point


_groups: list[CoverGroup] = []


class BenchCoverGroup(CoverGroup):
    """Coverpoints sampled inside the simulator; in the end FCIM_COVER_FILE has what all groups of the process counted."""

    def __init__(self, points: Iterable[CoverPoint]) -> None:
        super().__init__(points)
        if enabled:
            if not _groups:
                atexit.register(_save)
            _groups.append(self)


def _save() -> None:
    total = CoverGroup(point for group in _groups for point in group.points.values())
    for group in _groups:
        total.counts |= group.counts
    if total.as_dict():
        total.save(Path(FILE))


def _nothing(*_: object, **__: object) -> None:
    """What a sampler is where nothing is collected."""


def sampler(function: Callable[P, None]) -> Callable[P, None]:
    """Decorator of functions that only sample: they do nothing where nothing is collected."""
    return function if enabled else _nothing


# ---- from numbers to bins
def digitise(values: np.ndarray, starts: Sequence[int]) -> np.ndarray:
    """Bin number of every value: bin i begins at ``starts[i]``, the first one holds all below ``starts[1]``."""
    return np.searchsorted(np.asarray(starts[1:]), values, side="right")


def ends(values: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """0 to 4: lowest, negative, 0, positive, highest."""
    return digitise(values, (lowest, lowest + 1, 0, 1, highest))


def one_some_all(count: int, full: int) -> str:
    """The bin of ``count`` out of ``full``."""
    return "all" if count == full else "one" if count == 1 else "some"


def in_tile(first: bool, last: bool) -> str:
    """The bin of a block's place in its tile."""
    return "only" if first and last else "first" if first else "last" if last else "between"


def octaves_bin(octaves: int, exact: int) -> str:
    """The bin of :data:`OCTAVES` of a tile whose probabilities round to 0 ``exact`` octaves below the running maximum."""
    if octaves in (0, 1, 31):
        return str(octaves)
    return OCTAVES[min(max(octaves - exact, -2), 2) + 4]


def cut_off(low: np.ndarray, shift: np.ndarray | int) -> np.ndarray:
    """Bin number of :data:`CUT_OFF` for a right shift; ``low`` are the bits that it cuts off."""
    half = np.left_shift(np.int64(1), np.maximum(shift, 1) - 1)
    return np.where(low == 0, 0, np.where(low < half, 1, np.where(low == half, 2, 3)))


def plane_states(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per vector ``[..., D]`` of codes (uint8) and bit-plane, 7 first: bin numbers of :data:`PLANES` and :data:`PLANE_STATES`."""
    planes = np.arange(7, -1, -1)
    all_one = np.bitwise_and.reduce(codes, axis=-1)[..., None] >> planes & 1
    any_one = np.bitwise_or.reduce(codes, axis=-1)[..., None] >> planes & 1
    return np.broadcast_to(np.arange(8), all_one.shape), np.where(any_one == 0, 0, np.where(all_one == 1, 1, 2))
