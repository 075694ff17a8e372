"""Reads Verilator's coverage data and adds it up over runs, parameter sets and instances.

A data file has one line per point: fields of key and value between control characters, then the count. Two lines mean the
same point if they agree on file, line, column, kind and comment. The hierarchy is left out, so all instances of a module,
and all builds with other parameters, are one; runs that keep instances apart say what each met besides. A build with wide
signals has points that a narrow one lacks: the union counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.errors import FcimError

HEADER = "# SystemC::Coverage"
SUFFIX = ".dat"
APART = f".apart{SUFFIX}"       # of a run that kept the instances of a module apart
KINDS = ("line", "branch", "expr", "toggle", "user")
KINDS_APART = ("line", "branch", "expr")     # what is told of each instance by itself
AGAIN = "delete the folder of the data and run: make coverage"

# Verilator writes the bytes of a character beyond ASCII as signed ones: \xc3 is %FFFFFFC3.
ESCAPED = re.compile(r"%FFFFFF([89A-F][0-9A-F])")

# Verilator writes the widths of a build into an expression's text: x[4:0] in one is x[5:0] in the next. Truth values
# ("x==1", "=> 0") are no such numbers.
WIDTHS = re.compile(r"(?<=\[)\d+:\d+(?=\])|(?<!==)(?<!=> )(?<![\w$])\d+(?:'s?[bodh][0-9a-fxz_?]+)?\b")


class Record(NamedTuple):
    """One point as Verilator knows it; ``file`` relative to the project, ``lines`` the source lines that it says were run."""

    kind: str
    file: str
    line: int
    column: int
    comment: str
    lines: tuple[int, ...] = ()


@dataclass
class Instance:
    """One instance of a module: its points, but for toggles, and those of them that were met."""

    points: set[Record] = field(default_factory=set)
    met: set[Record] = field(default_factory=set)


@dataclass
class Database:
    """The sum of all runs.

    ``counts`` per point; ``labels`` the texts of expressions as they first came; ``runs`` the files read; ``foreign`` files
    of points that lie outside the design (broken copies that tests make, for example), with the number of points;
    ``unknown`` kinds of point that are not understood; ``hits`` numbers of the points that the runs of each folder met, as
    ``counts`` has them in order: a regression's job has a folder of its own; ``instances`` of the runs that kept them apart, by
    path.
    """

    counts: dict[Record, int] = field(default_factory=dict)
    labels: dict[Record, str] = field(default_factory=dict)
    runs: list[Path] = field(default_factory=list)
    foreign: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    hits: dict[str, np.ndarray] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)


def line_numbers(text: str) -> tuple[int, ...]:
    """Numbers of a list such as ``3-5,9``.

    Raises:
        ValueError: the text is no such list.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
    return tuple(numbers)


def _unescaped(name: str) -> str:
    """A file's name as it is, from as Verilator writes it."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), name).encode("latin-1").decode() if ESCAPED.search(name) else name


class _Reader:
    """Adds files to a database; remembers what each point's text means, because runs of one build repeat the same texts."""

    def __init__(self, design: Path) -> None:
        self.database = Database()
        self._design = design.resolve()
        self._names: dict[str, str | None] = {}
        self._known: dict[str, Record | None] = {}
        self._met: dict[str, set[Record]] = {}
        self._numbers: dict[Record, int] = {}

    def add(self, path: Path) -> None:
        expressions: list[tuple[str, Record, int]] = []
        counts, met = self.database.counts, self._met.setdefault(path.parent.name, set())
        apart = path.name.endswith(APART)
        for number, line in enumerate(_lines(path), 2):
            head, _, count = line.rpartition("' ")
            try:
                amount = int(count)
                if not head.startswith("C '"):
                    raise ValueError(head)
                record = self._known[head] if head in self._known else self._understand(head)
            except ValueError:
                raise FcimError(f"{path}, line {number}: this is no coverage point; the file is damaged: {AGAIN}") from None
            if record is None:
                continue
            if record.kind == "expr":
                expressions.append((head, record, amount))
            else:
                counts[record] = counts.get(record, 0) + amount
                if amount:
                    met.add(record)
                if apart and record.kind in KINDS_APART:
                    self._add_apart(head, record, amount)
        self._add_expressions(expressions, met, apart)
        self.database.runs.append(path)

    def close(self, folder: str) -> None:
        """All files of a folder are there: what they met, in few bytes."""
        numbers = self._numbers
        for record in islice(self.database.counts, len(numbers), None):
            numbers[record] = len(numbers)
        self.database.hits[folder] = np.fromiter((numbers[record] for record in self._met.pop(folder)), dtype=np.int32)

    def _understand(self, head: str) -> Record | None:
        fields = dict(part.split("\x02", 1) for part in head[3:].split("\x01") if part)
        if not {"f", "l", "t"} <= fields.keys():
            raise ValueError(head)
        kind, name = fields["t"], self._file(fields["f"])
        record = None
        if name is None:
            self.database.foreign[fields["f"]] += 1
        elif kind not in KINDS:
            self.database.unknown[kind] += 1
        else:
            record = Record(kind, name, int(fields["l"]), int(fields.get("n", 0)), fields.get("o", ""),
                            line_numbers(fields.get("S", "")))
        self._known[head] = record
        return record

    def _file(self, name: str) -> str | None:
        """Path relative to the design's parent folder; None if the file is not below the design's folder."""
        if name not in self._names:
            path = (self._design.parent / _unescaped(name)).resolve()
            inside = path.is_relative_to(self._design)
            self._names[name] = path.relative_to(self._design.parent).as_posix() if inside else None
        return self._names[name]

    def _add_apart(self, head: str, record: Record, amount: int) -> None:
        instance = self.database.instances.setdefault(_field(head, "h"), Instance())
        instance.points.add(record)
        if amount:
            instance.met.add(record)

    def _add_expressions(self, found: Iterable[tuple[str, Record, int]], met: set[Record], apart: bool) -> None:
        """Rows of expressions without the widths of their build, unless two rows of one expression differ in nothing else."""
        found = list(found)
        texts: dict[tuple[object, ...], set[str]] = {}
        for head, record, _ in found:
            texts.setdefault(_place(head, record), set()).add(record.comment)
        for head, record, amount in found:
            place = _place(head, record)
            key = record if len(texts[place]) > 1 else record._replace(comment=WIDTHS.sub("#", record.comment))
            self.database.counts[key] = self.database.counts.get(key, 0) + amount
            self.database.labels.setdefault(key, record.comment)
            if amount:
                met.add(key)
            if apart:
                self._add_apart(head, key, amount)


def _field(head: str, name: str) -> str:
    """A field of a point's line."""
    return head.partition(f"\x01{name}\x02")[2].partition("\x01")[0]


def _place(head: str, record: Record) -> tuple[object, ...]:
    """What two rows of one expression in one module of a build have in common if only widths tell them apart."""
    return _field(head, "page"), record.file, record.line, record.column, WIDTHS.sub("#", record.comment)


def _lines(path: Path) -> list[str]:
    """The points' lines of a file.

    Raises:
        FcimError: it cannot be read, is something else, or ends in the middle of a line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FcimError(f"cannot read {path} ({error.strerror or error}); {AGAIN}") from None
    except UnicodeDecodeError:
        raise FcimError(f"{path} is no coverage data of Verilator (not text); {AGAIN}") from None
    if not text.startswith(HEADER):
        raise FcimError(f"{path} is no coverage data of Verilator (it does not start with '{HEADER}'); {AGAIN}")
    if not text.endswith("\n"):
        raise FcimError(f"{path} ends in the middle of a line, so its run was cut short; {AGAIN}")
    return text.split("\n")[1:-1]


def read_folder(folder: Path, design: Path) -> Database:
    """The sum of all ``*.dat`` of ``folder`` and below; only points in files below the folder ``design`` count.

    Raises:
        FcimError: no data, data of another design, or a file that is damaged.
    """
    paths = sorted(folder.rglob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not paths:
        raise FcimError(f"{folder} holds no coverage data (*{SUFFIX}); run: make coverage")
    reader = _Reader(design)
    for name, own in groupby(paths, lambda path: path.parent.name):
        for path in own:
            reader.add(path)
        reader.close(name)
    if not reader.database.counts:
        names = ", ".join(list(reader.database.foreign)[:1])
        raise FcimError(f"no point of {folder} lies below {design}" + (f", but in {names}; {AGAIN}" if names else f"; {AGAIN}"))
    return reader.database
