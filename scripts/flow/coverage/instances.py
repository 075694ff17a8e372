"""What each instance of a module met by itself, of runs that kept instances apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from scripts.flow.coverage.database import Database
from scripts.flow.coverage.points import CodePoint, file_points

TYPES = ("line", "branch", "expression")


@dataclass(frozen=True)
class InstanceCover:
    """One instance: its path in the design and its module's file.

    Attributes:
        hit: of each of :data:`TYPES`, points that it met, and how many it has; excluded ones are in neither.
        missed: points that it never met, though another instance or another bench did. What nobody met is the module's hole.
    """

    path: str
    file: str
    hit: Mapping[str, tuple[int, int]]
    missed: Sequence[CodePoint]

    @property
    def module(self) -> str:
        """Name of its module."""
        return PurePosixPath(self.file).stem

    @property
    def open(self) -> int:
        """Points that it never met."""
        return sum(total - hit for hit, total in self.hit.values())

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        counts = {name: {"hit": hit, "total": total} for name, (hit, total) in self.hit.items()}
        return {"path": self.path, "file": self.file, **counts,
                "missed": [{"line": p.line, "type": p.type, "object": p.object} for p in self.missed]}


def _order(path: str) -> tuple[tuple[int, str], ...]:
    """Paths in the order in which people count: engine 2 before engine 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path))


def _key(point: CodePoint) -> tuple[str, int, int, str]:
    return point.type, point.line, point.column, point.object


def covers(database: Database, sources: Mapping[str, Sequence[str]],
           points: Mapping[str, Sequence[CodePoint]]) -> list[InstanceCover]:
    """Every instance that is known by itself, in the order of their paths.

    Args:
        sources: the lines of each file of the design.
        points: of all instances and runs together, by file, with their exclusions.

    Raises:
        FcimError: the data are of another version of the design.
    """
    merged = {file: {_key(point): point for point in points[file] if point.type in TYPES}
              for file in {record.file for instance in database.instances.values() for record in instance.points}}
    found = []
    for path, instance in sorted(database.instances.items(), key=lambda item: _order(item[0])):
        own = Database(dict.fromkeys(instance.points, 0) | dict.fromkeys(instance.met, 1), database.labels)
        for file, mine in file_points(own, sources, {}).items():
            counted = [point for point in mine if merged[file][_key(point)].exclusion is None]
            hit = {name: (sum(p.hit for p in counted if p.type == name), sum(p.type == name for p in counted)) for name in TYPES}
            missed = [point for point in counted if not point.hit and merged[file][_key(point)].hit]
            found.append(InstanceCover(path.partition(".")[2] or path, file, hit, missed))
    return found
