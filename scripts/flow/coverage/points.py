"""From Verilator's records to what the report counts, and its names: lines, branch arms, rows of expressions, edges of bits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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

Index = tuple[int, ...]
MOST, GROUPS = 12, 8       # ranges and groups of ranges that are named before "and more"
RISE, FALL = "0->1", "1->0"
WORDS = {(RISE,): "never rises", (FALL,): "never falls", (RISE, FALL): "never toggles", ("",): "never toggles"}


@dataclass(slots=True)
class CodePoint:
    """Something that can be covered.

    ``object`` names it within its line (what exclusions match); ``label`` is for people; ``column`` of a branch arm is its
    decision's. ``exclusion`` is the number of the entry that excludes it: only points that were never hit have one. ``first``, of
    all but toggles, is the place of the job that met it first in the order of :mod:`scripts.flow.coverage.ranking`.
    """

    type: str
    file: str
    line: int
    column: int
    object: str
    label: str
    count: int
    exclusion: int | None = None
    first: int | None = None

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


def _line_points(file: str, records: Sequence[tuple[Record, int]], source: Sequence[str],
                 first: Mapping[Record, int]) -> list[CodePoint]:
    """A point per source line that a block holds; it was run if the block was, or a decision on the line was taken."""
    counts: dict[int, int] = {}
    places: dict[int, list[int]] = {}
    for record, count in records:
        for number in record.lines:
            if not NOT_RUN.match(source[number - 1]):
                counts[number] = max(counts.get(number, 0), count)
                places.setdefault(number, []).extend([first[record]] if record in first else [])
    for record, count in records:   # the condition of a block that was not entered was evaluated if its other arm was taken
        if record.line in counts and record.kind == "branch":
            counts[record.line] = max(counts[record.line], count)
    return [CodePoint("line", file, number, 0, "", "line", count, first=min(places[number], default=None))
            for number, count in sorted(counts.items())]


def file_points(database: Database, sources: Mapping[str, Sequence[str]],
                first: Mapping[Record, int]) -> dict[str, list[CodePoint]]:
    """Points of every file in the data, in the order of the source.

    Args:
        sources: the lines of each file of the design.
        first: the place of the job that met a record first.

    Raises:
        FcimError: the data speak of a file or line that does not exist.
    """
    by_file: dict[str, list[tuple[Record, int]]] = {}
    for record, count in database.counts.items():
        by_file.setdefault(record.file, []).append((record, count))
    return {file: _points_of(file, by_file[file], sources, database.labels, first) for file in sorted(by_file)}


def _points_of(file: str, records: list[tuple[Record, int]], sources: Mapping[str, Sequence[str]],
               labels: Mapping[Record, str], first: Mapping[Record, int]) -> list[CodePoint]:
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
                before = merged.setdefault(key, point)
                if before is not point:
                    before.count += count
                before.first = min((place for place in (before.first, first.get(record)) if place is not None), default=None)
    points = [*_line_points(file, records, sources[file], first), *merged.values()]
    return sorted(points, key=lambda p: (p.line, p.column))


# ---- bits of a signal in few words: "acc_q[1:0][40:32, 7]" instead of eighty names
def split_object(text: str) -> tuple[str, Index, str]:
    """Name, bit indices and direction ("" where Verilator gives none) of a toggle point."""
    name, _, edge = text.partition(":")
    indices = re.findall(r"\[(\d+)\]", name)
    return name.partition("[")[0], tuple(int(i) for i in indices), edge


def _runs(numbers: Iterable[int]) -> list[str]:
    """``7:4`` and the like, highest first."""
    found: list[list[int]] = []
    for n in sorted(numbers, reverse=True):
        if found and found[-1][1] == n + 1:
            found[-1][1] = n
        else:
            found.append([n, n])
    return [str(high) if high == low else f"{high}:{low}" for high, low in found]


def number_ranges(numbers: Iterable[int]) -> str:
    """``5:3, 1``."""
    return ", ".join(_runs(numbers))


def _shorten(runs: Sequence[str]) -> str:
    more = len(runs) - MOST
    return ", ".join(runs[:MOST]) + (f" and {more} more ranges" if more > 0 else "")


def bit_ranges(indices: Iterable[Index]) -> list[str]:
    """Texts that name all of ``indices``, which have the same number of dimensions; [""] for a signal of one bit."""
    indices = set(indices)
    if not indices:
        return []
    if indices == {()}:
        return [""]
    words: dict[Index, set[int]] = {}
    for index in indices:
        words.setdefault(index[:-1], set()).add(index[-1])
    alike: dict[str, set[Index]] = {}
    for word, bits in words.items():
        alike.setdefault(f"[{_shorten(_runs(bits))}]", set()).add(word)
    return [prefix + bits for bits, prefixes in alike.items() for prefix in bit_ranges(prefixes)]


def describe(points: Iterable[CodePoint]) -> list[str]:
    """Sentences about toggle points: which bits of which signal never rise, fall or toggle."""
    edges: dict[str, dict[Index, list[str]]] = {}
    for point in points:
        name, index, edge = split_object(point.object)
        edges.setdefault(name, {}).setdefault(index, []).append(edge)
    sentences = []
    for name, bits in edges.items():
        for key, words in WORDS.items():
            texts = bit_ranges(index for index, found in bits.items() if tuple(sorted(found)) == key)
            sentences += [f"{name}{text} {words}" for text in texts[:GROUPS]]
            if len(texts) > GROUPS:
                sentences.append(f"{name}: {len(texts) - GROUPS} more groups of bits {words}")
    return sentences
