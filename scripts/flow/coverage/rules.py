"""The rules of the code coverage, which people write: exclusions and floors.

Exclusions name what cannot or need not be covered, each with its reason; an entry that excludes nothing is itself an error.
Floors are percentages below which the report fails, and which are only ever raised.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from models.errors import FcimError
from scripts.flow.coverage.database import line_numbers
from scripts.flow.coverage.points import TYPES, CodePoint, number_ranges, split_object
from scripts.flow.files import write_atomic

KEYS = ("file", "lines", "match", "types", "objects", "bits", "reason")
FUNCTIONAL = "functional"
NAMES = (*TYPES, FUNCTIONAL)
MARGIN = "margin"
SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)      # the one in C, where there is one, is ten times as fast


def load_yaml(path: Path, what: str) -> Any:
    """What a YAML file of ours holds; ``what`` it is, for the message.

    Raises:
        FcimError: it cannot be read or is not valid.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=SafeLoader)
    except OSError as error:
        raise FcimError(f"cannot read {what} {path} ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FcimError(f"{path} is not valid YAML ({' '.join(str(error).split())}); mend the file") from None


# ---- exclusions
@dataclass(frozen=True)
class Exclusion:
    """One entry.

    ``file`` path or pattern; ``lines`` numbers, ``match`` an expression that finds lines by their text, neither: all lines;
    ``types`` of points; ``objects`` an expression that a point's whole object must match: a signal with or without bits and
    direction (``acc_q``, ``acc_q[3]``, ``acc_q[3]:0->1``), an arm (if, else, elsif, case, cond_then, cond_else), or a row of
    an expression as the site shows it. ``bits`` narrows it to bits of signals with these numbers (the last index).
    """

    number: int
    file: str
    reason: str
    lines: tuple[int, ...] = ()
    match: str | None = None
    types: tuple[str, ...] = TYPES
    objects: str | None = None
    bits: frozenset[int] = frozenset()

    def where(self) -> str:
        """The entry in a few words."""
        parts = [self.file]
        if self.lines:
            parts.append("line " + ", ".join(map(str, self.lines)))
        if self.match:
            parts.append(f"lines with /{self.match}/")
        if self.objects:
            parts.append(f"objects /{self.objects}/")
        if self.bits:
            parts.append(f"bits {number_ranges(self.bits)}")
        return ", ".join(parts)

    def covers(self, point: CodePoint, source: Sequence[str]) -> bool:
        """The entry speaks of ``point``, whose file has the lines ``source``."""
        if point.type not in self.types or (self.lines and point.line not in self.lines):
            return False
        if self.match is not None and not re.search(self.match, source[point.line - 1]):
            return False
        if self.bits and (point.type != "toggle" or not self.bits.intersection(split_object(point.object)[1][-1:])):
            return False
        return self.objects is None or any(re.fullmatch(self.objects, name) for name in _names(point))


def _names(point: CodePoint) -> Iterator[str]:
    yield point.object
    if point.type == "toggle":
        bits = point.object.partition(":")[0]
        yield bits
        yield bits.partition("[")[0]


@dataclass
class Use:
    """What an entry did: ``excluded`` points, and ``hit`` points that it speaks of although they were hit."""

    exclusion: Exclusion
    excluded: int = 0
    hit: int = 0


def _fail(path: Path, number: int, problem: str) -> FcimError:
    return FcimError(f"{path}, entry {number}: {problem}")


def _pattern(path: Path, number: int, entry: Mapping[str, Any], key: str) -> str | None:
    text = entry.get(key)
    if text is None:
        return None
    try:
        re.compile(text)
    except (re.error, TypeError) as error:
        raise _fail(path, number, f"{key} {text!r} is no regular expression ({error})") from None
    return str(text)


def _numbers(path: Path, number: int, entry: Mapping[str, Any], key: str) -> tuple[int, ...]:
    try:
        found = line_numbers(str(entry[key]).replace(" ", "").strip("[]")) if key in entry else ()
    except ValueError:
        found = ()
    if key in entry and not found:
        raise _fail(path, number, f"{key} {entry[key]!r} is no list such as '12-14, 20'")
    return found


def _entry(path: Path, number: int, entry: Any) -> Exclusion:
    if not isinstance(entry, dict):
        raise _fail(path, number, f"is no mapping; give {', '.join(KEYS)}")
    unknown = [str(key) for key in entry if key not in KEYS]
    if unknown:
        raise _fail(path, number, f"unknown key '{unknown[0]}'; known are {', '.join(KEYS)}")
    for key in ("file", "reason"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise _fail(path, number, f"{key} is missing; every exclusion needs one")
    types = entry.get("types", list(TYPES))
    types = [types] if isinstance(types, str) else types
    if not isinstance(types, list) or not types or any(t not in TYPES for t in types):
        raise _fail(path, number, f"types {types!r} must be some of {', '.join(TYPES)}")
    return Exclusion(number, entry["file"], " ".join(entry["reason"].split()), _numbers(path, number, entry, "lines"),
                     _pattern(path, number, entry, "match"), tuple(types), _pattern(path, number, entry, "objects"),
                     frozenset(_numbers(path, number, entry, "bits")))


def load_exclusions(path: Path, files: Iterable[str]) -> list[Exclusion]:
    """The entries of a YAML list; an empty file has none.

    Args:
        files: the design's files, relative to the project.

    Raises:
        FcimError: the file is missing or not understood, or an entry names no file of the design.
    """
    data = load_yaml(path, "the exclusions")
    if not isinstance(data, list | None):
        raise FcimError(f"{path} must hold a list of exclusions, each with {', '.join(KEYS)}")
    files = list(files)
    entries = [_entry(path, number, entry) for number, entry in enumerate(data or [], 1)]
    for entry in entries:
        if not any(fnmatchcase(file, entry.file) for file in files):
            raise _fail(path, entry.number, f"there is no file {entry.file}; mend or remove the entry")
    return entries


def apply_exclusions(exclusions: Sequence[Exclusion], points: Mapping[str, Sequence[CodePoint]],
                     sources: Mapping[str, Sequence[str]]) -> list[Use]:
    """Mark points that were never hit and that an entry speaks of; the first entry that does so counts."""
    uses = []
    for exclusion in exclusions:
        use = Use(exclusion)
        for file in points:
            if not fnmatchcase(file, exclusion.file):
                continue
            for point in points[file]:
                if not exclusion.covers(point, sources[file]):
                    continue
                if point.hit:
                    use.hit += 1
                else:
                    use.excluded += 1
                    point.exclusion = exclusion.number if point.exclusion is None else point.exclusion
        uses.append(use)
    return uses


# ---- floors
@dataclass(frozen=True)
class Floors:
    """``values`` percent per name; ``margin`` what an update leaves between a number and its floor."""

    values: Mapping[str, float]
    margin: float = 0.0

    def raised(self, percents: Mapping[str, float | None]) -> dict[str, float]:
        """Floors that may be higher, rounded down to a tenth: ``{name: new floor}``."""
        found = {}
        for name, percent in percents.items():
            if name in self.values and percent is not None:
                new = math.floor((percent - self.margin) * 10 + 1e-6) / 10
                if new > self.values[name]:
                    found[name] = new
        return found


def load_floors(path: Path) -> Floors:
    """Floors of a YAML mapping that has a number for each of :data:`NAMES`, and perhaps ``margin``.

    Raises:
        FcimError: the file is missing or not understood, or a number is missing or none of a percentage.
    """
    data = load_yaml(path, "the floors")
    if not isinstance(data, dict):
        raise FcimError(f"{path} must hold one percentage for each of {', '.join(NAMES)}")
    for name in data:
        if name not in (*NAMES, MARGIN):
            raise FcimError(f"{path}: unknown name '{name}'; known are {', '.join((*NAMES, MARGIN))}")
    for name in NAMES:
        if name not in data:
            raise FcimError(f"{path}: '{name}' is missing; 0 means no floor")
    for name, value in data.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise FcimError(f"{path}: {name} is {value!r}; give a percentage from 0 to 100")
    return Floors({name: float(data[name]) for name in NAMES}, float(data.get(MARGIN, 0)))


def write_floors(path: Path, new: Mapping[str, float]) -> None:
    """Put the values of ``new`` into the file and leave everything else in it as it is.

    Raises:
        FcimError: a value's line is not found, or the file cannot be written.
    """
    text = path.read_text(encoding="utf-8")
    for name, value in new.items():
        text, found = re.subn(rf"^({name}\s*:\s*)[\d.]+", rf"\g<1>{value:.1f}", text, flags=re.MULTILINE)
        if found != 1:
            raise FcimError(f"{path}: cannot find the line of '{name}'; write it as '{name}: 90.0'")
    write_atomic(path, text)
