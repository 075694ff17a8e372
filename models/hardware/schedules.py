"""The order in which keys visit a query tile: named permutations made of runs of ascending keys.

The engine cuts its key stream into blocks of ``keys_per_block`` consecutive streamed keys, and only the last block of a
tile may be ragged. A schedule is therefore a list of runs of ``keys_per_block`` keys with the ragged run, if any, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from models.errors import FcimError
from models.hardware.config import OCTAVES_BITS, EngineConfig

SCHEDULES = ("natural", "diagonal_first", "sink_diagonal", "diagonal_ascending")
"""``natural``: oldest key first. ``diagonal_first``: newest run first, back to the oldest. ``sink_diagonal``: newest run,
then the first keys of the sequence, then newest to oldest what lies between. ``diagonal_ascending``: newest run, then oldest
key first what is left."""


def check_schedule(name: str) -> str:
    """``name`` itself if it is a schedule.

    Raises:
        FcimError: it is not.
    """
    if name not in SCHEDULES:
        raise FcimError(f"unknown schedule '{name}'; use one of {', '.join(SCHEDULES)}")
    return name


def check_octaves(octaves: int) -> int:
    """``octaves`` itself if a tile can carry it.

    Raises:
        FcimError: it is not 0 to 31.
    """
    if not 0 <= octaves < 1 << OCTAVES_BITS:
        raise FcimError(f"OCTAVES = {octaves} is illegal; use 0 (skip nothing that matters) to {(1 << OCTAVES_BITS) - 1}")
    return octaves


@dataclass(frozen=True)
class TileOptions:
    """What can be chosen for every tile at run time: the order of its keys, whether its first two blocks are judged as one,
    whether blocks that cannot matter are skipped, the lazy threshold, and how many octaves below the running maximum a block
    counts as nothing (0: only where its probabilities are all 0).

    Without arguments the plainest tile: oldest key first, every block judged by itself, all of them computed. What is taken
    where nobody chooses is :data:`DEFAULT_OPTIONS`."""

    schedule: str = "natural"
    fused: bool = False
    skip: bool = False
    tau: int = 0
    octaves: int = 0

    @property
    def lossy(self) -> bool:
        """Whether skipping may change results."""
        return self.skip and self.octaves > 0

    @property
    def name(self) -> str:
        """What moves results, in short, like ``sink_diagonal + fused, tau 4``; skipping changes none unless octaves are given."""
        return (f"{self.schedule}{' + fused' if self.fused else ''}" + (f", tau {self.tau}" if self.tau else "")
                + (f", skipping below 2^-{self.octaves}" if self.lossy else ""))

    def check(self, cfg: EngineConfig) -> TileOptions:
        """Itself, if ``cfg`` can do it.

        Raises:
            FcimError: no such schedule, a threshold beyond the headroom, or octaves that a tile cannot carry.
        """
        check_octaves(self.octaves)
        check_schedule(self.schedule)
        cfg.check_tau(self.tau)
        return self

    def given(self, **chosen: object) -> TileOptions:
        """These options with those that somebody chose: fields of them, None where nobody did."""
        return replace(self, **{name: value for name, value in chosen.items() if value is not None})


DEFAULT_OPTIONS = TileOptions("sink_diagonal", fused=True)
"""What every command and :mod:`models.hf_attention` take where nobody chooses: of the orders that need no calibration, the one
with which no layer of any source of ``make ablation`` makes more rescales than in natural order (docs/schedules.md)."""


def _backwards(low: int, high: int, size: int) -> list[tuple[int, int]]:
    """Runs that cover ``[low, high)`` from its end; the last one is ragged if ``size`` does not divide the length."""
    return [(max(low, stop - size), min(size, stop - low)) for stop in range(high, low, -size)]


def blocks(schedule: str, keys: int, keys_per_block: int) -> list[tuple[int, int]]:
    """The key blocks of a tile that sees keys 0 to ``keys - 1``, as ``(first key, count)`` in the order of the stream.

    Raises:
        FcimError: no such schedule.
    """
    check_schedule(schedule)
    if schedule == "natural":
        return [(start, min(keys_per_block, keys - start)) for start in range(0, keys, keys_per_block)]
    if schedule == "diagonal_first" or keys <= keys_per_block:
        return _backwards(0, keys, keys_per_block)
    rest = keys - keys_per_block  # keys before the diagonal run
    if schedule == "diagonal_ascending":
        return [(rest, keys_per_block), *blocks("natural", rest, keys_per_block)]
    sink = min(keys_per_block, rest)
    return [(rest, keys_per_block), (0, sink), *_backwards(sink, rest, keys_per_block)]


def block_span(schedule: str, block: int, keys: Tensor, keys_per_block: int) -> tuple[Tensor, Tensor]:
    """Block number ``block`` of :func:`blocks` for many tiles at once: first keys and counts, int64, shaped as ``keys``.

    Args:
        keys: int64, keys of each tile; all have more than ``block`` blocks.

    Raises:
        FcimError: no such schedule.
    """
    check_schedule(schedule)
    before = block * keys_per_block
    if schedule == "natural":
        return torch.full_like(keys, before), (keys - before).clamp(max=keys_per_block)
    if schedule == "diagonal_ascending" and block > 0:
        return torch.full_like(keys, before - keys_per_block), (keys - before).clamp(max=keys_per_block)
    if schedule == "sink_diagonal" and block == 1:
        return torch.zeros_like(keys), (keys - before).clamp(max=keys_per_block)
    # downwards; the sink, where it has been, is not met again
    stop = keys - before + (keys_per_block if schedule == "sink_diagonal" and block > 1 else 0)
    low = keys_per_block if schedule == "sink_diagonal" and block > 1 else 0
    start = (stop - keys_per_block).clamp(min=low)
    return start, stop - start


def key_order(schedule: str, keys: int, keys_per_block: int) -> Tensor:
    """Key indices in the order of the stream: a permutation of 0 to ``keys - 1``, int64 ``[keys]``.

    Raises:
        FcimError: no such schedule.
    """
    runs = [torch.arange(start, start + count) for start, count in blocks(schedule, keys, keys_per_block)]
    return torch.cat(runs) if runs else torch.zeros(0, dtype=torch.int64)
