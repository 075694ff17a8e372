"""From Verilator's records to what the report counts: lines, branch arms, rows of expressions, and edges of bits."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.errors import FcimError
from scripts.flow.coverage.database import AGAIN, Database, Record

TYPES = ("line", "branch", "expression", "toggle")
USER = "property"       # cover properties of the design; shown if there are any
ARMS = {"if": "if true", "else": "if false", "elsif": "else-if true", "case": "case item",
        "cond_then": "? true", "cond_else": "? false"}
SECOND = ("else", "cond_else")
NOT_RUN = re.compile(r"\s*((begin|end|else|endcase|endfunction|endtask)\b\s*)*(:\s*\w+\s*)?(//.*)?$")

_LITERAL = re.compile(r"(?<![\w$])\d+'s?([bodh])([0-9a-f]+)\b")
_BASES = {"b": 2, "o": 8, "d": 10, "h": 16}


@dataclass(slots=True)
class CodePoint:
    """Something that can be covered.

    ``object`` names it within its line (what exclusions match); ``label`` is for people; ``column`` of a branch arm is its
    decision's. ``exclusion`` is the number of the entry that excludes it: only points that were never hit have one.
    """

    type: str
    file: str
    line: int
    column: int
    object: str
    label: str
    count: int
    exclusion: int | None = None

    @property
    def hit(self) -> bool:
        """Seen at least once."""
        return self.count > 0

    @property
    def hole(self) -> bool:
        """Never seen, and nobody said why."""
        return self.count == 0 and self.exclusion is None


def readable(text: str) -> str:
    """A row of an expression's truth table without the widths that Verilator adds."""
    text = _LITERAL.sub(lambda m: str(int(m[2], _BASES[m[1]])), text)
    text = re.sub(r"\{1\{\{\{\d+\{0\}\}, (\w+)\}\}\}", r"\1", text)               # zero extension
    text = re.sub(r"\[\d+(:0)?\]\+:", "+:", text)                                    # width of an index
    text = re.sub(r"\+:1\]", "]", text)
    text = re.sub(r"==([01])(?=\)| &&)", r" = \1", text)
    return re.sub(r"^\((.*)\) => ([01])$", r"\1 gives \2", text)


def _branch(record: Record, count: int) -> CodePoint | None:
    if record.comment not in ARMS or record.kind not in ("line", "branch"):
        return None
    decision = record.column - (record.comment in SECOND)
    return CodePoint("branch", record.file, record.line, decision, record.comment, ARMS[record.comment], count)


def _other(record: Record, count: int, labels: Mapping[Record, str]) -> CodePoint | None:
    place = (record.file, record.line, record.column)
    if record.kind == "expr":
        label = readable(labels[record])
        return CodePoint("expression", *place, label, label, count)
    if record.kind in ("toggle", "user"):
        return CodePoint(USER if record.kind == "user" else "toggle", *place, record.comment, record.comment, count)
    return None


def _line_points(file: str, records: Sequence[tuple[Record, int]], source: Sequence[str]) -> list[CodePoint]:
    """A point per source line that a block holds; it was run if the block was, or a decision on the line was taken."""
    counts: dict[int, int] = {}
    for record, count in records:
        for number in record.lines:
            if not NOT_RUN.match(source[number - 1]):
                counts[number] = max(counts.get(number, 0), count)
    for record, count in records:   # the condition of a block that was not entered was evaluated if its other arm was taken
        if record.line in counts and record.kind == "branch":
            counts[record.line] = max(counts[record.line], count)
    return [CodePoint("line", file, number, 0, "", "line", count) for number, count in sorted(counts.items())]


def file_points(database: Database, sources: Mapping[str, Sequence[str]]) -> dict[str, list[CodePoint]]:
    """Points of every file in the data, in the order of the source.

    Args:
        sources: the lines of each file of the design.

    Raises:
        FcimError: the data speak of a file or line that does not exist.
    """
    by_file: dict[str, list[tuple[Record, int]]] = {}
    for record, count in database.counts.items():
        by_file.setdefault(record.file, []).append((record, count))
    return {file: _points_of(file, by_file[file], sources, database.labels) for file in sorted(by_file)}


def _points_of(file: str, records: list[tuple[Record, int]], sources: Mapping[str, Sequence[str]],
               labels: Mapping[Record, str]) -> list[CodePoint]:
    if file not in sources:
        raise FcimError(f"the coverage data speak of {file}, which does not exist; they are of another version: {AGAIN}")
    last = max(max((record.line, *record.lines)) for record, _ in records)
    if last > len(sources[file]):
        raise FcimError(f"the coverage data speak of line {last} of {file}, which has {len(sources[file])}; "
                        f"they are of another version: {AGAIN}")
    merged: dict[tuple[object, ...], CodePoint] = {}
    for record, count in records:
        for point in (_branch(record, count), _other(record, count, labels)):
            if point is not None:
                key = (point.type, point.line, point.column, record.comment)
                if key in merged:
                    merged[key].count += count
                else:
                    merged[key] = point
    points = [*_line_points(file, records, sources[file]), *merged.values()]
    return sorted(points, key=lambda p: (p.line, p.column))
