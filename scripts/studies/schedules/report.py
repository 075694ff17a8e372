"""What a run says and leaves in its folder: tables that the terminal and a page show alike, the page, and the JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.flow.tables import Column, Table
from scripts.studies.schedules.rows import Row


@dataclass
class Sheet:
    """``name``: one word, unique in a run. The first ``words`` of ``columns`` hold text, the others figures, as text too."""

    name: str
    title: str
    columns: list[str]
    words: int = 1
    rows: list[list[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """One more row."""
        self.rows.append(list(cells))

    def table(self) -> Table:
        """For the terminal; its first columns are repeated where it is split."""
        table = Table([Column(name, text=i < self.words, key=i < self.words) for i, name in enumerate(self.columns)], self.title)
        for row in self.rows:
            table.add(*row)
        return table

    def markdown(self) -> str:
        """For a page: the table between two comments by which it is found again."""
        rule = ["---" if number < self.words else "--:" for number in range(len(self.columns))]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([begin(self.name), *lines, END])


END = "<!-- end -->"


def begin(name: str) -> str:
    """The line before a table in a page."""
    return f"<!-- ablation: {name} -->"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return "-" if value is None else f"{100 * value:.{digits}f}"


def number(value: float | None, digits: int = 2) -> str:
    """With thousands apart; -0 is 0."""
    return "-" if value is None else f"{round(value, digits) + 0.0 if digits else round(value):,.{digits}f}"


FIGURES = ("reference_moves", "rescales", "heads", "tau", "sizes", "skipped")
FILES = ("ablation.json", "ablation.md", *(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")))


def write_json(path: Path, facts: dict[str, Any], rows: list[Row]) -> None:
    """``facts``, then everything that was measured, one setting a line."""
    lines = ",\n  ".join(json.dumps(row.as_dict(), separators=(",", ":")) for row in rows)
    path.write_text(json.dumps(facts, indent=1)[:-2] + f',\n "rows": [\n  {lines}\n ]\n}}\n')


def write_markdown(path: Path, sheets: list[Sheet], lines: list[str]) -> None:
    """All tables as a page; ``lines`` come after the last."""
    parts = [f"## {sheet.title}\n\n{sheet.markdown()}\n" for sheet in sheets]
    path.write_text("\n".join([*parts, *(f"* {line}" for line in lines)]) + "\n")
