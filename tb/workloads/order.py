"""In which order keys come and what tiles may do, as a job's parameters say: ``schedule``, ``fused``, ``skip``,
``octaves``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from models.errors import FcimError
from models.hardware.config import OCTAVES_BITS, EngineConfig
from models.hardware.schedules import DEFAULT_OPTIONS, check_octaves, check_schedule, key_order
from models.hardware.tile import TileJob
from tb.core.sequences import vanishing_tiles

EACH, MIXED = "each", "mixed"
VANISHING, PARTIAL = 4, 3     # one tile in so many


@dataclass(frozen=True)
class Order:
    """A schedule of :mod:`models.hardware.schedules` and the flags of all tiles of a run; by default what users get."""

    schedule: str = DEFAULT_OPTIONS.schedule
    fused: bool = DEFAULT_OPTIONS.fused
    skip: bool = False
    octaves: int = 0


def _flag(parameters: Mapping[str, object], name: str, word: str, default: object) -> object:
    """The value of a flag: False, True, or the word that stands for several.

    Raises:
        FcimError: it is none of them.
    """
    value = parameters.get(name, default)
    if value == word or value in (0, 1):
        return value if value == word else bool(value)
    raise FcimError(f"{name} = '{value}' is illegal; use 0, 1 or {word}")


def schedule_of(parameters: Mapping[str, object], default: str) -> str:
    """The job's schedule.

    Raises:
        FcimError: there is no such schedule.
    """
    return check_schedule(str(parameters.get("schedule", default)))


def octaves_of(parameters: Mapping[str, object]) -> int:
    """The octaves below the running maximum from which on the job's tiles leave out blocks; 0, by default: none that matter.

    Raises:
        FcimError: no tile can carry that.
    """
    octaves = str(parameters.get("octaves", 0))
    return check_octaves(int(octaves) if octaves.isdecimal() else -1)


def orders(parameters: Mapping[str, object]) -> list[Order]:
    """The orders that a job runs one after another, one for each choice of flags that are ``each``; what a job does not say
    is as in :class:`Order`.

    Raises:
        FcimError: a parameter is illegal.
    """
    usual, flags = Order(), []
    schedule, octaves = schedule_of(parameters, usual.schedule), octaves_of(parameters)
    for name in ("fused", "skip"):
        value = _flag(parameters, name, EACH, getattr(usual, name))
        flags.append((False, True) if value == EACH else (bool(value),))
    return [Order(schedule, fused, skip, octaves) for fused, skip in product(*flags)]


def flagged(parameters: Mapping[str, object], numbers: np.random.Generator, tiles: Sequence[TileJob]) -> list[TileJob]:
    """``tiles`` with the flags that the parameters say; drawn for each tile where they say ``mixed``, which is the default.
    Their octaves are the job's, by default any number for half of them; a third of them are partial.

    Raises:
        FcimError: a parameter is illegal.
    """
    result = list(tiles)
    for name in ("fused", "skip"):
        value = _flag(parameters, name, MIXED, MIXED)
        drawn = numbers.integers(0, 2, len(result)).astype(bool).tolist()
        result = [replace(tile, **{name: flag if value == MIXED else bool(value)}) for tile, flag in zip(result, drawn)]
    drawn = numbers.integers(0, 2, len(result)) * numbers.integers(0, 1 << OCTAVES_BITS, len(result))
    given = octaves_of(parameters) if "octaves" in parameters else None
    result = [replace(tile, octaves=int(o) if given is None else given) for tile, o in zip(result, drawn)]
    return [replace(tile, partial=bool(drawn == 0)) for tile, drawn in zip(result, numbers.integers(0, PARTIAL, len(result)))]


def some_vanish(cfg: EngineConfig, numbers: np.random.Generator, tiles: Sequence[TileJob]) -> list[TileJob]:
    """``tiles`` and, to every :data:`VANISHING` of them, one in which any blocks vanish; those too long for ``cfg`` stay away."""
    more = vanishing_tiles(cfg, numbers, -(-len(tiles) // VANISHING))
    return [*tiles, *(tile for tile in more if len(tile.k) <= cfg.max_keys)]


def reordered(cfg: EngineConfig, tile: TileJob, schedule: str) -> TileJob:
    """The same tile with its keys, in whatever order they stood, taken in the order of ``schedule``."""
    order = key_order(schedule, tile.k.shape[0], cfg.keys_per_block)
    return replace(tile, **{name: getattr(tile, name)[order] for name in ("k", "v", "k_pos", "k_mult", "v_mult")})
