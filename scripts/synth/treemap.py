"""A treemap: areas as rectangles, nested, as square as they can be (Bruls, Huizing, van Wijk: Squarified treemaps, 2000)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

NEARLY_ALL = 0.8


@dataclass(frozen=True)
class Node:
    """Something with an area, in any unit: its own and its children's."""

    name: str
    own: float
    children: tuple[Node, ...] = ()

    @property
    def area(self) -> float:
        """With the children."""
        return self.own + sum(child.area for child in self.children)


@dataclass(frozen=True)
class Box:
    """Where a node lies; ``depth`` 0 is the whole."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    depth: int
    group: int              # what is coloured alike
    inside: tuple[Box, ...] = field(default=())

    def all(self) -> list[Box]:
        """This box and those in it, outer ones first."""
        return [self, *(box for part in self.inside for box in part.all())]


def squarified(areas: Sequence[float], x: float, y: float, width: float,
               height: float) -> list[tuple[float, float, float, float]]:
    """A rectangle for each area, the largest first; together they fill the given one."""
    left = [area * width * height / sum(areas) for area in areas] if sum(areas) > 0 else []
    found = []
    while left:
        side = min(width, height)
        row = [left[0]]
        while len(row) < len(left) and _worst(row + [left[len(row)]], side) <= _worst(row, side):
            row.append(left[len(row)])
        thick = sum(row) / side if side else 0.0
        at = 0.0
        for area in row:
            long = area / thick if thick else 0.0
            found.append((x, y + at, thick, long) if width >= height else (x + at, y, long, thick))
            at += long
        if width >= height:
            x, width = x + thick, width - thick
        else:
            y, height = y + thick, height - thick
        left = left[len(row):]
    return found


def _worst(row: Sequence[float], side: float) -> float:
    """The largest ratio of sides in a row along ``side``."""
    total = sum(row)
    return max(side * side * max(row) / total**2, total**2 / (side * side * min(row)))


def layout(node: Node, width: float, height: float, head: float) -> Box:
    """A box for a node and all below it; ``head`` is kept free at the top of what holds others, for its name.

    The children of the whole are a group each; those of one that is nearly all of it are groups of their own.
    """
    groups = itertools.count(1)
    return _box(node, 0.0, 0.0, width, height, head, 0, 0, groups, NEARLY_ALL * node.area)


def _box(node: Node, x: float, y: float, width: float, height: float, head: float, depth: int, group: int,
         groups: Iterator[int], most: float) -> Box:
    parts = [part for part in (*node.children, *([Node("", node.own)] if node.own and node.children else [])) if part.area > 0]
    parts.sort(key=lambda part: -part.area)
    free = min(head, height / 4)
    inside = []
    if parts and width > 0 and height > free:
        areas = squarified([part.area for part in parts], x, y + free, width, height - free)
        parted = node.area > most
        inside = [_box(part, *place, head, depth + 1, next(groups) if parted else group, groups, most if parted else math.inf)
                  for part, place in zip(parts, areas, strict=True)]
    return Box(node, x, y, width, height, depth, group, tuple(inside))
