"""Functional coverage from inside a simulator: ``hit("divider.divisor", "0")``.

Nothing is counted, and nothing is loaded, unless the environment's FCIM_COVER_FILE names the file for the hits; it is
written when the simulator's Python ends. Samplers that have to work out which bin it is (:func:`sampler`) cost nothing else.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    import numpy as np

    from scripts.flow.coverage.model import Coverage

P = ParamSpec("P")
FILE = os.environ.get("FCIM_COVER_FILE", "")
enabled = bool(FILE)
_coverage: Coverage | None = None


def _counts() -> Coverage:
    """The hits of this process; the first call arranges that they are written."""
    global _coverage
    if _coverage is None:
        from tb.coverage.catalogue import new_coverage

        _coverage = new_coverage()
        atexit.register(_coverage.save, Path(FILE))
    return _coverage


def hit(point: str, bin_name: str, n: int = 1) -> None:
    """Count ``n`` hits of a bin.

    Raises:
        FcimError: unknown point or bin (only where coverage is collected; a test looks at the literal names anyway).
    """
    if enabled and n:
        _counts().sample(point, bin_name, n)


def hit_counts(point: str, *indices: np.ndarray) -> None:
    """Count a hit for every element: arrays of bin numbers as in :meth:`scripts.flow.coverage.model.Coverage.sample_counts`."""
    if enabled:
        _counts().sample_counts(point, *indices)


def _nothing(*_: object, **__: object) -> None:
    """What a sampler is where nothing is collected."""


def sampler(function: Callable[P, None]) -> Callable[P, None]:
    """Decorator of functions that only call :func:`hit`: they do nothing where nothing is collected."""
    return function if enabled else _nothing
