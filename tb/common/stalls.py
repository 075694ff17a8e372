"""When a stream pauses: generators of ``(on, off)`` pairs, the form that cocotb-bus drivers take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np

PATTERNS = ("none", "gaps", "backpressure", "both")
ALWAYS_ON = 1 << 30
_DRAWS = 512


def bursts(generator: np.random.Generator, longest_on: int = 6, longest_off: int = 6) -> Iterator[tuple[int, int]]:
    """Endless ``(on, off)`` pairs: ``on`` from 1 to ``longest_on``, ``off`` from 0 to ``longest_off`` cycles.

    One pair in eight pauses four times as long, so that whatever lies behind the stream fills up or runs dry.
    """
    while True:
        on = generator.integers(1, longest_on + 1, _DRAWS)
        off = generator.integers(0, longest_off + 1, _DRAWS)
        off = np.where(generator.integers(0, 8, _DRAWS) == 0, 4 * off, off)
        yield from zip(on.tolist(), off.tolist(), strict=True)


def always() -> Iterator[tuple[int, int]]:
    """Never pauses."""
    while True:
        yield ALWAYS_ON, 0


def _known(pattern: str) -> str:
    if pattern not in PATTERNS:
        raise ValueError(f"unknown stall pattern '{pattern}'; use one of {', '.join(PATTERNS)}")
    return pattern


def source_stalls(pattern: str, generator: np.random.Generator) -> Iterator[tuple[int, int]] | None:
    """Gaps for a source under ``pattern``; None (full rate) for "none" and "backpressure"."""
    return bursts(generator) if _known(pattern) in ("gaps", "both") else None


def sink_stalls(pattern: str, generator: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Ready and not-ready cycles for a sink under ``pattern``; always ready for "none" and "gaps"."""
    return bursts(generator) if _known(pattern) in ("backpressure", "both") else always()


def each_pattern(**more: Any) -> Callable[[Any], Any]:
    """``@each_pattern()`` under ``@cocotb.test()``: one test per stall pattern, given as argument ``pattern``.

    Keyword arguments add further parameters: ``@each_pattern(tiles=[1, 3])``.
    """
    # Named, because cocotb numbers strings of more than ten characters.
    return cocotb.parametrize(pattern=[cocotb.Param(value=name, name=name) for name in PATTERNS], **more)
