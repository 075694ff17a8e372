"""Which job of the regression covers what: the jobs in the order in which each adds most, who met a point first, and who adds
nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BIN = "bin"                                             # of functional coverage, beside the kinds of the database
KINDS = ("line", "branch", "expr", "toggle", BIN)       # in the order of the table
Bin = tuple[str, str]                                   # coverpoint and bin


@dataclass(frozen=True)
class Step:
    """A job, by what it adds to those before it: ``new`` points per kind; ``reached`` percent of all that any job meets;
    ``seconds`` of the jobs up to here."""

    job: str
    own_seconds: float
    met: int
    new: Mapping[str, int]
    reached: float
    seconds: float

    @property
    def added(self) -> int:
        """New points of all kinds."""
        return sum(self.new.values())


@dataclass(frozen=True)
class Ranking:
    """``steps``: the jobs that add something, the first one most; ``idle``: the others, with what they meet in all;
    ``first``: the place in this order of the job that meets a point first, -1 if none does, by the point's number; ``bins`` the
    same of bins, without those that no job meets."""

    steps: Sequence[Step]
    idle: Sequence[Step]
    first: np.ndarray
    bins: Mapping[Bin, int]

    def as_json(self) -> list[dict[str, Any]]:
        """For programs; jobs that add nothing come last."""
        return [{"job": step.job, "seconds": step.own_seconds, "met": step.met, "new": dict(step.new)}
                for step in (*self.steps, *self.idle)]


def rank(kinds: Sequence[str], hits: Mapping[str, np.ndarray], bins: Mapping[str, set[Bin]],
         seconds: Mapping[str, float]) -> Ranking:
    """Order jobs greedily: next is always the one that adds most points to those before it; of equals the quicker one.

    Greedy is not the smallest set of jobs, but within a factor of ln(points) of it (Chvatal 1979), and seldom far off.

    Args:
        kinds: of each of the database's points, by number.
        hits: numbers of the points that each job meets.
        bins: bins of functional coverage that each job meets and that count.
        seconds: what each job took; one that is not there took none.
    """
    names = sorted(hits.keys() | bins.keys())
    every_bin = sorted(set().union(*bins.values()))
    number = {name: len(kinds) + i for i, name in enumerate(every_bin)}
    total = len(kinds) + len(every_bin)
    met = np.zeros((len(names), -(-total // 64) * 8), dtype=np.uint8)
    row = np.zeros(met.shape[1] * 8, dtype=np.uint8)
    for place, name in enumerate(names):
        row[:] = 0
        row[hits.get(name, np.empty(0, dtype=np.int64))] = 1
        row[[number[found] for found in bins.get(name, ())]] = 1
        met[place] = np.packbits(row)
    words, taken = met.view(np.uint64), [seconds.get(name, 0.0) for name in names]
    own = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    kind_of = np.array([KINDS.index(kind) for kind in kinds] + [KINDS.index(BIN)] * len(every_bin), dtype=np.int8)
    left = np.bitwise_or.reduce(words, axis=0) if names else np.zeros(0, dtype=np.uint64)
    reachable, first = int(np.bitwise_count(left).sum()), np.full(total, -1, dtype=np.int32)
    steps, waiting, so_far, elapsed = [], list(range(len(names))), 0, 0.0
    while waiting:
        gains = np.bitwise_count(words[waiting] & left).sum(axis=1, dtype=np.int64)
        place = max(range(len(waiting)), key=lambda i: (gains[i], -taken[waiting[i]], -waiting[i]))
        if not gains[place]:
            break
        job = waiting.pop(place)
        fresh = np.flatnonzero(np.unpackbits((words[job] & left).view(np.uint8))[:total])
        first[fresh] = len(steps)
        left = left & ~words[job]
        so_far, elapsed = so_far + len(fresh), elapsed + taken[job]
        count = np.bincount(kind_of[fresh], minlength=len(KINDS))
        steps.append(Step(names[job], taken[job], int(own[job]), dict(zip(KINDS, count.tolist(), strict=True)),
                          100 * so_far / reachable, elapsed))
    nothing = dict.fromkeys(KINDS, 0)
    idle = [Step(names[job], taken[job], int(own[job]), nothing, 100.0, elapsed)
            for job in sorted(waiting, key=lambda job: -taken[job])]
    return Ranking(steps, idle, first[:len(kinds)],
                   {found: int(first[place]) for found, place in number.items() if first[place] >= 0})
