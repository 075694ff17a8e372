"""The tables of all commands: on a terminal they fit its width, in a file or a pipe they are plain text with every column.

No cell is ever cut. Where a terminal is too narrow, headers and words are broken over lines at spaces, then columns leave in the
order of their rank (a line below says which), and what still does not fit becomes several tables below one another.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

WIDE_GAP, NARROW_GAP = 2, 1
NARROWEST_TEXT = 12     # a column of words is not made narrower than that as long as there is another way
AT_SPACES, ANYWHERE = 1, 2
Cell = str | Text


@dataclass(frozen=True)
class Column:
    """One column.

    ``text``: words, on the left, which may be broken over lines; else a figure, on the right, which never is. ``rank``: 0 for
    a column that is always shown; the others leave on narrow terminals, the highest rank first. ``key``: repeated where a
    table is split.
    """

    name: str
    text: bool = False
    rank: int = 0
    key: bool = False


@dataclass(frozen=True)
class _Row:
    cells: tuple[Cell, ...]
    style: str | None
    last: bool          # of a section


@dataclass(frozen=True)
class _Part:
    """Columns that stand beside one another, with their widths."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]
    gap: int


@dataclass
class Table:
    """Rows of cells under named columns. Build it with :meth:`add`, print it with :meth:`show`."""

    columns: Sequence[Column]
    title: str = ""
    rows: list[_Row] = field(default_factory=list)

    def add(self, *cells: Cell, style: str | None = None, last: bool = False) -> None:
        """One more row; ``last`` draws a line below it on a terminal.

        Raises:
            ValueError: not one cell per column.
        """
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(_Row(cells, style, last))

    def show(self, file: IO[str] | None = None) -> None:
        """Print to a terminal as wide as it is, to anything else with all columns and without colours or lines."""
        file = file or sys.stdout
        if not file.isatty():
            file.write("".join(f"{line}\n" for line in self.lines()))
            return
        console = Console(file=file, highlight=False)
        for line in _at_words(self.title, console.width):
            console.print(Text(line, style="bold"), soft_wrap=True)
        parts, left_out = self._layout(console.width)
        for part in parts:
            if part is not parts[0]:
                console.print()
            console.print(self._rich(part, True), soft_wrap=False, no_wrap=True, crop=False)
        for line in self._notes(left_out, console.width):
            console.print(Text(line, style="dim"), soft_wrap=True)

    def lines(self, width: int | None = None) -> list[str]:
        """The table as plain text, at most ``width`` characters wide (default: as wide as it needs to be)."""
        parts, left_out = self._layout(width)
        lines = _at_words(self.title, width)
        for part in parts:
            lines += [""] if part is not parts[0] else []
            text = io.StringIO()
            console = Console(file=text, width=sum(part.widths) + part.gap * len(part.widths), color_system=None, highlight=False)
            console.print(self._rich(part, False), crop=False)
            lines += [line.rstrip() for line in text.getvalue().splitlines()]
        return lines + self._notes(left_out, width)

    def _notes(self, left_out: Sequence[int], width: int | None) -> list[str]:
        names = ", ".join(self.columns[i].name for i in left_out)
        return _at_words(f"not shown at this width: {names} (in a file or a pipe they are)", width) if left_out else []

    def _rich(self, part: _Part, on_terminal: bool) -> RichTable:
        # the box between two columns is one character wide
        padding = part.gap - 1 if on_terminal else part.gap
        table = RichTable(box=box.SIMPLE_HEAD if on_terminal else None, show_edge=False, pad_edge=False,
                          padding=(0, padding, 0, 0))
        for i, width in zip(part.columns, part.widths, strict=True):
            column = self.columns[i]
            header = Text("\n".join(_broken(column.name, width)), style="bold" if on_terminal else "")
            table.add_column(header, justify="left" if column.text else "right", width=width, no_wrap=True, overflow="fold")
        for row in self.rows:
            cells = [_fitted(row.cells[i], width) for i, width in zip(part.columns, part.widths, strict=True)]
            table.add_row(*cells, style=row.style, end_section=row.last)
        return table

    def _layout(self, width: int | None) -> tuple[list[_Part], list[int]]:
        """What stands beside what, and the columns that are left out."""
        shown = list(range(len(self.columns)))
        if width is None:
            widths = tuple(max(self._natural(i), self._least(i, 0)) for i in shown)
            return [_Part(tuple(shown), widths, WIDE_GAP)], []
        left_out: list[int] = []
        while True:
            for gap, breaks in ((WIDE_GAP, 0), (WIDE_GAP, AT_SPACES), (NARROW_GAP, AT_SPACES)):
                if widths := self._widths(shown, width, gap, breaks):
                    return [_Part(tuple(shown), widths, gap)], sorted(left_out)
            rank = max(self.columns[i].rank for i in shown)
            if not rank:
                break
            left_out.append(next(i for i in reversed(shown) if self.columns[i].rank == rank))
            shown.remove(left_out[-1])
        if widths := self._widths(shown, width, NARROW_GAP, ANYWHERE):
            return [_Part(tuple(shown), widths, NARROW_GAP)], sorted(left_out)
        return self._split(shown, width), sorted(left_out)

    def _split(self, shown: Sequence[int], width: int) -> list[_Part]:
        """Several tables, each beginning with the key columns."""
        keys = [i for i in shown if self.columns[i].key] or [shown[0]]
        parts: list[_Part] = []
        taken: list[int] = []
        found: _Part | None = None
        for i in (i for i in shown if i not in keys):
            more = next(((gap, widths) for gap, breaks in ((WIDE_GAP, AT_SPACES), (NARROW_GAP, AT_SPACES), (NARROW_GAP, ANYWHERE))
                         if (widths := self._widths([*keys, *taken, i], width, gap, breaks))), None)
            if more is None and taken:
                parts.append(found)     # type: ignore[arg-type]
                taken = []
                more = next(((gap, widths) for gap, breaks in ((WIDE_GAP, AT_SPACES), (NARROW_GAP, ANYWHERE))
                             if (widths := self._widths([*keys, i], width, gap, breaks))), None)
            taken.append(i)
            if more is None:            # narrower than one figure and its key: nothing is cut even so
                more = NARROW_GAP, tuple(self._least(c, ANYWHERE) for c in (*keys, *taken))
            found = _Part((*keys, *taken), more[1], more[0])
        return [*parts, found] if found else parts

    def _natural(self, i: int) -> int:
        """The width of a column's widest cell."""
        return max((max(map(cell_len, str(row.cells[i]).split("\n"))) for row in self.rows), default=0)

    def _least(self, i: int, breaks: int) -> int:
        """The narrowest that a column can be: headers and words broken at spaces, or anywhere."""
        column, natural = self.columns[i], self._natural(i)
        header = cell_len(column.name) if not breaks else max(map(cell_len, column.name.split()), default=0)
        if not column.text or not breaks:
            return max(natural, header)
        words = max((cell_len(word) for row in self.rows for word in str(row.cells[i]).split()), default=0)
        least = max(words, min(natural, NARROWEST_TEXT)) if breaks == AT_SPACES else min(natural, NARROWEST_TEXT)
        return max(least, header)

    def _widths(self, shown: Sequence[int], width: int, gap: int, breaks: int) -> tuple[int, ...] | None:
        """Widths with which these columns fit, None if there are none: figures first, what is left to the words."""
        least = {i: self._least(i, breaks) for i in shown}
        room = width - gap * (len(shown) - 1)
        if sum(least.values()) > room:
            return None
        wanted = {i: max(self._natural(i), least[i]) for i in shown}
        while sum(wanted.values()) > room:      # the widest gives first
            wanted[max((i for i in shown if wanted[i] > least[i]), key=lambda i: wanted[i])] -= 1
        for i in shown:     # a header gets the lines that it needs, and the width that is left
            if breaks and room - sum(wanted.values()) >= cell_len(self.columns[i].name) - wanted[i] > 0:
                wanted[i] = cell_len(self.columns[i].name)
        return tuple(wanted[i] for i in shown)


def say(text: str, file: IO[str] | None = None, style: str = "") -> None:
    """Print a line; on a terminal it is broken between words, and only there it has colours."""
    file = file or sys.stdout
    if not file.isatty():
        print(text, file=file, flush=True)
        return
    console = Console(file=file, highlight=False)
    for line in _at_words(text, console.width):
        console.print(Text(line, style=style), soft_wrap=True)


def _at_words(text: str, width: int | None) -> list[str]:
    """The lines of a text, broken between words where there is a width."""
    return [] if not text else [text] if width is None else _broken(text, width)


def _broken(text: str, width: int) -> list[str]:
    """A text in lines of at most ``width``."""
    return [text[begin:end] for begin, end in _cuts(text, width)]


def _cuts(text: str, width: int) -> list[tuple[int, int]]:
    """Where the lines of a text begin and end: broken at spaces, a longer word after a mark inside it, else anywhere."""
    cuts, begin = [], 0
    for paragraph in text.split("\n"):
        end = begin + len(paragraph)
        while cell_len(text[begin:end]) > width:
            fit = 1
            while cell_len(text[begin:begin + fit + 1]) <= width:
                fit += 1
            space = text.rfind(" ", begin, begin + fit + 1)
            if text[begin:max(begin, space)].strip():
                cuts.append((begin, space))
                begin = space + 1
            else:
                marks = [m.end() for m in re.finditer(r"[,/_=;:|\[(-]", text[begin:begin + fit])]
                cuts.append((begin, begin + (marks[-1] if marks else fit)))
                begin = cuts[-1][1]
        cuts.append((begin, end))
        begin = end + 1
    return cuts


def _fitted(cell: Cell, width: int) -> Text:
    """A cell in lines of at most ``width``, with its styles."""
    text = cell if isinstance(cell, Text) else Text(cell)
    return Text("\n").join(text[begin:end] for begin, end in _cuts(text.plain, width))
