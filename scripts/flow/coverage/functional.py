"""Functional coverage of a set of runs: the hits of all ``*.cover.json`` in a folder, added up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.flow.coverage.model import CoverGroup


def read_functional(data: Path, empty: CoverGroup) -> CoverGroup:
    """The hits of all runs that left a file in ``data``, counted into ``empty``, which knows the points.

    Raises:
        FcimError: there is none, one is damaged, or one is older than the coverpoints.
    """
    return empty.merge_folder(data)


def functional_counts(cov: CoverGroup) -> tuple[int, int, int]:
    """Bins that were hit, bins that count, bins left out (ignored or illegal)."""
    score = cov.score()
    return score.hit, score.goals, sum(len(point.reasons) for point in cov.points.values())


def functional_problems(cov: CoverGroup) -> list[str]:
    """What makes a report fail whatever the percentage: illegal bins that were hit, one line each."""
    return [f"illegal bin was hit: {name}; the design is wrong, or the reason in its block's coverage.py is"
            for name in cov.score().illegal]


def blocks(cov: CoverGroup) -> dict[str, list[str]]:
    """Names of the points of each Verilog module, in their order."""
    found: dict[str, list[str]] = {}
    for point in cov.points.values():
        found.setdefault(point.block, []).append(point.name)
    return dict(sorted(found.items()))


def functional_json(cov: CoverGroup) -> dict[str, Any]:
    """For programs: counts, and per point what is missing."""
    hit, total, left_out = functional_counts(cov)
    return {"hit": hit, "total": total, "excluded": left_out, "runs": len(cov.files), "illegal": list(cov.score().illegal),
            "holes": {name: cov.holes(name) for name in cov.points if cov.holes(name)}}
