"""What a run leaves in its folder: tables, figures and every measured point; all of it or, if anything fails, nothing."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.errors import FcimError
from scripts.ablation.record import Row
from scripts.ablation.sheet import Sheet

FIGURES = ("reference_moves", "rescales", "heads", "tau", "sizes", "skipped")
FILES = ("ablation.json", "ablation.md", *(f"{name}.{kind}" for name in FIGURES for kind in ("svg", "png")))


def check_folder(folder: Path) -> None:
    """Raise :class:`FcimError` unless results can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FcimError(f"OUT = {folder} cannot be written ({error.strerror}); name another folder") from None


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A folder to write into, whose files replace an earlier run's in ``folder`` once all of them are there."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
        new = Path(name)
        yield new
        for file in FILES:
            (folder / file).unlink(missing_ok=True)
        for path in sorted(new.iterdir()):
            shutil.move(path, folder / path.name)


def write_json(path: Path, facts: dict[str, Any], rows: list[Row]) -> None:
    """``facts``, then everything that was measured, one point a line."""
    lines = ",\n  ".join(json.dumps(row.as_dict(), separators=(",", ":")) for row in rows)
    path.write_text(json.dumps(facts, indent=1)[:-2] + f',\n "rows": [\n  {lines}\n ]\n}}\n')


def write_markdown(path: Path, sheets: list[Sheet], lines: list[str]) -> None:
    """All tables as a page; ``lines`` come after the last."""
    parts = [f"## {sheet.title}\n\n{sheet.markdown()}\n" for sheet in sheets]
    path.write_text("\n".join([*parts, *(f"* {line}" for line in lines)]) + "\n")
