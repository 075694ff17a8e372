"""What a run leaves in its folder: tables, figures and every measured point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.studies.schedules.record import Row
from scripts.studies.schedules.sheet import Sheet

FIGURES = ("reference_moves", "rescales", "heads", "tau", "sizes", "skipped")
FILES = ("ablation.json", "ablation.md", *(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")))


def write_json(path: Path, facts: dict[str, Any], rows: list[Row]) -> None:
    """``facts``, then everything that was measured, one point a line."""
    lines = ",\n  ".join(json.dumps(row.as_dict(), separators=(",", ":")) for row in rows)
    path.write_text(json.dumps(facts, indent=1)[:-2] + f',\n "rows": [\n  {lines}\n ]\n}}\n')


def write_markdown(path: Path, sheets: list[Sheet], lines: list[str]) -> None:
    """All tables as a page; ``lines`` come after the last."""
    parts = [f"## {sheet.title}\n\n{sheet.markdown()}\n" for sheet in sheets]
    path.write_text("\n".join([*parts, *(f"* {line}" for line in lines)]) + "\n")
