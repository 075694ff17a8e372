"""Pages with generated text: regions between two comments, and sentences that are found by their words.

``<!-- figures: NAME -->`` ... ``<!-- end -->`` on lines of their own hold a region, which a generator writes as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from scripts.figures.text import complete, find, plain

END = "<!-- end -->"
_REGION = re.compile(r"<!-- figures: ([a-z0-9-]+) -->\n((?:.*?\n)??)<!-- end -->", re.S)


def begin(name: str) -> str:
    """The line before a region."""
    return f"<!-- figures: {name} -->"


@dataclass(frozen=True)
class Piece:
    """What a generator gives for one place of a page (path from the project's root): a region's text, or, without a region's
    name, a sentence, or the part of one that has figures, by whose other words it is found."""

    page: str
    text: str
    region: str | None = None


@dataclass
class Page:
    """A page in memory."""

    path: Path
    text: str
    unplaced: list[str] = field(default_factory=list)    # what :meth:`put` found no place for

    @classmethod
    def read(cls, path: Path) -> Page:
        """From a file."""
        return cls(path, path.read_text(encoding="utf-8"))

    def regions(self) -> list[str]:
        """Names of the regions, in order."""
        return [match[1] for match in _REGION.finditer(self.text)]

    def put(self, piece: Piece) -> list[str]:
        """Bring a piece in; gives what was wrong before, one line each, nothing if all was right.

        Figures that were right within their tolerance stay as they are.
        """
        if piece.region is None:
            return self._sentence(piece)
        places = [match for match in _REGION.finditer(self.text) if match[1] == piece.region]
        if len(places) != 1:
            return self._nowhere(f"there are {len(places)} regions of this name, there must be one: {begin(piece.region)}")
        first, last = places[0].span(2)
        old, new, wrong = self.text[first:last].splitlines(), piece.text.split("\n"), []
        lines = []
        for number, want in enumerate(new):
            have = old[number] if number < len(old) else ""
            found = next((f for f in find(want, have) if (f.begin, f.end) == (0, len(have))), None)
            if found is not None:
                lines.append(found.text)
                wrong += [f"line {number + 1}: {text}" for text in found.wrong]
            elif complete(want):
                lines.append(plain(want))
                wrong.append(f"line {number + 1} is not: {plain(want)}")
            else:
                return self._nowhere(f"line {number + 1} is another one, and its figures were not measured: {plain(want)}")
        if len(old) > len(new):
            wrong.append(f"there are {len(old) - len(new)} lines too many")
        self.text = self.text[:first] + "\n".join(lines) + "\n" + self.text[last:]
        return wrong

    def _nowhere(self, line: str) -> list[str]:
        self.unplaced.append(line)
        return [line]

    def _sentence(self, piece: Piece) -> list[str]:
        places = find(piece.text, self.text)
        if len(places) != 1:
            return self._nowhere(f"this stands there {len(places)} times, and must once: {plain(piece.text)}")
        place, = places
        self.text = self.text[:place.begin] + place.text + self.text[place.end:]
        return [f"{text}: {' '.join(place.text.split())}" for text in place.wrong]
