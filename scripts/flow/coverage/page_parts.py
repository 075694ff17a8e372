"""Small pieces of the coverage pages: percentages, bars, names of pages."""

from __future__ import annotations

import math
from pathlib import Path

from scripts.flow.coverage.results import Tally

STYLE = (Path(__file__).parent / "coverage.css").read_text(encoding="utf-8")
SOURCE_FOLDER = "source"
HIGH, LOW = 95.0, 80.0      # limits of the bars' colours
NOTHING = "\N{EN DASH}"


def percent(value: float | None) -> str:
    """``99.9 %``, rounded down so that only what is complete says 100."""
    return NOTHING if value is None else f"{math.floor(value * 10 + 1e-9) / 10:.1f} %"


def bar(value: float | None) -> str:
    """A bar of ``value`` percent; nothing for None."""
    if value is None:
        return ""
    kind = "full" if value >= 100 else "high" if value >= HIGH else "low" if value < LOW else ""
    return f'<span class="bar"><i class="{kind}" style="width:{value:.1f}%"></i></span>'


def count(number: int) -> str:
    """A count in at most five characters."""
    for limit, size, unit in ((10**4, 1, ""), (10**6, 10**3, "k"), (10**9, 10**6, "M"), (10**12, 10**9, "G")):
        if number < limit:
            return f"{number:,}" if size == 1 else f"{number / size:.3g}{unit}"
    return f"{number:.1e}"


def of(value: Tally) -> str:
    """``12 of 13``."""
    return f"{value.hit:,} of {value.total:,}" if value.total else ""


def source_page_name(file: str) -> str:
    """Path of a source file's page, relative to the site."""
    return f"{SOURCE_FOLDER}/{file.replace('/', '.')}.html"
