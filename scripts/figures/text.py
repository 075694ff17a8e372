"""Text with figures in it: what a generator writes, what stands on a page, and how far the two may be apart.

A generator builds ordinary text in which :func:`exact`, :func:`near`, :func:`timed` and :func:`form` mark what is a figure and
with what tolerance it is compared. All else must stand on the page as it is, apart from the breaks of lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

_OPEN, _SHUT, _TOLERANCE = "\ue000", "\ue001", "\ue002"     # private characters: no page has them
_MARKED = re.compile(f"{_OPEN}([^{_TOLERANCE}]*){_TOLERANCE}([^{_SHUT}]*){_SHUT}")
NUMBER = r"[+-]?\d+(?:,\d{3})*(?:\.\d+)?"
FORM, RENEWED = "form", "renewed"
Value = float | None
_NOTES = {"0.0": "", repr(math.inf): " (or another time with as many digits)"}


def _marked(text: str, tolerance: str) -> str:
    return f"{_OPEN}{text}{_TOLERANCE}{tolerance}{_SHUT}"


def exact(value: float, spec: str = ",") -> str:
    """A figure that is the same everywhere."""
    return near(value, spec, 0.0)


def near(value: float, spec: str, within: float) -> str:
    """A figure that depends on the machine's rounding; ``within``, absolute, is how much that may be."""
    return _marked(format(value, spec), repr(within))


def timed(value: Value, spec: str, renew: bool = False) -> str:
    """A time or a speed: any number will do.

    What stands on the page stays where ``value`` is None, not measured, and where nothing else in its line is wrong, unless
    ``renew``: then every new measurement is written.
    """
    return _marked("" if value is None else format(value, spec), RENEWED if renew else repr(math.inf))


def loose(value: float, spec: str) -> str:
    """A figure that is compared with nothing, and written anew each time."""
    return _marked(format(value, spec), RENEWED)


def form(text: str) -> str:
    """A version or a name of the machine: any word will do."""
    return _marked(text, FORM)


def plain(template: str) -> str:
    """The text without its marks."""
    return _MARKED.sub(r"\1", template)


@dataclass(frozen=True)
class Found:
    """A template's place in a page's text: ``[begin, end)``, where its figures stand, and which of them are wrong."""

    begin: int
    end: int
    text: str                   # as it should be
    wrong: tuple[str, ...]      # one line each


def _pattern(template: str) -> tuple[re.Pattern[str], list[tuple[str, str]]]:
    """A pattern with a group per figure, and the figures as (text, tolerance)."""
    figures: list[tuple[str, str]] = []
    parts, end = [], 0
    for match in _MARKED.finditer(template):
        parts.append(_literal(template[end:match.start()]))
        parts.append(r"([^\s|,;:()]+)" if match[2] == FORM else f"({NUMBER})")
        figures.append((match[1], match[2]))
        end = match.end()
    parts.append(_literal(template[end:]))
    return re.compile("".join(parts)), figures


def _literal(text: str) -> str:
    """Words with any white space between them, so that lines may be broken elsewhere; the lines of a table may not."""
    return re.sub(r"(?:\\ |\\\n|\n)+", r"\\s+", re.escape(text)) if text else ""


def _right(have: str, want: str, tolerance: str) -> bool:
    if tolerance in (FORM, RENEWED) or not want:
        return True
    if len(have.partition(".")[2]) != len(want.partition(".")[2]):
        return False
    apart = abs(_number(have) - _number(want))
    return apart <= float(tolerance) + 1e-9


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def find(template: str, page: str, begin: int = 0, end: int | None = None) -> list[Found]:
    """Every place in ``page[begin:end]`` where a template stands, whatever its figures are there.

    The text as it should be keeps figures that are near enough, else every machine would write its own last digits.
    """
    pattern, figures = _pattern(template)
    places = []
    for match in pattern.finditer(page, begin, len(page) if end is None else end):
        wrong = [f"{have} stands there, {want} is right{_NOTES.get(tolerance, f' (within {tolerance})')}"
                 for have, (want, tolerance) in zip(match.groups(), figures, strict=True) if not _right(have, want, tolerance)]
        text, at = "", match.start()
        for number, (want, tolerance) in enumerate(figures, 1):
            have = match[number]
            new = want and (not _right(have, want, tolerance) or tolerance in (FORM, RENEWED)
                            or (tolerance == repr(math.inf) and bool(wrong)))
            text += page[at:match.start(number)] + (want if new else have)
            at = match.end(number)
        places.append(Found(match.start(), match.end(), text + page[at:match.end()], tuple(wrong)))
    return places


def complete(template: str) -> bool:
    """Whether every figure has a value, so that the text can be written where none stands."""
    return all(match[1] for match in _MARKED.finditer(template))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table of a page; the first ``words`` columns hold words."""
    rule = ["---" if i < words else "--:" for i in range(len(columns))]
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in (columns, rule, *rows))
